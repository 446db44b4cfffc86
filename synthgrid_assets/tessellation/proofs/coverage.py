"""Which part of the plane some tiles cover: what of it must fit together.

Belongs here: from cells to the tiles that hold them. Not here: what is in the tiles
(`joins`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL_LIMIT, SPECIAL_ID
from synthgrid_assets.lattice.tiling import Tile, Tiling

Homes = tuple[NDArray[np.int64], tuple[int, ...], int, tuple[int, int]]


class Coverage:
    """The cells of some tiles of a tiling.

    Parameters
    ----------
    tiling : Tiling
    tiles : sequence of Tile
        Numbered as they stand.

    Examples
    --------
    >>> from synthgrid_assets.lattice.cells import Cells
    >>> tiling = Tiling(Cells(0, 0, 10, 4), 4)
    >>> covered = Coverage(tiling, [tiling.at(0, 0), tiling.at(1, 0)])
    >>> covered.number(np.array([0, 5, 9]), np.array([3, 0, 0])).tolist()
    [0, 1, -1]
    >>> covered.holds(np.array([[2, 0], [6, 0]]), np.array([[7, 3], [8, 1]])).tolist()
    [True, False]
    """

    def __init__(self, tiling: Tiling, tiles: Sequence[Tile]) -> None:
        self.tiles = tuple(tiles)
        self._tiling = tiling
        columns, rows = len(tiling.columns), len(tiling.rows)
        self._number = np.full((rows + 1, columns + 1), -1)  # the last row and column: outside
        for number, tile in enumerate(self.tiles):
            self._number[tile.row - tiling.rows[0], tile.column - tiling.columns[0]] = number
        held = self._number[:-1, :-1] >= 0
        self._sums = np.pad(held.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))

    def number(self, ix: NDArray[np.int64], iy: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the tile that holds each cell, -1 where none does."""
        ix0, iy0, ix1, iy1 = self._tiling.extent
        inside = (ix >= ix0) & (ix < ix1) & (iy >= iy0) & (iy < iy1)
        column = np.where(inside, ix // self._tiling.side - self._tiling.columns[0], -1)
        row = np.where(inside, iy // self._tiling.side - self._tiling.rows[0], -1)
        found: NDArray[np.int64] = self._number[row, column]
        return found

    @property
    def homes(self) -> Homes:
        """The same for kernels: what `home_of` looks a site up in."""
        return (
            self._number,
            tuple(self._tiling.extent),
            self._tiling.side,
            (self._tiling.columns[0], self._tiling.rows[0]),
        )

    def number_of_ids(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the tile that holds each site, -1 where none does."""
        found: NDArray[np.int64] = _numbers_of_ids(ids, self.homes)
        return found

    def holds(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether all cells from one to another, both inclusive, are covered.

        Parameters
        ----------
        low, high : ndarray of int64, shape (n, 2)
            Columns and rows of cells.
        """
        extent, side = self._tiling.extent, self._tiling.side
        inside = np.asarray(((low >= extent[:2]) & (high < extent[2:])).all(axis=1))
        first = (self._tiling.columns[0], self._tiling.rows[0])
        x0, y0 = np.where(inside[:, None], low // side - first, 0).T
        x1, y1 = np.where(inside[:, None], high // side - first + 1, 0).T
        sums = self._sums
        held = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
        whole: NDArray[np.bool_] = inside & (held == (x1 - x0) * (y1 - y0))
        return whole


@njit(cache=True)
def _numbers_of_ids(ids, homes):
    """As `Coverage.number` of `id_cells`, in one pass."""
    found = np.empty(ids.size, np.int64)
    for i in range(ids.size):
        found[i] = home_of(ids[i], homes)
    return found


@njit(inline="always")
def home_of(site, homes):
    """The number of the tile that holds a site, by its id; -1 where none does."""
    number, extent, side, first = homes
    plain = site & ~SPECIAL_ID
    ix, iy = (plain >> 39) - CELL_LIMIT, (plain >> 16 & (2 * CELL_LIMIT - 1)) - CELL_LIMIT
    if extent[0] <= ix < extent[2] and extent[1] <= iy < extent[3]:
        return number[iy // side - first[1], ix // side - first[0]]
    return -1
