"""A layer's law as a person asks for it: lengths in metres, areas in square metres.

Belongs here: the change of unit. Not here: any law; those count in cells, whose size is the
world's (`processes.protocol`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.processes.protocol import Law


@dataclass(frozen=True, repr=False)
class MetricLaw:
    """The law of a layer's process before thinning, in metres.

    Parameters
    ----------
    in_cells : Law
        The same law with lengths in atom cells, as samplers and tests use it.
    cell : float
        Side of an atom cell in metres, > 0.
    declared : str
        The process and its parameters, as the world file states them.

    Notes
    -----
    The functions are those of Illian et al. (2008), *Statistical Analysis and Modelling of
    Spatial Point Patterns*, chapter 4; spatstat calls them ``Kmodel`` and ``pcfmodel``.

    Examples
    --------
    >>> from synthgrid_assets.processes.poisson import PoissonLaw
    >>> law = MetricLaw(PoissonLaw(0.5), cell=10.0, declared="poisson")
    >>> law.intensity, law.k_function([100.0]).round(3).tolist()
    (0.005, [31415.927])
    """

    in_cells: Law
    cell: float
    declared: str

    def __repr__(self) -> str:
        return f"MetricLaw({self.declared}; lengths in metres)"

    @property
    def intensity(self) -> float:
        """Expected points per square metre; NaN where the law has none in closed form."""
        return self.in_cells.intensity / self.cell**2

    def pair_correlation(self, r: ArrayLike) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`, which is in metres."""
        return self.in_cells.pair_correlation(self._cells(r))

    def k_function(self, r: ArrayLike) -> NDArray[np.float64]:
        """Ripley's K(r) in square metres, shape of `r`, which is in metres."""
        return self.in_cells.k_function(self._cells(r)) * self.cell**2

    def empty_space(self, r: ArrayLike) -> NDArray[np.float64]:
        """F(r), shape of `r` in metres: probability of a point within r of a fixed place.

        Raises
        ------
        SpecError
            If the law has no closed form of it.
        """
        return self._curve("empty_space", r)

    def nearest_neighbour(self, r: ArrayLike) -> NDArray[np.float64]:
        """G(r), shape of `r` in metres: probability of another point within r of a typical one.

        Raises
        ------
        SpecError
            If the law has no closed form of it.
        """
        return self._curve("nearest_neighbour", r)

    def count_variance(self, width: float, height: float) -> float:
        """Variance of the number of points in a rectangle of `width` x `height` metres."""
        return self.in_cells.count_variance(width / self.cell, height / self.cell)

    def _curve(self, name: str, r: ArrayLike) -> NDArray[np.float64]:
        curve = getattr(self.in_cells, name, None)
        if curve is None:
            known = "intensity, pair_correlation, k_function, count_variance"
            raise SpecError(f"{self.declared}: no closed form of {name} is known; it has {known}")
        found: NDArray[np.float64] = curve(self._cells(r))
        return found

    def _cells(self, r: ArrayLike) -> NDArray[np.float64]:
        return np.asarray(r, dtype=np.float64) / self.cell
