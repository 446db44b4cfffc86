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

from synthgrid_assets.privacy.strategies.tree_blocks import MAX_TOP, halve, pad, padded_length

Array = NDArray[np.float64]
UNIT = 2.0**-16  # of a point: what surfaces are rounded to
_MANTISSA = 53
_LARGEST = 2.0**46  # of a cell, in units
_NOWHERE = -(1 << 56)  # what is wanted where nothing may be
_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def top_down(values: Array, support: NDArray[np.bool_] | None = None) -> Array:
    """Non-negative values whose sums over blocks stay near those of the values given.

    Parameters
    ----------
    values : ndarray of float64, shape (rows, columns)
        Unbiased estimates of cells.
    support : ndarray of bool, shape (rows, columns), optional
        False where the result must be 0; values there count for nothing.

    Returns
    -------
    ndarray of float64, shape (rows, columns)
        Multiples of 2**-16, with the sum of the values on the support, if that is positive.

    Notes
    -----
    Blocks of 64 x 64 cells share the total, their quarters share each block's part, and so on:
    the nearest non-negative numbers with a given sum (Held, Wolfe and Crowder 1974), level by
    level as in the census's TopDown algorithm (Abowd et al. 2022). To project all cells at
    once keeps the total alone, and moves points from crowded regions into empty ones: sums
    over 16 x 16 cells of three countries' places are then four times as wrong.

    Examples
    --------
    >>> top_down(np.array([[5.0, -2.0, 1.0]]))
    array([[3., 0., 1.]])
    """
    inside = np.ones(values.shape, bool) if support is None else support
    rows, columns = (padded_length(length, MAX_TOP) for length in values.shape)
    fixed = np.clip(np.rint(values / UNIT), -_LARGEST, _LARGEST).astype(np.int64)
    sums = [np.asarray(pad(np.where(inside, fixed, 0), rows, columns))]
    held = [np.asarray(pad(inside.astype(np.int64), rows, columns))]
    while 1 << (len(sums) - 1) < MAX_TOP:
        sums.append(halve(sums[-1]))
        held.append(halve(held[-1]))
    root = np.where(held[-1] > 0, sums[-1], _NOWHERE).reshape(1, -1)
    total = np.maximum(sums[-1].sum(), 0).reshape(1)
    parts = _shared_out(root, total).reshape(sums[-1].shape)
    for level in range(len(sums) - 2, -1, -1):
        wanted = np.where(held[level] > 0, sums[level], _NOWHERE)
        shares = _shared_out(_quarters(wanted), parts.ravel()).reshape(*parts.shape, 4)
        parts = np.empty_like(wanted)
        for at, (row, column) in enumerate(_CORNERS):
            parts[row::2, column::2] = shares[..., at]
    return np.asarray(parts[: values.shape[0], : values.shape[1]] * UNIT, np.float64)


def _quarters(grid: NDArray[np.int64]) -> NDArray[np.int64]:
    """The four children of each block, shape (blocks, 4)."""
    return np.stack([grid[row::2, column::2].ravel() for row, column in _CORNERS], axis=1)


def _shared_out(wanted: NDArray[np.int64], totals: NDArray[np.int64]) -> NDArray[np.int64]:
    """In each row the non-negative integers of a given sum that are nearest to those wanted."""
    number = np.arange(1, wanted.shape[1] + 1)
    descending = -np.sort(-wanted, axis=1)
    over = np.cumsum(descending, axis=1) - totals[:, None]
    # a > b / k for whole numbers; holds for the first of each row where the total is positive
    count = np.maximum((descending > over // number).cumsum(axis=1).argmax(axis=1) + 1, 1)
    excess = np.take_along_axis(over, count[:, None] - 1, axis=1)
    shift, rest = excess // count[:, None], excess % count[:, None]
    active = wanted > shift
    first = active.cumsum(axis=1) <= rest  # these give one unit more, so that sums are exact
    shares = np.where(active, wanted - shift - (active & first), 0)
    return np.where(totals[:, None] > 0, shares, 0)


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
