"""What cluster processes share: the keyed Poisson parents that can reach a window.

Belongs here: parents and the sizes of their broods. Not here: the shape of a
cluster (`thomas`, `matern_cluster`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.lattice.seeding import PARENT, Key, lookup, words


class Parents(NamedTuple):
    """Parents with offspring that can reach a window, each with its address and its brood.

    Attributes
    ----------
    ix, iy, number : ndarray of int64, shape (n,)
        Cell of each parent and its number within that cell.
    x, y : ndarray of int64, shape (n,)
        Position in quanta.
    near, far : ndarray of int64, shape (n,)
        Offspring of the two kinds that `parents_within` tells apart; 0 where none of a
        kind can reach the window.
    """

    ix: NDArray[np.int64]
    iy: NDArray[np.int64]
    number: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    near: NDArray[np.int64]
    far: NDArray[np.int64]


def parents_within(
    cells: Cells,
    key: Key,
    table: NDArray[np.uint64],
    near: tuple[int, NDArray[np.uint64]],
    far: tuple[int, NDArray[np.uint64]],
) -> Parents:
    """Parents whose offspring can lie in a rectangle of cells.

    Offspring come in two kinds, so that rare far ones do not make every distant parent
    worth keeping.

    Parameters
    ----------
    cells : Cells
        The window.
    key : tuple of two uint64
        Stream key.
    table : ndarray of uint64
        Inversion table of the number of parents in a cell.
    near, far : tuple of int and ndarray of uint64
        For each kind, how far it can lie from its parent in quanta, and the inversion
        table of its number; an empty table for a kind that does not occur.
    """
    around = cells.grown(-(-max(near[0], far[0]) // CELL))
    counts = _parent_counts(around, key, table)
    columns = np.empty((7, int(counts.sum(dtype=np.int64))), np.int64)
    n = _place_parents(around, cells.quanta(), key, counts, near, far, columns)
    return Parents(*columns[:, :n])


@njit(cache=True)
def _parent_counts(around, key, table):
    counts = np.empty((around.iy1 - around.iy0) * (around.ix1 - around.ix0), np.int32)
    c = 0
    for iy in range(around.iy0, around.iy1):
        for ix in range(around.ix0, around.ix1):
            counts[c] = lookup(table, words(0, ix, iy, PARENT, key)[0])
            c += 1
    return counts


@njit(cache=True)
def _place_parents(around, window, key, counts, near, far, columns):
    """Fill the columns of `Parents`; returns their number."""
    shift = np.uint64(64 - CELL_BITS)
    n, c = 0, 0
    for iy in range(around.iy0, around.iy1):
        for ix in range(around.ix0, around.ix1):
            for number in range(counts[c]):
                wx, wy, near_word, far_word = words(number + 1, ix, iy, PARENT, key)
                x = (ix << CELL_BITS) | np.int64(wx >> shift)
                y = (iy << CELL_BITS) | np.int64(wy >> shift)
                away = max(window[0] - x, x - window[2], window[1] - y, y - window[3])
                some = lookup(near[1], near_word) if away <= near[0] else 0
                rare = lookup(far[1], far_word) if away <= far[0] else 0
                if some + rare > 0:
                    columns[0, n], columns[1, n], columns[2, n] = ix, iy, number
                    columns[3, n], columns[4, n] = x, y
                    columns[5, n], columns[6, n] = some, rare
                    n += 1
            c += 1
    return n
