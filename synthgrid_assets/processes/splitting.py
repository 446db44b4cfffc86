"""A fixed number of points shared out over a grid: exact multinomial counts, any part alone.

Belongs here: the tree of splits and its binomial draws. Not here: where in a cell points lie
(`released`).

The total is split in two by a binomial draw, each part again, down to single cells of the
grid. Every split has words of its own, addressed by its node, so the counts of any rectangle
follow from the nodes above it alone. Draws are exact: integers and random bits, no floats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.seeding import SPLIT, Key, words

MAX_WEIGHT = 1 << 61  # of all cells together: weights are doubled in 64 bits
_PART = 40  # bits of a node's numbering of its random words
_SOUTH, _LOWER, _UPPER = 1, 2, 3  # the three splits of a node


class SplitCounts:
    """Counts of a multinomial law over a grid of cells.

    Parameters
    ----------
    total : int
        Points in all, in ``[0, 2**40)``.
    weights : ndarray of int64, shape (rows, columns)
        Not negative; a cell's probability is its share of their sum.
    key : tuple of two uint64
        Stream key.

    Raises
    ------
    SpecError
        If the weights are too large together, or there are points and no weight.

    Notes
    -----
    Binomial draws by binary digits: the points whose first digit differs from the
    probability's are decided by it, the others look at the next one. That a point's digit is 1
    is a random bit, so ``n`` points take about ``2 n`` bits.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> counts = SplitCounts(100, np.array([[1, 0, 2], [0, 1, 0]]), stream_key("doctest"))
    >>> whole = counts.over(0, 0, 2, 3)
    >>> int(whole.sum()), int(whole[0, 1])
    (100, 0)
    >>> bool((whole[1:, 1:] == counts.over(1, 1, 2, 3)).all())
    True
    """

    def __init__(self, total: int, weights: NDArray[np.int64], key: Key) -> None:
        share = sum(int(row.sum()) for row in weights)
        if not 0 <= total < 1 << _PART or share >= MAX_WEIGHT or (total and not share):
            raise SpecError(
                f"{total} points cannot be shared out over weights of {share} in all: points are "
                f"0 to 2**{_PART} - 1, weights less than 2**61 and, for any point, more than 0"
            )
        self.total = total
        self._key = key
        self._pyramid = _sums(weights)

    def over(self, row0: int, column0: int, row1: int, column1: int) -> NDArray[np.int64]:
        """Counts of the half-open rectangle, shape (row1 - row0, column1 - column0)."""
        counts = np.array([[self.total]], np.int64)
        window = 0, 0
        for level in range(len(self._pyramid) - 2, -1, -1):
            low = row0 >> level, column0 >> level
            high = ((row1 - 1) >> level) + 1, ((column1 - 1) >> level) + 1
            shape = max(high[0] - low[0], 0), max(high[1] - low[1], 0)
            counts = _descend(counts, window, low, shape, self._pyramid[level], level, self._key)
            window = low
        return counts[: row1 - row0, : column1 - column0]


def _sums(weights: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The weights, and their sums over blocks of 2, 4 ... cells a side up to one block."""
    levels = [np.ascontiguousarray(weights, np.int64)]
    while levels[-1].size > 1:
        rows, columns = levels[-1].shape
        whole = np.pad(levels[-1], ((0, rows % 2), (0, columns % 2)))
        levels.append(np.add.reduce([whole[i::2, j::2] for i in (0, 1) for j in (0, 1)]))
    return levels


@njit(cache=True)
def _descend(counts, window, low, shape, weights, level, key):
    """Counts of a rectangle of nodes from those of their parents."""
    out = np.zeros(shape, np.int64)
    for row in range(low[0] >> 1, (low[0] + shape[0] + 1) >> 1):
        for column in range(low[1] >> 1, (low[1] + shape[1] + 1) >> 1):
            n = counts[row - window[0], column - window[1]]
            if n == 0:
                continue
            four = _four(n, row, column, weights, level, key)
            for i in range(4):
                r, c = 2 * row + (i >> 1) - low[0], 2 * column + (i & 1) - low[1]
                if 0 <= r < shape[0] and 0 <= c < shape[1]:
                    out[r, c] = four[i]
    return out


@njit(cache=True)
def _four(n, row, column, weights, level, key):
    """Points of a node's four children: south-west, south-east, north-west, north-east."""
    w = np.zeros(4, np.int64)
    for i in range(4):
        r, c = 2 * row + (i >> 1), 2 * column + (i & 1)
        if r < weights.shape[0] and c < weights.shape[1]:
            w[i] = weights[r, c]
    role = SPLIT + np.uint64(level)
    south = binomial(n, w[0] + w[1], w[2] + w[3], _SOUTH, row, column, role, key)
    out = np.empty(4, np.int64)
    out[0] = binomial(south, w[0], w[1], _LOWER, row, column, role, key)
    out[1] = south - out[0]
    out[2] = binomial(n - south, w[2], w[3], _UPPER, row, column, role, key)
    out[3] = n - south - out[2]
    return out


@njit(cache=True)
def binomial(n, a, b, part, row, column, role, key):
    """A draw of the binomial law of n points with probability ``a / (a + b)``, exactly."""
    if n == 0 or a == 0:
        return 0
    if b == 0:
        return n
    undecided, below, remainder = n, 0, a
    block = np.int64(part) << _PART
    while undecided > 0 and remainder > 0:
        remainder = 2 * remainder
        digit = remainder >= a + b
        if digit:
            remainder -= a + b
        ones, block = _bits(undecided, block, row, column, role, key)
        if digit:
            below += undecided - ones
            undecided = ones
        else:
            undecided -= ones
    return below


@njit(cache=True)
def _bits(n, block, row, column, role, key):
    """How many of n random bits are 1, and where the next ones begin."""
    ones, left = 0, n
    while left > 0:
        for word in words(block, column, row, role, key):
            taken = min(left, 64)
            if taken > 0:
                kept = word >> np.uint64(64 - taken)
                while kept:
                    kept &= kept - np.uint64(1)
                    ones += 1
                left -= taken
        block += 1
    return ones, block
