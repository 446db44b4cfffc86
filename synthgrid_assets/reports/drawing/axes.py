"""Axes: values in a box of a sheet, with their numbers, names and a legend.

Belongs here: from values to pixels. Not here: pixels (`sheet`), colours of values (`scales`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.reports.drawing.scales import Scale, ticks
from synthgrid_assets.reports.drawing.sheet import PAPER, Shapes, Sheet

NUMBERS, NAMES, SMALL = 11.5, 12.5, 10.5  # sizes of texts in pixels
_TICK = 4
_PIXELS_APART = 46  # of an axis for each of its numbers


class Range(NamedTuple):
    """From the least to the largest value that an axis shows.

    Attributes
    ----------
    low, high : float
    """

    low: float
    high: float

    @classmethod
    def around(cls, *values: NDArray[np.float64], margin: float = 0.05) -> Range:
        """One that holds all finite values, with a margin as a part of it.

        Examples
        --------
        >>> Range.around(np.array([0.0, np.nan, 10.0]), margin=0.1)
        Range(low=-1.0, high=11.0)
        """
        finite = np.concatenate([v[np.isfinite(v)] for v in values])
        if not finite.size:
            return cls(0.0, 1.0)
        low, high = float(finite.min()), float(finite.max())
        beyond = margin * (high - low) or 0.05 * abs(high) or 0.5
        return cls(low - beyond, high + beyond)


class Axes:
    """A box of a sheet where places stand for values.

    Parameters
    ----------
    sheet : Sheet
    box : tuple of four int
        Left, top, right and bottom in pixels.
    x, y : Range
        Left to right, and bottom to top.
    """

    def __init__(self, sheet: Sheet, box: tuple[int, int, int, int], x: Range, y: Range) -> None:
        self.sheet, self.box = sheet, box
        self._x, self._y = x, y
        self.shapes = Shapes(box[2] - box[0], box[3] - box[1])

    @property
    def view(self) -> Box:
        """What the axes show."""
        return Box(self._x.low, self._y.low, self._x.high, self._y.high)

    def places(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels in the box of values, shape (n, 2)."""
        left, top, right, bottom = self.box
        across = (x - self._x.low) / (self._x.high - self._x.low) * (right - left)
        up = (y - self._y.low) / (self._y.high - self._y.low) * (bottom - top)
        return np.column_stack((across, (bottom - top) - up))

    def band(
        self,
        x: NDArray[np.float64],
        low: NDArray[np.float64],
        high: NDArray[np.float64],
        colour: str,
    ) -> None:
        """What lies between two curves; nothing where one of them is not known."""
        known = np.isfinite(low) & np.isfinite(high)
        for part in _runs(known):
            there, back = self.places(x[part], high[part]), self.places(x[part], low[part])
            self.shapes.polygon(np.concatenate((there, back[::-1])), colour)

    def curve(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        colour: str,
        *,
        dashed: bool = False,
        width: float = 1.6,
    ) -> None:
        """A curve, with gaps where it is not known."""
        draw = self.shapes.dashes if dashed else self.shapes.line
        for part in _runs(np.isfinite(y)):
            draw(self.places(x[part], y[part]), colour, width=width)

    def bar(self, west: float, east: float, height: float, colour: str) -> None:
        """A bar from zero."""
        corners = self.places(
            np.array([west, west, east, east]), np.array([0, height, height, 0.0])
        )
        self.shapes.polygon(np.rint(corners), colour)

    def finish(self, x_name: str = "", y_name: str = "") -> None:
        """Lay the shapes on the sheet, with a frame, numbers and names around them."""
        left, top, right, bottom = self.box
        self.sheet.paste(self.shapes, left, top)
        self._numbers()
        if x_name:
            self.sheet.text((left + right) / 2, bottom + 35, x_name, NAMES)
        if y_name:
            self.sheet.upright_text(max(left - 46, 8), (top + bottom) // 2, y_name, NAMES)

    def finish_map(self, values: NDArray[np.float64], scale: Scale, names: tuple[str, str]) -> None:
        """Values by row, from the south, and column as squares of colours, with their scale."""
        self.sheet.squares(scale.of(values[::-1]), self.box)
        self._numbers()
        left, top, right, bottom = self.box
        self.sheet.text((left + right) / 2, bottom + 35, names[0], NAMES)
        self.sheet.upright_text(max(left - 46, 8), (top + bottom) // 2, names[1], NAMES)
        self._scale(scale)

    def legend(self, rows: list[tuple[str, str]], *, at_top: bool, at_right: bool) -> None:
        """Names of what is drawn, each after its kind of mark and colour: ``band #d6e4f0``."""
        width = 42 + max(round(self.sheet.length(name, SMALL)) for _, name in rows)
        height = 15 * len(rows) + 6
        left = self.box[2] - width - 6 if at_right else self.box[0] + 6
        top = self.box[1] + 6 if at_top else self.box[3] - height - 6
        self.sheet.frame((left, top, left + width, top + height), "#c9d1d8", PAPER)
        for number, (mark, name) in enumerate(rows):
            y, (kind, colour) = top + 10 + 15 * number, mark.split()
            if kind == "band":
                self.sheet.frame((left + 7, y - 4, left + 29, y + 4), colour, colour)
            for row in (y, y + 1) if kind != "band" else ():
                draw = self.sheet.dashes if kind == "dashes" else self.sheet.line
                draw(left + 7, row, left + 29, row, colour)
            self.sheet.text(left + 36, y, name, SMALL, "lm")

    def _numbers(self) -> None:
        left, top, right, bottom = self.box
        self.sheet.frame((left - 1, top - 1, right, bottom))
        for value, told in ticks(*self._x, max((right - left) // _PIXELS_APART, 2)):
            x = left + round(float(self.places(np.array([value]), np.zeros(1))[0, 0]))
            self.sheet.line(x, bottom, x, bottom + _TICK)
            self.sheet.text(x, bottom + 16, told, NUMBERS)
        for value, told in ticks(*self._y, max((bottom - top) // 32, 2)):
            y = top + round(float(self.places(np.zeros(1), np.array([value]))[0, 1]))
            self.sheet.line(left - 1 - _TICK, y, left - 1, y)
            self.sheet.text(left - 7, y, told, NUMBERS, "rm")

    def _scale(self, scale: Scale) -> None:
        """The colours of values beside a map, with their numbers."""
        _, top, right, bottom = self.box
        shrink = (bottom - top) // 14
        box = (right + 16, top + shrink, right + 28, bottom - shrink)
        self.sheet.squares(scale.shades[::-1, None], box)
        self.sheet.frame((box[0] - 1, box[1] - 1, box[2], box[3]))
        for value, told in ticks(scale.low, scale.high, 8):
            share = (value - scale.low) / max(scale.high - scale.low, 1e-300)
            y = round(box[3] - share * (box[3] - box[1]))
            self.sheet.line(box[2], y, box[2] + _TICK, y)
            self.sheet.text(box[2] + 7, y, told, NUMBERS, "lm")


def _runs(known: NDArray[np.bool_]) -> list[slice]:
    """Where values are known, one after the other."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], known.astype(int), [0]))))
    return [slice(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]
