"""A region's tiles together: small errors that no single tile can show.

Belongs here: tests on the record that each tile keeps of its count. Not here: seams
(`seam`), correlation between tiles (`moran`), lists and uniformity (`multiple_testing`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtr, chdtrc, ndtri

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.statistics.laws.count_distribution import ApproximateCounts, two_sided
from synthgrid_assets.statistics.laws.moments import CountMoments
from synthgrid_assets.statistics.laws.skewed_sums import zero_mean_p_value
from synthgrid_assets.statistics.multiple_testing import bonferroni, told_together
from synthgrid_assets.statistics.tile.counts import TileCount
from synthgrid_assets.verdict import Verdict

REGION_ALPHA = 1e-6  # as for tiles: a million healthy regions give about one red one
POWER = 0.9  # probability at which `smallest_rate_error` is found
FEWEST_TILES = 16  # fewer don't show how much tiles differ by chance
FEWEST_EVENTS = 1.0  # of a count whose score says enough, see `are_countable`
LARGEST_SCORE = 8.0  # normal score of a p-value of 0 or 1


@dataclass(frozen=True, eq=False)
class TileCounts:
    """The counts of a region's tiles, one entry per committed tile.

    Parameters
    ----------
    observed : ndarray of int64, shape (n,)
    mean, variance, p_value, randomised : ndarray of float64, shape (n,)
        As in `TileCount`.
    """

    observed: NDArray[np.int64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    p_value: NDArray[np.float64]
    randomised: NDArray[np.float64]

    def __post_init__(self) -> None:
        sizes = {name: column.size for name, column in vars(self).items()}
        if len(set(sizes.values())) != 1:
            raise GeometryError(f"columns of tile counts differ in length: {sizes}")

    @classmethod
    def of(cls, tiles: Iterable[TileCount]) -> TileCounts:
        """The records of single tiles as columns."""
        rows = [
            (tile.observed, tile.mean, tile.variance, tile.p_value, tile.randomised)
            for tile in tiles
        ]
        columns = np.array(rows, np.float64).reshape(-1, 5).T
        return cls(columns[0].astype(np.int64), *columns[1:])

    def __len__(self) -> int:
        return int(self.observed.size)

    def inflation(self, region: CountMoments) -> float:
        """Variance of the region's count over the sum of the tiles' variances.

        1 for independent tiles, more for clustered processes, less for regular ones.
        """
        alone = float(self.variance.sum())
        return region.variance / alone if alone > 0 else 1.0


def are_countable(mean: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where a standardised count varies enough to be summed with others under a normal law.

    A count of few independent events is nearly always the same number: none at all, or all that
    can be. Its score then tells its expectation. ``mean ** 2 / variance`` is the number of events,
    points or clusters, that a Poisson count of such a spread has; the variance is that number for
    what is missing from a nearly certain count.

    Examples
    --------
    >>> are_countable(np.array([0.02, 8.0, 8.0, 9.0]), np.array([0.02, 8.0, 800.0, 0.1])).tolist()
    [False, True, False, False]
    """
    return (mean**2 >= FEWEST_EVENTS * variance) & (variance >= FEWEST_EVENTS)


def smallest_rate_error(region: CountMoments, alpha: float = REGION_ALPHA) -> float:
    """Relative error of the intensity that the region's total finds with power 90 %.

    Examples
    --------
    >>> round(smallest_rate_error(CountMoments(381_000.0, 381_000.0)), 4)
    0.0102
    """
    if not region.mean > 0:
        return math.inf
    quantiles = -ndtri(alpha / 4) + ndtri(POWER)  # two sides of one of two tests
    return float(quantiles * region.standard_deviation / region.mean)


