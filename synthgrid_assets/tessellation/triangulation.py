"""The canonical Delaunay triangulation of distinct integer points.

Belongs here: incremental insertion (Bowyer 1981, Watson 1981) on exact predicates. Not
here: which of the triangles a tile may trust (`halo`) and what is made of them (`stars`).

The convex hull is closed by ghost triangles that share one vertex at infinity (Shewchuk's
ghost vertex), so there is no bounding triangle whose size could matter. Ties are broken by
the points themselves: the result does not depend on the order of insertion, which is
chosen for speed alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.tessellation.predicates import (
    EXTENT_BITS,
    encroaches,
    fits,
    orient,
    strictly_between,
)

_ALIVE, _DUG = np.uint8(1), np.uint8(2)
_ROUND_SIZE = 1000  # points in the first round of the insertion order
_HILBERT_BITS = 16


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


class _Cavity(NamedTuple):
    """Room for what one insertion removes, and the boundary it leaves."""

    state: NDArray[np.uint8]  # of each triangle
    stack: NDArray[np.int32]
    removed: NDArray[np.int32]
    edges: NDArray[np.int32]  # (from, to, triangle outside, triangle inside)
    first: NDArray[np.int32]  # of each vertex: the new triangle whose edge starts there


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
        If the points spread over 2**30 quanta or more.

    Examples
    --------
    >>> mesh = delaunay(np.array([0, 4, 0, 4]), np.array([0, 0, 4, 4]))
    >>> finite = mesh.vertices[(mesh.vertices < 4).all(axis=1)]
    >>> sorted(sorted(triangle) for triangle in finite.tolist())  # 0 is joined to all others
    [[0, 1, 3], [0, 2, 3]]
    """
    x, y = np.ascontiguousarray(x, np.int64), np.ascontiguousarray(y, np.int64)
    if not (fits(x) and fits(y)):
        raise GeometryError(
            f"{x.size} points spread over {int(np.ptp(x))} x {int(np.ptp(y))} quanta, exact "
            f"arithmetic reaches to 2**{EXTENT_BITS}; triangulate smaller rectangles"
        )
    if x.size < 3:
        return _without_triangles(x.size)
    order = insertion_order(x, y)
    corners = _first_corners(x, y, order)
    if corners[1] < 0:
        return _without_triangles(x.size)
    return Mesh(*_triangulate(x, y, order, *corners))


def _without_triangles(n: int) -> Mesh:
    nothing = np.empty((0, 3), np.int32)
    return Mesh(nothing, nothing.copy(), np.full(n + 1, -1, np.int32))


