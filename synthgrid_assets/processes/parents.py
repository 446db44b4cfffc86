"""What cluster processes share: the keyed Poisson parents that can reach a window.

Belongs here: parents and the words that size their broods. Not here: the shape of a
cluster (`thomas`, `matern_cluster`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from synthgrid_assets.world.lattice import CELL, CELL_BITS, Cells
from synthgrid_assets.world.seeding import PARENT, Key, lookup, words


class Parents(NamedTuple):
    """Parents near a window, each with its address and the words that size its brood.

    Attributes
    ----------
    ix, iy, number : ndarray of int64, shape (n,)
        Cell of each parent and its number within that cell.
    x, y : ndarray of int64, shape (n,)
        Position in quanta.
    away : ndarray of int64, shape (n,)
        Chebyshev distance to the window in quanta, 0 inside.
    core_word, tail_word : ndarray of uint64, shape (n,)
        Two uniform words for two brood sizes.
    """

    ix: NDArray[np.int64]
    iy: NDArray[np.int64]
    number: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    away: NDArray[np.int64]
    core_word: NDArray[np.uint64]
    tail_word: NDArray[np.uint64]


def parents_within(reach: int, cells: Cells, key: Key, table: NDArray[np.uint64]) -> Parents:
    """Parents within `reach` quanta (Chebyshev) of a rectangle of cells.

    Parameters
    ----------
    reach : int
        In quanta.
    cells : Cells
        The window.
    key : tuple of two uint64
        Stream key.
    table : ndarray of uint64
        Inversion table of the number of parents in a cell.
    """
    near = cells.grown(-(-reach // CELL))
    counts = _parent_counts(near, key, table)
    room = int(counts.sum())
    integers, both_words = np.empty((6, room), np.int64), np.empty((2, room), np.uint64)
    n = _place_parents(near, cells.quanta(), reach, key, counts, integers, both_words)
    return Parents(*integers[:, :n], *both_words[:, :n])


@njit(cache=True)
def _parent_counts(near, key, table):
    counts = np.empty((near.iy1 - near.iy0) * (near.ix1 - near.ix0), np.int64)
    c = 0
    for iy in range(near.iy0, near.iy1):
        for ix in range(near.ix0, near.ix1):
            counts[c] = lookup(table, words(0, ix, iy, PARENT, key)[0])
            c += 1
    return counts


@njit(cache=True)
def _place_parents(near, window, reach, key, counts, integers, both_words):
    """Fill the columns of `Parents`; returns their number."""
    shift = np.uint64(64 - CELL_BITS)
    n, c = 0, 0
    for iy in range(near.iy0, near.iy1):
        for ix in range(near.ix0, near.ix1):
            for number in range(counts[c]):
                wx, wy, core_word, tail_word = words(number + 1, ix, iy, PARENT, key)
                x = (ix << CELL_BITS) | np.int64(wx >> shift)
                y = (iy << CELL_BITS) | np.int64(wy >> shift)
                dx = max(window[0] - x, x - window[2], 0)
                dy = max(window[1] - y, y - window[3], 0)
                away = max(dx, dy)
                if away <= reach:
                    integers[0, n], integers[1, n], integers[2, n] = ix, iy, number
                    integers[3, n], integers[4, n], integers[5, n] = x, y, away
                    both_words[0, n], both_words[1, n] = core_word, tail_word
                    n += 1
            c += 1
    return n
