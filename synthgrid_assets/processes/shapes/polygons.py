"""Many small polygons on the lattice: which points lie inside one, and how much they cover.

Belongs here: the kernels over their vertices. Not here: where polygons come from (`footprints`,
`subdivision`), zones that are drawn again wherever they are asked for (`zones`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.inputs.rings import left_of
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.processes.thinning.proximity import PIXELS, filled

SCANLINES = 16  # in a pixel; their lengths inside are exact
SIDE = CELL // PIXELS
_STEP = SIDE // SCANLINES


class Polygons(NamedTuple):
    """Simple polygons whose horizontal sections are single intervals, as those of convex ones.

    Attributes
    ----------
    x, y : ndarray of int64, shape (v,)
        Vertices in quanta, counterclockwise; the first of a ring is not repeated.
    starts : ndarray of int64, shape (n + 1,)
        Where each ring begins; the last entry is v.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of_rows(cls, x: NDArray[np.int64], y: NDArray[np.int64]) -> Polygons:
        """Those whose vertices stand in the rows of two arrays of shape (n, sides)."""
        n, sides = x.shape
        return cls(x.ravel(), y.ravel(), np.arange(n + 1, dtype=np.int64) * sides)

    def sides(self) -> tuple[NDArray[np.int64], ...]:
        """Ends ``x0, y0, x1, y1`` of all sides."""
        ahead = np.arange(1, self.x.size + 1)
        sizes = np.diff(self.starts)
        ahead[self.starts[1:][sizes > 0] - 1] = self.starts[:-1][sizes > 0]
        return self.x, self.y, self.x[ahead], self.y[ahead]


