"""Constrained Delaunay: edges are there, all others are Delaunay, and nothing else matters.

A triangulation that contains the constraints, and whose other edges are locally Delaunay, is
the constrained Delaunay triangulation (Lee and Lin 1986); with ties decided it is unique.
"""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.tessellation.constraint_insertion import constrain
from synthgrid_assets.tessellation.predicates import tie_is_inside
from synthgrid_assets.tessellation.triangulation import delaunay
from synthgrid_assets_tests.tessellation.networks import constraint_network
from synthgrid_assets_tests.tessellation.patterns import (
    cross,
    doubled_area,
    finite_triangles,
    hull,
    in_circle_sign,
)


def constrained(points, edges, labels=None):
    """Counter-clockwise triangles with the labels of their edges a-b, b-c, c-a."""
    x, y = np.array(points, np.int64).reshape(-1, 2).T
    edges = np.array(edges, np.int64).reshape(-1, 2)
    labels = np.arange(len(edges)) if labels is None else np.array(labels, np.int64)
    mesh, fixed = constrain(delaunay(x, y), x, y, edges, labels)
    rows = (mesh.vertices < len(points)).all(axis=1)
    return {
        turned([points[k] for k in corners], [along[2], along[0], along[1]])
        for corners, along in zip(mesh.vertices[rows].tolist(), fixed[rows].tolist(), strict=True)
    }


def turned(corners, along):
    first = corners.index(min(corners))
    return tuple(corners[first:] + corners[:first]), tuple(along[first:] + along[:first])


def on_segment(p, a, b) -> bool:
    return cross(a, b, p) == 0 and min(a, b) <= p <= max(a, b)