def insertion_order(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Biased random rounds, along a Hilbert curve in each (Amenta, Choi and Rote 2003).

    Near points are inserted one after the other, so the walk to the next is short; the
    rounds keep sorted and clustered input from digging large cavities.
    """
    extent = max(int(np.ptp(x)), int(np.ptp(y)))
    shift = max(0, extent.bit_length() - _HILBERT_BITS)
    key = _hilbert_keys((x - x.min()) >> shift, (y - y.min()) >> shift)
    if x.size > 2 * _ROUND_SIZE:
        # halves, quarters, ... of the points by a hash of their place in the input
        place = np.arange(x.size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        uniform = (place >> np.uint64(48)).astype(np.float64)
        last = int(np.log2(x.size / _ROUND_SIZE))
        rounds = np.minimum(np.floor(16 - np.log2(uniform + 1)), last)
        key += (last - rounds).astype(np.int64) << (2 * _HILBERT_BITS)
    return np.argsort(key, kind="stable")


@njit(cache=True)
def _hilbert_keys(x, y):
    """Place on the Hilbert curve over a grid of 2**16 x 2**16."""
    last = (1 << _HILBERT_BITS) - 1
    keys = np.empty(x.size, np.int64)
    for i in range(x.size):
        a, b, key = np.int64(x[i]), np.int64(y[i]), np.int64(0)
        for level in range(_HILBERT_BITS - 1, -1, -1):
            right, upper = (a >> level) & 1, (b >> level) & 1
            key = (key << 2) | ((3 * right) ^ upper)
            if upper == 0:
                if right == 1:
                    a, b = last - a, last - b
                a, b = b, a
        keys[i] = key
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
    return i, -1, -1


@njit(cache=True)
def _triangulate(x, y, order, i, j, k):
    n = x.size
    room = 2 * n + 64  # Euler: 2n - 2 triangles, ghosts included
    mesh = Mesh(
        np.empty((room, 3), np.int32), np.empty((room, 3), np.int32), np.full(n + 1, -1, np.int32)
    )
    cavity = _Cavity(
        np.zeros(room, np.uint8),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.empty((room, 4), np.int32),
        np.full(n + 1, -1, np.int32),
    )
    _start(mesh, cavity, i, j, k)
    count = 4
    near = 0
    dice = 12345
    for step in range(n):
        p = order[step]
        if p in (i, j, k):
            continue
        found, dice = _locate(x, y, mesh, near, p, dice)
        n_removed, n_edges = _dig(x, y, mesh, cavity, found, p)
        count = _refill(mesh, cavity, n_removed, n_edges, count, p)
        near = mesh.at[p]
    return mesh.vertices[:count].copy(), mesh.neighbours[:count].copy(), mesh.at


@njit(cache=True)
def _start(mesh, cavity, i, j, k):
    """The first triangle and the three ghosts around it."""
    ghost = mesh.at.size - 1
    mesh.vertices[0] = i, j, k
    mesh.vertices[1] = k, j, ghost
    mesh.vertices[2] = i, k, ghost
    mesh.vertices[3] = j, i, ghost
    mesh.neighbours[0] = 1, 2, 3
    mesh.neighbours[1] = 3, 2, 0
    mesh.neighbours[2] = 1, 3, 0
    mesh.neighbours[3] = 2, 1, 0
    cavity.state[:4] = _ALIVE
    mesh.at[i] = mesh.at[j] = mesh.at[k] = 0
    mesh.at[ghost] = 1


@njit(cache=True)
def _conflicts(x, y, vertices, t, p):
    """Whether p lies inside the circle of a triangle, or sees the edge of a ghost."""
    a, b, c = vertices[t, 0], vertices[t, 1], vertices[t, 2]
    n = x.size
    if a != n and b != n and c != n:
        return encroaches(x[a], y[a], x[b], y[b], x[c], y[c], x[p], y[p])
    u, v = a, b
    if a == n:
        u, v = b, c
    elif b == n:
        u, v = c, a
    turn = orient(x[u], y[u], x[v], y[v], x[p], y[p])
    if turn != 0:
        return turn > 0
    return strictly_between(x[u], y[u], x[v], y[v], x[p], y[p])


@njit(cache=True)
def _locate(x, y, mesh, t, p, dice):
    """Walk from triangle t to one that p conflicts with (visibility walk).

    A random first edge keeps the walk from circling (Devillers, Pion and Teillaud 2002). It
    ends in the triangle that holds p or in the ghost whose edge p sees.
    """
    n = x.size
    vertices, neighbours = mesh.vertices, mesh.neighbours
    for k in range(3):
        if vertices[t, k] == n:
            t = neighbours[t, k]
            break
    while True:
        dice = (dice * 1664525 + 1013904223) & 0xFFFFFFFF
        turn = (dice >> 16) % 3
        moved = False
        for step in range(3):
            k = (turn + step) % 3
            u, v = vertices[t, (k + 1) % 3], vertices[t, (k + 2) % 3]
            if orient(x[u], y[u], x[v], y[v], x[p], y[p]) < 0:
                t = neighbours[t, k]
                moved = True
                break
        if not moved or vertices[t, 0] == n or vertices[t, 1] == n or vertices[t, 2] == n:
            return t, dice


@njit(cache=True)
def _dig(x, y, mesh, cavity, t, p):
    """Mark the triangles that p conflicts with, and list the edges around them."""
    cavity.stack[0] = t
    cavity.state[t] = _DUG
    waiting, n_removed, n_edges = 1, 0, 0
    while waiting > 0:
        waiting -= 1
        t = cavity.stack[waiting]
        cavity.removed[n_removed] = t
        n_removed += 1
        for k in range(3):
            beyond = mesh.neighbours[t, k]
            if cavity.state[beyond] == _DUG:
                continue
            if _conflicts(x, y, mesh.vertices, beyond, p):
                cavity.state[beyond] = _DUG
                cavity.stack[waiting] = beyond
                waiting += 1
            else:
                cavity.edges[n_edges, 0] = mesh.vertices[t, (k + 1) % 3]
                cavity.edges[n_edges, 1] = mesh.vertices[t, (k + 2) % 3]
                cavity.edges[n_edges, 2] = beyond
                n_edges += 1
    return n_removed, n_edges


@njit(cache=True)
def _refill(mesh, cavity, n_removed, n_edges, count, p):
    """Join p to every edge around the cavity; removed triangles give their places."""
    vertices, neighbours, edges = mesh.vertices, mesh.neighbours, cavity.edges
    for e in range(n_edges):
        u, v, beyond = edges[e, 0], edges[e, 1], edges[e, 2]
        t = count
        if e < n_removed:
            t = cavity.removed[e]
        else:
            count += 1
        edges[e, 3] = t
        cavity.state[t] = _ALIVE
        vertices[t, 0], vertices[t, 1], vertices[t, 2] = u, v, p
        neighbours[t, 2] = beyond
        cavity.first[u] = t
        mesh.at[u] = t
        for k in range(3):
            if vertices[beyond, (k + 1) % 3] == v and vertices[beyond, (k + 2) % 3] == u:
                neighbours[beyond, k] = t
    for e in range(n_edges):
        t, following = edges[e, 3], cavity.first[edges[e, 1]]
        neighbours[t, 0] = following
        neighbours[following, 1] = t
    mesh.at[p] = edges[0, 3]
    return count


def finite_triangles(mesh: Mesh, n: int) -> NDArray[Any]:
    """Vertices of the triangles that are not ghosts, shape (t, 3)."""
    return mesh.vertices[(mesh.vertices < n).all(axis=1)]
