"""The account of several releases: against dp_accounting, closed forms and the sum of losses."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.errors import SpecError
from synthgrid_assets.privacy.account import Account, how_many_fit
from synthgrid_assets.privacy.strategies.terms import Loss

# epsilon at delta = 1e-3, 1e-6, 1e-9 and delta at epsilon = 0.1, 0.5, 1, 2 by Google's
# dp_accounting 0.6.0 (privacy loss distributions of from_discrete_laplace_mechanism(epsilon) and
# from_gaussian_mechanism(sqrt(1 / 2 rho)), interval 1e-4, composed)
# fmt: off
ORACLE = [
    ([0.1] * 50, [], [2.00744172, 3.17290273, 3.95310979],
     [0.24236907, 0.12477828, 0.03825307]),
    ([0.5, 0.25, 0.25, 1.0], [], [1.99302241, 1.99999305, 2.0],
     [0.43939663, 0.32197111, 0.17904989]),
    ([], [0.02, 0.08, 0.4], [3.13867056, 4.88655413, 6.17393514],
     [0.35232517, 0.23842171, 0.12693674]),
    ([0.1] * 10, [0.05], [1.16543206, 1.91409387, 2.42294770],
     [0.13855386, 0.03731920, 0.00298310]),
    ([1.0, 0.3], [0.5, 0.01], [4.22507073, 6.06325884, 7.39686664],
     [0.51754321, 0.42176026, 0.30136766]),
    ([0.07] * 3 + [0.11] * 4, [], [0.55214951, 0.64990678, 0.64999991],
     [0.06199398, 0.00179288, 0.0]),
]
# fmt: on
DELTAS, EPSILONS = (1e-3, 1e-6, 1e-9), (0.1, 0.5, 1.0)
# epsilon of twice discrete Gaussian noise of sigma 3 for one count, by the same
TWICE_SIGMA_3 = [1.26233833, 2.10626203, 2.73865684]


def account(epsilons, rhos=()):
    return Account((*map(Loss.of_epsilon, epsilons), *map(Loss.of_rho, rhos)))


@pytest.mark.parametrize(("epsilons", "rhos", "at_delta", "at_epsilon"), ORACLE)
def test_the_curve_is_that_of_dp_accounting(epsilons, rhos, at_delta, at_epsilon):
    ours = account(epsilons, rhos)
    for delta, epsilon in zip(DELTAS, at_delta, strict=True):
        # its distributions are rounded up to a grid of 1e-4: ours may lie a little below
        assert epsilon - 2e-5 < ours.epsilon(delta, certain=False) < epsilon + 1e-6
    for epsilon, delta in zip(EPSILONS, at_epsilon, strict=True):
        assert ours.delta(epsilon, certain=False) == pytest.approx(delta, abs=2e-5)


def test_what_is_certain_bounds_discrete_noise_and_is_near():
    twice = account([], [repr(1 / 18)] * 2)
    for delta, epsilon in zip(DELTAS, TWICE_SIGMA_3, strict=True):
        assert epsilon <= twice.epsilon(delta) < 1.15 * epsilon
        assert twice.epsilon(delta, certain=False) == pytest.approx(epsilon, rel=0.005)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.7])
def test_what_is_certain_bounds_the_exact_curve_of_one_count(sigma):
    z = np.arange(-60, 61)
    pmf = np.exp(-0.5 * (z / sigma) ** 2)
    pmf /= pmf.sum()
    ours = account([], [repr(1 / (2 * sigma**2))])
    for epsilon in (0.0, 0.3, 1.0, 3.0):
        exact = np.maximum(pmf[:-1] - math.exp(epsilon) * pmf[1:], 0).sum()
        assert exact <= ours.delta(epsilon) + 1e-15


def test_equal_answers_compose_by_the_optimal_formula():
    """Kairouz, Oh and Viswanath (2015), theorem 3.3: delta at (k - 2 i) epsilon."""
    one, k = 0.4, 9
    for i in range(k // 2 + 1):
        weights = [
            math.comb(k, j) * (math.exp((k - j) * one) - math.exp((k - 2 * i + j) * one))
            for j in range(i)
        ]
        expected = sum(weights) / (1 + math.exp(one)) ** k
        assert account([one] * k).delta((k - 2 * i) * one) == pytest.approx(expected, abs=1e-14)


def test_many_different_losses_are_rounded_up_and_still_bounded_by_their_sum():
    epsilons = [round(0.01 + 0.001 * i, 3) for i in range(40)]
    both = account(epsilons)
    variance = sum(e**2 for e in epsilons)
    for delta in (1e-3, 1e-6):
        tight = both.epsilon(delta)
        assert tight < both.pure_epsilon
        # Hoeffding: what any composition theorem must beat
        assert tight <= math.sqrt(2 * variance * math.log(1 / delta)) + variance
    few = account(epsilons[:17])
    exact = [
        sum(s * e for s, e in zip(signs, epsilons[:17], strict=True))
        for signs in itertools.product((-1, 1), repeat=10)
        for signs in [(*signs, *(1,) * 7)]
    ]
    assert few.epsilon(1e-9) <= max(exact) * (1 + 1e-9)


def test_single_releases_and_none():
    assert account(["0.3"]).epsilon(0.0) == pytest.approx(0.3)
    assert account(["0.3"]).delta(0.3) == 0
    assert account([]).epsilon(1e-9) == account([]).delta(0.0) == 0
    assert account([], ["0.5"]).epsilon(0.0) == math.inf
    assert account([], ["0.5"]).delta(0.0, certain=False) == pytest.approx(
        2 * stats.norm.cdf(0.5) - 1
    )


def test_what_fits_rounds_against_us():
    assert how_many_fit(10**12, Loss.of_epsilon("0.1").pico) == 10
    assert how_many_fit(10**12, Loss.of_epsilon("0.3").pico) == 3
    assert how_many_fit(-5, 3) == 0
    # below the resolution: never for nothing
    assert how_many_fit(1, Loss.of_rho("0.0000000010000000001").pico) == 0


@pytest.mark.parametrize("bad", [-1e-9, 1.0, math.nan])
def test_bad_deltas_and_epsilons_are_refused(bad):
    with pytest.raises(SpecError, match="delta"):
        account(["1"]).epsilon(bad)
    with pytest.raises(SpecError, match="epsilon"):
        account(["1"]).delta(min(bad, -1.0))
