"""Poisson places along lines, interval by interval of arc length.

Belongs here: places and their addresses. Not here: which intervals a tile needs of which
process (`process`), clusters about places (`walk`).

Each line is cut into intervals as long as a cell, counted from its start. An interval draws
from words addressed by the numbers of its line and of itself: whoever asks, the places are the
same. What lies beyond the line's end is left out, so the rest is Poisson on the line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.seeding import Key, lookup, words
from synthgrid_assets.processes.on_lines.network import Ints, LineNetwork


class Stations(NamedTuple):
    """Places on lines.

    Attributes
    ----------
    line, interval, number : ndarray of int64, shape (n,)
        Their addresses: the number is that within the interval.
    segment, offset : ndarray of int64, shape (n,)
        Segment of the network, and quanta along it.
    birth : ndarray of uint64, shape (n,)
    """

    line: Ints
    interval: Ints
    number: Ints
    segment: Ints
    offset: Ints
    birth: NDArray[np.uint64]


def stations(
    network: LineNetwork, cells: Cells, role: np.uint64, table: NDArray[np.uint64], key: Key
) -> Stations:
    """At least all places on lines in a rectangle of cells.

    Parameters
    ----------
    network : LineNetwork
    cells : Cells
    role : uint64
        Of the words: points and parents of clusters share none.
    table : ndarray of uint64
        Inversion table of the number of places in an interval.
    key : tuple of two uint64
        Stream key.
    """
    line, interval = _intervals(network, network.near(cells))
    line, interval, number, at, birth = _drawn(line, interval, role, table, key, network.lengths)
    segment, offset = network.segment_at(line, at)
    return Stations(line, interval, number, segment, offset, birth)


def _intervals(network: LineNetwork, segment: Ints) -> tuple[Ints, Ints]:
    """Line and number of the intervals that some segments lie in, each once."""
    first = network.arc[segment] >> CELL_BITS
    last = (network.arc[segment] + network.length[segment] - 1) >> CELL_BITS
    sizes = last - first + 1
    within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    both = np.stack((np.repeat(network.line[segment], sizes), np.repeat(first, sizes) + within))
    line, interval = np.unique(both, axis=1)
    return line, interval


@njit(cache=True)
def _drawn(line, interval, role, table, key, lengths):
    counts = np.empty(line.size, np.int64)
    for i in range(line.size):
        counts[i] = lookup(table, words(0, line[i], interval[i], role, key)[0])
    n = counts.sum()
    lines, intervals, numbers = (
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
    )
    at, birth, k = np.empty(n, np.int64), np.empty(n, np.uint64), 0
    shift = np.uint64(64 - CELL_BITS)
    for i in range(line.size):
        for number in range(counts[i]):
            word, birth[k], _, _ = words(number + 1, line[i], interval[i], role, key)
            at[k] = (interval[i] << CELL_BITS) | np.int64(word >> shift)
            lines[k], intervals[k], numbers[k] = line[i], interval[i], number
            k += at[k] < lengths[line[i]]
    return lines[:k], intervals[:k], numbers[:k], at[:k], birth[:k]
