"""Kolmogorov's and Smirnov's test of one sample: its distance, and the distance's tail.

Belongs here: the test for any continuous law. Not here: whose values they are.

`scipy.stats` has the same test; importing it takes half a second, in the process that
orchestrates and in every one that makes tiles.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogorov, smirnov

# where n D^2 is larger, both tails together are twice one of them, to 1e-6 of it and better
_FAR = 2.5
# of more values, the limit with its first two corrections is right to 1e-4 of the tail
_LARGE = 10_000


def largest_distance(probabilities: NDArray[np.float64]) -> tuple[float, int]:
    """Distance of an empirical distribution from the declared one.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n,), n >= 1
        The declared distribution function at each value: uniform where the law holds.

    Returns
    -------
    distance : float
    index : int
        Of the value at which it is reached.

    Examples
    --------
    >>> largest_distance(np.array([0.5]))
    (0.5, 0)
    """
    order = np.argsort(probabilities, kind="stable")
    p, n = probabilities[order], probabilities.size
    above, below = np.arange(1.0, n + 1) / n - p, p - np.arange(0.0, n) / n
    i, j = int(above.argmax()), int(below.argmax())
    if above[i] > below[j]:
        return float(above[i]), int(order[i])
    return float(below[j]), int(order[j])


def distance_tail(distance: float, n: int) -> float:
    """P(D >= distance) of n independent values that follow their law.

    Parameters
    ----------
    distance : float
    n : int
        >= 1

    Notes
    -----
    Marsaglia, Tsang and Wang (2003), Evaluating Kolmogorov's distribution, Journal of
    Statistical Software 8(18): the n-th power of a matrix of side ``2 ceil(n D) - 1``. Far out,
    where its complement would lose digits, twice Smirnov's exact one-sided tail. Of large samples
    the limit at a corrected place: Vrbik (2018), Small-sample corrections to
    Kolmogorov-Smirnov test statistic, Pioneer Journal of Theoretical and Applied Statistics 15.

    Examples
    --------
    >>> round(distance_tail(0.5, 1), 12), round(distance_tail(0.274, 10), 6)
    (1.0, 0.37152)
    """
    if distance >= 1 or distance <= 0.5 / n:
        return float(distance < 1)
    if n * distance * distance > _FAR or distance >= 0.5:
        return min(1.0, 2 * float(smirnov(n, distance)))
    if n > _LARGE:
        root = math.sqrt(n)
        return float(kolmogorov(distance * root + 1 / (6 * root) + (distance * root - 1) / (4 * n)))
    return min(max(1.0 - _distribution(distance, n), 0.0), 1.0)


def _distribution(distance: float, n: int) -> float:
    """P(D < distance), by the power of the matrix; powers of two are kept apart."""
    k = math.ceil(n * distance)
    h, m = k - n * distance, 2 * k - 1
    places = np.arange(1, m + 1)
    apart = places[:, None] - places[None, :] + 1
    step = np.where(apart >= 0, 1.0, 0.0)
    step[:, 0] -= h**places
    step[-1] -= (h**places)[::-1]
    step[-1, 0] += max(2 * h - 1, 0.0) ** m
    factorials = np.cumsum(np.log(np.maximum(np.arange(m + 1), 1)))
    step *= np.exp(-factorials[np.maximum(apart, 0)])
    power, shift = np.eye(m), 0
    square, doubled, left = step, 0, n
    while left:
        if left & 1:
            power, by = _scaled(power @ square)
            shift += doubled + by
        square, by = _scaled(square @ square)
        doubled, left = 2 * doubled + by, left >> 1
    log_factor = math.lgamma(n + 1) - n * math.log(n) + shift * math.log(2)
    return float(power[k - 1, k - 1] * math.exp(log_factor))


def _scaled(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """A matrix with its largest element near one, and the power of two taken out."""
    exponent = math.frexp(float(matrix.max()))[1]
    return np.ldexp(matrix, -exponent), exponent
