"""The laws beside R spatstat: the functions it states, and what its own samplers draw.

Nothing of ours takes part in spatstat's samples. A bound on a mean of n samples is six
standard errors, which leaves room for skewness under the 1e-6 that each may fail by.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial import cKDTree
from scipy.stats import chisquare

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.cluster.matern_cluster import MaternClusterLaw
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.gibbs.strauss import StraussProcess
from synthgrid_assets.processes.matern_hard_core import MaternIILaw, MaternILaw
from synthgrid_assets_tests.spatstat import spatstat

WIDTH, HEIGHT = 3, 2  # the window of spatstat_laws.R, in cells
STATED = {"thomas": ThomasLaw, "matern_cluster": MaternClusterLaw}
DRAWN = {
    "thomas": (ThomasLaw(0.5, 8.0, 0.7), (0.3, 1, 2)),
    "matern_cluster": (MaternClusterLaw(0.5, 8.0, 0.6), (0.3, 1, 2)),
    "matern_i": (MaternILaw(8.0, 0.15), (0.2, 0.25, 0.5)),
    "matern_ii": (MaternIILaw(8.0, 0.25), (0.3, 0.4, 0.8)),
}
GIBBS = {  # beta, gamma as a fraction, radius as a fraction of a cell; distances
    "strauss": ((4, (1, 2), (1, 5)), (0.1, 0.2, 0.4)),
    "hard_core": ((3, (0, 1), (1, 5)), (0.25, 0.3, 0.4)),
}


@pytest.fixture(scope="module")
def answers():
    return spatstat(Path(__file__).with_name("spatstat_laws.R"))


def moments(counts):
    """Mean and variance of a sample, and the standard error of each."""
    squares = (counts - counts.mean()) ** 2
    values = np.array([counts.mean(), squares.mean()])
    return values, np.array([counts.std(), squares.std()]) / np.sqrt(counts.size)


def expected_pairs(law, most):
    """Ordered pairs at most that far apart in the window: g over the window's covariogram."""

    def ring(t):
        shared = 2 * np.pi * WIDTH * HEIGHT - 4 * t * (WIDTH + HEIGHT) + 2 * t * t
        return t * shared * float(law.pair_correlation(np.array([t]))[0])

    kinks = [kink for kink in getattr(law, "kinks", ()) if kink < most]
    return law.intensity**2 * quad(ring, 0, most, points=kinks or None, epsabs=1e-10)[0]


@pytest.mark.parametrize("scale", [0.3, 1.1])
@pytest.mark.parametrize("kappa", [0.5, 3])
@pytest.mark.parametrize("family", sorted(STATED))
def test_k_and_pair_correlation_are_those_that_spatstat_states(family, kappa, scale, answers):
    law, r = STATED[family](float(kappa), 8.0, scale), answers["r"]
    parameters = f"{kappa}_{scale}"
    k, g = answers[f"{family}_k_{parameters}"], answers[f"{family}_g_{parameters}"]
    np.testing.assert_allclose(law.k_function(r), k, 1e-11, atol=1e-13)
    np.testing.assert_allclose(law.pair_correlation(r), g, 1e-12)


@pytest.mark.parametrize("family", sorted(DRAWN))
def test_spatstats_counts_have_the_mean_and_variance_of_the_law(family, answers):
    law, _ = DRAWN[family]
    values, errors = moments(answers[f"{family}_counts"])
    expected = [law.intensity * WIDTH * HEIGHT, law.count_variance(WIDTH, HEIGHT)]
    assert (np.abs(values - expected) < 6 * errors).all()


@pytest.mark.parametrize("family", sorted(DRAWN))
def test_spatstats_pairs_are_as_many_as_the_pair_correlation_says(family, answers):
    """The number of points, whose mean is known, is the control variate of that of pairs."""
    law, distances = DRAWN[family]
    counts = answers[f"{family}_counts"]
    excess = counts - law.intensity * WIDTH * HEIGHT
    for most in distances:
        pairs = answers[f"{family}_pairs_{most}"]
        slope = np.cov(pairs, counts)[0, 1] / counts.var(ddof=1)
        values, errors = moments(pairs - slope * excess)
        assert abs(values[0] - expected_pairs(law, most)) < 6 * errors[0]


@pytest.mark.parametrize("family", sorted(STATED))
def test_spatstats_counts_follow_the_laws_whole_distribution(family, answers):
    """Pearson's chi-square on classes of at least 5 % each."""
    law, _ = DRAWN[family]
    counts = answers[f"{family}_counts"].astype(int)
    below = np.cumsum(law.count_pmf(WIDTH, HEIGHT))
    edges = np.unique(np.searchsorted(below, np.arange(1, 16) / 16))  # last count of a class
    shares = np.diff([0.0, *below[edges], 1.0])
    observed = np.bincount(np.searchsorted(edges, counts), minlength=shares.size)
    assert chisquare(observed, shares * counts.size).pvalue > 1e-6


def gibbs_samples(family, beta, gamma, radius):
    """Points of 900 windows of one realisation, a cell of space between them."""
    key = stream_key("test", "oracle", family)
    process = StraussProcess(key, Fraction(beta), Fraction(*gamma), CELL * radius[0] // radius[1])
    x, y, _ = process.points(Cells(0, 0, 30 * (WIDTH + 1), 30 * (HEIGHT + 1)))
    column, row = x // CELL // (WIDTH + 1), y // CELL // (HEIGHT + 1)
    x, y = x / CELL - column * (WIDTH + 1), y / CELL - row * (HEIGHT + 1)
    window = np.where((x < WIDTH) & (y < HEIGHT), row * 30 + column, -1)
    return [np.c_[x, y][window == number] for number in range(900)]


@pytest.mark.parametrize("family", sorted(GIBBS))
def test_gibbs_samples_are_like_spatstats_perfect_ones(family, answers):
    """Two samplers of one law that has no closed form: counts, and pairs at three distances."""
    (beta, gamma, radius), distances = GIBBS[family]
    samples = gibbs_samples(family, beta, gamma, radius)
    ours = {"counts": np.array([len(s) for s in samples])}
    for most in distances:
        near = [2 * len(cKDTree(s).query_pairs(most)) if len(s) else 0 for s in samples]
        ours[f"pairs_{most}"] = np.array(near)
    for name, sample in ours.items():
        values, errors = moments(sample)
        theirs, their_errors = moments(answers[f"{family}_{name}"])
        assert (np.abs(values - theirs) < 6 * np.hypot(errors, their_errors)).all()
