"""Lattice coordinates are exact, ids are unique, and nothing leaves the lattice unnoticed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import (
    CELL,
    CELL_LIMIT,
    MAX_POINTS_PER_CELL,
    Cells,
    Lattice,
    point_ids,
)

LATTICE = Lattice("EPSG:32633", (500_000.0, 5_400_000.0), 64.0)
INDEX = st.integers(-CELL_LIMIT, CELL_LIMIT - 1)


@pytest.mark.parametrize(
    "bbox",
    [(1, 0, 0, 1), (0, 0, 0, 1), (np.nan, 0, 1, 1), (0, 0, 1, np.inf), (0, 0, 1), (0, 0, 1, 1, 1)],
)
def test_a_box_that_is_empty_or_not_finite_is_refused(bbox):
    with pytest.raises(GeometryError):
        LATTICE.cells_of(bbox)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e12, -1e12])
def test_a_coordinate_off_the_lattice_is_refused_with_its_number(bad):
    with pytest.raises(GeometryError, match="number 1"):
        LATTICE.quanta(np.array([500_000.0, bad]), np.array([5_400_000.0, 5_400_000.0]))


def test_a_cell_beyond_the_limit_is_refused():
    with pytest.raises(GeometryError, match="origin nearer"):
        Cells(0, 0, CELL_LIMIT + 1, 1).check()


def test_a_cell_with_too_many_points_is_refused():
    zero = np.zeros(1, np.int64)
    with pytest.raises(GeometryError, match=r"smaller `world\.cell`"):
        point_ids(zero, zero, np.array([MAX_POINTS_PER_CELL]))


@given(ix=INDEX, iy=INDEX, n=st.integers(0, MAX_POINTS_PER_CELL - 1))
def test_an_id_tells_cell_and_place_and_leaves_bit_62_free(ix, iy, n):
    (identity,) = point_ids(*(np.array([v], np.int64) for v in (ix, iy, n))).tolist()
    assert 0 <= identity < 1 << 62
    assert identity & 0xFFFF == n
    assert (identity >> 16 & 0x7FFFFF) - CELL_LIMIT == iy
    assert (identity >> 39) - CELL_LIMIT == ix


@given(
    x=st.lists(st.integers(-CELL * 1000, CELL * 1000), min_size=1, max_size=20),
    cell=st.sampled_from([1.0, 64.0, 100.0, 1000.0]),
)
def test_metres_and_quanta_are_inverse(x, cell):
    lattice = Lattice("EPSG:32633", (500_000.0, 5_400_000.0), cell)
    quanta = np.array(x, np.int64)
    back, _ = lattice.quanta(*lattice.coordinates(quanta, quanta))
    # one quantum of a 1 m cell is 0.24 micrometres, float64 resolves 0.93 nanometres here
    np.testing.assert_array_equal(back, quanta)


@given(
    ix=st.integers(-1000, 1000),
    iy=st.integers(-1000, 1000),
    width=st.integers(1, 50),
    height=st.integers(1, 50),
)
def test_the_cells_of_a_rectangles_bounds_are_the_rectangle(ix, iy, width, height):
    cells = Cells(ix, iy, ix + width, iy + height)
    assert LATTICE.cells_of(LATTICE.bounds(cells)) == cells


@given(
    corner=st.tuples(st.integers(-(2**22), 2**22 - 60), st.integers(-(2**22), 2**22 - 60)),
    size=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    origin=st.tuples(st.floats(-1e7, 1e7), st.floats(-1e7, 1e7)),
    cell=st.floats(0.1, 1e4),
)
def test_bounds_are_the_coordinates_of_corners_bit_for_bit(corner, size, origin, cell):
    lattice = Lattice("EPSG:32633", origin, cell)
    for kind in (int, np.int64):
        cells = Cells(*map(kind, (*corner, corner[0] + size[0], corner[1] + size[1])))
        x0, y0, x1, y1 = map(int, cells.quanta())
        (west, east), (south, north) = lattice.coordinates(np.array([x0, x1]), np.array([y0, y1]))
        bounds = lattice.bounds(cells)
        assert bounds == (west, south, east, north)
        assert {type(side) for side in bounds} == {float}


@given(ix=st.integers(-9, 9), x=st.integers(-2, 2), past=st.sampled_from([0.0, 0.3, 0.5, 0.7]))
def test_the_cells_of_a_box_hold_all_its_lattice_positions(ix, x, past):
    """Also where its end lies between the last position of a cell and the next one."""
    position = ix * CELL + x
    (metres, _), south = LATTICE.coordinates(np.array([position]), np.zeros(1)), LATTICE.origin[1]
    end = float(metres[0]) + past * LATTICE.quantum
    cells = LATTICE.cells_of((LATTICE.origin[0] - 20 * LATTICE.cell, south, end, south + 1.0))
    last = position if past else position - 1
    assert cells.ix0 * CELL <= last < cells.ix1 * CELL
