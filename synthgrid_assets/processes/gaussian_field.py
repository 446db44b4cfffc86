"""Gaussian fields of finite range on pixels: integer white noise through cascaded boxes.

Belongs here: the exact integer field of one scale and its covariance. Not here: what is
made of it (`lgcp`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.exact_math import cos_sin, rayleigh
from synthgrid_assets.lattice.seeding import NOISE, Key, words

BOXES = 4  # boxes along each axis: the covariance is a B-spline of order 8, near a Gaussian
MAX_WIDTH = 150  # pixels of a box: an int64 then holds 11 standard deviations of the sum
NOISE_BITS = 10  # white noise is rounded to 2**-10 of its standard deviation

Window = tuple[int, int, int, int]


def field(key: Key, scale: int, width: int, pixels: Window) -> NDArray[np.int64]:
    """One scale's field on a rectangle of pixels, as exact integers.

    Integer sums do not depend on the order or the rectangle in which they are made, so
    a pixel has one value whoever asks for it.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key.
    scale : int
        Number of the scale: each has its own noise.
    width : int
        Pixels along a box, in ``[1, MAX_WIDTH]``.
    pixels : tuple of int
        Half-open rectangle ``(x0, y0, x1, y1)`` of pixels.

    Returns
    -------
    ndarray of int64, shape (y1 - y0, x1 - x0)
        In units of ``1 / unit(width)`` of a standard deviation.
    """
    x0, y0, x1, y1 = pixels
    margin = BOXES // 2 * (width - 1)
    sums: NDArray[np.int64] = _noise(x0 - margin, x1 + margin, y0 - margin, y1 + margin, key, scale)
    for _ in range(BOXES):
        sums = _box_rows(sums, width)
    for _ in range(BOXES):
        sums = _box_columns(sums, width)
    return sums


def unit(width: int) -> float:
    """What one standard deviation of `field` is, as an integer rounded to a float."""
    kernel = _kernel(width)
    return float(sum(k * k for k in kernel) << NOISE_BITS)


def correlation(width: int) -> NDArray[np.float64]:
    """Correlation along one axis at lags of 0, 1, 2 ... pixels, to the last that is not 0.

    The field's correlation at a lag (i, j) is the product of two of them.

    Examples
    --------
    >>> correlation(2).round(4).tolist()
    [1.0, 0.8, 0.4, 0.1143, 0.0143]
    """
    kernel = np.array(_kernel(width), float)
    full = np.convolve(kernel, kernel[::-1])
    half: NDArray[np.float64] = full[kernel.size - 1 :] / full[kernel.size - 1]
    return half


def _kernel(width: int) -> list[int]:
    """Weights of the cascaded boxes along one axis."""
    kernel = np.ones(1, object)
    for _ in range(BOXES):
        kernel = np.convolve(kernel, np.ones(width, object))
    return [int(weight) for weight in kernel]


@njit(cache=True)
def _noise(x0, x1, y0, y1, key, scale):
    """Standard normals in units of 2**-NOISE_BITS; four pixels of a row share a block."""
    role = NOISE + np.uint64(scale)
    first = x0 >> 2
    quads = ((x1 + 3) >> 2) - first
    block, values = np.empty((4, quads), np.uint64), np.empty((4, quads), np.int64)
    out = np.empty((y1 - y0, x1 - x0), np.int64)
    for y in range(y0, y1):
        for q in range(quads):
            a, b, c, d = words(0, first + q, y, role, key)
            block[0, q], block[1, q], block[2, q], block[3, q] = a, b, c, d
        _pairs(block[0], block[1], values[0], values[1])
        _pairs(block[2], block[3], values[2], values[3])
        for x in range(x0, x1):
            out[y - y0, x - x0] = values[x & 3, (x >> 2) - first]
    return out


@njit(cache=True)
def _pairs(radius_words, angle_words, first, second):
    """Two normals of each pair of words: arithmetic alone, for vector instructions."""
    size = float(1 << NOISE_BITS)
    for i in range(radius_words.size):
        radius = rayleigh(radius_words[i]) * size
        cosine, sine = cos_sin(angle_words[i])
        first[i] = np.int64(math.floor(radius * cosine + 0.5))
        second[i] = np.int64(math.floor(radius * sine + 0.5))


@njit(cache=True)
def _box_rows(values, width):
    """Running sums of `width` neighbours along each row."""
    height, length = values.shape
    out = np.empty((height, length - width + 1), np.int64)
    for y in range(height):
        total = np.int64(0)
        for x in range(width):
            total += values[y, x]
        out[y, 0] = total
        for x in range(1, length - width + 1):
            total += values[y, x + width - 1] - values[y, x - 1]
            out[y, x] = total
    return out


@njit(cache=True)
def _box_columns(values, width):
    """Running sums of `width` neighbours along each column, row by row."""
    height, length = values.shape
    out = np.empty((height - width + 1, length), np.int64)
    totals = np.zeros(length, np.int64)
    for y in range(width):
        for x in range(length):
            totals[x] += values[y, x]
    out[0] = totals
    for y in range(1, height - width + 1):
        for x in range(length):
            totals[x] += values[y + width - 1, x] - values[y - 1, x]
        out[y] = totals
    return out
