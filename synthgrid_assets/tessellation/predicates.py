"""Exact geometric predicates on integer coordinates, and the 128-bit sums behind them.

Belongs here: signs and sums that must never be wrong, each with the theorem that makes it
so. Not here: what is done with the answers (`triangulation`, `circumcentres`, `halo`).

Coordinates are local: they differ by less than 2**30 from one another, so a difference has
30 bits and a sign, a product of two differences fits int64, and a product of two such
products fits 128 bits. No predicate uses floating point, so none needs a filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import llvmlite.ir as ir
import numpy as np
from numba import config, types
from numba.extending import intrinsic

from synthgrid_assets.kernels import njit

EXTENT_BITS = 30  # local coordinates lie in [0, 2**EXTENT_BITS)
VERTEX_BITS = 10  # a Voronoi vertex is a multiple of 2**-VERTEX_BITS quantum
AREA_BITS = 40  # a wide area is the pair (high, low) with value high * 2**AREA_BITS + low

_I64 = ir.IntType(64)
_I128 = ir.IntType(128)


def _sum_of_products(builder, args, signs):
    """``signs[0] * args[0] * args[1] + signs[1] * args[2] * args[3] ...`` in 128 bits."""
    wide = [builder.sext(arg, _I128) for arg in args]
    total = ir.Constant(_I128, 0)
    for k, sign in enumerate(signs):
        product = builder.mul(wide[2 * k], wide[2 * k + 1])
        total = builder.add(total, product) if sign > 0 else builder.sub(total, product)
    return total


def _sign(builder, value):
    zero = ir.Constant(_I128, 0)
    above = builder.zext(builder.icmp_signed(">", value, zero), _I64)
    below = builder.zext(builder.icmp_signed("<", value, zero), _I64)
    return builder.sub(above, below)


@intrinsic
def _dot3_sign_native(typing_context, a, b, c, d, e, f):
    def generate(context, builder, signature, args):
        return _sign(builder, _sum_of_products(builder, args, (1, 1, 1)))

    return types.int64(*[types.int64] * 6), generate


@intrinsic
def _cross_sign_native(typing_context, a, b, c, d):
    def generate(context, builder, signature, args):
        a, b, c, d = args
        return _sign(builder, _sum_of_products(builder, (a, d, b, c), (1, -1)))

    return types.int64(*[types.int64] * 4), generate


@intrinsic
def _cross_split_native(typing_context, a, b, c, d):
    def generate(context, builder, signature, args):
        a, b, c, d = args
        value = _sum_of_products(builder, (a, d, b, c), (1, -1))
        high = builder.trunc(builder.ashr(value, ir.Constant(_I128, AREA_BITS)), _I64)
        mask = ir.Constant(_I128, (1 << AREA_BITS) - 1)
        low = builder.trunc(builder.and_(value, mask), _I64)
        return context.make_tuple(builder, signature.return_type, (high, low))

    return types.UniTuple(types.int64, 2)(*[types.int64] * 4), generate


@intrinsic
def _rounding_step_native(typing_context, a, b, c, d, quotient, divisor):
    def generate(context, builder, signature, args):
        a, b, c, d, quotient, divisor = args
        numerator = _sum_of_products(builder, (a, b, c, d), (1, -1))
        scaled = builder.shl(numerator, ir.Constant(_I128, VERTEX_BITS + 1))
        wide = builder.sext(divisor, _I128)
        taken = builder.mul(builder.sext(quotient, _I128), builder.add(wide, wide))
        rest = builder.sub(scaled, taken)
        up = builder.zext(builder.icmp_signed(">=", rest, wide), _I64)
        down = builder.zext(builder.icmp_signed("<", rest, builder.neg(wide)), _I64)
        return builder.sub(up, down)

    return types.int64(*[types.int64] * 6), generate


def _dot3_sign_python(a, b, c, d, e, f):
    total = int(a) * int(b) + int(c) * int(d) + int(e) * int(f)
    return (total > 0) - (total < 0)


def _cross_sign_python(a, b, c, d):
    total = int(a) * int(d) - int(b) * int(c)
    return (total > 0) - (total < 0)


def _cross_split_python(a, b, c, d):
    total = int(a) * int(d) - int(b) * int(c)
    return total >> AREA_BITS, total & ((1 << AREA_BITS) - 1)


def _rounding_step_python(a, b, c, d, quotient, divisor):
    numerator = int(a) * int(b) - int(c) * int(d)
    rest = (numerator << (VERTEX_BITS + 1)) - 2 * int(quotient) * int(divisor)
    return int(rest >= divisor) - int(rest < -int(divisor))


# Without the compiler Python's own integers do the same sums; they are exact too.
if TYPE_CHECKING or config.DISABLE_JIT:
    _dot3_sign = _dot3_sign_python
    _cross_sign = _cross_sign_python
    _cross_split = _cross_split_python
    _rounding_step = _rounding_step_python
else:
    _dot3_sign = _dot3_sign_native
    _cross_sign = _cross_sign_native
    _cross_split = _cross_split_native
    _rounding_step = _rounding_step_native


@njit(inline="always")
def dot3_sign(a, b, c, d, e, f):
    """Sign of ``a * b + c * d + e * f``; each product below 2**125 in size."""
    return _dot3_sign(a, b, c, d, e, f)


@njit(inline="always")
def cross_sign(a, b, c, d):
    """Sign of the cross product ``a * d - b * c`` of any two int64 vectors below 2**62."""
    return _cross_sign(a, b, c, d)


@njit(inline="always")
def cross_split(a, b, c, d):
    """The cross product ``a * d - b * c`` as (high, low), for vectors below 2**50."""
    return _cross_split(a, b, c, d)


@njit(inline="always")
def rounding_step(a, b, c, d, quotient, divisor):
    """How `quotient` must move to be ``(a * b - c * d) * 2**10 / divisor``, rounded half up.

    +1, 0 or -1. The divisor is positive, the numerator below 2**114 before it is scaled,
    and the quotient times the divisor below 2**125.
    """
    return _rounding_step(a, b, c, d, quotient, divisor)


@njit(inline="always")
def orient(ax, ay, bx, by, cx, cy):
    """Twice the signed area of a, b, c: positive when they turn counter-clockwise.

    Two products of differences below 2**30: below 2**61, exact in int64.
    """
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


@njit(inline="always")
def in_circle(ax, ay, bx, by, cx, cy, px, py):
    """Positive when p lies inside the circle through a, b, c (counter-clockwise).

    The lifting theorem (Brown 1979; Guibas and Stolfi 1985): p is inside exactly when its
    image on the paraboloid z = x**2 + y**2 lies below the plane through the other three
    images, a 3 x 3 determinant of differences from p. Norms and minors are below 2**61, so
    the sum of three products is below 2**124.
    """
    ax, ay = ax - px, ay - py
    bx, by = bx - px, by - py
    cx, cy = cx - px, cy - py
    return dot3_sign(
        ax * ax + ay * ay,
        bx * cy - cx * by,
        bx * bx + by * by,
        cx * ay - ax * cy,
        cx * cx + cy * cy,
        ax * by - bx * ay,
    )


@njit(inline="always")
def precedes(ax, ay, bx, by):
    """Whether a stands before b in lexicographic order."""
    return ax < bx or (ax == bx and ay < by)


@njit(cache=True)
def tie_is_inside(ax, ay, bx, by, cx, cy, px, py):
    """Whether p counts as inside the circle of a, b, c when it lies exactly on it.

    Symbolic perturbation (Edelsbrunner and Muecke 1990; for Delaunay triangulations Devillers
    and Teillaud 2011): every image on the paraboloid is pulled down by an infinitesimal that is
    infinitely larger for points earlier in lexicographic order. Of four cocircular points
    the earliest decides alone. It is joined to all others: p, across the edge (u, v) from w,
    is inside unless the earliest of the four is u or v. The rule sees coordinates only, and
    translations keep their order, so every tile and every insertion order agrees.
    """
    if orient(ax, ay, bx, by, px, py) < 0:
        ux, uy, vx, vy, wx, wy = ax, ay, bx, by, cx, cy
    elif orient(bx, by, cx, cy, px, py) < 0:
        ux, uy, vx, vy, wx, wy = bx, by, cx, cy, ax, ay
    else:
        ux, uy, vx, vy, wx, wy = cx, cy, ax, ay, bx, by
    if precedes(vx, vy, ux, uy):
        ux, uy = vx, vy
    if precedes(px, py, wx, wy):
        wx, wy = px, py
    return precedes(wx, wy, ux, uy)


@njit(inline="always")
def encroaches(ax, ay, bx, by, cx, cy, px, py):
    """Whether p lies inside the circle of a, b, c, ties broken by `tie_is_inside`."""
    sign = in_circle(ax, ay, bx, by, cx, cy, px, py)
    if sign != 0:
        return sign > 0
    return tie_is_inside(ax, ay, bx, by, cx, cy, px, py)


@njit(inline="always")
def strictly_between(ux, uy, vx, vy, px, py):
    """Whether p, collinear with u and v, lies strictly between them."""
    return (px - ux) * (px - vx) + (py - uy) * (py - vy) < 0


def fits(values: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> bool:
    """Whether integers differ by less than 2**30 from one another.

    Examples
    --------
    >>> fits(np.array([0, 2**30 - 1])), fits(np.array([0, 2**30]))
    (True, False)
    """
    return values.size == 0 or int(values.max()) - int(values.min()) < 1 << EXTENT_BITS
