"""Exact claims: every canonical pattern meets them, every kind of damage breaks them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.pattern import canonical
from synthgrid_assets.statistics.tile.patterns import (
    points_are_canonical,
    points_do_not_depend_on_the_tile,
    points_lie_in_their_tile,
)

CELLS = Cells(-3, 5, 2, 9)


def table(seed=1, n=60):
    rng = np.random.default_rng(seed)
    x0, y0, x1, y1 = CELLS.quanta()
    birth = rng.integers(0, 2**63, n).astype(np.uint64)
    points = canonical(rng.integers(x0, x1, n), rng.integers(y0, y1, n), birth, CELLS)
    return points.x, points.y, points.ids()


@pytest.mark.parametrize("edge", ["west", "south", "east", "north"])
def test_the_tile_is_half_open(edge):
    x0, y0, x1, y1 = CELLS.quanta()
    places = {"west": (x0, y0), "south": (x0, y0), "east": (x1, y0), "north": (x0, y1)}
    x, y = (np.array([value]) for value in places[edge])
    assert points_lie_in_their_tile(x, y, CELLS).passed == (edge in ("west", "south"))


def test_columns_of_unequal_length_are_told_not_compared():
    x, y, ids = table()
    verdict = points_are_canonical(x, y[1:], ids)
    assert not verdict.passed
    assert "unequal length" in verdict.detail


def test_an_empty_tile_is_canonical():
    nothing = np.empty(0, np.int64)
    assert points_are_canonical(nothing, nothing, nothing).passed
    assert points_lie_in_their_tile(nothing, nothing, CELLS).passed


@given(seed=st.integers(0, 50), n=st.integers(0, 80))
def test_every_pattern_in_canonical_order_passes(seed, n):
    x, y, ids = table(seed, n)
    assert points_lie_in_their_tile(x, y, CELLS).passed
    assert points_are_canonical(x, y, ids).passed


@given(seed=st.integers(0, 20), i=st.integers(0, 58), j=st.integers(0, 58))
def test_two_rows_exchanged_are_found(seed, i, j):
    x, y, ids = table(seed)
    order = np.arange(60)
    order[[i, j]] = order[[j, i]]
    assert points_are_canonical(x[order], y[order], ids[order]).passed == (i == j)


@given(seed=st.integers(0, 20), row=st.integers(0, 59))
def test_a_row_doubled_or_lost_from_inside_a_cell_is_found(seed, row):
    x, y, ids = table(seed)
    doubled = np.insert(np.arange(60), row, row)
    assert not points_are_canonical(x[doubled], y[doubled], ids[doubled]).passed
    kept = np.delete(np.arange(60), row)
    last_of_its_cell = row == 59 or ids[row + 1] >> 16 != ids[row] >> 16
    assert points_are_canonical(x[kept], y[kept], ids[kept]).passed == last_of_its_cell


@pytest.mark.parametrize("damage", ["columns swapped", "shifted by a cell", "id of a neighbour"])
def test_wrong_columns_are_found(damage):
    x, y, ids = table()
    if damage == "columns swapped":
        x, y = y, x
    elif damage == "shifted by a cell":
        x = x + CELL
    else:
        ids = ids + (1 << 39)
    assert not points_are_canonical(x, y, ids).passed


def test_the_first_broken_row_is_named():
    x, y, ids = table()
    ids[7] += 1
    verdict = points_are_canonical(x, y, ids)
    assert verdict.detail.startswith("row 7: id of another place in its cell")
    assert verdict.observed == 1


@given(lost=st.sets(st.integers(0, 59)), column=st.integers(0, 2), at=st.integers(0, 59))
def test_rows_are_those_of_another_rectangle_or_not(lost, column, at):
    rows = table()
    kept = np.array([row not in lost for row in range(60)])
    verdict = points_do_not_depend_on_the_tile(tuple(c[kept] for c in rows), rows)
    assert verdict.passed == (not lost)
    changed = [c.copy() for c in rows]
    changed[column][at] += 1
    verdict = points_do_not_depend_on_the_tile(tuple(changed), rows)
    assert (verdict.passed, verdict.observed) == (False, 1.0)
    assert f"rows {at} to 59" in verdict.detail


def test_no_rows_are_those_of_an_empty_rectangle():
    nothing = (np.empty(0, np.int64),) * 3
    assert points_do_not_depend_on_the_tile(nothing, nothing).passed
    assert points_do_not_depend_on_the_tile(table(), nothing).observed == 60.0
