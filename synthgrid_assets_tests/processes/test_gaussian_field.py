"""The Gaussian field: one value per pixel on any window, normal, with the stated covariance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes import gaussian_field
from synthgrid_assets.processes.gaussian_field import BOXES, correlation, field, unit

KEY = stream_key("field")


@settings(max_examples=40, deadline=None)
@given(
    x=st.integers(-(2**40), 2**40),
    y=st.integers(-(2**40), 2**40),
    cut=st.integers(1, 12),
    width=st.integers(1, 9),
)
def test_a_pixel_has_one_value_on_any_window(x, y, cut, width):
    whole = field(KEY, 1, width, (x, y, x + 13, y + 7))
    left = field(KEY, 1, width, (x, y, x + cut, y + 7))
    right = field(KEY, 1, width, (x + cut, y, x + 13, y + 7))
    np.testing.assert_array_equal(whole, np.concatenate([left, right], axis=1))


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_field_is_the_noise_smoothed_by_boxes(width):
    """Oracle: NumPy's convolution of the same white noise."""
    margin = BOXES // 2 * (width - 1)
    noise = gaussian_field._noise(-margin, 20 + margin, -margin, 9 + margin, KEY, 0)
    kernel = np.ones(1, int)
    for _ in range(BOXES):
        kernel = np.convolve(kernel, np.ones(width, int))
    rows = np.array([np.convolve(row, kernel, "valid") for row in noise])
    smooth = np.array([np.convolve(column, kernel, "valid") for column in rows.T]).T
    np.testing.assert_array_equal(field(KEY, 0, width, (0, 0, 20, 9)), smooth)


def test_white_noise_is_standard_normal():
    """Kolmogorov-Smirnov at 1e-6; independence of the four pixels of a block by Spearman."""
    noise = gaussian_field._noise(0, 400, 0, 200, KEY, 3) / 2.0**gaussian_field.NOISE_BITS
    jitter = np.random.default_rng(1).random(noise.shape) - 0.5
    assert stats.kstest((noise + jitter / 1024).ravel(), "norm").pvalue > 1e-6
    for a in range(4):
        for b in range(a):
            assert stats.spearmanr(noise[:, a::4].ravel(), noise[:, b::4].ravel()).pvalue > 1e-6


@pytest.mark.parametrize("width", [3, 6])
def test_the_field_has_unit_variance_and_the_stated_correlation(width):
    """Means over 300 independent fields; each bound is missed with probability < 1e-6."""
    values = np.array(
        [
            field(stream_key("moments", twin), 0, width, (0, 0, 12, 12)) / unit(width)
            for twin in range(300)
        ]
    )
    axis = np.append(correlation(width), np.zeros(12))
    for i, j in [(0, 0), (1, 0), (0, 3), (2, 2), (11, 0)]:
        products = (values[:, : 12 - j, : 12 - i] * values[:, j:, i:]).mean(axis=(1, 2))
        error = products.std(ddof=1) / np.sqrt(300)
        assert abs(products.mean() - axis[i] * axis[j]) < 5.2 * error


def test_the_correlation_is_near_a_gaussian_of_the_stated_range():
    width = 20
    lags = np.arange(4 * width - 3)
    reach = np.sqrt((width**2 - 1) * BOXES / 3)
    assert abs(correlation(width) - np.exp(-((lags / reach) ** 2))).max() < 0.025


def test_the_widest_box_leaves_eleven_standard_deviations_in_an_int64():
    assert unit(gaussian_field.MAX_WIDTH) * 10.9 < 2**63 < unit(gaussian_field.MAX_WIDTH + 2) * 11.9
