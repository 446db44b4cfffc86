"""Fixed worlds of sites with every awkwardness a pattern can have, and exact oracles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells, point_ids
from synthgrid_assets.tessellation.sites import Sites, canonical_order
from synthgrid_assets.tessellation.triangulation import Mesh

WORLD = Cells(-40, -40, 40, 40)  # every pattern is known here and asked for nowhere else


@dataclass(frozen=True)
class World:
    """Sites that stand where they stand: a source that only looks them up."""

    sites: Sites
    known: Cells = WORLD

    def __call__(self, cells: Cells) -> Sites:
        assert cells.intersection(self.known) == cells, f"{cells} asked for beyond {self.known}"
        return self.sites.take(self.sites.inside(cells))


def world(x, y, known: Cells = WORLD) -> World:
    x, y = np.asarray(x, np.int64), np.asarray(y, np.int64)
    order = canonical_order(x, y)
    x, y = x[order], y[order]
    ix, iy = x >> CELL_BITS, y >> CELL_BITS
    new = np.ones(x.size, bool)
    new[1:] = (np.diff(ix) != 0) | (np.diff(iy) != 0)
    starts = np.flatnonzero(new)
    place = np.arange(x.size) - np.repeat(starts, np.diff(np.r_[starts, x.size]))
    return World(Sites(x, y, point_ids(ix, iy, place)), known)


def _uniform(rng, intensity):
    x0, y0, x1, y1 = WORLD.quanta()
    n = rng.poisson(intensity * WORLD.area)
    return rng.integers(x0, x1, n), rng.integers(y0, y1, n)


def _lattice(step):
    x0, y0, x1, y1 = WORLD.quanta()
    y, x = np.mgrid[y0:y1:step, x0:x1:step]
    return x.ravel(), y.ravel()


def _near(rng, x, y, each, spread):
    """`each` sites within `spread` quanta of each of the given ones."""
    shape = (each, x.size)
    x0, y0, x1, y1 = WORLD.quanta()
    x = np.clip(x + rng.integers(-spread, spread + 1, shape), x0, x1 - 1)
    y = np.clip(y + rng.integers(-spread, spread + 1, shape), y0, y1 - 1)
    return x.ravel(), y.ravel()


def _voids(rng, x, y, count, radius):
    keep = np.ones(x.size, bool)
    for cx, cy in zip(*(rng.integers(-20, 20, (2, count)) * CELL), strict=True):
        keep &= np.hypot(x - cx, y - cy) > radius * CELL
    return x[keep], y[keep]


@cache
def pattern(name: str) -> World:
    rng = np.random.default_rng(7)
    if name == "random":
        return world(*_uniform(rng, 3))
    if name == "lattice":  # every site cocircular with its neighbours, some on tile borders
        return world(*_lattice(CELL // 2))
    if name == "broken lattice":
        x, y = _lattice(CELL // 2)
        keep = rng.random(x.size) < 0.5
        return world(x[keep], y[keep])
    if name == "columns":  # collinear runs, on cell borders
        x, y = _uniform(rng, 4)
        return world(x & -CELL, y)
    if name == "clustered":
        x, y = _uniform(rng, 0.5)
        return world(*np.concatenate([(x, y), _near(rng, x, y, 6, CELL // 50)], axis=1))
    if name == "tight":  # sites a few quanta apart: slivers, and vertices that nearly meet
        return world(*_near(rng, *_uniform(rng, 0.5), 5, 3))
    if name == "duplicated":
        x, y = _uniform(rng, 2)
        again = rng.random(x.size) < 0.4
        return world(np.r_[x, x[again], x[again]], np.r_[y, y[again], y[again]])
    if name == "void-ridden":
        return world(*_voids(rng, *_uniform(rng, 3), 12, 5))
    if name == "circles":  # many sites on common circles with integer centres
        turns = [(a, b) for a in range(-65, 66) for b in range(-65, 66) if a * a + b * b == 65 * 65]
        ox, oy = np.array(turns).T * (CELL // 65)
        x, y = _uniform(rng, 0.1)
        inside = (np.abs(x) < 38 * CELL) & (np.abs(y) < 38 * CELL)
        x, y = x[inside], y[inside]
        x, y = np.r_[(x[:, None] + ox).ravel(), x], np.r_[(y[:, None] + oy).ravel(), y]
        return world(*np.unique(np.stack((x, y)), axis=1))
    raise KeyError(name)


PATTERNS = (
    "random",
    "lattice",
    "broken lattice",
    "columns",
    "clustered",
    "tight",
    "duplicated",
    "void-ridden",
    "circles",
)


def in_circle_sign(a, b, c, p) -> int:
    """Sign of the in-circle determinant with Python's own integers."""
    rows = []
    for q in (a, b, c):
        dx, dy = int(q[0]) - int(p[0]), int(q[1]) - int(p[1])
        rows.append((dx, dy, dx * dx + dy * dy))
    (a1, a2, a3), (b1, b2, b3), (c1, c2, c3) = rows
    value = a1 * (b2 * c3 - b3 * c2) - a2 * (b1 * c3 - b3 * c1) + a3 * (b1 * c2 - b2 * c1)
    return (value > 0) - (value < 0)


def cross(a, b, c) -> int:
    return (int(b[0]) - int(a[0])) * (int(c[1]) - int(a[1])) - (int(b[1]) - int(a[1])) * (
        int(c[0]) - int(a[0])
    )


def hull(points) -> list[tuple[int, int]]:
    """Strict convex hull, counter-clockwise (Andrew's monotone chain)."""

    def half(ordered):
        chain: list[tuple[int, int]] = []
        for p in ordered:
            while len(chain) > 1 and cross(chain[-2], chain[-1], p) <= 0:
                chain.pop()
            chain.append(p)
        return chain[:-1]

    ordered = sorted(set(points))
    return half(ordered) + half(ordered[::-1])


def doubled_area(ring) -> int:
    return sum(
        int(a[0]) * int(b[1]) - int(a[1]) * int(b[0])
        for a, b in zip(ring, [*ring[1:], *ring[:1]], strict=True)
    )


def finite_triangles(mesh: Mesh, n: int) -> np.ndarray:
    """Vertices of the triangles that are not ghosts, shape (t, 3)."""
    return mesh.vertices[(mesh.vertices < n).all(axis=1)]
