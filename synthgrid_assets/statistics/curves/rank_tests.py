"""Ranks of tiles among replicates: tests where no law is closed.

Belongs here: two samples of numbers, and one number among others. Not here: curves
(`envelopes`), what the numbers are.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr


def midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1 on along the first axis; equal values share the mean of theirs.

    Parameters
    ----------
    values : ndarray of float64, shape (n,) or (n, m)

    Examples
    --------
    >>> midranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    if values.ndim > 1:
        return np.stack([midranks(column) for column in values.T], axis=1)
    _, number, equal = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(equal) - (equal - 1) / 2)[number])


def two_sample_p_value(tiles: NDArray[np.float64], replicates: NDArray[np.float64]) -> float:
    """Two-sided p-value of Mann and Whitney's test of tiles against replicates.

    Parameters
    ----------
    tiles : ndarray of float64, shape (n,)
        A statistic of tiles that lie so far apart that they are independent.
    replicates : ndarray of float64, shape (m,)
        The same statistic of replicate tiles, each of a world of its own.

    Notes
    -----
    Under the null all n + m are exchangeable: the level is exact, however many tiles share
    the replicates. Ranks of single tiles among shared replicates are dependent, and pooling those
    as if they were not rejects healthy regions. The normal approximation with ties and
    continuity is conservative in its tails.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> tiles, replicates = rng.normal(size=40), rng.normal(size=199)
    >>> two_sample_p_value(tiles, replicates) > 0.01
    True
    >>> two_sample_p_value(tiles + 2, replicates) < 1e-6
    True
    """
    if tiles.size == 0 or np.ptp(np.concatenate([tiles, replicates])) == 0:
        return 1.0
    n, m = tiles.size, replicates.size
    together = np.concatenate([tiles, replicates])
    ahead = float(midranks(together)[:n].sum()) - n * (n + 1) / 2
    ties = np.unique(together, return_counts=True)[1].astype(np.float64)
    of_ties = float((ties**3 - ties).sum()) / ((n + m) * (n + m - 1))
    sd = math.sqrt(n * m / 12 * (n + m + 1 - of_ties))
    away = max(ahead, n * m - ahead) - n * m / 2 - 0.5
    return min(1.0, 2 * float(ndtr(-away / sd)))


def predicted_p_value(observed: float, replicates: NDArray[np.int64]) -> float:
    """Two-sided p-value of a count, predicted from the counts of replicates.

    Parameters
    ----------
    observed : float
    replicates : ndarray of int64, shape (n,), n >= 2

    Notes
    -----
    Student's prediction: ``(observed - mean) / (s sqrt(1 + 1 / n))`` is t with n - 1 degrees
    of freedom for normal counts, so the error of the estimated moments is part of it. With a
    continuity correction of half a point. For counts that are less variable than Poisson's
    and large enough to be normal.

    Examples
    --------
    >>> replicates = np.random.default_rng(1).poisson(400, 199)
    >>> predicted_p_value(401, replicates) > 0.5, predicted_p_value(600, replicates) < 1e-6
    (True, True)
    """
    n, mean, sd = replicates.size, float(replicates.mean()), float(replicates.std(ddof=1))
    away = max(abs(observed - mean) - 0.5, 0.0)
    if sd == 0:
        return 1.0 if away == 0 else 0.0
    return 2 * float(stdtr(n - 1, -away / (sd * math.sqrt(1 + 1 / n))))
