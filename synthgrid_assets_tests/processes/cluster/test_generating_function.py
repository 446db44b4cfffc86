"""Count distributions of cluster processes: the laws' moments, and the samplers' counts."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.cluster.generating_function import count_pmf
from synthgrid_assets.processes.cluster.matern_cluster import MaternClusterLaw, MaternClusterProcess
from synthgrid_assets.processes.cluster.thomas import ThomasLaw, ThomasProcess
from synthgrid_assets.processes.poisson import PoissonLaw

LAWS = [
    ThomasLaw(0.5, 8.0, 0.7),
    ThomasLaw(0.01, 100.0, 0.2),
    ThomasLaw(0.5, 8.0, 5.0),
    MaternClusterLaw(0.5, 8.0, 0.7),
    MaternClusterLaw(0.1, 50.0, 3.0),
    PoissonLaw(4.0),
]


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (6, 6), (20, 3)])
def test_the_distribution_has_the_laws_mean_and_variance(law, width, height):
    pmf = law.count_pmf(width, height)
    n = np.arange(pmf.size)
    mean = float(pmf @ n)
    assert abs(pmf.sum() - 1) < 1e-12
    assert math.isclose(mean, law.intensity * width * height, rel_tol=1e-10)
    variance = float(pmf @ (n - mean) ** 2)
    assert math.isclose(variance, law.count_variance(width, height), rel_tol=1e-6)


def test_clusters_that_no_border_cuts_are_neyman_type_a():
    kappa, mu = 3.0, 5.0
    pmf = count_pmf(kappa, mu, np.array([1.0]), np.array([1.0]))
    clusters = np.arange(60)
    for n in (0, 1, 7, 30):
        exact = stats.poisson.pmf(clusters, kappa) @ stats.poisson.pmf(n, mu * clusters)
        assert math.isclose(pmf[n], exact, rel_tol=1e-9)


@pytest.mark.parametrize("family", ["thomas", "matern_cluster"])
def test_counts_of_twins_follow_the_exact_distribution(family):
    """Chi-square over 20 classes of about equal probability; false alarm 1e-6."""
    kappa, mu, length, twins = Fraction(1, 2), Fraction(8), CELL * 7 // 10, 3000
    make = ThomasProcess if family == "thomas" else MaternClusterProcess
    counts = [
        len(make(stream_key("pmf", family, twin), kappa, mu, length).points(Cells(0, 0, 3, 3)))
        for twin in range(twins)
    ]
    pmf = make(stream_key(), kappa, mu, length).law.count_pmf(3, 3)
    edges = np.unique(np.searchsorted(np.cumsum(pmf), np.linspace(0, 1, 21)[1:-1]))
    expected = np.diff([0.0, *np.cumsum(pmf)[edges], 1.0]) * twins
    observed = np.bincount(np.searchsorted(edges, counts), minlength=edges.size + 1)
    assert edges.size > 15
    assert stats.chisquare(observed, expected).pvalue > 1e-6
    # a Poisson law with the same mean would be refused at once
    poisson = stats.poisson(pmf @ np.arange(pmf.size)).cdf(edges)
    assert stats.chisquare(observed, np.diff([0.0, *poisson, 1.0]) * twins).pvalue < 1e-12
