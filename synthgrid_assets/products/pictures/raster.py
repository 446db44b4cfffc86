"""Pixels: lines, filled rings and a caption in an array of colour numbers, and its PNG.

Belongs here: which pixels a shape covers. Not here: what is shown of a tile (`canvas`,
`tessellations`).
"""

from __future__ import annotations

import math
import struct
import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL

_MOST_CROSSINGS = 64  # of a row of pixels and a ring; a ring with more is drawn as a line


@njit(cache=True)
def rings_beside_boxes(xy, offsets, border, view):
    """Which rings are not inside one box, and which have bounds that meet another; empty ones
    neither.

    Parameters
    ----------
    xy : ndarray, shape (m, 2)
    offsets : ndarray of int64, shape (n + 1,)
    border, view : ndarray of float64, shape (4,)
        ``xmin, ymin, xmax, ymax``.
    """
    leaves, meets = np.zeros(offsets.size - 1, np.bool_), np.zeros(offsets.size - 1, np.bool_)
    for i in range(offsets.size - 1):
        start, end = offsets[i], offsets[i + 1]
        if start == end:
            continue
        left, bottom = xy[start, 0], xy[start, 1]
        right, top = left, bottom
        for k in range(start + 1, end):
            left, right = min(left, xy[k, 0]), max(right, xy[k, 0])
            bottom, top = min(bottom, xy[k, 1]), max(top, xy[k, 1])
        within = left >= border[0] and bottom >= border[1]
        leaves[i] = not within or right > border[2] or top > border[3]
        meets[i] = left < view[2] and bottom < view[3] and right > view[0] and top > view[1]
    return leaves, meets


@njit(cache=True)
def closed_rings(xy, offsets, chosen):
    """Some of the rings, each with its first place again at its end, and their offsets."""
    ends = np.zeros(chosen.sum() + 1, np.int64)
    most = np.int64(0)
    for number in range(chosen.size):
        most += offsets[number + 1] - offsets[number] + 1 if chosen[number] else 0
    out = np.empty((most, 2), xy.dtype)
    end = 0
    for ring, i in enumerate(np.flatnonzero(chosen)):
        start, stop = offsets[i], offsets[i + 1]
        for k in range(start, stop):
            out[end] = xy[k]
            end += 1
        if stop > start and (xy[start, 0] != xy[stop - 1, 0] or xy[start, 1] != xy[stop - 1, 1]):
            out[end] = xy[start]
            end += 1
        ends[ring + 1] = end
    return out[:end].copy(), ends


@njit(cache=True)
def reach_of(x, y, centre_x, centre_y, count):
    """Half the side of the smallest square around a place that holds so many points.

    Points stand in rows of cells, from south to north, on one side of the place; there are so
    many at least.
    """
    nearest = np.full(count, np.int64(1) << 62)  # ascending
    # from the place's side on, so that most points are farther than those before
    northward = abs(y[0] - centre_y) <= abs(y[-1] - centre_y)
    for step in range(x.size):
        i = step if northward else x.size - 1 - step
        away = abs(y[i] - centre_y)
        if away > nearest[count - 1] + CELL:  # so are all points to come, but for their own row's
            break
        distance = max(abs(x[i] - centre_x), away)
        place = count - 1
        if distance >= nearest[place]:
            continue
        while place > 0 and nearest[place - 1] > distance:
            nearest[place] = nearest[place - 1]
            place -= 1
        nearest[place] = distance
    return nearest[-1]


@njit(cache=True)
def draw_dots(image, xy, radius, colour):
    """Diamonds of pixels around places in pixels; those beside the image are left out."""
    height, width = image.shape
    for i in range(xy.shape[0]):
        if not (0 <= xy[i, 0] < width and 0 <= xy[i, 1] < height):
            continue
        column, row = int(xy[i, 0]), int(xy[i, 1])
        for down in range(-radius, radius + 1):
            aside = radius - abs(down)
            if 0 <= row + down < height:
                for k in range(max(column - aside, 0), min(column + aside + 1, width)):
                    image[row + down, k] = colour


@njit(cache=True)
def draw_rings(image, xy, offsets, fills, outline):
    """Fill rings with colours of their own, where these are not negative, and outline them.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)
        Changed in place.
    xy : ndarray of float64, shape (m, 2)
        Closed rings in pixels, the origin at the upper left corner.
    offsets : ndarray of int64, shape (n + 1,)
    fills : ndarray of int64, shape (n,)
    outline : int
        Colour of all outlines.
    """
    crossings = np.empty(_MOST_CROSSINGS)
    for i in range(offsets.size - 1):
        ring = xy[offsets[i] : offsets[i + 1]]
        if ring.shape[0] < 2:  # rounding has collapsed it
            continue
        if fills[i] >= 0:
            _fill(image, ring, fills[i], crossings)
        for k in range(ring.shape[0] - 1):
            draw_line(image, ring[k, 0], ring[k, 1], ring[k + 1, 0], ring[k + 1, 1], outline)


