"""Elementary functions and tables with the same bits on every machine.

Belongs here: what keyed code needs of real analysis, in fixed sequences of IEEE 754
operations (correctly rounded everywhere) or in exact integers. Not here: anything that
may differ in the last bit, as libm and SIMD versions of exp and log do.
"""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.kernels import njit

MAX_RAYLEIGH = 9.4194  # sqrt(-2 ln 2**-64): the farthest draw that a 64-bit word can make
MAX_POISSON_MEAN = 1 << 16
_DIGITS = 80  # decimal digits of the tables: 60 more than a word has
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # 33 bits: its small multiples are exact
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_LOG2_E = 1.4426950408889634
_SQRT_HALF_BITS = int(np.float64(math.sqrt(0.5)).view(np.int64))
_FRACTION_BITS, _BIAS = 52, 1023  # of an IEEE 754 double
_HALF_PI = math.pi / 2
_ATANH_SERIES = tuple(1.0 / (2 * k + 1) for k in range(1, 13))
_EXP_SERIES = tuple(1.0 / math.factorial(k) for k in range(2, 15))
_SIN_SERIES = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(9))
_COS_SERIES = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(10))
_TWO_M53, _TWO_M64 = 2.0**-53, 2.0**-64


# Without branches and checks for division by 0, so that a loop over many words is compiled
# to vector instructions: several at a time, each with the same bits as alone.
@njit(cache=True, error_model="numpy")
def dlog(x):
    """Natural logarithm of a positive normal float64, within 2 units in the last place.

    Examples
    --------
    >>> dlog(1.0)
    0.0
    """
    bits = np.float64(x).view(np.int64)
    exponent = (bits - _SQRT_HALF_BITS) >> _FRACTION_BITS
    # of [sqrt(1/2), sqrt(2))
    mantissa = np.int64(bits - (exponent << _FRACTION_BITS)).view(np.float64)
    f = mantissa - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = _ATANH_SERIES[11]
    for k in range(10, -1, -1):
        p = p * z + _ATANH_SERIES[k]
    e = float(exponent)
    return e * _LN2_HIGH + ((s + s) + ((s + s) * (z * p) + e * _LN2_LOW))


@njit(cache=True)
def dexp(x):
    """Exponential of a float64 in [-700, 700], within 2 units in the last place.

    Examples
    --------
    >>> dexp(0.0)
    1.0
    """
    k = math.floor(x * _LOG2_E + 0.5)
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = _EXP_SERIES[12]
    for j in range(11, -1, -1):
        p = p * r + _EXP_SERIES[j]
    power = np.int64((np.int64(k) + _BIAS) << _FRACTION_BITS).view(np.float64)
    return (1.0 + (r + (r * r) * p)) * power


@njit(cache=True)
def cos_sin(word):
    """Cosine and sine of the angle ``2 pi word / 2**64``, each within 1e-15.

    Examples
    --------
    >>> cos_sin(np.uint64(1 << 62))
    (-0.0, 1.0)
    """
    quadrant = np.int64(word >> np.uint64(62))
    turn = (word >> np.uint64(9)) & np.uint64((1 << 53) - 1)
    f = float(np.int64(turn)) * _TWO_M53
    mirrored = f > 0.5
    a = (1.0 - f if mirrored else f) * _HALF_PI
    z = a * a
    sine = _SIN_SERIES[8]
    for k in range(7, -1, -1):
        sine = sine * z + _SIN_SERIES[k]
    sine = sine * a
    cosine = _COS_SERIES[9]
    for k in range(8, -1, -1):
        cosine = cosine * z + _COS_SERIES[k]
    swapped = mirrored != ((quadrant & 1) == 1)
    across, up = (sine if swapped else cosine), (cosine if swapped else sine)
    left, below = (quadrant == 1) | (quadrant == 2), quadrant >= 2
    return (-across if left else across), (-up if below else up)


@njit(cache=True)
def exponential(word):
    """A draw of the standard exponential law, ``-ln((word + 1) / 2**64)``, at most 44.37.

    Examples
    --------
    >>> exponential(np.uint64(2**64 - 1))
    0.0
    """
    high = float(np.int64(word >> np.uint64(11))) * 2048.0
    low = float(np.int64(word & np.uint64(2047)) + 1)
    logarithm = dlog((high + low) * _TWO_M64)
    return -logarithm if logarithm < 0.0 else 0.0


@njit(cache=True)
def rayleigh(word):
    """A draw of the standard Rayleigh law, at most `MAX_RAYLEIGH`.

    With an independent angle it is the length of a standard normal vector of the plane.

    Examples
    --------
    >>> rayleigh(np.uint64(2**64 - 1)), rayleigh(np.uint64(0)) < MAX_RAYLEIGH
    (0.0, True)
    """
    return math.sqrt(2.0 * exponential(word))


def poisson_table(mean: Fraction) -> NDArray[np.uint64]:
    """Inversion table of a Poisson law: entry k is ``floor(2**64 * P(N <= k))``.

    `lattice.seeding.lookup` of a uniform word in it is a draw of N. The probabilities come
    from correctly rounded decimal arithmetic, so the table is the same everywhere; each is
    within 2**-64 of its true value.

    Parameters
    ----------
    mean : Fraction
        Exact mean in ``[0, 2**16]``.

    Returns
    -------
    ndarray of uint64, shape (k,)
        Ascending; ends where every larger N together has probability below 2**-63.

    Raises
    ------
    SpecError
        If the mean is negative or too large.

    Examples
    --------
    >>> table = poisson_table(Fraction(1, 2))
    >>> round(int(table[0]) / 2**64, 12)  # exp(-1/2)
    0.606530659713
    """
    if not 0 <= mean <= MAX_POISSON_MEAN:
        raise SpecError(
            f"a Poisson mean must lie between 0 and {MAX_POISSON_MEAN}, got {float(mean)!r}"
        )
    table = []
    with localcontext() as context:
        context.prec = _DIGITS
        m = Decimal(mean.numerator) / Decimal(mean.denominator)
        probability = (-m).exp()
        cumulative = probability
        scale = Decimal(1 << 64)
        k = 0
        while True:
            entry = int((cumulative * scale).to_integral_value(rounding=ROUND_FLOOR))
            if entry >= (1 << 64) - 1 and k >= m:
                break
            table.append(entry)
            k += 1
            probability = probability * m / k
            cumulative += probability
    return np.array(table, np.uint64)
