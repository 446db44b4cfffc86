"""The log-Gaussian Cox process: Poisson given its field, the law of its pixels."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.exact_math import dexp
from synthgrid_assets.lattice.seeding import philox_words, stream_key
from synthgrid_assets.processes import lgcp
from synthgrid_assets.processes.gaussian_field import field, unit
from synthgrid_assets.processes.lgcp import LgcpLaw, LgcpProcess
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets_tests.processes.examples import CELL_METRES, PER_CELL

SCALES = ((0.8, 9), (0.6, 3))
KEY = stream_key("cox")


@pytest.mark.parametrize(
    ("scales", "found"),
    [
        ([], "scales"),
        ([{"sd": 0.5}], "scales.0.range"),
        ([{"sd": -1.0, "range": 50.0}], "scales.0.sd"),
        ([{"sd": 9.0, "range": 50.0}], "scales.0.sd"),
        ([{"sd": 0.5, "range": 50.0, "nugget": 1.0}], "scales.0.nugget"),
        ("wide", "scales"),
    ],
)
def test_a_fault_of_a_scale_is_named_by_its_path(scales, found):
    with pytest.raises(SpecError, match=found):
        process("lgcp", {"points_per_km2": 10.0, "scales": scales})


@pytest.mark.parametrize(
    ("ranges", "found"),
    [
        ([0.5], "range = 0.5 m is too short for atom cells of 64.0 m, the least is 1 m"),
        ([1e6], "range = 1000000.0 m is too long"),
        ([20.0, 2000.0], "range = 2000.0 m is too long beside the shortest range"),
    ],
)
def test_ranges_that_pixels_cannot_hold_are_refused_with_the_limit(ranges, found):
    scales = [{"sd": 0.5, "range": r} for r in ranges]
    parameters = process("lgcp", {"points_per_km2": 10.0, "scales": scales})
    with pytest.raises(SpecError, match=found):
        REGISTRY["lgcp"].build(parameters, KEY, CELL_METRES)


@pytest.mark.parametrize(
    ("intensity", "scales"),
    [(0.0, SCALES), (math.inf, SCALES), (1.0, ((0.0, 3),)), (1.0, ((1.0, 151),))],
)
def test_a_law_out_of_range_is_refused(intensity, scales):
    with pytest.raises(SpecError, match="lgcp"):
        LgcpLaw(intensity, scales, 8)


@pytest.mark.parametrize("metres", [30.0, 64.0, 200.0, 5000.0])
def test_the_realised_range_is_near_the_declared_one(metres):
    parameters = process(
        "lgcp", {"points_per_km2": PER_CELL, "scales": [{"sd": 0.5, "range": metres}]}
    )
    law = REGISTRY["lgcp"].build(parameters, KEY, CELL_METRES).law
    assert abs(law.ranges[0] * CELL_METRES / metres - 1) < 0.13


@pytest.mark.parametrize("mean", [1e-6, 0.3, 5.0, 15.9])
def test_a_pixels_count_is_poisson(mean):
    """Chi-square of 20,000 draws; false alarm 1e-6."""
    words = philox_words(np.arange(20_000), 0, 0, 0, KEY)[0]
    counts = np.array([lgcp._poisson(mean, dexp(-mean), word) for word in words])
    top = int(stats.poisson.isf(1e-3, mean)) + 1
    expected = stats.poisson.pmf(np.arange(top + 1), mean) * counts.size
    expected[top] = counts.size - expected[:top].sum()
    observed = np.bincount(np.minimum(counts, top), minlength=top + 1)
    if mean < 1e-3:
        assert counts.sum() <= 2  # P(3 or more of 20,000) < 2e-6
    else:
        assert stats.chisquare(observed, expected).pvalue > 1e-6


def test_the_last_word_ends_the_inversion():
    assert lgcp._poisson(16.0, dexp(-16.0), np.uint64(2**64 - 1)) < 80


def test_large_means_are_sums_of_smaller_ones():
    """Counts of 900 pixels of mean 50 by chi-square of their dispersion, at 1e-6."""
    flat = np.full((30, 30), math.log(50.0))
    counts = lgcp._counts(flat, (0, 0), KEY)
    dispersion = ((counts - 50.0) ** 2).sum() / 50
    assert 1e-6 < stats.chi2.cdf(dispersion, 900) < 1 - 1e-6
    assert abs(counts.mean() - 50) < 5 * math.sqrt(50 / 900)


def test_the_log_intensity_is_the_mean_and_the_weighted_fields():
    """With unit normal fields the mean of its exponential is then the declared density."""
    cells, total = Cells(-2, 1, 3, 4), 0.0
    for number, (sd, width) in enumerate(SCALES):
        total += sd * field(KEY, number, width, tuple(8 * edge for edge in cells)) / unit(width)
    expected = math.log(7 / 64) - (0.8**2 + 0.6**2) / 2 + total
    ours = LgcpProcess(KEY, Fraction(7), SCALES, 3).log_intensity(cells)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-13)


def test_points_are_poisson_given_the_field():
    """Pearson residuals of pixels against the realised field, within 5 standard errors."""
    built = LgcpProcess(KEY, Fraction(40), SCALES, 3)
    cells = Cells(3, -4, 23, 16)
    mean = np.exp(built.log_intensity(cells))
    x, y, _ = built.points(cells)
    bits = CELL_BITS - 3
    counts = np.zeros(mean.shape)
    np.add.at(counts, ((y >> bits) - cells.iy0 * 8, (x >> bits) - cells.ix0 * 8), 1)
    assert abs(counts.sum() - mean.sum()) < 5 * math.sqrt(mean.sum())
    squares = (counts - mean) ** 2 / mean
    error = np.sqrt((2 + 1 / mean).sum()) / squares.size
    assert abs(squares.mean() - 1) < 5 * error


def test_the_law_of_one_white_pixel_is_lognormal_mixed_poisson():
    """A box of one pixel has no memory: each pixel adds its own exp(sd^2) - 1."""
    law = LgcpLaw(8.0, ((0.7, 1),), 4)
    excess = math.expm1(0.49) * (8 / 16) ** 2
    assert math.isclose(law.count_variance(3, 2), 8 * 6 + 6 * 16 * excess)
    assert law.correlation_cells == 0
    assert math.isclose(law.cell_covariance(0)[0, 0], 16 * excess)


def test_the_pair_correlation_is_the_exponential_of_the_covariance_on_an_axis():
    """At distances of many pixels the directions' average lies between axis and diagonal."""
    law = LgcpLaw(8.0, ((0.8, 40),), 16)
    r = np.array([0.5, 1.0, 2.0])
    excess = law._excess
    middle = excess.shape[0] // 2
    axis = excess[middle, middle + (r * 16).astype(int)]
    ours = law.pair_correlation(r) - 1
    assert (abs(ours / axis - 1) < 0.03).all()
