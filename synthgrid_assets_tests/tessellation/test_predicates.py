"""The predicates never err: they agree with Python's unbounded integers everywhere."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synthgrid_assets.tessellation import predicates
from synthgrid_assets.tessellation.predicates import (
    AREA_BITS,
    cross_sign,
    cross_split,
    dot3_sign,
    encroaches,
    fits,
    in_circle,
    orient,
    rounding_step,
    strictly_between,
    tie_is_inside,
)
from synthgrid_assets_tests.tessellation.patterns import cross, in_circle_sign

TOP = 2**30 - 1
coordinate = st.one_of(
    st.integers(0, TOP), st.sampled_from([0, 1, TOP - 1, TOP]), st.integers(0, 6)
)
point = st.tuples(coordinate, coordinate)
wide = st.integers(-(2**61), 2**61)


def as_int64(*points):
    return [np.int64(value) for p in points for value in p]


def sign(value) -> int:
    return int(value > 0) - int(value < 0)


@given(point, point, point)
@example((0, 0), (TOP, 0), (0, TOP))
@example((TOP, TOP), (0, TOP), (TOP, 0))
def test_orientation_is_exact_to_the_corners_of_the_range(a, b, c):
    assert int(orient(*as_int64(a, b, c))) == cross(a, b, c)


@given(point, point, point, point)
@example((0, 0), (TOP, 0), (TOP, TOP), (0, TOP))
@example((0, 0), (TOP, 0), (TOP, TOP), (1, TOP))
@example((0, 0), (TOP, 1), (TOP, TOP), (0, TOP - 1))
def test_in_circle_is_exact_to_the_corners_of_the_range(a, b, c, p):
    assert sign(in_circle(*as_int64(a, b, c, p))) == in_circle_sign(a, b, c, p)


@given(st.tuples(*[wide] * 6))
@example((2**62,) * 6)
@example((2**62, -(2**62), 2**62, 2**62, 1, 1))
@example((2**62, 2**62, -(2**62), 2**62, 0, 0))
def test_sums_of_three_products_have_the_right_sign(values):
    a, b, c, d, e, f = values
    assert dot3_sign(*map(np.int64, values)) == sign(a * b + c * d + e * f)


@given(wide, wide, wide, wide)
def test_wide_cross_products_are_exact(a, b, c, d):
    value = a * d - b * c
    assert cross_sign(*map(np.int64, (a, b, c, d))) == sign(value)
    a, b, c, d = (v >> 12 for v in (a, b, c, d))
    high, low = cross_split(*map(np.int64, (a, b, c, d)))
    assert 0 <= low < 1 << AREA_BITS
    assert (int(high) << AREA_BITS) + int(low) == a * d - b * c


norm = st.integers(-(2**60), 2**60)
step = st.integers(-(2**30), 2**30)


@given(norm, step, norm, step, st.integers(1, 2**61))
def test_a_quotient_that_needs_no_step_is_rounded_half_up(a, b, c, d, divisor):
    exact = Fraction((a * b - c * d) * 1024, divisor)
    rounded = (exact + Fraction(1, 2)).__floor__()
    if abs(rounded) >= 2**60:
        return
    for guess, way in ((rounded, 0), (rounded - 1, 1), (rounded + 1, -1)):
        assert rounding_step(*map(np.int64, (a, b, c, d, guess, divisor))) == way


def convex_quadrilaterals():
    """Cocircular quadruples, counter-clockwise, from the circle of radius 65."""
    circle = [(a, b) for a in range(-65, 66) for b in range(-65, 66) if a * a + b * b == 4225]
    circle.sort(key=lambda p: np.arctan2(p[1], p[0]))
    rng = np.random.default_rng(0)
    for _ in range(300):
        yield [circle[i] for i in sorted(rng.choice(len(circle), 4, replace=False))]


def test_a_tie_joins_the_smallest_of_four_cocircular_points_to_all_others():
    for quadrilateral in convex_quadrilaterals():
        least = min(quadrilateral)
        for k in range(4):
            a, b, c, p = quadrilateral[k:] + quadrilateral[:k]
            # the diagonal a-c belongs to the smallest of the four, or it is flipped away
            assert tie_is_inside(*as_int64(a, b, c, p)) == (least in (b, p))
            assert encroaches(*as_int64(a, b, c, p)) == (least in (b, p))


def test_ties_are_symmetric_so_neighbours_agree_on_their_edge():
    for a, b, c, p in convex_quadrilaterals():
        one, other = as_int64(a, b, c, p), as_int64(c, p, a, b)
        assert tie_is_inside(*one) == tie_is_inside(*other)


@pytest.mark.parametrize("shift", [0, 2**20, TOP - 130])
def test_ties_do_not_move_with_the_origin(shift):
    for quadrilateral in convex_quadrilaterals():
        moved = [(x + 65 + shift, y + 65 + shift) for x, y in quadrilateral]
        assert tie_is_inside(*as_int64(*moved)) == tie_is_inside(*as_int64(*quadrilateral))


@given(point, point, st.integers(-3, 5))
def test_between_means_between(u, v, k):
    """p = u + k (v - u) / 2 on even coordinates: strictly between only for k = 1."""
    u, v = tuple(2 * t // 4 * 2 for t in u), tuple(2 * t // 4 * 2 for t in v)
    p = tuple(a + k * (b - a) // 2 for a, b in zip(u, v, strict=True))
    assert strictly_between(*as_int64(u, v, p)) == (u != v and k == 1)


def test_the_python_path_computes_the_same_sums():
    rng = np.random.default_rng(1)
    for _ in range(200):
        values = rng.integers(-(2**41), 2**41, 6)
        assert predicates._dot3_sign_python(*values) == dot3_sign(*values)
        assert predicates._cross_sign_python(*values[:4]) == cross_sign(*values[:4])
        assert predicates._cross_split_python(*values[:4]) == cross_split(*values[:4])
        values[5] = abs(values[5]) + 1
        assert predicates._rounding_step_python(*values) == rounding_step(*values)


def test_spread_is_measured_without_overflow():
    assert fits(np.empty(0, np.int64))
    assert fits(np.array([5, 5 + TOP]))
    assert not fits(np.array([-1, TOP]))
    assert not fits(np.array([-(2**63), 2**63 - 1]))
