"""What must hold of stored triangles, checked by integers alone.

Belongs here: counts of broken rows, from the rows themselves and never from how they came
about, so that a damaged row is found. Not here: Voronoi rows (`cell_verification`), and
verdicts and where they are shown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, CELL_LIMIT, Cells
from synthgrid_assets.tessellation.predicates import EXTENT_BITS, encroaches, orient, precedes
from synthgrid_assets.tessellation.proofs.faults import TriangleFaults
from synthgrid_assets.tessellation.proofs.numbering import new_table, numbered_pairs, slot_of
from synthgrid_assets.tessellation.proofs.opposites import EDGE, edges_by_end
from synthgrid_assets.tessellation.proofs.overlaps import overlapping
from synthgrid_assets.tessellation.tile import triangle_order

_FAN = 64  # triangles of one corner, among which each other is looked for one by one
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
    xy = np.ascontiguousarray(triangle_xy).reshape(-1, 3, 2)
    usable = _usable(xy)
    along = np.empty((0, 3), np.int64) if constraint is None else constraint
    place, places = numbered_pairs(*xy.reshape(-1, 2).T)
    corner, sound = place.reshape(-1, 3), xy
    if not usable.all():
        corner, sound, along = corner[usable], xy[usable], along[usable[: len(along)]]
    unlike, not_delaunay, outline, is_known = _edge_faults(sound, corner, along)
    return TriangleFaults(
        degenerate=int((~usable).sum()),
        misplaced=_misplaced(sound, cells),
        ambiguous=_ambiguous(triangles.ravel(), place, places) + int(unlike),
        overlapping=overlapping(sound, outline if is_known else None),
        gaps=int(_gaps(corner)),
        not_delaunay=int(not_delaunay),
    )


@njit(cache=True)
def _usable(xy):
    """Which triangles are counter-clockwise and within what exact arithmetic reaches."""
    usable = np.zeros(xy.shape[0], np.bool_)
    for i in range(xy.shape[0]):
        ax, ay, bx, by, cx, cy = (
            xy[i, 0, 0],
            xy[i, 0, 1],
            xy[i, 1, 0],
            xy[i, 1, 1],
            xy[i, 2, 0],
            xy[i, 2, 1],
        )
        left, right = min(ax, bx, cx), max(ax, bx, cx)
        bottom, top = min(ay, by, cy), max(ay, by, cy)
        if min(left, bottom) <= -_FAR or max(right, top) >= _FAR:
            continue
        if max(right - left, top - bottom) < 1 << EXTENT_BITS:
            usable[i] = orient(ax, ay, bx, by, cx, cy) > 0
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
    wrong, in_order = _wrongly_owned(xy, cells.quanta())
    if in_order:
        return int(wrong)
    order = triangle_order(xy.reshape(-1, 6))
    return int(wrong + (order != np.arange(len(xy))).sum())


@njit(cache=True)
def _wrongly_owned(xy, window):
    """Triangles that begin elsewhere than at a smallest corner in the window, and the order.

    The second value says whether all rows stand in canonical order.
    """
    wrong, in_order = 0, True
    for i in range(xy.shape[0]):
        x, y = xy[i, 0, 0], xy[i, 0, 1]
        smallest = precedes(x, y, xy[i, 1, 0], xy[i, 1, 1]) and precedes(
            x, y, xy[i, 2, 0], xy[i, 2, 1]
        )
        if not smallest or x < window[0] or x >= window[2] or y < window[1] or y >= window[3]:
            wrong += 1
        if i > 0 and _stands_before(xy[i], xy[i - 1]):
            in_order = False
    return wrong, in_order


@njit(inline="always")
def _stands_before(one, other):
    """Whether a triangle comes before another in canonical order (`tile.triangle_order`)."""
    if one[0, 0] == other[0, 0] and one[0, 1] == other[0, 1]:
        return precedes(one[1, 0], one[1, 1], other[1, 0], other[1, 1])
    row, other_row = one[0, 1] >> CELL_BITS, other[0, 1] >> CELL_BITS
    column, other_column = one[0, 0] >> CELL_BITS, other[0, 0] >> CELL_BITS
    if row != other_row or column != other_column:
        return precedes(row, column, other_row, other_column)
    return precedes(one[0, 0], one[0, 1], other[0, 0], other[0, 1])


def _ambiguous(ids: NDArray[np.int64], place: NDArray[np.int64], places: int) -> int:
    if _stand_for_each_other(ids, place, places):
        return 0
    name, names = numbered_pairs(ids, ids)
    pairs = distinct(pair_key(name, place)).size
    return int(2 * pairs - names - places)


@njit(cache=True)
def _stand_for_each_other(ids, place, places):
    """Whether each place has one id, and each id one place."""
    seen, name = np.zeros(places, np.bool_), np.empty(places, np.int64)
    for i in range(ids.size):
        if seen[place[i]] and name[place[i]] != ids[i]:
            return False
        seen[place[i]], name[place[i]] = True, ids[i]
    table = new_table(places)
    for number in range(places):
        slot = slot_of(table, name[number], name[number], name, name)
        if table[slot] >= 0:
            return False
        table[slot] = number
    return True


@njit(cache=True)
def _gaps(corner):
    """Breaks between the owned triangles of a corner: they span one angle without a gap.

    Triangles whose smallest corner is `a` lie between consecutive neighbours that stand
    after `a`, and those fill one half-plane.
    """
    owner = np.zeros(corner.max() + 1 if corner.size else 0, np.bool_)
    owners, last, begin = 0, 0, 0
    while begin < corner.shape[0]:
        a, end = corner[begin, 0], begin + 1
        while end < corner.shape[0] and corner[end, 0] == a:
            end += 1
        if owner[a] or end - begin > _FAN:  # rows out of order, or a corner of very many
            return _gaps_in_any_order(corner)
        owner[a] = True
        owners += 1
        for i in range(begin, end):
            begun = False
            for j in range(begin, end):
                begun |= corner[j, 1] == corner[i, 2]
            last += not begun
        begin = end
    return last - owners


@njit(cache=True)
def _gaps_in_any_order(corner):
    """`_gaps`, for triangles of one corner that need not stand together."""
    first, second, third = corner[:, 0], corner[:, 1], corner[:, 2]
    begun = new_table(first.size)
    owner = np.zeros(corner.max() + 1 if corner.size else 0, np.bool_)
    owners = 0
    for i in range(first.size):
        begun[slot_of(begun, first[i], second[i], first, second)] = i
        owners += not owner[first[i]]
        owner[first[i]] = True
    last = 0
    for i in range(first.size):
        if begun[slot_of(begun, first[i], third[i], first, second)] < 0:
            last += 1
    return last - owners


@njit(cache=True)
def _edge_faults(xy, corner, along):
    """Edges with two constraints, free edges that are not Delaunay, and the outline.

    Without constraints `along` has no rows.
    The outline is that of `overlapping`; the last value says whether it is known, which it is
    not where an edge runs twice in one direction.
    """
    # edge 3 * i + k runs from corner k of triangle i to corner k + 1, opposite corner k + 2
    head = np.empty(corner.shape, np.int32)
    head[:, :2], head[:, 2] = corner[:, 1:], corner[:, 0]
    edges, stops = edges_by_end(corner.ravel(), head.ravel())
    lone, known = np.ones(corner.size, np.bool_), True
    seen, edge_from = np.full(stops.size, -1, np.int32), np.empty(stops.size, np.int32)
    unlike, encroached, begin = 0, 0, 0
    for end in range(stops.size):
        for which in edges[begin : stops[end]]:
            other = which >> 33
            if which >> 32 & 1:  # from there to this end, which must not be so before
                known &= seen[other] != end
                seen[other], edge_from[other] = end, which & EDGE
        for which in edges[begin : stops[end]]:
            other = which >> 33
            if which >> 32 & 1 or seen[other] != end:
                continue
            e, twin = which & EDGE, np.int64(edge_from[other])
            known &= lone[twin]
            lone[e], lone[twin] = False, False
            i, j, k, m = e // 3, twin // 3, e % 3, (twin + 2) % 3
            free = along.shape[0] == 0
            if not free:
                unlike += along[i, k] != along[j, twin % 3]
                free = along[i, k] < 0 and along[j, twin % 3] < 0
            if free:
                encroached += _sees(xy[i], xy[j, m, 0], xy[j, m, 1])
        begin = stops[end]
    return unlike, encroached, np.flatnonzero(lone), known


@njit(inline="always")
def _sees(corners, x, y):
    """Whether a triangle's circle holds a point, ties broken."""
    return encroaches(
        corners[0, 0],
        corners[0, 1],
        corners[1, 0],
        corners[1, 1],
        corners[2, 0],
        corners[2, 1],
        x,
        y,
    )
