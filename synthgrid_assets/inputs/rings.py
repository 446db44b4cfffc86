"""Which lattice points lie inside rings: exact crossing numbers with a strip index.

Belongs here: integer edges, their index and the two kernels over it. Not here: where rings
come from and what their areas are (`masks`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells

_ENTRIES_PER_EDGE = 8  # bound of the index's size; longer edges make the strips higher
_LIMB = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


class Edges(NamedTuple):
    """Edges of polygons, pointing upwards, indexed by horizontal strips of cell rows.

    Attributes
    ----------
    x0, y0, x1, y1 : ndarray of int64, shape (n,)
        Ends in quanta, ``y0 <= y1``. Horizontal edges are never crossed, but split cells.
    polygon : ndarray of int64, shape (n,)
        Polygon that the edge belongs to, ascending.
    bits : int
        A strip is ``2**bits`` quanta high.
    first : int
        Number of the first strip.
    starts, members : ndarray of int64
        Strip k holds the edges ``members[starts[k]:starts[k + 1]]``, ascending.
    """

    x0: NDArray[np.int64]
    y0: NDArray[np.int64]
    x1: NDArray[np.int64]
    y1: NDArray[np.int64]
    polygon: NDArray[np.int64]
    bits: int
    first: int
    starts: NDArray[np.int64]
    members: NDArray[np.int64]


def index_edges(
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    ring_starts: NDArray[np.int64],
    polygon_of_ring: NDArray[np.int64],
) -> Edges:
    """Edges of closed rings, in strips.

    Parameters
    ----------
    x, y : ndarray of int64, shape (v,)
        Vertices of all rings in quanta, each ring's first vertex repeated at its end.
    ring_starts : ndarray of int64, shape (r + 1,)
        Where each ring begins.
    polygon_of_ring : ndarray of int64, shape (r,)
        Ascending.
    """
    is_edge = np.ones(x.size, bool)
    is_edge[ring_starts[1:] - 1] = False  # a ring's last vertex begins no edge
    begin = np.flatnonzero(is_edge)
    up = y[begin] <= y[begin + 1]
    low, high = np.where(up, begin, begin + 1), np.where(up, begin + 1, begin)
    polygon = polygon_of_ring[np.searchsorted(ring_starts, begin, side="right") - 1]
    bits = CELL_BITS
    while True:
        first, last = y[low] >> bits, (y[high] - 1) >> bits
        counts = last - first + 1  # 0 for an edge along a strip's border: it splits no cell
        if counts.sum() <= _ENTRIES_PER_EDGE * counts.size or bits >= 2 * CELL_BITS:
            break
        bits += 1
    members = np.repeat(np.arange(counts.size), counts)
    within = np.arange(members.size) - np.repeat(np.cumsum(counts) - counts, counts)
    strips = np.repeat(first, counts) + within
    order = np.argsort(strips, kind="stable")
    lowest = int(strips.min()) if strips.size else 0
    sizes = np.bincount(strips - lowest) if strips.size else np.empty(0, np.int64)
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    ends = (x[low], y[low], x[high], y[high])
    return Edges(*ends, polygon, bits, lowest, starts, members[order])


def inside(edges: Edges, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each point lies in some polygon, by the half-open rule.

    A point on a border belongs to the side towards +x (and, on horizontal borders, +y), so
    of two polygons that share a border exactly one contains it.
    """
    answers: NDArray[np.bool_] = _inside(edges, x, y)
    return answers


def touched(edges: Edges, cells: Cells) -> NDArray[np.bool_]:
    """Cells that an edge may pass through, shape (h, w); no edge passes through the others."""
    marks = np.zeros((cells.height, cells.width), np.bool_)
    _touch(edges, cells.ix0, cells.iy0, marks)
    return marks


@njit(cache=True)
def _product(a, b):
    """The 128-bit product of two uint64 words, as (high, low)."""
    a1, a0, b1, b0 = a >> _LIMB, a & _LOW, b >> _LIMB, b & _LOW
    low = a0 * b0
    middle = a1 * b0 + (low >> _LIMB)
    other = a0 * b1 + (middle & _LOW)
    high = a1 * b1 + (middle >> _LIMB) + (other >> _LIMB)
    return high, (other << _LIMB) | (low & _LOW)


