"""Correlation of tiles: exact permutation moments, declared correlations, healthy regions."""

from itertools import permutations

import numpy as np
import pytest

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.grid import JitteredLaw
from synthgrid_assets.processes.matern_hard_core import MaternIILaw
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.statistics.laws.moments import region_moments
from synthgrid_assets.statistics.region.moran import (
    gearys_c,
    morans_i,
    tile_correlations,
    tiles_are_correlated_as_declared,
)
from synthgrid_assets_tests.processes.examples import example

SHAPES = {
    "full": [[1, 1, 1, 1], [1, 1, 1, 1]],
    "holes": [[1, 0, 1], [1, 1, 1], [0, 1, 1]],
}


def test_scores_that_are_no_grid_are_refused():
    with pytest.raises(GeometryError, match="no grid"):
        tiles_are_correlated_as_declared(np.zeros(20), np.eye(3), 1.0)


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize("statistic", [morans_i, gearys_c])
def test_permutation_moments_are_those_of_all_permutations(shape, statistic):
    """Oracle: the definition over every arrangement of the values, and a weights matrix."""
    held = np.array(SHAPES[shape], bool)
    values = np.random.default_rng(2).exponential(size=int(held.sum()))
    places = np.argwhere(held)
    apart = np.abs(places[:, None] - places[None]).sum(axis=2)
    weights = (apart == 1).astype(float)
    orders = np.array(list(permutations(range(values.size))))
    z = (values - values.mean())[orders]
    squares = (z[0] ** 2).sum()
    n, s0 = values.size, weights.sum()
    if statistic is morans_i:
        all_values = n / s0 * np.einsum("pi,ij,pj->p", z, weights, z) / squares
    else:
        i, j = np.nonzero(weights)
        all_values = (n - 1) / (2 * s0) * ((z[:, i] - z[:, j]) ** 2).sum(axis=1) / squares
    grid = np.full(held.shape, np.nan)
    grid[held] = values
    found = statistic(grid)
    assert found.value == pytest.approx(all_values[0])
    assert found.expectation == pytest.approx(all_values.mean())
    assert found.variance == pytest.approx(all_values.var())


@pytest.mark.parametrize(
    "law", [ThomasLaw(0.5, 8.0, 0.7), MaternIILaw(8.0, 0.25), ThomasLaw(0.1, 5.0, 3.0)], ids=repr
)
@pytest.mark.parametrize("p", [1.0, 0.4])
def test_correlations_are_the_variances_of_joined_tiles(law, p):
    side = 4
    table = tile_correlations(law, side, p)
    lags = table.shape[0] // 2

    def variance(width, height):
        poisson = law.intensity * width * height
        return p * poisson + p * p * (law.count_variance(width, height) - poisson)

    alone = variance(side, side)
    beside = (variance(2 * side, side) - 2 * alone) / (2 * alone)
    assert table[lags, lags] == 1.0
    assert table[lags, lags + 1] == pytest.approx(beside, abs=1e-7)
    across = (variance(2 * side, 2 * side) - 4 * alone * (1 + 2 * beside)) / (4 * alone)
    assert table[lags + 1, lags + 1] == pytest.approx(across, abs=1e-7)
    np.testing.assert_allclose(table, table[::-1, ::-1], atol=1e-12)


def test_certain_counts_have_no_correlation():
    assert np.isnan(tile_correlations(JitteredLaw(4.0), 3)).all()


def test_independent_tiles_are_uncorrelated():
    for law in (PoissonLaw(3.0), JitteredLaw(4.0)):
        table = tile_correlations(law, 3, 0.5)
        expected = np.zeros_like(table)
        expected[table.shape[0] // 2, table.shape[0] // 2] = 1.0
        np.testing.assert_allclose(table, expected, atol=1e-12)


def scores_of(name, replicate, side, tiles):
    law = example(name).law
    points = example(name, replicate).points(Cells(0, 0, side * tiles, side * tiles))
    at = (points.y >> CELL_BITS) // side * tiles + (points.x >> CELL_BITS) // side
    counts = np.bincount(at, minlength=tiles * tiles).reshape(tiles, tiles)
    variance = law.count_variance(side, side)
    strips = (np.ones((side, side * tiles)) for _ in range(tiles))
    inflation = region_moments(law, strips).variance / (variance * tiles * tiles)
    return (counts - law.intensity * side * side) / np.sqrt(variance), inflation


@pytest.mark.parametrize("name", ["poisson", "thomas", "matern_ii"])
def test_healthy_regions_fail_at_their_rate(name):
    """150 regions of 8 x 8 tiles: at 1 %, at most 11 (chance excess below 1e-6)."""
    correlations = tile_correlations(example(name).law, 3)
    verdicts = [
        tiles_are_correlated_as_declared(scores, correlations, inflation)
        for scores, inflation in (scores_of(name, replicate, 3, 8) for replicate in range(150))
    ]
    assert sum(verdict.p_value < 0.01 for verdict in verdicts) <= 11
    # the declared value is the mean over regions: five standard errors
    found = np.array([verdict.observed for verdict in verdicts])
    error = found.std(ddof=1) / np.sqrt(150)
    assert abs(found.mean() - verdicts[0].expected) < 5 * error


def test_tiles_of_their_own_seeds_are_found():
    """Each tile of its own world: independent where the law says correlated."""
    side, tiles = 2, 30
    law = example("thomas").law
    _, inflation = scores_of("thomas", 0, side, tiles)
    counts = [
        len(example("thomas", replicate).points(Cells(0, 0, 2, 2))) for replicate in range(900)
    ]
    scores = np.array(counts, float).reshape(30, 30) - law.intensity * 4
    scores /= np.sqrt(law.count_variance(2, 2))
    verdict = tiles_are_correlated_as_declared(scores, tile_correlations(law, 2), inflation)
    assert not verdict.passed
    assert verdict.observed < verdict.expected


def test_what_cannot_be_judged_says_why():
    few, flat = np.zeros((3, 3)), np.zeros((6, 6))
    for scores in (few, flat, np.full((6, 6), np.nan)):
        verdict = tiles_are_correlated_as_declared(scores, np.ones((1, 1)), 1.0)
        assert verdict.outcome == "not tested"
        assert "too little" in verdict.detail
    rng = np.random.default_rng(1)
    unknown = tiles_are_correlated_as_declared(
        rng.normal(size=(6, 6)), np.full((3, 3), np.nan), 1.0
    )
    assert "closed form" in unknown.detail
