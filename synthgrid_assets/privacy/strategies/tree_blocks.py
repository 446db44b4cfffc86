"""A grid cut into square blocks of a power of two: sums, copies, and overlaps of rectangles.

Belongs here: how strategies divide a grid. Not here: what they measure in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_TOP = 64  # cells along the largest blocks
_WASTE = 1.25  # padded cells for each cell of the grid, at most


def top_side(*lengths: int) -> int:
    """Side of the largest blocks: as few cells as possible lie beyond the grid.

    Parameters
    ----------
    *lengths : int
        Rows and columns, or one of them.

    Returns
    -------
    int
        The largest power of two, up to 64, that pads the grid by at most a quarter.

    Examples
    --------
    >>> top_side(384, 384), top_side(300, 400), top_side(5, 7)
    (64, 64, 1)
    """
    side = MAX_TOP
    while side > 1:
        waste = 1.0
        for length in lengths:
            waste *= -(-length // side) * side / length
        if waste <= _WASTE:
            break
        side //= 2
    return side


def padded_length(length: int, side: int) -> int:
    """The least multiple of `side` that is not below `length`."""
    return -(-length // side) * side


def pad(grid: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """The grid with zeros beyond its last row and column."""
    return np.pad(grid, ((0, rows - grid.shape[0]), (0, columns - grid.shape[1])))


def halve(grid: NDArray[Any]) -> NDArray[Any]:
    """Sums over blocks of 2 x 2: added one by one, so that floats have one value."""
    upper = grid[0::2, 0::2] + grid[0::2, 1::2]
    lower = grid[1::2, 0::2] + grid[1::2, 1::2]
    return np.asarray(upper + lower)


def spread(grid: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Every block's number at each of its cells."""
    return np.repeat(np.repeat(grid, side, axis=0), side, axis=1)


def overlap_square(first: int, last: int, side: int) -> float:
    """Sum over blocks of the squared overlap with ``[first, last)``, divided by `side`.

    The squared length of an interval's indicator after averaging over blocks.

    Examples
    --------
    >>> overlap_square(0, 4, 4), overlap_square(2, 6, 4)
    (4.0, 2.0)
    """
    edges = np.arange(first // side, -(-last // side) + 1) * side
    clipped = np.clip(edges, first, last)
    return float((np.diff(clipped) ** 2).sum()) / side


def mean_overlap_square(length: int, width: int, side: int) -> float:
    """`overlap_square`, averaged over all intervals of `width` inside ``[0, length)``."""
    first = np.arange(length - width + 1)
    total, block = np.zeros(first.size), 0
    while block * side < length:
        low, high = block * side, block * side + side
        total += np.clip(np.minimum(first + width, high) - np.maximum(first, low), 0, None) ** 2
        block += 1
    return float(total.mean()) / side
