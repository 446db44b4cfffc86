"""Sums of skewed terms: fair in both tails where a plain t is not, and never blind."""

import numpy as np
import pytest

from synthgrid_assets.statistics.laws.skewed_sums import zero_mean_p_value


def p_of(terms):
    return zero_mean_p_value(terms, terms.size * terms.var(ddof=2))


@pytest.mark.parametrize("sign", [-1, 1])
def test_skewed_terms_are_judged_at_their_level(sign):
    """3000 sums of 60 terms of skewness 2: at 1 %, at most 58 (chance excess below 1e-6)."""
    rng = np.random.default_rng(5)
    low = sum(p_of(sign * (rng.exponential(size=60) - 1)) < 0.01 for _ in range(3000))
    assert low <= 58


@pytest.mark.parametrize("shift", [-5.0, -0.8, 0.8, 5.0])
def test_a_shift_is_found_however_skewed_the_terms(shift):
    terms = np.random.default_rng(6).exponential(size=400) - 1
    assert p_of(terms + shift) < 1e-6


def test_terms_that_are_all_equal_leave_no_doubt():
    assert zero_mean_p_value(np.zeros(10), 1.0) == 1.0
    assert zero_mean_p_value(np.full(10, 0.5), 1.0) == 0.0
