"""Keyed random words: any cell's numbers in any order, from a counter and a key.

Belongs here: stream keys, roles, the Philox generator and table look-up. Not here: what
the words become (`exact_math`, `processes`, `marks`).

A word's address is ``(block, ix, iy, role)`` under a 128-bit key. Nothing is sequential,
so no stream is ever skipped, split or stored, and a tile is never a source of randomness.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic
from numpy.typing import ArrayLike, NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.kernels import njit

Key = tuple[np.uint64, np.uint64]

# A role is the top byte of a counter's last word: two uses of one cell never share a word.
# The low 56 bits are free for a number, as that of the parent within its cell.
POINT, PARENT, OFFSPRING, OFFSPRING_TAIL = (np.uint64(role << 56) for role in (1, 2, 3, 4))
NOISE, PIXEL, ALIVE, DEAD = (np.uint64(role << 56) for role in (5, 6, 7, 8))
INTERACTION, PRIORITY, SPLIT = (np.uint64(role << 56) for role in (9, 11, 12))

_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
_ROUNDS = 10
_SHORT = 64  # entries of a table that are counted faster than searched
_CHUNK = 1 << 15  # counters per pass of `philox_numpy`: its temporaries stay in the cache
_WORD = (1 << 64) - 1
_INTERPRETED = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]


def stream_key(*parts: int | str | bytes) -> Key:
    """The 128-bit key of a stream: BLAKE2b of its parts.

    Each part is tagged with its type and prefixed with its length, so that different
    parts never hash the same bytes.

    Parameters
    ----------
    *parts : int, str or bytes
        As world seed, layer, component and the component's version hash. Integers must
        fit 128 bits.

    Returns
    -------
    tuple of two uint64

    Raises
    ------
    SpecError
        If a part has another type (a float has no one text form) or does not fit.

    Examples
    --------
    >>> stream_key("riverton", "cafes") == stream_key("riverton", "cafes")
    True
    >>> stream_key("1") == stream_key(1)
    False
    """
    digest = hashlib.blake2b(digest_size=16, person=b"synthgrid.v1")
    for part in parts:
        tagged = _tagged(part)
        digest.update(struct.pack("<I", len(tagged)) + tagged)
    first, second = struct.unpack("<QQ", digest.digest())
    return np.uint64(first), np.uint64(second)


def own_stream(key: Key, name: str) -> Key:
    """Key of a stream beside a layer's own `key`, which one product of the layer draws from.

    Parameters
    ----------
    key : tuple of two uint64
        Of the layer's process.
    name : str
    """
    return stream_key(name, *map(int, key))


def _tagged(part: int | str | bytes) -> bytes:
    if isinstance(part, str):
        return b"s" + part.encode()
    if isinstance(part, bytes):
        return b"b" + part
    if isinstance(part, (int, np.integer)) and not isinstance(part, bool):
        number = int(part)
        if -(1 << 127) <= number < 1 << 127:
            return b"i" + number.to_bytes(16, "little", signed=True)
        raise SpecError(f"stream key part {number} does not fit 128 bits; give it as text")
    raise SpecError(
        f"stream key part {part!r} is of type {type(part).__name__}; give int, str or bytes"
    )


@intrinsic
def _product(typing_context: Any, a: Any, b: Any) -> Any:
    """High and low 64 bits of the product of two 64-bit words."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide, word = ir.IntType(128), ir.IntType(64)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), word)
        return context.make_tuple(
            builder, signature.return_type, (high, builder.trunc(product, word))
        )

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), codegen


def philox_python(c0, c1, c2, c3, k0, k1):
    """Philox4x64-10 in Python integers: `philox` where numba is switched off."""
    c0, c1, c2, c3, k0, k1 = (int(word) & _WORD for word in (c0, c1, c2, c3, k0, k1))
    m0, m1, w0, w1 = int(_MULTIPLIER_0), int(_MULTIPLIER_1), int(_WEYL_0), int(_WEYL_1)
    for _ in range(_ROUNDS):
        first, second = m0 * c0, m1 * c2
        c0, c1, c2, c3 = (
            (second >> 64) ^ c1 ^ k0,
            second & _WORD,
            (first >> 64) ^ c3 ^ k1,
            first & _WORD,
        )
        k0, k1 = (k0 + w0) & _WORD, (k1 + w1) & _WORD
    return np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)


