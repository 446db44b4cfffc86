"""Counts of many tiles beyond their expectation, judged by how much the tiles differ.

Belongs here: one test, whatever was counted. Not here: counting (`region_pairs`,
`distance_counts`), the expectation (the laws).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc

from synthgrid_assets.statistics.laws.skewed_sums import zero_mean_p_value

CERTAIN = 1e-6  # an expectation below this is one of 0: Markov bounds any count's probability


@dataclass(frozen=True)
class Excess:
    """What tiles hold beyond their expectation, at equal numbers of points.

    Parameters
    ----------
    expected, excess, standard_error : float
        Of the sum over tiles.
    p_value : float
        Two-sided.
    """

    expected: float
    excess: float
    standard_error: float
    p_value: float

    @property
    def observed(self) -> float:
        """Expectation and excess together."""
        return self.expected + self.excess


def excess(
    counted: NDArray[np.int64],
    expected: NDArray[np.float64],
    points: NDArray[np.float64],
    neighbours: NDArray[np.int64],
) -> Excess:
    """Sum over tiles of counts minus their expectation, given the surplus of points.

    Parameters
    ----------
    counted : ndarray of int64, shape (n,), n >= 3
        Pairs, or points or places with a neighbour: what comes in clumps of two or more.
    expected : ndarray of float64, shape (n,)
        Mean of `counted` under the law.
    points : ndarray of float64, shape (n,)
        Number of points minus its mean; uncorrelated with it, less noise is left.
    neighbours : ndarray of int64, shape (2, k)
        Index pairs of tiles that touch (`adjacent`): their covariance counts.

    Notes
    -----
    The larger of two p-values: that of a sum with the error that the tiles show
    (`skewed_sums`), and that of a Poisson number of clumps, as few counts are skewed. Tiles
    without any difference are those of a certain count, or of none at all.

    Examples
    --------
    >>> counted = np.random.default_rng(1).poisson(50, 100)
    >>> keys = [(i // 10, i % 10) for i in range(100)]
    >>> excess(counted, np.full(100, 50.0), counted - 50.0, adjacent(keys)).p_value > 0.01
    True
    """
    total, surplus = float(expected.sum()), counted - expected
    if total < CERTAIN:
        p_value = 1.0 if counted.sum() == 0 else max(total, 0.0)
        return Excess(total, float(counted.sum()), 0.0, p_value)
    spread = float(points @ points)
    slope = float(points @ surplus) / spread if spread > 0 else 0.0
    left = surplus - slope * points
    beyond = float(left.sum())
    centred = left - beyond * expected / total
    square = float(centred @ centred)
    beside = float(centred[neighbours[0]] @ centred[neighbours[1]])
    variance = max(square + 2 * beside, square) * left.size / (left.size - 2)
    if variance <= (1e-9 * total) ** 2:
        if not counted.any():  # too few were expected to show how tiles differ
            return Excess(total, beyond, 0.0, _of_clumps(total, beyond, 0.0))
        # counts that are certain, as on a grid
        return Excess(total, beyond, 0.0, 1.0 if abs(beyond) <= 1e-6 * total else 0.0)
    p_value = max(zero_mean_p_value(left, variance), _of_clumps(total, beyond, variance))
    return Excess(total, beyond, math.sqrt(variance), p_value)


def adjacent(keys: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Index pairs of tiles, given by row and column, that touch along a side or at a corner.

    Shape (2, n).
    """
    index = {key: number for number, key in enumerate(keys)}
    pairs = [
        (number, index[row + up, column + right])
        for (row, column), number in index.items()
        for up, right in ((0, 1), (1, -1), (1, 0), (1, 1))
        if (row + up, column + right) in index
    ]
    return np.array(pairs, np.int64).reshape(-1, 2).T


def _of_clumps(total: float, beyond: float, variance: float) -> float:
    """Two-sided Poisson p-value of counts that come in clumps of the size that they show."""
    clump = max(variance / total, 2.0)
    counted, mean = max((total + beyond) / clump, 0.0), total / clump
    upper = float(gammainc(counted, mean)) if counted > 0 else 1.0
    return min(1.0, 2 * min(float(gammaincc(counted + 1, mean)), upper))