@njit(cache=True)
def _fill(image, ring, colour, crossings):
    """The pixels whose middle lies inside a ring, by the rule of even and odd."""
    height, width = image.shape
    first = max(0, math.floor(ring[:, 1].min()))
    last = min(height - 1, math.floor(ring[:, 1].max()))
    for row in range(first, last + 1):
        y, count = row + 0.5, 0
        for k in range(ring.shape[0] - 1):
            above, below = ring[k, 1] <= y, ring[k + 1, 1] <= y
            if above == below:
                continue
            if count == crossings.size:
                return
            share = (y - ring[k, 1]) / (ring[k + 1, 1] - ring[k, 1])
            crossing, place = ring[k, 0] + share * (ring[k + 1, 0] - ring[k, 0]), count
            while place > 0 and crossings[place - 1] > crossing:
                crossings[place] = crossings[place - 1]
                place -= 1
            crossings[place] = crossing
            count += 1
        for k in range(0, count - 1, 2):
            start = max(0, math.ceil(max(crossings[k], 0.0) - 0.5))
            end = min(width - 1, math.ceil(min(crossings[k + 1], float(width)) - 0.5) - 1)
            for column in range(start, end + 1):
                image[row, column] = colour


@njit(cache=True)
def draw_line(image, x0, y0, x1, y1, colour):
    """A line of single pixels, clipped to the image."""
    height, width = image.shape
    start, end = 0.0, 1.0
    for p, q, limit in ((x0, x1, float(width)), (y0, y1, float(height))):
        if p == q:
            if not 0.0 <= p < limit:
                return
            continue
        enter, leave = -p / (q - p), (limit - p) / (q - p)
        start, end = max(start, min(enter, leave)), min(end, max(enter, leave))
    if start > end:
        return
    x, y = x0 + start * (x1 - x0), y0 + start * (y1 - y0)
    dx, dy = (end - start) * (x1 - x0), (end - start) * (y1 - y0)
    steps = 1 + int(max(abs(dx), abs(dy)))
    across, down = dx / steps, dy / steps
    for step in range(steps + 1):
        column, row = int(x + across * step), int(y + down * step)
        if 0 <= row < height and 0 <= column < width:
            image[row, column] = colour


_Pixels = tuple[NDArray[np.int64], NDArray[np.int64], int]  # rows, columns, where the next begin


@lru_cache(maxsize=256)
def _glyph(character: str, height: int) -> _Pixels:
    font = _font()
    image = Image.new("1", (2 * height, height))
    ImageDraw.Draw(image).text((1, 0), character, font=font, fill=1)  # some begin a pixel before
    row, column = np.nonzero(np.asarray(image))
    return row, column - 1, max(round(font.getlength(character, mode="1")), 3)


@lru_cache(maxsize=256)
def _word(word: str, height: int) -> _Pixels:
    """The pixels of a word and the space after it: captions have few words."""
    glyphs, pen = [], 0
    for character in f"{word} ":
        row, column, advance = _glyph(character, height)
        glyphs.append((row, column + pen))
        pen += advance
    rows, columns = map(np.concatenate, zip(*glyphs, strict=True))
    return rows, columns, pen


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default()


def write_text(
    image: NDArray[np.uint8], text: str, column: int, row: int, height: int, colour: int
) -> None:
    """A line of text from `column` on, as far as there is room."""
    for word in text.split(" "):
        down, aside, advance = _word(word, height)
        if column + advance > image.shape[1]:
            shown = column + aside < image.shape[1]
            down, aside = down[shown], aside[shown]
        image[row + down, column + aside] = colour
        column += advance


@njit(cache=True)
def _packed(image):
    """Rows of a PNG, two pixels a byte; one that is like the last says so (filter 2) with zeros."""
    height, width = image.shape
    rows = np.zeros((height, 1 + width // 2), np.uint8)
    for row in range(height):
        new = row == 0
        for column in range(width):
            new |= image[row, column] != image[row - 1, column]
        if new:
            for k in range(width // 2):
                rows[row, 1 + k] = image[row, 2 * k] << 4 | image[row, 2 * k + 1]
        else:
            rows[row, 0] = 2
    return rows


def indexed_png(image: NDArray[np.uint8], palette: list[str]) -> bytes:
    """A PNG of at most 16 colours.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w), w even
        Numbers of colours.
    palette : list of str
        ``#rrggbb`` each.

    Examples
    --------
    >>> indexed_png(np.zeros((2, 2), np.uint8), ["#ffffff"])[1:4]
    b'PNG'
    """
    height, width = image.shape
    rows = _packed(image)
    # runs of equal pixels are all there is to compress: twice as fast, and smaller
    compressor = zlib.compressobj(strategy=zlib.Z_RLE)
    data = compressor.compress(rows.tobytes()) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)
    colours = bytes.fromhex("".join(colour[1:] for colour in palette))
    parts = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
