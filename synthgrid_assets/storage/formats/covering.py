"""Boxes of rows as the covering column of GeoParquet stores them: float32, rounded outward.

Belongs here: rounding and what all boxes span. Not here: the column (`geoparquet`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit

# five eighths to five quarters of the distance to the next float32: less by it is rounded to that
_STEP = np.float32(1.25 * 2.0**-24)
_LEAST, _MOST = np.float32(1e-30), np.float32(1e38)  # where that is so by far


class Covering(NamedTuple):
    """The boxes of n rows.

    Attributes
    ----------
    sides : ndarray of float32, shape (4, n)
        ``xmin, ymin, xmax, ymax``, rounded outward; zero without a sign.
    missing : ndarray of bool, shape (n,)
        Rows without a box.
    whole : ndarray of float64, shape (4,)
        The box around all, exactly; NaN if all are missing.
    """

    sides: NDArray[np.float32]
    missing: NDArray[np.bool_]
    whole: NDArray[np.float64]


@njit(cache=True)
def no_covering(n):
    """The arrays of a `Covering` of n rows, each of which misses its box."""
    return np.full((4, n), np.float32(np.nan)), np.ones(n, np.bool_), np.full(4, np.nan)


@njit(cache=True)
def cover(low, high):
    """The arrays of a `Covering` of boxes between ``low[i]`` and ``high[i]``; of NaN, none."""
    sides, missing, whole = no_covering(low.shape[0])
    for i in range(low.shape[0]):
        if not np.isnan(low[i, 0]):
            put_box(sides, missing, whole, i, low[i, 0], low[i, 1], high[i, 0], high[i, 1])
    return sides, missing, whole


@njit(inline="always")
def put_box(sides, missing, whole, i, west, south, east, north):
    """Write the box of row i."""
    zero = np.float32(0.0)  # turns -0.0 into 0.0
    sides[0, i], sides[1, i] = _below(west) + zero, _below(south) + zero
    sides[2, i], sides[3, i] = zero - _below(-east), zero - _below(-north)
    missing[i] = False
    if np.isnan(whole[0]):
        whole[0], whole[1], whole[2], whole[3] = west, south, east, north
    whole[0], whole[1] = min(whole[0], west), min(whole[1], south)
    whole[2], whole[3] = max(whole[2], east), max(whole[3], north)


@njit(inline="always")
def _below(value):
    """The largest float32 that is no larger than a number."""
    near = np.float32(value)
    size = abs(near)
    if size < _LEAST or size > _MOST:
        return near if near <= value else np.nextafter(near, np.float32(-np.inf))
    # of numbers every other one is rounded up, so a branch would be guessed wrongly half the time
    return near - size * (_STEP * np.float32(near > value))
