"""Lines as a network: straight segments with whole lengths, connected where they share a vertex.

Belongs here: segments, nodes, and what part of a line lies in which cell. Not here: reading
lines (`inputs.paths`), points on them (`stations`, `walk`).

Lines are connected where they have a vertex in common, as the ways of OpenStreetMap are; where
they merely cross, one passes over the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LineNetwork:
    """Straight segments of polylines, in the order of the lines and along each of them.

    Parameters
    ----------
    x0, y0, x1, y1 : ndarray of int64, shape (m,)
        Ends in quanta.
    line : ndarray of int64, shape (m,)
        Number of the line, from 0 in the order of the file.
    length : ndarray of int64, shape (m,)
        In quanta, rounded to a whole number, at least 1.
    arc : ndarray of int64, shape (m,)
        Length of the line up to the segment.
    lengths : ndarray of int64, shape (lines,)
        Of whole lines; 0 of a point.

    Examples
    --------
    >>> bent = Paths(np.array([0, 3, 3]), np.array([0, 4, 9]), np.array([0, 3]))
    >>> network = LineNetwork.of(bent)
    >>> network.length.tolist(), network.arc.tolist(), network.lengths.tolist()
    ([5, 5], [0, 5], [10])
    """

    x0: Ints
    y0: Ints
    x1: Ints
    y1: Ints
    line: Ints
    length: Ints
    arc: Ints
    lengths: Ints

    @classmethod
    def of(cls, paths: Paths) -> LineNetwork:
        """The network of some paths; points and repeated vertices have no length and are left."""
        line = np.repeat(np.arange(paths.starts.size - 1), np.diff(paths.starts))
        first = np.flatnonzero(line[1:] == line[:-1])
        x0, y0, x1, y1 = paths.x[first], paths.y[first], paths.x[first + 1], paths.y[first + 1]
        dx, dy = (x1 - x0).astype(np.float64), (y1 - y0).astype(np.float64)
        length = np.rint(np.sqrt(dx * dx + dy * dy)).astype(np.int64)
        some = length > 0
        line, length = line[first][some], length[some]
        lengths = np.zeros(paths.starts.size - 1, np.int64)
        np.add.at(lengths, line, length)
        before = np.cumsum(length) - length
        arc = before - (np.cumsum(lengths) - lengths)[line]
        return cls(x0[some], y0[some], x1[some], y1[some], line, length, arc, lengths)

    @cached_property
    def starts(self) -> Ints:
        """Length of all lines up to each line: where it starts if they lie end to end."""
        starts: Ints = np.cumsum(self.lengths) - self.lengths
        return starts

    @cached_property
    def _nodes(self) -> tuple[Ints, Ints, Ints]:
        ends = np.stack((np.stack((self.x0, self.y0)), np.stack((self.x1, self.y1))), axis=2)
        places = ends.reshape(2, -1).T
        _, node = np.unique(places, axis=0, return_inverse=True)
        node = node.reshape(-1).astype(np.int64)
        leaving = np.argsort(node, kind="stable").astype(np.int64)
        first = np.concatenate(([0], np.cumsum(np.bincount(node)))).astype(np.int64)
        return node, leaving, first

    @property
    def graph(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Node that each half-edge leaves, half-edges by node, where each node's begin, lengths.

        Half-edge ``2 s`` runs along segment s, ``2 s + 1`` against it.
        """
        return (*self._nodes, self.length)

    def near(self, cells: Cells) -> Ints:
        """Numbers of the segments whose boxes touch a rectangle of cells."""
        left, bottom, right, top = cells.quanta()
        touch = (np.minimum(self.x0, self.x1) <= right) & (np.maximum(self.x0, self.x1) >= left)
        touch &= (np.minimum(self.y0, self.y1) <= top) & (np.maximum(self.y0, self.y1) >= bottom)
        return np.flatnonzero(touch)

    def segment_at(self, line: Ints, at: Ints) -> tuple[Ints, Ints]:
        """The segment of each place along a line, and how far along the segment it lies."""
        ends_to_ends = self.starts[self.line] + self.arc
        segment = np.searchsorted(ends_to_ends, self.starts[line] + at, side="right") - 1
        return segment, at - self.arc[segment]

    def place(self, segment: Ints, offset: Ints) -> tuple[Ints, Ints]:
        """The lattice points nearest to places along segments."""
        share = offset / self.length[segment]
        x = self.x0[segment] + np.floor((self.x1 - self.x0)[segment] * share + 0.5).astype(np.int64)
        y = self.y0[segment] + np.floor((self.y1 - self.y0)[segment] * share + 0.5).astype(np.int64)
        return x, y

    def inside(
        self, segment: Ints, cells: Cells
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """From where to where, as lengths along them, segments run inside a rectangle of cells."""
        box = np.array(cells.quanta(), np.float64)
        low, high = _clipped(
            self.x0[segment], self.y0[segment], self.x1[segment], self.y1[segment], box
        )
        length = self.length[segment].astype(np.float64)
        return low * length, high * length

    def length_by_cell(self, cells: Cells) -> NDArray[np.float64]:
        """Length of line in each cell, in sides of a cell, south to north: shape (h, w)."""
        s = self.near(cells)
        columns = self.x0[s], self.y0[s], self.x1[s], self.y1[s], self.length[s]
        grid = _by_cell(*columns, cells.ix0, cells.iy0, cells.width, cells.height)
        return np.asarray(grid, np.float64) / CELL

    @cached_property
    def most_in_a_cell(self) -> float:
        """The largest length of line that a single cell holds, in sides of a cell."""
        ix, iy, lengths = _pieces(self.x0, self.y0, self.x1, self.y1, self.length)
        _, cell = np.unique(np.stack((ix, iy)), axis=1, return_inverse=True)
        return float(np.bincount(cell.reshape(-1), lengths).max(initial=0.0)) / CELL


@lru_cache(maxsize=4)
def network_of(paths: Paths) -> LineNetwork:
    """The network of some paths, which layers and their replicates share."""
    return LineNetwork.of(paths)


@njit(cache=True)
def _next(at, step, low):
    """Where a coordinate meets the next border of cells, as a share of the segment; 2 for none."""
    if step == 0:
        return 2.0
    cell = (at >> CELL_BITS) if step > 0 else ((at - 1) >> CELL_BITS)
    border = ((cell + 1 + low) << CELL_BITS) if step > 0 else ((cell - low) << CELL_BITS)
    return (border - at) / step


@njit(cache=True)
def _cut(x0, y0, x1, y1, shares):
    """Fill in where a segment meets borders of cells, ascending, from 0 to 1: how many."""
    dx, dy = x1 - x0, y1 - y0
    i, j, n = 0, 0, 1
    shares[0] = 0.0
    while True:
        t = min(_next(x0, dx, i), _next(y0, dy, j))
        if t >= 1.0:
            break
        if _next(x0, dx, i) <= t:
            i += 1
        if _next(y0, dy, j) <= t:
            j += 1
        if t > 0.0:
            shares[n] = t
            n += 1
    shares[n] = 1.0
    return n


@njit(cache=True)
def _crossings(x0, y0, x1, y1):
    """Bound of the number of pieces of a segment."""
    across = abs((x1 >> CELL_BITS) - (x0 >> CELL_BITS))
    return across + abs((y1 >> CELL_BITS) - (y0 >> CELL_BITS)) + 4


@njit(cache=True)
def _cell_of(x0, dx, t):
    """The cell of the place at a share of a segment, along one axis."""
    return np.int64(math.floor(x0 + dx * t)) >> CELL_BITS


@njit(cache=True)
def _pieces(x0, y0, x1, y1, length):
    """Cell and length of each piece of each segment."""
    total = 0
    for s in range(x0.size):
        total += _crossings(x0[s], y0[s], x1[s], y1[s])
    ix, iy = np.empty(total, np.int64), np.empty(total, np.int64)
    lengths, n = np.empty(total), 0
    for s in range(x0.size):
        shares = np.empty(_crossings(x0[s], y0[s], x1[s], y1[s]) + 2)
        for k in range(_cut(x0[s], y0[s], x1[s], y1[s], shares)):
            middle = (shares[k] + shares[k + 1]) / 2
            ix[n] = _cell_of(x0[s], x1[s] - x0[s], middle)
            iy[n] = _cell_of(y0[s], y1[s] - y0[s], middle)
            lengths[n] = (shares[k + 1] - shares[k]) * length[s]
            n += 1
    return ix[:n], iy[:n], lengths[:n]


@njit(cache=True)
def _by_cell(x0, y0, x1, y1, length, west, south, width, height):
    grid = np.zeros((height, width))
    ix, iy, lengths = _pieces(x0, y0, x1, y1, length)
    for k in range(ix.size):
        column, row = ix[k] - west, iy[k] - south
        if 0 <= column < width and 0 <= row < height:
            grid[row, column] += lengths[k]
    return grid


@njit(cache=True)
def _clipped(x0, y0, x1, y1, box):
    """Shares between which segments run inside a box; both the same where they don't."""
    low, high = np.zeros(x0.size), np.ones(x0.size)
    for s in range(x0.size):
        for start, end, least, most in (
            (x0[s], x1[s], box[0], box[2]),
            (y0[s], y1[s], box[1], box[3]),
        ):
            if start == end:
                if not least <= start < most:
                    high[s] = low[s]
                continue
            a, b = (least - start) / (end - start), (most - start) / (end - start)
            low[s], high[s] = max(low[s], min(a, b)), min(high[s], max(a, b))
        high[s] = max(high[s], low[s])
    return low, high
