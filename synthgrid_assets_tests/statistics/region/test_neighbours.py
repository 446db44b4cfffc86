"""Nearest neighbours of regions: healthy ones pass, wrong laws and broken cores are found."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.statistics.curves.distance_counts import (
    DistanceCounts,
    Distances,
    count_distances,
    typical_intensity,
)
from synthgrid_assets.statistics.curves.envelopes import RankedReplicates, curve_fits_replicates
from synthgrid_assets.statistics.curves.estimators import HaloedPattern
from synthgrid_assets.statistics.region.neighbours import (
    ReplicateWindows,
    TileWindows,
    counts_are_those_of_replicates,
    neighbours_follow_the_law,
    nothing_within_the_core,
    pairs_are_those_of_replicates,
)
from synthgrid_assets_tests.processes.examples import CELL_METRES, PARAMETERS, example

SIDE, TILES, REPLICATES = 6, 8, 120
KEYS = [(row, column) for row in range(TILES) for column in range(TILES)]
TILE = Cells(0, 0, SIDE, SIDE)


def distances_of(name):
    law = example(name).law
    return Distances.of(typical_intensity(law), SIDE, law.hard_core)


def counted(sampler, cells, distances):
    x, y, _ = sampler.points(cells.grown(distances.halo))
    return count_distances(HaloedPattern(x, y, cells, distances.halo), distances).as_row()


def region(sampler, distances, apart=1):
    rows = [
        counted(sampler, Cells(SIDE * i, SIDE * j, SIDE * i + SIDE, SIDE * j + SIDE), distances)
        for j, i in KEYS
    ]
    return TileWindows(KEYS, SIDE * SIDE, DistanceCounts.of_rows(np.array(rows)), apart)


def replicates_of(name, distances):
    rows = [counted(example(name, 900 + k), TILE, distances) for k in range(REPLICATES)]
    return DistanceCounts.of_rows(np.array(rows))


def verdict_of(name, sampler, replicates=None, apart=2):
    distances = distances_of(name)
    tiles = region(sampler, distances, apart)
    return neighbours_follow_the_law(tiles, distances, example(name).law, replicates)


@pytest.mark.parametrize("name", ["poisson", "thomas", "matern_cluster", "matern_ii"])
def test_healthy_regions_fail_at_their_rate(name):
    """16 regions of 64 tiles: at 1 %, at most 4 (chance excess below 1e-6)."""
    closed = name != "matern_ii"
    replicates = None if closed else replicates_of(name, distances_of(name))
    low = sum(verdict_of(name, example(name, k), replicates).p_value < 0.01 for k in range(16))
    assert low <= 4


WRONG = {
    "narrower clusters": ("thomas", "thomas", {"sigma": 25.0}),
    "Poisson for Thomas": ("thomas", "poisson", {"points_per_km2": 4e6 / CELL_METRES**2}),
    "Poisson for Matern II": ("matern_ii", "poisson", {"points_per_km2": 4e6 / CELL_METRES**2}),
    "Thomas for Poisson": ("poisson", "thomas", {"parents_per_km2": 1e6 / CELL_METRES**2}),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_law_is_found(fault):
    name, family, changed = WRONG[fault]
    parameters = process(family, {**PARAMETERS[family], **changed})
    wrong = REGISTRY[family].build(parameters, stream_key("wrong"), CELL_METRES)
    replicates = replicates_of(name, distances_of(name))
    assert not verdict_of(name, wrong, replicates, apart=1).passed


def test_distances_at_which_all_have_a_neighbour_say_nothing():
    """G is 1 but for 3e-6: that no point is alone is no fault, whatever the spread of zeros."""
    law, distances = example("poisson").law, Distances(np.array([0.7] * 4), CELL // 4)
    tiles = region(example("poisson"), distances)
    assert (tiles.counts.near[:, 0] == tiles.counts.points).all()
    expected = float(tiles.counts.points.sum()) * (1 - law.nearest_neighbour(distances.r)[0])
    assert expected < 0.5
    assert neighbours_follow_the_law(tiles, distances, law, None).p_value > 0.5


def test_a_law_without_moments_is_compared_with_replicates():
    distances = distances_of("strauss")
    replicates, own = (
        replicates_of("strauss", distances),
        region(example("strauss"), distances, apart=2),
    )
    denser = process("strauss", {**PARAMETERS["strauss"], "beta_per_km2": 9e6 / CELL_METRES**2})
    wrong = REGISTRY["strauss"].build(denser, stream_key("denser"), CELL_METRES)
    other = region(wrong, distances, apart=1)
    for test in (
        counts_are_those_of_replicates,
        lambda tiles, replicates: pairs_are_those_of_replicates(tiles, distances, replicates),
    ):
        assert test(own, replicates).p_value > 1e-6
        assert "no replicates" in test(own, None).detail
    assert not counts_are_those_of_replicates(other, replicates).passed


def test_too_few_tiles_are_not_judged():
    distances = distances_of("poisson")
    tiles = TileWindows([], 36, DistanceCounts.of_rows(np.zeros((0, 50), np.int64)))
    verdict = neighbours_follow_the_law(tiles, distances, example("poisson").law, None)
    assert (verdict.outcome, "too few" in verdict.detail) == ("not tested", True)


def test_independent_tiles_lie_apart():
    apart = TileWindows(KEYS, 36, DistanceCounts.of_rows(np.zeros((64, 5), np.int64)), 3)
    chosen = [KEYS[i] for i in apart.independent()]
    assert len(chosen) == 9
    assert all(row % 3 == column % 3 == 0 for row, column in chosen)


def test_one_pair_within_a_hard_core_turns_its_tile_red():
    distances, law = distances_of("matern_ii"), example("matern_ii").law
    x, y, _ = example("matern_ii").points(TILE.grown(distances.halo))
    among = ReplicateWindows(replicates_of("matern_ii", distances), TILE.area)

    def verdict(x, y):
        counts = count_distances(HaloedPattern(x, y, TILE, distances.halo), distances)
        return nothing_within_the_core(among.verdicts(counts)[1], counts, distances, law)

    assert verdict(x, y).passed
    inside = np.flatnonzero((x > CELL) & (x < 5 * CELL) & (y > CELL) & (y < 5 * CELL))[0]
    broken = verdict(np.append(x, x[inside] + 1), np.append(y, y[inside]))
    assert not broken.passed
    assert (broken.observed, broken.p_value) == (2.0, None)


def test_a_rank_calls_a_tile_suspicious_and_never_red():
    distances = distances_of("poisson")
    among = ReplicateWindows(replicates_of("poisson", distances), TILE.area)
    row = np.array([counted(example("jittered"), TILE, distances)])
    for verdict in among.verdicts(DistanceCounts.of_rows(row).of_window(0)):
        assert verdict.passed
        assert verdict.suspicious
        assert verdict.p_value == 1 / (REPLICATES + 1)
        assert verdict.detail.startswith("suspicious")


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), ties=st.booleans())
def test_ranked_replicates_give_the_p_value_of_the_envelope(seed, ties):
    rng = np.random.default_rng(seed)
    curves = rng.normal(size=(120, 6)).cumsum(axis=1)
    if ties:
        curves = curves.round()
    expected, _ = curve_fits_replicates("claim", curves[0], curves[1:])
    found = RankedReplicates.of(curves[1:]).verdict("claim", curves[0])
    assert found.p_value == pytest.approx(expected.p_value)
    away = np.abs(curves - curves.mean(axis=0)) / np.maximum(curves.std(axis=0), 1e-300)
    assert math.isclose(found.observed, away[0].max(), rel_tol=1e-9)
