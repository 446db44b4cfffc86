"""What must hold of stored triangles, checked by integers alone.

Belongs here: counts of broken rows, from the rows themselves and never from how they came
about, so that a damaged row is found. Not here: Voronoi rows (`cell_verification`), and
verdicts and where they are shown.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL, CELL_LIMIT, Cells
from synthgrid_assets.tessellation.predicates import EXTENT_BITS, encroaches, orient
from synthgrid_assets.tessellation.proofs.faults import TriangleFaults
from synthgrid_assets.tessellation.tile import triangle_order

_FAR = 2 * CELL_LIMIT * CELL  # no honest coordinate is farther from the origin, in quanta


def triangle_faults(
    triangles: NDArray[np.int64],
    triangle_xy: NDArray[np.int64],
    cells: Cells,
    constraint: NDArray[np.int64] | None = None,
) -> TriangleFaults:
    """Check the rows of the triangles that a rectangle owns.

    Parameters
    ----------
    triangles : ndarray of int64, shape (t, 3)
        Site ids.
    triangle_xy : ndarray of int64, shape (t, 6)
        Corners in quanta.
    cells : Cells
        The rectangle.
    constraint : ndarray of int64, shape (t, 3), optional
        The constraint along the edges a-b, b-c and c-a, or -1. A constrained edge need not
        be Delaunay, and both triangles at it must name the same constraint.

    Returns
    -------
    TriangleFaults
        All zero for the rows of `tessellate` and `tessellate_constrained`. Triangles that
        overlap nowhere and whose edges are all locally Delaunay are Delaunay in the plane
        (Delaunay's lemma), ties included.

    Examples
    --------
    >>> square = np.array([[0, 0, 4, 0, 4, 4], [0, 0, 4, 4, 0, 4]])
    >>> ids = np.array([[0, 1, 2], [0, 2, 3]])
    >>> triangle_faults(ids, square, Cells(0, 0, 1, 1)).total
    0
    >>> square[1, 5] = 3  # now the other diagonal is due, and the corner's circle moved
    >>> triangle_faults(ids, square, Cells(0, 0, 1, 1)).describe()
    '1 not_delaunay'
    """
    xy = triangle_xy.reshape(-1, 3, 2)
    usable = _usable(xy)
    sound = xy[usable]
    corner = numbered(sound.reshape(-1, 2)).reshape(-1, 3)
    along = np.full(xy.shape[:2], -1) if constraint is None else constraint
    unlike, not_delaunay = _edge_faults(sound, corner, along[usable].ravel())
    return TriangleFaults(
        degenerate=int((~usable).sum()),
        misplaced=_misplaced(sound, cells),
        ambiguous=_ambiguous(triangles.ravel(), xy.reshape(-1, 2)) + unlike,
        overlapping=_overlapping(sound),
        gaps=_gaps(corner),
        not_delaunay=not_delaunay,
    )


@njit(cache=True)
def _usable(xy):
    """Which triangles are counter-clockwise and within what exact arithmetic reaches."""
    usable = np.zeros(xy.shape[0], np.bool_)
    for i in range(xy.shape[0]):
        if xy[i].min() <= -_FAR or xy[i].max() >= _FAR:
            continue
        x, y = xy[i, :, 0], xy[i, :, 1]
        if max(x.max() - x.min(), y.max() - y.min()) < 1 << EXTENT_BITS:
            usable[i] = orient(x[0], y[0], x[1], y[1], x[2], y[2]) > 0
    return usable


def numbered(rows: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.int64]:
    """A number for each distinct row, shape (n,): positions, or any other columns."""
    order = _order(rows)
    new = np.ones(order.size, np.int64)
    new[1:] = (np.diff(rows[order], axis=0) != 0).any(axis=1)
    numbers = np.empty(order.size, np.int64)
    numbers[order] = np.cumsum(new) - 1
    return numbers


def _order(rows: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.int64]:
    """A permutation that sorts rows by their last column first: positions by one key."""
    is_position = rows.shape[1] == 2 and np.issubdtype(rows.dtype, np.integer)
    if len(rows) and is_position:
        low, high = rows.min(axis=0).tolist(), rows.max(axis=0).tolist()
        width, height = (b - a for a, b in zip(low, high, strict=True))
        if width.bit_length() + height.bit_length() < 63:
            x, y = rows.T
            order: NDArray[np.int64] = np.argsort((y - low[1] << width.bit_length()) + (x - low[0]))
            return order
    return np.lexsort(rows.T)


def distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct values in ascending order, by sorting: many times faster than hashing."""
    ascending = np.sort(values)
    new = np.ones(ascending.size, np.bool_)
    new[1:] = ascending[1:] != ascending[:-1]
    return ascending[new]


def pair_key(u: NDArray[np.int64], v: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for each ordered pair of small numbers."""
    return u << 32 | v


def _misplaced(xy: NDArray[np.int64], cells: Cells) -> int:
    x, y = xy[:, :, 0], xy[:, :, 1]
    wrong = np.zeros(len(xy), np.bool_)
    for k in (1, 2):
        wrong |= (x[:, k] < x[:, 0]) | ((x[:, k] == x[:, 0]) & (y[:, k] < y[:, 0]))
    x0, y0, x1, y1 = cells.quanta()
    wrong |= (x[:, 0] < x0) | (x[:, 0] >= x1) | (y[:, 0] < y0) | (y[:, 0] >= y1)
    order = triangle_order(xy.reshape(-1, 6))
    return int(wrong.sum() + (order != np.arange(len(xy))).sum())


def _ambiguous(ids: NDArray[np.int64], positions: NDArray[np.int64]) -> int:
    place = numbered(positions)
    names, name = np.unique(ids, return_inverse=True)
    pairs = distinct(pair_key(name, place)).size
    return int(2 * pairs - names.size - (place.max() + 1 if place.size else 0))


def _gaps(corner: NDArray[np.int64]) -> int:
    """Breaks between the owned triangles of a corner: they span one angle without a gap.

    Triangles whose smallest corner is `a` lie between consecutive neighbours that stand
    after `a`, and those fill one half-plane.
    """
    first, second, third = corner.T
    begun = np.sort(pair_key(first, second))
    ended = pair_key(first, third)
    at = np.minimum(np.searchsorted(begun, ended), max(begun.size - 1, 0))
    last = begun[at] != ended if begun.size else np.zeros(0, np.bool_)
    return int(last.sum() - distinct(first).size)


def _edge_faults(
    xy: NDArray[np.int64], corner: NDArray[np.int64], along: NDArray[np.int64]
) -> tuple[int, int]:
    """Edges with two constraints, and free edges that are not Delaunay."""
    # edge k runs from corner k to corner k + 1, opposite corner k + 2
    u, v = corner.ravel(), np.roll(corner, -1, axis=1).ravel()
    key, reverse = pair_key(u, v), pair_key(v, u)
    order = np.argsort(key, kind="stable")
    at = np.minimum(np.searchsorted(key[order], reverse), max(key.size - 1, 0))
    twin = order[at] if key.size else at
    paired = np.flatnonzero((key[twin] == reverse) & (u < v))
    unlike = int((along[paired] != along[twin[paired]]).sum())
    free = paired[(along[paired] < 0) & (along[twin[paired]] < 0)]
    a, b, c = (xy[free // 3, k] for k in range(3))
    opposite = xy.reshape(-1, 2)[twin[free] // 3 * 3 + (twin[free] + 2) % 3]
    return unlike, int(_count_encroached(a, b, c, opposite))


@njit(cache=True)
def _count_encroached(a, b, c, p):
    count = 0
    for i in range(p.shape[0]):
        if encroaches(a[i, 0], a[i, 1], b[i, 0], b[i, 1], c[i, 0], c[i, 1], p[i, 0], p[i, 1]):
            count += 1
    return count


def _overlapping(xy: NDArray[np.int64]) -> int:
    """Pairs of triangles that have an interior point in common.

    A sweep from left to right in each of the horizontal bands that a triangle meets. Bands
    are as high as two triangles at least, so that a triangle meets few.
    """
    if len(xy) == 0:
        return 0
    swept = xy[np.argsort(xy[:, :, 0].min(axis=1), kind="stable")]
    (left, bottom), (right, top) = swept.min(axis=1).T, swept.max(axis=1).T
    whole = int(top.max() - bottom.min())
    height = 1 + max(2 * int((top - bottom).sum()) // len(xy), whole // math.isqrt(len(xy)))
    first, last = ((side - bottom.min()) // height for side in (bottom, top - 1))
    met = last - first + 1
    triangle = np.repeat(np.arange(len(xy)), met)
    starts = np.cumsum(met) - met
    band = np.arange(triangle.size) - starts[triangle] + first[triangle]
    order = np.argsort(band, kind="stable")
    return int(
        _overlapping_pairs(swept, left, right, bottom, top, first, triangle[order], band[order])
    )


@njit(cache=True)
def _overlapping_pairs(xy, left, right, bottom, top, first, triangle, band):
    """Pairs in common bands, sorted by band and left end; each counts in its lowest."""
    count = 0
    for e in range(triangle.size):
        i = triangle[e]
        for f in range(e + 1, triangle.size):
            j = triangle[f]
            if band[f] != band[e] or left[j] >= right[i]:
                break
            if bottom[j] >= top[i] or top[j] <= bottom[i] or max(first[i], first[j]) != band[e]:
                continue
            if not (_separates(xy[i], xy[j]) or _separates(xy[j], xy[i])):
                count += 1
    return count


@njit(cache=True)
def _separates(one, other):
    """Whether an edge of one counter-clockwise triangle has all of another beyond it.

    Two convex polygons have disjoint interiors exactly when one has such an edge.
    """
    for k in range(3):
        m = (k + 1) % 3
        beyond = True
        for c in range(3):
            turn = orient(one[k, 0], one[k, 1], one[m, 0], one[m, 1], other[c, 0], other[c, 1])
            beyond = beyond and turn <= 0
        if beyond:
            return True
    return False
