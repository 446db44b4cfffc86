"""The check of constraints among triangles: silent on sound rows, loud on planted damage."""

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.tessellation.constrained import tessellate_constrained
from synthgrid_assets.tessellation.proofs.constraint_verification import constraint_faults
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets_tests.tessellation.networks import constraint_network
from synthgrid_assets_tests.tessellation.patterns import pattern
from synthgrid_assets_tests.tessellation.test_constrained import NAMES, roads

TILE = Cells(-6, -5, 7, 6)


def rows(name):
    found = tessellate_constrained(pattern(name), roads().within, TILE)
    return found.triangle_xy.copy(), found.constraint.copy()


@pytest.mark.parametrize("name", NAMES)
def test_sound_rows_have_no_fault(name):
    assert constraint_faults(*rows(name), roads()).total == 0


@pytest.mark.parametrize("name", NAMES)
def test_what_is_around_the_triangles_is_enough(name):
    xy, along = rows(name)
    x, y = xy[:, 0::2] // CELL, xy[:, 1::2] // CELL
    around = Cells(x.min(), y.min(), x.max() + 1, y.max() + 1).grown(1)
    near = roads().within(around)
    assert near.id.size < roads().id.size
    assert constraint_faults(xy, along, near).total == 0
    along[np.argmax((along >= 0).any(axis=1))] = -1
    assert constraint_faults(xy, along, near) == constraint_faults(xy, along, roads())


def test_no_rows_and_no_constraints_have_no_fault():
    nothing = np.empty((0, 6), np.int64), np.empty((0, 3), np.int64)
    assert constraint_faults(*nothing, roads()).total == 0
    xy, along = rows("random")
    empty = constraint_network([], [])
    assert constraint_faults(xy, np.full(along.shape, -1), empty).total == 0
    assert constraint_faults(xy, along, empty).invented == (along >= 0).sum()


@pytest.mark.parametrize("name", NAMES)
def test_triangles_that_know_no_constraints_are_found_out(name):
    plain = tessellate(pattern(name), TILE).triangle_xy
    faults = constraint_faults(plain, np.full((len(plain), 3), -1), roads())
    assert faults.crossed > 0


def test_each_wrong_name_is_one_fault():
    xy, along = rows("clustered")
    for row, k in np.argwhere(along >= 0)[::17].tolist():
        for wrong in (-1, 9999):
            damaged = along.copy()
            damaged[row, k] = wrong
            assert constraint_faults(xy, damaged, roads()).describe() == "1 unnamed"
    for row, k in np.argwhere(along < 0)[::97].tolist():
        damaged = along.copy()
        damaged[row, k] = 100
        assert constraint_faults(xy, damaged, roads()).describe() == "1 invented"


def test_a_street_that_no_triangle_of_its_node_follows_is_absent():
    """A node keeps one triangle of its own, beside the street and not along it."""
    xy, along = rows("random")
    network = roads()
    nodes = {(x, y) for x, y in zip(network.x[network.tail], network.y[network.tail], strict=True)}
    seen = 0
    for row in range(len(xy)):
        fan = np.flatnonzero((xy[:, :2] == xy[row, :2]).all(axis=1))
        beside = fan[(along[fan][:, [0, 2]] < 0).all(axis=1)]
        if tuple(xy[row, :2]) in nodes and fan[0] == row and 0 < beside.size < fan.size:
            keep = np.setdiff1d(np.arange(len(xy)), np.setdiff1d(fan, beside[:1]))
            assert constraint_faults(xy[keep], along[keep], network).absent >= 1
            seen += 1
    assert seen > 20


small = st.integers(0, 13)  # within one cell, whose borders would cut the segment
points = st.tuples(small, small)


@settings(max_examples=300)
@given(st.tuples(points, points, points), st.tuples(points, points))
def test_running_through_a_triangle_is_meeting_its_interior(corners, ends):
    """Oracle: the DE-9IM matrix of GEOS, interior of the triangle with the segment."""
    a, b = sorted(ends)
    triangle = shapely.Polygon(corners)
    assume(triangle.area > 0 and a != b)
    if not triangle.exterior.is_ccw:
        corners = corners[::-1]
    first = corners.index(min(corners))
    corners = corners[first:] + corners[:first]
    network = constraint_network([[a, b]], [3])
    row = np.array([[v for corner in corners for v in corner]])
    faults = constraint_faults(row, np.full((1, 3), -1), network)
    segment = shapely.LineString([a, b])
    meets = shapely.relate(triangle, segment)[:2] != "FF"
    assert faults.crossed == meets
    sides = [shapely.LineString([corners[k], corners[(k + 1) % 3]]) for k in range(3)]
    assert faults.unnamed == sum(segment.covers(side) for side in sides)
