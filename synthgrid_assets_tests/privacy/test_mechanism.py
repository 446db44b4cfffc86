"""The discrete Laplace mechanism: its noise, its loss and its threshold are as declared.

The noise cannot be seeded, so each statistical test here fails by chance with probability
1e-6 at most.
"""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from synthgrid_assets.errors import PrivacyError, SpecError
from synthgrid_assets.privacy import mechanism
from synthgrid_assets.privacy.mechanism import DiscreteLaplace, laplace_measurement, noisy_counts

ALPHA = 1e-6
DRAWS = 100_000
epsilons = st.floats(1e-6, 10.0)


def chi_square_p_value(noise: np.ndarray, epsilon: float) -> float:
    """Goodness of fit to SciPy's discrete Laplace law; cells of expected count below 20 merge."""
    law = stats.dlaplace(epsilon)
    reach = int(law.isf(20 / len(noise)))
    values = np.arange(-reach, reach + 1)
    expected = np.r_[law.cdf(-reach - 1), law.pmf(values), law.sf(reach)] * len(noise)
    placed = np.clip(noise, -reach - 1, reach + 1) + reach + 1
    observed = np.bincount(placed, minlength=len(expected))
    return float(stats.chisquare(observed, expected).pvalue)


@pytest.mark.parametrize(
    "bad", [0, 0.0, -1.0, float("nan"), float("inf"), 10.001, 1e-7, "1", None, True]
)
def test_an_epsilon_out_of_range_is_refused_with_what_is_allowed(bad):
    with pytest.raises(SpecError, match=r"epsilon must be a number from 1e-06 to 10 .*got"):
        DiscreteLaplace(bad)
    with pytest.raises(SpecError, match="epsilon must be"):
        noisy_counts(np.zeros(1, np.int64), bad)


@pytest.mark.parametrize("bad", [0, -3, 2.0, float("nan"), True, "10"])
def test_a_k_that_is_not_a_positive_whole_number_is_refused(bad):
    with pytest.raises(SpecError, match="k must be a whole number of at least 1"):
        DiscreteLaplace(1.0).threshold(bad, 1e-3)


@pytest.mark.parametrize("bad", [0.0, -0.1, 0.51, 1.0, float("nan")])
def test_a_beta_out_of_range_is_refused(bad):
    with pytest.raises(SpecError, match=r"beta must be positive and at most 0\.5"):
        DiscreteLaplace(1.0).threshold(10, bad)


@pytest.mark.parametrize("bad", [0.0, 1.0, float("nan")])
def test_an_alpha_out_of_range_is_refused(bad):
    with pytest.raises(SpecError, match="alpha must lie between 0 and 1"):
        DiscreteLaplace(1.0).accuracy(bad)


@pytest.mark.parametrize(
    "counts",
    [np.array([987654.0]), np.array([987654], np.int32), np.full((1, 1), 987654), np.int64(987654)],
)
def test_counts_of_another_form_are_refused_without_showing_them(counts):
    with pytest.raises(PrivacyError, match="vector of int64") as refusal:
        noisy_counts(counts, 1.0)
    assert "987654" not in str(refusal.value)


def test_a_privacy_map_that_disagrees_is_refused(monkeypatch):
    monkeypatch.setattr(DiscreteLaplace, "scale", property(lambda law: 0.5 / law.epsilon))
    with pytest.raises(PrivacyError, match="privacy map gives"):
        laplace_measurement(DiscreteLaplace(0.987654321))  # an epsilon that is not cached


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0])
def test_noise_follows_the_discrete_laplace_law(epsilon):
    noise = noisy_counts(np.zeros(DRAWS, np.int64), epsilon)
    assert noise.dtype == np.int64
    assert chi_square_p_value(noise, epsilon) > ALPHA


def test_the_chi_square_test_sees_a_tenth_too_little_noise_and_a_rounded_continuous_law():
    rng = np.random.default_rng(20)
    too_little = stats.dlaplace(1.1).rvs(DRAWS, random_state=rng)
    rounded = np.rint(rng.laplace(0, 1.0, DRAWS)).astype(np.int64)
    assert chi_square_p_value(too_little, 1.0) < ALPHA
    assert chi_square_p_value(rounded, 1.0) < ALPHA


def test_noise_does_not_depend_on_the_count_or_on_its_neighbours():
    small = noisy_counts(np.zeros(40_000, np.int64), 0.5)
    large = noisy_counts(np.full(40_000, 10**9), 0.5) - 10**9
    tables = [np.bincount(np.clip(x, -8, 8) + 8, minlength=17) for x in (small, large)]
    assert stats.chi2_contingency(tables).pvalue > ALPHA
    pairs = np.zeros((3, 3))
    np.add.at(pairs, (np.sign(small[::2]) + 1, np.sign(small[1::2]) + 1), 1)
    assert stats.chi2_contingency(pairs).pvalue > ALPHA


