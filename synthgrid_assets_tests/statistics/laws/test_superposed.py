"""Counts of a superposition whose members are thinned each in its own way."""

import math

import numpy as np
import pytest
from scipy.stats import kstest, poisson

from synthgrid_assets.inputs.declared_surfaces import DeclaredSurface, LinearGradient
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.grid import RegularLaw
from synthgrid_assets.processes.lgcp import LgcpLaw
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.processes.superposition import Superposition, SuperpositionLaw
from synthgrid_assets.processes.thinning.thinned import BySurface, ThinnedProcess
from synthgrid_assets.statistics.laws.count_distribution import (
    ApproximateCounts,
    PoissonCounts,
    TabulatedCounts,
    count_distribution,
    two_sided,
)
from synthgrid_assets.statistics.laws.moments import count_moments
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.laws.superposed import MemberRetention
from synthgrid_assets.statistics.tile.counts import counts_match_the_process, tile_count
from synthgrid_assets.statistics.tile.quadrats import quadrats_follow_the_surface
from synthgrid_assets_tests.processes.examples import example

CELLS = Cells(0, 0, 6, 4)
SLOPE = np.tile(np.linspace(0.1, 0.9, 6), (4, 1))
THOMAS = ThomasLaw(0.5, 8.0, 0.7)


def mixed(*grids):
    return MemberRetention.of(CELLS, np.full((4, 6), 0.5), grids)


def test_coupled_members_are_not_judged_and_say_why():
    law = SuperpositionLaw((PoissonLaw(1.0), THOMAS), "b depends on a")
    retention = mixed(SLOPE, SLOPE)
    for verdict in (
        counts_match_the_process(10**6, law, retention),
        quadrats_follow_the_surface(np.full((4, 6), 1000), law, retention),
    ):
        assert verdict.outcome == "not tested"
        assert "b depends on a" in verdict.detail
    record = tile_count(5, law, retention, 0.5)
    assert record.p_value == 1.0
    assert math.isnan(record.mean)
    assert math.isnan(record.randomised)


def test_a_member_of_unknown_intensity_leaves_the_union_unjudged():
    law = SuperpositionLaw((PoissonLaw(1.0), RegularLaw(4.0)))
    assert "not known" in counts_match_the_process(9, law, mixed(SLOPE, SLOPE)).detail
    # thinned evenly, the grid's moments are known and the union is judged
    even = mixed(SLOPE, np.full((4, 6), 1.0))
    assert isinstance(count_distribution(law, even), ApproximateCounts)


def test_poisson_members_give_a_poisson_count_of_the_summed_mean():
    law = SuperpositionLaw((PoissonLaw(1.0), PoissonLaw(3.0)))
    found = count_distribution(law, mixed(SLOPE, np.full((4, 6), 0.25)))
    assert isinstance(found, PoissonCounts)
    assert found.mean == pytest.approx(SLOPE.sum() + 3.0 * 24 * 0.25)


def test_a_cluster_and_a_poisson_member_are_convolved_exactly():
    """Oracle: the direct sum over all ways to split the count, with SciPy's Poisson."""
    law = SuperpositionLaw((THOMAS, PoissonLaw(2.0)))
    retention = mixed(SLOPE, np.full((4, 6), 0.5))
    found = count_distribution(law, retention)
    alone = count_distribution(THOMAS, retention.members[0])
    assert isinstance(found, TabulatedCounts)
    assert isinstance(alone, TabulatedCounts)
    first, pmf = alone.table()
    for n in (20, 72, 140):
        split = sum(p * poisson.cdf(n - first - k, 24.0) for k, p in enumerate(pmf))
        assert float(found.tails(n)[0]) == pytest.approx(split, abs=1e-13)
    moments = count_moments(law, retention)
    start, table = found.table()
    n = start + np.arange(table.size)
    assert float(table @ n) == pytest.approx(moments.mean, rel=1e-6)


@pytest.mark.parametrize("mean", [0.0, 0.3, 700.0, 1e6])
def test_a_poisson_table_leaves_nothing_out(mean):
    first, pmf = PoissonCounts(mean).table()
    assert first >= 0
    assert pmf.sum() == pytest.approx(1.0, abs=1e-8)  # SciPy's own rounding
    assert poisson.sf(first + pmf.size - 1, mean) < 1e-17
    assert first == 0 or poisson.cdf(first - 1, mean) < 1e-17


def test_moments_of_differently_thinned_members_add_up():
    laws = THOMAS, PoissonLaw(2.0), log_gaussian()
    retention = mixed(SLOPE, np.full((4, 6), 0.5), SLOPE[:, ::-1])
    members = [count_moments(*part) for part in zip(laws, retention.members, strict=True)]
    total = count_moments(SuperpositionLaw(laws), retention)
    assert total.mean == pytest.approx(sum(m.mean for m in members))
    assert total.variance == pytest.approx(sum(m.variance for m in members))
    found = count_distribution(SuperpositionLaw(laws), retention)
    assert isinstance(found, ApproximateCounts)


def log_gaussian() -> LgcpLaw:
    law = example("lgcp").law
    assert isinstance(law, LgcpLaw)
    return law


def test_p_values_of_a_healthy_union_are_uniform():
    """400 windows of a sloping cluster process with a Poisson process: KS at 1e-6."""
    slope = DeclaredSurface(
        Lattice("EPSG:32633", (0.0, 0.0), 64.0),
        LinearGradient((0.0, 0.0), (8 * 64.0, 8 * 64.0), 0.1, 1.0),
    )
    thinned = ThinnedProcess(example("thomas"), (BySurface(slope, stream_key("t")),))
    union = Superposition((thinned, ThinnedProcess(example("poisson"))))
    flat = np.ones((6, 6))
    uniforms = np.random.default_rng(5).random(400)
    scores = []
    for i, uniform in enumerate(uniforms):
        cells = Cells(0, 40 * i - 8000, 6, 40 * i - 7994)
        retention = MemberRetention.of(cells, flat, [grid for _, grid in union.parts(cells)])
        n = len(union.points(cells))
        scores.append(float(count_distribution(union.law, retention).randomised(n, uniform)))
        assert two_sided(count_distribution(union.law, retention), n) > 1e-6
    assert kstest(scores, "uniform").pvalue > 1e-6


def test_parts_keep_the_members_apart():
    retention = mixed(SLOPE, np.full((4, 6), 0.5))
    part = retention.part(Cells(1, 1, 3, 4))
    np.testing.assert_array_equal(part.members[0].probability, SLOPE[1:4, 1:3])
    assert (part.width, part.height) == (2, 3)
    assert isinstance(Retention.full(2, 2), Retention)
