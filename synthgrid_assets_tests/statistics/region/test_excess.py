"""Counts beyond expectation: certain ones, none at all, and a level that holds."""

import numpy as np
import pytest

from synthgrid_assets.statistics.region.excess import adjacent, excess

KEYS = [(row, column) for row in range(6) for column in range(6)]
NEIGHBOURS = adjacent(KEYS)
NO_SURPLUS = np.zeros(36)


def p_value(counted, expected):
    return excess(counted, np.full(36, expected), NO_SURPLUS, NEIGHBOURS).p_value


def test_each_pair_of_touching_tiles_is_met_once():
    assert NEIGHBOURS.shape == (2, 2 * 6 * 5 + 2 * 5 * 5)
    for i, j in NEIGHBOURS.T:
        assert max(abs(np.subtract(KEYS[i], KEYS[j]))) == 1


@pytest.mark.parametrize(
    ("counted", "expected", "low", "high"),
    [
        (7, 7.0, 1.0, 1.0),  # certain, and right
        (7, 7.1, 0.0, 0.0),  # certain, and wrong
        (0, 0.0, 1.0, 1.0),  # impossible, and absent
        (0, 0.005, 0.5, 1.0),  # none of the few expected: no fault
        (0, 10.0, 0.0, 1e-9),  # none of the many expected
    ],
)
def test_tiles_that_do_not_differ(counted, expected, low, high):
    assert low <= p_value(np.full(36, counted), expected) <= high


def test_what_is_impossible_is_found_at_once():
    one = np.zeros(36, np.int64)
    one[3] = 1
    assert p_value(one, 0.0) == 0.0
    assert p_value(one, 0.01) > 0.01


@pytest.mark.parametrize("mean", [0.02, 1.0, 200.0])
def test_healthy_counts_fail_at_their_rate(mean):
    """1000 regions of clumps of two: at 1 %, at most 30 (chance excess below 1e-6)."""
    rng = np.random.default_rng(1)
    low = sum(p_value(2 * rng.poisson(mean / 2, 36), mean) < 0.01 for _ in range(1000))
    assert low <= 30
