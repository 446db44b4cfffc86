"""The flat strategy: every cell's count, with noise of its own.

Belongs here: this strategy. Not here: what all strategies share (`strategy`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.privacy.strategies.nonnegative import top_down
from synthgrid_assets.privacy.strategies.strategy import Strategy


@dataclass(frozen=True)
class Flat(Strategy):
    """Counts of all cells: the best for single cells and small rectangles.

    Examples
    --------
    >>> from synthgrid_assets.privacy.strategies.terms import Loss
    >>> flat = Flat((2, 2), Loss.of_epsilon(1))
    >>> flat.estimate(np.array([3, -1, 0, 7]), 0, 0, 2, 2).value
    9.0
    """

    name: ClassVar[str] = "flat"
    version: ClassVar[int] = 1

    @property
    def size(self) -> int:
        """One integer for each cell."""
        return self.shape[0] * self.shape[1]

    def l1_sensitivity(self) -> int:
        """All points of a unit."""
        return self.unit.points

    def l2_sensitivity_squared(self) -> int:
        """A unit's cells are different cells, so squares add up over these alone."""
        return self.unit.max_cells * self.unit.max_points_per_cell**2

    def apply(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The counts by row."""
        return counts.ravel()

    def unbiased(self, recorded: NDArray[np.int64]) -> NDArray[np.float64]:
        """The recorded integers themselves."""
        return self.check_recorded(recorded).astype(float).reshape(self.shape)

    def rectangle_factor(self, row0: int, column0: int, row1: int, column1: int) -> float:
        """The rectangle's cells: noises add up."""
        return float((row1 - row0) * (column1 - column0))

    def cell_factors(self) -> NDArray[np.float64]:
        """Ones."""
        return np.ones(self.shape)

    def mean_factor(self, height: int, width: int) -> float:
        """The same everywhere."""
        return float(height * width)

    def excess(self, beta: float) -> float:
        """The exact quantile of one number's noise."""
        z, pmf = self.noise.pmf
        at_least = np.cumsum(pmf[::-1])[::-1]
        return float(z[np.argmax(at_least <= beta)])

    def nonnegative(
        self, recorded: NDArray[np.int64], support: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """Non-negative counts near the recorded sums of blocks of all sizes.

        Cutting off at 0 would keep positive noise and lose negative: a total that is far too
        large. The larger a block, the better its sum is known for its size.
        """
        return top_down(self.unbiased(recorded), support)
