"""A picture of a place where four tiles meet, drawn from their four files.

Belongs here: choosing the place, reading the files, drawing them. Not here: maps of whole
regions (`region_maps`), a single tile (`products.pictures`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import ORIGIN
from synthgrid_assets.products.region_tests.committed_tiles import CommittedRecords
from synthgrid_assets.products.registry import PRODUCTS, products_of
from synthgrid_assets.reports.drawing.axes import SMALL, Axes, Range
from synthgrid_assets.reports.drawing.sheet import INK, PAPER, Sheet
from synthgrid_assets.reports.kept_pictures import kept_picture
from synthgrid_assets.storage.formats.coordinates import point_coordinates, ring_coordinates
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import RecordedTile
from synthgrid_assets.storage.tile_files import TileReader

COLOURS = ("#4e79a7", "#e0a030", "#76a35b", "#b5637a")  # south-west, south-east, north-west ...
COVER = 0.55  # of a colour, so that white and what lies below shine through
SHADES = 96  # colours of the picture
PANEL, GAP, TOP, BOTTOM, TITLE = 372, 16, 27, 27, 13.0  # pixels
FROM_EACH, FROM_ALL = 6, 80  # rows of one tile, and of all, that a picture shows at least


@dataclass(frozen=True)
class Corner:
    """Four committed tiles of each of some products around one corner.

    Parameters
    ----------
    x, y : float
        The corner, in CRS units.
    tiles : dict of str to tuple of four RecordedTile
        By product, south to north and west to east.
    """

    x: float
    y: float
    tiles: dict[str, tuple[RecordedTile, ...]]


@dataclass(frozen=True, eq=False)
class Shapes:
    """Points or polygons without holes, as a tile's file holds them.

    Parameters
    ----------
    xy : ndarray of float64, shape (m, 2)
        CRS coordinates.
    offsets : ndarray of int64, shape (n + 1,)
        Shape i is ``xy[offsets[i]:offsets[i + 1]]``.
    """

    xy: NDArray[np.float64]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, table: pa.Table, name: str) -> Shapes:
        """Those of a product's rows; a ring that rounding has collapsed is none."""
        if name == ORIGIN:
            xy = point_coordinates(table)
            return cls(xy, np.arange(len(xy) + 1))
        xy, offsets = ring_coordinates(table)
        return cls(xy, np.unique(offsets))

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Smallest and largest coordinates of each, each of shape (n, 2)."""
        if not len(self.xy):
            return self.xy, self.xy
        low, high = (end.reduceat(self.xy, self.offsets[:-1]) for end in (np.minimum, np.maximum))
        return low, high

    def meeting(self, view: Box) -> list[NDArray[np.float64]]:
        """The coordinates of each whose bounds meet a box."""
        low, high = self.bounds()
        meets = ((low < view[2:]) & (high > view[:2])).all(axis=1)
        return [self.xy[self.offsets[i] : self.offsets[i + 1]] for i in np.flatnonzero(meets)]


def find_corner(journal: Journal, context: LayerContext) -> Corner | None:
    """The corner whose emptiest tile is fullest; None where no four tiles with rows meet.

    Looks at triangles and cells; points of the four tiles come along if they are committed.
    """
    shapes = [product.name for product in products_of(context.table) if product.panel]
    if not shapes:
        return None
    tiling = context.spec.world.tiling
    tiles = {name: _by_place(journal, context, name) for name in (*shapes, ORIGIN)}
    shapes = [name for name in shapes if tiles[name]]
    rows = {
        (row, column): min((_rows(tiles[name], row, column) for name in shapes), default=0)
        for row in tiling.rows[1:]
        for column in tiling.columns[1:]
    }
    best = max(rows, key=lambda corner: rows[corner], default=None)
    if best is None or rows[best] == 0:
        return None
    x, y = context.lattice.bounds(tiling.at(best[1], best[0]).cells)[:2]
    around = {name: _around(found, *best) for name, found in tiles.items()}
    return Corner(x, y, {name: four for name, four in around.items() if len(four) == 4})


def _by_place(
    journal: Journal, context: LayerContext, name: str
) -> dict[tuple[int, int], RecordedTile]:
    """A product's committed tiles, by row and column of tiles."""
    side = context.spec.world.tiling.side
    found = CommittedRecords(journal, context, name).tiles()
    return {(tile.cells.iy0 // side, tile.cells.ix0 // side): tile for tile in found}


def _around(
    tiles: dict[tuple[int, int], RecordedTile], row: int, column: int
) -> tuple[RecordedTile, ...]:
    """The tiles at a corner, which is the south-west one of the tile (row, column)."""
    keys = [(row + up, column + right) for up in (-1, 0) for right in (-1, 0)]
    return tuple(tiles[key] for key in keys if key in tiles)


def _rows(tiles: dict[tuple[int, int], RecordedTile], row: int, column: int) -> int:
    four = _around(tiles, row, column)
    return min(tile.rows for tile in four) if len(four) == 4 else 0


def kept_four_tiles(context: LayerContext, corner: Corner) -> bytes:
    """The picture of `four_tiles_picture`, drawn again when one of the files is another."""
    files = [tile.file for four in corner.tiles.values() for tile in four]
    shown = [text for file in files for text in (file.file, file.sha256)]
    shown += [*corner.tiles, repr((corner.x, corner.y))]
    return kept_picture(context, "four_tiles", shown, lambda: four_tiles_picture(context, corner))


def four_tiles_picture(context: LayerContext, corner: Corner) -> bytes:
    """A PNG of what lies around a corner, each tile's rows in the tile's own colour.

    One panel for each of cells and triangles, read from the files of the four tiles; in
    view are at least `FROM_EACH` rows of each tile.
    """
    shapes = [name for name in corner.tiles if PRODUCTS[name].panel]
    rows = {name: _read(context, name, four) for name, four in corner.tiles.items()}
    view = _view(corner, [rows[name] for name in shapes])
    seen = {name: [tile.meeting(view) for tile in four] for name, four in rows.items()}
    sheet = Sheet(PANEL * len(shapes) + GAP * (len(shapes) + 1), PANEL + TOP + BOTTOM)
    for number, name in enumerate(shapes):
        left = GAP + number * (PANEL + GAP)
        box = (left, TOP, left + PANEL, TOP + PANEL)
        axes = Axes(sheet, box, Range(*view[::2]), Range(*view[1::2]))
        _draw_tiles(axes, seen[name], seen.get(ORIGIN, ()), corner)
        sheet.paste(axes.shapes, left, TOP)
        sheet.frame((left - 1, TOP - 1, left + PANEL, TOP + PANEL))
        title = f"{context.layer}: {PRODUCTS[name].panel} of four tiles"
        sheet.text(left + PANEL / 2, TOP - 9, title, TITLE)
    size = max(view[2] - view[0], view[3] - view[1])
    told = f"around ({corner.x:.0f}, {corner.y:.0f}), {size:.0f} m across"
    sheet.text(sheet.width / 2, sheet.height - 9, told, SMALL)
    return sheet.png(SHADES)


def _draw_tiles(
    axes: Axes,
    shapes: Iterable[Sequence[NDArray[np.float64]]],
    points: Iterable[Sequence[NDArray[np.float64]]],
    corner: Corner,
) -> None:
    """The polygons of each tile, its points, and the borders that meet in a corner."""
    for colour, rings in zip(COLOURS, shapes, strict=False):
        for ring in rings:
            axes.shapes.polygon(axes.places(*ring.T), colour, alpha=COVER, edge=PAPER)
    (x0, y0, x1, y1), at = axes.view, (corner.x, corner.y)
    for ends in (np.array([(at[0], y0), (at[0], y1)]), np.array([(x0, at[1]), (x1, at[1])])):
        axes.shapes.dashes(axes.places(*ends.T), INK, width=1.4)
    for colour, places in zip(COLOURS, points, strict=False):
        xy = np.concatenate([np.empty((0, 2)), *places])
        axes.shapes.dots(axes.places(*xy.T), 2.3, colour, INK)


def _read(context: LayerContext, name: str, tiles: Sequence[RecordedTile]) -> list[Shapes]:
    """The rows of each tile of a product, from its file."""
    reader = TileReader(context.layout.store)
    return [Shapes.of(reader.read(tile.file, ["geometry"]), name) for tile in tiles]


def _view(corner: Corner, shapes: list[list[Shapes]]) -> Box:
    """A square around the corner with enough rows of each tile in it."""
    reach = 0.0
    for four in shapes:
        distances = [np.sort(_distances(corner, tile)) for tile in four]
        near = [np.sort(np.concatenate(distances))[:FROM_ALL], *(d[:FROM_EACH] for d in distances)]
        reach = max(reach, *(float(np.max(distance, initial=0.0)) for distance in near))
    return Box(corner.x - reach, corner.y - reach, corner.x + reach, corner.y + reach)


def _distances(corner: Corner, shapes: Shapes) -> NDArray[np.float64]:
    """How far each row's middle is from the corner, the larger of both axes."""
    low, high = shapes.bounds()
    away: NDArray[np.float64] = np.abs((low + high) / 2 - (corner.x, corner.y)).max(axis=1)
    return away
