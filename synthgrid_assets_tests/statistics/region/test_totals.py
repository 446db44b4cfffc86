"""Regions: healthy ones pass at their level, small errors of rate and spread do not."""

import math

import numpy as np
import pytest
from scipy.stats import poisson as poisson_law

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.statistics.laws.moments import CountMoments, region_moments
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.multiple_testing import p_values_are_uniform
from synthgrid_assets.statistics.region.totals import (
    TileCounts,
    are_countable,
    mean_variance_hold,
    smallest_rate_error,
)
from synthgrid_assets.statistics.tile.counts import TileCount, tile_count
from synthgrid_assets_tests.processes.examples import example


def region_of(law, counts, window, rng):
    """The record of each tile, and the region's own moments, of a full square of tiles."""
    tiles = TileCounts.of(tile_count(int(n), law, window, rng.random()) for n in counts.ravel())
    rows, columns = counts.shape
    strips = (np.ones((window.height, columns * window.width)) for _ in range(rows))
    return tiles, region_moments(law, strips)


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(GeometryError, match="differ in length"):
        TileCounts(np.zeros(2, int), *(np.zeros(n) for n in (2, 2, 3, 2)))


def test_no_tiles_and_tiles_without_a_law_are_not_tested_and_say_so():
    empty = TileCounts.of([])
    verdict = mean_variance_hold(empty, CountMoments(0.0, 0.0))
    assert verdict.detail == "not tested: no tile is committed"
    unknown = TileCounts.of([TileCount(9, math.nan, math.nan, 1.0, math.nan)])
    verdict = mean_variance_hold(unknown, CountMoments(math.nan, math.nan))
    assert verdict.outcome == "not tested"
    assert "no moments in closed form" in verdict.detail


def test_healthy_clustered_regions_fail_at_their_rate():
    """600 regions of 6 x 6 tiles with correlated neighbours: at 1 %, at most 21 (1e-6)."""
    law, window, rng = ThomasLaw(0.5, 8.0, 45 / 64), Retention.full(4, 4), np.random.default_rng(1)
    low_moments = low_uniform = 0
    for replicate in range(600):
        points = example("thomas", replicate).points(Cells(0, 0, 24, 24))
        at = (points.y >> CELL_BITS) // 4 * 6 + (points.x >> CELL_BITS) // 4
        counts = np.bincount(at, minlength=36).reshape(6, 6)
        tiles, region = region_of(law, counts, window, rng)
        assert tiles.inflation(region) > 1.3
        low_moments += mean_variance_hold(tiles, region).p_value < 0.01
        low_uniform += (
            p_values_are_uniform(tiles.randomised, tiles.inflation(region)).p_value < 0.01
        )
    assert low_moments <= 21
    assert low_uniform <= 21


def test_the_stated_rate_error_is_found_nine_times_in_ten():
    """400 regions with the smallest rate error; below 81 % only with probability 1e-6."""
    law, window, rng = PoissonLaw(4.0), Retention.full(8, 8), np.random.default_rng(2)
    mean = 4.0 * 64 * 25
    delta = smallest_rate_error(CountMoments(mean, mean))
    found = 0
    for _ in range(400):
        counts = rng.poisson(4.0 * 64 * (1 + delta), (5, 5))
        found += not mean_variance_hold(*region_of(law, counts, window, rng)).passed
    assert 0.81 * 400 < found < 0.97 * 400


def test_poisson_counts_in_place_of_clustered_ones_are_found():
    """The total is right, the spread between tiles is not."""
    law, window, rng = ThomasLaw(0.5, 8.0, 0.7), Retention.full(8, 8), np.random.default_rng(3)
    counts = rng.poisson(4.0 * 64, (15, 15))
    tiles, region = region_of(law, counts, window, rng)
    assert not mean_variance_hold(tiles, region).passed
    assert not p_values_are_uniform(tiles.randomised, tiles.inflation(region)).passed


def test_counts_with_known_moments_only_are_judged_by_their_spread():
    """Cox counts: 60 healthy regions pass at 1e-4, a wrong spread does not."""
    law, window, rng = example("lgcp").law, Retention.full(6, 6), np.random.default_rng(4)
    for replicate in range(60):
        points = example("lgcp", replicate).points(Cells(0, 0, 36, 36))
        at = (points.y >> CELL_BITS) // 6 * 6 + (points.x >> CELL_BITS) // 6
        tiles, region = region_of(law, np.bincount(at, minlength=36).reshape(6, 6), window, rng)
        assert np.isnan(tiles.randomised).all()
        assert mean_variance_hold(tiles, region).p_value > 1e-4
    poisson = rng.poisson(law.intensity * 36, (10, 10))
    assert not mean_variance_hold(*region_of(law, poisson, window, rng)).passed


@pytest.mark.parametrize("mean", [1e-6, 1e-3, 0.1, 0.3, 1.0, 5.0, 30.0, 300.0])
def test_a_small_total_fails_no_oftener_than_at_its_rate(mean):
    """The probability of each total is known: summed over all that fail, it is at most alpha."""
    totals = np.arange(int(mean + 12 * math.sqrt(mean) + 12))
    for alpha in (1e-2, 1e-4, 1e-6):
        failing = 0.0
        for total in totals:
            tiles = TileCounts.of([TileCount(int(total), mean, mean, 1.0, math.nan)])
            verdict = mean_variance_hold(tiles, CountMoments(mean, mean), alpha)
            failing += 0.0 if verdict.passed else float(poisson_law.pmf(total, mean))
        assert failing <= alpha


def test_a_region_of_nearly_no_points_whose_tiles_counts_have_no_law_is_healthy():
    """Empty tiles are all alike: their spread says nothing, and must not be infinitely unlikely."""
    rng = np.random.default_rng(5)
    for mean in (1e-6, 0.02, 0.3, 1.0, 2.0, 20.0):
        for width in (1.0, 0.2):
            means = mean * np.r_[np.ones(50), np.full(13, width)]
            unknown = np.full(63, math.nan)
            for _ in range(60):
                tiles = TileCounts(rng.poisson(means), means, means, unknown, unknown)
                verdict = mean_variance_hold(tiles, CountMoments(means.sum(), means.sum()))
                assert verdict.p_value > 1e-4, (mean, width, verdict.detail)
            assert ("too few tiles" in verdict.detail) == (mean < 1)


def test_counts_that_are_nearly_certain_are_not_countable():
    """None, nearly never one, all but nearly never one, all from one cluster: none is normal."""
    mean, variance = np.array([[0.02, 0.02], [8.0, 8.0], [8.0, 0.1], [8.0, 80.0], [0.0, 0.0]]).T
    assert are_countable(mean, variance).tolist() == [False, True, False, False, False]
