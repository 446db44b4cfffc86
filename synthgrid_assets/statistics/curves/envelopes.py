"""Global envelopes: does a whole curve look like the curves of replicates?

Belongs here: the extreme-rank-length test and its envelope. Not here: the curves
(`estimators`), the replicates themselves (`processes` under other keys).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.statistics.curves.rank_tests import midranks
from synthgrid_assets.verdict import Verdict

ENVELOPE_ALPHA = 0.01  # replicates can call a tile suspicious; 1e-6 would take a million of them


def attained_level(alpha: float, replicates: int) -> float:
    """How often a healthy curve's rank among replicates lies below a level.

    A rank among n has p-values that are multiples of ``1 / (n + 1)``.

    Examples
    --------
    >>> attained_level(ENVELOPE_ALPHA, 199)
    0.005
    """
    below = math.ceil(round(alpha * (replicates + 1), 9)) - 1
    return below / (replicates + 1)


@dataclass(frozen=True, eq=False)
class Envelope:
    """What a curve was compared with, to be drawn beside it.

    Parameters
    ----------
    low, high : ndarray of float64, shape (m,)
        Bounds at every place of the curve at once: a curve is outside somewhere exactly
        when its p-value is below the level.
    middle : ndarray of float64, shape (m,)
        Mean of the replicates.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    middle: NDArray[np.float64]


def curve_fits_replicates(
    test: str,
    observed: NDArray[np.float64],
    replicates: NDArray[np.float64],
    alpha: float = ENVELOPE_ALPHA,
) -> tuple[Verdict, Envelope]:
    """A curve is no more extreme than those of replicates, over all its places together.

    Parameters
    ----------
    test : str
        The claim, as ``pairs_follow_the_pcf``.
    observed : ndarray of float64, shape (m,)
        Any statistic as a curve: K, L, G, F ... NaN is not allowed.
    replicates : ndarray of float64, shape (n, m)
        The same statistic of n independent realisations of the same law, thinned alike,
        each under a key of its own.
    alpha : float
        Bound of the probability that a healthy curve fails; more than ``1 / (n + 1)``.

    Returns
    -------
    Verdict
        Null hypothesis: observed and replicates are exchangeable; then the p-value is exact
        (conservative with ties). ``observed`` is the number of places at which the
        curve leaves the envelope.
    Envelope

    Raises
    ------
    GeometryError
        If there are too few replicates for `alpha`, or the curves don't match.

    Notes
    -----
    Each curve's pointwise two-sided ranks among all n + 1 are sorted, and curves are
    ordered by these vectors lexicographically: the extreme rank length (Myllymaki et
    al. 2017, Global envelope tests for spatial processes, JRSS B 79). Smooth curves tie
    (the lowest everywhere and the highest everywhere); then the larger of their largest
    standardised deviations is the more extreme.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> replicates = rng.normal(size=(199, 30)).cumsum(axis=1)
    >>> verdict, _ = curve_fits_replicates("a walk", rng.normal(size=30).cumsum(), replicates)
    >>> verdict.passed
    True
    >>> curve_fits_replicates("a walk", np.linspace(0, 60, 30), replicates)[0].p_value
    0.005
    """
    _check(observed, replicates, alpha)
    curves = np.vstack([observed, replicates])
    n = len(replicates)
    order = _extremeness(curves)
    p_value = float(np.count_nonzero(order <= order[0])) / (n + 1)
    envelope = _envelope(curves, order, alpha)
    level = attained_level(alpha, n)
    outside = (observed < envelope.low) | (observed > envelope.high)
    verdict = Verdict.significance(
        test,
        p_value,
        observed=float(np.count_nonzero(outside)),
        expected=0.0,
        alpha=alpha,
        detail=(
            f"rank among {n} replicates: p = {p_value:.3g}; outside of the {1 - level:.3g} global "
            f"envelope at {int(np.count_nonzero(outside))} of {observed.size} places"
        ),
    )
    return replace(verdict, false_alarm_rate=level), envelope


