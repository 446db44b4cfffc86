"""Edge corrections against shapely's geometry: arcs in a rectangle, overlaps of a polygon."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from shapely.affinity import translate

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.k_estimate import Observed
from synthgrid_assets.fitting.windows import Window

ISLAND = shapely.Polygon([(0, 0), (90, 10), (120, 80), (60, 60), (10, 100)])


def test_isotropic_weights_are_the_circles_share_inside():
    rng = np.random.default_rng(5)
    window = Window.rectangle(0.0, 0.0, 30.0, 20.0)
    xy = rng.uniform([0, 0], [30, 20], (60, 2))
    first, second = rng.integers(0, 60, (2, 300))
    first, second = first[first != second], second[first != second]
    apart = np.hypot(*(xy[first] - xy[second]).T)
    near = apart < 10  # half the shorter side: no circle leaves the rectangle twice at a side
    weights = window.pair_weights(xy, first[near], second[near])
    for i, r, weight in zip(first[near], apart[near], weights, strict=True):
        circle = shapely.Point(xy[i]).buffer(r, quad_segs=2000).exterior
        inside = circle.intersection(window.polygon).length / circle.length
        assert weight == pytest.approx(1 / inside, rel=2e-3)


def test_translation_weights_are_the_windows_overlap_with_itself():
    rng = np.random.default_rng(6)
    window = Window(ISLAND)
    xy = rng.uniform(0, 100, (400, 2))
    xy = xy[window.contains(xy)]
    first, second = rng.integers(0, len(xy), (2, 50))
    weights = window.pair_weights(xy, first, second)
    for i, j, weight in zip(first, second, weights, strict=True):
        moved = translate(ISLAND, *(xy[j] - xy[i]))
        share = ISLAND.intersection(moved).area / ISLAND.area
        assert weight == pytest.approx(min(1 / max(share, 1e-9), 100.0), rel=0.05)


@pytest.mark.parametrize("window", [Window.rectangle(0, 0, 120, 100), Window(ISLAND)])
def test_k_of_poisson_points_is_that_of_the_plane(window):
    """Mean of 200 patterns within six standard errors at each distance."""
    rng, r, found = np.random.default_rng(7), np.array([4.0, 8.0, 16.0]), []
    for _ in range(200):
        xy = rng.uniform([0, 0], [120, 100], (rng.poisson(120), 2))
        found.append(Observed(xy[window.contains(xy)], window).k_function(r))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(200)
    # pixels of the overlap add a part in a thousand
    assert (np.abs(mean - math.pi * r**2) < 6 * error + 2e-3 * math.pi * r**2).all()


@pytest.mark.parametrize(
    ("box", "found"), [((0, 0, 0, 1), "empty"), ((0, 0, math.nan, 1), "empty"), ((3, 0, 1, 1), "3")]
)
def test_an_empty_box_is_refused(box, found):
    with pytest.raises(SpecError, match=found):
        Window.rectangle(*box)


def test_a_broken_polygon_is_refused():
    bow = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    with pytest.raises(SpecError, match="no valid polygon"):
        Window(bow)


def test_points_outside_and_too_few_are_refused():
    window = Window.rectangle(0, 0, 1, 1)
    with pytest.raises(SpecError, match="2 of 12 points lie outside"):
        Observed(np.vstack((np.full((10, 2), 0.5), np.full((2, 2), 3.0))), window)
    with pytest.raises(SpecError, match="9 points"):
        Observed(np.full((9, 2), 0.5), window)
