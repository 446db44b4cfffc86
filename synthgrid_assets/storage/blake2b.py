"""BLAKE2b-256 of many short messages at once, eight side by side.

Belongs here: the hash alone, equal to `hashlib`'s bit for bit. Not here: what is hashed
(`digest`).

One core hashes eight messages in the lanes of its vector registers, where it has them; the
compiler makes what the machine has of vectors of eight words. Saarinen and Aumasson (2015),
The BLAKE2 cryptographic hash and message authentication code, RFC 7693.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit

BYTES = 32
_LANES = 8
_BLOCK = 16  # words
_IV = (
    0x6A09E667F3BCC908,
    0xBB67AE8584CAA73B,
    0x3C6EF372FE94F82B,
    0xA54FF53A5F1D36F1,
    0x510E527FADE682D1,
    0x9B05688C2B3E6C1F,
    0x1F83D9ABFB41BD6B,
    0x5BE0CD19137E2179,
)
_SIGMA = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0),
)
_ROUNDS = 12
_QUARTERS = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)
_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, _LANES)


def first_state(person: bytes) -> NDArray[np.uint64]:
    """The state before the first block: no key, no salt, 32 bytes to come, shape (8,)."""
    parameters = struct.pack("<Q40x16s", BYTES | 1 << 16 | 1 << 24, person)
    words: NDArray[np.uint64] = np.frombuffer(parameters, np.uint64)
    return np.bitwise_xor(words, np.array(_IV, np.uint64))


def sum_of_hashes(
    stream: NDArray[np.int64], begins: NDArray[np.int64], person: bytes
) -> NDArray[np.uint64]:
    """Sums of the 32-bit limbs of the hashes of consecutive messages, shape (8,).

    Parameters
    ----------
    stream : ndarray of int64, shape (n,)
        The messages' words, little endian.
    begins : ndarray of int64, shape (k,)
        First word of each message, ascending; each has one at least.
    person : bytes
        16 of them.

    Examples
    --------
    >>> import hashlib
    >>> words = np.arange(5)
    >>> limbs = sum_of_hashes(words, np.array([0]), bytes(16))
    >>> hash = hashlib.blake2b(words.astype("<i8").tobytes(), digest_size=32, person=bytes(16))
    >>> limbs.astype("<u4").tobytes() == hash.digest()
    True
    """
    ends = np.append(begins[1:], stream.size)
    # messages of one length side by side keep all lanes busy
    order = np.argsort(-(-(ends - begins) // _BLOCK), kind="stable")
    return np.asarray(
        _sums(stream.view(np.uint64), begins[order], ends[order], first_state(person))
    )


@njit(cache=True)
def _sums(stream, begins, ends, first):
    sums = np.zeros(8, np.uint64)
    state = np.empty(8 * _LANES, np.uint64)
    block = np.empty(_BLOCK * _LANES, np.uint64)
    count, last = np.zeros(_LANES, np.uint64), np.zeros(_LANES, np.uint64)
    for group in range(0, begins.size, _LANES):
        width = min(_LANES, begins.size - group)
        blocks = 0
        for lane in range(_LANES):
            if lane < width:
                words = ends[group + lane] - begins[group + lane]
                blocks = max(blocks, (words + _BLOCK - 1) // _BLOCK)
            for word in range(8):
                state[word * _LANES + lane] = first[word]
        for number in range(blocks):
            for lane in range(width):
                start, end = begins[group + lane] + number * _BLOCK, ends[group + lane]
                for word in range(_BLOCK):
                    at = start + word
                    block[word * _LANES + lane] = stream[at] if at < end else np.uint64(0)
                hashed = min(start + _BLOCK, end) - begins[group + lane]
                count[lane] = np.uint64(8 * hashed)
                last[lane] = (
                    np.uint64(0xFFFFFFFFFFFFFFFF) if start + _BLOCK >= end else np.uint64(0)
                )
            _compress(state, block, count, last)  # type: ignore
            for lane in range(width):
                start, end = begins[group + lane] + number * _BLOCK, ends[group + lane]
                if start < end <= start + _BLOCK:
                    for word in range(4):
                        value = state[word * _LANES + lane]
                        sums[2 * word] += value & np.uint64(0xFFFFFFFF)
                        sums[2 * word + 1] += value >> np.uint64(32)
    return sums


@intrinsic
def _compress(typing_context: Any, state: Any, block: Any, count: Any, last: Any) -> Any:
    """The compression function on eight lanes; changes the state."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointers = [
            builder.bitcast(
                context.make_array(kind)(context, builder, arg).data, _VECTOR.as_pointer()
            )
            for kind, arg in zip(signature.args, args, strict=True)
        ]

        def at(pointer: Any, place: int) -> Any:
            return builder.gep(pointer, [ir.Constant(ir.IntType(64), place)])

        def loaded(pointer: Any, place: int) -> Any:
            value = builder.load(at(pointer, place))
            value.align = 8
            return value

        before = [loaded(pointers[0], word) for word in range(8)]
        message = [loaded(pointers[1], word) for word in range(_BLOCK)]
        v = [*before, *(_constant(word) for word in _IV)]
        v[12] = builder.xor(v[12], loaded(pointers[2], 0))
        v[14] = builder.xor(v[14], loaded(pointers[3], 0))
        for number in range(_ROUNDS):
            order = _SIGMA[number % len(_SIGMA)]
            for quarter, places in enumerate(_QUARTERS):
                x, y = (message[order[2 * quarter + k]] for k in (0, 1))
                _mix(builder, v, places, x, y)
        for word in range(8):
            mixed = builder.xor(before[word], builder.xor(v[word], v[word + 8]))
            stored = builder.store(mixed, at(pointers[0], word))
            stored.align = 8
        return context.get_dummy_value()

    words = types.Array(types.uint64, 1, "C")
    return types.void(words, words, words, words), generate


def _mix(builder: Any, v: list[Any], places: tuple[int, int, int, int], x: Any, y: Any) -> None:
    """The function G of the hash on four words of the work vector."""
    a, b, c, d = places
    for word, first, second in ((x, 32, 24), (y, 16, 63)):
        v[a] = builder.add(builder.add(v[a], v[b]), word)
        v[d] = _rotated(builder, builder.xor(v[d], v[a]), first)
        v[c] = builder.add(v[c], v[d])
        v[b] = _rotated(builder, builder.xor(v[b], v[c]), second)


def _rotated(builder: Any, value: Any, by: int) -> Any:
    right = builder.lshr(value, _constant(by))
    return builder.or_(right, builder.shl(value, _constant(64 - by)))


def _constant(word: int) -> Any:
    return ir.Constant(_VECTOR, [ir.Constant(_WORD, word)] * _LANES)