@dataclass(frozen=True, eq=False)
class RankedReplicates:
    """Curves of replicates with their ranks, so that many curves are each compared quickly.

    Parameters
    ----------
    curves : ndarray of float64, shape (n, m)
    ranks : ndarray of float64, shape (n, m)
        Of each replicate among the replicates at each place.
    """

    curves: NDArray[np.float64]
    ranks: NDArray[np.float64]

    @classmethod
    def of(cls, curves: NDArray[np.float64]) -> RankedReplicates:
        """The replicates' curves, ranked."""
        return cls(curves, midranks(curves))

    def verdict(
        self, test: str, observed: NDArray[np.float64], alpha: float = ENVELOPE_ALPHA
    ) -> Verdict:
        """The verdict of `curve_fits_replicates`, p-value and all, without the envelope.

        ``observed`` and ``expected`` are the largest distance from the mean curve in
        standard deviations, and the replicates' median of it.

        Examples
        --------
        >>> rng = np.random.default_rng(1)
        >>> replicates = RankedReplicates.of(rng.normal(size=(199, 30)).cumsum(axis=1))
        >>> replicates.verdict("a walk", np.linspace(0, 60, 30)).p_value
        0.005
        """
        _check(observed, self.curves, alpha)
        less, equal = observed < self.curves, observed == self.curves
        own = 1 + (~less & ~equal).sum(axis=0) + equal.sum(axis=0) / 2
        ranks = np.vstack([own, self.ranks + less + equal / 2])
        keys, away = _keys(np.vstack([observed, self.curves]), ranks)
        differs = keys != keys[0]
        first = differs.argmax(axis=1)
        rows = np.arange(len(keys))
        at_most = ~differs[rows, first] | (keys[rows, first] < keys[0, first])
        n, p_value = len(self.curves), float(np.count_nonzero(at_most)) / len(keys)
        return Verdict.significance(
            test,
            p_value,
            observed=float(away[0]),
            expected=float(np.median(away[1:])),
            alpha=alpha,
            detail=(
                f"rank among {n} replicates: p = {p_value:.3g}; at most {away[0]:.3g} standard "
                "deviations from their mean"
            ),
        )


def _check(observed: NDArray[np.float64], replicates: NDArray[np.float64], alpha: float) -> None:
    if replicates.ndim != 2 or replicates.shape[1:] != observed.shape or observed.size == 0:
        raise GeometryError(
            f"curve of shape {observed.shape} and replicates of shape {replicates.shape} do not "
            "match; give shapes (m,) and (n, m)"
        )
    if alpha * (len(replicates) + 1) <= 1:
        raise GeometryError(
            f"{len(replicates)} replicates cannot reach alpha = {alpha:g}; give {int(1 / alpha)}"
        )
    if not (np.isfinite(observed).all() and np.isfinite(replicates).all()):
        raise GeometryError("curves hold values that are not finite")


def _extremeness(curves: NDArray[np.float64]) -> NDArray[np.int64]:
    """Place of each curve from the most extreme on, equal curves alike; shape (n + 1,)."""
    keys, _ = _keys(curves, midranks(curves))
    order = np.lexsort(keys.T[::-1])
    changes = np.r_[0, (np.diff(keys[order], axis=0) != 0).any(axis=1).cumsum()]
    place = np.empty(len(curves), np.int64)
    place[order] = changes
    return place


def _keys(
    curves: NDArray[np.float64], ranks: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What orders curves, as rows that compare like words; the largest deviation of each."""
    depth = np.sort(np.minimum(ranks, len(curves) + 1 - ranks), axis=1)
    spread = curves.std(axis=0)
    away = (np.abs(curves - curves.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).max(axis=1)
    return np.column_stack([depth, -away]), away


def _envelope(curves: NDArray[np.float64], place: NDArray[np.int64], alpha: float) -> Envelope:
    """Hull of the curves whose own p-value is at least `alpha`."""
    at_most = np.searchsorted(np.sort(place), place, side="right") / len(curves)
    central = curves[at_most >= alpha]
    return Envelope(central.min(axis=0), central.max(axis=0), curves[1:].mean(axis=0))
