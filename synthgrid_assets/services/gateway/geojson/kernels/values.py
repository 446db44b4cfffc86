"""Strict validation of JSON values in bytes: strings, keys, numbers, arrays, objects.

Belongs here: RFC 8259's grammar with I-JSON's care (RFC 7493: no duplicate names, no lone
surrogates), as kernels that say yes or "not certain". Not here: the reasons why a text is
refused; what these kernels do not accept goes to `strict`, which names them.

A kernel gets the position of a value's first character and returns the position behind it, or
``-1 - q`` where it stopped at q. It never reads further than `words.MARGIN` behind the data.
"""

from __future__ import annotations

import numpy as np

from synthgrid_assets.kernels import njit
from synthgrid_assets.services.gateway.geojson.kernels.words import byte_at, plain_text_in, word_at

MOST_DEPTH = 24  # of arrays and objects within a value that kernels accept
MOST_NAMES = 256  # names at once in the open objects of a value
_MOST_DIGITS = 300  # a number with more, or a longer exponent, may be out of range

# what a value is checked with: (depth, 2) open objects and (names, 2) their names
STACK_SHAPE = (MOST_DEPTH + 1, 2)
NAMES_SHAPE = (MOST_NAMES, 2)


@njit(forceinline=True)
def skip_space(b, p):
    """The position of the next character that is no white space."""
    c = byte_at(b, p)
    if c > 32:
        return p
    while c == 32 or c == 10 or c == 13 or c == 9:
        p += 1
        c = byte_at(b, p)
    return p


@njit(cache=True)
def _hex4(b, p):
    value = 0
    for k in range(4):
        c = byte_at(b, p + k)
        if 48 <= c <= 57:
            value = value * 16 + c - 48
        elif 97 <= c | 32 <= 102:
            value = value * 16 + (c | 32) - 87
        else:
            return -1
    return value


@njit(cache=True)
def _escape(b, p):
    """Behind the escape whose backslash is at p; surrogates must come in pairs."""
    c = byte_at(b, p + 1)
    if c == 117:
        code = _hex4(b, p + 2)
        if code < 0 or 0xDC00 <= code <= 0xDFFF:
            return -1 - p
        if 0xD800 <= code <= 0xDBFF:
            if byte_at(b, p + 6) != 92 or byte_at(b, p + 7) != 117:
                return -1 - p
            low = _hex4(b, p + 8)
            return p + 12 if 0xDC00 <= low <= 0xDFFF else -1 - p
        return p + 6
    if c == 34 or c == 92 or c == 47 or c == 98 or c == 102 or c == 110 or c == 114 or c == 116:
        return p + 2
    return -1 - p


@njit(cache=True)
def _multibyte(b, p):
    """Behind the UTF-8 sequence at p, of the well-formed ones (Unicode 16, table 3-7)."""
    c = byte_at(b, p)
    d = byte_at(b, p + 1)
    if 0xC2 <= c <= 0xDF:
        return p + 2 if d & 0xC0 == 0x80 else -1 - p
    if byte_at(b, p + 2) & 0xC0 != 0x80:
        return -1 - p
    if 0xE0 <= c <= 0xEF:
        low = 0xA0 if c == 0xE0 else 0x80
        high = 0x9F if c == 0xED else 0xBF
        return p + 3 if low <= d <= high else -1 - p
    if 0xF0 <= c <= 0xF4 and byte_at(b, p + 3) & 0xC0 == 0x80:
        low = 0x90 if c == 0xF0 else 0x80
        high = 0x8F if c == 0xF4 else 0xBF
        return p + 4 if low <= d <= high else -1 - p
    return -1 - p


@njit(cache=True)
def string_end(b, p):
    """Behind the string whose opening quote is at p."""
    p += 1
    while True:
        count = plain_text_in(word_at(b, p))
        p += count
        if count == 8:
            continue
        c = byte_at(b, p)
        if c == 34:
            return p + 1
        if c == 92:
            p = _escape(b, p)
        elif c >= 0x80:
            p = _multibyte(b, p)
        else:
            return -1 - p
        if p < 0:
            return p


