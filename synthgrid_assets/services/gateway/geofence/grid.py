"""The plane grid of a zone index: where cells are, in one arithmetic that all parts share.

Belongs here: positions to cells and cells to centres, and how fine a grid may be. Not here:
what stands in the cells (`rasterizing`, `compiling`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SLACK = 1e-4  # cells by which an edge may miss a cell and still is written into it
FLAT = 1e-3  # an edge that climbs less (in cells) is written into all cells of its width
_MOST_ACROSS = 4096
_FEWEST_ACROSS = 16
# A cell is at least so many units in the last place of the largest coordinate wide, so that a
# cell's centre, rounded to a double, stays within SLACK / 100 of the middle.
_PLACES_PER_CELL = 1e6


@dataclass(frozen=True)
class CellGrid:
    """A grid of square cells.

    Parameters
    ----------
    west, south : float
        Its corner.
    per_unit : float
        Cells in one unit of coordinates.
    across, up : int
        Columns and rows.
    """

    west: float
    south: float
    per_unit: float
    across: int
    up: int

    @classmethod
    def of(cls, bounds: tuple[float, float, float, float], edges: int) -> CellGrid:
        """The grid for zones within `bounds` that have so many edges in all.

        Half the square root of the edges across: then a cell that a boundary crosses holds a
        few edges, whatever the number of zones.

        Examples
        --------
        >>> CellGrid.of((0.0, 0.0, 10.0, 5.0), 40_000).across
        100
        """
        west, south, east, north = bounds
        extent = max(east - west, north - south)
        wanted = float(np.clip(0.5 * np.sqrt(edges), _FEWEST_ACROSS, _MOST_ACROSS))
        place = float(np.spacing(max(map(abs, bounds))))
        per_unit = min(wanted / (extent * 1.0000001), 1.0 / (_PLACES_PER_CELL * place))
        across = int((east - west) * per_unit) + 1
        return cls(west, south, per_unit, across, int((north - south) * per_unit) + 1)

    @property
    def cells(self) -> int:
        """How many there are; cell ``row * across + column`` is numbered by rows."""
        return self.across * self.up

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates of the columns' and the rows' centres, as lookups compute them."""
        x = self.west + (np.arange(self.across, dtype=np.float64) + 0.5) / self.per_unit
        y = self.south + (np.arange(self.up, dtype=np.float64) + 0.5) / self.per_unit
        return np.asarray(x, np.float64), np.asarray(y, np.float64)

    def in_cells(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates in cells from the corner, shape (n, 2).

        Differences of doubles are rounded once, relative to themselves, so that whatever the
        size of the coordinates the error stays below 2**12 * 2**-51 cells.
        """
        return np.column_stack(
            [(xy[:, 0] - self.west) * self.per_unit, (xy[:, 1] - self.south) * self.per_unit]
        )
