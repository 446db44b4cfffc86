"""Blocks cut into rectangles, and the corners that neighbours have on each rectangle's sides.

Belongs here: cuts and corners, on the lattice. Not here: the product (`parcels`), what may stand
in the table (`processes.shapes.parcels_table`), how many there are by chance (`number_law`).

A block is cut across its longer side, at a share that a word decides whose address is the block
and the way of cuts that leads there; then its parts are, until they are small enough. Cuts are
whole quanta and run along the axes, so parts share their sides exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells, point_ids
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.seeding import SPLIT, Key, words
from synthgrid_assets.processes.family import exact
from synthgrid_assets.processes.shapes.parcels_table import ParcelsTable

ALGORITHM_VERSION = 1  # raised when parcels change for the same points
STREAM = "parcels"  # names the stream that cuts come from
Ints = NDArray[np.int64]
NARROWEST = 64  # quanta below which nothing is cut
_DEEPEST = 62  # cuts that lead to a parcel, whose way is one word


class Parcels(NamedTuple):
    """Rectangles in quanta, in the order of their ids.

    Attributes
    ----------
    x0, y0, x1, y1 : ndarray of int64, shape (n,)
    id : ndarray of int64, shape (n,)
        Cell of the south-west corner, and place among the corners there.
    points : ndarray of int64, shape (n,)
        The layer's points in each, half-open.
    """

    x0: Ints
    y0: Ints
    x1: Ints
    y1: Ints
    id: Ints
    points: Ints

    def take(self, kept: NDArray[np.bool_]) -> Parcels:
        """Those where a mask is true."""
        return Parcels(*(column[kept] for column in self))


@dataclass(frozen=True)
class Cuts:
    """When parcels are cut, and where.

    Parameters
    ----------
    block : int
        Cells.
    area, side : float
        Quanta; infinite where there is no limit.
    points : int
        -1 where there is no limit.
    split : float
    key : tuple of two uint64
    """

    block: int
    area: float
    side: float
    points: int
    split: float
    key: Key

    @classmethod
    def of(cls, table: ParcelsTable, key: Key, cell_metres: float) -> Cuts:
        """Those that a table declares, on cells of `cell_metres`."""
        quanta = CELL / exact(cell_metres)
        area = np.inf if table.area is None else float(exact(table.area) * quanta**2)
        side = np.inf if table.side is None else float(exact(table.side) * quanta)
        points = -1 if table.points is None else table.points
        return cls(table.block, area, side, points, table.split, key)

    def blocks(self, cells: Cells, around: int = 0) -> Cells:
        """The cells of all blocks that meet some cells, and of as many more around them."""
        b = self.block
        return Cells(
            (cells.ix0 // b - around) * b,
            (cells.iy0 // b - around) * b,
            (-(-cells.ix1 // b) + around) * b,
            (-(-cells.iy1 // b) + around) * b,
        )

    def parcels(self, whole: Cells, points: PointPattern) -> Parcels:
        """The parcels of all blocks in a rectangle that consists of blocks.

        Parameters
        ----------
        whole : Cells
            From `blocks`.
        points : PointPattern
            All of the layer's in `whole`.
        """
        b = self.block
        columns, rows = whole.width // b, whole.height // b
        of_block = ((points.y >> CELL_BITS) - whole.iy0) // b * columns
        of_block += ((points.x >> CELL_BITS) - whole.ix0) // b
        order = np.argsort(of_block, kind="stable")
        starts = np.searchsorted(of_block[order], np.arange(columns * rows + 1))
        limits = self.area, self.side, self.points, self.split
        found = [
            _cut(
                whole.ix0 // b + block % columns,
                whole.iy0 // b + block // columns,
                b << CELL_BITS,
                points.x[order[starts[block] : starts[block + 1]]],
                points.y[order[starts[block] : starts[block + 1]]],
                limits,
                self.key,
            )
            for block in range(columns * rows)
        ]
        rectangles = np.concatenate([np.empty((0, 5), np.int64), *found])
        return _numbered(rectangles)


def corners_on_sides(parcels: Parcels, every: Parcels) -> tuple[Ints, Ints, Ints]:
    """Vertices of rectangles with all corners of others that lie on their sides.

    Parameters
    ----------
    parcels : Parcels
    every : Parcels
        All that may touch them, themselves included.

    Returns
    -------
    x, y : ndarray of int64, shape (m,)
        Closed rings, counter-clockwise from the south-west corner.
    offsets : ndarray of int64, shape (n + 1,)
    """
    x = np.concatenate((every.x0, every.x1, every.x1, every.x0))
    y = np.concatenate((every.y0, every.y0, every.y1, every.y1))
    corners = np.unique(np.stack((x, y), axis=1), axis=0)
    by_column = np.ascontiguousarray(corners[np.lexsort((corners[:, 1], corners[:, 0]))])
    by_row = np.ascontiguousarray(corners[np.lexsort((corners[:, 0], corners[:, 1]))][:, ::-1])
    found = _ringed(*parcels[:4], by_column, by_row)
    return found[0], found[1], found[2]


def _numbered(rectangles: Ints) -> Parcels:
    """Rectangles by the cell of their corner, and by its place there."""
    x0, y0 = rectangles[:, 0], rectangles[:, 1]
    ix, iy = x0 >> CELL_BITS, y0 >> CELL_BITS
    order = np.lexsort((y0, x0, ix, iy))
    ix, iy = ix[order], iy[order]
    begins = np.ones(order.size, np.bool_)
    begins[1:] = (ix[1:] != ix[:-1]) | (iy[1:] != iy[:-1])
    first = np.flatnonzero(begins)
    number = np.arange(order.size) - np.repeat(first, np.diff(np.append(first, order.size)))
    columns = rectangles[order].T
    ids = point_ids(ix, iy, number)
    return Parcels(columns[0], columns[1], columns[2], columns[3], ids, columns[4])


@njit(cache=True)
def _is_cut(x0, y0, x1, y1, inside, limits):
    area, side, points, _ = limits
    width, height = x1 - x0, y1 - y0
    if max(width, height) < NARROWEST:
        return False
    large = float(width) * float(height) > area or max(width, height) > side
    return large or (points >= 0 and inside > points)


@njit(cache=True)
def _cut(bx, by, width, x, y, limits, key):
    """Rectangles of one block, rows ``x0, y0, x1, y1, points``."""
    split = limits[3]
    room, n = 64, 0
    out = np.empty((room, 5), np.int64)
    px, py = x.copy(), y.copy()
    stack = np.empty((_DEEPEST + 3, 6), np.int64)  # the box, and the range of its points
    way = np.empty(_DEEPEST + 3, np.uint64)
    stack[0, 0], stack[0, 1] = bx * width, by * width
    stack[0, 2], stack[0, 3] = (bx + 1) * width, (by + 1) * width
    stack[0, 4], stack[0, 5] = 0, x.size
    way[0], top = np.uint64(1), 1
    while top > 0:
        top -= 1
        x0, y0, x1, y1 = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        a, b = stack[top, 4], stack[top, 5]
        here = way[top]
        whole = not _is_cut(x0, y0, x1, y1, b - a, limits)
        if whole or here >> np.uint64(_DEEPEST) != np.uint64(0):
            if n == room:
                grown = np.empty((2 * room, 5), np.int64)
                grown[:room] = out
                out, room = grown, 2 * room
            out[n, 0], out[n, 1], out[n, 2], out[n, 3], out[n, 4] = x0, y0, x1, y1, b - a
            n += 1
            continue
        word, other, _, _ = words(here, bx, by, SPLIT, key)
        share = split + (1.0 - 2.0 * split) * (np.float64(word >> np.uint64(11)) * 2.0**-53)
        across = x1 - x0 > y1 - y0
        if x1 - x0 == y1 - y0:
            across = other >> np.uint64(63) == np.uint64(1)
        at = x0 + np.int64((x1 - x0) * share) if across else y0 + np.int64((y1 - y0) * share)
        middle = a
        for k in range(a, b):  # points before the cut come first
            if (px[k] if across else py[k]) < at:
                px[k], px[middle] = px[middle], px[k]
                py[k], py[middle] = py[middle], py[k]
                middle += 1
        for part in range(2):
            row = stack[top]
            row[0], row[1], row[2], row[3] = x0, y0, x1, y1
            if across:
                row[2 if part == 0 else 0] = at
            else:
                row[3 if part == 0 else 1] = at
            row[4], row[5] = (a, middle) if part == 0 else (middle, b)
            way[top] = here * np.uint64(2) + np.uint64(part)
            top += 1
    return out[:n]


@njit(cache=True)
def _first(table, line, at):
    """First row of a table of ``line, place`` that lies on a line after a place."""
    low, high = 0, table.shape[0]
    while low < high:
        middle = (low + high) // 2
        if table[middle, 0] < line or (table[middle, 0] == line and table[middle, 1] <= at):
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)
def _between(table, line, start, end):
    """Rows of a table on a line between two places, ends left out: the first, and how many."""
    first = _first(table, line, start)
    return first, max(_first(table, line, end - 1) - first, 0)


@njit(cache=True)
def _ringed(x0, y0, x1, y1, by_column, by_row):
    offsets = np.zeros(x0.size + 1, np.int64)
    for i in range(x0.size):
        size = 5 + _between(by_row, y0[i], x0[i], x1[i])[1]
        size += _between(by_row, y1[i], x0[i], x1[i])[1]
        size += _between(by_column, x0[i], y0[i], y1[i])[1]
        size += _between(by_column, x1[i], y0[i], y1[i])[1]
        offsets[i + 1] = offsets[i] + size
    x, y = np.empty(offsets[-1], np.int64), np.empty(offsets[-1], np.int64)
    k = 0
    for i in range(x0.size):
        south, across = _between(by_row, y0[i], x0[i], x1[i])
        east, up = _between(by_column, x1[i], y0[i], y1[i])
        north, back = _between(by_row, y1[i], x0[i], x1[i])
        west, down = _between(by_column, x0[i], y0[i], y1[i])
        x[k], y[k], k = x0[i], y0[i], k + 1
        for j in range(across):
            x[k], y[k], k = by_row[south + j, 1], y0[i], k + 1
        x[k], y[k], k = x1[i], y0[i], k + 1
        for j in range(up):
            x[k], y[k], k = x1[i], by_column[east + j, 1], k + 1
        x[k], y[k], k = x1[i], y1[i], k + 1
        for j in range(back - 1, -1, -1):
            x[k], y[k], k = by_row[north + j, 1], y1[i], k + 1
        x[k], y[k], k = x0[i], y1[i], k + 1
        for j in range(down - 1, -1, -1):
            x[k], y[k], k = x0[i], by_column[west + j, 1], k + 1
        x[k], y[k], k = x0[i], y0[i], k + 1
    return x, y, offsets
