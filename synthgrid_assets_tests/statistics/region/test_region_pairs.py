"""Pairs of a region: the counts of single windows, healthy regions, faults of shape."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.statistics.curves.estimators import HaloedPattern
from synthgrid_assets.statistics.region.region_pairs import PairCounter, pair_distances
from synthgrid_assets_tests.processes.examples import CELL_METRES, PARAMETERS, example

SIDE, TILES = 8, 8
EXTENT = Cells(0, 0, SIDE * TILES, SIDE * TILES)


def counted(x, y, distances, side=SIDE, extent=EXTENT, retention=None):
    grid = np.ones((extent.height, extent.width)) if retention is None else retention
    counter = PairCounter(side, distances)
    for row in range(extent.iy0 // side, -(-extent.iy1 // side)):
        cells = Cells(extent.ix0, row * side, extent.ix1, row * side + side).intersection(extent)
        rows = slice(cells.iy0 - extent.iy0, cells.iy1 - extent.iy0)
        counter.add(cells, x, y, grid[rows])
    return counter


@pytest.mark.parametrize("distances", [[], [0.0, 1.0], [1.0, 0.5], [9.0], [float("nan")]])
def test_distances_that_no_tile_can_serve_are_refused(distances):
    with pytest.raises(GeometryError, match="ascending"):
        PairCounter(8, np.array(distances))


def test_rows_in_the_wrong_order_are_refused():
    nothing, counter = np.empty(0, np.int64), PairCounter(8, np.array([1.0]))
    counter.add(Cells(0, 8, 16, 16), nothing, nothing, np.ones((8, 16)))
    with pytest.raises(GeometryError, match="south to north"):
        counter.add(Cells(0, 0, 16, 8), nothing, nothing, np.ones((8, 16)))


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    distances=st.sampled_from([[0.3], [0.5, 1.0], [0.4, 1.2, 2.5]]),
    missing=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=3),
)
def test_pairs_are_those_of_each_cells_own_window(seed, distances, missing):
    """Oracle: the estimator of one window, cell by cell where the neighbourhood is whole."""
    side, extent = 5, Cells(-5, 0, 10, 18)
    rng, distances = np.random.default_rng(seed), np.array(distances)
    retention = np.ones((18, 15))
    for column, row in missing:
        retention[5 * row : 5 * row + 5, 5 * column : 5 * column + 5] = 0.0
    x, y = rng.integers(-5 * CELL, 10 * CELL, 300), rng.integers(0, 18 * CELL, 300)
    kept = retention[y // CELL, x // CELL + 5] > 0
    x, y = x[kept], y[kept]
    counter = counted(x, y, distances, side, extent, retention)
    depth, expected = math.ceil(distances[-1]), {}
    padded = np.pad(retention, depth)
    for iy in range(18):
        for ix in range(-5, 10):
            if not padded[iy : iy + 2 * depth + 1, ix + 5 : ix + 6 + 2 * depth].all():
                continue
            cell = Cells(ix, iy, ix + 1, iy + 1)
            x0, y0, x1, y1 = cell.grown(depth).quanta()
            near = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
            window = HaloedPattern(x[near], y[near], cell, depth)
            tile = expected.setdefault((iy // side, ix // side), [0, 0, np.zeros(distances.size)])
            tile[0] += 1
            tile[1] += int(window.inner.sum())
            tile[2] += window.k_function(distances, 1.0)
    assert counter.tiles.keys() == expected.keys()
    for key, tile in counter.tiles.items():
        assert (tile.area, tile.points) == tuple(expected[key][:2])
        np.testing.assert_array_equal(tile.pairs, expected[key][2])


@pytest.mark.parametrize("name", ["poisson", "thomas", "matern_ii", "jittered"])
def test_healthy_regions_fail_at_their_rate(name):
    """100 regions of 64 tiles: at 1 %, at most 9 (chance excess below 1e-6)."""
    law = example(name).law
    distances = pair_distances(law, SIDE)
    low = 0
    for replicate in range(100):
        x, y, _ = example(name, replicate).points(EXTENT)
        low += counted(x, y, distances).verdict(law).p_value < 0.01
    assert low <= 9


@pytest.mark.parametrize(("fault", "changed"), [("thomas", {"sigma": 54.0}), ("poisson", {})])
def test_a_wrong_shape_of_clusters_is_found(fault, changed):
    """The number of points is right in both: only their pairs are not."""
    law, extent = example("thomas").law, Cells(0, 0, 120, 120)
    parameters = process(fault, {**PARAMETERS[fault], **changed})
    if fault == "poisson":
        parameters = process(fault, {"points_per_km2": law.intensity * 1e6 / CELL_METRES**2})
    wrong = REGISTRY[fault].build(parameters, stream_key("wrong"), CELL_METRES)
    x, y, _ = wrong.points(extent)
    verdict = counted(x, y, pair_distances(law, 12), 12, extent).verdict(law)
    assert not verdict.passed
    assert verdict.observed < verdict.expected


def test_one_pair_within_a_hard_core_is_found():
    process = example("matern_ii")
    x, y, _ = process.points(EXTENT)
    distances = np.array([process.law.radius / 2, 1.0])
    assert counted(x, y, distances).verdict(process.law).passed
    inside = (x > 20 * CELL) & (x < 40 * CELL) & (y > 20 * CELL) & (y < 40 * CELL)
    x = np.append(x, x[inside][0] + CELL // 100)
    y = np.append(y, y[inside][0])
    assert not counted(x, y, distances).verdict(process.law).passed


def test_what_has_no_closed_form_is_not_judged_and_the_verdict_says_why():
    class Unknown:
        intensity = math.nan

    x, y, _ = example("poisson").points(EXTENT)
    distances = np.array([0.5])
    gradient = np.broadcast_to(np.linspace(0.1, 1, EXTENT.width), (EXTENT.height, EXTENT.width))
    cases = {
        "closed form": counted(x, y, distances).verdict(Unknown()),
        "surface": counted(x, y, distances, retention=gradient).verdict(PoissonLaw(8.0)),
        "too few": PairCounter(8, distances).verdict(PoissonLaw(8.0)),
    }
    for reason, verdict in cases.items():
        assert verdict.outcome == "not tested"
        assert reason in verdict.detail


def test_an_equally_thinned_layer_is_judged_at_its_own_intensity():
    x, y, _ = example("thomas").points(EXTENT)
    law, distances = example("thomas").law, np.array([0.5, 1.0])
    kept = np.random.default_rng(1).random(x.size) < 0.5
    half = np.full((EXTENT.height, EXTENT.width), 0.5)
    counter = counted(x[kept], y[kept], distances, retention=half)
    verdict = counter.verdict(law)
    assert verdict.passed
    area = sum(tile.area for tile in counter.tiles.values())
    expected = (law.intensity / 2) ** 2 * area * law.k_function(distances)
    assert np.isclose(verdict.expected, expected).any()
