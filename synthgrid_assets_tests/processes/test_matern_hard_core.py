"""Matern's hard-core models: who stays, by brute force, and the least distance."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.spatial import cKDTree
from shapely import Point, affinity

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes import matern_hard_core
from synthgrid_assets.processes.matern_hard_core import (
    MaternIILaw,
    MaternIIProcess,
    MaternILaw,
    MaternIProcess,
)
from synthgrid_assets.processes.poisson import PoissonProcess

KEY = stream_key("cores")
CELLS = Cells(-4, 6, 8, 15)
RADII = [1, CELL // 50, CELL // 5, CELL * 8 // 5]


@pytest.mark.parametrize("law", [MaternILaw, MaternIILaw])
@pytest.mark.parametrize("name", ["beta", "radius"])
@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_parameter_that_is_not_positive_is_refused_by_name(law, name, bad):
    with pytest.raises(SpecError, match=f"{name} must be a positive number"):
        law(**{"beta": 1.0, "radius": 1.0, name: bad})


def candidates(radius: int):
    """The Poisson candidates that can matter, under the same key."""
    return PoissonProcess(KEY, Fraction(3)).points(CELLS.grown(-(-radius // CELL)))


def inside(x, y):
    x0, y0, x1, y1 = CELLS.quanta()
    return (x >= x0) & (x < x1) & (y >= y0) & (y < y1)


@pytest.mark.parametrize("radius", RADII)
def test_model_i_keeps_the_candidates_without_neighbours(radius):
    x, y, birth = candidates(radius)
    near = cKDTree(np.column_stack([x, y])).query_ball_point(
        np.column_stack([x, y]), radius, return_length=True
    )
    stay = (near == 1) & inside(x, y)
    np.testing.assert_array_equal(
        MaternIProcess(KEY, Fraction(3), radius).points(CELLS).birth, birth[stay]
    )


@pytest.mark.parametrize("radius", RADII)
def test_model_ii_keeps_the_candidates_without_an_older_neighbour(radius):
    x, y, birth = candidates(radius)
    age = matern_hard_core._priorities(x, y, birth, KEY)
    near = cKDTree(np.column_stack([x, y])).query_ball_point(np.column_stack([x, y]), radius)
    oldest = np.array([age[i] == age[others].min() for i, others in enumerate(near)])
    stay = oldest & inside(x, y)
    np.testing.assert_array_equal(
        MaternIIProcess(KEY, Fraction(3), radius).points(CELLS).birth, birth[stay]
    )


@pytest.mark.parametrize("r", [0.26, 0.3, 0.45, 0.5, 0.8])
def test_the_pair_correlation_of_model_ii_is_the_integral_over_two_ages(r):
    """Two candidates stay if no one older than the older one lies in either core, and no one
    older than the younger one in its core."""
    law = MaternIILaw(8.0, 0.25)
    core = math.pi / 16
    disc = Point(0, 0).buffer(0.25, quad_segs=4000)
    union = disc.union(affinity.translate(disc, r, 0)).area
    both = (
        2
        * dblquad(lambda s, t: math.exp(-8 * (s * union + (t - s) * core)), 0, 1, 0, lambda t: t)[0]
    )
    density = quad(lambda t: math.exp(-8 * t * core), 0, 1)[0]
    assert math.isclose(law.intensity, 8 * density, rel_tol=1e-9)
    ours = law.pair_correlation(np.array([r]))[0]
    assert math.isclose(ours, both / density**2, rel_tol=1e-5)


@pytest.mark.parametrize("make", [MaternIProcess, MaternIIProcess])
def test_no_two_points_are_within_the_radius(make):
    radius = CELL // 5
    x, y, _ = make(stream_key("least"), Fraction(8), radius).points(Cells(0, 0, 20, 20))
    nearest = cKDTree(np.column_stack([x, y])).query(np.column_stack([x, y]), k=2)[0][:, 1]
    assert radius < nearest.min() < 1.1 * radius


def test_model_ii_keeps_what_model_i_keeps():
    one = MaternIProcess(KEY, Fraction(8), CELL // 5).points(CELLS).birth
    two = MaternIIProcess(KEY, Fraction(8), CELL // 5).points(CELLS).birth
    assert np.isin(one, two).all()
    assert one.size < two.size


def test_the_age_that_decides_is_no_other_word_of_the_point():
    """Among survivors the births stay uniform: their mean within 5 standard errors (1e-6)."""
    birth = MaternIIProcess(KEY, Fraction(8), CELL // 4).points(Cells(0, 0, 50, 50)).birth
    assert abs(birth.astype(float).mean() / 2**64 - 0.5) < 5 / np.sqrt(12 * birth.size)


def test_few_candidates_in_a_wide_window_are_compared_without_overflow():
    x, _, _ = MaternIIProcess(KEY, Fraction(1, 200_000), 190 * CELL).points(Cells(0, 0, 1500, 1500))
    assert x.size >= 2
