"""Tail probabilities of a tile's count: exact where they are known, else from moments.

Belongs here: the choice of a distribution by law, and p-values. Not here: the moments
(`moments`) and the inversion for clusters (`cluster_counts`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, gammaincc, gammaln, ndtr, pdtr, pdtrc, xlogy

from synthgrid_assets.processes.count_models import (
    DiscClusters,
    GaussianClusters,
    LineClusters,
    PoissonModel,
)
from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.processes.superposition import SuperpositionLaw
from synthgrid_assets.statistics.laws.cluster_counts import cluster_count_pmf
from synthgrid_assets.statistics.laws.convolution import convolve
from synthgrid_assets.statistics.laws.line_retention import LineRetention
from synthgrid_assets.statistics.laws.moments import (
    CountMoments,
    count_moments,
    mean_bounds,
    untestable,
)
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.laws.superposed import parts_of

SMALLEST_P = 1e-14  # rounding limits the tails below this: smaller ones are reported as this
SKEW_ALLOWANCE = 10.0  # factor on the approximate tails of a single tile's clustered count
LEAST_VARIANCE = 10.0  # of a count whose normal distribution is pooled over tiles


class CountDistribution(Protocol):
    """The law of one count."""

    def tails(self, observed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """P(N <= observed) and P(N >= observed), each at least `SMALLEST_P`."""
        ...

    def randomised(self, observed: ArrayLike, uniform: ArrayLike) -> NDArray[np.float64]:
        """P(N < observed) + uniform * P(N = observed): uniform when N has this law."""
        ...


@dataclass(frozen=True, eq=False)
class PoissonCounts:
    """A Poisson count: independent points, thinned or not.

    Parameters
    ----------
    mean : float or ndarray of float64
        One count's mean, or those of several.

    Examples
    --------
    >>> [float(tail) for tail in PoissonCounts(0.0).tails(0)]
    [1.0, 1.0]
    """

    mean: float | NDArray[np.float64]

    def table(self) -> tuple[int, NDArray[np.float64]]:
        """The first count that is likely at all, and probabilities from there on.

        Bernstein's inequality leaves less than 1e-17 beyond each end.
        """
        mean = float(self.mean)
        first = max(math.floor(mean - math.sqrt(78.4 * mean)), 0)
        n = np.arange(first, math.ceil(mean + 13.1 + math.sqrt(171 + 78.4 * mean)) + 1)
        return int(n[0]), _exactly(n, self.mean)

    def tails(self, observed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """P(N <= observed) and P(N >= observed)."""
        n = np.asarray(observed)
        return _floored(_at_most(n, self.mean)), _floored(_more_than(n - 1, self.mean))

    def randomised(self, observed: ArrayLike, uniform: ArrayLike) -> NDArray[np.float64]:
        """P(N < observed) + uniform * P(N = observed)."""
        n = np.asarray(observed)
        mass = _exactly(n, self.mean)
        return np.asarray(_at_most(n - 1, self.mean) + np.asarray(uniform) * mass)


def _at_most(n: NDArray[Any], mean: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """P(N <= n) of a Poisson count, as `scipy.stats` has it at a tenth of its time."""
    return np.asarray(np.where(n < 0, 0.0, pdtr(np.maximum(n, 0), mean)))


def _exactly(n: NDArray[Any], mean: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """P(N = n) of a Poisson count, n >= 0."""
    return np.asarray(np.exp(xlogy(n, mean) - gammaln(n + 1.0) - mean))


def _more_than(n: NDArray[Any], mean: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """P(N > n)."""
    return np.asarray(np.where(n < 0, 1.0, pdtrc(np.maximum(n, 0), mean)))


@dataclass(frozen=True, eq=False)
class BoundedCounts:
    """A count no more variable than Poisson's, of which only bounds of the mean are known.

    Parameters
    ----------
    low, high : float or ndarray of float64
        Bounds of one count's mean, or of those of several.

    Examples
    --------
    >>> two_sided(BoundedCounts(40.0, 60.0), [50, 150]).round(6).tolist()
    [1.0, 0.0]
    """

    low: float | NDArray[np.float64]
    high: float | NDArray[np.float64]

    def tails(self, observed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Poisson tails at the bounds: at least P(N <= observed) and P(N >= observed)."""
        n = np.asarray(observed)
        return _floored(_at_most(n, self.low)), _floored(_more_than(n - 1, self.high))

    def randomised(self, observed: ArrayLike, uniform: ArrayLike) -> NDArray[np.float64]:
        """NaN: bounds give no distribution to pool."""
        return np.full(np.broadcast(observed, uniform).shape, math.nan)


