"""Strips of a region that counters read one after the other, south to north.

Belongs here: a strip's points and retention, joining it to what lies south, and how a
counter is fed. Not here: what is counted (`seam`, `region_pairs`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, Cells


@dataclass(frozen=True, eq=False)
class Strip:
    """Points and mean retention by cell of a rectangle of cells.

    Parameters
    ----------
    cells : Cells
    x, y : ndarray of int64, shape (n,)
        In quanta, all inside.
    retention : ndarray of float64, shape (height, width)
        0 where no tile is committed.
    """

    cells: Cells
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    retention: NDArray[np.float64]

    @classmethod
    def row_of_tiles(
        cls,
        cells: Cells,
        x: NDArray[np.int64],
        y: NDArray[np.int64],
        retention: NDArray[np.float64],
        side: int,
    ) -> Strip:
        """A strip within one row of tiles; points outside of it are left out.

        Raises
        ------
        GeometryError
            If it spans several rows of tiles, or the retention has another shape.
        """
        if cells.iy0 // side != (cells.iy1 - 1) // side:
            raise GeometryError(f"cells {tuple(cells)} are not within one row of tiles of {side}")
        if retention.shape != (cells.height, cells.width):
            raise GeometryError(
                f"retention of shape {retention.shape} does not cover cells {tuple(cells)}"
            )
        x0, y0, x1, y1 = cells.quanta()
        inside = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        return cls(cells, x[inside], y[inside], retention)

    def transposed(self) -> Strip:
        """The same with x and y exchanged: its vertical lines are this one's horizontal."""
        ix0, iy0, ix1, iy1 = self.cells
        return Strip(Cells(iy0, ix0, iy1, ix1), self.y, self.x, self.retention.T)

    def on_top_of(self, below: Strip | None) -> Strip:
        """Joined with the strip below; alone if the two don't touch.

        Raises
        ------
        GeometryError
            If this strip does not lie north of the other.
        """
        if below is None:
            return self
        if self.cells.iy0 < below.cells.iy1:
            raise GeometryError(
                f"cells {tuple(self.cells)} do not lie north of row {below.cells.iy1}; add rows of "
                "tiles south to north"
            )
        touching = below.cells._replace(iy0=below.cells.iy1, iy1=self.cells.iy1)
        if touching != self.cells:
            return self
        return Strip(
            self.cells._replace(iy0=below.cells.iy0),
            np.concatenate([below.x, self.x]),
            np.concatenate([below.y, self.y]),
            np.vstack([below.retention, self.retention]),
        )

    def northern_rows(self, rows: int) -> Strip:
        """The northernmost `rows` rows of cells, or all if there are fewer."""
        cells = self.cells._replace(iy0=max(self.cells.iy1 - rows, self.cells.iy0))
        kept = self.y >= cells.iy0 * CELL
        grid = self.retention[cells.iy0 - self.cells.iy0 :]
        return Strip(cells, self.x[kept], self.y[kept], grid)


class RowCounter(ABC):
    """Base of counters that are fed one row of tiles at a time.

    Subclasses count in `_count` and say there how much of the row the next one needs.

    Parameters
    ----------
    side : int
        Cells along a tile's side.
    """

    def __init__(self, side: int) -> None:
        self._side = side
        self._below: Strip | None = None

    def add(
        self,
        cells: Cells,
        x: NDArray[np.int64],
        y: NDArray[np.int64],
        retention: NDArray[np.float64],
    ) -> None:
        """Count one row of tiles, and across its border with the row below.

        Parameters
        ----------
        cells : Cells
            The row's rectangle; each call lies to the north of the one before.
        x, y : ndarray of int64, shape (n,)
            Its points in quanta, in any order; points elsewhere are ignored.
        retention : ndarray of float64, shape (height, width)
            Mean retention of each cell, 0 where no tile is committed.

        Raises
        ------
        GeometryError
            If the rectangle is not within one row of tiles, or not north of the last.
        """
        strip = Strip.row_of_tiles(cells, x, y, retention, self._side)
        self._below = self._count(strip, strip.on_top_of(self._below))

    @abstractmethod
    def _count(self, strip: Strip, band: Strip) -> Strip:
        """Count in `strip` and in `band` (it and what was kept below); what to keep of them."""
