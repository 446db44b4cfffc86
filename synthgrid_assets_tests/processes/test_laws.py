"""Every registered sampler against the law it claims, and every law against itself.

Samples are independent twins (one key each), never windows of one world. Statistics are
means over twins, so each |t| exceeds LIMIT with probability below 1e-6.
"""

import dataclasses
import functools
import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial import cKDTree
from scipy.stats import chisquare

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.statistics.laws.count_distribution import (
    PoissonCounts,
    TabulatedCounts,
    count_distribution,
)
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets_tests.processes.examples import example

KNOWN = [name for name in sorted(REGISTRY) if math.isfinite(example(name).law.intensity)]
WITH_G = [n for n in KNOWN if not np.isnan(example(n).law.pair_correlation(np.ones(1)))[0]]
SIDE, HALO, TWINS = 6, 2, 1500
LIMIT = 5.0  # Student's t with 1499 degrees of freedom: 6.4e-7 on both sides together
RADII = np.array([0.1, 0.25, 0.5, 1.0, 1.5])
NONE = 1e-12  # a probability that is exactly zero


@functools.cache
def twins(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts of two neighbouring windows, and pairs within each radius, one row per twin."""
    counts, neighbours, pairs = [], [], []
    area = Cells(0, 0, SIDE, SIDE).grown(HALO)
    for twin in range(TWINS):
        pattern = example(name, twin).points(area)
        xy = np.column_stack([pattern.x, pattern.y]) / CELL
        inside = ((xy >= 0) & (xy < SIDE)).all(axis=1)
        half = xy[inside][:, 0] < SIDE / 2
        counts.append(inside.sum())
        neighbours.append((half.sum(), (~half).sum()))
        around = cKDTree(xy[inside]).count_neighbors(cKDTree(xy), RADII)
        pairs.append(around - inside.sum())
    return np.array(counts, float), np.array(neighbours, float), np.array(pairs, float)


def t_statistic(sample: np.ndarray, expected: float) -> float:
    """Student's t of the mean of `sample`; 0 where it is exact and does not vary."""
    error = sample.std(ddof=1) / math.sqrt(sample.size)
    return float((sample.mean() - expected) / max(error, NONE))


@pytest.mark.parametrize("name", KNOWN)
def test_counts_have_the_mean_of_the_law(name):
    counts = twins(name)[0]
    assert abs(t_statistic(counts, example(name).law.intensity * SIDE**2)) < LIMIT


@pytest.mark.parametrize("name", KNOWN)
def test_counts_have_the_variance_of_the_law(name):
    counts, law = twins(name)[0], example(name).law
    squares = (counts - law.intensity * SIDE**2) ** 2
    assert abs(t_statistic(squares, law.count_variance(SIDE, SIDE))) < LIMIT


@pytest.mark.parametrize("name", KNOWN)
def test_neighbouring_windows_have_the_covariance_of_the_law(name):
    """Two halves of the window; their covariance is the sum over pairs of cells."""
    left, right = twins(name)[1].T
    law = example(name).law
    mean = law.intensity * SIDE**2 / 2
    width = SIDE // 2
    lags = SIDE
    covariance = law.cell_covariance(lags)
    expected = sum(
        covariance[lags + j, lags + i + width] * (width - abs(i)) * (SIDE - abs(j))
        for i in range(-width, width + 1)
        for j in range(-SIDE + 1, SIDE)
        if abs(i) < width
    )
    assert abs(t_statistic((left - mean) * (right - mean), expected)) < LIMIT


@pytest.mark.parametrize("name", KNOWN)
def test_pairs_have_the_k_function_of_the_law(name):
    pairs, law = twins(name)[2], example(name).law
    expected = law.intensity**2 * SIDE**2 * law.k_function(RADII)
    for column, value, radius in zip(pairs.T, expected, RADII, strict=True):
        assert abs(t_statistic(column, value)) < LIMIT, radius


@pytest.mark.parametrize("name", KNOWN)
def test_pairs_have_the_l_function_of_the_law(name):
    """L = sqrt(K / pi) of all twins together; its error from that of K, to first order."""
    pairs, law = twins(name)[2], example(name).law
    k = pairs / (law.intensity**2 * SIDE**2)
    error = k.std(axis=0, ddof=1) / math.sqrt(TWINS)
    estimate, stated = np.sqrt(k.mean(axis=0) / math.pi), np.sqrt(law.k_function(RADII) / math.pi)
    slope = 1 / (2 * math.pi * np.maximum(estimate, NONE))
    np.testing.assert_array_less(abs(estimate - stated), LIMIT * slope * error + 1e-7)


def chi_square(counts: np.ndarray, law: Law) -> float:
    """P-value of counts against the law's exact distribution, in classes of 50 or more."""
    distribution = count_distribution(law, Retention.full(SIDE, SIDE))
    assert isinstance(distribution, PoissonCounts | TabulatedCounts)
    first, pmf = distribution.table()
    cumulative = np.cumsum(pmf)
    ends = np.unique(np.searchsorted(cumulative, np.arange(1, 30) / 30))
    expected = TWINS * np.diff(cumulative[ends], prepend=0.0, append=1.0)
    classes = np.searchsorted(first + ends, counts, side="left")
    observed = np.bincount(classes, minlength=expected.size)
    return float(chisquare(observed, expected).pvalue)


@pytest.mark.parametrize("name", ["poisson", "thomas", "matern_cluster"])
def test_counts_have_the_exact_distribution_of_the_law(name):
    assert chi_square(twins(name)[0], example(name).law) > 1e-6


@pytest.mark.parametrize("name", ["thomas", "matern_cluster"])
def test_other_clusters_of_the_same_mean_are_told_apart_by_the_counts(name):
    law = example(name).law
    larger = dataclasses.replace(law, kappa=law.kappa / 1.5, mu=law.mu * 1.5)
    assert chi_square(twins(name)[0], larger) < 1e-6
    assert chi_square(twins(name)[0], PoissonLaw(law.intensity)) < 1e-6


@pytest.mark.parametrize("name", WITH_G)
def test_pairs_have_the_pair_correlation_of_the_law(name):
    """Pairs between one radius and the next against the integral of g over the ring."""
    pairs, law = twins(name)[2], example(name).law
    rings = np.diff(pairs, prepend=0.0, axis=1)
    for column, low, high in zip(rings.T, [0, *RADII[:-1]], RADII, strict=True):
        expected = law.intensity**2 * SIDE**2 * ring(law, low, high)
        assert abs(t_statistic(column, expected)) < LIMIT, high


def ring(law, low, high):
    """Integral of g over the ring between two radii."""
    return quad(
        lambda r: 2 * math.pi * r * float(law.pair_correlation(np.array([r]))[0]),
        low,
        high,
        limit=400,
        epsabs=1e-10,
    )[0]


@pytest.mark.parametrize("name", WITH_G)
def test_the_k_function_is_the_integral_of_the_pair_correlation(name):
    law = example(name).law
    edges = [0.0, *RADII]
    integral = np.cumsum([ring(law, a, b) for a, b in pairwise(edges)])
    np.testing.assert_allclose(law.k_function(RADII), integral, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 3), (7, 2)])
def test_the_count_variance_is_the_sum_over_pairs_of_cells(name, width, height):
    law = example(name).law
    lags = max(width, height)
    covariance = law.cell_covariance(lags)
    assert covariance.shape == (2 * lags + 1, 2 * lags + 1)
    total = law.intensity * width * height + sum(
        covariance[lags + j, lags + i] * (width - abs(i)) * (height - abs(j))
        for i in range(-width + 1, width)
        for j in range(-height + 1, height)
    )
    assert math.isclose(law.count_variance(width, height), total, rel_tol=1e-6, abs_tol=1e-9)


@pytest.mark.parametrize("name", KNOWN)
def test_cells_beyond_the_correlation_are_negligible(name):
    law = example(name).law
    lags = law.correlation_cells + 3
    covariance = np.abs(law.cell_covariance(lags))
    peak = covariance[lags, lags]
    j, i = np.indices(covariance.shape) - lags
    beyond = np.maximum(abs(i), abs(j)) > law.correlation_cells
    assert (covariance[beyond] <= 1e-9 * peak).all()
    np.testing.assert_allclose(covariance, covariance[::-1, ::-1], rtol=1e-12)
