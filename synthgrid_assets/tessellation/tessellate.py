"""The Delaunay triangulation and Voronoi cells of any rectangle of the plane.

Belongs here: the one public entry, and the rows it hands on. Not here: constraints
(`constrained`), float geometry (`polygons`), checks of stored rows (`verification`).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.tessellation import tile
from synthgrid_assets.tessellation.anchors import anchored, check_side, halo_bound, is_anchor
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.tessellation.halo import (
    MAX_SPAN,
    Neighbourhood,
    certified_neighbourhood,
)
from synthgrid_assets.tessellation.predicates import EXTENT_BITS
from synthgrid_assets.tessellation.sites import SiteSource
from synthgrid_assets.tessellation.tile import Tessellation
from synthgrid_assets.tessellation.voronoi import voronoi_cells
from synthgrid_assets.world.lattice import Cells

MAX_HALO = 96  # cells; leaves 64 x 64 cells to one triangulation


def tessellate(
    source: SiteSource,
    cells: Cells,
    *,
    anchors: int | None = None,
    max_halo: int = MAX_HALO,
) -> Tessellation:
    """Tessellate the sites of a rectangle exactly as the whole plane's tessellation does.

    Parameters
    ----------
    source : SiteSource
        Returns the sites of any rectangle of cells in canonical order; it is asked for
        `cells` and as much around them as the proof needs.
    cells : Cells
        Any rectangle. A large one is done in pieces, with the same result.
    anchors : int, optional
        Side in cells of the super-cells that get a site when they hold none. Bounds the
        halo, whatever the pattern; needed where sites can be missing in a half-plane.
    max_halo : int
        Cells to load at most beyond each side, from 1 to 127. Changes no result, only what
        is refused; with `anchors` their own bound holds instead.

    Returns
    -------
    Tessellation
        Rows of rectangles that tile a rectangle are together the rows of that rectangle.

    Raises
    ------
    GeometryError
        If an empty circle reaches farther than `max_halo`; the message names the tile, the
        circle and the remedy. If the source breaks its contract.

    Notes
    -----
    Coordinates are integers, predicates are exact, ties are broken by the coordinates
    (`predicates.tie_is_inside`), and each triangle used is certified (`halo`). With
    intensity ``lam`` per cell an empty circle has a radius above ``sqrt(27.6 / (pi lam))``
    cells with probability 1e-12: 1, 3 and 13 cells for 8, 1 and 0.05 sites a cell.

    Examples
    --------
    >>> from synthgrid_assets.tessellation.sites import Sites
    >>> from synthgrid_assets.world.lattice import CELL
    >>> def centres(cells):  # one site in the middle of every cell
    ...     y, x = np.mgrid[cells.iy0 : cells.iy1, cells.ix0 : cells.ix1]
    ...     x, y = x.ravel(), y.ravel()
    ...     return Sites(x * CELL + CELL // 2, y * CELL + CELL // 2, x + 1000 * y)
    >>> found = tessellate(centres, Cells(0, 0, 3, 2))
    >>> found.n_neighbours.tolist()  # cocircular: each square has the same diagonal
    [6, 6, 6, 6, 6, 6]
    >>> np.diff(found.ring_offsets).tolist()  # four corners, closed
    [5, 5, 5, 5, 5, 5]
    """
    if cells.area == 0:
        return tile.empty(cells, cells)
    if anchors is not None:
        max_halo = halo_bound(check_side(anchors))
        source = anchored(source, anchors)
    side = MAX_SPAN - 2 * max_halo
    if not 1 <= max_halo < MAX_SPAN // 2:
        raise GeometryError(
            f"max_halo = {max_halo}: a halo has between 1 and {MAX_SPAN // 2 - 1} cells"
        )
    pieces = [_one_piece(source, piece, max_halo) for piece in _pieces(cells, side)]
    return pieces[0] if len(pieces) == 1 else tile.merge(pieces)


def _pieces(cells: Cells, side: int) -> list[Cells]:
    """The rectangle cut into nearly equal ones of at most `side` cells a side."""
    xs, ys = (
        [first + (last - first) * k // count for k in range(count + 1)]
        for first, last in ((cells.ix0, cells.ix1), (cells.iy0, cells.iy1))
        for count in (-(-(last - first) // side),)
    )
    return [Cells(x0, y0, x1, y1) for y0, y1 in pairwise(ys) for x0, x1 in pairwise(xs)]


def _one_piece(source: SiteSource, cells: Cells, max_halo: int) -> Tessellation:
    found = certified_neighbourhood(source, cells, max_halo)
    if found.inside.size == 0:
        return tile.empty(cells, found.window)
    known, inside, ids = found.known, found.inside, found.known.sites.id
    voronoi = voronoi_cells(found)
    corners = owned_triangles(found)
    xy = np.stack((known.sites.x[corners], known.sites.y[corners]), axis=2).reshape(-1, 6)
    # sites inside the rectangle take their merged ids along; they need not stand in one run
    taken = np.diff(known.merged_offsets)[inside]
    holders = np.repeat(np.arange(ids.size), np.diff(known.merged_offsets))
    return Tessellation(
        cells=cells,
        loaded=found.window,
        site_id=ids[inside],
        x=known.sites.x[inside],
        y=known.sites.y[inside],
        anchor=is_anchor(ids[inside]),
        merged=known.merged[np.isin(holders, inside)],
        merged_offsets=np.concatenate((np.zeros(1, np.int64), np.cumsum(taken))),
        n_neighbours=np.diff(voronoi.neighbour_offsets),
        ring=voronoi.ring + np.array(found.origin) * VERTEX_SCALE,
        ring_offsets=voronoi.ring_offsets,
        doubled_area=voronoi.doubled_area,
        valid=voronoi.valid,
        neighbour=ids[voronoi.neighbour],
        neighbour_offsets=voronoi.neighbour_offsets,
        shared=voronoi.shared,
        triangles=ids[corners],
        triangle_xy=xy,
    )


def owned_triangles(found: Neighbourhood) -> NDArray[np.int64]:
    """The triangles whose lexicographically smallest corner lies in the rectangle.

    Returns
    -------
    ndarray of int64, shape (t, 3)
        Numbers of sites, the smallest corner first, in canonical order.
    """
    corners = found.mesh.vertices[found.touching].astype(np.int64)
    rank = (found.x << EXTENT_BITS) | found.y  # lexicographic order as one number
    turn = np.argmin(rank[corners], axis=1)[:, None]
    corners = np.take_along_axis(corners, (turn + np.arange(3)) % 3, axis=1)
    inside = np.zeros(found.x.size, np.bool_)
    inside[found.inside] = True
    owned = corners[inside[corners[:, 0]]]
    return owned[np.lexsort((rank[owned[:, 1]], owned[:, 0]))]
