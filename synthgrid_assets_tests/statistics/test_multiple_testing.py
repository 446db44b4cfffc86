"""Many p-values: bounds hold, pooled p-values are tested fairly."""

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.statistics.multiple_testing import (
    bonferroni,
    p_values_are_uniform,
)


def test_nothing_to_test_is_nothing_found():
    assert bonferroni([]) == 1.0
    assert p_values_are_uniform([]).passed
    assert p_values_are_uniform([float("nan")] * 3).passed


def test_bonferroni_holds_under_complete_dependence():
    assert bonferroni([0.02] * 10) == pytest.approx(0.2)
    assert bonferroni([0.9] * 10) == 1.0


def test_uniform_p_values_pass_and_shifted_ones_fail():
    p = np.random.default_rng(3).random(2000)
    verdict = p_values_are_uniform(p)
    assert verdict.passed
    assert verdict.p_value == pytest.approx(stats.kstest(p, "uniform").pvalue)
    assert not p_values_are_uniform(p**1.3).passed
    assert not p_values_are_uniform(np.full(50, 0.5)).passed


def test_correlated_tiles_are_judged_as_fewer():
    """Tiles in equal groups of four: false alarms at 1 % stay below 3.2 % (bound 1e-6)."""
    rng = np.random.default_rng(4)
    groups = [np.repeat(rng.random(50), 4) for _ in range(1000)]
    deflated = sum(p_values_are_uniform(p, inflation=4.0).p_value < 0.01 for p in groups)
    naive = sum(p_values_are_uniform(p).p_value < 0.01 for p in groups)
    assert deflated <= 29
    assert naive > 100
