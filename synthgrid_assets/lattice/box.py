"""A rectangle of the plane in CRS units; rectangles of cells are `Cells`.

Belongs here: the one small type. Not here: conversions to cells (`Lattice`), readers' filters.
"""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """``xmin, ymin, xmax, ymax``, in this order everywhere (as in GeoParquet's bbox).

    A tuple of four floats, so that readers which take a plain one take this too.

    Examples
    --------
    >>> Box(0.0, 0.0, 2.0, 1.0).union(Box(1.0, -1.0, 1.5, 0.5))
    Box(xmin=0.0, ymin=-1.0, xmax=2.0, ymax=1.0)
    """

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(
            min(self.xmin, other.xmin),
            min(self.ymin, other.ymin),
            max(self.xmax, other.xmax),
            max(self.ymax, other.ymax),
        )
