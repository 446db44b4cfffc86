"""What all Poisson cluster processes have in common: parents, broods, and their distances.

Belongs here: the half of a law and of its parameters that no displacement enters. Not here:
the shape of a cluster (`thomas`, `matern_cluster`), the drawing of parents (`parents`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthgrid_assets.processes.family import Parameters, check_density, exact, per_cell


class ClusterParameters(Parameters):
    """What a world file says of any cluster process."""

    parents_per_km2: float = Field(gt=0, description="cluster centres per square kilometre")
    mean_offspring: float = Field(gt=0, description="expected points per cluster")

    def means(self, process: str, cell_metres: float) -> tuple[Fraction, Fraction]:
        """Exact means of the parents of a cell and of the offspring of a parent.

        Raises
        ------
        SpecError
            If one of the two is more than an atom cell can hold.
        """
        parents = per_cell(self.parents_per_km2, cell_metres)
        check_density(process, "parents_per_km2", parents)
        offspring = exact(self.mean_offspring)
        check_density(process, "mean_offspring", offspring)
        return parents, offspring


def check_clusters(process: str, means: tuple[Fraction, Fraction], variance: float) -> None:
    """Refuse clusters of which an atom cell could hold more points than it may.

    Parameters
    ----------
    process : str
        What to name in the message.
    means : tuple of two Fraction
        Of `ClusterParameters.means`.
    variance : float
        Variance of a cell's count.

    Raises
    ------
    SpecError
        If the limit is too near.
    """
    name = "parents_per_km2 * mean_offspring"
    check_density(process, name, means[0] * means[1], variance)


@dataclass(frozen=True)
class ClusterLaw(ABC):
    """Base of the laws of Poisson parents with Poisson broods; lengths in any one unit.

    Subclasses add the displacement, and F and G in `_distances`.

    Parameters
    ----------
    kappa : float
        Parents per unit area, > 0.
    mu : float
        Mean number of offspring per parent, > 0.
    """

    kappa: float
    mu: float

    @property
    def hard_core(self) -> float:
        """0: siblings may lie anywhere."""
        return 0.0

    @property
    def intensity(self) -> float:
        """Expected points per unit area."""
        return self.kappa * self.mu

    def empty_space(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """F(r), shape of `r`: probability of a point within r of a fixed place."""
        return self._distances(r)[0]

    def nearest_neighbour(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """G(r), shape of `r`: probability of another point within r of a typical point."""
        return self._distances(r)[1]

    @abstractmethod
    def _distances(self, r: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """F and G at ascending radii."""
