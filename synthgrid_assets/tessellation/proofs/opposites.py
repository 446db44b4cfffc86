"""Directed edges that cancel edges in the opposite direction, and edges that stand there twice.

Belongs here: what is left of edges between numbered ends. Not here: who numbers the ends
(`numbering`), and what an edge that is left means (`joins`, `cell_join`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.tessellation.proofs.numbering import degrees_of, sparser

EDGE = (1 << 32) - 1  # bits of an edge's number in `edges_by_end`


def left_over(
    tail: NDArray[np.int64], head: NDArray[np.int64], label: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """What is left when edges in opposite directions have cancelled each other one by one.

    Parameters
    ----------
    tail, head : ndarray of int64, shape (n,)
        Small numbers of the ends. An edge from an end to itself cancels none.
    label : ndarray of int64, shape (n,), optional
        Only edges of the same label cancel.

    Returns
    -------
    ndarray of bool, shape (n,)
        Of edges along one segment as many as there are more in their direction.

    Examples
    --------
    >>> left_over(np.array([0, 1, 0, 2]), np.array([1, 0, 1, 2])).tolist()
    [False, False, True, True]
    """
    if label is None:
        label = np.zeros(tail.size, np.int64)
    found: NDArray[np.bool_] = edges_left(tail, head, label)
    return found


@njit(cache=True)
def repeated(tail, head):
    """Which directed edges stand there before: ndarray of bool, shape (n,).

    Examples
    --------
    >>> repeated(np.array([0, 1, 0]), np.array([1, 0, 1])).tolist()
    [False, False, True]
    """
    degree = degrees_of(tail)
    begin = np.zeros(degree.size + 1, np.int64)
    begin[1:] = np.cumsum(degree)
    at, order = begin[:-1].copy(), np.empty(tail.size, np.int64)
    for e in range(tail.size):
        order[at[tail[e]]] = e
        at[tail[e]] += 1
    latest = np.full(head.max() + 1 if head.size else 0, -1, np.int64)  # the last tail of each head
    found = np.zeros(tail.size, np.bool_)
    for e in order:
        found[e] = latest[head[e]] == tail[e]
        latest[head[e]] = tail[e]
    return found


@njit(cache=True)
def edges_by_end(tail, head):
    """Edges put beside all others of their smaller end, and where those of each end stop.

    Edge e is ``2 * other << 32 | e`` where it begins at its smaller end and
    ``2 * other + 1 << 32 | e`` where it leads there; `other` is its other end, and `EDGE` masks
    e. With a negative head it is none, and left out.
    """
    ends = max(tail.max(), head.max()) + 1 if tail.size else 0
    stops = np.zeros(ends + 1, np.int32)
    for e in range(tail.size):
        if head[e] >= 0:
            stops[min(tail[e], head[e]) + 1] += 1
    for end in range(ends):
        stops[end + 1] += stops[end]
    edges = np.empty(stops[-1], np.int64)
    for e in range(tail.size):
        if head[e] >= 0:
            end = min(tail[e], head[e])
            edges[stops[end]] = (2 * max(tail[e], head[e]) + (tail[e] != end)) << 32 | e
            stops[end] += 1
    return edges, stops[:-1]


@njit(cache=True)
def edges_left(tail, head, label):
    """`left_over` for kernels."""
    # edges wait in chains, each at its sparser end
    degree = degrees_of(np.concatenate((tail, head)))
    latest, before = np.full(degree.size, -1, np.int32), np.empty(tail.size, np.int32)
    left = np.ones(tail.size, np.bool_)
    for e in range(tail.size):
        if tail[e] == head[e]:
            continue
        at = sparser(tail[e], head[e], degree)
        later, found = -1, latest[at]
        while found >= 0 and (
            tail[found] != head[e] or head[found] != tail[e] or label[found] != label[e]
        ):
            later, found = found, before[found]
        if found < 0:
            before[e], latest[at] = latest[at], e
            continue
        left[e], left[found] = False, False
        if later < 0:
            latest[at] = before[found]
        else:
            before[later] = before[found]
    return left
