"""Ranks among replicates: levels that hold however they fall, and tails on the safe side."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, rankdata

from synthgrid_assets.statistics.curves.rank_tests import (
    midranks,
    predicted_p_value,
    two_sample_p_value,
)


@pytest.mark.parametrize("draw", ["normal", "poisson"])
def test_two_samples_of_one_law_differ_at_the_stated_rate(draw):
    """1000 tests at 1 %: 10 expected, at most 29 (chance excess below 1e-6)."""
    rng = np.random.default_rng(1)
    sample = rng.normal if draw == "normal" else lambda size: rng.poisson(1.0, size).astype(float)
    low = sum(two_sample_p_value(sample(size=25), sample(size=199)) < 0.01 for _ in range(1000))
    assert low <= 29


@pytest.mark.parametrize("tiles", [16, 40])
def test_far_tails_are_no_smaller_than_the_exact_ones(tiles):
    """Tiles that are nearly all beyond the replicates, where the level of 1e-6 is decided."""
    replicates = np.arange(199.0)
    for below in range(3, tiles, 4):
        own = np.r_[np.linspace(1000, 2000, tiles - below), np.linspace(0.5, 190.5, below)]
        exact = mannwhitneyu(own, replicates, method="exact").pvalue
        if exact < 1e-4:
            assert two_sample_p_value(own, replicates) >= 0.9 * exact


def test_equal_values_and_no_tiles_say_nothing():
    assert two_sample_p_value(np.ones(30), np.ones(199)) == 1.0
    assert two_sample_p_value(np.empty(0), np.ones(199)) == 1.0


def test_predictions_fail_at_their_rate_though_moments_are_estimated():
    """200,000 counts of a sub-Poisson law, 1,000 for each set of replicates."""
    rng, level = np.random.default_rng(2), 1e-2
    low = 0
    for _ in range(200):
        replicates, tiles = rng.binomial(400, 0.6, 199), rng.binomial(400, 0.6, 1000)
        values, times = np.unique(tiles, return_counts=True)
        found = np.array([predicted_p_value(int(n), replicates) for n in values]) < level
        low += int(times[found].sum())
    # tiles that share replicates fail together: the spread is that of their error, 10 % a set
    assert low <= 200_000 * level * 1.1 + 5 * np.sqrt(200_000 * level)
    assert low >= 200_000 * level * 0.6


def test_certain_counts_are_certain():
    replicates = np.full(199, 64)
    assert predicted_p_value(64, replicates) == 1.0
    assert predicted_p_value(65, replicates) == 0.0


def test_ranks_and_their_test_are_those_of_scipy():
    rng = np.random.default_rng(4)
    for tiles, replicates in (
        (rng.normal(size=30), rng.normal(size=199)),
        (rng.poisson(2.0, 17).astype(float), rng.poisson(3.0, 50).astype(float)),
    ):
        expected = mannwhitneyu(tiles, replicates, method="asymptotic").pvalue
        assert two_sample_p_value(tiles, replicates) == pytest.approx(expected, rel=1e-12)
        np.testing.assert_array_equal(midranks(replicates), rankdata(replicates))
    table = rng.integers(0, 9, (40, 6)).astype(float)
    np.testing.assert_array_equal(midranks(table), rankdata(table, axis=0))