def test_each_call_draws_afresh():
    """Two draws of 100 at epsilon 0.1 agree with probability below 0.06**100."""
    zeros = np.zeros(100, np.int64)
    assert not np.array_equal(noisy_counts(zeros, 0.1), noisy_counts(zeros, 0.1))


def test_no_counts_need_no_noise():
    assert noisy_counts(np.zeros(0, np.int64), 1.0).shape == (0,)


@given(epsilons)
def test_the_exact_loss_never_exceeds_the_declared_epsilon(epsilon):
    law = DiscreteLaplace(epsilon)
    loss, declared = 1 / Fraction(law.scale), Fraction(repr(epsilon))
    assert loss <= declared
    assert loss <= Fraction(epsilon)
    assert float(loss) == pytest.approx(epsilon, rel=1e-15)
    assert loss * 10**12 <= law.cost_pico_epsilon < declared * 10**12 + 1


@pytest.mark.parametrize("epsilon", [1e-6, 0.1, 0.3, 0.7, 1, 1.0, 3.0, 9.99, 10.0])
def test_opendps_own_privacy_map_confirms_epsilon(epsilon):
    privacy_map = laplace_measurement(DiscreteLaplace(epsilon)).map
    assert privacy_map(1) <= epsilon
    assert privacy_map(1) == pytest.approx(epsilon, rel=1e-15)
    assert privacy_map(2) == pytest.approx(2 * epsilon, rel=1e-15)


def test_ten_charges_of_a_tenth_are_one_whole():
    assert 10 * DiscreteLaplace(0.1).cost_pico_epsilon == mechanism.PICO


def tail(law: DiscreteLaplace, m: int) -> mpmath.mpf:
    """P(noise >= m), m >= 1, with 60 digits."""
    with mpmath.workdps(60):
        q = mpmath.exp(-1 / mpmath.mpf(law.scale))
        return q**m / (1 + q)


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.3, 1.0, 2.5, 10.0])
@pytest.mark.parametrize("k", [1, 2, 10, 1000])
@pytest.mark.parametrize("beta", [1e-9, 1e-3, 0.05, 0.5])
def test_a_count_below_k_is_published_with_probability_beta_at_most(epsilon, k, beta):
    law = DiscreteLaplace(epsilon)
    threshold = law.threshold(k, beta)
    scipy_law = stats.dlaplace(epsilon)
    for true in {k - 1, max(k - 2, 0), 0}:
        assert scipy_law.sf(threshold - 1 - true) <= beta * (1 + 1e-9)
    assert scipy_law.sf(threshold - 2 - (k - 1)) > beta  # and no lower threshold would do


@given(epsilon=st.floats(1e-4, 10.0), k=st.integers(1, 10**6), beta=st.floats(1e-12, 0.5))
def test_the_threshold_is_the_least_that_keeps_beta(epsilon, k, beta):
    law = DiscreteLaplace(epsilon)
    above = law.threshold(k, beta) - (k - 1)
    assert above >= 1
    assert tail(law, above) <= beta * (1 + 1e-9)
    assert above == 1 or tail(law, above - 1) >= beta * (1 - 1e-9)


def test_the_default_threshold():
    assert DiscreteLaplace(1.0).threshold(k=10, beta=1e-3) == 16


@pytest.mark.parametrize("epsilon", [0.01, 0.3, 1.0, 4.0])
def test_the_standard_deviation_is_scipys(epsilon):
    law = DiscreteLaplace(epsilon)
    assert law.standard_deviation == pytest.approx(stats.dlaplace(epsilon).std(), rel=1e-9)


@pytest.mark.parametrize("epsilon", [0.01, 0.3, 1.0, 4.0, 10.0])
@pytest.mark.parametrize("alpha", [0.3, 0.05, 1e-6])
def test_the_error_bar_is_the_narrowest_that_holds(epsilon, alpha):
    half_width = DiscreteLaplace(epsilon).accuracy(alpha)
    scipy_law = stats.dlaplace(epsilon)
    assert 2 * scipy_law.sf(half_width) <= alpha
    assert half_width == 0 or 2 * scipy_law.sf(half_width - 1) > alpha


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0])
def test_the_error_bar_is_opendps(epsilon):
    from opendp.accuracy import discrete_laplacian_scale_to_accuracy

    law = DiscreteLaplace(epsilon)
    theirs = discrete_laplacian_scale_to_accuracy(scale=law.scale, alpha=0.05)
    assert law.accuracy(0.05) == np.ceil(theirs) - 1  # theirs bounds P(|noise| >= accuracy)
