"""Convolution against SciPy's signal processing, bit for bit."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from synthgrid_assets.statistics.laws.convolution import convolve


@pytest.mark.parametrize(
    ("first", "second"), [((40,), (7,)), ((1, 5), (3, 3)), ((31, 64), (9, 9)), ((8, 8), (8, 8))]
)
def test_full_and_valid_parts_are_those_of_scipy(first, second):
    rng = np.random.default_rng(6)
    a, b = rng.random(first), rng.random(second)
    if 1 in (*first, *second):  # SciPy leaves axes of one value out of the transform
        assert convolve(a, b) == pytest.approx(fftconvolve(a, b), rel=1e-12)
    else:
        np.testing.assert_array_equal(convolve(a, b), fftconvolve(a, b))
    if all(n >= m for n, m in zip(first, second, strict=True)):
        valid = fftconvolve(a, b, mode="valid")
        np.testing.assert_array_equal(convolve(a, b, valid=True), valid)
