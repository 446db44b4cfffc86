"""Small numbers for equal things: places and pairs, found in tables of their hashes.

Belongs here: the tables that checks of rows look things up in. Not here: what the checks
claim (`verification`, `cell_verification`).

Tables have open addresses, so that a look-up is one or two reads of memory: several times
faster than sorting. Hashes decide how fast an answer comes and never which, and no product
in them leaves 63 bits, so they are the same where numba is switched off.
"""

from __future__ import annotations

import numpy as np
from numba import njit

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
    slot = _hash(a, b) & (table.size - 1)
    while table[slot] >= 0 and (firsts[table[slot]] != a or seconds[table[slot]] != b):
        slot = (slot + 1) & (table.size - 1)
    return slot


@njit(cache=True)
def numbered_pairs(a, b):
    """A number for each pair of integers, by first appearance, and how many there are."""
    numbers = np.empty(a.size, np.int64)
    first_a, first_b = np.empty(a.size, np.int64), np.empty(a.size, np.int64)
    table, count = new_table(a.size), 0
    for i in range(a.size):
        slot = slot_of(table, a[i], b[i], first_a, first_b)
        if table[slot] < 0:
            table[slot] = count
            first_a[count], first_b[count] = a[i], b[i]
            count += 1
        numbers[i] = table[slot]
    return numbers, count


@njit(cache=True)
def among(few, many):
    """Which of a few integers are among many others, shape of `few`."""
    numbers, count = numbered_pairs(few, few)
    firsts = np.empty(count, np.int64)
    for i in range(few.size):
        firsts[numbers[i]] = few[i]
    table, found = new_table(count), np.zeros(count, np.bool_)
    for number in range(count):
        table[slot_of(table, firsts[number], firsts[number], firsts, firsts)] = number
    for i in range(many.size):
        number = table[slot_of(table, many[i], many[i], firsts, firsts)]
        if number >= 0:
            found[number] = True
    return found[numbers]
