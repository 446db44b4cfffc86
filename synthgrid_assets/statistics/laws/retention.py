"""What thinning leaves of a process in a rectangle of cells: the probability to stay.

Belongs here: the pixel grid of retention probabilities and its averages. Not here: how
thinning decides about a point (`processes.thinning.thinned`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import Cells

ROUNDING = 1e-9  # by which an area fraction may exceed 1


@dataclass(frozen=True, eq=False)
class Retention:
    """The probability that thinning keeps a point, by pixel of a rectangle of cells.

    Parameters
    ----------
    probability : ndarray of float64, shape (h * s, w * s)
        South to north, west to east; between 0 and 1, and 1 where nothing thins.
    pixels_per_cell : int
        Pixels along a cell's side, `s`; 1 where there is no surface.

    Raises
    ------
    GeometryError
        If the shape is no multiple of `s`, or a value is not a probability.

    Examples
    --------
    >>> left_half = Retention(np.array([[1.0, 0.0], [1.0, 0.0]]), pixels_per_cell=2)
    >>> left_half.by_cell.tolist(), left_half.constant
    ([[0.5]], None)
    """

    probability: NDArray[np.float64]
    pixels_per_cell: int = 1

    def __post_init__(self) -> None:
        p, s = self.probability, self.pixels_per_cell
        if p.ndim != 2 or s < 1 or p.size == 0 or p.shape[0] % s or p.shape[1] % s:
            raise GeometryError(
                f"retention of shape {p.shape} does not cover whole cells of {s} x {s} pixels; "
                "give shape (height * s, width * s)"
            )
        if not (float(p.min()) >= 0.0 and float(p.max()) <= 1.0 + ROUNDING):
            raise GeometryError(
                f"retention from {float(p.min())!r} to {float(p.max())!r} is no probability; "
                "give values from 0 to 1"
            )

    @classmethod
    def full(cls, width: int, height: int) -> Retention:
        """Nothing is thinned in `width` x `height` cells."""
        return cls(np.ones((height, width)))

    @classmethod
    def over(cls, cells: Cells, probability: NDArray[np.float64]) -> Retention:
        """The retention on a pixel grid that covers `cells`.

        Examples
        --------
        >>> Retention.over(Cells(0, 0, 3, 2), np.ones((8, 12))).pixels_per_cell
        4
        """
        return cls(probability, max(probability.shape[0] // max(cells.height, 1), 1))

    @property
    def width(self) -> int:
        """Number of cell columns."""
        return int(self.probability.shape[1]) // self.pixels_per_cell

    @property
    def height(self) -> int:
        """Number of cell rows."""
        return int(self.probability.shape[0]) // self.pixels_per_cell

    @cached_property
    def constant(self) -> float | None:
        """The one probability of all pixels; None where they differ."""
        first = float(self.probability[0, 0])
        return first if bool((self.probability == first).all()) else None

    @cached_property
    def by_cell(self) -> NDArray[np.float64]:
        """Mean probability of each cell, shape (height, width)."""
        return block_mean(self.probability, self.pixels_per_cell)

    def part(self, cells: Cells) -> Retention:
        """The retention in a rectangle of cells counted from this one's south-west corner."""
        s = self.pixels_per_cell
        rows = slice(cells.iy0 * s, cells.iy1 * s)
        return Retention(self.probability[rows, cells.ix0 * s : cells.ix1 * s], s)

    def resampled(self, pixels_per_cell: int) -> NDArray[np.float64]:
        """The probability on finer pixels (repeated) or coarser ones (averaged)."""
        s = self.pixels_per_cell
        if pixels_per_cell < s:
            return block_mean(self.probability, s // pixels_per_cell)
        finer = pixels_per_cell // s
        return self.probability.repeat(finer, axis=0).repeat(finer, axis=1)


def block_mean(grid: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Means of `side` x `side` blocks, shape of `grid` divided by `side`."""
    if side == 1:
        return grid
    height, width = grid.shape[0] // side, grid.shape[1] // side
    means: NDArray[np.float64] = grid.reshape(height, side, width, side).mean(axis=(1, 3))
    return means
