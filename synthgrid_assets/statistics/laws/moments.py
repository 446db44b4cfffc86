"""Mean and variance of the number of points in a rectangle or in a union of tiles.

Belongs here: the two moments under a law seen through thinning. Not here: distributions
(`count_distribution`) and verdicts (`counts`, `region`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.processes.count_models import BoundedModel, LineClusters, RegularModel
from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.processes.superposition import SuperpositionLaw
from synthgrid_assets.statistics.laws.convolution import convolve
from synthgrid_assets.statistics.laws.line_retention import LineRetention
from synthgrid_assets.statistics.laws.retention import Retention, block_mean
from synthgrid_assets.statistics.laws.superposed import parts_of


@dataclass(frozen=True)
class CountMoments:
    """Mean and variance of a number of points.

    Parameters
    ----------
    mean, variance : float
    """

    mean: float
    variance: float

    @property
    def standard_deviation(self) -> float:
        """Square root of the variance."""
        return math.sqrt(self.variance)

    @property
    def dispersion(self) -> float:
        """Variance-to-mean ratio; 1 for a Poisson count, and for an empty window."""
        return self.variance / self.mean if self.mean > 0 else 1.0


def mean_bounds(
    law: Law, by_cell: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Bounds of each cell's mean count where its moments are not known.

    Parameters
    ----------
    law : Law
        In cell units, before thinning.
    by_cell : ndarray of float64
        Mean retention of each cell.

    Returns
    -------
    low, high : ndarray of float64, shape of `by_cell`
        None where moments are known: for all laws but those of a `BoundedModel`, and a regular grid
        that is thinned unevenly. A mask's edge runs past all of a grid's points or past
        none, so the kept area says too little about them.

    Examples
    --------
    >>> from synthgrid_assets.processes.grid import RegularLaw
    >>> [bound.tolist() for bound in mean_bounds(RegularLaw(4.0), np.array([0.0, 0.7, 1.0]))]
    [[0.0, 0.0, 4.0], [0.0, 4.0, 4.0]]
    """
    model = law.count_model
    if isinstance(model, BoundedModel):
        return model.low * by_cell, model.high * by_cell
    if isinstance(model, RegularModel) and len(_levels(by_cell)) > 1:
        whole, touched = (by_cell >= 1.0).astype(float), (by_cell > 0.0).astype(float)
        return law.intensity * whole, law.intensity * touched
    return None


def untestable(law: Law, retention: Retention) -> str:
    """Why no count of a superposition can be judged; empty where it can, and for other laws.

    Examples
    --------
    >>> from synthgrid_assets.processes.poisson import PoissonLaw
    >>> law = SuperpositionLaw((PoissonLaw(1.0), PoissonLaw(2.0)), "b depends on a")
    >>> untestable(law, Retention.full(3, 2))
    'the union has no closed law: b depends on a'
    """
    if not isinstance(law, SuperpositionLaw):
        return ""
    reason = law.coupling
    if not reason and any(mean_bounds(m, r.by_cell) for m, r in parts_of(law, retention)):
        reason = "the intensity of a member is not known"
    return f"the union has no closed law: {reason}" if reason else ""


def _levels(by_cell: NDArray[np.float64]) -> set[float]:
    """The least and the greatest retention more than 0."""
    kept = by_cell[by_cell > 0]
    return {float(kept.min()), float(kept.max())} if kept.size else set()


def count_moments(law: Law, retention: Retention) -> CountMoments:
    """Mean and variance of the number of points that thinning leaves in a rectangle.

    Parameters
    ----------
    law : Law
        The process before thinning, in cell units.
    retention : Retention
        Probability p that a point stays.

    Returns
    -------
    CountMoments
        NaN where they are not known (`mean_bounds`).

    Notes
    -----
    The mean is the integral of ``lambda p``, the variance the mean plus the double
    integral of ``lambda**2 p p' (g - 1)``, since independent thinning keeps the pair
    correlation g (Illian et al. 2008, section 6.2.1). Closed form where p is constant.
    Elsewhere the mean is exact and the double integral takes p as constant in each cell
    (its mean): exact for cells of one value, and close where p hardly varies within the
    shorter of a cell's side and the correlation length.

    Examples
    --------
    >>> from synthgrid_assets.processes.poisson import PoissonLaw
    >>> count_moments(PoissonLaw(4.0), Retention(np.full((3, 5), 0.5)))
    CountMoments(mean=30.0, variance=30.0)
    """
    if isinstance(law, SuperpositionLaw):
        return _superposed(law, retention)
    if isinstance(retention, LineRetention) and isinstance(law.count_model, LineClusters):
        return CountMoments(*retention.moments(law.count_model))
    p = retention.constant
    if p is None or math.isnan(law.intensity):
        return region_moments(law, [retention.by_cell])
    area = retention.width * retention.height
    full = law.intensity * area
    excess = law.count_variance(retention.width, retention.height) - full
    return CountMoments(full * p, max(full * p + p * p * excess, 0.0))


