"""The window in which points were observed: its area, what lies in it, what its edge hides.

Belongs here: rectangles and polygons. Not here: what a pair in it is worth
(`edge_correction`), statistics of the points (`k_estimate`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.edge_correction import MOST, Edge, pair_weights
from synthgrid_assets.fitting.neighbours import bins, pairs_by_distance

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

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Smallest and largest coordinates: xmin, ymin, xmax, ymax."""
        xmin, ymin, xmax, ymax = self.polygon.bounds
        return float(xmin), float(ymin), float(xmax), float(ymax)

    @cached_property
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
        if self.is_rectangle:
            xmin, ymin, xmax, ymax = self.bounds
            x, y = xy[:, 0], xy[:, 1]
            return np.asarray((x >= xmin) & (x <= xmax) & (y >= ymin) & (y <= ymax))
        shapely.prepare(self.polygon)
        found: NDArray[np.bool_] = shapely.intersects_xy(self.polygon, xy[:, 0], xy[:, 1])
        return found

    def pair_weights(
        self, xy: NDArray[np.float64], first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """One over the chance to see a pair, for each ordered pair.

        Parameters
        ----------
        xy : ndarray of float64, shape (n, 2)
        first, second : ndarray of int64, shape (m,)
        """
        weights: NDArray[np.float64] = pair_weights(xy, first, second, self._edge)
        return weights

    def pairs_within(self, xy: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of the weights of the ordered pairs within each distance, shape of `r`.

        Parameters
        ----------
        xy : ndarray of float64, shape (n, 2)
        r : ndarray of float64, shape (m,)
            Increasing.
        """
        return np.asarray(np.cumsum(pairs_by_distance(bins(xy, float(r[-1])), r, self._edge)))

    @cached_property
    def _edge(self) -> Edge:
        if self.is_rectangle:
            return Edge(self.bounds, np.empty((0, 0)), 1.0)
        xmin, ymin, xmax, ymax = self.bounds
        side = max(xmax - xmin, ymax - ymin) / _PIXELS
        columns, rows = (math.ceil(length / side) for length in (xmax - xmin, ymax - ymin))
        x = xmin + (np.arange(columns) + 0.5) * side
        y = ymin + (np.arange(rows) + 0.5) * side
        places = np.column_stack([axis.ravel() for axis in np.meshgrid(x, y)])
        mask = self.contains(places).reshape(rows, columns).astype(float)
        spectrum = np.abs(np.fft.rfft2(mask, (2 * rows, 2 * columns))) ** 2
        share = np.fft.irfft2(spectrum, (2 * rows, 2 * columns)) / mask.sum()
        return Edge(self.bounds, np.minimum(1 / np.maximum(share, 1e-300), MOST), side)
