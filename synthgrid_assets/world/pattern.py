"""A point pattern on the lattice, in canonical order.

Belongs here: the arrays that processes hand on, and their one order. Not here: how
points come about (`processes`) or are stored (`storage`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from synthgrid_assets.world.lattice import CELL_BITS, Cells, point_ids


class PointPattern(NamedTuple):
    """Points in canonical order: by cell row, cell column, x, y, birth.

    Attributes
    ----------
    x, y : ndarray of int64, shape (n,)
        Coordinates in quanta.
    birth : ndarray of uint64, shape (n,)
        A word drawn at each point's birth. With the coordinates it is the address at
        which marks and thinning draw their own words, so it orders points but is never
        itself a mark or a threshold.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    birth: NDArray[np.uint64]

    def __len__(self) -> int:
        return int(self.x.size)

    def take(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> PointPattern:
        """The points at `index` (a mask keeps canonical order)."""
        return PointPattern(self.x[index], self.y[index], self.birth[index])

    def ids(self) -> NDArray[np.int64]:
        """Public ids; the pattern must hold every point of each cell that it touches."""
        ix, iy = self.x >> CELL_BITS, self.y >> CELL_BITS
        return point_ids(ix, iy, _place_in_cell(ix, iy))


def _place_in_cell(ix: NDArray[np.int64], iy: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, 2 ... within each run of equal cells."""
    n = ix.size
    if n == 0:
        return np.empty(0, np.int64)
    starts = np.flatnonzero(np.r_[True, (np.diff(ix) != 0) | (np.diff(iy) != 0)])
    return np.arange(n) - np.repeat(starts, np.diff(np.r_[starts, n]))


def canonical(
    x: NDArray[np.int64], y: NDArray[np.int64], birth: NDArray[np.uint64], cells: Cells
) -> PointPattern:
    """The pattern of points that all lie in `cells`, in canonical order.

    A counting sort by atom cell and a Shell sort inside each cell: near linear in the
    number of points, and the same order on every machine.
    """
    return PointPattern(*_ordered(x, y, birth, cells))


@njit(cache=True)
def sort_points(x, y, birth, start, stop):
    """Sort points ``start:stop`` of one cell in place by x, y, birth."""
    gap = 1
    while gap < (stop - start) // 9:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(start + gap, stop):
            px, py, ident = x[i], y[i], birth[i]
            j = i - gap
            while j >= start and (
                x[j] > px or (x[j] == px and (y[j] > py or (y[j] == py and birth[j] > ident)))
            ):
                x[j + gap], y[j + gap], birth[j + gap] = x[j], y[j], birth[j]
                j -= gap
            x[j + gap], y[j + gap], birth[j + gap] = px, py, ident
        gap //= 3


@njit(cache=True)
def _ordered(x, y, birth, cells):
    width = cells.ix1 - cells.ix0
    offsets = np.zeros(width * (cells.iy1 - cells.iy0) + 1, np.int64)
    cell = np.empty(x.size, np.int32)
    for i in range(x.size):
        c = ((y[i] >> CELL_BITS) - cells.iy0) * width + ((x[i] >> CELL_BITS) - cells.ix0)
        cell[i] = c
        offsets[c + 1] += 1
    for c in range(offsets.size - 1):
        offsets[c + 1] += offsets[c]
    free = offsets[:-1].copy()
    sorted_x, sorted_y = np.empty_like(x), np.empty_like(y)
    sorted_birth = np.empty_like(birth)
    for i in range(x.size):
        place = free[cell[i]]
        free[cell[i]] += 1
        sorted_x[place], sorted_y[place], sorted_birth[place] = x[i], y[i], birth[i]
    for c in range(offsets.size - 1):
        sort_points(sorted_x, sorted_y, sorted_birth, offsets[c], offsets[c + 1])
    return sorted_x, sorted_y, sorted_birth