def mean_variance_hold(
    tiles: TileCounts,
    region: CountMoments,
    alpha: float = REGION_ALPHA,
    *,
    alike: bool = True,
) -> Verdict:
    """The region's total and the spread of its tiles are what the law says.

    Parameters
    ----------
    tiles : TileCounts
        The region's committed tiles.
    region : CountMoments
        Moments of the union of these tiles (`moments.region_moments`).
    alpha : float
        Bound of the probability that a healthy region fails.
    alike : bool
        Whether the tiles of one realisation vary as the law says. Those of a process with blocks
        all lie alike in its blocks, whose place is drawn once: their spread is not tested.

    Returns
    -------
    Verdict
        Null hypothesis: the counts of one realisation of the thinned process. Twice the
        smaller p-value of two tests: the total count against the region's own variance,
        and the spread of the tiles' counts. ``observed`` and ``expected`` are the
        total's.

    Notes
    -----
    The total is judged by the largest of normal, lognormal and clumped Poisson tails
    (`count_distribution.ApproximateCounts`). The spread is the sum
    of squared normal scores of the randomised p-values, chi-square for independent tiles;
    where these are not known, the sum of squared standardised counts of the tiles that
    expect enough (`are_countable`), whose mean is known and whose error is taken from the
    tiles (`skewed_sums`); it is not more surprising than it were of normal scores, as few
    counts may show an error that is much too small. Correlation between tiles
    widens both by at most the sum of absolute correlations, which `TileCounts.inflation`
    measures: so they are scaled (Satterthwaite), which is conservative.

    Examples
    --------
    >>> from synthgrid_assets.processes.poisson import PoissonLaw
    >>> from synthgrid_assets.statistics.tile.counts import tile_count
    >>> from synthgrid_assets.statistics.laws.retention import Retention
    >>> law, window = PoissonLaw(4.0), Retention.full(10, 10)
    >>> rng = np.random.default_rng(1)
    >>> counts = rng.poisson(400 * 1.05, 100).tolist()  # five per cent too many
    >>> tiles = TileCounts.of(tile_count(n, law, window, rng.random()) for n in counts)
    >>> mean_variance_hold(tiles, CountMoments(40_000.0, 40_000.0)).passed
    False
    """
    total = int(tiles.observed.sum())
    if len(tiles) == 0:
        return Verdict.not_judged("mean_variance_hold", "no tile is committed")
    if math.isnan(region.mean) or math.isnan(region.variance):
        reason = f"{total} points in {len(tiles)} tiles, no moments in closed form to compare with"
        return Verdict.not_judged("mean_variance_hold", reason)
    p_total = float(two_sided(ApproximateCounts(region), total))
    spread = _spread(tiles, tiles.inflation(region)) if alike else None
    p_values = [p_total] if spread is None else [p_total, spread[0]]
    delta = smallest_rate_error(region, alpha)
    return Verdict.significance(
        "mean_variance_hold",
        bonferroni(p_values),
        observed=float(total),
        expected=region.mean,
        standard_error=region.standard_deviation,
        alpha=alpha,
        detail=(
            f"{total} points in {len(tiles)} tiles, {region.mean:.6g} +- "
            f"{region.standard_deviation:.4g} expected (p = {p_total:.2g}); spread of the tiles "
            f"{_told(spread)}{told_together(p_values)}; a rate error of {delta:.2%} or more would "
            f"show with probability {POWER:.0%}"
        ),
    )


def _told(spread: tuple[float, float] | None) -> str:
    if spread is None:
        return "not tested: too few tiles that expect enough, or all lie alike in blocks"
    return f"{spread[1]:.3f} of the law's (p = {spread[0]:.2g})"


def _spread(tiles: TileCounts, inflation: float) -> tuple[float, float] | None:
    """p-value of the tiles' squared scores, and their mean; None for too few tiles."""
    n, widening = len(tiles), 1.0 + abs(inflation - 1.0)
    if np.isnan(tiles.randomised).any():
        return _spread_of_counts(tiles, widening)
    scores = np.clip(ndtri(tiles.randomised), -LARGEST_SCORE, LARGEST_SCORE)
    total = float((scores * scores).sum())
    return _chi_square(total, n, widening), total / n


def _chi_square(total: float, n: int, widening: float) -> float:
    """Two-sided p-value of the sum of n squared scores."""
    freedom, scaled = n / widening, total / widening
    return min(2 * min(float(chdtr(freedom, scaled)), float(chdtrc(freedom, scaled))), 1.0)


def _spread_of_counts(tiles: TileCounts, widening: float) -> tuple[float, float] | None:
    """The same from standardised counts; tiles that expect too little say nothing."""
    random = are_countable(tiles.mean, tiles.variance)
    if np.count_nonzero(random) < FEWEST_TILES:
        return None
    squares = (tiles.observed - tiles.mean)[random] ** 2 / tiles.variance[random]
    variance = squares.size * float(squares.var(ddof=2)) * widening
    p_normal = _chi_square(float(squares.sum()), squares.size, widening)
    if not variance > 0:
        return p_normal, float(squares.mean())
    return max(zero_mean_p_value(squares - 1.0, variance), p_normal), float(squares.mean())