def check_constrained_delaunay(points, edges, found):
    triangles = [corners for corners, _ in found]
    assert all(cross(*corners) > 0 for corners in triangles)
    assert sum(cross(*corners) for corners in triangles) == doubled_area(hull(points))
    sides = {}
    for corners, along in found:
        for k in range(3):
            sides[corners[k], corners[(k + 1) % 3]] = (corners, corners[(k + 2) % 3], along[k])
    for (a, b), (corners, _, label) in sides.items():
        on = {
            n
            for n, (u, v) in enumerate(edges)
            if on_segment(a, points[u], points[v]) and on_segment(b, points[u], points[v])
        }
        assert label == (min(on) if on else -1)
        if (b, a) in sides and label < 0:
            _, opposite, other = sides[b, a]
            assert other == label
            sign = in_circle_sign(*corners, opposite)
            assert sign <= 0
            if sign == 0:
                args = [np.int64(v) for p in (*corners, opposite) for v in p]
                assert not tie_is_inside(*args)
    for u, v in edges:  # all of each edge is there
        length = sum(
            (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2 > 0 and abs(b[0] - a[0]) + abs(b[1] - a[1])
            for a, b in {tuple(sorted(side)) for side in sides}
            if on_segment(a, points[u], points[v]) and on_segment(b, points[u], points[v])
        )
        assert length == abs(points[v][0] - points[u][0]) + abs(points[v][1] - points[u][1])


def test_edges_that_cross_are_refused():
    points = [(0, 0), (6, 6), (0, 6), (6, 0), (9, 2)]
    with pytest.raises(GeometryError, match=r"constraint with label 8 crosses another .*\(0, 6\)"):
        constrained(points, [(0, 1), (2, 3)], [7, 8])


small = st.integers(0, 9)
segments = st.lists(
    st.tuples(st.tuples(small, small), st.tuples(small, small)).filter(lambda s: s[0] != s[1]),
    max_size=6,
)
sites = st.lists(st.tuples(small, small), min_size=3, max_size=25)
scale = st.sampled_from([1, 2**20, 2**26])


@settings(max_examples=250, deadline=None)
@given(sites, segments, scale, st.randoms(use_true_random=False))
def test_degenerate_sets_against_the_definition(free, lines, scale, rng):
    """Small lattices: collinear and cocircular sites, and sites on the constraints."""
    network = constraint_network([list(s) for s in lines], range(len(lines)))
    nodes = list(zip(network.x.tolist(), network.y.tolist(), strict=True))
    points = sorted({*free, *nodes})
    edges = [
        (points.index(nodes[t]), points.index(nodes[h]))
        for t, h in zip(network.tail.tolist(), network.head.tolist(), strict=True)
    ]
    points = [(scale * x, scale * y) for x, y in points]
    if not any(cross(points[0], points[1], p) for p in points[2:]):
        return  # collinear: no triangles at all
    found = constrained(points, edges)
    check_constrained_delaunay(points, edges, found)
    # other orders of sites, edges and directions
    order = list(range(len(points)))
    rng.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    label = list(range(len(edges)))
    rng.shuffle(label)
    shuffled = [edges[k] for k in label]
    shuffled = [
        (place[a], place[b]) if rng.random() < 0.5 else (place[b], place[a]) for a, b in shuffled
    ]
    assert constrained([points[k] for k in order], shuffled, label) == found


def test_long_edges_across_many_sites():
    rng = np.random.default_rng(6)
    points = sorted({(int(a), int(b)) for a, b in rng.integers(0, 2**20, (400, 2))})
    points += [(0, 2**20 + k * 999) for k in range(6)] + [
        (2**20, 2**20 + k * 777) for k in range(6)
    ]
    points += [(0, 50), (2**20, 2**20 - 60)]
    n = len(points)
    edges = [(n - 14 + k, n - 8 + k) for k in range(6)] + [(n - 2, n - 1)]
    check_constrained_delaunay(points, edges, constrained(points, edges))


def test_without_edges_nothing_changes():
    x, y = np.random.default_rng(0).integers(0, 1000, (2, 300))
    x, y = np.unique(np.stack((x, y)), axis=1)
    mesh = delaunay(x, y)
    same, fixed = constrain(mesh, x, y, np.empty((0, 2), np.int64), np.empty(0, np.int64))
    np.testing.assert_array_equal(same.vertices, mesh.vertices)
    assert (fixed == -1).all()


def test_geos_fills_a_polygon_with_the_same_triangles():
    """A star-shaped ring in general position; its edges are the constraints."""
    rng = np.random.default_rng(8)
    angle = np.sort(rng.random(120)) * 2 * np.pi
    radius = rng.uniform(0.2, 1, 120) * 2**28
    ring = [
        (2**29 + round(r * np.cos(t)), 2**29 + round(r * np.sin(t)))
        for r, t in zip(radius, angle, strict=True)
    ]
    polygon = shapely.Polygon(ring)
    assert polygon.is_valid
    theirs = shapely.get_parts(shapely.constrained_delaunay_triangles(polygon))
    expected = {frozenset((int(x), int(y)) for x, y in t.exterior.coords) for t in theirs}
    found = constrained(ring, [(k, (k + 1) % len(ring)) for k in range(len(ring))])
    inside = {
        frozenset(corners)
        for corners, _ in found
        if polygon.contains(shapely.Polygon(corners).representative_point())
    }
    assert inside == expected


def test_every_label_stands_on_both_sides_of_its_edge():
    rng = np.random.default_rng(1)
    points = sorted({(int(a), int(b)) for a, b in rng.integers(0, 5000, (300, 2))})
    x, y = np.array(points).T
    mesh, fixed = constrain(
        delaunay(x, y), x, y, np.array([(0, len(points) - 1), (0, 5)]), np.array([4, 2])
    )
    for t, k in np.argwhere(fixed >= 0):
        other = mesh.neighbours[t, k]
        back = np.flatnonzero(mesh.neighbours[other] == t)
        assert fixed[other, back].tolist() == [fixed[t, k]]
    assert len(finite_triangles(mesh, len(points))) == len(
        finite_triangles(delaunay(x, y), len(points))
    )
