"""A picture of a place where four tiles meet, drawn from their four files.

Belongs here: choosing the place, reading the files, drawing them. Not here: maps of whole
regions (`region_maps`), a single tile (`products.pictures`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import ORIGIN
from synthgrid_assets.products.region_tests.committed_tiles import committed_tiles
from synthgrid_assets.products.registry import PRODUCTS, products_of
from synthgrid_assets.reports.kept_pictures import kept_picture
from synthgrid_assets.reports.region_maps import png
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.storage.tile_files import TileFile, TileReader

if TYPE_CHECKING:
    import geopandas as gpd

COLOURS = ("#4e79a7", "#e0a030", "#76a35b", "#b5637a")  # south-west, south-east, north-west ...
INK = "#22303c"
SHADES = 96  # colours of the picture
FROM_EACH, FROM_ALL = 6, 80  # rows of one tile, and of all, that a picture shows at least
BORDER: dict[str, Any] = {"color": INK, "linewidth": 1.1, "linestyle": (0, (5, 4)), "zorder": 3}
NO_AXES: dict[str, Any] = {"xticks": [], "yticks": [], "xlabel": "", "ylabel": ""}


@dataclass(frozen=True)
class Corner:
    """Four committed tiles of each of some products around one corner.

    Parameters
    ----------
    x, y : float
        The corner, in CRS units.
    tiles : dict of str to tuple of four Receipt
        By product, south to north and west to east.
    """

    x: float
    y: float
    tiles: dict[str, tuple[Receipt, ...]]


def find_corner(journal: Journal, context: LayerContext) -> Corner | None:
    """The corner whose emptiest tile is fullest; None where no four tiles with rows meet.

    Looks at triangles and cells; points of the four tiles come along if they are committed.
    """
    shapes = [product.name for product in products_of(context.table) if product.panel]
    if not shapes:
        return None
    tiling = context.spec.world.tiling
    tiles: dict[str, dict[tuple[int, int], Receipt]] = {}
    for name in (*shapes, ORIGIN):
        receipts = ((tiling.from_key(r.tile), r) for r in committed_tiles(journal, context, name))
        tiles[name] = {(tile.row, tile.column): receipt for tile, receipt in receipts}
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


def _around(tiles: dict[tuple[int, int], Receipt], row: int, column: int) -> tuple[Receipt, ...]:
    """The tiles at a corner, which is the south-west one of the tile (row, column)."""
    keys = [(row + up, column + right) for up in (-1, 0) for right in (-1, 0)]
    return tuple(tiles[key] for key in keys if key in tiles)


def _rows(tiles: dict[tuple[int, int], Receipt], row: int, column: int) -> int:
    four = _around(tiles, row, column)
    return min(receipt.rows for receipt in four) if len(four) == 4 else 0


def kept_four_tiles(context: LayerContext, corner: Corner) -> bytes:
    """The picture of `four_tiles_picture`, drawn again when one of the files is another."""
    shown = [text for four in corner.tiles.values() for r in four for text in (r.path, r.sha256)]
    shown += [*corner.tiles, repr((corner.x, corner.y))]
    return kept_picture(context, "four_tiles", shown, lambda: four_tiles_picture(context, corner))


def four_tiles_picture(context: LayerContext, corner: Corner) -> bytes:
    """A PNG of what lies around a corner, each tile's rows in the tile's own colour.

    One panel for each of cells and triangles, read from the files of the four tiles; in
    view are at least `FROM_EACH` rows of each tile.
    """
    from matplotlib.figure import Figure

    shapes = [name for name in corner.tiles if PRODUCTS[name].panel]
    frames = {name: read_tiles(context, four) for name, four in corner.tiles.items()}
    view = _view(corner, [frames[name] for name in shapes])
    frames = {name: [_meeting(frame, view) for frame in four] for name, four in frames.items()}
    figure = Figure(figsize=(4.4 * len(shapes), 4.7), layout="constrained")
    for name, axes in zip(shapes, figure.subplots(1, len(shapes), squeeze=False)[0], strict=True):
        draw_tiles(axes, frames[name], frames.get(ORIGIN, ()))
        axes.axvline(corner.x, **BORDER)
        axes.axhline(corner.y, **BORDER)
        axes.set(xlim=view[::2], ylim=view[1::2], aspect="equal", **NO_AXES)
        axes.set_title(f"{context.layer}: {PRODUCTS[name].panel} of four tiles", fontsize=10)
    size = max(view[2] - view[0], view[3] - view[1])
    figure.supxlabel(f"around ({corner.x:.0f}, {corner.y:.0f}), {size:.0f} m across", fontsize=8)
    return png(figure, colours=SHADES)


def draw_tiles(
    axes: Any, shapes: Iterable[gpd.GeoDataFrame], points: Iterable[gpd.GeoDataFrame]
) -> None:
    """Draw the rows of each tile, and its points, in the tile's colour.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    shapes, points : iterable of GeoDataFrame
        One for each tile, at most four.
    """
    for colour, frame in zip(COLOURS, shapes, strict=False):
        frame.plot(ax=axes, facecolor=colour, alpha=0.55, edgecolor="white", linewidth=1, zorder=2)
    for colour, frame in zip(COLOURS, points, strict=False):
        frame.plot(ax=axes, color=colour, edgecolor=INK, linewidth=0.5, markersize=10, zorder=4)


def read_tiles(context: LayerContext, tiles: Sequence[Receipt]) -> list[gpd.GeoDataFrame]:
    """The geometry of each tile's rows, from its file."""
    import geopandas as gpd  # 50 MB, with pandas, that only drawing needs

    reader, crs = TileReader(context.layout.store), context.lattice.crs
    tables = [reader.read(TileFile.of(receipt), ["geometry"]) for receipt in tiles]
    return [
        gpd.GeoDataFrame(
            geometry=shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False)), crs=crs
        )
        for table in tables
    ]


def _view(corner: Corner, frames: list[list[gpd.GeoDataFrame]]) -> Box:
    """A square around the corner with enough rows of each tile in it."""
    reach = 0.0
    for four in frames:
        distances = [np.sort(_distances(corner, frame)) for frame in four]
        near = [np.sort(np.concatenate(distances))[:FROM_ALL], *(d[:FROM_EACH] for d in distances)]
        reach = max(reach, *(float(np.max(distance, initial=0.0)) for distance in near))
    return Box(corner.x - reach, corner.y - reach, corner.x + reach, corner.y + reach)


def _meeting(frame: gpd.GeoDataFrame, view: Box) -> gpd.GeoDataFrame:
    """The rows whose bounds meet the view."""
    west, south, east, north = frame.bounds.to_numpy().T
    within = (west < view.xmax) & (east > view.xmin) & (south < view.ymax) & (north > view.ymin)
    return frame[within]


def _distances(corner: Corner, frame: gpd.GeoDataFrame) -> NDArray[np.float64]:
    """How far each row's middle is from the corner, the larger of both axes."""
    west, south, east, north = frame.bounds.to_numpy().T
    away = np.abs((west + east) / 2 - corner.x), np.abs((south + north) / 2 - corner.y)
    distances: NDArray[np.float64] = np.maximum(*away)
    return distances[np.isfinite(distances)]  # a ring that rounding has collapsed has none
