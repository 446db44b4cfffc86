"""Hilbert order: a walk over the grid that never jumps, square within square."""

import numpy as np
import pytest

from synthgrid_assets.lattice.hilbert import hilbert_keys


@pytest.mark.parametrize("bits", [1, 2, 3, 6])
def test_the_curve_visits_every_position_once_and_steps_to_a_neighbour(bits):
    y, x = np.mgrid[: 2**bits, : 2**bits].reshape(2, -1)
    order = np.argsort(hilbert_keys(x, y, bits))
    np.testing.assert_array_equal(np.sort(hilbert_keys(x, y, bits)), np.arange(4**bits))
    steps = np.abs(np.diff(x[order])) + np.abs(np.diff(y[order]))
    assert (steps == 1).all()


def test_keys_of_a_coarser_grid_are_the_leading_digits():
    x, y = np.random.default_rng(1).integers(0, 2**32, (2, 1000))
    keys = hilbert_keys(x, y, 32)
    # the curve's first step turns with the parity of the level
    for level in range(2, 32, 2):
        coarse = hilbert_keys(x >> level, y >> level, 32 - level)
        np.testing.assert_array_equal(keys >> np.uint64(2 * level), coarse)
