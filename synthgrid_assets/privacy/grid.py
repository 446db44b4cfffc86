"""The public grid of a private data set: the blocks whose counts are released, fixed for good.

Belongs here: where the blocks lie, and when another world lies on the same ground. Not here:
what is counted (`source`), what is asked (`releases`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from synthgrid_assets.errors import PrivacyError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import Cells, Lattice

TOLERANCE = 1e-3  # of a cell, by which two lattices may differ and count as one


@dataclass(frozen=True)
class Grid:
    """Half-open square blocks of cells, row by row from the south-west.

    Parameters
    ----------
    lattice : Lattice
    cells : Cells
        What the blocks cover: their edges are multiples of `side`.
    side : int
        Cells along a block's side.

    Examples
    --------
    >>> utm = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
    >>> grid = Grid(utm, Cells(0, 0, 8, 4), 4)
    >>> grid.shape, grid.block_metres, grid.bounds
    ((1, 2), 256.0, Box(xmin=500000.0, ymin=5400000.0, xmax=500512.0, ymax=5400256.0))
    """

    lattice: Lattice
    cells: Cells
    side: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return self.cells.height // self.side, self.cells.width // self.side

    @property
    def block_metres(self) -> float:
        """Side of a block."""
        return self.side * self.lattice.cell

    @property
    def bounds(self) -> Box:
        """Box of all blocks, in CRS units."""
        return self.lattice.bounds(self.cells)

    def as_json(self) -> dict[str, Any]:
        """Its public fields, as they are recorded."""
        return {
            "crs": self.lattice.crs,
            "origin": [float(axis) for axis in self.lattice.origin],
            "cell": float(self.lattice.cell),
            "cells": list(self.cells),
            "side": self.side,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Grid:
        """The grid that `as_json` described."""
        east, north = fields["origin"]
        lattice = Lattice(fields["crs"], (east, north), fields["cell"])
        return cls(lattice, Cells(*fields["cells"]), fields["side"])

    def placed_on(self, lattice: Lattice) -> Cells:
        """What the blocks cover, in cells of another world's lattice on the same ground.

        The lattices are one where their CRS is the same however it is spelled, their cells are
        equally large, and their origins differ by whole cells, all to a thousandth of a cell.

        Raises
        ------
        PrivacyError
            If they are not: other blocks would be a second count of the same data.

        Examples
        --------
        >>> grid = Grid(Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0), Cells(0, 0, 8, 4), 4)
        >>> grid.placed_on(Lattice("epsg:32633", (500064.0000001, 5400000.0), 64.0))
        Cells(ix0=-1, iy0=0, ix1=7, iy1=4)
        """
        own = self.lattice
        extent = max(abs(edge) for edge in self.cells) + 1
        shifts = [(a - b) / own.cell for a, b in zip(own.origin, lattice.origin, strict=True)]
        off = [abs(shift - round(shift)) for shift in shifts]
        stretched = extent * abs(lattice.cell / own.cell - 1)
        if not same_crs(own.crs, lattice.crs) or max(*off, stretched) > TOLERANCE:
            raise PrivacyError(
                f"the data set's blocks were registered for crs {own.crs!r}, origin "
                f"{list(own.origin)} and cell {own.cell!r}; this world has {lattice.crs!r}, "
                f"{list(lattice.origin)} and {lattice.cell!r}. Blocks elsewhere would be a second "
                "count of the same data: use the registered crs and cell, and an origin that "
                "differs by whole cells"
            )
        east, north = (round(shift) for shift in shifts)
        west, south = self.cells.ix0 + east, self.cells.iy0 + north
        return Cells(west, south, west + self.cells.width, south + self.cells.height)


def same_crs(one: str, other: str) -> bool:
    """Whether two texts name the same reference system.

    Examples
    --------
    >>> same_crs("EPSG:32633", "urn:ogc:def:crs:EPSG::32633"), same_crs("EPSG:32633", "EPSG:32634")
    (True, False)
    """
    from pyproj import CRS

    if one == other:
        return True
    a, b = CRS.from_user_input(one), CRS.from_user_input(other)
    return bool(a.equals(b, ignore_axis_order=True)) or (
        a.to_epsg() is not None and a.to_epsg() == b.to_epsg()
    )
