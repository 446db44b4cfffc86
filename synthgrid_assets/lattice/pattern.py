"""A point pattern on the lattice, in canonical order.

Belongs here: the arrays that processes hand on, and their one order. Not here: how
points come about (`processes`) or are stored (`storage`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL_BITS, Cells, point_ids

_SHORT = 24  # points up to which one insertion sort orders a strip


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


@njit(cache=True)
def _place_in_cell(ix, iy):
    """0, 1, 2 ... within each run of equal cells."""
    place = np.zeros(ix.size, np.int64)
    for i in range(1, ix.size):
        if ix[i] == ix[i - 1] and iy[i] == iy[i - 1]:
            place[i] = place[i - 1] + 1
    return place


def canonical(
    x: NDArray[np.int64], y: NDArray[np.int64], birth: NDArray[np.uint64], cells: Cells
) -> PointPattern:
    """The pattern of points that all lie in `cells`, in canonical order.

    A counting sort by strips of cells, about as many as there are points, and what is
    left to do inside each strip: near linear in the number of points, and the same order
    on every machine.
    """
    return PointPattern(*_ordered(x, y, birth, cells))


@njit(cache=True)
def inside(x, y, birth, window):
    """The points in a window of quanta ``(x0, y0, x1, y1)``: columns, moved up in place."""
    n = 0
    for i in range(x.size):
        within = (x[i] >= window[0]) & (x[i] < window[2])
        within &= (y[i] >= window[1]) & (y[i] < window[3])
        x[n], y[n], birth[n] = x[i], y[i], birth[i]
        n += within
    return x[:n], y[:n], birth[:n]


@njit(cache=True)
def _ordered(x, y, birth, cells):
    strips = _strips(x.size, cells)
    offsets, strip = _counted(x, y, cells, strips)
    free = offsets[:-1].copy()
    sorted_x, sorted_y = np.empty_like(x), np.empty_like(y)
    sorted_birth = np.empty_like(birth)
    for i in range(x.size):
        place = free[strip[i]]
        free[strip[i]] = place + 1
        sorted_x[place], sorted_y[place], sorted_birth[place] = x[i], y[i], birth[i]
    for s in range(offsets.size - 1):
        if offsets[s + 1] - offsets[s] > _SHORT:
            _shell_sort(sorted_x, sorted_y, sorted_birth, offsets[s], offsets[s + 1])
    for i in range(1, x.size):
        # strips are in order already, so most points follow on the one before
        if sorted_x[i] <= sorted_x[i - 1]:
            start = offsets[_strip(sorted_x[i], sorted_y[i], cells, strips)]
            _insert(sorted_x, sorted_y, sorted_birth, start, i, 1)
    return sorted_x, sorted_y, sorted_birth


@njit(cache=True)
def _strips(n, cells):
    """Halvings of a cell along x that make one or two strips for each point."""
    area = (cells.ix1 - cells.ix0) * (cells.iy1 - cells.iy0)
    halvings = 0
    while area << halvings <= n and halvings < CELL_BITS:
        halvings += 1
    return halvings


@njit(cache=True)
def _strip(x, y, cells, strips):
    """Number of the strip that holds a place: strips follow each other in canonical order."""
    shift = CELL_BITS - strips
    row = (y >> CELL_BITS) - cells.iy0
    return ((row * (cells.ix1 - cells.ix0) - cells.ix0) << strips) + (x >> shift)


@njit(cache=True)
def _counted(x, y, cells, strips):
    """Where each strip's points start in canonical order, and the strip of each point."""
    area = (cells.ix1 - cells.ix0) * (cells.iy1 - cells.iy0)
    strip = np.empty(x.size, np.int32)
    for i in range(x.size):
        strip[i] = _strip(x[i], y[i], cells, strips)
    offsets = np.zeros((area << strips) + 1, np.int32)
    for i in range(x.size):
        offsets[strip[i] + 1] += 1
    for s in range(offsets.size - 1):
        offsets[s + 1] += offsets[s]
    return offsets, strip


@njit(cache=True)
def _shell_sort(x, y, birth, start, stop):
    """Sort points ``start:stop`` of one cell in place by x, y, birth."""
    gap = 1
    while gap < (stop - start) // 9:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(start + gap, stop):
            _insert(x, y, birth, start, i, gap)
        gap //= 3


@njit(cache=True)
def _insert(x, y, birth, start, i, gap):
    """Move point i down by steps of `gap`, not below `start`, to its place."""
    px, py, ident = x[i], y[i], birth[i]
    j = i - gap
    while j >= start and (
        x[j] > px or (x[j] == px and (y[j] > py or (y[j] == py and birth[j] > ident)))
    ):
        x[j + gap], y[j + gap], birth[j + gap] = x[j], y[j], birth[j]
        j -= gap
    x[j + gap], y[j + gap], birth[j + gap] = px, py, ident
