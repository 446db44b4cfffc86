"""The integer lattice that every world lives on: atom cells, quanta and point ids.

Belongs here: integer coordinates and their limits. Not here: tiles (`tiling`) and what
lies at a coordinate (`processes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.axes import axes_of
from synthgrid_assets.lattice.box import Box

CELL_BITS = 22
CELL = 1 << CELL_BITS  # quanta along one side of an atom cell
CELL_LIMIT = 1 << 22  # cell indices lie in [-CELL_LIMIT, CELL_LIMIT)
MAX_POINTS_PER_CELL = 1 << 16
SPECIAL_ID = np.int64(1) << np.int64(62)  # set on the ids of anchors and constraint nodes


class Cells(NamedTuple):
    """A half-open rectangle of atom cells ``[ix0, ix1) x [iy0, iy1)``.

    Examples
    --------
    >>> Cells(0, 0, 4, 2).grown(1)
    Cells(ix0=-1, iy0=-1, ix1=5, iy1=3)
    >>> Cells(0, 0, 4, 2).quanta()[2] == 4 * CELL
    True
    """

    ix0: int
    iy0: int
    ix1: int
    iy1: int

    @property
    def width(self) -> int:
        """Number of cell columns."""
        return self.ix1 - self.ix0

    @property
    def height(self) -> int:
        """Number of cell rows."""
        return self.iy1 - self.iy0

    @property
    def area(self) -> int:
        """Number of cells; 0 for an empty rectangle."""
        return max(self.width, 0) * max(self.height, 0)

    def grown(self, halo: int) -> Cells:
        """The rectangle with `halo` more cells on each side."""
        return Cells(self.ix0 - halo, self.iy0 - halo, self.ix1 + halo, self.iy1 + halo)

    def intersection(self, other: Cells) -> Cells:
        """The common rectangle; its `area` is 0 where there is none."""
        return Cells(
            max(self.ix0, other.ix0),
            max(self.iy0, other.iy0),
            min(self.ix1, other.ix1),
            min(self.iy1, other.iy1),
        )

    def quanta(self) -> tuple[int, int, int, int]:
        """The rectangle ``(x0, y0, x1, y1)`` in quanta, half-open."""
        return self.ix0 * CELL, self.iy0 * CELL, self.ix1 * CELL, self.iy1 * CELL

    def check(self) -> Cells:
        """The rectangle itself, or a refusal beyond the lattice's range.

        Raises
        ------
        GeometryError
            If a cell index lies outside ``[-2**22, 2**22)``.
        """
        low, high = min(self.ix0, self.iy0), max(self.ix1, self.iy1)
        if low < -CELL_LIMIT or high > CELL_LIMIT:
            raise GeometryError(
                f"cells {tuple(self)} lie outside the lattice's range of +-{CELL_LIMIT} cells; "
                "move the world's origin nearer or use larger cells"
            )
        return self


@dataclass(frozen=True)
class Lattice:
    """Where the lattice lies in a projected coordinate reference system.

    Parameters
    ----------
    crs : str
        A projected CRS, as ``EPSG:32633`` or WKT; its axes may have any unit.
    origin : tuple of two floats
        CRS coordinates of lattice point (0, 0), in the unit of the CRS.
    cell : float
        Side of an atom cell in metres.

    Examples
    --------
    >>> lattice = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
    >>> lattice.coordinates(np.array([CELL]), np.array([0]))[0].tolist()
    [500064.0]
    >>> feet = Lattice("EPSG:2222", (700000.0, 0.0), 30.48)
    >>> feet.coordinates(np.array([CELL]), np.array([0]))[0].tolist()
    [700100.0]
    """

    crs: str
    origin: tuple[float, float]
    cell: float

    @property
    def quantum(self) -> float:
        """Side of a quantum in metres."""
        return self.cell / CELL

    @property
    def unit(self) -> float:
        """Metres in one unit of the CRS: 1 but for feet and the like."""
        return axes_of(self.crs).unit

    @property
    def step(self) -> float:
        """Side of a quantum in units of the CRS."""
        return self.quantum / self.unit

    @property
    def cell_in_crs(self) -> float:
        """Side of an atom cell in units of the CRS."""
        return self.cell / self.unit

    def coordinates(
        self, x: NDArray[Any], y: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """CRS coordinates of lattice coordinates in quanta, by one fixed formula."""
        step = self.step
        return self.origin[0] + x * step, self.origin[1] + y * step

    def quanta(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Nearest lattice coordinates, in quanta, of CRS coordinates.

        Raises
        ------
        GeometryError
            If a coordinate is not finite or lies outside the lattice's range.
        """
        scaled = [
            np.rint((np.asarray(v, float) - o) / self.step)
            for v, o in zip((x, y), self.origin, strict=True)
        ]
        for name, given, values in zip("xy", (x, y), scaled, strict=True):
            bad = ~(np.abs(values) < float(CELL_LIMIT * CELL))
            if bad.any():
                at = int(np.flatnonzero(bad)[0])
                raise GeometryError(
                    f"{name} coordinate {float(given[at])} (number {at}) is not a finite "
                    f"position within {CELL_LIMIT} cells of the origin {self.origin}"
                )
        return scaled[0].astype(np.int64), scaled[1].astype(np.int64)

    def cells_of(self, bbox: Sequence[float]) -> Cells:
        """The smallest rectangle of cells with all lattice positions in `bbox` (CRS units).

        Raises
        ------
        GeometryError
            If the box is empty, not finite or outside the lattice's range.
        """
        if len(bbox) != 4:
            raise GeometryError(f"bbox {tuple(bbox)}: expected xmin, ymin, xmax, ymax")
        xmin, ymin, xmax, ymax = bbox
        if not (xmin < xmax and ymin < ymax):
            raise GeometryError(
                f"bbox {tuple(bbox)} is empty or not finite; give xmin < xmax and ymin < ymax "
                "in CRS units"
            )
        x, y = self.quanta(np.array([xmin, xmax]), np.array([ymin, ymax]))
        east, north = self.coordinates(x, y)
        # an end that was rounded down lies after a position that the box holds
        x[1] += east[1] < xmax
        y[1] += north[1] < ymax
        cells = Cells(
            int(x[0] >> CELL_BITS),
            int(y[0] >> CELL_BITS),
            int(-(-x[1] >> CELL_BITS)),
            int(-(-y[1] >> CELL_BITS)),
        )
        # quanta are rounded to the nearest: a box narrower than one still covers a cell
        widened = Cells(
            cells.ix0, cells.iy0, max(cells.ix1, cells.ix0 + 1), max(cells.iy1, cells.iy0 + 1)
        )
        return widened.check()

    def bounds(self, cells: Cells) -> Box:
        """The box of a rectangle of cells, in CRS units."""
        step, (x, y) = self.step, self.origin  # numbers alone: as `coordinates`
        x0, y0, x1, y1 = map(int, cells.quanta())
        return Box(x + x0 * step, y + y0 * step, x + x1 * step, y + y1 * step)


