"""The constrained Delaunay triangulation of any rectangle of the plane.

Belongs here: the public entry for triangles that no constraint crosses, and joining its
results. Not here: the network of constraints (`constraints`), Voronoi cells
(`tessellate`; they know no constraints).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.tessellation.anchors import anchored, halo_bound
from synthgrid_assets.tessellation.constraints import NetworkSource, with_nodes
from synthgrid_assets.tessellation.halo import Neighbourhood, certified_neighbourhood
from synthgrid_assets.tessellation.ownership import owned_triangles, pieces, triangle_xy
from synthgrid_assets.tessellation.sites import SiteSource
from synthgrid_assets.tessellation.tessellate import MAX_HALO
from synthgrid_assets.tessellation.tile import bounds, cell_order, check_tiling, widest_halo


@dataclass(frozen=True)
class ConstrainedTriangles:
    """The triangles that a rectangle owns, none of them crossed by a constraint.

    Parameters
    ----------
    cells, loaded : Cells
        The rectangle, and the rectangle of the sites that certify it.
    triangles, triangle_xy
        As in `Tessellation`; nodes of constraints are sites (`is_constraint_node`).
    constraint : ndarray of int64, shape (t, 3)
        The constraint along the edges a-b, b-c and c-a of each triangle, or -1.
    """

    cells: Cells
    loaded: Cells
    triangles: NDArray[np.int64]
    triangle_xy: NDArray[np.int64]
    constraint: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.triangles)

    @property
    def halo(self) -> int:
        """Cells loaded beyond the rectangle, on the side where they were most."""
        return widest_halo(self.cells, self.loaded)


def tessellate_constrained(
    source: SiteSource,
    network: NetworkSource,
    cells: Cells,
    *,
    anchors: int | None = None,
    max_halo: int = MAX_HALO,
    seen: Callable[[Neighbourhood], object] | None = None,
) -> ConstrainedTriangles:
    """Triangulate a rectangle exactly as the whole plane's constrained triangulation does.

    Parameters
    ----------
    source : SiteSource
        The sites proper.
    network : NetworkSource
        The nodes in any rectangle and the edges between them, as `ConstraintNetwork.within`.
    cells, anchors, max_halo, seen
        As for `tessellate`; super-cells with a node get no anchor. Constraints hide sites,
        so anchors alone do not bound the halo: `max_halo` holds if it is larger.

    Returns
    -------
    ConstrainedTriangles
        Rows of rectangles that tile a rectangle are together the rows of that rectangle.

    Raises
    ------
    GeometryError
        As for `tessellate`, and if two edges of the network cross.

    Notes
    -----
    A triangle is constrained Delaunay when no site that it sees lies inside its circle
    (Chew 1989). Such a triangle is known for the plane's once all sites and edges around
    what it sees of its disc are known (`halo`).

    Examples
    --------
    >>> from synthgrid_assets.tessellation.constraints import planar_network
    >>> from synthgrid_assets.tessellation.sites import Sites
    >>> from synthgrid_assets.lattice.cells import CELL
    >>> def corners(cells):  # one site in the corner of every cell
    ...     y, x = np.mgrid[cells.iy0 : cells.iy1, cells.ix0 : cells.ix1]
    ...     return Sites(x.ravel() * CELL, y.ravel() * CELL, (x + 1000 * y).ravel())
    >>> road = planar_network(np.array([[0, CELL, CELL, 0, 7]]))  # against the rule of ties
    >>> found = tessellate_constrained(corners, road.within, Cells(0, 0, 1, 1))
    >>> found.constraint[(found.constraint >= 0).any(axis=1)].tolist()
    [[-1, 7, -1]]
    """
    if cells.area == 0:
        return _nothing(cells, cells)
    source = with_nodes(source, network)
    if anchors is not None:
        source = anchored(source, anchors)
        max_halo = max(max_halo, halo_bound(anchors))
    parts = []
    for piece in pieces(cells, max_halo):
        found = certified_neighbourhood(source, piece, max_halo, network)
        if seen is not None:
            seen(found)
        parts.append(_rows(found))
    return merge_constrained(parts)


def _nothing(cells: Cells, loaded: Cells) -> ConstrainedTriangles:
    three, six = np.empty((0, 3), np.int64), np.empty((0, 6), np.int64)
    return ConstrainedTriangles(cells, loaded, three, six, three.copy())


def _rows(found: Neighbourhood) -> ConstrainedTriangles:
    if found.inside.size == 0 or found.constraint is None:
        return _nothing(found.cells, found.window)
    owned = owned_triangles(found)
    # the edge from a corner to the next is opposite the one after: c for a-b, a for b-c
    opposite = (owned.turn[:, None] + np.array([2, 0, 1])) % 3
    return ConstrainedTriangles(
        found.cells,
        found.window,
        found.known.sites.id[owned.corners],
        triangle_xy(found, owned),
        np.take_along_axis(found.constraint[owned.row], opposite, axis=1),
    )


def merge_constrained(parts: Sequence[ConstrainedTriangles]) -> ConstrainedTriangles:
    """Join the triangles of rectangles that tile a rectangle.

    Raises
    ------
    GeometryError
        If the rectangles overlap or leave a gap.
    """
    cells = bounds([part.cells for part in parts])
    check_tiling([part.cells for part in parts], cells)
    loaded = bounds([part.loaded for part in parts])
    xy = np.concatenate([part.triangle_xy for part in parts])
    order = cell_order(xy[:, 0], xy[:, 1])
    return ConstrainedTriangles(
        cells,
        loaded,
        np.concatenate([part.triangles for part in parts])[order],
        xy[order],
        np.concatenate([part.constraint for part in parts])[order],
    )
