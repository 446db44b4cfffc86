"""Sheets of paper: smooth shapes, sharp lines and texts in pixels, as PNGs of a few kB.

Belongs here: what is drawn where in pixels. Not here: values along axes (`axes`), and what a
picture shows.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

INK, PAPER = "#22303c", "#ffffff"
SMOOTH = 3  # shapes are drawn so many times as large, and then reduced
Colour = tuple[int, ...]


def colour_of(name: str, alpha: float = 1.0) -> Colour:
    """A ``#rrggbb`` as numbers, with its share of cover.

    Examples
    --------
    >>> colour_of("#0000ff", 0.5)
    (0, 0, 255, 128)
    """
    return (*bytes.fromhex(name[1:]), round(255 * alpha))


class Shapes:
    """A rectangle of paper for shapes with smooth edges; what lies beyond is clipped.

    Parameters
    ----------
    width, height : int
        Pixels. Coordinates are pixels too, from the upper left corner.
    """

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width * SMOOTH, height * SMOOTH), PAPER)
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def polygon(
        self,
        xy: NDArray[np.float64],
        fill: str,
        *,
        alpha: float = 1.0,
        edge: str = "",
        width: float = 1.0,
    ) -> None:
        """A filled ring, shape (n, 2), with an edge of its own where it has one."""
        if len(xy) < 2:
            return
        places = _places(xy)
        self._draw.polygon(places, fill=colour_of(fill, alpha))
        if edge:
            closed = [*places, places[0]]
            self._draw.line(closed, colour_of(edge), max(round(width * SMOOTH), 1), joint="curve")

    def line(self, xy: NDArray[np.float64], colour: str, *, width: float = 1.5) -> None:
        """A line along places, shape (n, 2)."""
        thick = max(round(width * SMOOTH), 1)
        self._draw.line(_places(xy), colour_of(colour), thick, joint="curve")

    def dashes(self, xy: NDArray[np.float64], colour: str, *, width: float = 1.5) -> None:
        """The same in dashes."""
        for start, end in _dashes(xy, 4.0 * width, 2.5 * width):
            self.line(np.array([start, end]), colour, width=width)

    def dots(self, xy: NDArray[np.float64], radius: float, fill: str, edge: str) -> None:
        """Discs with a fine edge."""
        for x, y in (xy * SMOOTH).tolist():
            reach = radius * SMOOTH
            box = (x - reach, y - reach, x + reach, y + reach)
            self._draw.ellipse(box, fill=fill, outline=edge, width=SMOOTH // 2)

    def reduced(self) -> Image.Image:
        """What was drawn, in its size."""
        return self._image.reduce(SMOOTH)


class Sheet:
    """White paper for sharp lines and texts; smooth shapes are pasted onto it.

    Parameters
    ----------
    width, height : int
        Pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._image = Image.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def paste(self, shapes: Shapes, left: int, top: int) -> None:
        """Lay shapes on the sheet."""
        self._image.paste(shapes.reduced(), (left, top))

    def squares(self, colours: NDArray[np.uint8], box: Sequence[int]) -> None:
        """Fill a box (left, top, right, bottom) with squares of colours, shape (h, w, 3)."""
        size = (box[2] - box[0], box[3] - box[1])
        squares = Image.fromarray(np.ascontiguousarray(colours))
        self._image.paste(squares.resize(size, Image.Resampling.NEAREST), (box[0], box[1]))

    def line(self, x0: int, y0: int, x1: int, y1: int, colour: str = INK) -> None:
        """A level or upright line of one pixel."""
        self._draw.line((x0, y0, x1, y1), fill=colour)

    def dashes(self, x0: int, y0: int, x1: int, y1: int, colour: str = INK) -> None:
        """The same in dashes."""
        for start, end in _dashes(np.array([[x0, y0], [x1, y1]], float), 5.0, 4.0):
            (left, top), (right, bottom) = np.rint([start, end]).astype(int).tolist()
            self.line(left, top, right, bottom, colour)

    def frame(self, box: Sequence[int], colour: str = INK, fill: str | None = None) -> None:
        """A box with an edge of one pixel."""
        self._draw.rectangle(tuple(box), outline=colour, fill=fill)

    def text(self, x: float, y: float, text: str, size: float = 12, anchor: str = "ms") -> None:
        """A line of text: its left, middle or right end, and baseline or middle (Pillow's anchor)
        at a place.
        """
        left, top, right, bottom = _font(size * SMOOTH).getbbox(text, anchor=anchor)
        corner = (int(x + left // SMOOTH) - 1, int(y + top // SMOOTH) - 1)
        across, down = SMOOTH * (x - corner[0]), SMOOTH * (y - corner[1])
        mask = _written(text, size, (across, down), (across + right, down + bottom), anchor)
        self._image.paste(INK, corner, mask)

    def length(self, text: str, size: float) -> float:
        """Pixels that a line of text takes."""
        return float(_font(size * SMOOTH).getlength(text)) / SMOOTH

    def upright_text(self, x: int, y: int, text: str, size: float = 12) -> None:
        """A line of text that runs upwards, its middle at a place."""
        left, top, right, bottom = _font(size * SMOOTH).getbbox(text)
        place = (SMOOTH - left, SMOOTH - top)
        mask = _written(text, size, place, (place[0] + right, place[1] + bottom), "la")
        turned = mask.transpose(Image.Transpose.ROTATE_90)
        self._image.paste(INK, (x - turned.width // 2, y - turned.height // 2), turned)

    def png(self, colours: int = 64) -> bytes:
        """The sheet as a PNG of so many colours, a third of what it takes in full colour.

        Dagster keeps what an asset shows three times for each run.
        """
        few = self._image.quantize(colours, dither=Image.Dither.NONE)
        few.save(buffer := io.BytesIO(), format="png")
        return buffer.getvalue()


@lru_cache(maxsize=16)
def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _written(
    text: str, size: float, place: tuple[float, float], end: tuple[float, float], anchor: str
) -> Image.Image:
    """How much of each pixel a line of text covers, up to an end.

    In its own size it would stand on whole pixels, each letter by itself.
    """
    width, height = (int(side // SMOOTH + 2) for side in end)
    large = Image.new("L", (width * SMOOTH, height * SMOOTH))
    ImageDraw.Draw(large).text(place, text, fill=255, font=_font(size * SMOOTH), anchor=anchor)
    return large.reduce(SMOOTH)


def _places(xy: NDArray[np.float64]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in (xy * SMOOTH).tolist()]


def _dashes(
    xy: NDArray[np.float64], dash: float, gap: float
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Ends of the dashes along a line; each begins anew where the line bends inside of it."""
    found, along = [], 0.0
    for start, end in pairwise(xy):
        length = float(np.hypot(*(end - start)))
        at = 0.0
        while at < length:
            phase = (along + at) % (dash + gap)
            step = min((dash if phase < dash else dash + gap) - phase, length - at)
            if phase < dash:
                ends = (start + (end - start) * (share / length) for share in (at, at + step))
                found.append((next(ends), next(ends)))
            at += max(step, 1e-6)
        along += length
    return found
