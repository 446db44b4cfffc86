"""The Delaunay triangulation and Voronoi cells of any rectangle of the plane.

Belongs here: the one public entry, and the rows it hands on. Not here: constraints
(`constrained`), float geometry (`polygons`), checks of stored rows (`verification`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.tessellation import tile
from synthgrid_assets.tessellation.anchors import anchored, check_side, halo_bound, is_anchor
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.tessellation.halo import Neighbourhood, certified_neighbourhood
from synthgrid_assets.tessellation.ownership import owned_triangles, pieces, triangle_xy
from synthgrid_assets.tessellation.sites import SiteSource
from synthgrid_assets.tessellation.tile import Tessellation
from synthgrid_assets.tessellation.voronoi import voronoi_cells

MAX_HALO = 96  # cells; leaves 64 x 64 cells to one triangulation


def tessellate(
    source: SiteSource,
    cells: Cells,
    *,
    anchors: int | None = None,
    max_halo: int = MAX_HALO,
    seen: Callable[[Neighbourhood], object] | None = None,
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
    seen : callable, optional
        Given each certified neighbourhood that rows are made from: one a piece.

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
    >>> from synthgrid_assets.lattice.cells import CELL
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
    parts = []
    for piece in pieces(cells, max_halo):
        found = certified_neighbourhood(source, piece, max_halo)
        if seen is not None:
            seen(found)
        parts.append(_rows(found))
    return parts[0] if len(parts) == 1 else tile.merge(parts)


def _rows(found: Neighbourhood) -> Tessellation:
    if found.inside.size == 0:
        return tile.empty(found.cells, found.window)
    known, inside, ids = found.known, found.inside, found.known.sites.id
    voronoi = voronoi_cells(found)
    ring = voronoi.ring
    for axis, origin in enumerate(found.origin):  # a sum of pairs would take three times as long
        ring[:, axis] += origin * VERTEX_SCALE
    owned = owned_triangles(found)
    merged, merged_offsets = known.merged_into(inside)
    return Tessellation(
        cells=found.cells,
        loaded=found.window,
        site_id=ids[inside],
        x=known.sites.x[inside],
        y=known.sites.y[inside],
        anchor=is_anchor(ids[inside]),
        merged=merged,
        merged_offsets=merged_offsets,
        n_neighbours=np.diff(voronoi.neighbour_offsets),
        ring=ring,
        ring_offsets=voronoi.ring_offsets,
        doubled_area=voronoi.doubled_area,
        valid=voronoi.valid,
        neighbour=ids.take(voronoi.neighbour),
        neighbour_offsets=voronoi.neighbour_offsets,
        shared=voronoi.shared,
        triangles=ids.take(owned.corners),
        triangle_xy=triangle_xy(found, owned),
    )