@njit(cache=True)
def has_escape(b, p, q):
    """Whether a backslash stands in p..q."""
    for k in range(p, q):  # noqa: SIM110 (kernels have no generators)
        if byte_at(b, k) == 92:
            return True
    return False


@njit(cache=True)
def _plain_number_end(b, p):
    """Behind the number at p, when its magnitude is surely that of a double."""
    if byte_at(b, p) == 45:
        p += 1
    first = p
    while 48 <= byte_at(b, p) <= 57:
        p += 1
    if p == first or p - first > _MOST_DIGITS or (p - first > 1 and byte_at(b, first) == 48):
        return -1 - p
    if byte_at(b, p) == 46:
        p += 1
        first = p
        while 48 <= byte_at(b, p) <= 57:
            p += 1
        if p == first:
            return -1 - p
    if byte_at(b, p) | 32 == 101:
        p += 1
        if byte_at(b, p) == 43 or byte_at(b, p) == 45:
            p += 1
        digits = p
        while 48 <= byte_at(b, p) <= 57:
            p += 1
        if p == digits or p - digits > 2 or digits - first > 200:
            return -1 - p
    return p


@njit(cache=True)
def _scalar_end(b, p):
    c = byte_at(b, p)
    if c == 34:
        return string_end(b, p)
    if c == 45 or 48 <= c <= 57:
        return _plain_number_end(b, p)
    word = word_at(b, p) & np.uint64(0xFFFFFFFF)
    if word == np.uint64(0x65757274):  # true
        return p + 4
    if word == np.uint64(0x6C6C756E):  # null
        return p + 4
    if word == np.uint64(0x736C6166) and byte_at(b, p + 4) == 101:  # false
        return p + 5
    return -1 - p


@njit(cache=True)
def _same(b, p, q, count):
    for k in range(count):  # noqa: SIM110
        if byte_at(b, p + k) != byte_at(b, q + k):
            return False
    return True


@njit(cache=True)
def new_name(b, p, q, names, first, used):
    """Whether the name at p..q (quotes included) is new among ``names[first:used]``.

    1 and it is written to ``names[used]``; 0 for a duplicate, an escaped name or no room.
    """
    if used >= MOST_NAMES or has_escape(b, p, q):
        return 0
    for k in range(first, used):
        if names[k, 1] == q - p and _same(b, names[k, 0], p, q - p):
            return 0
    names[used, 0] = p
    names[used, 1] = q - p
    return 1


@njit(cache=True)
def value_end(b, p, stack, names):
    """Behind the JSON value at p.

    Parameters
    ----------
    b : ndarray of uint8
    p : int64
        At the value's first character.
    stack, names : ndarray of int64, shapes `STACK_SHAPE` and `NAMES_SHAPE`
        Scratch.

    Returns
    -------
    int64
        The position, or ``-1 - q`` for a value that is wrong or unusual at q.
    """
    depth = 0
    used = 0
    while True:  # a value starts at p
        c = byte_at(b, p)
        opened = False
        if c == 123 or c == 91:
            depth += 1
            if depth > MOST_DEPTH:
                return -1 - p
            stack[depth, 0] = c
            stack[depth, 1] = used
            p = skip_space(b, p + 1)
            opened = byte_at(b, p) != c + 2
        else:
            p = _scalar_end(b, p)
            if p < 0:
                return p
            if depth == 0:
                return p
        if not opened:  # a value, or an empty array or object, ends: what follows it?
            while True:
                p = skip_space(b, p)
                d = byte_at(b, p)
                if d == 44:
                    p = skip_space(b, p + 1)
                    break
                if d != stack[depth, 0] + 2:
                    return -1 - p
                p += 1
                used = stack[depth, 1]
                depth -= 1
                if depth == 0:
                    return p
        if stack[depth, 0] == 123:
            if byte_at(b, p) != 34:
                return -1 - p
            q = string_end(b, p)
            if q < 0:
                return q
            if not new_name(b, p, q, names, stack[depth, 1], used):
                return -1 - p
            used += 1
            p = skip_space(b, q)
            if byte_at(b, p) != 58:
                return -1 - p
            p = skip_space(b, p + 1)
