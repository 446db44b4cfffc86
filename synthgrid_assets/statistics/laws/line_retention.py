"""Retention of clusters on lines: how much of each cluster lies in a tile.

Belongs here: the law of the tile's count from these shares. Not here: the shares
(`processes.on_lines.walk`), other laws' counts (`count_distribution`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.cluster.generating_function import count_pmf
from synthgrid_assets.processes.count_models import LineClusters
from synthgrid_assets.statistics.laws.retention import Retention


def _nothing() -> NDArray[np.float64]:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class LineRetention(Retention):
    """What a tile holds of lines, and of clusters along them.

    Parameters
    ----------
    probability : ndarray of float64, shape (h, w)
        Length of line in each cell, as a share of the most that any holds.
    pixels_per_cell : int
    catch, weight : ndarray of float64, shape (n,)
        Probability that a point of a cluster lies in the tile, by places of its centre, and the
        length of line in quanta that each of these stands for.

    Examples
    --------
    >>> whole = LineRetention(np.ones((1, 1)), 1, np.array([1.0]), np.array([50.0]))
    >>> [round(moment, 6) for moment in whole.moments(LineClusters(0.1, 3.0))]
    [15.0, 60.0]
    """

    catch: NDArray[np.float64] = field(default_factory=_nothing)
    weight: NDArray[np.float64] = field(default_factory=_nothing)

    @classmethod
    def of(
        cls,
        cells: Cells,
        probability: NDArray[np.float64],
        catches: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> LineRetention:
        """The retention on a grid that covers `cells`, with shares of clusters in all of it."""
        whole = Retention.over(cells, probability)
        return cls(whole.probability, whole.pixels_per_cell, *catches)

    def moments(self, model: LineClusters) -> tuple[float, float]:
        """Mean and variance of the tile's count."""
        mean = model.kappa * model.mu * float(np.dot(self.weight, self.catch))
        clustered = model.kappa * model.mu**2 * float(np.dot(self.weight, self.catch**2))
        return mean, mean + clustered

    def pmf(self, model: LineClusters) -> NDArray[np.float64]:
        """Probability of 0, 1, 2 ... points in the tile."""
        if self.catch.size == 0:
            return np.ones(1)
        return count_pmf(model.kappa, model.mu, self.catch, self.weight)
