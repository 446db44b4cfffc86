"""Curves of a window with its halo: a k-d tree's counts, and the laws' closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.statistics.curves.estimators import HaloedPattern
from synthgrid_assets_tests.processes.examples import example

R = np.array([0.0, 0.05, 0.3, 0.31, 1.0, 2.0])


WINDOW, HALO = Cells(-3, 2, 5, 8), 2


def random_pattern(seed, n=300):
    x0, y0, x1, y1 = WINDOW.grown(HALO).quanta()
    rng = np.random.default_rng(seed)
    return HaloedPattern(rng.integers(x0, x1, n), rng.integers(y0, y1, n), WINDOW, HALO)


def test_a_point_beyond_the_halo_is_refused():
    with pytest.raises(GeometryError, match="beyond the halo of 1 cells"):
        HaloedPattern(np.array([-2 * CELL]), np.array([0]), Cells(0, 0, 2, 2), 1)


@pytest.mark.parametrize(
    ("r", "message"),
    [
        (np.array([0.5, 2.5]), "wider halo"),
        (np.array([1.0, 0.5]), "ascending"),
        (np.array([-0.1, 0.5]), "ascending"),
        (np.array([]), "ascending"),
        (np.array([0.1, np.nan]), "ascending"),
    ],
)
def test_distances_that_the_halo_cannot_serve_are_refused(r, message):
    with pytest.raises(GeometryError, match=message):
        random_pattern(1).k_function(r, 1.0)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.sampled_from([1, 2, 30, 300]))
def test_every_curve_is_a_k_d_trees(seed, n):
    pattern = random_pattern(seed, n)
    points = np.c_[pattern.x, pattern.y]
    tree, limits = cKDTree(points), np.floor(R * CELL)
    inner = points[pattern.inner]
    near = [sum(map(len, tree.query_ball_point(inner, r + 1e-6))) - len(inner) for r in limits]
    np.testing.assert_allclose(pattern.k_function(R, 2.0), np.array(near) / (4.0 * 48))
    others = tree.query(inner, k=2)[0][:, 1] if len(inner) else np.empty(0)
    expected = [np.mean(others <= r + 1e-6) for r in limits] if len(inner) else [np.nan] * R.size
    np.testing.assert_allclose(pattern.nearest_neighbour(R), expected)
    axis = (np.arange(16) + 0.5) / 2
    places = np.array([(x - 3, y + 2) for y in axis[:12] for x in axis]) * CELL
    to_places = tree.query(places)[0]
    np.testing.assert_allclose(
        pattern.empty_space(R), [np.mean(to_places <= r + 1e-6) for r in limits]
    )


def test_coincident_points_are_each_others_neighbours():
    x = np.array([CELL, CELL, 5 * CELL])
    pattern = HaloedPattern(x, x, Cells(0, 0, 8, 8), 1)
    np.testing.assert_allclose(pattern.nearest_neighbour(np.array([0.0])), 2 / 3)
    np.testing.assert_allclose(pattern.k_function(np.array([0.0]), 1.0), 2 / 64)


@pytest.mark.parametrize("name", ["poisson", "thomas", "matern_cluster", "matern_ii"])
def test_k_and_the_pair_correlation_are_unbiased(name):
    """60 replicates of a small window, where edges would matter; z below 5.5 on 6 places."""
    law, window = example(name).law, Cells(0, 0, 6, 6)
    r = np.array([0.15, 0.4, 0.9, 1.8])
    k, g = [], []
    for replicate in range(60):
        points = example(name, replicate).points(window.grown(2))
        pattern = HaloedPattern(points.x, points.y, window, 2)
        k.append(pattern.k_function(r, law.intensity))
        g.append(pattern.pair_correlation(r, law.intensity))
    expected = law.k_function(r)
    rings = np.diff(expected) / (np.pi * np.diff(r**2))
    for found, truth in ((np.array(k), expected), (np.array(g), rings)):
        # 59 degrees of freedom: |t| > 5.9 with probability 2e-7 on each of 7 places
        error = found.std(axis=0, ddof=1) / np.sqrt(60)
        assert (np.abs(found.mean(axis=0) - truth) < 5.9 * error + 1e-12).all()


def test_l_is_r_and_g_and_f_agree_for_independent_points():
    """20 x 20 cells, 8 points each; bounds of five standard errors."""
    window = Cells(0, 0, 20, 20)
    points = example("poisson", 3).points(window.grown(1))
    pattern = HaloedPattern(points.x, points.y, window, 1)
    r = np.linspace(0.05, 0.5, 10)
    np.testing.assert_allclose(np.sqrt(pattern.k_function(r, 8.0) / np.pi), r, rtol=0.15)
    closed = 1 - np.exp(-8.0 * np.pi * r**2)
    bound = 5 * np.sqrt(closed * (1 - closed) / 1600) + 1e-3
    assert (np.abs(pattern.nearest_neighbour(r) - closed) < bound).all()
    assert (np.abs(pattern.empty_space(r) - closed) < bound).all()
