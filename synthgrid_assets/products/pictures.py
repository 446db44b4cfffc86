"""Small pictures of tiles: points and polygons in a square of pixels, as PNG.

Belongs here: drawing for a glance, of synthetic or released rows only. Not here: maps of
regions (`region_maps`).
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.world.tiling import Tile

SIDE = 240  # pixels
MARGIN = 8  # pixels around the tile, where cells reach beyond its border
MAX_SHAPES = 1500  # more would be a grey square; the picture says how many it shows
INK, LINE, FRAME, PAPER = "#17324d", "#3f7fb5", "#b5651d", "#ffffff"
ROAD = "#c2185b"  # edges of triangles along a constraint

Pixels = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def tile_picture(workshop: Workshop, tile: Tile, noun: str, table: pa.Table) -> bytes:
    """A PNG of a tile's rows inside the tile's frame, a few kB.

    Parameters
    ----------
    workshop : Workshop
    tile : Tile
    noun : str
        Name of the product; it is the picture's caption.
    table : pyarrow.Table
        With a WKB ``geometry`` column.
    """
    image = Image.new("P", (SIDE, SIDE + 14), 0)
    colours = (PAPER, INK, LINE, FRAME, ROAD)
    image.putpalette([int(c[i : i + 2], 16) for c in colours for i in (1, 3, 5)])
    draw = ImageDraw.Draw(image)
    to_pixels = _scale(workshop.lattice.bounds(tile.cells))
    shown = min(table.num_rows, MAX_SHAPES)
    geometry = shapely.from_wkb(table["geometry"].slice(0, shown).to_numpy(zero_copy_only=False))
    if noun == "points":
        _draw_points(draw, to_pixels(shapely.get_coordinates(geometry)))
    else:
        _draw_rings(draw, geometry, to_pixels)
        _draw_constraints(draw, table.slice(0, shown), geometry, to_pixels)
    draw.rectangle((MARGIN, MARGIN, SIDE - MARGIN, SIDE - MARGIN), outline=3)
    caption = f"{noun}: {table.num_rows:,} rows"
    note = "" if shown == table.num_rows else f", {shown:,} drawn"
    draw.text((MARGIN, SIDE), caption + note, fill=1)
    buffer = io.BytesIO()
    bits = 4 if "constraint_ab" in table.column_names else 2
    image.save(buffer, format="PNG", compress_level=4, bits=bits)
    return buffer.getvalue()


def _scale(bounds: tuple[float, float, float, float]) -> Pixels:
    xmin, ymin, xmax, ymax = bounds
    scale = (SIDE - 2 * MARGIN) / max(xmax - xmin, ymax - ymin)

    def to_pixels(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(
            (MARGIN + (xy[:, 0] - xmin) * scale, SIDE - MARGIN - (xy[:, 1] - ymin) * scale)
        )

    return to_pixels


def _draw_points(draw: ImageDraw.ImageDraw, xy: NDArray[np.float64]) -> None:
    radius = 1 if len(xy) > 300 else 2
    for x, y in xy.tolist():
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)


def _draw_rings(draw: ImageDraw.ImageDraw, geometry: NDArray[np.object_], scale: Pixels) -> None:
    coordinates, owner = shapely.get_coordinates(geometry, return_index=True)
    pixels = scale(coordinates)
    for ring in np.split(pixels, np.flatnonzero(np.diff(owner)) + 1):
        if len(ring) > 1:
            draw.line([tuple(vertex) for vertex in ring.tolist()], fill=2)


def _draw_constraints(
    draw: ImageDraw.ImageDraw, table: pa.Table, geometry: NDArray[np.object_], scale: Pixels
) -> None:
    """The edges of triangles along a constraint, where the rows have any."""
    for place, edge in enumerate(("ab", "bc", "ca")):
        name = f"constraint_{edge}"
        if name in table.column_names:
            along = table[name].is_valid().to_numpy()
            corners = scale(shapely.get_coordinates(geometry[along])).reshape(-1, 4, 2)
            for start, end in corners[:, [place, place + 1]].tolist():
                draw.line((*start, *end), fill=4)


def density_picture(counts: NDArray[np.int64]) -> bytes:
    """A PNG of counts per cell, north up, darker where there are more.

    Parameters
    ----------
    counts : ndarray of int64, shape (height, width)
        South to north.
    """
    share = counts[::-1] / max(int(counts.max(initial=0)), 1)
    grey = (255 - 215 * np.sqrt(share)).astype(np.uint8)
    image = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()
