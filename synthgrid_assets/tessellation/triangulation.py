"""The canonical Delaunay triangulation of distinct integer points.

Belongs here: incremental insertion (Bowyer 1981, Watson 1981) on exact predicates. Not
here: which of the triangles a tile may trust (`halo`) and what is made of them (`stars`).

The convex hull is closed by ghost triangles that share one vertex at infinity (Shewchuk's
ghost vertex), so there is no bounding triangle whose size could matter. Ties are broken by
the points themselves: the result does not depend on the order of insertion, which is
chosen for speed alone.

While points are inserted, triangles are half-edges: 4 t + k is the edge of triangle t opposite
its k-th corner ``vertex[4 * t + k]``, and ``twin`` is that edge seen from the triangle beyond.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.hilbert import hilbert_key
from synthgrid_assets.tessellation.predicates import (
    EXTENT_BITS,
    encroaches,
    fits,
    orient,
    strictly_between,
)

_ROUND_SIZE = 1000  # points in the first round of the insertion order
_HILBERT_BITS = 16
_GOLDEN = 0x9E3779B1  # 2**32 divided by the golden ratio: multiples of it spread evenly
_FINER = 4  # halvings of the squares of which there is one a point


class Mesh(NamedTuple):
    """Triangles, their neighbours, and one triangle of each vertex.

    Attributes
    ----------
    vertices : ndarray of int32, shape (t, 3)
        Counter-clockwise. In a ghost triangle one vertex is the number of points.
    neighbours : ndarray of int32, shape (t, 3)
        ``neighbours[t, k]`` shares the edge of triangle t opposite its k-th vertex.
    at : ndarray of int32, shape (n + 1,)
        A triangle that each vertex belongs to.
    """

    vertices: NDArray[np.int32]
    neighbours: NDArray[np.int32]
    at: NDArray[np.int32]


def delaunay(x: NDArray[np.int64], y: NDArray[np.int64]) -> Mesh:
    """Triangulate distinct points.

    Parameters
    ----------
    x, y : ndarray of int64, shape (n,)
        Coordinates that differ by less than 2**30 along each axis; no point twice.

    Returns
    -------
    Mesh
        Without triangles when there are fewer than three points or all are collinear.

    Raises
    ------
    GeometryError
        If the points spread over 2**30 quanta or more, a point stands where another does
        (unless all points are collinear), or coordinates are not integers.

    Examples
    --------
    >>> mesh = delaunay(np.array([0, 4, 0, 4]), np.array([0, 0, 4, 4]))
    >>> finite = mesh.vertices[(mesh.vertices < 4).all(axis=1)]
    >>> sorted(sorted(triangle) for triangle in finite.tolist())  # 0 is joined to all others
    [[0, 1, 3], [0, 2, 3]]
    """
    x, y = _quanta(x), _quanta(y)
    if x.shape != y.shape:
        raise GeometryError(f"{x.size} x and {y.size} y coordinates; give one of each per point")
    if not (fits(x) and fits(y)):
        width, height = (int(v.max()) - int(v.min()) for v in (x, y))
        raise GeometryError(
            f"{x.size} points spread over {width} x {height} quanta, exact "
            f"arithmetic reaches to 2**{EXTENT_BITS}; triangulate smaller rectangles"
        )
    if x.size < 3:
        return _without_triangles(x.size)
    order = insertion_order(x, y)
    corners = _first_corners(x, y, order)
    if corners[1] < 0:
        return _without_triangles(x.size)
    *arrays, coincident = _triangulate(x, y, order, *corners)
    if coincident >= 0:
        raise GeometryError(
            f"point {coincident} at ({x[coincident]}, {y[coincident]}) stands where another "
            "does; merge coincident points first"
        )
    return Mesh(*arrays)


def _quanta(values: NDArray[Any]) -> NDArray[np.int64]:
    """Coordinates as the kernels take them; floats are refused, NaN among them."""
    values = np.asarray(values)
    if values.ndim != 1 or not np.can_cast(values.dtype, np.int64):
        raise GeometryError(
            f"coordinates of type {values.dtype} and shape {values.shape}; give one row of int64 "
            "quanta (`Lattice.quanta` rounds CRS coordinates and refuses those not finite)"
        )
    return np.ascontiguousarray(values, np.int64)


def _without_triangles(n: int) -> Mesh:
    nothing = np.empty((0, 3), np.int32)
    return Mesh(nothing, nothing.copy(), np.full(n + 1, -1, np.int32))


def insertion_order(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Biased random rounds, along a Hilbert curve in each (Amenta, Choi and Rote 2003).

    Near points are inserted one after the other, so the walk to the next is short; the
    rounds keep sorted and clustered input from digging large cavities.
    """
    extent = max(int(np.ptp(x)), int(np.ptp(y)))
    # squares far smaller than points are apart order them no better
    side = min(_HILBERT_BITS, x.size.bit_length() // 2 + _FINER)
    shift = max(0, extent.bit_length() - side)
    # halves, quarters, ... of the points by a hash of their place in the input
    rounds = int(np.log2(x.size / _ROUND_SIZE)) if x.size > 2 * _ROUND_SIZE else 0
    bits = x.size.bit_length()
    spare = max(0, side * 2 + 5 + bits - 63)  # at most 2**5 rounds
    # one number for key and place: sorting values is faster than sorting places by them
    keys = _insertion_keys(x, y, int(x.min()), int(y.min()), shift, side, rounds, spare, bits)
    keys.sort()
    return np.asarray(keys & ((1 << bits) - 1), np.int64)


@njit(cache=True)
def _insertion_keys(x, y, left, bottom, shift, side, rounds, spare, bits):
    """Round, place along the curve and place in the input of each point, as one number."""
    keys = np.empty(x.size, np.int64)
    for i in range(x.size):
        column, row = np.uint64((x[i] - left) >> shift), np.uint64((y[i] - bottom) >> shift)
        key = np.int64(hilbert_key(column, row, side))
        uniform, skipped = 1 + (((i * _GOLDEN) & 0xFFFFFFFF) >> 16), 0
        while skipped < rounds and uniform <= 1 << (15 - skipped):
            skipped += 1
        keys[i] = ((key + ((rounds - skipped) << (2 * side))) >> spare) << bits | i
    return keys


@njit(cache=True)
def _first_corners(x, y, order):
    """The first three points in the order that are not collinear, counter-clockwise.

    The second is -1 when there are none.
    """
    i, j = order[0], order[1]
    for step in range(2, order.size):
        k = order[step]
        turn = orient(x[i], y[i], x[j], y[j], x[k], y[k])
        if turn > 0:
            return i, j, k
        if turn < 0:
            return i, k, j
        if x[i] == x[j] and y[i] == y[j]:
            j = k  # one of the two is found again when it is inserted
    return i, -1, -1


@njit(cache=True)
def _triangulate(x, y, order, i, j, k):
    """Mesh of all points; the last value is a point that stands where another does, or -1."""
    n = x.size
    room = 2 * n + 64  # Euler: 2n - 2 triangles, ghosts included
    vertex, twin = np.zeros(4 * room, np.int32), np.zeros(4 * room, np.int32)
    stack, removed = np.empty(room, np.int32), np.empty(room, np.int32)
    edges = np.empty((room, 3), np.int32)
    _start(vertex, twin, n, i, j, k)
    count, near, coincident = 4, 0, -1
    for step in range(n):
        p = order[step]
        if p in (i, j, k):
            continue
        t = _locate(x, y, vertex, twin, near, x[p], y[p])
        if _has_corner(x, y, vertex, t, x[p], y[p]):
            coincident = p
            break
        n_removed, n_edges = _dig(x, y, vertex, twin, stack, removed, edges, t, x[p], y[p])
        count = _refill(vertex, twin, removed, n_removed, edges, n_edges, count, p)
        near = removed[0]
    return *_mesh(vertex, twin, count, n), coincident


@njit(cache=True)
def _start(vertex, twin, ghost, i, j, k):
    """The first triangle and the three ghosts around it."""
    vertex[0], vertex[1], vertex[2] = i, j, k
    vertex[4], vertex[5], vertex[6] = k, j, ghost
    vertex[8], vertex[9], vertex[10] = i, k, ghost
    vertex[12], vertex[13], vertex[14] = j, i, ghost
    for e, beyond in ((0, 6), (1, 10), (2, 14), (4, 13), (5, 8), (9, 12)):
        twin[e], twin[beyond] = beyond, e


@njit(forceinline=True)
def _next(e):
    """The half-edge opposite the next corner of the same triangle."""
    return e + 1 if e & 3 < 2 else e - 2


@njit(forceinline=True)
def _previous(e):
    return e - 1 if e & 3 > 0 else e + 2


@njit(forceinline=True)
def _conflicts(x, y, a, b, c, px, py):
    """Whether p lies inside the circle of a triangle, or sees the edge of a ghost."""
    n = x.size
    if a != n and b != n and c != n:
        return encroaches(x[a], y[a], x[b], y[b], x[c], y[c], px, py)
    u, v = a, b
    if a == n:
        u, v = b, c
    elif b == n:
        u, v = c, a
    turn = orient(x[u], y[u], x[v], y[v], px, py)
    if turn != 0:
        return turn > 0
    return strictly_between(x[u], y[u], x[v], y[v], px, py)


@njit(forceinline=True)
def _locate(x, y, vertex, twin, t, px, py):
    """Walk from triangle t to the one that holds p, or to the ghost whose edge p sees.

    A visibility walk crosses any edge that p lies beyond. In a Delaunay triangulation it
    cannot circle, because every step leads to a circle that p is deeper inside or less far
    outside (De Floriani, Falcidieni, Nagy and Pienovi 1991; Edelsbrunner 1990); between
    cocircular triangles the lifting that `tie_is_inside` perturbs decides in the same way.
    """
    n = x.size
    for e in range(4 * t, 4 * t + 3):
        if vertex[e] == n:
            t = twin[e] >> 2
            break
    e = -1
    for first in range(4 * t, 4 * t + 3):
        u, v = vertex[_next(first)], vertex[_previous(first)]
        if orient(x[u], y[u], x[v], y[v], px, py) < 0:
            e = twin[first]
            break
    if e < 0:
        return t
    while True:  # the walk came in through e, so p is on this side of it
        after, before = _next(e), _previous(e)
        a, b, c = vertex[e], vertex[after], vertex[before]
        if a == n or b == n or c == n:
            return e >> 2
        if orient(x[c], y[c], x[a], y[a], px, py) < 0:
            e = twin[after]
        elif orient(x[a], y[a], x[b], y[b], px, py) < 0:
            e = twin[before]
        else:
            return e >> 2


@njit(forceinline=True)
def _has_corner(x, y, vertex, t, px, py):
    """Whether p is a corner of the triangle that holds it: only then was p there before."""
    for e in range(4 * t, 4 * t + 3):
        v = vertex[e]
        if v != x.size and x[v] == px and y[v] == py:
            return True
    return False


@njit(forceinline=True)
def _dig(x, y, vertex, twin, stack, removed, edges, t, px, py):
    """The triangles that p conflicts with, and the edges around them counter-clockwise.

    An edge is (from, to, half-edge outside). No vertex disappears (each lies on the hull of
    the lifted points), so the cavity is a disc without a vertex inside and its triangles
    hang together like a tree: looking through one edge after the other, depth first, meets
    each of them once and walks along the boundary in order.
    """
    removed[0] = t
    stack[0], stack[1], stack[2] = twin[4 * t + 2], twin[4 * t + 1], twin[4 * t]
    waiting, n_removed, n_edges = 3, 1, 0
    while waiting > 0:
        waiting -= 1
        e = stack[waiting]
        after, before = _next(e), _previous(e)
        apex, v, u = vertex[e], vertex[after], vertex[before]
        if _conflicts(x, y, apex, v, u, px, py):
            removed[n_removed] = e >> 2
            n_removed += 1
            stack[waiting], stack[waiting + 1] = twin[before], twin[after]
            waiting += 2
        else:
            edges[n_edges, 0], edges[n_edges, 1], edges[n_edges, 2] = u, v, e
            n_edges += 1
    return n_removed, n_edges


@njit(forceinline=True)
def _refill(vertex, twin, removed, n_removed, edges, n_edges, count, p):
    """Join p to every edge around the cavity; removed triangles give their places."""
    last = 0
    for k in range(n_edges):
        t = count
        if k < n_removed:
            t = removed[k]
        else:
            count += 1
        e, beyond = 4 * t, edges[k, 2]
        vertex[e], vertex[e + 1], vertex[e + 2] = edges[k, 0], edges[k, 1], p
        twin[e + 2], twin[beyond] = beyond, e + 2
        if k > 0:
            twin[last], twin[e + 1] = e + 1, last
        last = e
    first = 4 * removed[0] + 1
    twin[last], twin[first] = first, last
    return count


@njit(cache=True)
def _mesh(vertex, twin, count, n):
    """The arrays of a `Mesh`."""
    vertices, neighbours = np.empty((count, 3), np.int32), np.empty((count, 3), np.int32)
    at = np.full(n + 1, -1, np.int32)
    for t in range(count):
        for k in range(3):
            v = vertex[4 * t + k]
            vertices[t, k], neighbours[t, k] = v, twin[4 * t + k] >> 2
            at[v] = t
    return vertices, neighbours, at
