"""The triangulation is Delaunay, whole, and a function of the point set alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.tessellation.triangulation import delaunay
from synthgrid_assets_tests.tessellation.patterns import (
    PATTERNS,
    cross,
    doubled_area,
    finite_triangles,
    hull,
    in_circle_sign,
    pattern,
)


def triangles_of(points) -> set[tuple[tuple[int, int], ...]]:
    """Triangles as counter-clockwise corners from the smallest on."""
    x, y = np.array(points, np.int64).reshape(-1, 2).T
    found = set()
    for corners in finite_triangles(delaunay(x, y), x.size).tolist():
        ring = [points[k] for k in corners]
        first = ring.index(min(ring))
        found.add(tuple(ring[first:] + ring[:first]))
    return found


def grids():
    side = st.sampled_from([1, 2, 3, 5, 1000, 2**29])
    return side.flatmap(
        lambda s: st.lists(
            st.tuples(st.integers(0, s), st.integers(0, s)), unique=True, max_size=14
        )
    )


def test_points_beyond_exact_arithmetic_are_refused():
    with pytest.raises(GeometryError, match="3 points spread over 1073741824 x 5 quanta"):
        delaunay(np.array([0, 5, 2**30]), np.array([0, 5, 3]))
    with pytest.raises(GeometryError, match=f"spread over {2**64 - 1} x 1 quanta"):
        delaunay(np.array([-(2**63), 2**63 - 1]), np.array([0, 1]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.5, 3.0])
def test_coordinates_that_are_no_integers_are_refused(bad):
    with pytest.raises(
        GeometryError, match=r"type float64 and shape \(3,\); give one row of int64"
    ):
        delaunay(np.array([0, 5, bad]), np.array([0, 1, 2]))


def test_coordinates_that_do_not_pair_up_are_refused():
    with pytest.raises(GeometryError, match="4 x and 3 y coordinates"):
        delaunay(np.arange(4), np.arange(3))


@pytest.mark.parametrize("again", range(5))
def test_a_point_that_stands_where_another_does_is_named(again):
    """On a corner, an edge of the hull and inside: no mesh is made of it."""
    x, y = np.array([(0, 0), (8, 0), (0, 8), (4, 4), (3, 2)]).T
    x, y = np.append(x, x[again]), np.append(y, y[again])
    for order in (np.arange(6), np.arange(6)[::-1]):
        at = rf"point \d at \({x[again]}, {y[again]}\) stands where another does"
        with pytest.raises(GeometryError, match=at):
            delaunay(x[order], y[order])


@pytest.mark.parametrize("points", [[], [(1, 1)], [(1, 1), (5, 2)], [(k, 2 * k) for k in range(9)]])
def test_without_three_points_off_a_line_there_is_no_triangle(points):
    assert triangles_of(points) == set()


@settings(max_examples=300, deadline=None)
@given(grids(), st.randoms(use_true_random=False))
def test_tiny_degenerate_sets_against_brute_force(points, rng):
    found = triangles_of(points)
    for a, b, c in found:
        assert cross(a, b, c) > 0
        assert all(in_circle_sign(a, b, c, p) <= 0 for p in points)  # empty circles
    # together they fill the hull, so none is missing and none overlaps
    assert sum(cross(*t) for t in found) == (doubled_area(hull(points)) if points else 0)
    shuffled = list(points)
    rng.shuffle(shuffled)
    assert triangles_of(shuffled) == found


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 6), st.integers(2, 6), st.randoms(use_true_random=False))
def test_cocircular_sets_are_fans_from_the_smallest_corner(columns, rows, rng):
    """On a full lattice every square gets the diagonal through its smallest corner."""
    points = [(3 * i, 3 * j) for i in range(columns) for j in range(rows)]
    rng.shuffle(points)
    expected = set()
    for i in range(columns - 1):
        for j in range(rows - 1):
            a, b, c, d = ((3 * (i + k), 3 * (j + m)) for k, m in ((0, 0), (1, 0), (1, 1), (0, 1)))
            expected |= {(a, b, c), (a, c, d)}
    assert triangles_of(points) == expected


@pytest.mark.parametrize("name", [n for n in PATTERNS if n != "duplicated"])
def test_any_order_of_insertion_gives_the_same_triangles_and_euler_holds(name):
    sites = pattern(name).sites
    points = np.unique(np.stack((sites.x, sites.y), axis=1), axis=0)
    points = points[np.abs(points).max(axis=1) < 2**27]  # 64 x 64 cells
    rng = np.random.default_rng(3)
    found = []
    for order in (np.arange(len(points)), rng.permutation(len(points))):
        x, y = points[order].T
        mesh = delaunay(x, y)
        # Euler on the sphere: the ghost is one more vertex of a closed triangulation
        assert len(mesh.vertices) == 2 * (len(points) + 1) - 4
        corners = points[order][finite_triangles(mesh, x.size)]
        turn = np.lexsort(corners.T, axis=0)  # (y, x) of each corner: smallest first
        corners = np.take_along_axis(corners, turn.T[:, :, None], axis=1).reshape(-1, 6)
        found.append(corners[np.lexsort(corners.T)])
    np.testing.assert_array_equal(*found)


def test_neighbours_are_mutual_and_face_each_other():
    sites = pattern("broken lattice").sites
    mesh = delaunay(sites.x, sites.y)
    for t in np.random.default_rng(0).choice(len(mesh.vertices), 500):
        for k in range(3):
            other = mesh.neighbours[t, k]
            back = int(np.flatnonzero(mesh.neighbours[other] == t)[0])
            edge = {mesh.vertices[t, (k + 1) % 3], mesh.vertices[t, (k + 2) % 3]}
            assert edge == set(np.delete(mesh.vertices[other], back).tolist())
    corners = mesh.vertices[mesh.at]
    assert (corners == np.arange(sites.x.size + 1)[:, None]).any(axis=1).all()


def test_qhull_finds_the_same_triangles_in_general_position():
    x, y = np.random.default_rng(5).integers(0, 2**24, (2, 5000))  # exact in Qhull's doubles
    ours = np.sort(finite_triangles(delaunay(x, y), x.size), axis=1)
    theirs = np.sort(Delaunay(np.stack((x, y), axis=1).astype(float)).simplices, axis=1)
    assert set(map(tuple, ours.tolist())) == set(map(tuple, theirs.tolist()))
