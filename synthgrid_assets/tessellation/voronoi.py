"""Voronoi cells of the sites of a rectangle: rings, areas, neighbours.

Belongs here: the walk around each site and the rings it leaves. Not here: where a vertex
lies (`circumcentres`) and float coordinates (`polygons`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE, voronoi_vertices
from synthgrid_assets.tessellation.halo import Neighbourhood
from synthgrid_assets.tessellation.predicates import (
    AREA_BITS,
    EXTENT_BITS,
    cross_sign,
    cross_split,
    precedes,
)


@dataclass(frozen=True)
class VoronoiCells:
    """Cells of m sites, in the order of `Neighbourhood.inside`.

    Parameters
    ----------
    ring : ndarray of int64, shape (k, 2)
        Closed rings in local units of 2**-10 quantum, counter-clockwise, each from its
        lexicographically smallest vertex; vertices that coincide are kept once.
    ring_offsets : ndarray of int64, shape (m + 1,)
    doubled_area : ndarray of int64, shape (m, 2)
        ``high * 2**40 + low`` is twice the exact area of the ring in squared units.
    valid : ndarray of bool, shape (m,)
        Whether the ring is simple; rounding can fold the ring of points that are a few
        quanta from one another.
    neighbour : ndarray of int64, shape (d,)
        Delaunay neighbours, counter-clockwise from the lexicographically smallest.
    neighbour_offsets : ndarray of int64, shape (m + 1,)
    shared : ndarray of float64, shape (d,)
        Length in quanta of the edge shared with each neighbour; 0 where cells touch in a
        point only.
    """

    ring: NDArray[np.int64]
    ring_offsets: NDArray[np.int64]
    doubled_area: NDArray[np.int64]
    valid: NDArray[np.bool_]
    neighbour: NDArray[np.int64]
    neighbour_offsets: NDArray[np.int64]
    shared: NDArray[np.float64]


def voronoi_cells(found: Neighbourhood) -> VoronoiCells:
    """The cells of the sites inside a certified neighbourhood."""
    mesh, inside = found.mesh, found.inside
    degree = _degrees(mesh.vertices, found.touching, found.x.size)[inside]
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(degree)))
    rank = (found.x << EXTENT_BITS) | found.y  # lexicographic order as one number
    fan, neighbour = _fans(mesh.vertices, mesh.neighbours, mesh.at, rank, inside, offsets)
    vertex = voronoi_vertices(mesh, found.x, found.y, found.touching)
    ring, ring_offsets = _rings(vertex, fan, offsets)
    site = np.stack((found.x[inside], found.y[inside]), axis=1) * VERTEX_SCALE
    doubled_area, valid = _measures(ring, ring_offsets, site)
    return VoronoiCells(
        ring, ring_offsets, doubled_area, valid, neighbour, offsets, _shared(vertex, fan, offsets)
    )


@njit(cache=True)
def _degrees(vertices, touching, n):
    """How many of some finite triangles meet in each of n sites."""
    degree = np.zeros(n, np.int64)
    for t in touching:
        for k in range(3):
            degree[vertices[t, k]] += 1
    return degree


@njit(cache=True)
def _fans(vertices, neighbours, at, rank, inside, offsets):
    """Triangles around each site, counter-clockwise, and the site before each of them.

    A fan starts at the lexicographically smallest neighbour, which no tiling can change.
    """
    fan = np.empty(offsets[-1], np.int64)
    neighbour = np.empty(offsets[-1], np.int64)
    for i in range(inside.size):
        site, start, end = inside[i], offsets[i], offsets[i + 1]
        t, first = np.int64(at[site]), start
        for place in range(start, end):
            # the corner after the site's, without a branch to guess
            following = 1 * (vertices[t, 0] == site) + 2 * (vertices[t, 1] == site)
            v = vertices[t, following]
            fan[place], neighbour[place] = t, v
            if rank[v] < rank[neighbour[first]]:
                first = place
            t = np.int64(neighbours[t, following])
        _rotate(fan, start, first, end)
        _rotate(neighbour, start, first, end)
    return fan, neighbour


@njit(cache=True)
def _rotate(values, start, first, end):
    """Turn ``values[start:end]`` so that the entry at `first` comes first."""
    if first != start:
        _reverse(values, start, first)
        _reverse(values, first, end)
        _reverse(values, start, end)


@njit(inline="always")
def _reverse(values, start, end):
    last = end - 1
    while start < last:
        values[start], values[last] = values[last], values[start]
        start, last = start + 1, last - 1


@njit(cache=True)
def _rings(vertex, fan, offsets):
    n = offsets.size - 1
    ring = np.empty((fan.size + n, 2), np.int64)
    ring_offsets = np.zeros(n + 1, np.int64)
    end = 0
    for i in range(n):
        end = _ring(vertex, fan[offsets[i] : offsets[i + 1]], ring, end)
        ring_offsets[i + 1] = end
    return ring[:end], ring_offsets


@njit(cache=True)
def _ring(vertex, triangles, ring, start):
    """Write one closed ring from `start` on; returns its end."""
    least = 0
    for k in range(1, triangles.size):
        a, b = triangles[k], triangles[least]
        if precedes(vertex[a, 0], vertex[a, 1], vertex[b, 0], vertex[b, 1]):
            least = k
    # neighbours in a ring that equal each other are one corner; the first stands for all
    end = start
    for step in range(triangles.size + 1):
        t = triangles[(least + step) % triangles.size]
        x, y = vertex[t, 0], vertex[t, 1]
        if end > start and ring[end - 1, 0] == x and ring[end - 1, 1] == y:
            continue
        ring[end, 0], ring[end, 1] = x, y
        end += 1
    return end


@njit(cache=True)
def _measures(ring, ring_offsets, site):
    n = site.shape[0]
    doubled_area = np.empty((n, 2), np.int64)
    valid = np.empty(n, np.bool_)
    for i in range(n):
        start, last = ring_offsets[i], ring_offsets[i + 1] - 1
        high, low, star = area_around(ring, start, last, site[i, 0], site[i, 1])
        doubled_area[i, 0], doubled_area[i, 1] = high, low
        valid[i] = high > 0 or (high == 0 and low > 0)
        if valid[i] and not star:
            around = ring[start : last + 1] - site[i]
            valid[i] = _simple(around[:, 0], around[:, 1])
    return doubled_area, valid


@njit(cache=True)
def area_around(ring, start, last, x0, y0):
    """Twice the area of the closed ring ``ring[start:last + 1]`` as (high, low), exact.

    The third value says whether it turns once around (x0, y0), always counter-clockwise: then it
    is simple.
    """
    x, y = ring[start, 0] - x0, ring[start, 1] - y0
    high, low, left, turns = np.int64(0), np.int64(0), True, 0
    for k in range(start, last):
        next_x, next_y = ring[k + 1, 0] - x0, ring[k + 1, 1] - y0
        more_high, more_low = cross_split(x, y, next_x, next_y)
        high, low = high + more_high, low + more_low
        left &= (more_high > 0) | ((more_high == 0) & (more_low > 0))
        turns += (y < 0) & (next_y >= 0)
        x, y = next_x, next_y
    high, low = high + (low >> AREA_BITS), low & ((1 << AREA_BITS) - 1)
    return high, low, left and turns == 1


@njit(cache=True)
def _simple(x, y):
    """Whether no two edges of a closed ring meet but in the corner they share."""
    edges = x.size - 1
    for i in range(edges):
        for j in range(i + 1, edges):
            if j == i + 1 or (i == 0 and j == edges - 1):
                a, b, c = (i, j, j + 1) if j == i + 1 else (j, i, i + 1)
                if _folds_back(x[a], y[a], x[b], y[b], x[c], y[c]):
                    return False
            elif _meet(x, y, i, j):
                return False
    return edges >= 3


@njit(cache=True)
def _folds_back(ax, ay, bx, by, cx, cy):
    """Whether the way a, b, c turns by half a circle in b."""
    if cross_sign(bx - ax, by - ay, cx - bx, cy - by) != 0:
        return False
    return cross_sign(bx - ax, by - ay, by - cy, cx - bx) < 0


@njit(cache=True)
def _meet(x, y, i, j):
    """Whether edges i and j of a ring have a point in common."""
    first = _side(x, y, i, j) * _side(x, y, i, j + 1)
    second = _side(x, y, j, i) * _side(x, y, j, i + 1)
    if first > 0 or second > 0:
        return False
    if first < 0 or second < 0:
        return True
    overlap_x = max(min(x[i], x[i + 1]), min(x[j], x[j + 1])) <= min(
        max(x[i], x[i + 1]), max(x[j], x[j + 1])
    )
    overlap_y = max(min(y[i], y[i + 1]), min(y[j], y[j + 1])) <= min(
        max(y[i], y[i + 1]), max(y[j], y[j + 1])
    )
    return overlap_x and overlap_y


@njit(cache=True)
def _side(x, y, edge, k):
    """On which side of an edge's line corner k lies."""
    return cross_sign(x[edge + 1] - x[edge], y[edge + 1] - y[edge], x[k] - x[edge], y[k] - y[edge])


@njit(cache=True)
def _shared(vertex, fan, offsets):
    """Lengths of the Voronoi edges between the triangles before and after each neighbour."""
    lengths = np.empty(fan.size)
    for i in range(offsets.size - 1):
        before = fan[offsets[i + 1] - 1]
        for k in range(offsets[i], offsets[i + 1]):
            after = fan[k]
            dx = float(vertex[after, 0] - vertex[before, 0]) / VERTEX_SCALE
            dy = float(vertex[after, 1] - vertex[before, 1]) / VERTEX_SCALE
            lengths[k] = np.sqrt(dx * dx + dy * dy)
            before = after
    return lengths
