"""Anchors: the same from every rectangle, and no empty circle beyond their bound."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, Cells, Lattice
from synthgrid_assets.tessellation.anchors import (
    MAX_ANCHOR_SIDE,
    anchored,
    check_side,
    halo_bound,
    is_anchor,
)
from synthgrid_assets.tessellation.halo import MAX_SPAN
from synthgrid_assets.tessellation.sites import Sites, checked
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets_tests.tessellation.patterns import pattern, world

EVERYWHERE = Cells(-500, -500, 500, 500)
rectangles = st.builds(
    lambda x, y, w, h: Cells(x, y, x + w, y + h),
    st.integers(-12, 12),
    st.integers(-12, 12),
    st.integers(1, 9),
    st.integers(1, 9),
)


@pytest.mark.parametrize("side", [0, -1, MAX_ANCHOR_SIDE + 1])
def test_super_cells_that_no_halo_can_span_are_refused(side):
    with pytest.raises(GeometryError, match=f"anchors = {side}: super-cells must have between"):
        tessellate(lambda cells: Sites.none(), Cells(0, 0, 1, 1), anchors=side)


def test_the_largest_super_cell_still_leaves_room_for_a_tile():
    assert 1 + 2 * halo_bound(MAX_ANCHOR_SIDE) <= MAX_SPAN < 1 + 2 * halo_bound(MAX_ANCHOR_SIDE + 1)
    assert check_side(MAX_ANCHOR_SIDE) == MAX_ANCHOR_SIDE


def test_the_bound_is_twice_the_diagonal_and_room_for_the_certificate():
    for side in range(1, MAX_ANCHOR_SIDE + 1):
        spare = halo_bound(side) - 2 * math.sqrt(2) * side
        assert 3 / CELL < spare < 1.0001


@settings(max_examples=60, deadline=None)
@given(rectangles, rectangles, st.sampled_from([1, 2, 3, 7]))
def test_anchors_are_the_same_from_every_rectangle(one, other, side):
    source = anchored(pattern("void-ridden"), side)
    common = one.intersection(other)
    seen = [checked(source(cells), cells) for cells in (one, other)]
    if common.area:
        first, second = (sites.take(sites.inside(common)) for sites in seen)
        for name in ("x", "y", "id"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("side", [1, 2, 5])
def test_a_super_cell_holds_its_sites_or_one_anchor_at_its_centre(side):
    cells = Cells(-2 * side, -4 * side, 5 * side, 6 * side)
    source = pattern("void-ridden")
    found = anchored(source, side)(cells)
    flagged = is_anchor(found.id)
    assert not is_anchor(source(cells).id).any()
    np.testing.assert_array_equal(found.id[~flagged], source(cells).id)
    assert np.unique(found.id).size == len(found)
    wide = side * CELL
    np.testing.assert_array_equal(found.x[flagged] % wide, wide // 2)
    np.testing.assert_array_equal(found.y[flagged] % wide, wide // 2)
    super_cells = found.x // wide + 1000 * (found.y // wide)
    assert np.unique(super_cells).size == cells.area // side**2
    assert not np.isin(super_cells[flagged], super_cells[~flagged]).any()
    assert np.unique(super_cells[flagged]).size == flagged.sum() > 0


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(
        st.tuples(st.integers(-9 * CELL, 9 * CELL), st.integers(-9 * CELL, 9 * CELL)), max_size=12
    ),
    side=st.sampled_from([1, 2, 4, 11]),
    cells=rectangles,
)
def test_with_anchors_no_pattern_is_refused(points, side, cells):
    source = world(*np.array(points, np.int64).reshape(-1, 2).T, known=EVERYWHERE)
    found = tessellate(source, cells, anchors=side)
    assert found.halo <= halo_bound(side)
    assert found.valid.all()
    assert len(found) >= found.anchor.sum()


def test_a_void_between_four_super_cells_is_loaded_whole():
    """Sites in the far corners of four super-cells: the empty circle is nearly the largest."""
    side = 8
    far = side * CELL - 1
    corners = [(-far, -far), (far, -far), (-far, far), (far, far)]
    source = world(*np.array(corners).T, known=EVERYWHERE)
    found = tessellate(source, Cells(-8, -8, -7, -7), anchors=side)
    assert len(found) == 1
    # a circle around the origin through the corners; the tile starts at its lower left
    assert (1 + math.sqrt(2)) * side - 1 <= found.halo <= halo_bound(side)


def test_an_empty_plane_becomes_the_lattice_of_anchors():
    found = tessellate(lambda cells: Sites.none(), Cells(0, 0, 8, 12), anchors=4)
    assert found.anchor.all()
    assert len(found) == 6
    assert set(found.n_neighbours.tolist()) == {6}
    area = found.area(Lattice("EPSG:32633", (0.0, 0.0), 64.0))
    assert area.tolist() == [(4 * 64.0) ** 2] * 6
