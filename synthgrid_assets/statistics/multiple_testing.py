"""Many p-values at once: bounds, false discoveries and uniformity.

Belongs here: what is done with p-values whatever they tested. Not here: any statistic of
points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control, kstest, kstwobign

from synthgrid_assets.verdict import TILE_ALPHA, Verdict

DISCOVERY_RATE = 0.01  # expected share of healthy tiles among those listed as suspicious


def bonferroni(p_values: ArrayLike) -> float:
    """The smallest of m p-values times m, at most 1: valid under any dependence.

    Examples
    --------
    >>> bonferroni([0.3, 0.01, 0.6])
    0.03
    """
    p = np.asarray(p_values, float)
    return float(min(1.0, p.size * p.min())) if p.size else 1.0


def suspicious(keys: Sequence[str], p_values: ArrayLike, rate: float = DISCOVERY_RATE) -> list[str]:
    """The tiles that Benjamini and Hochberg's procedure picks, most suspicious first.

    Parameters
    ----------
    keys : sequence of str
        One name for each p-value.
    p_values : array_like of float64
        Conservative p-values, independent or positively dependent.
    rate : float
        Bound of the expected share of healthy tiles in the list; also the probability
        that an all-healthy region lists any.

    Examples
    --------
    >>> suspicious(["a", "b", "c"], [0.9, 1e-9, 1e-4])
    ['b', 'c']
    """
    p = np.asarray(p_values, float)
    if p.size == 0:
        return []
    adjusted = false_discovery_control(p)
    order = np.argsort(p, kind="stable")
    return [keys[i] for i in order if adjusted[i] <= rate]


def p_values_are_uniform(
    p_values: ArrayLike, inflation: float = 1.0, alpha: float = TILE_ALPHA
) -> Verdict:
    """Randomised p-values of a region's tiles follow the uniform distribution.

    Parameters
    ----------
    p_values : array_like of float64
        `TileCount.randomised` of each tile; NaN (no known law) is left out.
    inflation : float
        Variance of the region's total count over the sum of its tiles' variances. Tiles
        of a clustered process are positively correlated, which widens the empirical
        distribution; n tiles are then judged as ``n / inflation``.
    alpha : float
        Bound of the probability that a healthy region fails.

    Returns
    -------
    Verdict
        Kolmogorov-Smirnov: null hypothesis, independent uniforms (after deflation).

    Examples
    --------
    >>> p_values_are_uniform((np.arange(100) + 0.5) / 100).passed
    True
    """
    p = np.asarray(p_values, np.float64)
    p = p[~np.isnan(p)]
    if p.size == 0:
        return Verdict.significance(
            "p_values_are_uniform",
            1.0,
            observed=0.0,
            expected=0.0,
            alpha=alpha,
            detail="no tiles with a known law",
        )
    distance = float(kstest(p, "uniform").statistic)
    effective = p.size / max(inflation, 1.0)
    p_value = _kolmogorov_tail(distance, effective, p)
    return Verdict.significance(
        "p_values_are_uniform",
        p_value,
        observed=distance,
        expected=math.sqrt(math.pi / 2 / effective) * math.log(2),
        alpha=alpha,
        detail=f"largest distance {distance:.4g} over {p.size} tiles (worth {effective:.0f})",
    )


def _kolmogorov_tail(distance: float, effective: float, p: NDArray[np.float64]) -> float:
    """Tail of the distance; exact for independent tiles, else asymptotic."""
    if effective == p.size:
        return float(kstest(p, "uniform").pvalue)
    root = math.sqrt(effective)
    # Stephens' correction makes the asymptotic tail good from about 5 observations
    return float(kstwobign.sf(distance * (root + 0.12 + 0.11 / root)))
