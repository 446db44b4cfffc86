"""One tile's count: healthy tiles stay green, a wrong count turns red, records pool."""

import math

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.count_models import BoundedModel
from synthgrid_assets.processes.grid import JitteredLaw, RegularLaw
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.statistics.laws.moments import count_moments
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.tile.counts import counts_match_the_process, tile_count
from synthgrid_assets_tests.processes.examples import PARAMETERS, example

TILE = Cells(0, 0, 12, 12)


class GibbsLaw:
    """Only bounds of the intensity are known, as for a Strauss process."""

    intensity = math.nan
    count_model = BoundedModel(2.0, 3.0)
    correlation_cells = 1


@pytest.mark.parametrize("name", sorted(set(PARAMETERS) & set(REGISTRY)))
def test_a_healthy_tile_of_every_process_is_green_and_a_doubled_one_is_red(name):
    process = example(name)
    observed, window = len(process.points(TILE)), Retention.full(12, 12)
    assert counts_match_the_process(observed, process.law, window).passed
    # clusters this strong hide a doubled tile of 144 cells only in the lognormal's allowance
    times = {"hierarchical_thomas": 8}.get(name, 3)  # sizes by Pareto's law hide a tripled one too
    red = counts_match_the_process(times * observed + 10, process.law, window)
    assert not red.passed
    assert red.false_alarm_rate == 1e-6


def test_a_wrong_rate_is_found_in_a_tile_and_both_sides_count():
    law, window = ThomasLaw(1.0, 8.0, 0.7), Retention.full(24, 24)
    moments = count_moments(law, window)
    for sign in (-1, 1):
        close = round(moments.mean + sign * 4 * moments.standard_deviation)
        far = round(moments.mean + sign * 6 * moments.standard_deviation)
        assert counts_match_the_process(close, law, window).passed
        assert not counts_match_the_process(far, law, window).passed


def test_one_point_too_many_in_a_stratified_tile_is_red():
    window = Retention.full(5, 5)
    assert counts_match_the_process(100, JitteredLaw(4.0), window).passed
    assert not counts_match_the_process(101, JitteredLaw(4.0), window).passed


def test_a_grid_behind_a_masks_edge_is_judged_by_what_the_edge_allows():
    """The edge keeps 0.7 of a column of cells, but all of its points or none."""
    edge = np.ones((64, 64))
    edge[:, 40], edge[:, 41:] = 0.7, 0.0
    window = Retention(edge)
    for columns in (40, 41):
        assert counts_match_the_process(64 * columns, RegularLaw(1.0), window).passed
    assert not counts_match_the_process(64 * 50, RegularLaw(1.0), window).passed
    assert math.isnan(count_moments(RegularLaw(1.0), window).mean)
    # thinned equally, the count is binomial again
    half = Retention(np.full((64, 64), 0.5))
    assert count_moments(RegularLaw(1.0), half).variance == pytest.approx(1024)


def test_without_a_known_law_the_bounds_of_its_intensity_decide():
    window = Retention(np.full((10, 10), 0.5))
    assert counts_match_the_process(125, GibbsLaw(), window).passed
    assert counts_match_the_process(160, GibbsLaw(), window).passed
    verdict = counts_match_the_process(250, GibbsLaw(), window)
    assert not verdict.passed
    assert verdict.expected == 125.0
    record = tile_count(125, GibbsLaw(), window, 0.5)
    assert math.isnan(record.randomised)
    assert math.isnan(record.mean)
    assert record.p_value == 1.0


def test_the_record_holds_what_the_verdict_says_and_a_uniform_p_value():
    """Kolmogorov-Smirnov at 1e-6 over 400 tiles that lie apart."""
    law, window = PoissonLaw(1.5), Retention.full(3, 3)
    rng = np.random.default_rng(2)
    counts = rng.poisson(13.5, 400)
    records = [tile_count(int(n), law, window, float(rng.random())) for n in counts]
    for record in records[:20]:
        verdict = counts_match_the_process(record.observed, law, window)
        assert verdict.p_value == record.p_value
        assert verdict.expected == record.mean
    assert stats.kstest([record.randomised for record in records], "uniform")[1] > 1e-6
