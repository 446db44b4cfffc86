"""Correlation between neighbouring tiles: Moran's I and Geary's C where the law puts them.

Belongs here: both statistics of a grid of tile scores, and the law's own correlations.
Not here: the tiles' counts (`counts`), their total and spread (`region`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.statistics.multiple_testing import bonferroni, told_together
from synthgrid_assets.statistics.region.totals import REGION_ALPHA
from synthgrid_assets.verdict import Verdict

TEST = "tiles_are_correlated_as_declared"
FEWEST_TILES = 16  # fewer make the normal tails of both statistics worthless


@dataclass(frozen=True)
class Autocorrelation:
    """A statistic of a grid with its permutation moments.

    Parameters
    ----------
    value : float
    expectation, variance : float
        Over all permutations of the values (randomisation).
    """

    value: float
    expectation: float
    variance: float


@dataclass(frozen=True)
class _Weights:
    """Sums over the binary rook-neighbour weights of the tiles that are there."""

    n: int
    s0: float
    s1: float
    s2: float


def tile_correlations(law: Law, side: int, p: float = 1.0) -> NDArray[np.float64]:
    """Correlation of the counts of two tiles of equal size, by lag in tiles.

    Parameters
    ----------
    law : Law
        In cell units, before thinning.
    side : int
        Of the tiles, in cells.
    p : float
        Retention, taken as constant.

    Returns
    -------
    ndarray of float64, shape (2 * lags + 1, 2 * lags + 1)
        1 at lag (0, 0) in the middle; as many lags as the law's correlation reaches.
        All NaN where the law is not known, or the counts are certain.

    Examples
    --------
    >>> from synthgrid_assets.processes.cluster.thomas import ThomasLaw
    >>> tile_correlations(ThomasLaw(0.5, 8.0, 0.7), side=4).round(3)[3:5, 3:5].tolist()
    [[1.0, 0.103], [0.103, 0.013]]
    """
    if math.isnan(law.intensity):
        return np.full((3, 3), math.nan)
    reach = law.correlation_cells
    lags = max(-(-(reach + side - 1) // side), 1)
    cells = lags * side + side - 1
    covariance = law.cell_covariance(reach)
    covariance = np.pad(covariance, cells - reach)
    # two tiles at a lag hold side - |d| pairs of columns that lie d columns off that lag
    offsets = np.arange(-cells, cells + 1)
    shares = np.maximum(
        side - np.abs(offsets[None, :] - side * np.arange(-lags, lags + 1)[:, None]), 0
    )
    tiles = p * p * (shares @ covariance @ shares.T)
    tiles[lags, lags] += p * law.intensity * side * side
    if not tiles[lags, lags] > 0:
        return np.full(tiles.shape, math.nan)
    return np.asarray(tiles / tiles[lags, lags])


def morans_i(scores: NDArray[np.float64]) -> Autocorrelation:
    """Moran's I of a grid under rook neighbourhood; NaN marks tiles that are not there.

    Parameters
    ----------
    scores : ndarray of float64, shape (rows, columns)

    Notes
    -----
    Cliff and Ord (1981), Spatial Processes, section 2.4: randomisation variance.

    Examples
    --------
    >>> board = np.indices((4, 4)).sum(axis=0) % 2.0
    >>> morans_i(board).value
    -1.0
    """
    z = scores - np.nanmean(scores)
    weights, kurtosis = _weights(scores), _kurtosis(z)
    n, s0 = weights.n, weights.s0
    across, up = z[:, 1:] * z[:, :-1], z[1:] * z[:-1]
    value = n / s0 * 2 * (np.nansum(across) + np.nansum(up)) / np.nansum(z * z)
    expectation = -1 / (n - 1)
    first = n * ((n * n - 3 * n + 3) * weights.s1 - n * weights.s2 + 3 * s0**2)
    second = kurtosis * (n * (n - 1) * weights.s1 - 2 * n * weights.s2 + 6 * s0**2)
    square = (first - second) / ((n - 1) * (n - 2) * (n - 3) * s0**2)
    return Autocorrelation(float(value), expectation, float(square - expectation**2))


def gearys_c(scores: NDArray[np.float64]) -> Autocorrelation:
    """Geary's C of a grid under rook neighbourhood; NaN marks tiles that are not there.

    Parameters
    ----------
    scores : ndarray of float64, shape (rows, columns)

    Notes
    -----
    Cliff and Ord (1981), Spatial Processes, section 2.4: randomisation variance.

    Examples
    --------
    >>> board = np.indices((4, 4)).sum(axis=0) % 2.0
    >>> gearys_c(board).value
    1.875
    """
    z = scores - np.nanmean(scores)
    weights, kurtosis = _weights(scores), _kurtosis(z)
    n, s0 = weights.n, weights.s0
    steps = np.nansum(np.diff(scores, axis=0) ** 2) + np.nansum(np.diff(scores, axis=1) ** 2)
    value = (n - 1) / (2 * s0) * 2 * steps / np.nansum(z * z)
    variance = (
        (n - 1) * weights.s1 * (n * n - 3 * n + 3 - (n - 1) * kurtosis)
        - (n - 1) * weights.s2 * (n * n + 3 * n - 6 - (n * n - n + 2) * kurtosis) / 4
        + s0**2 * (n * n - 3 - (n - 1) ** 2 * kurtosis)
    ) / (n * (n - 2) * (n - 3) * s0**2)
    return Autocorrelation(float(value), 1.0, float(variance))


def tiles_are_correlated_as_declared(
    scores: NDArray[np.float64],
    correlations: NDArray[np.float64],
    inflation: float,
    alpha: float = REGION_ALPHA,
) -> Verdict:
    """Neighbouring tiles are as correlated as the law says: no more, no less.

    Parameters
    ----------
    scores : ndarray of float64, shape (rows, columns)
        Standardised count of each tile, ``(observed - mean) / standard deviation``; NaN
        where no tile is committed, and where a count varies too little for a normal law of
        sums (`totals.are_countable`): scores of empty tiles differ by their expectation alone,
        which is as alike beside each other as tiles are wide.
    correlations : ndarray of float64
        `tile_correlations` of the layer's law.
    inflation : float
        `TileCounts.inflation`, which holds the mean correlation of all pairs.
    alpha : float
        Bound of the probability that a healthy region fails.

    Returns
    -------
    Verdict
        Null hypothesis: the tiles are correlated as declared. With c the mean
        correlation of all pairs, each tile with itself included, Moran's I has mean
        ``(rho - c) / (1 - c)`` and Geary's C ``(1 - rho) (1 - 1 / n) / (1 - c)``. Twice
        the smaller normal p-value of the two. ``observed`` and ``expected`` are I's.

    Notes
    -----
    Not centred at 0: a healthy clustered process would be rejected. The error is that of
    randomisation, widened as correlated Gaussian scores widen it. There is power for
    tiles not much wider than the correlation length; beyond, `mean_variance_hold` has.
    In a million healthy regions of 63 independent tiles with 1, 2, 5 and 20 Poisson points
    expected in each, 3, 6, 0 and 1 had a p-value below 1e-6.

    Raises
    ------
    GeometryError
        If the scores are no grid.
    """
    if scores.ndim != 2:
        raise GeometryError(f"scores of shape {scores.shape} are no grid of tiles")
    reason = _unjudged(scores, correlations)
    if reason:
        return Verdict.not_judged(TEST, reason)
    n, lags = np.count_nonzero(~np.isnan(scores)), correlations.shape[0] // 2
    rho = float(correlations[lags, lags + 1] + correlations[lags + 1, lags]) / 2
    common = inflation / n
    expected_i, expected_c = (rho - common) / (1 - common), (1 - rho) * (1 - 1 / n) / (1 - common)
    moran, geary = morans_i(scores), gearys_c(scores)
    widening = _widening(correlations)
    errors = [math.sqrt(widening * statistic.variance) for statistic in (moran, geary)]
    p_moran = float(2 * ndtr(-abs(moran.value - expected_i) / errors[0]))
    p_geary = float(2 * ndtr(-abs(geary.value - expected_c) / errors[1]))
    return Verdict.significance(
        TEST,
        bonferroni([p_moran, p_geary]),
        observed=moran.value,
        expected=expected_i,
        standard_error=errors[0],
        alpha=alpha,
        detail=(
            f"Moran's I {moran.value:.4f} +- {errors[0]:.2g}, {expected_i:.4f} expected "
            f"(p = {p_moran:.2g}); Geary's C {geary.value:.4f} +- {errors[1]:.2g}, "
            f"{expected_c:.4f} expected (p = {p_geary:.2g}){told_together([p_moran, p_geary])}"
        ),
    )


def _unjudged(scores: NDArray[np.float64], correlations: NDArray[np.float64]) -> str:
    """Why the tiles cannot be judged; empty if they can."""
    present = scores[~np.isnan(scores)]
    if np.isnan(correlations).any():
        return "no correlation in closed form to compare with"
    if present.size < FEWEST_TILES or np.ptp(present) == 0 or _weights(scores).s0 == 0:
        return (
            f"{present.size} tiles expect enough points: they are too few, or vary or touch too "
            "little to be correlated"
        )
    return ""


def _widening(correlations: NDArray[np.float64]) -> float:
    """Variance of I for correlated Gaussian scores over that for independent ones, >= 1.

    On a torus much wider than the lags both quadratic forms are diagonal in Fourier
    space: weights ``(cos k + cos l) / 2``, scores with the correlations' spectrum.
    """
    size = 4 * correlations.shape[0]
    lags = correlations.shape[0] // 2
    table = np.zeros((size, size))
    table[: 2 * lags + 1, : 2 * lags + 1] = correlations
    spectrum = np.fft.fft2(np.roll(table, (-lags, -lags), axis=(0, 1))).real
    cosine = np.cos(2 * math.pi * np.arange(size) / size)
    weights = np.add.outer(cosine, cosine) / 2
    centred = weights - (weights * spectrum).mean()
    return max(float((centred**2 * spectrum**2).mean() / (weights**2).mean()), 1.0)


def _kurtosis(z: NDArray[np.float64]) -> float:
    n = np.count_nonzero(~np.isnan(z))
    return float(n * np.nansum(z**4) / np.nansum(z * z) ** 2)


def _weights(scores: NDArray[np.float64]) -> _Weights:
    held = ~np.isnan(scores)
    degree = np.zeros(scores.shape)
    across, up = held[:, 1:] & held[:, :-1], held[1:] & held[:-1]
    degree[:, 1:] += across
    degree[:, :-1] += across
    degree[1:] += up
    degree[:-1] += up
    s0 = float(degree.sum())
    return _Weights(int(held.sum()), s0, 2 * s0, float(4 * (degree**2).sum()))