@njit(cache=True)
def left_of(px, py, x0, y0, x1, y1):
    """Whether a point with y0 <= py < y1 lies strictly left of the edge, exactly."""
    if px < min(x0, x1):
        return True
    if px >= max(x0, x1):
        return False
    rise, run = np.uint64(y1 - y0), np.uint64(abs(x1 - x0))
    climb, stride = np.uint64(py - y0), np.uint64(abs(px - x0))
    # all four are below 2**46, so the products need more than 64 bits
    reached = _product(stride, rise)
    needed = _product(run, climb)
    if x1 > x0:
        return reached < needed
    return reached > needed


@njit(cache=True)
def _members(edges, y):
    """Range of a strip's members; empty above and below all edges."""
    strip = (y >> edges.bits) - edges.first
    if strip < 0 or strip >= edges.starts.size - 1:
        return 0, 0
    return edges.starts[strip], edges.starts[strip + 1]


@njit(cache=True)
def _test(edges, px, py):
    """Whether a point is inside, and whether all of its cell shares that answer."""
    left, bottom = (px >> CELL_BITS) << CELL_BITS, (py >> CELL_BITS) << CELL_BITS
    start, stop = _members(edges, py)
    found, plain, odd, polygon = False, True, False, np.int64(-1)
    for k in range(start, stop):
        e = edges.members[k]
        if edges.polygon[e] != polygon:
            found |= odd
            odd, polygon = False, edges.polygon[e]
        x0, y0, x1, y1 = edges.x0[e], edges.y0[e], edges.x1[e], edges.y1[e]
        if y0 <= py < y1 and left_of(px, py, x0, y0, x1, y1):
            odd = not odd
        if y0 < bottom + CELL and y1 > bottom and min(x0, x1) < left + CELL:
            plain &= max(x0, x1) <= left
    return found | odd, plain


@njit(cache=True)
def _inside(edges, x, y):
    out = np.empty(x.size, np.bool_)
    known = False
    left = bottom = np.int64(0)
    answer = False
    for i in range(x.size):
        cx, cy = x[i] >> CELL_BITS, y[i] >> CELL_BITS
        # points come cell by cell: a cell without edges is asked once
        if not (known and cx == left and cy == bottom):
            answer, known = _test(edges, x[i], y[i])
            left, bottom = cx, cy
        out[i] = answer
    return out


@njit(cache=True)
def _touch(edges, ix0, iy0, marks):
    height, width = marks.shape
    for e in range(edges.x0.size):
        x0, y0 = edges.x0[e], edges.y0[e]
        if y0 == edges.y1[e]:
            _touch_row(edges, e, ix0, iy0, marks)
            continue
        slope = (edges.x1[e] - x0) / (edges.y1[e] - y0)
        low, high = min(x0, edges.x1[e]), max(x0, edges.x1[e])
        bottom = max(y0 >> CELL_BITS, iy0)
        top = min((edges.y1[e] - 1) >> CELL_BITS, iy0 + height - 1)
        for row in range(bottom, top + 1):
            ya, yb = max(row << CELL_BITS, y0), min((row + 1) << CELL_BITS, edges.y1[e])
            xa, xb = x0 + (ya - y0) * slope, x0 + (yb - y0) * slope
            # one part in 64 of a cell on both sides covers the rounding of the floats
            first = max(np.int64(min(xa, xb)) - CELL // 64, low) >> CELL_BITS
            last = min(np.int64(max(xa, xb)) + CELL // 64, high) >> CELL_BITS
            for column in range(max(first, ix0), min(last, ix0 + width - 1) + 1):
                marks[row - iy0, column - ix0] = True


@njit(cache=True)
def _touch_row(edges, e, ix0, iy0, marks):
    """Mark the cells that a horizontal edge splits; none where it runs between two rows."""
    row = (edges.y0[e] >> CELL_BITS) - iy0
    if edges.y0[e] & (CELL - 1) == 0 or row < 0 or row >= marks.shape[0]:
        return
    first, last = min(edges.x0[e], edges.x1[e]), max(edges.x0[e], edges.x1[e])
    for column in range(
        max(first >> CELL_BITS, ix0), min(last >> CELL_BITS, ix0 + marks.shape[1] - 1) + 1
    ):
        marks[row, column - ix0] = True
