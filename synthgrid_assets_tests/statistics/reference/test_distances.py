"""Distances between patterns: oracles, closed forms, and what each of them sees."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.spatial.distance import cdist
from scipy.special import rel_entr

from synthgrid_assets.statistics.reference.distances import (
    Sided,
    jensen_shannon,
    k_distance,
    k_function,
    variogram,
    variogram_distance,
    wasserstein,
)

SIDES = (1000.0, 600.0)


def uniform(seed, n=500, sides=SIDES):
    return Sided(np.random.default_rng(seed).uniform((0, 0), sides, (n, 2)), sides)


def test_the_way_is_that_of_a_linear_programme():
    """All of both patterns, so nothing is drawn: the transport problem by another solver."""
    a, b = uniform(1, 40), uniform(2, 40)
    way = cdist(a.xy, b.xy)
    sums = np.vstack((np.kron(np.eye(40), np.ones(40)), np.kron(np.ones(40), np.eye(40))))
    best = linprog(way.ravel(), A_eq=sums, b_eq=np.full(80, 1 / 40))
    found = wasserstein(a, b)
    assert found.value == pytest.approx(best.fun, rel=1e-9)
    assert found.error == pytest.approx(0, abs=1e-12)


def test_the_way_is_a_metric_and_a_shift_is_as_long_as_it_is():
    a = uniform(3, 300)
    moved = Sided(a.xy + np.array([3.0, 4.0]), (1100.0, 700.0))
    assert wasserstein(a, a).value == 0
    assert wasserstein(a, moved).value == pytest.approx(5.0)


def test_jensen_shannon_is_its_definition():
    a, b = uniform(4), uniform(5, 900)
    p, q = (
        np.histogram2d(*one.xy.T, 16, [(0, SIDES[0]), (0, SIDES[1])])[0].ravel() / len(one.xy)
        for one in (a, b)
    )
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2 / np.log(2)
    assert jensen_shannon(a, b).value == pytest.approx(np.sqrt(divergence))
    left, right = (Sided(np.full((60, 2), at), SIDES) for at in (1.0, 590.0))
    assert jensen_shannon(left, right).value == pytest.approx(1.0)


def test_k_is_unbiased_for_poisson_points():
    """Mean of 60 patterns of 300: the standard error at 150 m is below 1.5 %."""
    r = np.array([25.0, 75.0, 150.0])
    mean = np.mean([k_function(uniform(k, 300), r) for k in range(60)], axis=0)
    np.testing.assert_allclose(mean / (np.pi * r**2), 1, atol=0.08)


def test_k_sees_clusters_where_counts_in_large_bins_do_not():
    plain, rng = uniform(6, 600), np.random.default_rng(7)
    twins = np.repeat(uniform(8, 300).xy, 2, axis=0) + rng.normal(0, 2.0, (600, 2))
    twins = Sided(np.clip(twins, 0, (999.9, 599.9)), SIDES)
    assert k_distance(plain, twins).value > 3 * k_distance(plain, uniform(9, 600)).value


def test_a_variogram_is_matherons_by_brute_force():
    a, edges = uniform(10, 120), np.linspace(0, 150, 7)
    mark = np.random.default_rng(11).normal(size=120)
    found, expected = variogram(a, mark, edges), []
    apart, square = cdist(a.xy, a.xy), (mark[:, None] - mark) ** 2
    upper = np.triu(np.ones((120, 120), bool), 1)
    for low, high in pairwise(edges):
        chosen = square[upper & (apart > low) & (apart <= high)]
        expected.append(chosen.sum() / (2 * chosen.size))
    np.testing.assert_allclose(found, expected)


def test_a_variogram_sees_marks_that_follow_their_places():
    a, b, rng = uniform(12), uniform(13), np.random.default_rng(14)
    noise = [rng.normal(size=500) for _ in range(3)]
    smooth = np.sin(b.xy[:, 0] / 100) * np.sqrt(2)
    same = variogram_distance(a, b, (noise[0], noise[1])).value
    assert variogram_distance(a, b, (noise[0], smooth)).value > 3 * same


def test_the_error_of_drawn_points_is_told():
    a, b = uniform(15, 3000), uniform(16, 3000)
    found = [wasserstein(a, b, seed=k) for k in range(1, 9)]
    within = np.mean([one.error**2 for one in found])
    assert 0 < within < (0.3 * found[0].value) ** 2
    # F with 7 and 24 degrees of freedom: beyond 25 with probability below 1e-8
    assert np.var([one.value for one in found], ddof=1) < 25 * within