def _superposed(law: SuperpositionLaw, retention: Retention) -> CountMoments:
    """Moments of independent members add up."""
    if untestable(law, retention):
        return CountMoments(math.nan, math.nan)
    members = [count_moments(member, kept) for member, kept in parts_of(law, retention)]
    return CountMoments(sum(m.mean for m in members), sum(m.variance for m in members))


def unresolved_variance(law: Law, retention: Retention) -> float:
    """Bound of the variance that a clustered law has beyond `count_moments`, in its cells.

    Where the retention p varies inside cells, taking it as constant there loses the double
    integral of ``lambda**2 q q' (g - 1)`` with q the deviation from the cell's mean. By
    Young's inequality that is at most the integral of q**2 times that of
    ``lambda**2 (g - 1)``. Regular laws lose a negative term: for them the bound is 0.

    Examples
    --------
    >>> from synthgrid_assets.processes.cluster.thomas import ThomasLaw
    >>> law = ThomasLaw(kappa=0.5, mu=8.0, sigma=0.2)
    >>> half = Retention(np.array([[1.0, 0.0], [1.0, 0.0]]), pixels_per_cell=2)
    >>> round(unresolved_variance(law, half), 6)  # 4 points a cell, 8 a cluster, q = 1/2
    8.0
    """
    if isinstance(law, SuperpositionLaw):
        return sum(unresolved_variance(*part) for part in parts_of(law, retention))
    s = retention.pixels_per_cell
    if s == 1 or math.isnan(law.intensity):
        return 0.0
    varying = float((block_mean(retention.probability**2, s) - retention.by_cell**2).sum())
    return max(float(law.cell_covariance(law.correlation_cells).sum()) * varying, 0.0)


def region_moments(law: Law, strips: Iterable[NDArray[np.float64]]) -> CountMoments:
    """Mean and variance of the number of points in a union of tiles, strip by strip.

    Parameters
    ----------
    law : Law
        The process before thinning, in cell units.
    strips : iterable of ndarray of float64, each of shape (rows, width)
        Mean retention of each cell, 0 where no tile is committed. Consecutive strips of
        cell rows, south to north; only one of them is held at a time.

    Returns
    -------
    CountMoments
        With the covariances between tiles, to `Law.correlation_cells`. NaN where they are
        not known (`mean_bounds`).
    """
    if math.isnan(law.intensity):
        return CountMoments(math.nan, math.nan)
    kernel, lags = _backward_covariance(law)
    total = pairs = 0.0
    below: NDArray[np.float64] | None = None
    levels: set[float] = set()
    for strip in strips:
        levels |= _levels(strip)
        total += float(strip.sum())
        if lags < 0:
            continue
        if below is None:
            below = np.zeros((lags, strip.shape[1]))
        known = np.vstack([below, strip])
        felt = convolve(np.pad(known, lags), kernel, valid=True)[lags : lags + len(strip)]
        pairs += float((strip * felt).sum())
        below = known[len(known) - lags :]
    if isinstance(law.count_model, RegularModel) and len(levels) > 1:
        return CountMoments(math.nan, math.nan)
    mean = law.intensity * total
    return CountMoments(mean, max(mean + pairs, 0.0))


@lru_cache(maxsize=64)
def _backward_covariance(law: Law) -> tuple[NDArray[np.float64], int]:
    """`Law.cell_covariance` with lags to the north folded onto those to the south.

    Each pair of rows is then met once, from its northern row, so a strip needs nothing
    that comes after it. The second value is the largest lag, -1 where all are zero.
    """
    lags = law.correlation_cells
    covariance = law.cell_covariance(lags)
    if not covariance.any():
        return covariance, -1
    # a convolution's kernel rows count southwards: row lags + d meets the row d to the south
    folded = np.zeros_like(covariance)
    folded[lags] = covariance[lags]
    folded[lags + 1 :] = 2 * covariance[lags + 1 :]
    return folded, lags
