"""Kolmogorov and Smirnov's test against SciPy's, which has another algorithm."""

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.statistics.kolmogorov import distance_tail, largest_distance


@pytest.mark.parametrize("n", [1, 2, 3, 10, 33, 256, 1000, 4096, 20_000, 300_000])
def test_the_tail_is_that_of_scipy(n):
    """SciPy has another series, right to 5e-6 from 140 values on; ours of very many is a limit."""
    bound = 1e-6 if n < 140 else 1e-5 if n <= 10_000 else 1e-4
    for square in (0.001, 0.02, 0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.49, 2.51, 3.7, 5.0, 12.0):
        distance = (square / n) ** 0.5
        expected = float(stats.kstwo.sf(distance, n))
        assert distance_tail(distance, n) == pytest.approx(expected, rel=bound), square


def test_distances_that_cannot_be_passed_or_are_always():
    assert distance_tail(1.0, 5) == 0.0
    assert distance_tail(0.1, 5) == 1.0  # half a step lies between any value and the steps beside
    assert distance_tail(0.05, 5) == 1.0


def test_the_distance_is_that_of_scipy():
    rng = np.random.default_rng(5)
    for p in (rng.random(500), rng.random(7) ** 2, np.full(9, 0.25), np.array([0.0, 1.0])):
        distance, place = largest_distance(p)
        found = stats.kstest(p, "uniform")
        assert distance == pytest.approx(found.statistic, abs=1e-15)
        assert p[place] == found.statistic_location
