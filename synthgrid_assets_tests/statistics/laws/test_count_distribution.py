"""Count distributions: other algorithms, exact identities of thinning, and simulation."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.processes.cluster.matern_cluster import MaternClusterLaw
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.count_models import CountModel, MomentsOnly
from synthgrid_assets.processes.grid import RegularLaw
from synthgrid_assets.processes.matern_hard_core import MaternIILaw
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.statistics.laws.cluster_counts import cluster_count_pmf
from synthgrid_assets.statistics.laws.count_distribution import (
    SMALLEST_P,
    ApproximateCounts,
    BoundedCounts,
    PoissonCounts,
    count_distribution,
    two_sided,
)
from synthgrid_assets.statistics.laws.moments import CountMoments, count_moments
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets_tests.processes.examples import example

CLUSTERS = (
    ThomasLaw(0.5, 8.0, 0.7),
    ThomasLaw(0.3, 3.0, 2.5),
    ThomasLaw(1.0, 20.0, 0.05),
    MaternClusterLaw(0.5, 8.0, 0.6),
    MaternClusterLaw(0.2, 4.0, 2.0),
)


def moments_of(first, pmf):
    n = first + np.arange(pmf.size)
    mean = float(pmf @ n)
    return mean, float(pmf @ (n - mean) ** 2)


@pytest.mark.parametrize("law", CLUSTERS, ids=repr)
@pytest.mark.parametrize("shape", [(8, 8), (24, 5), (1, 1)])
def test_the_distribution_of_a_rectangle_is_that_of_the_laws_own_quadrature(law, shape):
    """Oracle: the process's module, by Gauss quadrature and a full transform."""
    first, ours = cluster_count_pmf(law.count_model, Retention.full(*shape))
    theirs = law.count_pmf(*shape)
    wanted = np.zeros(first + ours.size)
    wanted[: min(theirs.size, wanted.size)] = theirs[: wanted.size]
    # parents come in classes of equal share; an unsmooth disc also in pixels
    tolerance = (1e-5 if isinstance(law, ThomasLaw) else 3e-4) * theirs.max()
    np.testing.assert_allclose(ours, wanted[first:], rtol=0, atol=tolerance)
    assert wanted[:first].sum() < 1e-13


@pytest.mark.parametrize("law", CLUSTERS, ids=repr)
def test_equal_thinning_only_shrinks_the_broods(law):
    """Thinning by a constant p gives the same process with mu * p in place of mu."""
    thinned = cluster_count_pmf(law.count_model, Retention(np.full((6, 10), 0.35)))
    small = replace(law, mu=law.mu * 0.35)
    first, pmf = cluster_count_pmf(small.count_model, Retention.full(10, 6))
    assert thinned[0] == first
    np.testing.assert_allclose(thinned[1], pmf, atol=1e-12)


@pytest.mark.parametrize("law", CLUSTERS[:2] + CLUSTERS[3:], ids=repr)
def test_the_pixel_sum_agrees_with_the_plateau_formula(law):
    """A retention that is constant but for a hair takes the general way."""
    p = np.full((48, 32), 0.5)
    p[0, 0] = 0.5 + 1e-12
    first, pmf = cluster_count_pmf(law.count_model, Retention(p, 4))
    plain_first, plain = cluster_count_pmf(law.count_model, Retention(np.full((12, 8), 0.5)))
    assert abs(first - plain_first) <= 1
    both = slice(max(first, plain_first), first + min(pmf.size, plain.size) - 2)
    np.testing.assert_allclose(
        pmf[both.start - first : both.stop - first],
        plain[both.start - plain_first : both.stop - plain_first],
        atol=1e-9,
    )


def test_thinned_by_a_surface_the_moments_are_the_formulas():
    law, pixels = ThomasLaw(0.5, 8.0, 0.7), 8
    rows, columns = np.indices((12 * pixels, 10 * pixels)) / pixels
    p = 0.5 + 0.4 * np.sin(rows / 3) * np.cos(columns / 2)
    mean, variance = moments_of(*cluster_count_pmf(law.count_model, Retention(p, pixels)))
    moments = count_moments(law, Retention(p, pixels))
    assert mean == pytest.approx(moments.mean, rel=1e-9)
    assert variance == pytest.approx(moments.variance, rel=5e-3)  # p by cell in `moments`


