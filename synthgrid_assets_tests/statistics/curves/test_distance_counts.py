"""Counts by distance: those of the single estimators, and the rows they travel in."""

import math

import numpy as np
import pytest

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.statistics.curves.distance_counts import (
    DistanceCounts,
    Distances,
    count_distances,
    typical_intensity,
)
from synthgrid_assets.statistics.curves.estimators import HaloedPattern
from synthgrid_assets_tests.processes.examples import example

WINDOW = Cells(-4, 8, 8, 18)


@pytest.mark.parametrize("name", ["thomas", "matern_ii", "grid"])
def test_the_curves_are_those_of_the_estimators(name):
    law = example(name).law
    distances = Distances.of(law.intensity, 12, law.hard_core)
    x, y, _ = example(name).points(WINDOW.grown(distances.halo))
    pattern = HaloedPattern(x, y, WINDOW, distances.halo)
    counts, r = count_distances(pattern, distances), distances.r
    intensity = int(pattern.inner.sum()) / WINDOW.area
    besag_l = np.sqrt(pattern.k_function(r, intensity) / np.pi)
    np.testing.assert_allclose(counts.besag_l(WINDOW.area), besag_l)
    np.testing.assert_allclose(counts.nearest_neighbour, pattern.nearest_neighbour(r))
    per_cell = CELL // distances.step
    np.testing.assert_allclose(counts.empty_space, pattern.empty_space(r, per_cell))
    known = counts.empty_space < 1
    expected = (1 - counts.nearest_neighbour[known]) / (1 - counts.empty_space[known])
    np.testing.assert_allclose(counts.j_function[known], expected)


@pytest.mark.parametrize("name", sorted(REGISTRY.keys() - {"union"}))
def test_only_hard_cores_have_one_and_no_pattern_breaks_it(name):
    core = example(name).law.hard_core
    assert (core > 0) == (name in ("matern_i", "matern_ii", "hard_core"))
    x, y, _ = example(name).points(WINDOW.grown(1))
    pattern = HaloedPattern(x, y, WINDOW, 1)
    assert pattern.nearest_neighbour(np.array([core]))[0] == 0


@pytest.mark.parametrize("intensity", [1e-4, 0.03, 1.0, 50.0, math.nan])
@pytest.mark.parametrize("side", [1, 7, 60])
def test_distances_fit_any_density_and_any_window(intensity, side):
    distances = Distances.of(intensity, side)
    assert (np.diff(distances.r) > 0).all()
    assert 0 < distances.r[0] <= distances.r[-1] <= side / 4
    window = Cells(0, 0, side, side)
    nothing = np.empty(0, np.int64)
    counts = count_distances(HaloedPattern(nothing, nothing, window, distances.halo), distances)
    assert counts.points == 0
    assert counts.places >= 1
    assert not counts.empty_space.any()
    assert not counts.besag_l(1.0).any()
    if not math.isnan(intensity) and intensity * side * side >= 1:
        assert counts.places <= 9 * intensity * side * side + 9


def test_the_intensity_of_what_has_none_lies_between_its_bounds():
    low, high = example("strauss").law.intensity_bounds
    assert low < typical_intensity(example("strauss").law) < high
    assert typical_intensity(example("thomas").law) == example("thomas").law.intensity


def test_rows_hold_every_count():
    rows = np.arange(16).reshape(2, 8)
    counts = DistanceCounts.of_rows(rows)
    assert [counts.of_window(k).as_row() for k in range(2)] == [tuple(row) for row in rows]
    for wrong in (np.zeros(5), np.zeros((1, 4)), np.zeros((1, 6))):
        with pytest.raises(GeometryError, match="no counts"):
            DistanceCounts.of_rows(wrong)
