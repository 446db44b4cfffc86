"""Which cells are neighbours, as pairs of ids with the length of the border between them.

Belongs here: the adjacency list that spatial statistics reads. Not here: how neighbours are
found (`voronoi`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.tessellation.tile import Tessellation


@dataclass(frozen=True)
class CellNeighbours:
    """Directed pairs of neighbouring cells; each pair of one tile's cells stands twice.

    Parameters
    ----------
    focal, neighbor : ndarray of int64, shape (d,)
        Site ids, in the spelling of `libpysal.weights.W.from_adjlist`. The focal site lies
        in the tile; its neighbour may lie in another.
    length : ndarray of float64, shape (d,)
        Length of the common border in quanta; 0 for cells that touch in a point only
        (bishop's, not rook's neighbours). The same bits from either side.
    """

    focal: NDArray[np.int64]
    neighbor: NDArray[np.int64]
    length: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.focal.size)


def neighbours(tessellation: Tessellation) -> CellNeighbours:
    """Delaunay neighbours of every site of a tile.

    Rows stand by focal site in canonical order, then counter-clockwise from the
    lexicographically smallest neighbour; so tiles add up to the list of the whole world.

    Examples
    --------
    >>> from synthgrid_assets.tessellation.sites import Sites
    >>> from synthgrid_assets.tessellation.tessellate import tessellate
    >>> from synthgrid_assets.lattice.cells import CELL, Cells
    >>> def corners(cells):
    ...     y, x = np.mgrid[cells.iy0 : cells.iy1, cells.ix0 : cells.ix1]
    ...     return Sites(x.ravel() * CELL, y.ravel() * CELL, (x + 10 * y).ravel())
    >>> pairs = neighbours(tessellate(corners, Cells(0, 0, 1, 1)))
    >>> dict(zip(pairs.neighbor.tolist(), (pairs.length / CELL).tolist()))
    {-11: 0.0, -10: 1.0, 1: 1.0, 11: 0.0, 10: 1.0, -1: 1.0}
    """
    focal = np.repeat(tessellation.site_id, np.diff(tessellation.neighbour_offsets))
    return CellNeighbours(focal, tessellation.neighbour, tessellation.shared)