@dataclass(frozen=True, eq=False)
class TabulatedCounts:
    """A count with tabulated probabilities of ``first, first + 1, ...``."""

    first: int
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    @classmethod
    def of(cls, first: int, pmf: NDArray[np.float64]) -> TabulatedCounts:
        """The distribution with this table, summed from each end."""
        return cls(first, np.cumsum(pmf), np.cumsum(pmf[::-1])[::-1])

    def table(self) -> tuple[int, NDArray[np.float64]]:
        """The first count, and probabilities from there on: differences of the nearer end's."""
        rising, falling = np.diff(self.lower, prepend=0.0), -np.diff(self.upper, append=0.0)
        return self.first, np.where(self.lower < 0.5, rising, falling)

    def tails(self, observed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """P(N <= observed) and P(N >= observed)."""
        at = np.asarray(observed) - self.first
        inside = np.clip(at, 0, self.lower.size - 1)
        lower = np.where(at < 0, 0.0, self.lower[inside])
        upper = np.where(at >= self.lower.size, 0.0, self.upper[inside])
        return _floored(lower), _floored(upper)

    def randomised(self, observed: ArrayLike, uniform: ArrayLike) -> NDArray[np.float64]:
        """P(N < observed) + uniform * P(N = observed)."""
        at = np.asarray(observed) - self.first + 1
        cumulative = np.r_[0.0, np.minimum(self.lower, 1.0)]
        below, up_to = (cumulative[np.clip(at - k, 0, self.lower.size)] for k in (1, 0))
        return np.asarray(below + np.asarray(uniform) * (up_to - below))


class UnknownCounts:
    """A count of which nothing is known: no observation speaks against it."""

    def tails(self, observed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """1 and 1."""
        return np.ones(np.shape(observed)), np.ones(np.shape(observed))

    def randomised(self, observed: ArrayLike, uniform: ArrayLike) -> NDArray[np.float64]:
        """NaN: there is no distribution to pool."""
        return np.full(np.broadcast(observed, uniform).shape, math.nan)


@dataclass(frozen=True)
class ApproximateCounts:
    """A count of which only mean and variance are known.

    A count no more variable than Poisson's is taken as normal with continuity
    correction. One that is more variable has a longer upper tail: it is taken as
    lognormal, and for p-values each tail is the larger of the normal's and the
    lognormal's, times an allowance. Few counts are skewed, and none is the likeliest: no tail
    is smaller than that of a Poisson number of clumps, each of the size that mean and variance
    show, which is exact for a Poisson count. A variance of 0 leaves the mean as the only
    possible count.

    Parameters
    ----------
    moments : CountMoments
    allowance : float
        Factor on the tails of counts more variable than Poisson's, for the skewness that
        two moments don't show; 1 for large sums.
    """

    moments: CountMoments
    allowance: float = 1.0

    def tails(self, observed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """P(N <= observed) and P(N >= observed), approximately."""
        n = np.asarray(observed, float)
        mean, sd = self.moments.mean, self.moments.standard_deviation
        if self._is_certain:
            return _floored(n > mean - 0.5), _floored(n < mean + 0.5)
        lower, upper = (
            ndtr((n + 0.5 - mean) / sd),
            ndtr((mean - n + 0.5) / sd),
        )
        if self._is_clustered:
            lower = self.allowance * np.maximum(lower, ndtr(self._logarithmic_score(n + 0.5)))
            upper = self.allowance * np.maximum(upper, ndtr(-self._logarithmic_score(n - 0.5)))
        few, many = self._tails_of_clumps(n)
        return _floored(np.maximum(lower, few)), _floored(np.maximum(upper, many))

    def randomised(self, observed: ArrayLike, uniform: ArrayLike) -> NDArray[np.float64]:
        """The normal distribution function at a random place within the count.

        NaN for a count more variable than Poisson's: the lognormal bounds its tails, but
        over thousands of tiles it would not pass for its distribution. NaN below
        `LEAST_VARIANCE` too, where a count is further from normal than many tiles forgive.
        """
        at = np.asarray(observed, float) - 0.5 + np.asarray(uniform)
        if self._is_certain:
            return np.asarray(np.clip(at - (self.moments.mean - 0.5), 0.0, 1.0))
        if self._is_clustered or self.moments.variance < LEAST_VARIANCE:
            return np.full(at.shape, math.nan)
        return np.asarray(ndtr((at - self.moments.mean) / self.moments.standard_deviation))

    @property
    def _is_certain(self) -> bool:
        return self.moments.standard_deviation <= 1e-6 * math.sqrt(max(self.moments.mean, 1.0))

    @property
    def _is_clustered(self) -> bool:
        return self.moments.dispersion > 1 + 1e-9

    def _tails_of_clumps(
        self, n: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both tails of a Poisson number of clumps, continued to numbers that are not whole."""
        clump = self.moments.dispersion
        counted, mean = np.maximum(n, 0.0) / clump, self.moments.mean / clump
        upper = np.where(counted > 0, gammainc(np.maximum(counted, 1e-300), mean), 1.0)
        return np.asarray(gammaincc(counted + 1, mean)), upper

    def _logarithmic_score(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where a count stands in the lognormal of the same moments, as a normal score."""
        shape = math.sqrt(math.log1p(self.moments.variance / self.moments.mean**2))
        with np.errstate(divide="ignore"):
            away = np.log(np.maximum(at, 0.0)) - math.log(self.moments.mean) + shape * shape / 2
        return np.asarray(away / shape)


def count_distribution(law: Law, retention: Retention) -> CountDistribution:
    """The distribution of the number of points that thinning leaves in a rectangle.

    By the law's `count_model`: exact for `PoissonModel` and for cluster processes with Poisson
    broods (`GaussianClusters`, `DiscClusters`, and on whole tiles `LineClusters`); `BoundedCounts`
    where `mean_bounds` are all that is known; `ApproximateCounts` for any other. Windows of equal
    shape and constant retention share one computation.

    Examples
    --------
    >>> from synthgrid_assets.processes.poisson import PoissonLaw
    >>> law = PoissonLaw(2.0)
    >>> two_sided(count_distribution(law, Retention.full(3, 2)), 12)
    array(1.)
    """
    if isinstance(law, SuperpositionLaw):
        return _superposed(law, retention)
    if isinstance(law.count_model, LineClusters):
        return _varying(law, retention)
    p = retention.constant
    if p is not None:
        return _constant(law, retention.width, retention.height, p)
    return _varying(law, retention)


@lru_cache(maxsize=1)
def _superposed(law: SuperpositionLaw, retention: Retention) -> CountDistribution:
    """The sum of the members' counts: exact where each is Poisson's or tabulated.

    Kept for the same `Retention`, as in `_varying`, which keeps too few for many members.
    """
    if untestable(law, retention):
        return UnknownCounts()
    members = [count_distribution(member, kept) for member, kept in parts_of(law, retention)]
    total: PoissonCounts | TabulatedCounts = PoissonCounts(0.0)
    for member in members:
        if isinstance(total, PoissonCounts) and isinstance(member, PoissonCounts):
            total = PoissonCounts(total.mean + member.mean)
        elif isinstance(member, PoissonCounts | TabulatedCounts):
            total = _convolved(total, member)
        else:
            return ApproximateCounts(count_moments(law, retention), SKEW_ALLOWANCE)
    return total


def _convolved(
    a: PoissonCounts | TabulatedCounts, b: PoissonCounts | TabulatedCounts
) -> TabulatedCounts:
    """The distribution of the sum of two independent counts."""
    (first_a, pmf_a), (first_b, pmf_b) = a.table(), b.table()
    pmf = np.maximum(convolve(pmf_a, pmf_b), 0.0)
    return TabulatedCounts.of(first_a + first_b, pmf)


@lru_cache(maxsize=2)
def _varying(law: Law, retention: Retention) -> CountDistribution:
    """Kept for the same `Retention`: a tile's record and its verdict both ask."""
    return _distribution(law, retention)


@lru_cache(maxsize=256)
def _constant(law: Law, width: int, height: int, p: float) -> CountDistribution:
    return _distribution(law, Retention(np.full((height, width), p)))


def _distribution(law: Law, retention: Retention) -> CountDistribution:
    bounds = mean_bounds(law, retention.by_cell)
    if bounds is not None:
        return BoundedCounts(*(float(bound.sum()) for bound in bounds))
    match law.count_model:
        case PoissonModel():
            return PoissonCounts(count_moments(law, retention).mean)
        case GaussianClusters() | DiscClusters() as model:
            return TabulatedCounts.of(*cluster_count_pmf(model, retention))
        case LineClusters() as model:
            if not isinstance(retention, LineRetention):
                return UnknownCounts()
            return TabulatedCounts.of(0, retention.pmf(model))
        case _:
            return ApproximateCounts(count_moments(law, retention), SKEW_ALLOWANCE)


def two_sided(distribution: CountDistribution, observed: ArrayLike) -> NDArray[np.float64]:
    """Twice the smaller tail, at most 1: a conservative p-value of a discrete count."""
    lower, upper = distribution.tails(observed)
    return np.asarray(np.minimum(1.0, 2.0 * np.minimum(lower, upper)))


def _floored(tail: ArrayLike) -> NDArray[np.float64]:
    return np.clip(np.asarray(tail, np.float64), SMALLEST_P, 1.0)