def point_ids(
    ix: NDArray[np.int64], iy: NDArray[np.int64], n: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Public ids ``(ix + 2**22) << 39 | (iy + 2**22) << 16 | n``, int64 and non-negative.

    Parameters
    ----------
    ix, iy : ndarray of int64
        Atom cell of each point.
    n : ndarray of int64
        Place of each point in its cell's canonical order, in ``[0, 2**16)``.

    Raises
    ------
    GeometryError
        If a cell holds 2**16 points or more.

    Examples
    --------
    >>> point_ids(np.array([-(2**22)]), np.array([-(2**22)]), np.array([5])).tolist()
    [5]
    """
    if n.size and int(n.max()) >= MAX_POINTS_PER_CELL:
        raise GeometryError(
            f"an atom cell holds {int(n.max()) + 1} points or more, the limit is "
            f"{MAX_POINTS_PER_CELL - 1}; use a smaller `world.cell`"
        )
    return (ix + CELL_LIMIT) << 39 | (iy + CELL_LIMIT) << 16 | n


def id_cells(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The atom cells of ids that `point_ids` gave, flagged with `SPECIAL_ID` or not.

    Examples
    --------
    >>> ids = point_ids(np.array([-3, 7]), np.array([5, -1]), np.array([0, 9]))
    >>> [axis.tolist() for axis in id_cells(ids | SPECIAL_ID)]
    [[-3, 7], [5, -1]]
    """
    plain = ids & ~SPECIAL_ID
    return (plain >> 39) - CELL_LIMIT, (plain >> 16 & (2 * CELL_LIMIT - 1)) - CELL_LIMIT
