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
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.pictures.canvas import INDEX, Canvas
from synthgrid_assets.products.pictures.raster import closed_rings, reach_of, rings_beside_boxes
from synthgrid_assets.products.pictures.surroundings import (
    other_borders,
    other_triangles,
    sites_within,
)
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.tessellation.constrained import ConstrainedTriangles
from synthgrid_assets.tessellation.constraints import is_constraint_node
from synthgrid_assets.tessellation.halo import Neighbourhood
from synthgrid_assets.tessellation.tile import Tessellation

SIDE = 320  # pixels
LEGIBLE = 400  # sites of a tile that is shown whole; of a fuller one, a corner is
ENLARGED = 120  # sites that such a corner holds
AROUND = 0.3  # what is shown beyond the tile's border, as a part of what is shown of the tile
MOST_AROUND = 4000  # sites expected in view of a very full tile whose surroundings are looked for

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


def view_of(cells: Cells, halo: int, x: NDArray[np.int64], y: NDArray[np.int64]) -> View:
    """The whole tile and its halo; of a tile with many sites, its fullest corner.

    Parameters
    ----------
    cells : Cells
        The tile's.
    halo : int
        Cells around it whose sites are known.
    x, y : ndarray of int64, shape (n,)
        Its sites, in canonical order.
    """
    x0, y0, x1, y1 = cells.quanta()
    if x.size <= LEGIBLE:
        side = max(x1 - x0, y1 - y0)
        reach = side / 2 + min(halo * CELL, AROUND * side)
        middle = (x0 + x1) / 2, (y0 + y1) / 2
        return View(Box(*(at - reach for at in middle), *(at + reach for at in middle)))
    reaches = {
        (west, south): int(reach_of(x, y, west, south, ENLARGED + 1))
        for south in (y0, y1)
        for west in (x0, x1)
    }
    corner_x, corner_y = min(reaches, key=lambda corner: reaches[corner])
    inner = min(reaches[corner_x, corner_y] + 1, x1 - x0, y1 - y0)
    outer = AROUND * inner
    west, east = (outer, inner) if corner_x == x0 else (inner, outer)
    south, north = (outer, inner) if corner_y == y0 else (inner, outer)
    name = f"{'S' if corner_y == y0 else 'N'}{'W' if corner_x == x0 else 'E'} corner"
    box = Box(corner_x - west, corner_y - south, corner_x + east, corner_y + north)
    return View(box, name)


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
    others : callable
        What is known of other tiles' shapes next to those of a tile, in quanta, shape (n, k, 2):
        corners of triangles, ends of borders.
    are_triangles : bool
        Whether constraints matter to them.
    """

    made: Callable[[LayerContext, Cells], Kind]
    rings: Callable[[Kind], Rings]
    others: Callable[[Neighbourhood, Cells, Box], NDArray[np.float64]]
    are_triangles: bool


def tessellation_picture(context: LayerContext, tile: Tile, shapes: Shapes[Kind]) -> bytes:
    """A PNG of a tile's triangles or cells, its border, and the shaded halo around it.

    Rows that cross the border have a colour of their own, and so have constraints. Faint,
    around them: what the tile knows of rows of other tiles that its own touch, and the sites
    that had to be known to prove all this.

    Parameters
    ----------
    context : LayerContext
    tile : Tile
    shapes : Shapes
        `TRIANGLE_SHAPES` or `CELL_SHAPES`.
    """
    made, border = shapes.made(context, tile.cells), _box(tile.cells)
    known = context.cache.neighbourhoods(tile.cells, triangles=shapes.are_triangles)
    x, y = _own_sites(context, made, known)
    view = view_of(tile.cells, made.halo, x, y)
    canvas = Canvas(view.box, side=SIDE, margin=0)
    canvas.box(_box(made.loaded), fill="halo")
    canvas.box(border, fill="paper")
    for found in known or _corner(context, view, tile.cells, x.size, shapes):
        canvas.lines(_closed(shapes.others(found, tile.cells, view.box)), "faint")
        sites = found.known.sites
        canvas.dots(sites_within(sites.x, sites.y, view.box), "faint", radius=1)
    rings = shapes.rings(made)
    crossing, shown = rings.beside(border, view.box)
    fills = np.where(crossing, INDEX["crossing"], INDEX["inside"])[shown]
    canvas.shapes(*rings.take(shown), "line", fills)
    if isinstance(made, ConstrainedTriangles):
        ends = _constraints(made)
        for aside in (0, 1):
            canvas.lines(ends, "constraint", aside)
    canvas.dots(sites_within(x, y, view.box), "ink", radius=1)
    canvas.box(border, outline="frame")
    part = f"; {view.part}" if view.part else f"; halo {made.halo} cells"
    return canvas.png(f"{crossing.size:,} rows, {int(crossing.sum()):,} cross the border{part}")


def _own_sites(
    context: LayerContext, made: Rows, known: list[Neighbourhood]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the tile's sites in canonical order, without nodes of constraints."""
    if isinstance(made, Tessellation):
        return made.x, made.y
    if len(known) != 1:
        plain = context.cache.tessellation(made.cells)
        return plain.x, plain.y
    found, sites = known[0], known[0].known.sites
    own = found.inside[~is_constraint_node(sites.id[found.inside])]
    return sites.x[own], sites.y[own]


def _corner(
    context: LayerContext, view: View, tile: Cells, sites: int, shapes: Shapes[Kind]
) -> list[Neighbourhood]:
    """What is known around the part of a full tile that is in view; nothing if it is too much."""
    if sites * view.cells.area > MOST_AROUND * tile.area:
        return []
    try:
        part = view.cells.intersection(tile)
        return context.cache.look(part, triangles=shapes.are_triangles)
    except GeometryError:  # a void within the tile, whose own halo begins at its border
        return []


def _closed(shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners of triangles with the first one again at the end; lines as they are."""
    return np.concatenate((shapes, shapes[:, :1]), axis=1) if shapes.shape[1] > 2 else shapes


def _triangles(context: LayerContext, cells: Cells) -> Rows:
    return context.cache.triangles(cells)


def _triangle_rings(rows: Rows) -> Rings:
    return Rings(rows.triangle_xy.reshape(-1, 2), 3 * np.arange(len(rows.triangle_xy) + 1))


def _cells(context: LayerContext, cells: Cells) -> Tessellation:
    return context.cache.tessellation(cells)


def _cell_rings(rows: Tessellation) -> Rings:
    return Rings(rows.ring, rows.ring_offsets, VERTEX_SCALE)


def _constraints(rows: ConstrainedTriangles) -> NDArray[np.float64]:
    """Both ends of the triangles' edges along constraints, shape (n, 2, 2), in quanta."""
    corners = rows.triangle_xy.reshape(-1, 3, 2)[:, [0, 1, 2, 0]].astype(np.float64)
    triangle, edge = np.nonzero(rows.constraint >= 0)
    return np.stack((corners[triangle, edge], corners[triangle, edge + 1]), axis=1)


def _box(cells: Cells) -> Box:
    return Box(*map(float, cells.quanta()))


TRIANGLE_SHAPES = Shapes(_triangles, _triangle_rings, other_triangles, are_triangles=True)
CELL_SHAPES = Shapes(_cells, _cell_rings, other_borders, are_triangles=False)
