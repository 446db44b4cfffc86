"""Walks along a network: where offspring of a parent come to lie, and with which probability.

Belongs here: the walk, and the share of walks that end in a rectangle. Not here: places that
walks begin at (`stations`), the law of counts (`statistics`).

A walk goes a half-normal distance from its start, in either direction. At a node it takes each
of the other segments with the same probability, at a dead end it turns back. Each segment is as
likely to be entered as to be left, so walks from places that are uniform on the network end in
places that are uniform on it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.exact_math import MAX_RAYLEIGH, cos_sin, rayleigh
from synthgrid_assets.lattice.seeding import OFFSPRING, PIXEL, Key, lookup, stream_key, words
from synthgrid_assets.processes.on_lines.network import Ints, LineNetwork
from synthgrid_assets.processes.on_lines.stations import Stations

PATHS = 32  # random ways by which the share of walks that end in a rectangle is averaged
_STEPS = 4.0  # places along one standard deviation at which that share is computed
_SLACK = 4096  # quanta that whole lengths of a way's segments may add up to differ by
_WAYS = stream_key("ways of catches")


def reach_of(sigma: int) -> int:
    """How far, in quanta, a walk can lead."""
    return math.ceil(MAX_RAYLEIGH * sigma) + _SLACK


def offspring(
    network: LineNetwork,
    parents: Stations,
    table: NDArray[np.uint64],
    sigma: int,
    key: Key,
    cells: Cells,
) -> tuple[Ints, Ints, NDArray[np.uint64]]:
    """Segment, offset and birth word of at least all offspring that come to lie in `cells`.

    Parameters
    ----------
    network : LineNetwork
    parents : Stations
        All that are within `reach_of` the cells.
    table : ndarray of uint64
        Inversion table of the number of offspring of a parent.
    sigma : int
        Quanta.
    key : tuple of two uint64
        Stream key.
    cells : Cells
    """
    x, y = network.place(parents.segment, parents.offset)
    left, bottom, right, top = cells.quanta()
    dx = np.maximum(np.maximum(left - x, x - right), 0).astype(np.float64)
    dy = np.maximum(np.maximum(bottom - y, y - top), 0).astype(np.float64)
    gap = np.sqrt(dx * dx + dy * dy) - _SLACK
    segment, offset, birth = _walked(parents[:5], gap, table, float(sigma), key, network.graph)
    return segment, offset, birth


def catches(
    network: LineNetwork, cells: Cells, sigma: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of walks that end in a rectangle of cells, and the length of line that they begin on.

    Returns
    -------
    catch, weight : ndarray of float64, shape (n,)
        At places along the network; lengths in quanta. Their product sums to the length of
        line in `cells`, as it must: what the averages over `PATHS` ways miss of it is made up.
    """
    near, within = network.near(cells.grown(-(-reach_of(sigma) // CELL))), network.near(cells)
    low, high = np.zeros(network.length.size), np.zeros(network.length.size)
    low[within], high[within] = network.inside(within, cells)
    parts = np.maximum(np.ceil(network.length[near] * _STEPS / sigma), 1).astype(np.int64)
    segment = np.repeat(near, parts)
    step = network.length[segment] / np.repeat(parts, parts)
    number = np.arange(segment.size) - np.repeat(np.cumsum(parts) - parts, parts)
    catch = _caught(segment, (number + 0.5) * step, low, high, float(sigma), network.graph, _WAYS)
    total, exact = float((catch * step).sum()), float((high - low).sum())
    some = catch > 0
    scale = exact / total if total > 0 else 1.0
    return catch[some], step[some] * scale


@njit(cache=True)
def _onward(half, node, leaving, first, word):
    """The half-edge that a walk takes at the end of one, chosen by a word."""
    back = half ^ 1
    begin, degree = first[node[back]], first[node[back] + 1] - first[node[back]]
    if degree == 1:
        return back
    chosen = begin + np.int64(word % np.uint64(degree - 1))
    for k in range(begin, chosen + 1):
        if leaving[k] == back:
            return leaving[chosen + 1]
    return leaving[chosen]


@njit(cache=True)
def _walked(parents, gap, table, sigma, key, graph):
    line, interval, number, segment, offset = parents
    node, leaving, first, length = graph
    counts = np.empty(line.size, np.int64)
    for p in range(line.size):
        role = OFFSPRING + np.uint64(number[p])
        counts[p] = lookup(table, words(0, line[p], interval[p], role, key)[0])
    n = counts.sum()
    segments, offsets, births = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.uint64)
    k = 0
    for p in range(line.size):
        role = OFFSPRING + np.uint64(number[p])
        for child in range(1, counts[p] + 1):
            far, angle, births[k], way = words(child, line[p], interval[p], role, key)
            distance = np.int64(math.floor(abs(rayleigh(far) * cos_sin(angle)[0]) * sigma + 0.5))
            if distance < gap[p]:
                continue
            half = 2 * segment[p] + np.int64(way >> np.uint64(63))
            along = offset[p] if half & 1 == 0 else length[segment[p]] - offset[p]
            turn = 0
            while along + distance > length[half >> 1]:
                distance -= length[half >> 1] - along
                along, word = 0, np.uint64(0)
                end = node[half ^ 1]
                if first[end + 1] - first[end] > 2:
                    turn += 1
                    block = np.uint64(child) | (np.uint64(turn) << np.uint64(32))
                    word = words(block, line[p], interval[p], role, key)[0]
                half = _onward(half, node, leaving, first, word)
            along += distance
            segments[k] = half >> 1
            offsets[k] = along if half & 1 == 0 else length[half >> 1] - along
            k += 1
    return segments[:k], offsets[:k], births[:k]


@njit(cache=True)
def _caught(segment, offset, low, high, sigma, graph, key):
    """Average over ways of the mass that a half-normal distance has inside."""
    node, leaving, first, length = graph
    scale, farthest = 1 / (sigma * math.sqrt(2.0)), MAX_RAYLEIGH * sigma
    caught = np.zeros(segment.size)
    for i in range(segment.size):
        for path in range(PATHS):
            half, gone, turn = 2 * segment[i] + (path & 1), 0.0, 0
            along = offset[i] if half & 1 == 0 else length[half >> 1] - offset[i]
            while gone < farthest:
                s = half >> 1
                a, b = low[s], high[s]
                if half & 1 == 1:
                    a, b = length[s] - high[s], length[s] - low[s]
                a, b = max(a - along, 0.0) + gone, max(b - along, 0.0) + gone
                if b > a:
                    caught[i] += math.erf(b * scale) - math.erf(a * scale)
                gone += length[s] - along
                along, word = 0.0, np.uint64(0)
                end = node[half ^ 1]
                if first[end + 1] - first[end] > 2:
                    turn += 1
                    block = np.uint64(path) | (np.uint64(turn) << np.uint64(32))
                    word = words(block, i, 0, PIXEL, key)[0]
                half = _onward(half, node, leaving, first, word)
    return caught / PATHS
