"""Non-negative counts from noisy measurements, with the same bits on every machine.

Belongs here: projections and least squares under ``x >= 0``. Not here: what was measured
(one module per strategy).

Every step is an elementwise IEEE 754 operation, a comparison, or a product of numbers so
coarse that it is exact in any order of summation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
UNIT = 2.0**-16  # of a point: what surfaces are rounded to
_MANTISSA = 53


def on_simplex(values: Array, support: NDArray[np.bool_] | None = None) -> Array:
    """The nearest point of ``{x >= 0, sum x = max(0, sum values)}``, on the support.

    Parameters
    ----------
    values : ndarray of float64
        Whole numbers, of any shape.
    support : ndarray of bool, optional
        False where x must be 0; values there count for nothing.

    Returns
    -------
    ndarray of float64, shape of `values`

    Notes
    -----
    Held, Wolfe and Crowder (1974): subtract one number from all, cut off at 0. Sums are of
    integers, so they are exact.

    Examples
    --------
    >>> on_simplex(np.array([5.0, -2.0, 1.0]))
    array([4., 0., 0.])
    """
    inside = np.ones(values.shape, bool) if support is None else support
    kept = values[inside].astype(np.int64)
    total = max(0, int(kept.sum()))
    out = np.zeros(values.shape)
    if total == 0:
        return out
    descending = np.sort(kept)[::-1]
    over = np.cumsum(descending) - total
    places = np.arange(1, descending.size + 1)
    last = int(np.flatnonzero(descending * places > over)[-1])
    shift = float(over[last]) / float(last + 1)
    out[inside] = np.maximum(kept - shift, 0.0)
    return rounded(out)


def rounded(values: Array) -> Array:
    """Multiples of 2**-16."""
    return np.rint(values / UNIT) * UNIT


def least_squares(
    normal: Callable[[Array], Array],
    target: Array,
    start: Array,
    lipschitz: float,
    steps: int,
    support: NDArray[np.bool_] | None = None,
) -> Array:
    """Minimum of ``|A x - y|**2`` under ``x >= 0``, by accelerated projected gradients.

    Parameters
    ----------
    normal : callable
        ``x -> A'A x``.
    target : ndarray of float64
        ``A'y``.
    start : ndarray of float64
        Where to begin, of the same shape.
    lipschitz : float
        Bound of the largest eigenvalue of ``A'A``.
    steps : int
        How many steps are made: the result is a function of the arguments alone.
    support : ndarray of bool, optional
        False where x must be 0.

    Returns
    -------
    ndarray of float64, shape of `target`

    Notes
    -----
    Beck and Teboulle (2009), with the restarts of O'Donoghue and Candes (2015).
    """
    inside = np.ones(target.shape) if support is None else support.astype(float)
    x = np.maximum(start, 0.0) * inside
    ahead, momentum = x, 1.0
    for _ in range(steps):
        new = np.maximum(ahead - (normal(ahead) - target) / lipschitz, 0.0) * inside
        grown = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum * momentum))
        moved = new - x
        if exact_sum((ahead - new) * moved) > 0:  # momentum points uphill
            ahead, momentum = new, 1.0
        else:
            ahead, momentum = new + moved * ((momentum - 1.0) / grown), grown
        x = new
    return np.asarray(x)


def coarse(values: Array, bits: int) -> Array:
    """The values on a grid of `bits` binary digits below the largest of them.

    Products with integers of fewer than ``53 - bits`` digits, sums over a row included, are
    then exact in float64, whatever library multiplies.
    """
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest == 0.0:
        return values
    unit = 2.0 ** (np.frexp(largest)[1] - bits)
    return np.asarray(np.rint(values / unit) * unit)


def exact_sum(values: Array) -> float:
    """Sum on a grid so coarse that the order of summation does not matter."""
    digits = max(_MANTISSA - 1 - int(values.size).bit_length(), 1)
    return float(coarse(values, digits).sum())
