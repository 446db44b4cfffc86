"""What a pair of points is worth where a window hides others: one over the chance to see it.

Belongs here: the weights. Not here: windows (`windows`), which pairs are near (`neighbours`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit

MOST = 100.0  # a weight beyond this is cut off, as spatstat does


class Edge(NamedTuple):
    """A window as its weights need it.

    In a rectangle they are Ripley's isotropic correction: the share of the circle about the
    first point, through the second, that lies inside. In a polygon they are the translation
    correction: the share of the window that it has in common with itself moved by the pair.

    Attributes
    ----------
    bounds : tuple of four floats
        xmin, ymin, xmax, ymax.
    moved : ndarray of float64, shape (rows, columns)
        Weights of a polygon by the pixels that a pair's step moves it up and right; negative
        ones count from the end. Empty for a rectangle.
    side : float
        Of a pixel, in metres.

    References
    ----------
    Ripley (1977), JRSS B 39; Ohser and Stoyan (1981), Biometrical Journal 23.
    """

    bounds: tuple[float, float, float, float]
    moved: NDArray[np.float64]
    side: float


@njit(cache=True)
def pair_weight(x, y, dx, dy, edge):
    """Weight of the ordered pair of the point (x, y) and the one a step from it."""
    if edge.moved.size:
        return edge.moved[round(dy / edge.side), round(dx / edge.side)]
    r, bounds = math.sqrt(dx * dx + dy * dy), edge.bounds
    west, south, east, north = x - bounds[0], y - bounds[1], bounds[2] - x, bounds[3] - y
    if r <= min(west, south, east, north):
        return 1.0
    outside = _beyond(west, north, south, r) + _beyond(east, north, south, r)
    outside += _beyond(north, west, east, r) + _beyond(south, west, east, r)
    return min(1.0 / max(1.0 - outside / (2.0 * math.pi), 1e-300), MOST)


@njit(cache=True)
def pair_weights(xy, first, second, edge):
    """Weights of pairs by their points' numbers."""
    weights = np.empty(first.size)
    for k in range(first.size):
        (x, y), (to_x, to_y) = xy[first[k]], xy[second[k]]
        weights[k] = pair_weight(x, y, to_x - x, to_y - y, edge)
    return weights


@njit(cache=True)
def _beyond(side, left, right, r):
    """Angle of a circle of radius r beyond a side, whose corners lie `left` and `right`."""
    if r <= side:
        return 0.0
    half = math.acos(side / r)
    return min(half, math.atan2(left, side)) + min(half, math.atan2(right, side))
