"""Counts across borders against counts across the parallel lines inside tiles.

Belongs here: the comparison, whatever was counted. Not here: counting (`seam`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, stdtr

FEWEST_LINES = 4  # inner lines needed to know how much lines differ by chance


@dataclass(frozen=True)
class LineContrast:
    """What lies across the borders of tiles, and what inner lines lead to expect.

    Parameters
    ----------
    observed : int
        Count across borders.
    expected, standard_error : float
        From the rates across inner lines.
    lines : int
        Inner offsets that were compared with.
    degrees_of_freedom : float
        Of the standard error.
    p_value : float
        Two-sided.
    """

    observed: int
    expected: float
    standard_error: float
    lines: int
    degrees_of_freedom: float
    p_value: float


def compare(
    counts: NDArray[np.int64], exposure: NDArray[np.float64], depth: int
) -> LineContrast | None:
    """Compare offset 0 with the offsets out of its reach, block by block.

    Parameters
    ----------
    counts : ndarray of int64, shape (blocks, side)
        What lies across the lines at each offset in the tiles of each block.
    exposure : ndarray of float64, shape (blocks, side)
        What their expectation is proportional to.
    depth : int
        Offsets up to this one, and as many before the next border, may feel the border.

    Returns
    -------
    LineContrast or None
        None where no block has borders and `FEWEST_LINES` inner offsets.

    Notes
    -----
    Null hypothesis: in each block, rates at offsets o and o' have equal means and a
    covariance that depends on ``o - o'`` round the tile. Rates at near offsets share
    clusters, so their plain variance is too small. The variance of "offset 0 minus the
    mean of the inner ones" is a combination of semivariances at known distances, which
    inner offsets estimate without bias whatever the correlation. Blocks are taken as
    independent. The statistic is referred to t with Satterthwaite's degrees of freedom,
    each block's reduced by the offsets' correlation. Few counts are skewed: where the
    binomial p-value of counts that come in clumps, of the size that the variance shows,
    is larger, that one stands; without clumping it is exact.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> counts = rng.poisson(200, (10, 24))
    >>> compare(counts, np.ones((10, 24)), depth=1).p_value > 1e-3
    True
    >>> counts[:, 0] //= 2
    >>> compare(counts, np.ones((10, 24)), depth=1).p_value < 1e-6
    True
    """
    side = counts.shape[1]
    inner = np.arange(depth + 1, side - depth)
    whole = (exposure[:, 0] > 0) & (exposure[:, inner] > 0).all(axis=1)
    if inner.size < FEWEST_LINES or not whole.any():
        return None
    border, weights = exposure[whole, 0], exposure[whole][:, inner]
    inside = counts[whole][:, inner]
    observed, expected = counts[whole, 0], border * inside.sum(axis=1) / weights.sum(axis=1)
    variances, freedom = _variances(inside / weights, inner, side)
    variances *= border * weights.mean(axis=1)
    error = math.sqrt(variances.sum())
    if error > 0:
        freedom *= float(variances.sum() ** 2 / (variances**2).sum())
    distance = abs(float(observed.sum() - expected.sum()))
    p_spread = 2 * float(stdtr(freedom, -distance / error)) if error > 0 else 0.0
    share = float(border.sum() / (border.sum() + weights.sum()))
    independent = float(expected.sum()) / (1 - share)
    clumping = max(float(variances.sum()) / independent, 1.0) if independent > 0 else 1.0
    p_few = _binomial(observed.sum() / clumping, inside.sum() / clumping, share)
    return LineContrast(
        int(observed.sum()),
        float(expected.sum()),
        error,
        inner.size,
        freedom,
        max(p_spread, p_few),
    )


def _variances(
    rates: NDArray[np.float64], inner: NDArray[np.int64], side: int
) -> tuple[NDArray[np.float64], float]:
    """Variance of offset 0 minus the inner mean, by block; degrees of freedom of each.

    Not below the plain variance between inner offsets, which correlation makes small.
    """
    m = inner.size
    semivariance = _semivariances(rates, side)
    to_border = np.bincount(np.minimum(inner, side - inner), minlength=side // 2 + 1)
    lags = np.abs(np.subtract.outer(inner, inner))
    between = np.bincount(np.minimum(lags, side - lags).ravel(), minlength=side // 2 + 1)
    variances = semivariance @ (2 / m * to_border - between / m**2)
    plain = rates.var(axis=1, ddof=1) * (1 + 1 / m)
    pooled = semivariance.mean(axis=0)
    sill = pooled[side // 4 :].mean()
    correlation = np.maximum(1 - pooled[1:] / sill, 0.0) if sill > 0 else np.zeros(1)
    freedom = max(m / (1 + 2 * float((correlation**2).sum())) - 1, 1.0)
    return np.maximum(variances, plain), freedom


def _semivariances(rates: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Half the mean squared difference by distance round the tile, shape (blocks, side/2 + 1)."""
    m = rates.shape[1]
    sums = np.zeros((len(rates), side // 2 + 1))
    pairs = np.zeros(side // 2 + 1)
    for lag in range(1, m):
        distance = min(lag, side - lag)
        sums[:, distance] += ((rates[:, lag:] - rates[:, :-lag]) ** 2).sum(axis=1) / 2
        pairs[distance] += m - lag
    return sums / np.maximum(pairs, 1)


def _binomial(across: float, inside: float, share: float) -> float:
    """Two-sided p-value of a binomial count, continued to numbers that are not whole."""
    lower = betainc(inside, across + 1, 1 - share) if inside > 0 else 1.0
    upper = betainc(across, inside + 1, share) if across > 0 else 1.0
    return float(min(1.0, 2 * min(lower, upper)))
