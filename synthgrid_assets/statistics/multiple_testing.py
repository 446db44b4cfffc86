"""Many p-values at once: bounds and uniformity.

Belongs here: what is done with p-values whatever they tested. Not here: any statistic of
points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import kolmogorov

from synthgrid_assets.statistics.kolmogorov import distance_tail, largest_distance
from synthgrid_assets.verdict import TILE_ALPHA, Verdict


def bonferroni(p_values: ArrayLike) -> float:
    """The smallest of m p-values times m, at most 1: valid under any dependence.

    Examples
    --------
    >>> bonferroni([0.3, 0.01, 0.6])
    0.03
    """
    p = np.asarray(p_values, float)
    return float(min(1.0, p.size * p.min())) if p.size else 1.0


def told_together(p_values: Sequence[float]) -> str:
    """How several p-values that a text names become the one of its verdict.

    Examples
    --------
    >>> told_together([0.29, 0.2])
    '; p = 0.4 for both together'
    """
    if len(p_values) < 2:
        return ""
    many = "both" if len(p_values) == 2 else f"all {len(p_values)}"
    return f"; p = {bonferroni(p_values):.2g} for {many} together"


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
        return Verdict.not_judged("p_values_are_uniform", "no tiles with a known law")
    distance, _ = largest_distance(p)
    effective = p.size / max(inflation, 1.0)
    p_value = _kolmogorov_tail(distance, effective, p.size)
    return Verdict.significance(
        "p_values_are_uniform",
        p_value,
        observed=distance,
        expected=math.sqrt(math.pi / 2 / effective) * math.log(2),
        alpha=alpha,
        detail=f"largest distance {distance:.4g} over {p.size} tiles (worth {effective:.0f})",
    )


def _kolmogorov_tail(distance: float, effective: float, size: int) -> float:
    """Tail of the distance; exact for independent tiles, else asymptotic."""
    if effective == size:
        return distance_tail(distance, size)
    root = math.sqrt(effective)
    # Stephens' correction makes the asymptotic tail good from about 5 observations
    return float(kolmogorov(distance * (root + 0.12 + 0.11 / root)))
