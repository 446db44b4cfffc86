"""The space-time Poisson process that dominates a Gibbs process: births and lifetimes.

Belongs here: keyed births in any cells and any stretch of the past. Not here: which
births a Gibbs process accepts (`strauss`).

Time runs up to 0 in units of the mean lifetime, as int64 of ``2**-TIME_BITS``. Births
that live up to SHORT units come in slabs of one unit; the rare ones that live longer
come in slabs of LONG_SLAB units, so the far past costs little.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from synthgrid_assets.world.exact_math import exponential, poisson_table
from synthgrid_assets.world.lattice import CELL_BITS, Cells
from synthgrid_assets.world.seeding import LONG_LIVED, SHORT_LIVED, Key, lookup, words

TIME_BITS = 36
SHORT = 8  # time units: 1 in 2,981 births lives longer
LONG_SLAB_BITS = 6
LONG_SLAB = 1 << LONG_SLAB_BITS
LONGEST = SHORT + 45  # no word makes a longer lifetime


class Births(NamedTuple):
    """Births, in the order of their cells.

    Attributes
    ----------
    time, death : ndarray of int64, shape (n,)
        In units of ``2**-TIME_BITS``; 0 is now.
    x, y : ndarray of int64, shape (n,)
        Position in quanta.
    accept : ndarray of uint64, shape (n,)
        The uniform word that decides whether a birth is accepted.
    birth : ndarray of uint64, shape (n,)
        The point's birth word.
    """

    time: NDArray[np.int64]
    death: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    accept: NDArray[np.uint64]
    birth: NDArray[np.uint64]


class SpaceTimeProcess:
    """Births at `rate` per cell and time unit with exponential lifetimes of mean 1.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key.
    rate : Fraction
        Expected births per cell and time unit, exact.
    """

    def __init__(self, key: Key, rate: Fraction) -> None:
        with localcontext() as context:
            context.prec = 60
            word = int((-Decimal(SHORT)).exp() * 2**64)
        longer = Fraction(word, 2**64)
        self._key = key
        self._longer_words = np.uint64(word)
        self._short = poisson_table(rate * (1 - longer))
        self._long = poisson_table(rate * longer * LONG_SLAB)

    def short_lived(self, cells: Cells, slab: int, alive_at: int) -> Births:
        """Births of ``[-slab - 1, -slab)`` that live up to SHORT units, and to `alive_at`."""
        role = SHORT_LIVED + np.uint64(slab)
        counts = _birth_counts(cells, role, self._key, self._short)
        return Births(
            *_births(cells, role, self._key, counts, -(slab + 1), 0, self._longer_words, alive_at)
        )

    def long_lived(self, cells: Cells, units: int, alive_at: int) -> Births:
        """Births of the last `units` time units that live longer than SHORT, and to `alive_at`."""
        parts = []
        for slab in range(-(-units // LONG_SLAB)):
            role = LONG_LIVED + np.uint64(slab)
            counts = _birth_counts(cells, role, self._key, self._long)
            begin = -(slab + 1) * LONG_SLAB
            parts.append(
                _births(
                    cells, role, self._key, counts, begin, LONG_SLAB_BITS, np.uint64(0), alive_at
                )
            )
        return joined([Births._make(part) for part in parts])


def joined(parts: list[Births]) -> Births:
    """Several sets of births as one."""
    return Births._make(np.concatenate(column) for column in zip(*parts, strict=True))


def between(births: Births, begin: int, end: int) -> Births:
    """The births of the time from `begin` up to `end`."""
    during = np.flatnonzero((births.time >= begin) & (births.time < end))
    return Births._make(column[during] for column in births)


@njit(cache=True)
def _birth_counts(cells, role, key, table):
    counts = np.empty((cells.ix1 - cells.ix0) * (cells.iy1 - cells.iy0), np.int64)
    c = 0
    for iy in range(cells.iy0, cells.iy1):
        for ix in range(cells.ix0, cells.ix1):
            counts[c] = lookup(table, words(0, ix, iy, role, key)[0])
            c += 1
    return counts


@njit(cache=True)
def _births(cells, role, key, counts, begin, slab_bits, longer_words, alive_at):
    """Columns of the births of one slab that are alive at a time or born after it."""
    room = 0
    for count in counts:
        room += count
    time, death = np.empty(room, np.int64), np.empty(room, np.int64)
    x, y = np.empty(room, np.int64), np.empty(room, np.int64)
    accept, birth = np.empty(room, np.uint64), np.empty(room, np.uint64)
    shift, time_shift = np.uint64(64 - CELL_BITS), np.uint64(64 - TIME_BITS - slab_bits)
    unit = float(1 << TIME_BITS)
    n, c = 0, 0
    for iy in range(cells.iy0, cells.iy1):
        for ix in range(cells.ix0, cells.ix1):
            for number in range(counts[c]):
                wx, wy, when, decides = words(2 * number + 1, ix, iy, role, key)
                life, ident = _lifetime(ix, iy, role, number, key, longer_words)
                born = (begin << TIME_BITS) + np.int64(when >> time_shift)
                dies = born + np.int64(math.floor(life * unit)) + 1
                if dies > alive_at:
                    time[n], death[n] = born, dies
                    x[n] = (ix << CELL_BITS) | np.int64(wx >> shift)
                    y[n] = (iy << CELL_BITS) | np.int64(wy >> shift)
                    accept[n], birth[n] = decides, ident
                    n += 1
            c += 1
    return time[:n], death[:n], x[:n], y[:n], accept[:n], birth[:n]


@njit(cache=True)
def _lifetime(ix, iy, role, number, key, longer_words):
    """Lifetime and birth word; up to SHORT, or beyond it where `longer_words` is 0."""
    life_word, ident, _, _ = words(2 * number + 2, ix, iy, role, key)
    attempt = 0
    while life_word < longer_words:  # longer lives have their own slabs
        attempt += 1
        block = np.uint64(2 * number + 2) | (np.uint64(attempt) << np.uint64(32))
        life_word, ident, _, _ = words(block, ix, iy, role, key)
    life = exponential(life_word)
    return (life if longer_words > 0 else SHORT + life), ident
