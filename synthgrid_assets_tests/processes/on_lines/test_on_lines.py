"""Points on lines: one pattern on any tiling, homogeneous along lines, counts by their law."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import chisquare, kstest, poisson

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.pattern import canonical
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.on_lines.process import (
    ByLength,
    OnLinesParameters,
    OnLinesProcess,
    build_on_lines,
)
from synthgrid_assets.statistics.laws.count_distribution import count_distribution
from synthgrid_assets.statistics.laws.line_retention import LineRetention
from synthgrid_assets.statistics.laws.moments import count_moments
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets_tests.processes.on_lines.streets import streets

NETWORK = streets()
ALL, TILE = Cells(-6, -6, 24, 24), Cells(3, 2, 9, 9)
CLUSTERS = (Fraction(6), int(0.8 * CELL))
KINDS = pytest.mark.parametrize("clusters", [None, CLUSTERS], ids=["poisson", "clusters"])


def process(clusters, replicate: int = 0) -> OnLinesProcess:
    return OnLinesProcess(stream_key("lines", replicate), NETWORK, Fraction(3), clusters)


@KINDS
def test_any_tiling_gives_the_same_points_at_the_same_places(clusters):
    whole = process(clusters).points(ALL)
    tiles = [Cells(x, y, min(x + 7, 24), min(y + 4, 24)) for y in range(-6, 24, 4)
             for x in range(-6, 24, 7)]  # fmt: skip
    parts = [process(clusters).points(tile) for tile in reversed(tiles)]
    together = canonical(*(np.concatenate(columns) for columns in zip(*parts, strict=True)), ALL)
    for ours, expected in zip(together, whole, strict=True):
        np.testing.assert_array_equal(ours, expected)
    line, arc = process(clusters).places(whole, ALL)
    for x, y in (NETWORK.place(*NETWORK.segment_at(line, arc)),):
        np.testing.assert_array_equal(x, whole.x)
        np.testing.assert_array_equal(y, whole.y)


@KINDS
def test_every_metre_of_line_holds_as_many_points_also_near_crossings_and_dead_ends(clusters):
    """Counts by thirds of segments: chi-square, with the variance of clusters."""
    node, _, first, _ = NETWORK.graph
    degree = np.diff(first)
    near_end = (degree[node[0::2]] == 1) | (degree[node[1::2]] == 1)
    crossing = (degree[node[0::2]] > 2) & (degree[node[1::2]] > 2)
    counts = []
    for replicate in range(300):
        drawn = process(clusters, replicate).on_network(ALL)
        third = np.minimum(3 * drawn.offset // NETWORK.length[drawn.segment], 2)
        end, cross = near_end[drawn.segment], crossing[drawn.segment]
        counts.append([*(np.count_nonzero(cross & (third == k)) for k in range(3)),
                       np.count_nonzero(end), drawn.segment.size])  # fmt: skip
    counts = np.array(counts, float)
    lengths = [NETWORK.length[kind].sum() * 3 / CELL for kind in (crossing, near_end)]
    expected = [*[lengths[0] / 3] * 3, lengths[1], NETWORK.length.sum() * 3 / CELL]
    error = counts.std(axis=0, ddof=1) / np.sqrt(len(counts))
    assert np.abs((counts.mean(axis=0) - expected) / error).max() < 5.5


@KINDS
def test_counts_of_a_tile_have_their_law(clusters):
    counts = np.array([len(process(clusters, k).points(TILE)) for k in range(800)])
    model = process(clusters)
    shares = ByLength(model).retention(TILE)
    catches = model.catches(TILE)
    retention = Retention(shares) if catches is None else LineRetention.of(TILE, shares, catches)
    moments = count_moments(model.law, retention)
    assert moments.mean == pytest.approx(3 * NETWORK.length_by_cell(TILE).sum(), rel=1e-6)
    law = count_distribution(model.law, retention)
    uniform = np.random.default_rng(4).random(counts.size)
    assert kstest(law.randomised(counts, uniform), "uniform").pvalue > 1e-6
    if clusters is None:
        assert moments.variance == moments.mean
        cells = [np.count_nonzero(counts == n) for n in range(120, 157)]
        mass = poisson.pmf(np.arange(120, 157), moments.mean)
        inside = sum(cells)
        assert chisquare(cells, mass / mass.sum() * inside).pvalue > 1e-6
    else:
        assert moments.variance > 5 * moments.mean


def test_clusters_end_where_the_network_does_not_go_on():
    """The loop is no part of the streets: its clusters stay on it."""
    loop = Cells(-6, -6, -1, -1)
    alone = np.flatnonzero(NETWORK.line == NETWORK.lengths.size - 1)
    catch, weight = process(CLUSTERS).catches(loop)
    np.testing.assert_allclose(catch, 1.0, atol=1e-9)
    np.testing.assert_allclose(weight.sum(), NETWORK.length[alone].sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"points_per_km": 1e9}, "points_per_km gives .* use a smaller `world.cell`"),
        ({"clusters": {"mean_offspring": 1e5, "sigma": 60.0}}, "mean_offspring"),
        ({"clusters": {"mean_offspring": 4.0, "sigma": 1e-7}}, "sigma = 1e-07 m is shorter"),
        ({"clusters": {"mean_offspring": 4.0, "sigma": 1e7}}, "sigma = 10000000.0 m is longer"),
    ],
)
def test_what_the_lattice_cannot_hold_is_refused_by_name(changed, found):
    parameters = OnLinesParameters(**{"lines": "roads", "points_per_km": 4.0, **changed})
    line = Paths(np.array([0, 9 * CELL]), np.array([0, 0]), np.array([0, 2]))
    with pytest.raises(SpecError, match=found):
        build_on_lines(parameters, stream_key("x"), 64.0, line)


def test_points_are_no_lines():
    stops = Paths(np.array([0, 9]), np.array([0, 0]), np.array([0, 1, 2]))
    parameters = OnLinesParameters(lines="stops", points_per_km=4.0)
    with pytest.raises(SpecError, match="'stops' holds points and no lines"):
        build_on_lines(parameters, stream_key("x"), 64.0, stops)
