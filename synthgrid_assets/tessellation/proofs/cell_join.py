"""Whether the Voronoi cells of many tiles fit together, from their stored coordinates.

Belongs here: edges of cells that cancel across the borders of tiles. Not here: triangles and
neighbours (`joins`), one tile's exact cells (`cell_verification`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Lattice, id_cells
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.tessellation.proofs.coverage import Coverage
from synthgrid_assets.tessellation.proofs.joins import Join, left_over
from synthgrid_assets.tessellation.proofs.verification import numbered, pair_key

_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


@dataclass(frozen=True, eq=False)
class StoredCells:
    """Rows of Voronoi cells as files hold them.

    Parameters
    ----------
    tile : ndarray of int64, shape (n,)
        Number of the tile that each row is stored in.
    site_id : ndarray of int64, shape (n,)
    area : ndarray of float64, shape (n,)
        In square metres.
    xy : ndarray of float64, shape (m, 2)
        CRS coordinates of all rings, each closed and counter-clockwise.
    offsets : ndarray of int64, shape (n + 1,)
    """

    tile: NDArray[np.int64]
    site_id: NDArray[np.int64]
    area: NDArray[np.float64]
    xy: NDArray[np.float64]
    offsets: NDArray[np.int64]


class CellJoin(Join):
    """Cells of many tiles are one tessellation: neighbours share edges bit for bit.

    Kinds of faults: ``misplaced``, cells of sites that are not in their tile; ``repeated``,
    sites with more than one cell; ``wrong_area``, areas that are not their rings';
    ``open_edges``, edges that no other cell has the other way round, though the tile of the cell
    beyond is there.

    Parameters
    ----------
    coverage : Coverage
        The tiles that are going to be added.
    lattice : Lattice

    Notes
    -----
    A cell's site lies somewhere in the atom cell that its id names. Mirrored in an edge
    that is left, that square holds the site beyond; it is there if all of the square is.
    Edges too short to say where it lies are passed over, so no healthy edge is counted.
    """

    kinds = ("misplaced", "repeated", "wrong_area", "open_edges")

    def __init__(self, coverage: Coverage, lattice: Lattice) -> None:
        super().__init__(coverage)
        self._lattice = lattice
        self._edge = np.empty((0, 4))  # x and y of tail and head
        self._owner = np.empty((0, 2), np.int64)  # site id and number of tile

    def add(self, cells: StoredCells) -> None:
        """Join the cells of one more row of tiles."""
        home = self._coverage.number_of_ids(cells.site_id)
        self._count("misplaced", cells.tile[home != cells.tile])
        first = np.unique(cells.site_id, return_index=True)[1]
        self._count("repeated", np.delete(cells.tile, first))
        row = np.repeat(np.arange(cells.site_id.size), np.diff(cells.offsets))
        starts = np.flatnonzero(row[1:] == row[:-1])
        tail, head, row = cells.xy[starts], cells.xy[starts + 1], row[starts]
        self._count("wrong_area", cells.tile[self._wrong_areas(cells, tail, head, row)])
        edge = np.concatenate((self._edge, np.hstack((tail, head))))
        owner = np.column_stack((cells.site_id, cells.tile))[row]
        owner = np.concatenate((self._owner, owner))
        u, v = np.split(numbered(edge.reshape(-1, 2)).reshape(-1, 2), 2, axis=1)
        u, v = u.ravel(), v.ravel()
        left = left_over(pair_key(np.minimum(u, v), np.maximum(u, v)), u < v) & (u != v)
        self._edge, self._owner = edge[left], owner[left]

    def close(self) -> None:
        """Count the edges that are still open: call it once, after the last row."""
        self._count("open_edges", self._owner[self._faces_covered(), 1])

    def _wrong_areas(
        self,
        cells: StoredCells,
        tail: NDArray[np.float64],
        head: NDArray[np.float64],
        row: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """Which areas differ from the rings' by more than stored coordinates are rounded."""
        n = cells.site_id.size
        corner = np.zeros((n, 2))
        corner[row[::-1]] = tail[::-1]  # each ring's first corner
        p, q = tail - corner[row], head - corner[row]
        area = np.bincount(row, p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0], n) / 2
        length = np.bincount(row, np.hypot(*(q - p).T), n)
        slack = 4 * self._rounding(cells.xy) * (length + self._rounding(cells.xy))
        slack += 1e-12 * np.bincount(row, np.abs(p[:, 0] * q[:, 1]), n)
        wrong: NDArray[np.bool_] = np.abs(area - cells.area / self._lattice.unit**2) > slack
        return wrong

    def _rounding(self, xy: NDArray[np.float64]) -> float:
        """Units of the CRS by which a stored coordinate may be off."""
        largest = float(np.abs(xy).max(initial=0.0))
        return self._lattice.step / VERTEX_SCALE + 4 * float(np.spacing(largest))

    def _faces_covered(self) -> NDArray[np.bool_]:
        """Which open edges have a cell beyond them whose tile is there."""
        origin, cell = np.array(self._lattice.origin), self._lattice.cell_in_crs
        p, q = ((self._edge[:, k : k + 2] - origin) / cell for k in (0, 2))
        square = np.column_stack(id_cells(self._owner[:, 0]))[:, None] + _CORNERS
        along = q - p
        length = np.maximum(np.hypot(*along.T), 1e-300)
        normal = np.column_stack((-along[:, 1], along[:, 0])) / length[:, None]
        away = ((square - p[:, None]) * normal[:, None]).sum(axis=2)
        image = square - 2 * away[..., None] * normal[:, None]
        farthest = np.hypot(*np.moveaxis(square - p[:, None], 2, 0)).max(axis=1) + length
        rounding = self._rounding(self._edge) / cell
        slack = (4 * rounding * (1 + farthest / length) + 1e-9)[:, None]
        known = slack[:, 0] < 1
        low, high = image.min(axis=1) - slack, image.max(axis=1) + slack
        low, high = (np.floor(np.where(known[:, None], v, 0)).astype(np.int64) for v in (low, high))
        facing: NDArray[np.bool_] = known & self._coverage.holds(low, high)
        return facing
