"""A released surface: expected points per block of cells, made of recorded noise alone.

Belongs here: the plain object that the process `released` draws from. Not here: the release that
it comes from (`privacy`), which no process may know.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import Cells


@dataclass(frozen=True, eq=False)
class ReleasedSurface:
    """Expected points of a point process that is uniform within each block of cells.

    Parameters
    ----------
    cells : Cells
        What the blocks cover, in cells of the world that reads it; nothing lies outside.
    side : int
        Cells along a block's side.
    expected : ndarray of float64, shape (rows, columns)
        Expected points per block, >= 0; south to north, west to east.

    Raises
    ------
    SpecError
        If the blocks do not cover the cells, or a value is negative or not finite.

    Examples
    --------
    >>> surface = ReleasedSurface(Cells(0, 0, 8, 4), 4, np.array([[2.0, 0.5]]))
    >>> surface.total
    2.5
    """

    cells: Cells
    side: int
    expected: NDArray[np.float64]

    def __post_init__(self) -> None:
        rows, columns = self.expected.shape
        if (columns * self.side, rows * self.side) != (self.cells.width, self.cells.height):
            raise SpecError(
                f"a released surface of {rows} x {columns} blocks of {self.side} cells does not "
                f"cover the cells {tuple(self.cells)}"
            )
        if not (np.isfinite(self.expected).all() and (self.expected >= 0).all()):
            raise SpecError("a released surface has a block with no finite expectation >= 0")

    @property
    def total(self) -> float:
        """Expected points in all blocks."""
        return float(self.expected.sum())
