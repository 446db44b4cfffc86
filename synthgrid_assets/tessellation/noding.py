"""Cutting segments so that they meet in common ends only.

Belongs here: cuts at cell borders, at crossings and at touches, in integers. Not here: what
the pieces are for (`constraints`).

Segments are rows ``ax, ay, bx, by, id`` of int64 with a lexicographically before b. A
cut is a rational point rounded once, half up, so it does not depend on the order of
segments. Rounding keeps a point in its closed cell; so pieces stay in their cell.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, CELL_BITS
from synthgrid_assets.tessellation.predicates import cross_sign

_ROUNDS = 50  # a cut moves a line by half a quantum, which seldom makes it meet another

Point = tuple[int, int]


def split_at_cells(segments: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut segments at the borders of atom cells; every piece lies in one closed cell.

    Examples
    --------
    >>> split_at_cells(np.array([[0, 0, 2 * CELL, 2, 5]])).tolist()
    [[0, 0, 4194304, 1, 5], [4194304, 1, 8388608, 2, 5]]
    """
    low = np.minimum(segments[:, 0:2], segments[:, 2:4])
    high = np.maximum(segments[:, 0:2], segments[:, 2:4])
    crossing = ((high - 1) >> CELL_BITS > low >> CELL_BITS).any(axis=1)
    cuts = {
        int(k): _border_points(*(int(v) for v in segments[k, :4])) for k in np.flatnonzero(crossing)
    }
    return _cut(segments, cuts)


def _border_points(ax: int, ay: int, bx: int, by: int) -> list[Point]:
    """Where a segment crosses lines between cells, rounded along the line."""
    dx, dy = bx - ax, by - ay
    columns = range((min(ax, bx) // CELL + 1) * CELL, max(ax, bx), CELL)
    rows = range((min(ay, by) // CELL + 1) * CELL, max(ay, by), CELL)
    return [(x, _rounded(ay * dx + dy * (x - ax), dx)) for x in columns] + [
        (_rounded(ax * dy + dx * (y - ay), dy), y) for y in rows
    ]


def _rounded(numerator: int, denominator: int) -> int:
    """A quotient rounded half up."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    return (2 * numerator + denominator) // (2 * denominator)


def noded(segments: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut segments wherever two meet, until they meet in common ends only.

    Raises
    ------
    GeometryError
        If rounding keeps making new crossings; names two constraints that do not settle.
    """
    for _ in range(_ROUNDS):
        segments = np.unique(segments, axis=0)
        pairs = _candidates(segments)
        kind = _meetings(segments, pairs)
        if not kind.any():
            return segments
        names = segments[pairs[np.argmax(kind > 0)], 4].tolist()
        segments = _cut(segments, _cut_points(segments, pairs, kind))
    raise GeometryError(
        f"constraints {names[0]} and {names[1]} still cross after {_ROUNDS} rounds of cutting "
        "and rounding to quanta; simplify them where they run side by side"
    )


def _candidates(segments: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of segments whose boxes touch, shape (p, 2); doubles hold all coordinates."""
    boxes = shapely.box(*segments[:, :4].T.astype(np.float64))
    pairs = shapely.STRtree(boxes).query(boxes).T
    found: NDArray[np.int64] = pairs[pairs[:, 0] < pairs[:, 1]]
    return found


_CROSS, _TOUCH = np.int8(1), np.int8(2)


@njit(cache=True)
def _meetings(segments, pairs):
    """For each pair: 0 where there is nothing to cut, else how they meet."""
    kind = np.zeros(pairs.shape[0], np.int8)
    for i in range(pairs.shape[0]):
        one, other = segments[pairs[i, 0]], segments[pairs[i, 1]]
        a, b = _side(one, other[0], other[1]), _side(one, other[2], other[3])
        c, d = _side(other, one[0], one[1]), _side(other, one[2], one[3])
        if a * b < 0 and c * d < 0:
            kind[i] = _CROSS
        elif (
            (a == 0 and _between(one, other[0], other[1]))
            or (b == 0 and _between(one, other[2], other[3]))
            or (c == 0 and _between(other, one[0], one[1]))
            or (d == 0 and _between(other, one[2], one[3]))
        ):
            kind[i] = _TOUCH
    return kind


@njit(cache=True)
def _side(segment, x, y):
    """On which side of a segment's line a point lies."""
    return cross_sign(
        segment[2] - segment[0], segment[3] - segment[1], x - segment[0], y - segment[1]
    )


@njit(cache=True)
def _between(segment, x, y):
    """Whether a point on a segment's line lies strictly between its ends.

    Ends are in lexicographic order, so comparing coordinates is enough and cannot overflow.
    """
    after = x > segment[0] or (x == segment[0] and y > segment[1])
    return after and (x < segment[2] or (x == segment[2] and y < segment[3]))


def _cut_points(
    segments: NDArray[np.int64], pairs: NDArray[np.int64], kind: NDArray[np.int8]
) -> dict[int, list[Point]]:
    """Where each segment must be cut."""
    cuts: dict[int, list[Point]] = defaultdict(list)
    for i in np.flatnonzero(kind):
        one, other = (int(k) for k in pairs[i])
        a, b = segments[one].tolist(), segments[other].tolist()
        if kind[i] == _CROSS:
            point = _crossing(a, b)
            cuts[one].append(point)
            cuts[other].append(point)
            continue
        for k, points in ((one, (b[0:2], b[2:4])), (other, (a[0:2], a[2:4]))):
            row = segments[k]
            cuts[k] += [(p[0], p[1]) for p in points if _side(row, *p) == 0 and _between(row, *p)]
    return cuts


def _crossing(a: list[int], b: list[int]) -> Point:
    """The point where two segments cross properly, rounded."""
    ax, ay, dx, dy = a[0], a[1], a[2] - a[0], a[3] - a[1]
    ex, ey = b[2] - b[0], b[3] - b[1]
    along = (b[0] - ax) * ey - (b[1] - ay) * ex
    whole = dx * ey - dy * ex
    return _rounded(ax * whole + along * dx, whole), _rounded(ay * whole + along * dy, whole)


def _cut(segments: NDArray[np.int64], cuts: dict[int, list[Point]]) -> NDArray[np.int64]:
    """Replace segments by polylines through their cuts, in order along the segment."""
    untouched = np.ones(len(segments), np.bool_)
    untouched[list(cuts)] = False
    pieces = [segments[untouched]]
    for k, points in cuts.items():
        ax, ay, bx, by, name = segments[k].tolist()
        dx, dy = bx - ax, by - ay
        through = sorted(
            {(ax, ay), (bx, by), *points},
            key=lambda p: ((p[0] - ax) * dx + (p[1] - ay) * dy, p),
        )
        steps = pairwise(through)
        pieces.append(np.array([(*min(s), *max(s), name) for s in steps], np.int64))
    return np.concatenate(pieces)
