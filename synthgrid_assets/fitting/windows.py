"""The window in which points were observed: its area, what lies in it, what its edge hides.

Belongs here: rectangles and polygons, and the weights that make up for unseen neighbours. Not
here: statistics of the points (`k_estimate`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError

MOST = 100.0  # a weight beyond this is cut off, as spatstat does
_PIXELS = 256  # along the longer side of a polygon, for the area of its overlap with itself


@dataclass(frozen=True, eq=False)
class Window:
    """A polygon of the plane, in metres.

    Parameters
    ----------
    polygon : shapely.Polygon or shapely.MultiPolygon
        Valid, with an area.

    Raises
    ------
    SpecError
        If it has no area or is not valid.

    Examples
    --------
    >>> window = Window.rectangle(0.0, 0.0, 20.0, 10.0)
    >>> window.area, window.longest_distance, window.contains(np.array([[3.0, 4.0]])).tolist()
    (200.0, 2.5, [True])
    """

    polygon: Any

    def __post_init__(self) -> None:
        if not self.polygon.is_valid or not self.polygon.area > 0:
            raise SpecError("the window is no valid polygon with an area; repair it, or give a box")

    @classmethod
    def rectangle(cls, xmin: float, ymin: float, xmax: float, ymax: float) -> Window:
        """A rectangle along the axes."""
        if not (math.isfinite(xmin + ymin + xmax + ymax) and xmin < xmax and ymin < ymax):
            raise SpecError(
                f"the box {xmin:g},{ymin:g},{xmax:g},{ymax:g} is empty; give xmin,ymin,xmax,ymax"
            )
        return cls(shapely.box(xmin, ymin, xmax, ymax))

    @property
    def area(self) -> float:
        """Square metres."""
        return float(self.polygon.area)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Smallest and largest coordinates: xmin, ymin, xmax, ymax."""
        xmin, ymin, xmax, ymax = self.polygon.bounds
        return float(xmin), float(ymin), float(xmax), float(ymax)

    @property
    def is_rectangle(self) -> bool:
        """Whether it fills its bounds."""
        xmin, ymin, xmax, ymax = self.bounds
        return math.isclose(self.area, (xmax - xmin) * (ymax - ymin), rel_tol=1e-12)

    @property
    def longest_distance(self) -> float:
        """Up to which pairs are counted: a quarter of the shorter side."""
        xmin, ymin, xmax, ymax = self.bounds
        return min(xmax - xmin, ymax - ymin) / 4

    def contains(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which places lie in it or on its border, for coordinates of shape (n, 2)."""
        shapely.prepare(self.polygon)
        found: NDArray[np.bool_] = shapely.intersects_xy(self.polygon, xy[:, 0], xy[:, 1])
        return found

    def pair_weights(
        self, xy: NDArray[np.float64], first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """One over the chance to see a pair, for each ordered pair.

        In a rectangle Ripley's isotropic correction, the share of the circle about the first
        point that lies inside; in a polygon the translation correction, the share of the window
        that it has in common with itself moved by the pair.

        Parameters
        ----------
        xy : ndarray of float64, shape (n, 2)
        first, second : ndarray of int64, shape (m,)

        References
        ----------
        Ripley (1977), JRSS B 39; Ohser and Stoyan (1981), Biometrical Journal 23.
        """
        if self.is_rectangle:
            weights: NDArray[np.float64] = _isotropic(xy, first, second, self.bounds)
            return weights
        steps = xy[second] - xy[first]
        return np.minimum(self.area / np.maximum(self._overlap(steps), 1e-300), MOST)

    def _overlap(self, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Area of the window's overlap with itself moved by each step, from its pixels."""
        xmin, ymin, xmax, ymax = self.bounds
        side = max(xmax - xmin, ymax - ymin) / _PIXELS
        columns, rows = (math.ceil(length / side) for length in (xmax - xmin, ymax - ymin))
        x = xmin + (np.arange(columns) + 0.5) * side
        y = ymin + (np.arange(rows) + 0.5) * side
        places = np.column_stack([axis.ravel() for axis in np.meshgrid(x, y)])
        mask = self.contains(places).reshape(rows, columns).astype(float)
        spectrum = np.abs(np.fft.rfft2(mask, (2 * rows, 2 * columns))) ** 2
        overlap = np.fft.irfft2(spectrum, (2 * rows, 2 * columns)) * (self.area / mask.sum())
        i, j = (np.round(steps[:, k] / side).astype(int) for k in (0, 1))
        found: NDArray[np.float64] = overlap[j % (2 * rows), i % (2 * columns)]
        return found


@njit(cache=True)
def _isotropic(xy, first, second, bounds):
    """Weights of pairs in a rectangle: the circle's parts beyond each side, corner by corner."""
    weights = np.empty(first.size)
    for k in range(first.size):
        x, y = xy[first[k], 0], xy[first[k], 1]
        r = math.hypot(xy[second[k], 0] - x, xy[second[k], 1] - y)
        west, south, east, north = x - bounds[0], y - bounds[1], bounds[2] - x, bounds[3] - y
        outside = _beyond(west, north, south, r) + _beyond(east, north, south, r)
        outside += _beyond(north, west, east, r) + _beyond(south, west, east, r)
        weights[k] = min(1.0 / max(1.0 - outside / (2.0 * math.pi), 1e-300), MOST)
    return weights


@njit(cache=True)
def _beyond(side, left, right, r):
    """Angle of a circle of radius r beyond a side, whose corners lie `left` and `right`."""
    if r <= side:
        return 0.0
    half = math.acos(side / r)
    return min(half, math.atan2(left, side)) + min(half, math.atan2(right, side))
