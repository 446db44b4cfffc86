"""Ripley's K of points that were observed in a window only.

Belongs here: the estimate, and up to which distance it is worth something. Not here: edge
weights (`windows`), K of patterns whose surroundings are known (`statistics.curves.estimators`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.windows import Window

STEPS = 512
_BUSY = 1000.0  # points in a disc beyond which larger distances tell nothing new
FEWEST = 10


@dataclass(frozen=True, eq=False)
class Observed:
    """Points in a window.

    Parameters
    ----------
    xy : ndarray of float64, shape (n, 2)
        Metres, all in the window.
    window : Window

    Raises
    ------
    SpecError
        If there are fewer than `FEWEST` points, or some lie outside.
    """

    xy: NDArray[np.float64]
    window: Window

    def __post_init__(self) -> None:
        outside = int(np.count_nonzero(~self.window.contains(self.xy)))
        if outside:
            raise SpecError(
                f"{outside} of {len(self.xy)} points lie outside of the window; give a window "
                "that holds all of them, or leave them out"
            )
        if len(self.xy) < FEWEST:
            raise SpecError(
                f"{len(self.xy)} points in the window; a fit needs {FEWEST} at the very least"
            )

    @property
    def intensity(self) -> float:
        """Points per square metre."""
        return len(self.xy) / self.window.area

    def distances(self) -> NDArray[np.float64]:
        """Where K is estimated: from 0 to the longest distance, shape (`STEPS` + 1,).

        A quarter of the window's shorter side, or the radius of a disc of 1,000 points.
        """
        busy = math.sqrt(_BUSY / (math.pi * self.intensity))
        return np.linspace(0.0, min(self.window.longest_distance, busy), STEPS + 1)

    @cached_property
    def k_curve(self) -> NDArray[np.float64]:
        """K at `distances`: a fit and its goodness look at the same pairs."""
        return self.k_function(self.distances())

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r) in square metres, shape of `r`, corrected for the window's edge.

        Notes
        -----
        ``|W| / (n (n - 1))`` times the weighted pairs within r, as spatstat's ``Kest``.

        Examples
        --------
        >>> xy = np.random.default_rng(1).uniform(0, 100, (900, 2))
        >>> k = Observed(xy, Window.rectangle(0, 0, 100, 100)).k_function(np.array([5.0, 10.0]))
        >>> (k / (math.pi * np.array([25.0, 100.0]))).round(2).tolist()
        [0.99, 0.99]
        """
        n = len(self.xy)
        within = self.window.pairs_within(self.xy, r)
        return np.asarray(within * self.window.area / (n * (n - 1)))
