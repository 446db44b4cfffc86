"""Constrained Delaunay: edges forced into a triangulation, the rest kept Delaunay.

Belongs here: flips on an existing mesh. Not here: how constraints became edges between
sites (`constraints`), and certificates (`halo`).

Each edge is forced in by flipping the edges it crosses (Sloan 1993); then every edge that
is not fixed is flipped until all pass the exact predicate (Lawson 1977). Ties are broken by
coordinates, so the result is a function of the sites and the edges alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.kernels import njit
from synthgrid_assets.tessellation.predicates import encroaches, orient
from synthgrid_assets.tessellation.triangulation import Mesh

_FREE = -1  # the label of an edge that may be flipped


def constrain(
    mesh: Mesh,
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    edges: NDArray[np.int64],
    labels: NDArray[np.int64],
) -> tuple[Mesh, NDArray[np.int64]]:
    """The constrained Delaunay triangulation of a mesh's sites.

    Parameters
    ----------
    mesh : Mesh
        Their Delaunay triangulation; it is not changed.
    x, y : ndarray of int64, shape (n,)
        Local coordinates.
    edges : ndarray of int64, shape (e, 2)
        Sites to be joined. Edges meet in sites only; a site on an edge cuts it in two.
    labels : ndarray of int64, shape (e,)
        A non-negative label of each edge.

    Returns
    -------
    mesh : Mesh
    labels : ndarray of int64, shape (t, 3)
        The label of the edge opposite each vertex, or -1.

    Raises
    ------
    GeometryError
        If two edges cross.

    Examples
    --------
    >>> from synthgrid_assets.tessellation.triangulation import delaunay
    >>> x, y = np.array([0, 4, 0, 4]), np.array([0, 0, 4, 4])
    >>> found, _ = constrain(delaunay(x, y), x, y, np.array([[1, 2]]), np.array([9]))
    >>> sorted(sorted(triangle) for triangle in found.vertices.tolist() if max(triangle) < 4)
    [[0, 1, 2], [1, 2, 3]]
    """
    changed = Mesh(mesh.vertices.copy(), mesh.neighbours.copy(), mesh.at.copy())
    fixed = np.full(mesh.vertices.shape, _FREE, np.int64)
    crossing = _insert_edges(x, y, changed, fixed, edges, labels)
    if crossing >= 0:
        u, v = edges[crossing]
        raise GeometryError(
            f"the constraint with label {int(labels[crossing])} crosses another between local "
            f"positions ({int(x[u])}, {int(y[u])}) and ({int(x[v])}, {int(y[v])}); make the "
            "network with `planar_network`, which cuts constraints where they meet"
        )
    _restore_delaunay(x, y, changed, fixed)
    return changed, fixed


@njit(cache=True)
def _insert_edges(x, y, mesh, fixed, edges, labels):
    """Force all edges in; the number of one that crosses a fixed edge, or -1."""
    crossed = np.empty((max(2 * fixed.shape[0], 1), 2), np.int64)
    for e in range(edges.shape[0]):
        u, goal = edges[e, 0], edges[e, 1]
        while u != goal:
            reached, count = _walk(x, y, mesh, fixed, u, goal, crossed)
            if count < 0:
                return e
            _flip_away(x, y, mesh, fixed, u, reached, crossed, count)
            _fix(mesh, fixed, u, reached, labels[e])
            u = reached
    return -1


@njit(cache=True)
def _around(mesh, u, t):
    """Place of u in triangle t, and the next triangle counter-clockwise around u."""
    k = 0
    while mesh.vertices[t, k] != u:
        k += 1
    return k, mesh.neighbours[t, (k + 1) % 3]


@njit(cache=True)
def _walk(x, y, mesh, fixed, u, goal, crossed):
    """Edges that the segment from u towards `goal` crosses before it meets a site.

    Returns that site and the number of edges, -1 if one of them is fixed.
    """
    ghost = x.size
    t = mesh.at[u]
    while True:
        k, following = _around(mesh, u, t)
        a, b = mesh.vertices[t, (k + 1) % 3], mesh.vertices[t, (k + 2) % 3]
        if a != ghost:
            side = orient(x[u], y[u], x[goal], y[goal], x[a], y[a])
            ahead = (x[a] - x[u]) * (x[goal] - x[u]) + (y[a] - y[u]) * (y[goal] - y[u]) > 0
            if side == 0 and ahead:
                return a, 0
            if side < 0 and b != ghost and orient(x[u], y[u], x[goal], y[goal], x[b], y[b]) > 0:
                break
        t = following
    count = 0
    while True:
        # the segment leaves t through its edge from a (to its right) to b (to its left)
        k = 0
        while mesh.vertices[t, k] == a or mesh.vertices[t, k] == b:
            k += 1
        if fixed[t, k] != _FREE:
            return a, -1
        crossed[count, 0], crossed[count, 1] = a, b
        count += 1
        t = mesh.neighbours[t, k]
        k = 0
        while mesh.vertices[t, k] == a or mesh.vertices[t, k] == b:
            k += 1
        w = mesh.vertices[t, k]
        side = orient(x[u], y[u], x[goal], y[goal], x[w], y[w])
        if side == 0:
            return w, count
        if side > 0:
            b = w
        else:
            a = w


@njit(cache=True)
def _edge(mesh, u, v):
    """The triangle to the left of the edge from u to v, and the corner opposite; or -1."""
    start = mesh.at[u]
    t = start
    while True:
        k, following = _around(mesh, u, t)
        if mesh.vertices[t, (k + 1) % 3] == v:
            return t, (k + 2) % 3
        t = following
        if t == start:
            return -1, -1


@njit(cache=True)
def _flip_away(x, y, mesh, fixed, u, v, crossed, count):
    """Flip edges until none crosses the segment from u to v (Sloan 1993)."""
    first, waiting, room = 0, count, crossed.shape[0]
    while waiting > 0:
        a, b = crossed[first, 0], crossed[first, 1]
        first, waiting = (first + 1) % room, waiting - 1
        t, k = _edge(mesh, a, b)
        p, q = mesh.vertices[t, k], _apex_beyond(mesh, t, k)
        convex = (
            orient(x[p], y[p], x[a], y[a], x[q], y[q]) > 0
            and orient(x[p], y[p], x[q], y[q], x[b], y[b]) > 0
        )
        if convex:
            _flip(mesh, fixed, t, k)
            a, b = p, q
            left = orient(x[u], y[u], x[v], y[v], x[p], y[p])
            right = orient(x[u], y[u], x[v], y[v], x[q], y[q])
            if not (left < 0 < right or right < 0 < left):
                continue
        last = (first + waiting) % room
        crossed[last, 0], crossed[last, 1] = a, b
        waiting += 1


@njit(cache=True)
def _apex_beyond(mesh, t, k):
    """The corner across the edge of t opposite its k-th corner."""
    a = mesh.vertices[t, (k + 1) % 3]
    beyond = mesh.neighbours[t, k]
    for j in range(3):
        if mesh.vertices[beyond, (j + 2) % 3] == a and mesh.neighbours[beyond, j] == t:
            return mesh.vertices[beyond, j]
    return -1


@njit(cache=True)
def _fix(mesh, fixed, u, v, label):
    """Label an edge on both sides; of several labels the smallest stays."""
    t, k = _edge(mesh, u, v)
    o, j = _edge(mesh, v, u)
    if fixed[t, k] == _FREE or label < fixed[t, k]:
        fixed[t, k] = fixed[o, j] = label


@njit(cache=True)
def _flip(mesh, fixed, t, k):
    """Replace the edge a-b of t = (p, a, b) and o = (q, b, a) by the edge p-q."""
    vertices, neighbours = mesh.vertices, mesh.neighbours
    o = neighbours[t, k]
    k1, k2 = (k + 1) % 3, (k + 2) % 3
    p, a, b = vertices[t, k], vertices[t, k1], vertices[t, k2]
    j = 0
    while vertices[o, (j + 2) % 3] != a or neighbours[o, j] != t:
        j += 1
    j1, j2 = (j + 1) % 3, (j + 2) % 3
    q = vertices[o, j]
    pa, bp, qb, aq = neighbours[t, k2], neighbours[t, k1], neighbours[o, j2], neighbours[o, j1]
    label_pa, label_bp = fixed[t, k2], fixed[t, k1]
    label_qb, label_aq = fixed[o, j2], fixed[o, j1]
    vertices[t, 0], vertices[t, 1], vertices[t, 2] = p, a, q
    vertices[o, 0], vertices[o, 1], vertices[o, 2] = p, q, b
    neighbours[t, 0], neighbours[t, 1], neighbours[t, 2] = aq, o, pa
    neighbours[o, 0], neighbours[o, 1], neighbours[o, 2] = qb, bp, t
    fixed[t, 0], fixed[t, 1], fixed[t, 2] = label_aq, _FREE, label_pa
    fixed[o, 0], fixed[o, 1], fixed[o, 2] = label_qb, label_bp, _FREE
    for m in range(3):
        if neighbours[aq, m] == o and vertices[aq, (m + 1) % 3] == q:
            neighbours[aq, m] = t
        if neighbours[bp, m] == t and vertices[bp, (m + 1) % 3] == p:
            neighbours[bp, m] = o
    mesh.at[p] = mesh.at[a] = mesh.at[q] = t
    mesh.at[b] = o


@njit(cache=True)
def _restore_delaunay(x, y, mesh, fixed):
    """Flip edges that are not fixed until all are Delaunay (Lawson 1977)."""
    ghost, n = x.size, fixed.shape[0]
    stack = np.arange(3 * n)
    queued = np.ones(3 * n, np.bool_)
    waiting = stack.size
    while waiting > 0:
        waiting -= 1
        t, k = stack[waiting] // 3, stack[waiting] % 3
        queued[stack[waiting]] = False
        a, b, c = mesh.vertices[t, 0], mesh.vertices[t, 1], mesh.vertices[t, 2]
        p = _apex_beyond(mesh, t, k)
        if fixed[t, k] != _FREE or a == ghost or b == ghost or c == ghost or p == ghost:
            continue
        if encroaches(x[a], y[a], x[b], y[b], x[c], y[c], x[p], y[p]):
            beyond = np.int64(mesh.neighbours[t, k])
            _flip(mesh, fixed, t, k)
            for turned in (t, beyond):
                for m in range(3):
                    if not queued[3 * turned + m]:
                        queued[3 * turned + m] = True
                        stack[waiting] = 3 * turned + m
                        waiting += 1