@njit(cache=True)
def philox_numba(c0, c1, c2, c3, k0, k1):
    """Philox4x64-10 of one counter, for kernels: four words."""
    for _ in range(_ROUNDS):
        high0, low0 = _product(_MULTIPLIER_0, c0)  # type: ignore
        high1, low1 = _product(_MULTIPLIER_1, c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0 = k0 + _WEYL_0
        k1 = k1 + _WEYL_1
    return c0, c1, c2, c3


# Scalar NumPy words warn when they wrap, and an intrinsic has no interpreted form.
philox = philox_python if _INTERPRETED else philox_numba


@njit(cache=True)
def words(block, ix, iy, role, key):
    """The four words at an address; `ix`, `iy` are signed cells, `block` not negative."""
    return philox(
        np.uint64(block),
        np.uint64(np.int64(ix)),
        np.uint64(np.int64(iy)),
        np.uint64(role),
        key[0],
        key[1],
    )


@njit(cache=True)
def lookup(table, word):
    """Number of entries of an ascending uint64 table that are not above `word`.

    With ``table[k] = floor(2**64 * P(N <= k))`` and a uniform word it is a draw of N.
    """
    if table.size <= _SHORT:
        # counting takes vector instructions and nothing that a processor mispredicts
        entries = 0
        for k in range(table.size):
            entries += table[k] <= word
        return entries
    low, high = 0, table.size
    while low < high:
        middle = (low + high) >> 1
        if table[middle] <= word:
            low = middle + 1
        else:
            high = middle
    return low


def philox_words(
    c0: ArrayLike, c1: ArrayLike, c2: ArrayLike, c3: ArrayLike, key: Key
) -> NDArray[np.uint64]:
    """Philox4x64-10 of many counters.

    Parameters
    ----------
    c0, c1, c2, c3 : array_like of int64 or uint64
        Counter words, least significant first; broadcast against each other, flattened.
        Negative integers are taken modulo 2**64.
    key : tuple of two uint64
        From `stream_key`.

    Returns
    -------
    ndarray of uint64, shape (4, n)

    References
    ----------
    Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3, SC'11.

    Examples
    --------
    >>> words = philox_words(0, 0, 0, 0, (np.uint64(0), np.uint64(0)))
    >>> [hex(word) for word in words[:2, 0]]
    ['0x16554d9eca36314c', '0xdb20fe9d672d0fdc']
    """
    if _INTERPRETED:
        return philox_numpy(c0, c1, c2, c3, key)
    counters = _counters(c0, c1, c2, c3)
    out = np.empty(counters.shape, np.uint64)
    _fill(counters, key, out)
    return out


@njit(cache=True)
def _fill(counters, key, out):
    for i in range(counters.shape[1]):
        a, b, c, d = philox(
            counters[0, i], counters[1, i], counters[2, i], counters[3, i], key[0], key[1]
        )
        out[0, i], out[1, i], out[2, i], out[3, i] = a, b, c, d


def philox_numpy(
    c0: ArrayLike, c1: ArrayLike, c2: ArrayLike, c3: ArrayLike, key: Key
) -> NDArray[np.uint64]:
    """`philox_words` in plain NumPy: the same bits, about ten times slower."""
    counters = _counters(c0, c1, c2, c3)
    out = np.empty(counters.shape, np.uint64)
    for start in range(0, counters.shape[1], _CHUNK):
        a, b, c, d = counters[:, start : start + _CHUNK]
        k0, k1 = int(key[0]), int(key[1])
        for _ in range(_ROUNDS):
            high0, low0 = wide_product(_MULTIPLIER_0, a)
            high1, low1 = wide_product(_MULTIPLIER_1, c)
            a, b, c, d = high1 ^ b ^ np.uint64(k0), low1, high0 ^ d ^ np.uint64(k1), low0
            k0, k1 = (k0 + int(_WEYL_0)) & _WORD, (k1 + int(_WEYL_1)) & _WORD
        out[:, start : start + _CHUNK] = a, b, c, d
    return out


def _counters(*words: ArrayLike) -> NDArray[np.uint64]:
    """Counter words side by side, shape (4, n)."""
    arrays = [np.asarray(word) for word in words]
    for array in arrays:
        if array.dtype.kind not in "iu":
            raise SpecError(f"counter words must be integers, got an array of {array.dtype}")
    flat = [word.ravel() for word in np.broadcast_arrays(*(a.astype(np.uint64) for a in arrays))]
    return np.stack(flat)


def wide_product(
    multiplier: np.uint64, words: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """High and low 64 bits of each product, from four products of 32-bit halves.

    Examples
    --------
    >>> high, low = wide_product(np.uint64(10), np.array([1 << 63], np.uint64))
    >>> int(high[0]), int(low[0])
    (5, 0)
    """
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    high_m, low_m = multiplier >> half, multiplier & mask
    high_w, low_w = words >> half, words & mask
    cross = high_w * low_m + ((low_w * low_m) >> half)
    other = low_w * high_m + (cross & mask)
    return high_w * high_m + (cross >> half) + (other >> half), words * multiplier
