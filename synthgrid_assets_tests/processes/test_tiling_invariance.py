"""Promise 1 for every registered process: one world, whatever the tiling."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.pattern import canonical
from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets_tests.processes.examples import example

SIDE = 10
ORIGIN = st.integers(-(2**22), 2**22) | st.integers(-(2**40), 2**40)  # beyond the lattice's range


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", sorted(REGISTRY))
@settings(max_examples=15, deadline=None)
@given(
    origin=st.tuples(ORIGIN, ORIGIN),
    cuts_x=st.sets(st.integers(1, SIDE - 1), max_size=4),
    cuts_y=st.sets(st.integers(1, SIDE - 1), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_any_tiling_gives_the_same_points(name, origin, cuts_x, cuts_y, order):
    ox, oy = origin
    area = Cells(ox, oy, ox + SIDE, oy + SIDE)
    whole = example(name).points(area)
    xs, ys = [0, *sorted(cuts_x), SIDE], [0, *sorted(cuts_y), SIDE]
    tiles = [
        Cells(ox + a, oy + c, ox + b, oy + d) for a, b in pairwise(xs) for c, d in pairwise(ys)
    ]
    order.shuffle(tiles)
    parts = [example(name).points(tile) for tile in tiles]
    assert_same(canonical(*map(np.concatenate, zip(*parts, strict=True)), area), whole)
    assert len(whole) > 0


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_points_are_canonical_typed_and_inside(name):
    cells = Cells(-3, 5, 9, 12)
    x, y, birth = pattern = example(name).points(cells)
    assert (x.dtype, y.dtype, birth.dtype) == (np.int64, np.int64, np.uint64)
    assert (x >> CELL_BITS >= cells.ix0).all()
    assert (x >> CELL_BITS < cells.ix1).all()
    assert (y >> CELL_BITS >= cells.iy0).all()
    assert (y >> CELL_BITS < cells.iy1).all()
    order = np.lexsort((birth, y, x, x >> CELL_BITS, y >> CELL_BITS))
    np.testing.assert_array_equal(order, np.arange(len(pattern)))
    assert np.unique(birth).size == len(pattern)
    assert np.unique(pattern.ids()).size == len(pattern)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_an_empty_rectangle_holds_no_points(name):
    assert len(example(name).points(Cells(3, 3, 3, 8))) == 0


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_other_keys_and_other_places_are_other_worlds(name):
    birth = example(name).points(Cells(0, 0, 8, 8)).birth
    of_twin = example(name, twin=1).points(Cells(0, 0, 8, 8)).birth
    elsewhere = example(name).points(Cells(8, 0, 16, 8))
    for other in (of_twin, elsewhere.birth):
        assert np.intersect1d(birth, other).size == 0
