"""Weights that fall with the distance to the nearest target.

Belongs here: distances and weights, one IEEE operation after the other, and where a pixel is
looked at. Not here: which points
stay (`proximity`), exact comparisons of distances (there too).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.exact_math import dexp


def weights_by_distance(
    around: tuple[NDArray[np.int64] | int, ...],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    limit: int,
    falloff: float,
) -> NDArray[np.float64]:
    """``exp(-distance / falloff)`` for each place; 0 where nothing is within `limit`.

    Parameters
    ----------
    around : Surroundings
        Of `proximity.surroundings`, at least for `limit`.
    x, y : ndarray of int64, shape (n,)
    limit : int
        Quanta.
    falloff : float
        Quanta.
    """
    found: NDArray[np.float64] = _weights(around, x, y, float(limit), falloff)
    return found


def probes(number: int, step: int, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places in a pixel of a side, from its corner: a Fibonacci lattice."""
    k = np.arange(number)
    across = (2 * k + 1) * side // (2 * number)
    return across, (2 * (step * k % number) + 1) * side // (2 * number)


@njit(cache=True)
def _weights(around, x, y, limit, falloff):
    out = np.zeros(x.size)
    for i in range(x.size):
        bucket = ((y[i] >> around.bits) - around.row) * around.columns
        bucket += (x[i] >> around.bits) - around.column
        best = math.inf
        for k in around.members[around.starts[bucket] : around.starts[bucket + 1]]:
            ax, ay = float(x[i] - around.x0[k]), float(y[i] - around.y0[k])
            wx, wy = float(around.x1[k] - around.x0[k]), float(around.y1[k] - around.y0[k])
            square, share = wx * wx + wy * wy, 0.0
            if square > 0.0:
                share = min(max((ax * wx + ay * wy) / square, 0.0), 1.0)
            dx, dy = ax - share * wx, ay - share * wy
            best = min(best, dx * dx + dy * dy)
        if best <= limit * limit:
            out[i] = dexp(-(math.sqrt(best) / falloff))
    return out
