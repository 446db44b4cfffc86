"""What every point process offers: a sampler of any rectangle of cells, and its law.

Belongs here: the two protocols. Not here: any process.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.processes.count_models import CountModel


@runtime_checkable
class Law(Protocol):
    """The law of a stationary process; lengths in atom cells, areas in cells."""

    @property
    def intensity(self) -> float:
        """Expected points per cell."""
        ...

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r` (angular average)."""
        ...

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r) in cells, shape of `r`."""
        ...

    def count_variance(self, width: float, height: float) -> float:
        """Variance of the number of points in a rectangle."""
        ...

    def cell_covariance(self, lags: int) -> NDArray[np.float64]:
        """Covariance of the counts of two unit cells beyond Poisson's, by lag.

        Returns
        -------
        ndarray of float64, shape (2 * lags + 1, 2 * lags + 1)
            Entry ``[lags + j, lags + i]`` is
            ``lambda**2 * integral of (g(u - v) - 1)`` over u in cell (0, 0), v in cell
            (i, j): what the covariance of the two counts has beyond the Poisson term
            (which is the intensity, at lag (0, 0) only).
        """
        ...

    @property
    def correlation_cells(self) -> int:
        """Lag in cells beyond which `cell_covariance` is negligible (< 1e-9 of its peak)."""
        ...

    @property
    def count_model(self) -> CountModel:
        """How the number of points in a rectangle is distributed, before thinning."""
        ...

    @property
    def hard_core(self) -> float:
        """Distance in cells within which no two points lie; 0 for most laws."""
        ...

    def __hash__(self) -> int:
        """By value: equal laws share cached distributions (frozen dataclasses do this)."""
        ...


@runtime_checkable
class Process(Protocol):
    """A sampler of the plane, any rectangle of atom cells at a time."""

    @property
    def law(self) -> Law:
        """The law of the sampled process, in cell units."""
        ...

    @property
    def reach(self) -> int:
        """Dependence radius in quanta: cells farther than this never matter."""
        ...

    def points(self, cells: Cells) -> PointPattern:
        """The points in a rectangle of cells, in canonical order."""
        ...
