"""The picture of a tile of triangles or cells, with the halo that it was computed from.

Belongs here: which part of a tile is shown, and what around it. Not here: the canvas
(`canvas`), the tessellation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import CELL, Cells, id_cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.pictures.canvas import INDEX, Canvas
from synthgrid_assets.products.pictures.raster import closed_rings, reach_of, rings_beside_boxes
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.tessellation.constrained import ConstrainedTriangles
from synthgrid_assets.tessellation.tile import Tessellation

SIDE = 320  # pixels
LEGIBLE = 400  # sites of a tile that is shown whole; of a fuller one, a corner is
ENLARGED = 120  # sites that such a corner holds
AROUND = 0.3  # what is shown beyond the tile's border, as a part of what is shown of the tile
MOST_AROUND = 4000  # sites expected in view beyond which what surrounds the tile is left out

Rows = Tessellation | ConstrainedTriangles
Kind = TypeVar("Kind", bound=Rows)


@dataclass(frozen=True)
class View:
    """The square of the plane that a picture shows.

    Parameters
    ----------
    box : tuple of four floats
        In quanta.
    part : str
        ``NE corner`` and the like; empty where the whole tile is shown.
    """

    box: Box
    part: str = ""

    @property
    def cells(self) -> Cells:
        """The cells that meet the square."""
        (x0, y0), (x1, y1) = ([int(v // CELL) for v in self.box[k : k + 2]] for k in (0, 2))
        return Cells(x0, y0, x1 + 1, y1 + 1)


def view_of(tessellation: Tessellation) -> View:
    """The whole tile and its halo; of a tile with many sites, its fullest corner."""
    x0, y0, x1, y1 = tessellation.cells.quanta()
    if len(tessellation) <= LEGIBLE:
        side = max(x1 - x0, y1 - y0)
        reach = side / 2 + min(tessellation.halo * CELL, AROUND * side)
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        return View(Box(x - reach, y - reach, x + reach, y + reach))
    reaches = {
        (x, y): int(reach_of(tessellation.x, tessellation.y, x, y, ENLARGED + 1))
        for y in (y0, y1)
        for x in (x0, x1)
    }
    x, y = min(reaches, key=lambda corner: reaches[corner])
    inner = min(reaches[x, y] + 1, x1 - x0, y1 - y0)
    outer = AROUND * inner
    west, east = (outer, inner) if x == x0 else (inner, outer)
    south, north = (outer, inner) if y == y0 else (inner, outer)
    name = f"{'S' if y == y0 else 'N'}{'W' if x == x0 else 'E'} corner"
    return View(Box(x - west, y - south, x + east, y + north), name)


@dataclass(frozen=True, eq=False)
class Rings:
    """Rings of shapes, as whole numbers.

    Parameters
    ----------
    xy : ndarray of int64, shape (m, 2)
        In quanta times `scale`.
    offsets : ndarray of int64, shape (n + 1,)
    scale : int
        A power of two.
    """

    xy: NDArray[np.int64]
    offsets: NDArray[np.int64]
    scale: int = 1

    def beside(self, border: Box, view: Box) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rings are not inside a box, and which have bounds that meet another, in quanta."""
        boxes = (np.array(box, np.float64) * self.scale for box in (border, view))
        return rings_beside_boxes(self.xy, self.offsets, *boxes)  # type: ignore[no-any-return]

    def take(self, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Some of the rings, closed, and their offsets, in quanta."""
        xy, offsets = closed_rings(self.xy, self.offsets, chosen)
        return xy / self.scale, offsets


@dataclass(frozen=True)
class Shapes(Generic[Kind]):
    """The shapes of a tessellation that a picture shows: its triangles or its cells.

    Parameters
    ----------
    made : callable
        What the shapes of some cells are made from.
    rings : callable
        Their rings.
    touching : callable
        Which shapes of other tiles share a border with those of a tile.
    """

    made: Callable[[LayerContext, Cells], Kind]
    rings: Callable[[Kind], Rings]
    touching: Callable[[Kind, Tessellation], NDArray[np.bool_]]


def tessellation_picture(context: LayerContext, tile: Tile, shapes: Shapes[Kind]) -> bytes:
    """A PNG of a tile's triangles or cells, its border, and the shaded halo around it.

    Rows that cross the border have a colour of their own, and so have constraints. Faint,
    around them: the rows of other tiles that they touch, and the sites that had to be known
    to prove all this.

    Parameters
    ----------
    context : LayerContext
    tile : Tile
    shapes : Shapes
        `TRIANGLE_SHAPES` or `CELL_SHAPES`.
    """
    own = context.cache.tessellation(tile.cells)
    made = shapes.made(context, tile.cells)
    view, border = view_of(own), _box(own.cells)
    canvas = Canvas(view.box, side=SIDE, margin=0)
    canvas.box(_box(made.loaded), fill="halo")
    canvas.box(border, fill="paper")
    around = _around(context, view, own, shapes)
    if around is not None:
        rings = shapes.rings(around)
        shown = shapes.touching(around, own) & rings.beside(border, view.box)[1]
        canvas.shapes(*rings.take(shown), "faint")
        canvas.dots(_sites(around, view.box), "faint", radius=1)
    rings = shapes.rings(made)
    crossing, shown = rings.beside(border, view.box)
    fills = np.where(crossing, INDEX["crossing"], INDEX["inside"])[shown]
    canvas.shapes(*rings.take(shown), "line", fills)
    if isinstance(made, ConstrainedTriangles):
        canvas.lines(_constraints(made), "constraint")
    canvas.dots(_sites(own, view.box), "ink", radius=1)
    canvas.box(border, outline="frame")
    part = f"; {view.part}" if view.part else f"; halo {made.halo} cells"
    return canvas.png(f"{crossing.size:,} rows, {int(crossing.sum()):,} cross the border{part}")


def _around(
    context: LayerContext, view: View, own: Tessellation, shapes: Shapes[Kind]
) -> Kind | None:
    """The rows of all that is in view; None where they would cost more than they show."""
    if len(own) * view.cells.area > MOST_AROUND * own.cells.area:
        return None
    try:
        return shapes.made(context, view.cells)
    except GeometryError:  # a void beyond the tile, which itself needs no halo so wide
        return None


def _triangles(context: LayerContext, cells: Cells) -> Rows:
    return context.cache.triangles(cells)


def _triangle_rings(rows: Rows) -> Rings:
    return Rings(rows.triangle_xy.reshape(-1, 2), 3 * np.arange(len(rows.triangle_xy) + 1))


def _touching_triangles(around: Rows, own: Tessellation) -> NDArray[np.bool_]:
    """Those with a corner of the tile that belong to another one."""
    x0, y0, x1, y1 = own.cells.quanta()
    x, y = around.triangle_xy[:, 0::2], around.triangle_xy[:, 1::2]
    mine = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    return np.asarray(mine.any(axis=1) & ~mine[:, 0])


def _cells(context: LayerContext, cells: Cells) -> Tessellation:
    return context.cache.tessellation(cells)


def _cell_rings(rows: Tessellation) -> Rings:
    return Rings(rows.ring, rows.ring_offsets, VERTEX_SCALE)


def _touching_cells(around: Tessellation, own: Tessellation) -> NDArray[np.bool_]:
    """Those of neighbours of the tile's sites, whose ids say in which cells these lie."""
    x0, y0, x1, y1 = own.cells.quanta()
    mine = (around.x >= x0) & (around.x < x1) & (around.y >= y0) & (around.y < y1)
    ix, iy = id_cells(around.neighbour)
    beside = (ix >= own.cells.ix0) & (ix < own.cells.ix1)
    beside &= (iy >= own.cells.iy0) & (iy < own.cells.iy1)
    before = np.concatenate(([0], np.cumsum(beside)))[around.neighbour_offsets]
    return np.asarray((np.diff(before) > 0) & ~mine)


def _constraints(rows: ConstrainedTriangles) -> NDArray[np.float64]:
    """Both ends of the triangles' edges along constraints, shape (n, 2, 2), in quanta."""
    corners = rows.triangle_xy.reshape(-1, 3, 2)[:, [0, 1, 2, 0]].astype(np.float64)
    triangle, edge = np.nonzero(rows.constraint >= 0)
    return np.stack((corners[triangle, edge], corners[triangle, edge + 1]), axis=1)


def _box(cells: Cells) -> Box:
    return Box(*map(float, cells.quanta()))


def _sites(rows: Rows, box: Box) -> NDArray[np.float64]:
    """The sites of cells, or the corners of triangles, that a box holds."""
    if isinstance(rows, ConstrainedTriangles):
        x, y = rows.triangle_xy.reshape(-1, 2).T
    else:
        x, y = rows.x, rows.y
    held = (x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])
    return np.column_stack((x[held], y[held])).astype(np.float64)


TRIANGLE_SHAPES = Shapes(_triangles, _triangle_rings, _touching_triangles)
CELL_SHAPES = Shapes(_cells, _cell_rings, _touching_cells)
