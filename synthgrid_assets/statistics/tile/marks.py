"""Marks against their declared law, one column of one tile at a time.

Belongs here: tests of marks, one by one and together. Not here: how marks are drawn
(`processes.marks`), places of points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc

from synthgrid_assets.statistics.kolmogorov import distance_tail, largest_distance
from synthgrid_assets.statistics.multiple_testing import bonferroni
from synthgrid_assets.verdict import TILE_ALPHA, Verdict

TEST = "marks_follow_their_law"


def labels_follow_their_weights(
    name: str, counts: Mapping[str, int], weights: Mapping[str, float], alpha: float = TILE_ALPHA
) -> Verdict:
    """Each label of a mark is as frequent as its weight says.

    Parameters
    ----------
    name : str
        The mark's column.
    counts : mapping of str to int
        Points by label; labels without points may be missing.
    weights : mapping of str to float
        Declared weights, > 0; they need not sum to 1.
    alpha : float
        Bound of the probability that a healthy tile fails.

    Returns
    -------
    Verdict
        Null hypothesis: labels are independent draws. Each label's count is binomial;
        the p-value is the smallest two-sided binomial one times the number of labels.
        Exact at any level and size, unlike a chi-square. ``observed`` and ``expected``
        are the worst label's; an undeclared label fails outright.

    Examples
    --------
    >>> weights = {"coffee": 0.7, "tea": 0.3}
    >>> labels_follow_their_weights("kind", {"coffee": 690, "tea": 310}, weights).passed
    True
    >>> labels_follow_their_weights("kind", {"coffee": 310, "tea": 690}, weights).passed
    False
    """
    undeclared = sorted(set(counts) - set(weights))
    if undeclared:
        return Verdict.exact(TEST, len(undeclared), f"mark {name}: undeclared labels {undeclared}")
    labels = list(weights)
    n = sum(counts.values())
    if n == 0:
        return Verdict.not_judged(TEST, f"mark {name}: no points")
    shares = np.array([weights[label] for label in labels]) / sum(weights.values())
    observed = np.array([counts.get(label, 0) for label in labels])
    lower = bdtr(observed, n, shares)
    upper = np.where(observed > 0, bdtrc(np.maximum(observed - 1, 0), n, shares), 1.0)
    p_values = np.minimum(1.0, 2 * np.minimum(lower, upper))
    worst = int(np.argmin(p_values))
    return Verdict.significance(
        TEST,
        bonferroni(p_values),
        observed=float(observed[worst]),
        expected=float(n * shares[worst]),
        standard_error=float(np.sqrt(n * shares[worst] * (1 - shares[worst]))),
        alpha=alpha,
        detail=(
            f"mark {name}: {observed[worst]} of {n} points are {labels[worst]!r}, "
            f"{n * shares[worst]:.6g} expected"
        ),
    )


def values_follow_their_distribution(
    name: str,
    values: NDArray[np.float64],
    cdf: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    alpha: float = TILE_ALPHA,
) -> Verdict:
    """The values of a numeric mark follow their declared distribution.

    Parameters
    ----------
    name : str
        The mark's column.
    values : ndarray of float64, shape (n,)
    cdf : callable
        Distribution function; continuous. For a discrete one the test is conservative.
    alpha : float
        Bound of the probability that a healthy tile fails.

    Returns
    -------
    Verdict
        Kolmogorov-Smirnov; null hypothesis: values are independent draws. ``observed``
        is the largest distance. A value that is missing or impossible fails outright.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> values = np.linspace(2.0, 30.0, 500)
    >>> values_follow_their_distribution("seats", values, uniform(2, 28).cdf).passed
    True
    >>> values_follow_their_distribution("seats", values, uniform(2, 40).cdf).passed
    False
    """
    broken = int(np.count_nonzero(~np.isfinite(values)))
    if broken:
        return Verdict.exact(TEST, broken, f"mark {name}: {broken} of {values.size} are not finite")
    if values.size == 0:
        return Verdict.not_judged(TEST, f"mark {name}: no points")
    distance, place = largest_distance(np.asarray(cdf(values), np.float64))
    return Verdict.significance(
        TEST,
        distance_tail(distance, values.size),
        observed=distance,
        expected=float(np.sqrt(np.pi / 2 / values.size) * np.log(2)),
        alpha=alpha,
        detail=(
            f"mark {name}: {values.size} values, largest distance from their distribution "
            f"{distance:.4g} near {values[place]:.6g}"
        ),
    )


def marks_follow_their_law(marks: Sequence[Verdict], alpha: float = TILE_ALPHA) -> Verdict:
    """All marks of a tile together, each tested on its own.

    Parameters
    ----------
    marks : sequence of Verdict
        From the tests above, one per mark.
    alpha : float
        Bound of the probability that a healthy tile fails.

    Returns
    -------
    Verdict
        The worst mark's, its p-value times the number of marks: valid also for marks that
        depend on each other. A mark that failed outright comes first.

    Examples
    --------
    >>> weights = {"coffee": 7, "tea": 3}
    >>> labels = labels_follow_their_weights("kind", {"coffee": 1}, weights)
    >>> marks_follow_their_law([labels, labels]).p_value
    1.0
    """
    if not marks:
        return Verdict.not_judged(TEST, "the layer has no marks")
    judged = [mark for mark in marks if mark.judged]
    if not judged:
        return marks[0]
    p_values = [0.0 if mark.p_value is None else mark.p_value for mark in judged]
    worst = judged[int(np.argmin(p_values))]
    if worst.p_value is None:
        return worst
    return Verdict.significance(
        TEST,
        bonferroni(p_values),
        observed=worst.observed,
        expected=worst.expected,
        standard_error=worst.standard_error,
        alpha=alpha,
        detail=worst.detail,
    )
