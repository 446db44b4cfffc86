"""Whether triangles overlap: shown by their outline, or counted pair by pair.

Belongs here: interiors in common, from the triangles alone. Not here: what else must hold of
triangles (`verification`).

A counter-clockwise triangle winds once around each of its points. Edges that run in both
directions cancel, so the outline that is left winds around a point as often as triangles
hold it. It winds once around all that it encloses when no two of its edges meet but in
their ends, and each has one turn on its left and none on its right: every region that it
cuts the plane into lies beside an edge.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.tessellation.predicates import fits, orient

_PAIRS_A_TRIANGLE = 400  # of outline edges, beyond which a sweep over triangles is cheaper


def overlapping(xy: NDArray[np.int64], outline: NDArray[np.int64] | None) -> int:
    """Pairs of triangles that have an interior point in common.

    Parameters
    ----------
    xy : ndarray of int64, shape (t, 3, 2)
        Corners, counter-clockwise.
    outline : ndarray of int64, shape (k,), or None
        The edges ``3 * i + k``, from corner k of triangle i to the next one, that are left
        when each edge has cancelled one in the other direction; None where it is not known.

    Returns
    -------
    int
        Zero at once if the outline shows it. Else a sweep from left to right in each of the
        horizontal bands that a triangle meets; bands are as high as two triangles at least,
        so that a triangle meets few.
    """
    if len(xy) == 0:
        return 0
    if outline is not None and outline.size**2 <= _PAIRS_A_TRIANGLE * len(xy):
        ends = np.concatenate(
            (xy[outline // 3, outline % 3], xy[outline // 3, (outline + 1) % 3]), 1
        )
        if fits(ends[:, 0::2]) and fits(ends[:, 1::2]) and _winds_once(ends):
            return 0
    return int(_overlapping_pairs(xy, *_banded(xy, math.isqrt(len(xy)))))


@njit(cache=True)
def _winds_once(ends):
    """Whether directed edges meet in their ends alone, each with one turn on its left.

    Coordinates differ by less than 2**30, and those of midpoints are doubled: exact.
    """
    # from west to east: what meets an edge's columns begins at most the longest edge before it
    begins = np.minimum(ends[:, 0], ends[:, 2])
    order = np.argsort(begins)
    begins, ends = begins[order], ends[order]
    longest = np.abs(ends[:, 2] - ends[:, 0]).max() if begins.size else 0
    for i in range(ends.shape[0]):
        ax, ay, bx, by = ends[i, 0], ends[i, 1], ends[i, 2], ends[i, 3]
        # a ray upwards from the midpoint, or beside it on the right of an edge that stands
        turns = 1 if bx < ax or (bx == ax and by > ay) else 0
        mx, my = ax + bx, ay + by
        left, right, bottom, top = min(ax, bx), max(ax, bx), min(ay, by), max(ay, by)
        first = np.searchsorted(begins, left - longest)
        for j in range(first, np.searchsorted(begins, right, "right")):
            cx, cy, dx, dy = ends[j, 0], ends[j, 1], ends[j, 2], ends[j, 3]
            if j == i or min(cx, dx) > right or max(cx, dx) < left:
                continue
            if 2 * cx <= mx < 2 * dx:
                turns -= (dx - cx) * (my - 2 * cy) < (dy - cy) * (mx - 2 * cx)
            elif 2 * dx <= mx < 2 * cx:
                turns += (dx - cx) * (my - 2 * cy) > (dy - cy) * (mx - 2 * cx)
            apart = max(cy, dy) < bottom or min(cy, dy) > top
            if j < i and not apart and _meet(ax, ay, bx, by, cx, cy, dx, dy):
                return False
        if turns != 1:
            return False
    return True


@njit(cache=True)
def _meet(ax, ay, bx, by, cx, cy, dx, dy):
    """Whether two segments, whose bounds meet, have a point in common that is no end of both."""
    c, d = orient(ax, ay, bx, by, cx, cy), orient(ax, ay, bx, by, dx, dy)
    a, b = orient(cx, cy, dx, dy, ax, ay), orient(cx, cy, dx, dy, bx, by)
    if (c > 0 and d > 0) or (c < 0 and d < 0) or (a > 0 and b > 0) or (a < 0 and b < 0):
        return False
    common = (ax == cx and ay == cy) or (ax == dx and ay == dy)
    common = common or (bx == cx and by == cy) or (bx == dx and by == dy)
    if not common:
        return True
    # with an end in common they have more only along one line, on the same side of it
    wide = min(max(ax, bx), max(cx, dx)) > max(min(ax, bx), min(cx, dx))
    high = min(max(ay, by), max(cy, dy)) > max(min(ay, by), min(cy, dy))
    return c == 0 and d == 0 and (wide or high)


@njit(cache=True)
def _banded(xy, most):
    """Entries of triangles in bands, by band and then by the column that they begin in.

    Returns
    -------
    triangle : ndarray of int64, shape (e,)
        Of each entry.
    band : ndarray of int64, shape (e,)
    box : ndarray of int64, shape (e, 4)
        Left, bottom, right and top of the triangle.
    lowest : ndarray of int64, shape (t,)
        The first band that each triangle meets.
    width : int
        Of a column.
    """
    n = xy.shape[0]
    bounds = np.empty((n, 4), np.int64)
    wide, high = 0, 0
    for i in range(n):
        for k in range(2):
            bounds[i, k] = min(xy[i, 0, k], xy[i, 1, k], xy[i, 2, k])
            bounds[i, 2 + k] = max(xy[i, 0, k], xy[i, 1, k], xy[i, 2, k])
        wide, high = wide + bounds[i, 2] - bounds[i, 0], high + bounds[i, 3] - bounds[i, 1]
    left, bottom = bounds[:, 0].min(), bounds[:, 1].min()
    width = 1 + max(wide // n, (bounds[:, 2].max() - left) // most)
    height = 1 + max(2 * high // n, (bounds[:, 3].max() - bottom) // most)
    columns = (bounds[:, 2].max() - left) // width + 1
    bands = (bounds[:, 3].max() - bottom) // height + 1
    lowest = (bounds[:, 1] - bottom) // height
    begin = np.zeros(columns * bands + 1, np.int64)
    for i in range(n):
        for band in range(lowest[i], (bounds[i, 3] - 1 - bottom) // height + 1):
            begin[band * columns + (bounds[i, 0] - left) // width + 1] += 1
    for place in range(columns * bands):
        begin[place + 1] += begin[place]
    triangle, band_of = np.empty(begin[-1], np.int64), np.empty(begin[-1], np.int64)
    box = np.empty((begin[-1], 4), np.int64)
    for i in range(n):
        for band in range(lowest[i], (bounds[i, 3] - 1 - bottom) // height + 1):
            place = band * columns + (bounds[i, 0] - left) // width
            triangle[begin[place]], band_of[begin[place]] = i, band
            box[begin[place]] = bounds[i]
            begin[place] += 1
    return triangle, band_of, box, lowest, width


@njit(cache=True)
def _overlapping_pairs(xy, triangle, band, box, lowest, width):
    """Pairs in common bands; each counts in its lowest."""
    count = 0
    for e in range(triangle.size):
        # columns are in order, and so is what begins in different ones, but for one width
        for f in range(e + 1, triangle.size):
            if band[f] != band[e] or box[f, 0] >= box[e, 2] + width:
                break
            # one branch for both axes: any of them alone is hard to predict
            apart = (box[f, 0] >= box[e, 2]) | (box[f, 2] <= box[e, 0])
            if apart | (box[f, 1] >= box[e, 3]) | (box[f, 3] <= box[e, 1]):
                continue
            i, j = triangle[e], triangle[f]
            if max(lowest[i], lowest[j]) != band[e]:
                continue
            one, other = _flat(xy, i), _flat(xy, j)
            if not (_separates(one, other) or _separates(other, one)):
                count += 1
    return count


@njit(inline="always")
def _separates(one, other):
    """Whether an edge of one counter-clockwise triangle has all of another beyond it.

    Two convex polygons have disjoint interiors exactly when one has such an edge.
    """
    ax, ay, bx, by, cx, cy = one
    return (
        _beyond(ax, ay, bx, by, other)
        or _beyond(bx, by, cx, cy, other)
        or _beyond(cx, cy, ax, ay, other)
    )


@njit(inline="always")
def _beyond(ux, uy, vx, vy, other):
    """Whether no corner of a triangle lies to the left of the line from u to v."""
    ax, ay, bx, by, cx, cy = other
    return (
        orient(ux, uy, vx, vy, ax, ay) <= 0
        and orient(ux, uy, vx, vy, bx, by) <= 0
        and orient(ux, uy, vx, vy, cx, cy) <= 0
    )


@njit(inline="always")
def _flat(xy, i):
    """The coordinates of a triangle as six numbers."""
    return xy[i, 0, 0], xy[i, 0, 1], xy[i, 1, 0], xy[i, 1, 1], xy[i, 2, 0], xy[i, 2, 1]
