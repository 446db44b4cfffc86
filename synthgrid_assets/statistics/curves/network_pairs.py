"""Pairs of points within distances along a network, and the linear K function.

Belongs here: shortest ways between points on lines, counted. Not here: networks
(`processes.on_lines.network`), verdicts (`products.region_tests.network_tests`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.processes.on_lines.network import Ints, LineNetwork


class PointsOnNetwork(NamedTuple):
    """Places on a network.

    Attributes
    ----------
    segment, offset : ndarray of int64, shape (n,)
        Segment of the network, and quanta along it.
    """

    segment: Ints
    offset: Ints


def network_pairs(
    network: LineNetwork,
    points: PointsOnNetwork,
    centres: NDArray[np.bool_],
    distances: NDArray[np.float64],
    *,
    corrected: bool = False,
) -> NDArray[np.float64]:
    """Ordered pairs of a centre and another point within each distance along the network.

    Parameters
    ----------
    network : LineNetwork
    points : PointsOnNetwork
    centres : ndarray of bool, shape (n,)
        The points about which others are counted.
    distances : ndarray of float64, shape (m,)
        Ascending, in sides of a cell.
    corrected : bool
        Count each pair as one over the number of places on the network that are as far from
        its centre: Ang, Baddeley and Nair (2012), Scandinavian Journal of Statistics 39.

    Returns
    -------
    ndarray of float64, shape (m,)

    Examples
    --------
    >>> from synthgrid_assets.inputs.paths import Paths
    >>> side = np.array([0, 10 * CELL]), np.array([0, 0])
    >>> line = LineNetwork.of(Paths(*side, np.array([0, 2])))
    >>> three = PointsOnNetwork(np.zeros(3, np.int64), np.array([1, 2, 8]) * CELL)
    >>> network_pairs(line, three, np.ones(3, bool), np.array([0.5, 1.5, 7.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    order = np.argsort(points.segment, kind="stable")
    first = np.searchsorted(points.segment[order], np.arange(network.length.size + 1))
    limits = np.asarray(distances, np.float64) * CELL
    chosen = np.flatnonzero(centres)
    found = _pairs(chosen, *points, order, first, limits, network.graph, corrected)
    return np.asarray(np.cumsum(found))


def linear_k(
    network: LineNetwork,
    points: PointsOnNetwork,
    distances: NDArray[np.float64],
    *,
    corrected: bool = True,
) -> NDArray[np.float64]:
    """K along a network in sides of a cell; r for a Poisson process, if `corrected`.

    Without the correction it is Okabe and Yamada's (2001), whose value depends on the network.
    """
    n = points.segment.size
    every = np.ones(n, np.bool_)
    pairs = network_pairs(network, points, every, distances, corrected=corrected)
    total = float(network.length.sum()) / CELL
    k: NDArray[np.float64] = pairs * total / max(n * (n - 1), 1)
    return k


@njit(cache=True)
def _ways(queue, waiting, best, farthest, graph):
    """Shortest ways to all nodes within a distance; `queue` starts with the centre's two nodes.

    Nodes are looked at again when a shorter way to them is found. Fills in `queue` with the nodes
    that are reached, and says how many these are.
    """
    node, leaving, first, length = graph
    reached, size, at = 2, 2, 0
    line = np.empty(queue.size * 4 + 8, np.int64)  # a ring: no node waits twice
    line[:2] = queue[:2]
    while at < size:
        here = line[at % line.size]
        at += 1
        waiting[here] = False
        for k in range(first[here], first[here + 1]):
            half = leaving[k]
            there, way = node[half ^ 1], best[here] + length[half >> 1]
            if way > farthest or way >= best[there]:
                continue
            if best[there] == math.inf:
                queue[reached] = there
                reached += 1
            best[there] = way
            if not waiting[there]:
                waiting[there] = True
                line[size % line.size] = there
                size += 1
    return reached


@njit(cache=True)
def _met(near, far, length, way):
    """Places of a segment at a distance, given those of its ends; where both ways meet is one."""
    meeting = min(max((far - near + length) / 2, 0.0), length)
    from_near = near < way <= near + meeting
    return np.int64(from_near) + np.int64(far < way < far + length - meeting)


@njit(cache=True)
def _as_far(start, offset, way, segments, best, graph):
    """Places on the network whose shortest way from a centre has a given length."""
    node, _, _, length = graph
    places = _met(0.0, best[node[2 * start]], offset, way)
    places += _met(0.0, best[node[2 * start + 1]], length[start] - offset, way)
    for s in segments:
        if s != start:
            places += _met(best[node[2 * s]], best[node[2 * s + 1]], length[s], way)
    return max(places, 1)


@njit(cache=True)
def _pairs(chosen, segment, offset, order, first_of, limits, graph, corrected):
    node, leaving, first, length = graph
    found, farthest = np.zeros(limits.size), limits[-1]
    best, waiting = np.full(first.size - 1, math.inf), np.zeros(first.size - 1, np.bool_)
    queue, segments = np.empty(first.size, np.int64), np.empty(length.size, np.int64)
    stamp = np.full(length.size, -1)
    for i in chosen:
        s, o, n = segment[i], float(offset[i]), 0
        tail, head = node[2 * s], node[2 * s + 1]
        best[tail], best[head] = o, length[s] - o
        queue[0], queue[1] = tail, head
        reached = _ways(queue, waiting, best, farthest, graph)
        for q in range(reached):
            for k in range(first[queue[q]], first[queue[q] + 1]):
                t = leaving[k] >> 1
                if stamp[t] != i:
                    stamp[t], segments[n], n = i, t, n + 1
        for t in segments[:n]:
            tail, head = best[node[2 * t]], best[node[2 * t + 1]]
            for k in range(first_of[t], first_of[t + 1]):
                j = order[k]
                way = min(tail + offset[j], head + length[t] - offset[j])
                if t == s:
                    way = min(way, abs(offset[j] - o))
                if j == i or way > farthest:
                    continue
                places = _as_far(s, o, way, segments[:n], best, graph) if corrected else 1
                found[np.searchsorted(limits, way)] += 1 / places
        for q in range(reached):
            best[queue[q]] = math.inf
    return found
