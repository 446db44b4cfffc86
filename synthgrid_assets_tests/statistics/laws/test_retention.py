"""Retention: refused where it is no probability, averages that keep the total."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.statistics.laws.retention import Retention


@pytest.mark.parametrize(
    ("grid", "pixels"),
    [
        (np.ones((3, 4)), 2),
        (np.ones((4, 3)), 2),
        (np.ones(4), 1),
        (np.ones((0, 4)), 1),
        (np.ones((2, 2)), 0),
    ],
)
def test_a_grid_that_does_not_cover_whole_cells_is_refused(grid, pixels):
    with pytest.raises(GeometryError, match="does not cover whole cells"):
        Retention(grid, pixels)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(value):
    grid = np.full((2, 2), 0.5)
    grid[1, 0] = value
    with pytest.raises(GeometryError, match="no probability"):
        Retention(grid)


@given(
    seed=st.integers(0, 99),
    width=st.integers(1, 5),
    height=st.integers(1, 5),
    pixels=st.sampled_from([1, 2, 4]),
    other=st.sampled_from([1, 2, 4, 8]),
)
def test_averaging_and_refining_keep_the_total(seed, width, height, pixels, other):
    grid = np.random.default_rng(seed).random((height * pixels, width * pixels))
    retention = Retention.over(Cells(3, -2, 3 + width, height - 2), grid)
    assert (retention.width, retention.height) == (width, height)
    total = grid.sum() / pixels**2
    assert retention.by_cell.shape == (height, width)
    np.testing.assert_allclose(retention.by_cell.sum(), total)
    resampled = retention.resampled(other)
    assert resampled.shape == (height * other, width * other)
    np.testing.assert_allclose(resampled.sum() / other**2, total)


def test_a_part_is_the_retention_of_its_own_cells():
    grid = np.arange(64).reshape(8, 8) / 64
    part = Retention(grid, 2).part(Cells(1, 2, 3, 4))
    np.testing.assert_array_equal(part.probability, grid[4:8, 2:6])
    assert part.constant is None
    assert Retention(np.full((4, 4), 0.25), 2).constant == 0.25
