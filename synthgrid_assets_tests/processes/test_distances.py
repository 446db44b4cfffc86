"""F and G in closed form against sampled patterns, and against laws that they come to."""

import math

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.spatial import cKDTree

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.processes.cluster.matern_cluster import MaternClusterLaw
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.distances import DistanceLaw, lens_of_two
from synthgrid_assets.processes.isotropic import lens
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.processes.superposition import SuperpositionLaw
from synthgrid_assets_tests.processes.examples import example

R = np.array([0.05, 0.1, 0.2, 0.3, 0.4])
WINDOW, HALO, TWINS = Cells(0, 0, 6, 6), 1, 300
LIMIT = 5.6  # Student's t with 299 degrees of freedom: 5e-8 on both sides, 20 tests of each
PATTERNS = {name: (name,) for name in ("poisson", "thomas", "matern_cluster")}
PATTERNS["union"] = ("thomas", "poisson")


def law_of(names):
    laws = tuple(example(name).law for name in names)
    return laws[0] if len(laws) == 1 else SuperpositionLaw(laws)


def surpluses(names, law):
    """Places with a point, and points with another, beyond their expectation in each twin."""
    places = np.stack(np.meshgrid(*[np.arange(0.25, 6, 0.5)] * 2), axis=-1).reshape(-1, 2)
    f, g = law.empty_space(R), law.nearest_neighbour(R)
    empty, near = [], []
    for twin in range(TWINS):
        drawn = [example(name, twin).points(WINDOW.grown(HALO)) for name in names]
        points = np.vstack([np.c_[p.x, p.y] / CELL for p in drawn])
        inside = points[((points >= 0) & (points < 6)).all(axis=1)]
        tree = cKDTree(points)
        to_place = tree.query(places)[0]
        to_point = tree.query(inside, k=2)[0][:, 1] if len(inside) else np.empty(0)
        empty.append([(to_place <= r).sum() for r in R] - f * len(places))
        near.append([(to_point <= r).sum() for r in R] - g * len(inside))
    return np.array(empty), np.array(near)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_sampled_patterns_have_the_laws_distances(pattern):
    names = PATTERNS[pattern]
    law = law_of(names)
    assert isinstance(law, DistanceLaw)
    for sample in surpluses(names, law):
        t = sample.mean(axis=0) / (sample.std(axis=0, ddof=1) / math.sqrt(TWINS))
        assert np.abs(t).max() < LIMIT


@pytest.mark.parametrize("make", [ThomasLaw, MaternClusterLaw])
def test_clusters_of_at_most_one_point_are_poisson(make):
    law, poisson = make(4e6, 1e-6, 0.7), PoissonLaw(4.0)
    np.testing.assert_allclose(law.empty_space(R), poisson.empty_space(R), 1e-5)
    np.testing.assert_allclose(law.nearest_neighbour(R), poisson.nearest_neighbour(R), 1e-5)


def test_a_disc_is_empty_as_an_integral_over_the_plane_says():
    """Thomas: the share of a brood that falls in a disc, integrated without its closed form."""
    law, radius = ThomasLaw(kappa=0.5, mu=8.0, sigma=0.7), 0.4

    def share(d):
        inner = dblquad(
            lambda a, s: s * math.exp(-(s * s + d * d - 2 * s * d * math.cos(a)) / 0.98) / 0.98,
            0, radius, 0, math.pi,
        )  # fmt: skip
        return 2 * inner[0] / math.pi

    d = np.linspace(0, 8, 201)
    lost = 2 * math.pi * d * -np.expm1(-law.mu * np.array([share(at) for at in d]))
    expected = -math.expm1(-law.kappa * np.trapezoid(lost, d))
    assert law.empty_space(np.array([radius]))[0] == pytest.approx(expected, rel=1e-3)


def test_clustered_points_are_nearer_than_the_space_between_them():
    for name in ("thomas", "matern_cluster"):
        law = example(name).law
        assert (law.nearest_neighbour(R) > law.empty_space(R)).all()


def test_a_union_with_an_unknown_member_is_unknown():
    law = SuperpositionLaw((PoissonLaw(1.0), example("strauss").law))
    assert np.isnan(law.empty_space(R)).all()
    assert np.isnan(law.nearest_neighbour(R)).all()


def test_the_overlap_of_two_discs():
    d = np.linspace(0, 5, 51)
    np.testing.assert_allclose(lens_of_two(d, 1.3, 1.3), lens(d, 1.3), atol=1e-12)
    np.testing.assert_allclose(lens_of_two(d, 0.4, 2.0), lens_of_two(d, 2.0, 0.4), atol=1e-12)
    inner = lens_of_two(np.linspace(1.6, 2.4, 4001), 0.4, 2.0)
    assert (np.diff(inner) <= 1e-12).all()
    # integrated over all shifts, the overlap is the product of the areas
    shifts = np.linspace(0, 2.4, 4001)
    total = np.trapezoid(2 * math.pi * shifts * lens_of_two(shifts, 0.4, 2.0), shifts)
    assert total == pytest.approx(math.pi**2 * 0.16 * 4.0, rel=1e-4)
