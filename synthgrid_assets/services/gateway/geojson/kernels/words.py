"""Unaligned words in byte buffers, and the bit tricks that read eight characters at a time.

Belongs here: loads, stores and searches on eight bytes, without any knowledge of JSON. Not
here: what the characters mean (`numbers`, `values`).

Buffers must be readable eight bytes beyond the last position that is asked for; the reader
keeps a margin of zeros there. Words are little-endian, like the WKB that is written; on other
machines the reader takes the Python parser.
"""

from __future__ import annotations

import sys

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

from synthgrid_assets.kernels import njit

MARGIN = 64  # zero bytes that a buffer keeps behind its last byte
COMPILED = sys.byteorder == "little" and not getattr(config, "DISABLE_JIT", False)

_ONES = 0x0101010101010101
_HIGHS = 0x8080808080808080
_I8 = ir.IntType(8)
_I64 = ir.IntType(64)


def _address(context, builder, array_type, array, position):
    data = context.make_array(array_type)(context, builder, array).data
    return cgutils.pointer_add(builder, data, position)


def _loader(width, result):
    @intrinsic
    def load(typing_context, array, position):
        def generate(context, builder, signature, args):
            kind = ir.DoubleType() if result is types.float64 else ir.IntType(width)
            place = _address(context, builder, signature.args[0], args[0], args[1])
            value = builder.load(builder.bitcast(place, kind.as_pointer()), align=1)
            return value if width == 64 else builder.zext(value, _I64)

        return result(array, types.int64), generate

    return load


def _storer(width, argument):
    @intrinsic
    def store(typing_context, array, position, value):
        def generate(context, builder, signature, args):
            kind = ir.DoubleType() if argument is types.float64 else ir.IntType(width)
            place = _address(context, builder, signature.args[0], args[0], args[1])
            value = args[2]
            if width < 64:
                value = builder.trunc(value, kind)
            builder.store(value, builder.bitcast(place, kind.as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(array, types.int64, argument), generate

    return store


byte_at = _loader(8, types.int64)
word_at = _loader(64, types.uint64)
double_at = _loader(64, types.float64)
put_byte = _storer(8, types.int64)
put_word32 = _storer(32, types.int64)
put_double = _storer(64, types.float64)


def _zeros(at_the_end):
    @intrinsic
    def zeros(typing_context, value):
        def generate(context, builder, signature, args):
            of_zero = ir.Constant(ir.IntType(1), 0)  # 64 for 0
            return (builder.cttz if at_the_end else builder.ctlz)(args[0], of_zero)

        return types.int64(types.uint64), generate

    return zeros


def _product_high():
    @intrinsic
    def high(typing_context, a, b):
        def generate(context, builder, signature, args):
            wide = ir.IntType(128)
            product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
            return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), _I64)

        return types.uint64(types.uint64, types.uint64), generate

    return high


trailing_zeros = _zeros(True)  # zero bits below the lowest one bit of a uint64
leading_zeros = _zeros(False)  # zero bits above the highest one bit
product_high = _product_high()  # the upper 64 bits of a product of two uint64


@njit(forceinline=True)
def digits_in(word):
    """How many of a word's first characters are decimal digits (0 to 8).

    A byte minus "0" is above 9 exactly when adding 0x76 sets its high bit, or it had it set.
    A carry can only come from a byte that is no digit, so the first one found is exact.
    """
    zeroed = word ^ types.uint64(0x3030303030303030)
    marks = ((zeroed + types.uint64(0x7676767676767676)) | zeroed) & types.uint64(_HIGHS)
    return trailing_zeros(marks) >> 3


@njit(forceinline=True)
def digits_value(word, count):
    """The number that a word's first `count` (1 to 8) digits spell.

    The digits are shifted to the end, which puts zeros in front, then pairs, quadruples and
    all eight are joined by one multiplication each (Lemire 2019, simdjson).
    """
    value = (word ^ types.uint64(0x3030303030303030)) << types.uint64(8 * (8 - count))
    value = (value & types.uint64(0x0F0F0F0F0F0F0F0F)) * types.uint64(2561) >> types.uint64(8)
    value = (value & types.uint64(0x00FF00FF00FF00FF)) * types.uint64(6553601) >> types.uint64(16)
    value = (value & types.uint64(0x0000FFFF0000FFFF)) * types.uint64(42949672960001)
    return value >> types.uint64(32)


@njit(forceinline=True)
def plain_text_in(word):
    """How many of a word's first characters need no look in a JSON string (0 to 8).

    Those that do: the quote, the backslash, control characters and bytes above 0x7F. A borrow
    can only come from a byte that is one of them, so the first one found is exact.
    """
    quote = word ^ types.uint64(0x2222222222222222)
    backslash = word ^ types.uint64(0x5C5C5C5C5C5C5C5C)
    marks = word - types.uint64(0x2020202020202020)
    marks |= (quote - types.uint64(_ONES)) | (backslash - types.uint64(_ONES)) | word
    return trailing_zeros(marks & types.uint64(_HIGHS)) >> 3
