"""Small pictures of tiles: rows in a square of pixels, as PNG of a few kB.

Belongs here: the canvas, points, boxes and counts; of synthetic or released rows only. Not
here: what a tessellation's picture shows (`tessellations`), maps of regions
(`region_maps`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.products.pictures.raster import (
    draw_dots,
    draw_line,
    draw_rings,
    indexed_png,
    write_text,
)
from synthgrid_assets.storage.formats.coordinates import point_coordinates, ring_coordinates

SIDE = 240  # pixels
MARGIN = 8  # pixels around the tile, where rows reach beyond its border
CAPTION = 14  # pixels below the picture
SHADES = [
    f"#{255 - 14 * shade:02x}{255 - 14 * shade:02x}{255 - 14 * shade:02x}" for shade in range(16)
]
FEW = 300  # points that are drawn with a radius of two pixels
COLOURS = {
    "paper": "#ffffff",
    "ink": "#17324d",
    "line": "#3f7fb5",
    "frame": "#b5651d",
    "halo": "#e9edf1",
    "faint": "#aab6c2",
    "inside": "#d3e5f5",
    "crossing": "#f7d5ae",
    "constraint": "#c2185b",
}
INDEX = {name: number for number, name in enumerate(COLOURS)}


class Canvas:
    """A square of pixels that shows a box of the plane, north up, with a caption below.

    Parameters
    ----------
    bounds : Box
        What is shown, in any unit.
    side, margin : int
        Pixels along a side, and pixels left free around the box.
    """

    def __init__(self, bounds: Box, side: int = SIDE, margin: int = MARGIN) -> None:
        xmin, ymin, xmax, ymax = bounds
        self._origin = np.array([xmin, ymin])
        self._scale = (side - 2 * margin) / max(xmax - xmin, ymax - ymin)
        self._side, self._margin = side, margin
        self._image = np.full((side + CAPTION, side), INDEX["paper"], np.uint8)
        self._shown = self._image[:side]

    def pixels(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixel coordinates of positions, shape (n, 2)."""
        pixels: NDArray[np.float64] = xy - self._origin
        pixels *= (self._scale, -self._scale)
        pixels += (self._margin, self._side - self._margin)
        return pixels

    def box(self, bounds: Box, fill: str | None = None, outline: str | None = None) -> None:
        """A rectangle, clipped to the picture."""
        x, y = self._origin.tolist()
        low, high = self._margin, self._side - self._margin
        left, right = (self._clipped(low + (at - x) * self._scale) for at in bounds[0::2])
        bottom, top = (self._clipped(high - (at - y) * self._scale) for at in bounds[1::2])
        if fill:
            self._shown[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = INDEX[fill]
        if outline:
            for x0, y0, x1, y1 in (
                (left, top, right, top),
                (right, top, right, bottom),
                (right, bottom, left, bottom),
                (left, bottom, left, top),
            ):
                draw_line(self._shown, x0 + 0.5, y0 + 0.5, x1 + 0.5, y1 + 0.5, INDEX[outline])

    def _clipped(self, pixel: float) -> int:
        return int(min(max(pixel, -2), self._side + 1))

    def shapes(
        self,
        xy: NDArray[np.float64],
        offsets: NDArray[np.int64],
        outline: str,
        fills: NDArray[np.int64] | None = None,
    ) -> None:
        """Closed rings; `fills` gives each one's number of a colour (`INDEX`)."""
        inner = np.full(offsets.size - 1, -1) if fills is None else fills
        draw_rings(self._shown, self.pixels(xy), offsets, inner, INDEX[outline])

    def lines(self, ways: NDArray[np.float64], colour: str, aside: int = 0) -> None:
        """Lines of a pixel through positions, shape (n, k, 2), so many pixels up and aside."""
        xy = self.pixels(ways.reshape(-1, 2)) - aside
        offsets, unfilled = ways.shape[1] * np.arange(len(ways) + 1), np.full(len(ways), -1)
        draw_rings(self._shown, xy, offsets, unfilled, INDEX[colour])

    def dots(self, xy: NDArray[np.float64], colour: str, radius: int) -> None:
        """Points as diamonds of pixels; with a radius of 0 as single ones."""
        draw_dots(self._shown, self.pixels(xy), radius, INDEX[colour])

    def png(self, caption: str) -> bytes:
        """The picture with its caption."""
        self._image[self._side :] = INDEX["paper"]
        write_text(self._image, caption, max(self._margin, 2), self._side, CAPTION, INDEX["ink"])
        return indexed_png(self._image, list(COLOURS.values()))


def points_picture(bounds: Box, name: str, table: pa.Table) -> bytes:
    """A PNG of a tile's points inside the tile's frame.

    Parameters
    ----------
    bounds : tuple of four floats
        Of the tile, in CRS units.
    name : str
        Name of the product; it is the picture's caption.
    table : pyarrow.Table
        With a WKB ``geometry`` column.
    """
    canvas = Canvas(bounds)
    xy = point_coordinates(table)
    canvas.dots(xy, "ink", radius=0 if len(xy) > 4 * FEW else 1 if len(xy) > FEW else 2)
    return _framed(canvas, bounds, name, table)


def boxes_picture(bounds: Box, name: str, table: pa.Table) -> bytes:
    """A PNG of a tile's polygons inside the tile's frame; parameters as `points_picture`."""
    canvas = Canvas(bounds)
    canvas.shapes(*ring_coordinates(table), "line")
    return _framed(canvas, bounds, name, table)


def _framed(canvas: Canvas, bounds: Box, name: str, table: pa.Table) -> bytes:
    canvas.box(bounds, outline="frame")
    return canvas.png(f"{name}: {table.num_rows:,} rows")


def density_picture(counts: NDArray[np.integer]) -> bytes:
    """A PNG of counts per cell, north up, darker where there are more.

    Parameters
    ----------
    counts : ndarray of integers, shape (height, width)
        South to north.
    """
    share = counts[::-1] / max(int(counts.max(initial=0)), 1)
    shade = np.ceil(np.sqrt(share) * (len(SHADES) - 1)).astype(np.uint8)
    row, column = (np.arange(SIDE) * cells // SIDE for cells in counts.shape)
    return indexed_png(shade[:, column][row], SHADES)
