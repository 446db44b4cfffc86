"""JSON numbers to the nearest double, from bytes, without a call per character.

Belongs here: the grammar of a JSON number and its correctly rounded value. Not here: what a
number stands for (`positions`), and the rare numbers that are left to Python (more than 19
digits, huge exponents).

Up to 2**53 and 10**22 one division or multiplication of exact doubles rounds once (Clinger
1990). Beyond, the product with a truncated 128-bit power of ten is rounded, and refused in the
few cases in which the bits that were cut off could matter (Lemire 2021, "Number parsing at a
gigabyte per second").
"""

from __future__ import annotations

import numpy as np
from numba import types

from synthgrid_assets.kernels import njit
from synthgrid_assets.services.gateway.geojson.kernels.words import (
    byte_at,
    digits_in,
    digits_value,
    leading_zeros,
    product_high,
    word_at,
)

_LOWEST, _HIGHEST = -60, 60  # powers of ten in the table
_MOST_DIGITS = 19  # below 2**64
_EXACT = 1 << 53

_TENS = np.array([10**k for k in range(20)], dtype=np.uint64)
_DOUBLE_TENS = np.array([float(10**k) for k in range(23)])


def _powers():
    """The leading 128 bits of each power of ten, rounded down: (high, low) words."""
    high, low = [], []
    for k in range(_LOWEST, _HIGHEST + 1):
        scaled = 10**k << 512 if k >= 0 else (1 << 1024) // 10**-k
        mantissa = scaled >> (scaled.bit_length() - 128)
        high.append(mantissa >> 64)
        low.append(mantissa & ((1 << 64) - 1))
    return np.array(high, np.uint64), np.array(low, np.uint64)


_HIGH, _LOW = _powers()


@njit(cache=True)
def _rounded(mantissa, exponent):
    """``mantissa * 10**exponent`` as the nearest double, and whether that is certain."""
    shift = leading_zeros(mantissa)
    man = mantissa << np.uint64(shift)
    binary = (217706 * exponent >> 16) + 64 + 1023 - shift
    power_high, power_low = _HIGH[exponent - _LOWEST], _LOW[exponent - _LOWEST]
    tail = np.uint64(0x1FF)
    high, low = product_high(man, power_high), man * power_high
    if high & tail == tail and low + man < man:
        more_high, more_low = product_high(man, power_low), man * power_low
        merged = low + more_high
        if merged < low:
            high += np.uint64(1)
        low = merged
        if high & tail == tail and low + np.uint64(1) == 0 and more_low + man < man:
            return 0.0, False
    top = high >> np.uint64(63)
    bits = high >> (top + np.uint64(9))
    binary -= 1 ^ np.int64(top)
    if low == 0 and high & tail == 0 and bits & np.uint64(3) == 1:
        return 0.0, False  # half-way between two doubles, as far as can be seen
    bits += bits & np.uint64(1)
    bits >>= np.uint64(1)
    if bits >> np.uint64(53) > 0:
        bits >>= np.uint64(1)
        binary += 1
    # binary is far from 1 and 2046: at most 20 digits and 60 powers of ten
    word = np.uint64((np.uint64(binary) << np.uint64(52)) | (bits & np.uint64((1 << 52) - 1)))
    return word.view(np.float64), True


@njit(forceinline=True)
def decimal(mantissa, exponent):
    """``mantissa * 10**exponent`` as the nearest double, and whether that is certain."""
    if mantissa <= np.uint64(_EXACT):
        if -22 <= exponent <= 0:
            return types.float64(mantissa) / _DOUBLE_TENS[-exponent], True
        if 0 < exponent <= 22:
            return types.float64(mantissa) * _DOUBLE_TENS[exponent], True
    if exponent < _LOWEST or exponent > _HIGHEST:
        return 0.0, False
    if mantissa == 0:
        return 0.0, True
    return _rounded(mantissa, exponent)


@njit(cache=True)
def _exponent(b, p):
    """The signed exponent whose sign or first digit stands at p: (position, value)."""
    negative = byte_at(b, p) == 45
    if negative or byte_at(b, p) == 43:
        p += 1
    first, value = p, 0
    while 48 <= byte_at(b, p) <= 57:
        value = min(value * 10 + byte_at(b, p) - 48, 100_000)
        p += 1
    if p == first:
        return -1 - p, 0
    return p, -value if negative else value


@njit(cache=True)
def _long_run(b, p, value):
    """A run of digits that goes on at p: (position, value, digits read)."""
    first = p
    while 48 <= byte_at(b, p) <= 57:
        value = value * np.uint64(10) + np.uint64(byte_at(b, p) - 48)
        p += 1
    return p, value, p - first


@njit(cache=True)
def number(b, p):
    """Read the number at p.

    Parameters
    ----------
    b : ndarray of uint8
    p : int64
        At its first character.

    Returns
    -------
    position : int64
        Behind it; ``-1 - q`` when it is no JSON number, or one that is left to Python, where
        q is the place at which that was seen.
    value : float64
    """
    negative = byte_at(b, p) == 45
    if negative:
        p += 1
    word = word_at(b, p)
    count = digits_in(word)
    if count == 0 or (count > 1 and byte_at(b, p) == 48):
        return -1 - p, 0.0
    mantissa = digits_value(word, count)
    p += count
    digits = count
    if count == 8:
        p, mantissa, more = _long_run(b, p, mantissa)
        digits += more
    exponent = 0
    whole = True
    if byte_at(b, p) == 46:
        p += 1
        whole = False
        word = word_at(b, p)
        count = digits_in(word)
        if count == 0:
            return -1 - p, 0.0
        mantissa = mantissa * _TENS[count] + digits_value(word, count)
        p += count
        exponent -= count
        if count == 8:
            word = word_at(b, p)
            count = digits_in(word)
            if count > 0:
                mantissa = mantissa * _TENS[count] + digits_value(word, count)
                p += count
                exponent -= count
                if count == 8:
                    p, mantissa, more = _long_run(b, p, mantissa)
                    exponent -= more
        digits -= exponent
    if byte_at(b, p) | 32 == 101:
        whole = False
        p, power = _exponent(b, p + 1)
        if p < 0:
            return p, 0.0
        exponent += power
    if digits > _MOST_DIGITS:
        return -1 - p, 0.0
    value, certain = decimal(mantissa, exponent)
    if not certain:
        return -1 - p, 0.0
    if negative and not (whole and mantissa == 0):  # JSON's integer -0 is the integer 0
        value = -value
    return p, value
