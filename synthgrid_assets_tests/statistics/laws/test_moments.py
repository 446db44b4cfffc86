"""Moments of counts: the definition, cell by cell, and the samplers' own counts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.processes.cluster.matern_cluster import MaternClusterLaw
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.grid import JitteredLaw
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.statistics.laws.moments import count_moments, region_moments
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets_tests.processes.examples import example

LAWS = (PoissonLaw(3.0), ThomasLaw(0.5, 8.0, 0.7), MaternClusterLaw(0.5, 8.0, 0.6))


def by_definition(law, p):
    """Mean and variance as sums over all pairs of cells."""
    rows, columns = np.indices(p.shape).reshape(2, -1)
    lags = max(p.shape) - 1
    covariance = law.cell_covariance(lags)
    between = covariance[
        lags + np.subtract.outer(rows, rows), lags + np.subtract.outer(columns, columns)
    ]
    flat = p.ravel()
    mean = law.intensity * flat.sum()
    return mean, mean + flat @ between @ flat


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_the_variance_is_the_sum_over_all_pairs_of_cells(law):
    p = np.random.default_rng(1).random((6, 9))
    mean, variance = by_definition(law, p)
    moments = count_moments(law, Retention(p))
    assert moments.mean == pytest.approx(mean, rel=1e-12)
    # lags beyond the law's correlation length are left out: 1e-9 of the peak each
    assert moments.variance == pytest.approx(variance, rel=1e-6)


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize("p", [1.0, 0.3])
def test_a_constant_retention_has_the_closed_form(law, p):
    constant = count_moments(law, Retention(np.full((5, 7), p)))
    summed = region_moments(law, [np.full((5, 7), p)])
    assert constant.mean == pytest.approx(summed.mean)
    assert constant.variance == pytest.approx(summed.variance, rel=1e-6)


def test_a_certain_count_thinned_is_binomial():
    p = np.array([[0.5, 1.0], [0.0, 0.25]])
    moments = count_moments(JitteredLaw(4.0), Retention(p))
    assert moments.mean == pytest.approx(4 * p.sum())
    assert moments.variance == pytest.approx(4 * (p * (1 - p)).sum())
    assert count_moments(JitteredLaw(4.0), Retention.full(3, 3)).variance == 0.0


@settings(max_examples=30)
@given(cuts=st.sets(st.integers(1, 15), max_size=6), seed=st.integers(0, 9))
def test_a_region_read_in_strips_has_the_moments_of_the_whole(cuts, seed):
    law = ThomasLaw(0.5, 8.0, 0.7)
    rng = np.random.default_rng(seed)
    whole = rng.random((16, 10)) * (rng.random((16, 10)) < 0.7)
    strips = np.split(whole, sorted(cuts))
    ours, at_once = region_moments(law, strips), region_moments(law, [whole])
    assert ours.mean == pytest.approx(at_once.mean)
    assert ours.variance == pytest.approx(at_once.variance)


def test_a_law_without_known_moments_gives_none():
    class Unknown:
        intensity = math.nan
        correlation_cells = 3

    moments = region_moments(Unknown(), [np.ones((2, 2))])
    assert math.isnan(moments.mean)
    assert math.isnan(moments.variance)


@pytest.mark.parametrize("name", ["thomas", "matern_cluster", "matern_ii", "lgcp"])
def test_thinned_counts_have_the_moments_of_the_formula(name):
    """256 windows of one realisation, 4 cells apart; each bound fails with probability 1e-6."""
    process, side, step = example(name), 4, 8
    p = 0.2 + 0.8 * np.add.outer(np.arange(side), np.arange(side)) / (2 * side - 2)
    points = process.points(Cells(0, 0, 16 * step, 16 * step))
    ix, iy = points.x >> CELL_BITS, points.y >> CELL_BITS
    inside = (ix % step < side) & (iy % step < side)
    ix, iy = ix[inside], iy[inside]
    kept = np.random.default_rng(5).random(ix.size) < p[iy % step, ix % step]
    counts = np.bincount((iy // step * 16 + ix // step)[kept], minlength=256)
    moments = count_moments(process.law, Retention(p))
    # a factor 2 on both errors covers the correlation between windows and the kurtosis
    assert abs(counts.mean() - moments.mean) < 2 * 4.9 * math.sqrt(moments.variance / 256)
    assert abs(counts.var(ddof=1) / moments.variance - 1) < 2 * 4.9 * math.sqrt(2 / 255)
