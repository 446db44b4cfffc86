"""Canonical order: NumPy's lexsort as oracle, with ties, dense cells and any cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.lattice.pattern import canonical


def in_order(x, y, birth):
    """The points by cell row, cell column, x, y, birth."""
    order = np.lexsort((birth, y, x, x >> CELL_BITS, y >> CELL_BITS))
    return x[order], y[order], birth[order]


@settings(max_examples=150, deadline=None)
@given(
    places=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), max_size=120
    ),
    corner=st.tuples(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40)),
    step=st.sampled_from([1, CELL // 2, CELL]),
)
def test_canonical_order_breaks_ties_by_x_then_y_then_birth(places, corner, step):
    columns = np.array(places, np.int64).reshape(-1, 3).T
    x, y = (column * step + low * CELL for column, low in zip(columns[:2], corner, strict=True))
    birth = columns[2].astype(np.uint64)
    cells = Cells(*corner, corner[0] + 4, corner[1] + 4)
    for ours, theirs in zip(canonical(x, y, birth, cells), in_order(x, y, birth), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("spread", [1, 60, CELL])
def test_cells_of_many_points_are_in_order(spread):
    rng = np.random.default_rng(7)
    x, y = rng.integers(0, spread, (2, 20_000)) + CELL // 4
    birth = rng.integers(0, 2**64, 20_000, dtype=np.uint64)
    ours = canonical(x, y, birth, Cells(0, 0, 2, 2))
    for a, b in zip(ours, in_order(x, y, birth), strict=True):
        np.testing.assert_array_equal(a, b)
