"""Footprints and parcels of a layer as zones of others, drawn again wherever they are asked for.

Belongs here: from a layer's points to its polygons in any rectangle, and what other layers ask of
them: membership, area, distance. Not here: vertices (`footprints`, `subdivision`), kernels
(`polygons`), which layer names which zones (`world.shapes`).

No polygon has to be stored, and no tile can see a seam: the points whose polygons can touch a
rectangle are those within their reach of it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.processes.protocol import Process
from synthgrid_assets.processes.shapes.footprint_table import AnyFootprint, span
from synthgrid_assets.processes.shapes.footprints import rings_about
from synthgrid_assets.processes.shapes.parcels_table import ParcelsTable
from synthgrid_assets.processes.shapes.polygons import PolygonIndex, Polygons, covered
from synthgrid_assets.processes.shapes.subdivision import Cuts
from synthgrid_assets.processes.thinning.proximity import PIXELS, Segments

_BLOCK = 16  # cells along the side of what is drawn at once, aligned to lattice point (0, 0)
_KEPT = 32  # blocks that stay in memory


class Shapes(Protocol):
    """Polygons of a layer, wherever they are asked for."""

    @property
    def points(self) -> Process:
        """The layer's points."""
        ...

    @property
    def reach(self) -> int:
        """How far, in quanta, a polygon depends on randomness elsewhere."""
        ...

    @property
    def block(self) -> int:
        """Cells along the side of squares that are best drawn at once."""
        ...

    def polygons(self, cells: Cells) -> Polygons:
        """At least all polygons that touch `cells`."""
        ...


@dataclass(frozen=True, eq=False)
class LayerFootprints:
    """The footprints of a layer.

    Parameters
    ----------
    points : Process
        The layer's points.
    table : RectangleTable, PolygonTable or CircleTable
    key : tuple of two uint64
        Stream key of the footprints.
    cell_metres : float
    lines : Paths, optional
        What they stand along.
    """

    points: Process
    table: AnyFootprint
    key: Key
    cell_metres: float
    lines: Paths | None = None
    block = _BLOCK

    @property
    def reach(self) -> int:
        """From a footprint's farthest place to its point, and the points' own."""
        return self._span + self.points.reach

    @property
    def _span(self) -> int:
        return math.ceil(span(self.table) / self.cell_metres * CELL) + 1

    def polygons(self, cells: Cells) -> Polygons:
        """The footprints of all points within their reach of some cells."""
        points = self.points.points(cells.grown(-(-self._span // CELL)))
        made = rings_about(points, self.table, self.key, self.cell_metres, self.lines)
        return Polygons.of_rows(made.x, made.y)


@dataclass(frozen=True, eq=False)
class LayerParcels:
    """The parcels of a layer.

    Parameters
    ----------
    points : Process
        The layer's points.
    table : ParcelsTable
    key : tuple of two uint64
        Stream key of the parcels.
    cell_metres : float
    occupied : bool
        Whether those alone that hold a point of the layer.
    """

    points: Process
    table: ParcelsTable
    key: Key
    cell_metres: float
    occupied: bool = False

    @property
    def reach(self) -> int:
        """The side of a block, which is cut as a whole, and the points' own."""
        return self.table.block * CELL + self.points.reach

    @property
    def block(self) -> int:
        """Whole blocks."""
        return self.table.block * -(-_BLOCK // self.table.block)

    def polygons(self, cells: Cells) -> Polygons:
        """The parcels of all blocks that meet some cells."""
        cuts = Cuts.of(self.table, self.key, self.cell_metres)
        whole = cuts.blocks(cells)
        found = cuts.parcels(whole, self.points.points(whole))
        if self.occupied:
            found = found.take(found.points > 0)
        x = np.stack((found.x0, found.x1, found.x1, found.x0), axis=1)
        y = np.stack((found.y0, found.y0, found.y1, found.y1), axis=1)
        return Polygons.of_rows(x, y)


class ShapeZones:
    """The union of a layer's polygons, as a mask that is drawn where it is asked for.

    Parameters
    ----------
    shapes : Shapes
    """

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self._known: OrderedDict[tuple[int, int], PolygonIndex] = OrderedDict()

    @property
    def reach(self) -> int:
        """How far membership depends on randomness elsewhere, in quanta."""
        return self.shapes.reach

    def contains(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each lattice point lies in a polygon, exactly: shape (n,).

        Half-open as other masks: of two polygons with a common border one holds a point of it.
        """
        out = np.zeros(x.size, np.bool_)
        side = self.shapes.block << CELL_BITS
        column, row = x // side, y // side
        order = np.lexsort((column, row))
        begins = np.ones(order.size, np.bool_)
        begins[1:] = np.diff(column[order]) != 0
        begins[1:] |= np.diff(row[order]) != 0
        for own in np.split(order, np.flatnonzero(begins)[1:]) if order.size else ():
            index = self._index(int(column[own[0]]), int(row[own[0]]))
            out[own] = index.contains(x[own], y[own])
        return out

    def coverage(self, cells: Cells) -> NDArray[np.float64]:
        """Area fraction of each cell inside, south to north: shape (h, w)."""
        pixels = self.retention(cells).reshape(cells.height, PIXELS, cells.width, PIXELS)
        share: NDArray[np.float64] = pixels.mean(axis=(1, 3))
        return share

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Area fraction of each pixel inside, shape (8 h, 8 w): polygons are finer than cells."""
        return covered(self.shapes.polygons(cells.check()), cells)

    def is_empty(self, cells: Cells) -> bool:
        """Whether no part of the cells lies inside."""
        return not self.retention(cells).any()

    def _index(self, column: int, row: int) -> PolygonIndex:
        place = column, row
        if place in self._known:
            self._known.move_to_end(place)
            return self._known[place]
        side = self.shapes.block
        x, y = column * side, row * side
        cells = Cells(x, y, x + side, y + side)
        self._known[place] = PolygonIndex.over(self.shapes.polygons(cells), cells)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return self._known[place]


@dataclass(frozen=True, eq=False)
class ShapeTargets:
    """Polygons of a layer as what distances are measured to.

    Parameters
    ----------
    shapes : Shapes
    zones : ShapeZones or None
        The inside, at distance 0; None where distances are those to the sides.
    """

    shapes: Shapes
    zones: ShapeZones | None = None

    @property
    def points(self) -> Process:
        """The layer's points."""
        return self.shapes.points

    @property
    def reach(self) -> int:
        """How far a side depends on randomness elsewhere."""
        return self.shapes.reach

    def segments(self, cells: Cells) -> Segments:
        """The sides of all polygons that touch `cells`."""
        return self.shapes.polygons(cells).sides()

    def contains(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which points lie inside, at distance 0."""
        return np.zeros(x.size, np.bool_) if self.zones is None else self.zones.contains(x, y)
