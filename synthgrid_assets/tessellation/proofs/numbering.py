"""Small numbers for equal things: places and pairs, found in tables of their hashes.

Belongs here: the tables that checks of rows look things up in. Not here: what the checks
claim (`verification`, `cell_verification`).

Tables have open addresses, so that a look-up is one or two reads of memory: several times
faster than sorting. Hashes decide how fast an answer comes and never which, and no product
in them leaves 63 bits, so they are the same where numba is switched off.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit

_31_BITS = (1 << 31) - 1
_FIRST, _SECOND = 0x5BD1E995, 0x1B873593  # odd, below 2**31


@njit(inline="always")
def _hash(a, b):
    """A number in [0, 2**63) of two integers of any size."""
    a, b = (a ^ (a >> 31)) & _31_BITS, (b ^ (b >> 31)) & _31_BITS
    mixed = a * _FIRST + b * _SECOND
    return mixed ^ (mixed >> 23) ^ (mixed >> 41)


@njit(cache=True)
def new_table(entries):
    """An empty table for so many entries: at most half full, a power of two."""
    size = 16
    while size < 2 * entries:
        size *= 2
    return np.full(size, -1, np.int32)


@njit(inline="always")
def slot_of(table, a, b, firsts, seconds):
    """Where the table has the pair (a, b), or where it belongs.

    An entry e of the table stands for the pair ``(firsts[e], seconds[e])``.
    """
    mask = table.size - 1
    slot = _hash(a, b) & mask
    entry = table[slot]
    while entry >= 0 and (firsts[entry] != a or seconds[entry] != b):
        slot = (slot + 1) & mask
        entry = table[slot]
    return slot


@njit(cache=True)
def numbered_pairs(a, b):
    """A number for each pair of integers, by first appearance, and how many there are."""
    numbers = np.empty(a.size, np.int64)
    pairs = np.empty((a.size, 2), np.int64)  # side by side: one read of memory
    # equal pairs are the rule, and a table that fits in a near cache is twice as fast
    table = new_table(a.size // 4)
    done, count = _number(a, b, 0, table, 0, pairs, numbers)
    while done < a.size:
        table = _wider(table, count, pairs)
        done, count = _number(a, b, done, table, count, pairs, numbers)
    return numbers, count


@njit(cache=True)
def _number(a, b, start, table, count, pairs, numbers):
    """Number pairs until the table is half full: how far, and how many there are by then."""
    firsts, seconds = pairs[:, 0], pairs[:, 1]
    for i in range(start, a.size):
        slot = slot_of(table, a[i], b[i], firsts, seconds)
        if table[slot] < 0:
            if 2 * count >= table.size:
                return i, count
            table[slot] = count
            firsts[count], seconds[count] = a[i], b[i]
            count += 1
        numbers[i] = table[slot]
    return a.size, count


@njit(cache=True)
def _wider(table, count, pairs):
    """A table twice as wide with the same entries."""
    wider = np.full(2 * table.size, -1, np.int32)
    firsts, seconds = pairs[:, 0], pairs[:, 1]
    for entry in range(count):
        wider[slot_of(wider, firsts[entry], seconds[entry], firsts, seconds)] = entry
    return wider


def first_of(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of `numbered_pairs` stand for the first time.

    Examples
    --------
    >>> first_of(np.array([0, 1, 0, 2, 2])).tolist()
    [True, True, False, True, False]
    """
    first = np.ones(numbers.size, np.bool_)
    first[1:] = numbers[1:] > np.maximum.accumulate(numbers)[:-1]
    return first


@njit(cache=True)
def degrees_of(numbers):
    """How often each small number stands among others."""
    degree = np.zeros(numbers.max() + 1 if numbers.size else 0, np.int32)
    for i in range(numbers.size):
        degree[numbers[i]] += 1
    return degree


@njit(inline="always")
def sparser(u, v, degree):
    """The end of an edge that fewer edges have; its chain is the edge's.

    In a planar graph such chains are short, however many edges meet in one place: added up over all
    edges, the smaller of two degrees is at most six times as many (Chiba, Nishizeki 1985).
    Without a branch, which nobody could guess.
    """
    is_first = (degree[u] < degree[v]) | ((degree[u] == degree[v]) & (u < v))
    return v + (u - v) * is_first
