"""The quadtree strategy: counts of blocks of every power of two, made consistent.

Belongs here: this strategy. Not here: what all strategies share (`strategy`), and blocks
(`tree_blocks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.privacy.strategies.nonnegative import top_down
from synthgrid_assets.privacy.strategies.strategy import Strategy
from synthgrid_assets.privacy.strategies.tree_blocks import (
    halve,
    mean_overlap_square,
    overlap_square,
    pad,
    padded_length,
    spread,
    top_side,
)

# Weight of blocks of side 1, 2, 4 ... 64 (0: not measured): a block's count has noise of
# scale / weight. For rho the weights' squares share the loss, for epsilon the weights
# themselves, so there fewer sides are best. The weights minimise the product of the expected
# variances of squares of side 1, 2, 4 ... 64, as whole numbers; any others are as private.
_WEIGHTS = {"rho": (16, 8, 6, 5, 4, 3, 2), "epsilon": (8, 0, 0, 0, 1, 0, 0)}


@dataclass(frozen=True)
class Quadtree(Strategy):
    """Counts of all blocks from single cells up to 64 x 64, each measured once.

    Examples
    --------
    >>> from synthgrid_assets.privacy.strategies.terms import Loss
    >>> tree = Quadtree((64, 64), Loss.of_rho("0.5"))
    >>> flat_rmse = (32 * 32 * 1.0) ** 0.5
    >>> tree.sides, tree.expected_rmse(32, 32) < flat_rmse
    ((1, 2, 4, 8, 16, 32, 64), True)
    """

    name: ClassVar[str] = "quadtree"
    version: ClassVar[int] = 1

    @cached_property
    def sides(self) -> tuple[int, ...]:
        """Sides of the measured blocks, cells first."""
        return tuple(1 << level for level, _ in self._measured)

    @property
    def weights(self) -> tuple[int, ...]:
        """Whole factor of the counts of each side."""
        return tuple(weight for _, weight in self._measured)

    @cached_property
    def _measured(self) -> list[tuple[int, int]]:
        """Levels that are measured, and their weights."""
        table = _WEIGHTS[self.loss.measure][: top_side(*self.shape).bit_length()]
        return [(level, weight) for level, weight in enumerate(table) if weight]

    @cached_property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of whole blocks; what lies beyond the grid is empty."""
        rows, columns = (padded_length(length, self.sides[-1]) for length in self.shape)
        return rows, columns

    @property
    def size(self) -> int:
        """One integer for each block of each side."""
        rows, columns = self.padded
        return sum((rows // side) * (columns // side) for side in self.sides)

    def l1_sensitivity(self) -> int:
        """A point lies in one block of each side: the sum over its path."""
        return self.unit.points * sum(self.weights)

    def l2_sensitivity_squared(self) -> int:
        """Points of one unit may share all blocks above the cells: squares do not add up."""
        return self.unit.points**2 * sum(weight**2 for weight in self.weights)

    def apply(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Weighted counts, cells first."""
        grids = self._sums(pad(counts, *self.padded))
        measured = [w * grid.ravel() for w, grid in zip(self.weights, grids, strict=True)]
        return np.asarray(np.concatenate(measured), np.int64)

    def unbiased(self, recorded: NDArray[np.int64]) -> NDArray[np.float64]:
        """Weighted least squares, which make all levels agree."""
        return self._solve(self._adjoint(self.check_recorded(recorded)))[self._inside]

    def rectangle_factor(self, row0: int, column0: int, row1: int, column1: int) -> float:
        """By the projections on blocks, which are products over rows and columns."""
        return self._factor(
            [
                overlap_square(row0, row1, side) * overlap_square(column0, column1, side)
                for side in self.sides
            ]
        )

    def cell_factors(self) -> NDArray[np.float64]:
        """The same for each cell."""
        return np.full(self.shape, self.rectangle_factor(0, 0, 1, 1))

    def mean_factor(self, height: int, width: int) -> float:
        """The mean of a product over independent places is the product of means."""
        rows, columns = self.shape
        return self._factor(
            [
                mean_overlap_square(rows, height, side) * mean_overlap_square(columns, width, side)
                for side in self.sides
            ]
        )

    def nonnegative(
        self, recorded: NDArray[np.int64], support: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """Non-negative counts near the consistent estimates of blocks of all sizes."""
        return top_down(self.unbiased(recorded), support)

    @property
    def _inside(self) -> tuple[slice, slice]:
        return slice(self.shape[0]), slice(self.shape[1])

    @cached_property
    def _eigenvalues(self) -> tuple[float, ...]:
        """Eigenvalues of A'A, on what varies within blocks of the next side only."""
        total, values = 0, []
        for side, weight in zip(self.sides, self.weights, strict=True):
            total += weight**2 * side**2
            values.append(float(total))
        return tuple(values)

    def _factor(self, squares: list[float]) -> float:
        """``v' (A'A)**-1 v`` from the squared lengths of v's projections on blocks."""
        parts = [finer - coarser for finer, coarser in pairwise([*squares, 0.0])]
        return sum(p / e for p, e in zip(parts, self._eigenvalues, strict=True))

    def _levels(self, recorded: NDArray[np.int64]) -> list[NDArray[np.float64]]:
        """The recorded integers as one grid for each side."""
        grids, start, (rows, columns) = [], 0, self.padded
        for side in self.sides:
            shape = rows // side, columns // side
            stop = start + shape[0] * shape[1]
            grids.append(recorded[start:stop].astype(float).reshape(shape))
            start = stop
        return grids

    def _adjoint(self, recorded: NDArray[np.int64]) -> NDArray[np.float64]:
        """``A'y``, on the padded grid."""
        out = np.zeros(self.padded)
        terms = zip(self.sides, self.weights, self._levels(recorded), strict=True)
        for side, weight, grid in terms:
            out += spread(weight * grid, side)
        return out

    def _solve(self, b: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(A'A)**-1 b``: each level's own part over its eigenvalue."""
        means = [s / side**2 for s, side in zip(self._sums(b), self.sides, strict=True)]
        averaged = [spread(m, side) for m, side in zip(means, self.sides, strict=True)]
        out = np.zeros_like(b)
        for finer, coarser, eigenvalue in zip(
            averaged, [*averaged[1:], np.zeros_like(b)], self._eigenvalues, strict=True
        ):
            out += (finer - coarser) / eigenvalue
        return out

    def _sums(self, grid: NDArray[Any]) -> list[NDArray[Any]]:
        """Sums over the blocks of each measured side."""
        sums, side = [], 1
        for wanted in self.sides:
            while side < wanted:
                grid, side = halve(grid), 2 * side
            sums.append(grid)
        return sums
