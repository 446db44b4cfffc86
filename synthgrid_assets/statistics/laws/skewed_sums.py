"""The sum of many skewed, weakly dependent terms: is its mean zero?

Belongs here: one test. Not here: what the terms are (`region`, `region_pairs`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr


def zero_mean_p_value(terms: NDArray[np.float64], variance: float) -> float:
    """Two-sided p-value of a sum whose terms have mean zero.

    Parameters
    ----------
    terms : ndarray of float64, shape (n,), n >= 3
    variance : float
        Estimated variance of the sum, > 0, with the covariances between terms.

    Notes
    -----
    A t statistic. Skewed terms make mean and spread correlated: Hall's monotone cubic
    (Hall 1992, On the removal of skewness by transformation, JRSS B 54) removes the first
    order of it, and the larger of both p-values stands. Heavy tails make the error itself
    uncertain: the degrees of freedom are those that the terms' kurtosis leaves.

    Examples
    --------
    >>> terms = np.random.default_rng(1).exponential(size=200) - 1
    >>> zero_mean_p_value(terms, variance=200.0) > 0.01
    True
    >>> zero_mean_p_value(terms + 0.6, variance=200.0) < 1e-6
    True
    """
    n, total = terms.size, float(terms.sum())
    centred = terms - total / n
    square = float(centred @ centred)
    if square == 0:
        return 1.0 if total == 0 else 0.0
    skewness = float((centred**3).sum()) / square**1.5 * math.sqrt(n)
    kurtosis = n * float((centred**4).sum()) / square**2
    score, a = total / math.sqrt(variance), skewness / (3 * math.sqrt(n))
    corrected = score + a * score**2 + a * a * score**3 / 3 + a / 2
    freedom = min(2 * n / max(kurtosis - 1, 1e-9), n - 2.0)
    return 2 * float(stdtr(freedom, -min(abs(score), abs(corrected))))
