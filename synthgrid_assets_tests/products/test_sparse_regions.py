"""Regions where hardly any point falls, of tiles that do not divide the extent, are healthy."""

import numpy as np
import pytest

from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile
from synthgrid_assets.products.region_tests.region_evidence import RegionEvidence
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.multiple_testing import p_values_are_uniform
from synthgrid_assets.statistics.region.moran import (
    tile_correlations,
    tiles_are_correlated_as_declared,
)
from synthgrid_assets.statistics.region.totals import mean_variance_hold
from synthgrid_assets.statistics.tile.counts import tile_count
from synthgrid_assets.world.validation import load_spec

WORLD = """
[world]
name = "thin"
seed = "t"
crs = "EPSG:32633"
cell = 64
extent = [0, 0, 60, 48]
tile = 7

[layers.dots]
"""
AREA = 0.064**2  # of a cell, in km2
PROCESSES = {
    "poisson": 'process = "poisson"\npoints_per_km2 = {}',
    "hard core": 'process = "matern_ii"\nradius = 20.0\ncandidates_per_km2 = {}',
    "cox": 'process = "lgcp"\nscales = [{{ sd = 0.5, range = 70.0 }}]\npoints_per_km2 = {}',
}


def layer_of(folder, process, density):
    path = folder / "thin.toml"
    path.write_text(WORLD + PROCESSES[process].format(f"{density:.6f}"))
    return open_layer(load_spec(path), "dots", folder / "data")


def judged(context, rng):
    """The tests of the tiles' counts, drawn from Poisson's law, and the tiles' scores."""
    law, tiles = context.sampler.law, []
    for tile in context.spec.world.tiling:
        cells = tile.cells
        window = Retention.full(cells.width, cells.height)
        drawn = int(rng.poisson(law.intensity * cells.area))
        count = tile_count(drawn, law, window, rng.random())
        assert count.p_value > 1e-6
        tiles.append(CommittedTile(cells, None, drawn, None, None, np.zeros(0, np.int64), count))
    evidence = RegionEvidence(tiles, context)
    region, counts, scores = evidence.moments(), evidence.counts, evidence.scores()
    inflation = counts.inflation(region)
    return scores, (
        mean_variance_hold(counts, region),
        p_values_are_uniform(counts.randomised, inflation),
        tiles_are_correlated_as_declared(scores, tile_correlations(law, 7), inflation),
    )


@pytest.mark.parametrize("process", sorted(PROCESSES))
@pytest.mark.parametrize("points", [2e-7, 0.1, 1.5, 8.0])
def test_no_test_of_counts_is_red(tmp_path, process, points):
    """Six regions each; so sparse, all are Poisson's but for few points."""
    context, rng = layer_of(tmp_path, process, points / 49 / AREA), np.random.default_rng(3)
    for _ in range(6):
        scores, verdicts = judged(context, rng)
        for verdict in verdicts:
            assert not verdict.judged or verdict.p_value > 1e-6, verdict.detail
        held = ~np.isnan(scores)
        if points < 1:
            assert not held.any()
            assert verdicts[-1].outcome == "not tested"
        else:  # 48 whole tiles; the rim's hold fewer cells
            assert held[:6, :8].all()
            assert verdicts[-1].judged
            assert (points > 4) == held[:6, 8].all()


def test_tiles_that_are_alike_are_found_above_the_least_count(tmp_path):
    """Four points more in the west half, four fewer in the east: 8 are expected in a tile."""
    context, rng = layer_of(tmp_path, "poisson", 8 / 49 / AREA), np.random.default_rng(4)
    scores, _ = judged(context, rng)
    scores += np.where(np.arange(9) < 5, 4.0, -4.0) / np.sqrt(8.0)
    table = tile_correlations(context.sampler.law, 7)
    assert tiles_are_correlated_as_declared(scores, table, 1.0).p_value < 1e-6
