"""Pairs of near points: the kernels that second-order statistics count with.

Belongs here: buckets and loops over close pairs. Not here: what a count of pairs means
(`seam`, `estimators`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit


class Buckets(NamedTuple):
    """Points sorted into square buckets, so that near points lie in near buckets.

    Attributes
    ----------
    x, y : ndarray of int64, shape (n,)
        Coordinates in bucket order, in quanta.
    order : ndarray of int64, shape (n,)
        Index of each of them in the caller's arrays.
    starts : ndarray of int64, shape (rows * columns + 1,)
        Where each bucket begins.
    rows, columns : int
    x0, y0, side : int
        South-west corner of the first bucket, and the buckets' side, in quanta.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    rows: int
    columns: int
    x0: int
    y0: int
    side: int


def bucket(x: NDArray[np.int64], y: NDArray[np.int64], reach: int) -> Buckets:
    """Buckets at least `reach` quanta wide: a near pair lies in touching buckets.

    They are wider where the points are few, so memory follows the number of points.
    """
    if x.size == 0:
        return Buckets(x, y, np.empty(0, np.int64), np.zeros(2, np.int64), 1, 1, 0, 0, 1)
    x0, y0 = int(x.min()), int(y.min())
    width, height = int(x.max()) - x0 + 1, int(y.max()) - y0 + 1
    side = max(int(reach), int((width * height / x.size) ** 0.5), 1)
    while (columns := width // side + 1) * (rows := height // side + 1) > 4 * x.size + 16:
        side *= 2
    near_x, near_y, order, starts = _sorted(x, y, np.array([x0, y0]), side, rows, columns)
    return Buckets(near_x, near_y, order, starts, rows, columns, x0, y0, side)


@njit(cache=True)
def _sorted(x, y, corner, side, rows, columns):
    """Points by bucket, in the order in which they came, their order, and where buckets begin."""
    at, starts = np.empty(x.size, np.int64), np.zeros(rows * columns + 1, np.int64)
    for i in range(x.size):
        at[i] = (y[i] - corner[1]) // side * columns + (x[i] - corner[0]) // side
        starts[at[i] + 1] += 1
    for k in range(rows * columns):
        starts[k + 1] += starts[k]
    sorted_x, sorted_y = np.empty(x.size, np.int64), np.empty(x.size, np.int64)
    order, ends = np.empty(x.size, np.int64), starts[:-1].copy()
    for i in range(x.size):
        place = ends[at[i]]
        ends[at[i]] += 1
        sorted_x[place], sorted_y[place], order[place] = x[i], y[i], i
    return sorted_x, sorted_y, order, starts


@njit(cache=True)
def crossings(buckets, reach, side, cell, usable, first_line, first_group, counts):
    """Adds each near pair to the offsets of the lines that pass between its points.

    Lines lie at multiples of `cell` in x. ``counts[group - first_group, line % side]``
    gains one for a pair of points at most `reach` apart, both in the same group of
    `side` cells along y, on different sides of a line with
    ``usable[line - first_line, group - first_group]``. All points lie in these groups.
    """
    x, y, starts = buckets.x, buckets.y, buckets.starts
    rows, columns = buckets.rows, buckets.columns
    limit = reach * reach
    group_size = side * cell
    for row in range(rows):
        for column in range(columns):
            here = row * columns + column
            for i in range(starts[here], starts[here + 1]):
                line = x[i] // cell + 1
                if line * cell - x[i] > reach:  # all partners lie before the line
                    continue
                group = y[i] // group_size
                for other_row in range(max(row - 1, 0), min(row + 2, rows)):
                    # the partner lies to the east, so it is in this column or the next
                    there = other_row * columns + column
                    last = there + 2 if column + 1 < columns else there + 1
                    for j in range(starts[there], starts[last]):
                        dx = x[j] - x[i]
                        if x[j] < line * cell or dx > reach:
                            continue
                        dy = y[j] - y[i]
                        if dx * dx + dy * dy > limit or y[j] // group_size != group:
                            continue
                        for crossed in range(line, x[j] // cell + 1):
                            at = crossed - first_line
                            if 0 <= at < usable.shape[0] and usable[at, group - first_group]:
                                counts[group - first_group, crossed % side] += 1


@njit(cache=True)
def pair_counts(buckets, group, groups, squares):
    """Ordered pairs (point of a group, any other) by the first square they are within.

    Shape (groups, squares). `group` is -1 for points that are only partners, `squares`
    are ascending squared distances in quanta; pairs beyond the last are left out.
    """
    x, y, starts = buckets.x, buckets.y, buckets.starts
    counts = np.zeros((groups, squares.size), np.int64)
    limit = squares[-1]
    for row in range(buckets.rows):
        for column in range(buckets.columns):
            here = row * buckets.columns + column
            first, last = max(column - 1, 0), min(column + 1, buckets.columns - 1)
            # each pair is found from the first of its points: partners are later in the same
            # bucket, in the next one, or in one of three to the north
            after = starts[row * buckets.columns + last + 1]
            north, far = 0, 0
            if row + 1 < buckets.rows:
                north = starts[here + buckets.columns - column + first]
                far = starts[here + buckets.columns - column + last + 1]
            for i in range(starts[here], starts[here + 1]):
                for begin, end in ((i + 1, after), (north, far)):
                    for j in range(begin, end):
                        dx, dy = x[j] - x[i], y[j] - y[i]
                        square = dx * dx + dy * dy
                        if square > limit:
                            continue
                        at = squares.size - 1
                        while at > 0 and square <= squares[at - 1]:
                            at -= 1
                        if group[i] >= 0:
                            counts[group[i], at] += 1
                        if group[j] >= 0:
                            counts[group[j], at] += 1
    return counts


@njit(cache=True)
def nearest(buckets, x, y, reach, own):
    """Squared distance from each place to its nearest point, in quanta.

    ``2**62`` where there is none within `reach`. With `own`, each place is itself one of
    the points, which is left out once.
    """
    found, limit = np.empty(x.size, np.int64), reach * reach
    for i in range(x.size):
        found[i], best = np.int64(1) << np.int64(62), limit + 1
        column = (x[i] - buckets.x0) // buckets.side
        row = (y[i] - buckets.y0) // buckets.side
        first, last = max(column - 1, 0), min(column + 1, buckets.columns - 1)
        skip = own
        if first > last:
            continue
        south = buckets.y0 + row * buckets.side
        # the place's own row first: what is found there mostly rules the others out
        for other_row in (row, row - 1, row + 1):
            gap = 0
            if other_row != row:
                gap = y[i] - south + 1 if other_row < row else south + buckets.side - y[i]
            if other_row < 0 or other_row >= buckets.rows or gap * gap >= best:
                continue
            begin = buckets.starts[other_row * buckets.columns + first]
            end = buckets.starts[other_row * buckets.columns + last + 1]
            for j in range(begin, end):
                dx, dy = buckets.x[j] - x[i], buckets.y[j] - y[i]
                square = dx * dx + dy * dy
                if square == 0 and skip:
                    skip = False
                elif square < best:
                    best = square
        if best <= limit:
            found[i] = best
    return found