class PolygonIndex(NamedTuple):
    """Polygons by the cells of a rectangle that their bounding boxes touch.

    Attributes
    ----------
    polygons : Polygons
    cells : Cells
    starts, members : ndarray of int64
        Cell k of the rectangle, row by row, is touched by ``members[starts[k]:starts[k + 1]]``.
    """

    polygons: Polygons
    cells: Cells
    starts: NDArray[np.int64]
    members: NDArray[np.int64]

    @classmethod
    def over(cls, polygons: Polygons, cells: Cells) -> PolygonIndex:
        """The index of the polygons that touch some cells."""
        box = _boxes(*polygons)
        x0, y0, x1, y1 = (box[:, k] >> CELL_BITS for k in range(4))
        first = np.maximum(x0 - cells.ix0, 0), np.maximum(y0 - cells.iy0, 0)
        last = (
            np.minimum(x1 - cells.ix0, cells.width - 1),
            np.minimum(y1 - cells.iy0, cells.height - 1),
        )
        found = filled(first[0], last[0], first[1], last[1], cells.width, cells.height)
        return cls(polygons, cells, *found)

    def contains(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which points of the rectangle lie in a polygon, exactly, half-open as in `inputs.rings`.

        Parameters
        ----------
        x, y : ndarray of int64, shape (n,)
            In quanta.
        """
        cells = self.cells
        bucket = ((y >> CELL_BITS) - cells.iy0) * cells.width + ((x >> CELL_BITS) - cells.ix0)
        answers: NDArray[np.bool_] = _contains(
            x, y, bucket, self.starts, self.members, *self.polygons
        )
        return answers


def covered(polygons: Polygons, cells: Cells) -> NDArray[np.float64]:
    """Share of each pixel that lies in a polygon, shape (8 h, 8 w), south to north.

    Each pixel is crossed by 16 horizontal lines, at the same places of the lattice whatever
    rectangle is asked for, whose lengths inside are exact integers. So a pixel has the same value
    in any rectangle, one without a border has 0 or 1, and the error, below 1/32 of the length of
    the borders in it, has no systematic sign.

    Examples
    --------
    >>> square = np.array([0, CELL, CELL, 0]), np.array([0, 0, CELL // 2, CELL // 2])
    >>> found = covered(Polygons(*square, np.array([0, 4])), Cells(0, 0, 2, 1))
    >>> found.shape, float(found.mean()), float(found[3, 7]), float(found[4, 7])
    ((8, 16), 0.25, 1.0, 0.0)
    """
    left, bottom, right, _ = cells.quanta()
    rows = cells.height * PIXELS * SCANLINES
    line, low, high = _sections(*polygons, bottom, rows)
    low, high = np.maximum(low, left), np.minimum(high, right)
    some = low < high
    line, low, high = line[some], low[some], high[some]
    order = np.lexsort((low, line))
    lengths = _lengths(
        line[order], low[order], high[order], left, cells.height * PIXELS, cells.width * PIXELS
    )
    share: NDArray[np.float64] = lengths / float(SIDE * SCANLINES)
    return share


@njit(cache=True)
def _boxes(x, y, starts):
    """Bounding boxes, rows ``x0, y0, x1, y1``; of no vertices, one that touches nothing."""
    out = np.empty((starts.size - 1, 4), np.int64)
    for i in range(starts.size - 1):
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = 1, 1, 0, 0
        for k in range(starts[i], starts[i + 1]):
            if k == starts[i]:
                out[i, 0], out[i, 1], out[i, 2], out[i, 3] = x[k], y[k], x[k], y[k]
            out[i, 0], out[i, 1] = min(out[i, 0], x[k]), min(out[i, 1], y[k])
            out[i, 2], out[i, 3] = max(out[i, 2], x[k]), max(out[i, 3], y[k])
    return out


@njit(cache=True)
def _contains(px, py, bucket, starts, members, x, y, rings):
    out = np.zeros(px.size, np.bool_)
    for i in range(px.size):
        for m in range(starts[bucket[i]], starts[bucket[i] + 1]):
            p = members[m]
            odd = False
            before = rings[p + 1] - 1
            for k in range(rings[p], rings[p + 1]):
                x0, y0, x1, y1 = x[before], y[before], x[k], y[k]
                before = k
                if y0 > y1:
                    x0, y0, x1, y1 = x1, y1, x0, y0
                if y0 <= py[i] < y1 and left_of(px[i], py[i], x0, y0, x1, y1):
                    odd = not odd
            if odd:
                out[i] = True
                break
    return out


@njit(cache=True)
def _line_at(y, bottom):
    """Number of the first scanline at or above a height."""
    return -((bottom + _STEP // 2 - y) // _STEP)


@njit(cache=True)
def _sections(x, y, starts, bottom, rows):
    """Where scanlines lie in polygons: line, first and last place of each section."""
    size = 0
    for i in range(starts.size - 1):
        low, high = _range(y, starts[i], starts[i + 1], bottom, rows)
        size += high - low
    line = np.empty(size, np.int64)
    first, last = np.empty(size, np.int64), np.empty(size, np.int64)
    n = 0
    for i in range(starts.size - 1):
        low, high = _range(y, starts[i], starts[i + 1], bottom, rows)
        for k in range(low, high):
            line[n + k - low] = k
            first[n + k - low], last[n + k - low] = np.int64(1) << 62, -(np.int64(1) << 62)
        before = starts[i + 1] - 1
        for v in range(starts[i], starts[i + 1]):
            x0, y0, x1, y1 = x[before], y[before], x[v], y[v]
            before = v
            if y0 > y1:
                x0, y0, x1, y1 = x1, y1, x0, y0
            for k in range(max(_line_at(y0, bottom), low), min(_line_at(y1, bottom), high)):
                at = bottom + _STEP // 2 + k * _STEP
                place = x0 + (at - y0) * (x1 - x0) // (y1 - y0)
                j = n + k - low
                first[j], last[j] = min(first[j], place), max(last[j], place)
        n += high - low
    return line, first, last


@njit(cache=True)
def _range(y, start, stop, bottom, rows):
    """The scanlines of the rectangle that pass through a ring: the first, and one past the last."""
    if start == stop:
        return 0, 0
    low, high = y[start], y[start]
    for k in range(start, stop):
        low, high = min(low, y[k]), max(high, y[k])
    first = max(_line_at(low, bottom), 0)
    return first, max(min(_line_at(high, bottom), rows), first)


@njit(cache=True)
def _lengths(line, low, high, left, height, width):
    """Length of the union of each line's sections in each pixel, sums of a pixel's lines."""
    out = np.zeros((height, width), np.int64)
    current, end = np.int64(-1), np.int64(0)
    for i in range(line.size):
        if line[i] != current:
            current, end = line[i], left
        start = max(low[i], end)
        if high[i] <= start:
            continue
        end = high[i]
        row = current // SCANLINES
        column = (start - left) // SIDE
        while start < end:
            border = min(left + (column + 1) * SIDE, end)
            out[row, column] += border - start
            start, column = border, column + 1
    return out
