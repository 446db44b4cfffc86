"""The certified halo: how far around a rectangle sites must be known, and the proof.

Belongs here: growing a window until every triangle that touches the rectangle is proven to
be the plane's. Not here: the triangulator and what the triangles are used for.

A triangle is certified when its circumdisc, widened by more than any rounding, lies inside
the window, where every site is known:

* an empty disc amid complete data makes the triangle Delaunay in the whole plane;
* the widened disc holds every cocircular site, so ties are broken as in the whole plane;
* certified triangles that close around a site are all the triangles at that site.

The last holds for every site of the rectangle, so nothing is missing and nothing is extra.

With constraints, only what a triangle sees of its disc matters. A constraint along its
longest side hides all that lies beyond it; when the circumcentre does, the rest of the disc
lies in the disc over that side, and that one is certified instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.tessellation.circumcentres import circles
from synthgrid_assets.tessellation.constraint_insertion import constrain
from synthgrid_assets.tessellation.constraints import ConstraintNetwork, NetworkSource
from synthgrid_assets.tessellation.predicates import EXTENT_BITS
from synthgrid_assets.tessellation.sites import (
    DistinctSites,
    Sites,
    SiteSource,
    checked,
    distinct,
)
from synthgrid_assets.tessellation.triangulation import Mesh, delaunay

MAX_SPAN = 1 << (EXTENT_BITS - CELL_BITS)  # cells along a side of a window
_FIRST_HALO = 2  # cells; enough from about three sites a cell on
# times the root of the area a site: a halo may grow so far at once, as circles of few sites are
# large; above it the last halo would be wider than needed
_STRIDE = 4.0


@dataclass(frozen=True)
class Neighbourhood:
    """A rectangle, the sites in a window around it, and their triangulation.

    Parameters
    ----------
    cells, window : Cells
        The rectangle, and the rectangle whose sites were loaded.
    known : DistinctSites
        The sites of the window.
    x, y : ndarray of int64, shape (n,)
        Their coordinates less `origin`.
    origin : tuple of two ints
        The window's lower left corner in quanta.
    inside : ndarray of int64, shape (m,)
        Which sites lie in `cells`, in canonical order.
    mesh : Mesh
    touching : ndarray of int64, shape (t,)
        The triangles with a vertex in `cells`; all are finite and certified.
    constraint : ndarray of int64, shape (number of triangles, 3), optional
        The constraint along the edge opposite each vertex, or -1.
    """

    cells: Cells
    window: Cells
    known: DistinctSites
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    origin: tuple[int, int]
    inside: NDArray[np.int64]
    mesh: Mesh
    touching: NDArray[np.int64]
    constraint: NDArray[np.int64] | None = None


def certified_neighbourhood(
    source: SiteSource, cells: Cells, max_halo: int, network: NetworkSource | None = None
) -> Neighbourhood:
    """Grow a window around `cells` until all triangles that touch them are certified.

    Parameters
    ----------
    source : SiteSource
        Returns exactly the sites of any rectangle.
    cells : Cells
        Not empty; its sides and two `max_halo` are at most 256 cells.
    max_halo : int
        Cells to load at most on any side.
    network : NetworkSource, optional
        Constraints, whose nodes `source` returns among its sites.

    Raises
    ------
    GeometryError
        If a triangle cannot be certified within `max_halo`.
    """
    halos = [min(_FIRST_HALO, max_halo)] * 4
    while True:
        window = Cells(
            cells.ix0 - halos[0],
            cells.iy0 - halos[1],
            cells.ix1 + halos[2],
            cells.iy1 + halos[3],
        ).check()
        found = _triangulated(source, cells, window, network)
        if found.inside.size == 0:
            return found
        reach = _reach(found)
        if not (reach.overshoot > 0).any():
            return found
        if any(more > 0 and h >= max_halo for h, more in zip(halos, reach.overshoot, strict=True)):
            raise GeometryError(
                f"the tile of cells {tuple(cells)} needs sites beyond a halo of {max_halo} cells: "
                f"inside it {reach.worst} holds no site. Give the layer `anchors` (one site in "
                "every empty super-cell bounds all empty circles), or use larger cells"
            )
        apart = math.sqrt(window.area / found.known.sites.x.size)
        halos = [
            _grown(halo, more, int(_STRIDE * apart), max_halo)
            for halo, more in zip(halos, reach.overshoot, strict=True)
        ]


def _grown(halo: int, overshoot: float, stride: int, max_halo: int) -> int:
    """The next halo of a side: as far as its circles reach, at most twice as far or `stride`."""
    if overshoot <= 0:
        return halo
    wanted = halo + np.ceil(min(overshoot / CELL, MAX_SPAN))
    return int(min(max_halo, max(halo + 1, min(max(2 * halo, stride), wanted))))


def _triangulated(
    source: SiteSource, cells: Cells, window: Cells, network: NetworkSource | None
) -> Neighbourhood:
    known = distinct(checked(source(window), window))
    x0, y0 = window.quanta()[:2]
    x, y = known.sites.x - x0, known.sites.y - y0
    inside = known.sites.inside(cells)
    # nothing is owned by a rectangle without sites, so nothing need be triangulated
    chosen = slice(None) if inside.any() else slice(0, 0)
    mesh = delaunay(x[chosen], y[chosen])
    constraint = None
    if network is not None and mesh.vertices.size:
        lines = network(window)
        number = _site_numbers(lines, known.sites)
        edges = np.stack((number[lines.tail], number[lines.head]), axis=1)
        mesh, constraint = constrain(mesh, x, y, edges, lines.id)
    touching = _touching(mesh.vertices, np.append(inside, False))
    where = np.flatnonzero(inside)
    return Neighbourhood(cells, window, known, x, y, (x0, y0), where, mesh, touching, constraint)


@njit(cache=True)
def _touching(vertices, inside):
    """The triangles with a vertex that lies inside, in their order."""
    found = np.empty(vertices.shape[0], np.int64)
    n = 0
    for t in range(vertices.shape[0]):
        if inside[vertices[t, 0]] or inside[vertices[t, 1]] or inside[vertices[t, 2]]:
            found[n] = t
            n += 1
    return found[:n].copy()


def _site_numbers(network: ConstraintNetwork, sites: Sites) -> NDArray[np.int64]:
    """The site that stands at each node, shape (n,); the nodes are among the sites."""
    x0, y0 = int(sites.x.min()), int(sites.y.min())
    at_site = (sites.x - x0) << EXTENT_BITS | (sites.y - y0)
    at_node = (network.x - x0) << EXTENT_BITS | (network.y - y0)
    order = np.argsort(at_site)
    number: NDArray[np.int64] = order[np.searchsorted(at_site[order], at_node)]
    return number


@dataclass(frozen=True)
class _Reach:
    """Quanta by which circles leave the window (left, bottom, right, top), and the worst."""

    overshoot: NDArray[np.float64]
    worst: str


def _reach(found: Neighbourhood) -> _Reach:
    """How far the circles of the triangles that touch the rectangle reach."""
    if found.touching.size == 0:
        return _Reach(np.full(4, np.inf), "the plane around its collinear sites")
    discs = circles(found.mesh, found.x, found.y, found.touching, found.constraint)
    # an edge in the last cells may end on the window's far sides, where its node is not known
    blind = 0 if found.constraint is None else 1
    width, height = (CELL * (side - blind) for side in (found.window.width, found.window.height))
    overshoot, worst, bounded = _overshoot(discs, width, height)
    if not bounded:
        return _reach_of_hull(found, found.touching[np.isinf(discs[:, 2])])
    at = [discs[worst, k] / CELL + found.window[k] for k in range(2)]
    return _Reach(
        overshoot,
        f"the circle around cell position ({at[0]:.6g}, {at[1]:.6g}) with a radius of "
        f"{discs[worst, 2] / CELL:.6g} cells",
    )


@njit(cache=True)
def _overshoot(discs, width, height):
    """How far discs leave a window (left, bottom, right, top), which is worst, and if all end."""
    overshoot, worst, most = np.full(4, -np.inf), 0, -np.inf
    for i in range(discs.shape[0]):
        x, y, radius = discs[i, 0], discs[i, 1], discs[i, 2]
        if np.isinf(radius):
            return overshoot, i, False
        left, bottom, right, top = radius - x, radius - y, x + radius - width, y + radius - height
        overshoot[0], overshoot[1] = max(overshoot[0], left), max(overshoot[1], bottom)
        overshoot[2], overshoot[3] = max(overshoot[2], right), max(overshoot[3], top)
        farthest = max(left, bottom, right, top)
        if farthest > most:
            worst, most = i, farthest
    return overshoot, worst, True


def _reach_of_hull(found: Neighbourhood, ghosts: NDArray[np.int64]) -> _Reach:
    """A hull edge's circle is a half-plane: it leaves the window towards where it looks."""
    vertices, rows = found.mesh.vertices[ghosts], np.arange(ghosts.size)
    ghost = np.argmax(vertices == found.x.size, axis=1)
    u, v = vertices[rows, (ghost + 1) % 3], vertices[rows, (ghost + 2) % 3]
    # the half-plane lies to the left of u -> v, along (-dy, dx)
    dx, dy = found.x[v] - found.x[u], found.y[v] - found.y[u]
    open_sides = np.array([(dy > 0).any(), (dx < 0).any(), (dy < 0).any(), (dx > 0).any()])
    a, b = (
        (int(found.known.sites.x[k]) // CELL, int(found.known.sites.y[k]) // CELL)
        for k in (u[0], v[0])
    )
    return _Reach(
        np.where(open_sides, np.inf, 0.0),
        f"the half-plane beyond the sites in cells {a} and {b}, a circle without bound,",
    )