def test_a_masked_thomas_count_follows_its_distribution():
    """1000 twins, 20 classes; the chi-square bound is missed with probability 1e-6."""
    law = ThomasLaw(0.5, 8.0, 45 / 64)
    mask = np.ones((4, 4))
    mask[:, 2:] = 0.25
    mask[0] = 0.0
    rng = np.random.default_rng(11)
    counts = []
    for twin in range(1000):
        points = example("thomas", twin).points(Cells(0, 0, 4, 4))
        p = mask[points.y // CELL, points.x // CELL]
        counts.append(int((rng.random(p.size) < p).sum()))
    uniform = count_distribution(law, Retention(mask)).randomised(counts, rng.random(1000))
    observed = np.histogram(uniform, bins=20, range=(0, 1))[0]
    assert ((observed - 50) ** 2 / 50).sum() < stats.chi2.isf(1e-6, 19)


def test_few_large_clusters_leave_the_empty_window_its_mass():
    law = ThomasLaw(0.001, 2000.0, 0.5)
    first, pmf = cluster_count_pmf(law.count_model, Retention.full(10, 10))
    assert first == 0
    # empty without parents within 5 sigma, and surely not with one well inside
    assert math.exp(-law.kappa * 15**2) < pmf[0] < math.exp(-law.kappa * 9**2)
    mean, variance = moments_of(first, pmf)
    assert mean == pytest.approx(200.0, rel=1e-6)
    assert variance == pytest.approx(law.count_variance(10, 10), rel=1e-6)


def test_where_nothing_is_kept_only_an_empty_tile_is_possible():
    for law in (PoissonLaw(4.0), ThomasLaw(0.5, 8.0, 0.7), RegularLaw(4.0)):
        distribution = count_distribution(law, Retention(np.zeros((3, 3))))
        assert two_sided(distribution, 0) == 1.0
        assert two_sided(distribution, 1) <= 2 * SMALLEST_P


def test_a_certain_count_allows_nothing_else():
    distribution = count_distribution(RegularLaw(4.0), Retention.full(3, 5))
    np.testing.assert_array_equal(two_sided(distribution, [59, 60, 61]) > 0.5, [False, True, False])
    assert distribution.randomised(60, 0.3) == pytest.approx(0.3)


@settings(max_examples=25)
@given(mean=st.floats(0.01, 5000), n=st.integers(0, 6000))
def test_poisson_tails_are_scipys(mean, n):
    lower, upper = PoissonCounts(mean).tails(n)
    assert lower == pytest.approx(max(stats.poisson(mean).cdf(n), SMALLEST_P))
    assert upper == pytest.approx(max(stats.poisson(mean).sf(n - 1), SMALLEST_P))


@pytest.mark.parametrize(
    "law",
    [PoissonLaw(0.5), ThomasLaw(0.5, 2.0, 0.7), MaternIILaw(1.0, 0.3)],
    ids=repr,
)
def test_tails_overlap_in_the_observed_count_and_never_rise_outwards(law):
    distribution = count_distribution(law, Retention.full(5, 4))
    n = np.arange(0, 120)
    lower, upper = distribution.tails(n)
    assert (np.diff(lower) >= 0).all()
    assert (np.diff(upper) <= 0).all()
    assert (lower + upper >= 1 - 1e-12).all()
    below, within = (distribution.randomised(n, u) for u in (0.0, 1.0))
    np.testing.assert_allclose(below[1:], within[:-1], atol=1e-12)


def test_randomised_p_values_are_uniform_where_mid_p_is_not():
    """Kolmogorov-Smirnov at 1e-6, 20 000 counts of mean 3."""
    rng = np.random.default_rng(3)
    distribution = PoissonCounts(3.0)
    counts = rng.poisson(3.0, 20_000)
    assert stats.kstest(distribution.randomised(counts, rng.random(20_000)), "uniform")[1] > 1e-6
    assert stats.kstest(distribution.randomised(counts, 0.5), "uniform")[1] < 1e-6


def test_two_sided_p_values_are_conservative():
    mean = 7.3
    n = np.arange(200)
    p, mass = two_sided(PoissonCounts(mean), n), stats.poisson(mean).pmf(n)
    for alpha in (0.2, 0.05, 1e-3, 1e-6):
        assert mass[p < alpha].sum() <= alpha


def test_the_lognormal_tail_is_longer_than_the_normal_one():
    skewed = ApproximateCounts(CountMoments(100.0, 2500.0))
    regular = ApproximateCounts(CountMoments(100.0, 25.0))
    assert two_sided(skewed, 350) > 100 * 2 * stats.norm.sf(249.5 / 50)
    normal = 2 * stats.norm.sf(29.5 / 5)
    assert normal <= two_sided(regular, 130) < 30 * normal
    assert two_sided(regular, 70) == pytest.approx(2 * stats.norm.sf(29.5 / 5))
    poisson = ApproximateCounts(CountMoments(100.0, 100.0))
    assert two_sided(poisson, 150) == pytest.approx(2 * stats.poisson.sf(149, 100.0))


@pytest.mark.parametrize("mean", [1e-6, 1e-3, 0.1, 1.0, 4.0, 20.0])
def test_few_counts_fail_no_oftener_than_at_their_rate_whatever_their_law(mean):
    """Of all counts that would fail, the exact probability is at most alpha; by enumeration."""
    n = np.arange(int(20 * mean + 200))
    broods = np.arange(int(2 * mean + 40))
    brood = 6.0  # clusters with Poisson broods
    clustered = stats.poisson.pmf(broods, mean / brood) @ stats.poisson.pmf(
        n, brood * broods[:, None]
    )
    sites = max(math.ceil(3 * mean), 3)  # each holds a point or none: more regular than Poisson
    for pmf, dispersion in (
        (stats.poisson.pmf(n, mean), 1.0),
        (stats.binom.pmf(n, sites, mean / sites), 1 - mean / sites),
        (clustered, 1 + brood),
    ):
        p_values = two_sided(ApproximateCounts(CountMoments(mean, mean * dispersion)), n)
        for alpha in (1e-2, 1e-4, 1e-6):
            assert pmf[p_values < alpha].sum() <= alpha


def test_small_counts_are_not_pooled_as_normal_ones():
    for variance, pooled in ((1e-3, False), (5.0, False), (50.0, True)):
        counts = ApproximateCounts(CountMoments(variance * 1.2, variance))
        assert np.isfinite(counts.randomised(0, 0.5)) == pooled


def test_bounds_of_the_mean_cover_every_mean_between_them():
    n = np.arange(0, 150)
    bounded = BoundedCounts(40.0, 60.0).tails(n)
    for mean in (40.0, 47.0, 60.0):
        for bound, exact in zip(bounded, PoissonCounts(mean).tails(n), strict=True):
            assert (bound >= exact - 1e-12).all()


@dataclass(frozen=True)
class CauchyLaw(ThomasLaw):
    """Clusters with the attributes of a Thomas cluster and Cauchy displacements.

    The variance is that of the wider displacements, so that their counts differ.
    """

    @property
    def count_model(self) -> CountModel:
        return MomentsOnly()

    def count_variance(self, width: float, height: float) -> float:
        return ThomasLaw(self.kappa, self.mu, 3 * self.sigma).count_variance(width, height)


def test_a_law_is_judged_by_the_model_it_states_and_never_by_its_attributes():
    """A Cauchy cluster has kappa, mu and sigma, and yet no Thomas cluster's table."""
    cauchy, thomas = CauchyLaw(0.5, 8.0, 0.7), ThomasLaw(0.5, 8.0, 0.7)
    for retention in (Retention.full(6, 6), Retention(np.linspace(0, 1, 36).reshape(6, 6))):
        found = count_distribution(cauchy, retention)
        assert found == ApproximateCounts(count_moments(cauchy, retention), found.allowance)
        assert type(count_distribution(thomas, retention)) is not ApproximateCounts
    tails = two_sided(count_distribution(cauchy, Retention.full(6, 6)), 60)
    assert tails != two_sided(count_distribution(thomas, Retention.full(6, 6)), 60)
