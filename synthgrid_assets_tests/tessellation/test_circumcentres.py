"""Circles: the float one contains the true one, the kept centre is rounded exactly once."""

from fractions import Fraction

import numpy as np
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from synthgrid_assets.tessellation.circumcentres import circles, voronoi_vertices
from synthgrid_assets.tessellation.triangulation import Mesh
from synthgrid_assets_tests.tessellation.patterns import cross

TOP = 2**30 - 1
coordinate = st.one_of(st.integers(0, TOP), st.integers(0, 9), st.integers(TOP - 9, TOP))
point = st.tuples(coordinate, coordinate)
ONE = np.zeros(1, np.int64)


def mesh_of(a, b, c) -> tuple[Mesh, np.ndarray, np.ndarray]:
    x, y = np.array([a, b, c], np.int64).T
    corners = np.array([[0, 1, 2]], np.int32)
    return Mesh(corners, np.zeros((1, 3), np.int32), np.zeros(4, np.int32)), x, y


def centre(a, b, c) -> tuple[Fraction, Fraction]:
    """Circumcentre in rationals, from the two perpendicular bisectors."""
    (ax, ay), (bx, by), (cx, cy) = a, b, c
    d = 2 * cross(a, b, c)
    a2, b2, c2 = ax * ax + ay * ay, bx * bx + by * by, cx * cx + cy * cy
    return (
        Fraction(a2 * (by - cy) + b2 * (cy - ay) + c2 * (ay - by), d),
        Fraction(a2 * (cx - bx) + b2 * (ax - cx) + c2 * (bx - ax), d),
    )


@settings(max_examples=200)
@given(point, point, point)
@example((0, 0), (TOP, TOP), (TOP, TOP - 1))  # a radius of about 2**59
@example((0, 0), (TOP, 0), (1, 1))
def test_the_certifying_circle_contains_the_true_one(a, b, c):
    assume(cross(a, b, c) > 0)
    mesh, x, y = mesh_of(a, b, c)
    found_x, found_y, radius = (Fraction(v) for v in circles(mesh, x, y, ONE)[0].tolist())
    true_x, true_y = centre(a, b, c)
    true_radius2 = (a[0] - true_x) ** 2 + (a[1] - true_y) ** 2
    # the true disc lies in the found one: distance of centres + true radius <= found radius
    off2 = (found_x - true_x) ** 2 + (found_y - true_y) ** 2
    rest = radius**2 - off2 - true_radius2
    assert rest > 0
    assert rest**2 >= 4 * off2 * true_radius2
    # and is hardly larger where certificates are given
    if true_radius2 < 2**60:
        assert radius**2 < true_radius2 * (1 + Fraction(1, 2**30)) + 2**36


@settings(max_examples=200)
@given(point, point, point)
@example((0, 0), (1, 0), (0, 1))  # halves are multiples of 2**-10
@example((0, 0), (2048, 1), (1, 2048))
def test_the_kept_centre_is_the_true_one_rounded_half_up(a, b, c):
    assume(cross(a, b, c) > 0)
    true = centre(a, b, c)
    assume((a[0] - true[0]) ** 2 + (a[1] - true[1]) ** 2 < 2**60)
    mesh, x, y = mesh_of(a, b, c)
    expected = [(v * 1024 + Fraction(1, 2)).__floor__() for v in true]
    assert voronoi_vertices(mesh, x, y, ONE)[0].tolist() == expected


def test_all_triangles_of_one_circle_have_the_same_centre():
    rng = np.random.default_rng(2)
    circle = np.array(
        [(a, b) for a in range(-65, 66) for b in range(-65, 66) if a * a + b * b == 4225]
    )
    for scale in (1, 7, 2**22):
        seen = set()
        for _ in range(200):
            a, b, c = (circle[rng.choice(len(circle), 3, replace=False)] * scale).tolist()
            if cross(a, b, c) < 0:
                b, c = c, b
            mesh, x, y = mesh_of(a, b, c)
            seen.add(tuple(voronoi_vertices(mesh, x, y, ONE)[0].tolist()))
        assert seen == {(0, 0)}


def test_a_ghost_has_a_circle_without_bound():
    mesh, x, y = mesh_of((0, 0), (4, 0), (0, 4))
    ghost = Mesh(np.array([[1, 0, 3]], np.int32), mesh.neighbours, mesh.at)
    assert np.isinf(circles(ghost, x, y, ONE)[0, 2])
