"""One tile's number of points against its law, and the record of it that regions pool.

Belongs here: the tile's verdict and record. Not here: the distributions
(`count_distribution`), how tiles are pooled (`region`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.statistics.curves.rank_tests import predicted_p_value
from synthgrid_assets.statistics.laws.count_distribution import (
    BoundedCounts,
    count_distribution,
    two_sided,
)
from synthgrid_assets.statistics.laws.moments import count_moments, untestable
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.verdict import TILE_ALPHA, Verdict

TEST = "counts_match_the_process"
FEWEST_REPLICATES = 100  # t has heavy tails below
FEWEST_POINTS = 30.0  # mean count of replicates from which on their moments predict the tails


@dataclass(frozen=True)
class TileCount:
    """What a tile keeps of its count, so that regions never read points again.

    Parameters
    ----------
    observed : int
        Points in the tile.
    mean, variance : float
        Their moments under the law.
    p_value : float
        Two-sided and conservative: what makes a tile red.
    randomised : float
        Lower tail with its last step split at random, uniform under the law: what is
        pooled over tiles. NaN where only the tails are known (`count_distribution`), and
        with `mean` and `variance` where not even the moments are.
    """

    observed: int
    mean: float
    variance: float
    p_value: float
    randomised: float


def tile_count(observed: int, law: Law, retention: Retention, uniform: float) -> TileCount:
    """The record of one tile's count.

    Parameters
    ----------
    observed : int
    law : Law
        The process before thinning, in cell units.
    retention : Retention
        Over the tile's cells.
    uniform : float
        In [0, 1), independent of the pattern (the layer's component ``p-value``).

    Examples
    --------
    >>> from synthgrid_assets.processes.poisson import PoissonLaw
    >>> record = tile_count(700, PoissonLaw(1.0), Retention.full(24, 24), 0.5)
    >>> record.mean, f"{record.p_value:.1e}"
    (576.0, '6.2e-07')
    """
    moments = count_moments(law, retention)
    distribution = count_distribution(law, retention)
    return TileCount(
        observed,
        moments.mean,
        moments.variance,
        float(two_sided(distribution, observed)),
        float(distribution.randomised(observed, uniform)),
    )


def counts_match_the_process(
    observed: int,
    law: Law,
    retention: Retention,
    alpha: float = TILE_ALPHA,
    replicates: NDArray[np.int64] | None = None,
) -> Verdict:
    """The tile holds as many points as its law allows.

    Parameters
    ----------
    observed : int
        Points in the tile.
    law : Law
        The process before thinning, in cell units.
    retention : Retention
        Over the tile's cells.
    alpha : float
        Bound of the probability that a healthy tile fails.
    replicates : ndarray of int64, shape (n,), optional
        Counts of replicate tiles, thinned alike: what a law without moments is judged by.

    Returns
    -------
    Verdict
        Null hypothesis: the count of the thinned process in a rectangle. The p-value is
        twice the smaller tail: exact and conservative for Poisson and cluster laws, an
        approximation for others. Where only bounds of the intensity are known: predicted
        from the replicates (`rank_tests.predicted_p_value`), or without enough of them a bound
        (`count_distribution`).

    Examples
    --------
    >>> from synthgrid_assets.processes.poisson import PoissonLaw
    >>> counts_match_the_process(800, PoissonLaw(1.0), Retention.full(24, 24)).passed
    False
    """
    reason = untestable(law, retention)
    if reason:
        return Verdict.not_judged(TEST, reason)
    distribution = count_distribution(law, retention)
    if isinstance(distribution, BoundedCounts) and _is_normal(replicates):
        return _predicted(observed, replicates, alpha)
    p_value = float(two_sided(distribution, observed))
    if isinstance(distribution, BoundedCounts):
        low, high = float(distribution.low), float(distribution.high)
        return Verdict.significance(
            TEST,
            p_value,
            observed=float(observed),
            expected=(low + high) / 2,
            alpha=alpha,
            detail=f"{observed} points, the mean lies between {low:.6g} and {high:.6g}",
        )
    moments = count_moments(law, retention)
    sd = moments.standard_deviation
    return Verdict.significance(
        TEST,
        p_value,
        observed=float(observed),
        expected=moments.mean,
        standard_error=sd,
        alpha=alpha,
        detail=f"{observed} points, {moments.mean:.6g} +- {sd:.4g} expected",
    )


def _is_normal(replicates: NDArray[np.int64] | None) -> TypeGuard[NDArray[np.int64]]:
    """Whether replicates' counts are many and large enough for a prediction from their moments."""
    return (
        replicates is not None
        and replicates.size >= FEWEST_REPLICATES
        and replicates.mean() >= FEWEST_POINTS
    )


def _predicted(observed: int, replicates: NDArray[np.int64], alpha: float) -> Verdict:
    mean, sd = float(replicates.mean()), float(replicates.std(ddof=1))
    return Verdict.significance(
        TEST,
        predicted_p_value(observed, replicates),
        observed=float(observed),
        expected=mean,
        standard_error=sd,
        alpha=alpha,
        detail=f"{observed} points, {mean:.6g} +- {sd:.4g} in {replicates.size} replicate tiles",
    )
