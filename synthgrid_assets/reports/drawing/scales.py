"""Colours of values, and round numbers along an axis.

Belongs here: which colour a value has, which numbers are written. Not here: drawing (`axes`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVELS = 32  # colours of a scale: few enough for the palette of a picture
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class Scale(NamedTuple):
    """Colours from the least to the largest value.

    Attributes
    ----------
    colours : tuple of str
        ``#rrggbb``, at equal distances.
    low, high : float
        Values beyond are drawn as these.
    """

    colours: tuple[str, ...]
    low: float
    high: float

    @property
    def shades(self) -> NDArray[np.uint8]:
        """The scale's colours, shape (LEVELS, 3)."""
        ends = np.array([list(bytes.fromhex(colour[1:])) for colour in self.colours], float)
        places = np.linspace(0, len(ends) - 1, LEVELS)
        mixed = [np.interp(places, np.arange(len(ends)), channel) for channel in ends.T]
        return np.array(mixed).T.round().astype(np.uint8)

    def of(self, values: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Each value's colour, shape (..., 3); white where it is NaN.

        Examples
        --------
        >>> Scale(("#000000", "#ff0000"), 0.0, 1.0).of(np.array([-3.0, 1.0, np.nan])).tolist()
        [[0, 0, 0], [255, 0, 0], [255, 255, 255]]
        """
        width = max(self.high - self.low, 1e-300)
        share = np.clip((np.nan_to_num(values) - self.low) / width, 0, 1)
        level = np.minimum(share * LEVELS, LEVELS - 1).astype(int)
        found: NDArray[np.uint8] = self.shades[level]
        found[np.isnan(values)] = 255
        return found


# Brewer's scales YlGnBu and RdBu (ColorBrewer 2.0, Apache-2.0)
SEQUENTIAL = (
    *("#ffffd9", "#edf8b1", "#c7e9b4", "#7fcdbb", "#41b6c4"),
    *("#1d91c0", "#225ea8", "#253494", "#081d58"),
)
DIVERGING = (
    *("#053061", "#2166ac", "#4393c3", "#92c5de", "#d1e5f0", "#f7f7f7"),
    *("#fddbc7", "#f4a582", "#d6604d", "#b2182b", "#67001f"),
)


def ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Round numbers from one to another, at most so many steps apart, and how they are written.

    Examples
    --------
    >>> ticks(-0.3, 1.1, 4)
    [(0.0, '0.0'), (0.5, '0.5'), (1.0, '1.0')]
    >>> ticks(9788.0, 10252.0, 5)
    [(9800.0, '9800'), (9900.0, '9900'), (10000.0, '10000'), (10100.0, '10100'), (10200.0, '10200')]
    """
    least = (high - low) / most
    if not (least > 0 and math.isfinite(least)):
        return [(low, f"{low:.6g}")]
    power = 10.0 ** math.floor(math.log10(least))
    step = next(s * power for s in (*_STEPS, 20.0) if s * power >= least * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    places += not math.isclose(step * 10**places, round(step * 10**places), rel_tol=1e-6)
    if places > 6 or abs(high) >= 1e7 or abs(low) >= 1e7:
        return [(k * step, f"{k * step:.4g}") for k in range(first, last + 1)]
    return [(k * step, f"{k * step + 0.0:.{places}f}") for k in range(first, last + 1)]
