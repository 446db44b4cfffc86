"""Drawn patterns, drawn tilings: the tiles' union is the tessellation of everything at once."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, Cells, point_ids
from synthgrid_assets.tessellation.anchors import anchored, halo_bound
from synthgrid_assets.tessellation.sites import Sites, distinct
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.tile import Tessellation, merge
from synthgrid_assets.tessellation.triangulation import delaunay
from synthgrid_assets_tests.tessellation.patterns import finite_triangles, world

AREA = Cells(-4, -3, 4, 5)
SEEN = Cells(-6, -6, 7, 7)  # where drawn sites lie
EVERYWHERE = Cells(-500, -500, 500, 500)
CIRCLE = np.array([(a, b) for a in range(-65, 66) for b in range(-65, 66) if a * a + b * b == 4225])


def uniform(rng, n):
    x0, y0, x1, y1 = SEEN.quanta()
    return np.stack((rng.integers(x0, x1, n), rng.integers(y0, y1, n)), axis=1)


def lattice(rng):
    step = int(rng.choice([CELL // 2, CELL, 3 * CELL // 4]))
    x0, y0, x1, y1 = SEEN.quanta()
    y, x = np.mgrid[y0:y1:step, x0:x1:step]
    kept = rng.random(x.size) < rng.choice([0.5, 1.0])
    return np.stack((x.ravel(), y.ravel()), axis=1)[kept]


def circles(rng):
    """Whole circles of lattice points around sites, some of them concentric."""
    radius = rng.choice([CELL // 65, CELL // 130], 3)
    centres = uniform(rng, 3) // 3
    return np.concatenate(
        [c + r * CIRCLE for c, r in zip(centres, radius, strict=True)] + [centres]
    )


def collinear(rng):
    """Sites of one line only: a row, a column on a border of cells, or a diagonal."""
    t = rng.integers(-5 * CELL, 6 * CELL, 30)
    zero = np.zeros_like(t)
    return np.stack([(t, zero + 5), (zero + CELL, t), (t, t)][rng.integers(3)], axis=1)


def clustered(rng):
    spread = int(rng.choice([2, 100, CELL // 50]))
    return np.repeat(uniform(rng, 12), 6, axis=0) + rng.integers(-spread, spread + 1, (72, 2))


def duplicated(rng):
    return np.repeat(uniform(rng, 60), rng.integers(1, 4, 60), axis=0)


def void_ridden(rng):
    points, centre = uniform(rng, 400), uniform(rng, 2)
    gaps = np.hypot(*(points[:, None] - centre).transpose(2, 0, 1)).min(axis=1)
    return points[gaps > rng.integers(1, 5) * CELL]


def borders(rng):
    """Corners of cells, and one quantum beside them."""
    return (uniform(rng, 120) & -CELL) + rng.integers(-1, 2, (120, 2))


def spikes(rng):
    """Pairs of rows a quantum apart: triangles as flat as can be."""
    x = rng.integers(-5 * CELL, 6 * CELL, 60)
    return np.stack((x, rng.integers(-1, 2) * CELL + rng.integers(0, 2, 60)), axis=1)


DRAWN = {
    "random": lambda rng: uniform(rng, 300),
    "few": lambda rng: uniform(rng, rng.integers(0, 4)),
    "lattice": lattice,
    "circles": circles,
    "collinear": collinear,
    "clustered": clustered,
    "duplicated": duplicated,
    "void-ridden": void_ridden,
    "borders": borders,
    "spikes": spikes,
}


def tiling(rng, cells: Cells) -> list[Cells]:
    """Rectangles cut again and again, each where it falls: no common grid lines."""
    if cells.area == 1 or rng.random() < 2 / (2 + cells.area):
        return [cells]
    if rng.random() < cells.width / (cells.width + cells.height) and cells.width > 1:
        at = int(rng.integers(cells.ix0 + 1, cells.ix1))
        halves = cells._replace(ix1=at), cells._replace(ix0=at)
    elif cells.height > 1:
        at = int(rng.integers(cells.iy0 + 1, cells.iy1))
        halves = cells._replace(iy1=at), cells._replace(iy0=at)
    else:
        return [cells]
    return [tile for half in halves for tile in tiling(rng, half)]


def at_once(source, side: int) -> set[tuple[int, ...]]:
    """Canonical triangles of one triangulation of all sites that could matter."""
    sites = distinct(source(AREA.grown(halo_bound(side)))).sites
    corners = finite_triangles(delaunay(sites.x, sites.y), len(sites)).astype(np.int64)
    rank = np.argsort(np.lexsort((sites.y, sites.x)))
    turn = np.argmin(rank[corners], axis=1)[:, None]
    corners = np.take_along_axis(corners, (turn + np.arange(3)) % 3, axis=1)
    owned = corners[sites.inside(AREA)[corners[:, 0]]]
    return set(map(tuple, sites.id[owned].tolist()))


def directed_edges(found: Tessellation) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    rings = np.split(found.ring, found.ring_offsets[1:-1])
    return [edge for ring in rings for edge in pairwise(map(tuple, ring.tolist()))]


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(DRAWN)),
    seed=st.integers(0, 2**32 - 1),
    side=st.sampled_from([1, 2, 3]),
)
def test_the_union_is_the_tessellation_of_everything(kind, seed, side):
    rng = np.random.default_rng(seed)
    source = world(*DRAWN[kind](rng).T, known=EVERYWHERE)
    parts = [tessellate(source, tile, anchors=side) for tile in tiling(rng, AREA)]
    union = merge(parts)
    assert all(part.halo <= halo_bound(side) for part in parts)
    triangles = [tuple(t) for t in union.triangles.tolist()]
    assert len(set(triangles)) == len(triangles)
    assert set(triangles) == at_once(anchored(source, side), side)

    # both sides of a border have each edge, in opposite directions and with the same bits
    edges = Counter(edge for part in parts for edge in directed_edges(part))
    outer = [(a, b) for a, b in edges if (b, a) not in edges]
    inner = np.isin(union.neighbour, union.site_id) & (union.shared > 0)
    if union.valid.all():  # a folded ring may run along an edge twice
        assert set(edges.values()) <= {1}
        assert len(edges) - len(outer) == inner.sum()
        assert len(edges) == (union.shared > 0).sum()
        # so the areas are exactly what the outer edges surround
        covered = sum(ax * by - ay * bx for (ax, ay), (bx, by) in outer)
        assert sum((high << 40) + low for high, low in union.doubled_area.tolist()) == covered


VOID = Cells(0, 0, 40, 40)  # 20 x 20 tiles of 2 x 2 cells


def around_a_void(cells: Cells) -> Sites:
    """A site in each cell but those of the void, by arithmetic alone."""
    iy, ix = (v.ravel() for v in np.mgrid[cells.iy0 : cells.iy1, cells.ix0 : cells.ix1])
    x0, y0, x1, y1 = VOID
    kept = (ix < x0) | (ix >= x1) | (iy < y0) | (iy >= y1)
    ix, iy = ix[kept], iy[kept]
    x = ix * CELL + (ix * 7919 + iy * 104729) % 65537 * 60
    y = iy * CELL + (ix * 15485863 + iy * 32452843) % 65521 * 60
    return Sites(x, y, point_ids(ix, iy, np.zeros(ix.size, np.int64)))


RIM = [Cells(-2, 18, 0, 20), Cells(-2, 20, 0, 22), Cells(0, 18, 2, 20), Cells(0, 20, 2, 22)]


@pytest.mark.parametrize("side", [1, 4, 16])
def test_a_void_of_many_tiles_is_done_within_the_bound_of_its_anchors(side):
    tiles = [*RIM, Cells(18, 18, 20, 20)]
    parts = [tessellate(around_a_void, tile, anchors=side) for tile in tiles]
    assert all(part.halo <= halo_bound(side) for part in parts)
    for name, rows in tessellate(around_a_void, Cells(-2, 18, 2, 22), anchors=side).rows().items():
        np.testing.assert_array_equal(merge(parts[:4]).rows()[name], rows, err_msg=name)
    if side < 16:
        assert all(part.anchor.all() for part in parts[2:])


def test_a_void_of_many_tiles_without_anchors_is_done_or_refused_with_the_remedy():
    parts = [tessellate(around_a_void, tile) for tile in RIM]
    assert max(part.halo for part in parts) >= VOID.width // 2  # as far as the empty circles
    assert [len(part) for part in parts] == [4, 4, 0, 0]
    for name, rows in tessellate(around_a_void, Cells(-2, 18, 2, 22)).rows().items():
        np.testing.assert_array_equal(merge(parts).rows()[name], rows, err_msg=name)
    with pytest.raises(GeometryError, match=r"beyond a halo of 16 cells.*Give the layer `anchors`"):
        tessellate(around_a_void, RIM[0], max_halo=16)
