"""Values of a grid at places: the nearest pixel, or the four around it by their weights.

Belongs here: rows and columns of places, longitudes modulo a full turn, windows of bounded size,
interpolation and what missing pixels mean in it. Not here: reading pixels (`rasters`,
`zarr_rasters`) and the lattice (`surfaces`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError

MAX_WINDOW = 1 << 22  # source pixels in memory at a time
Method = Literal["nearest", "bilinear"]
Corner = tuple[int, int]
_WHOLE_TURN = 0.01  # of a pixel, by which a grid may miss a full turn and still close


class Pixels(NamedTuple):
    """A window of source pixels.

    Attributes
    ----------
    values : ndarray of float64, shape (h, w)
        0 where they are missing.
    known : ndarray of bool, shape (h, w)
        Where they are not missing.
    """

    values: NDArray[np.float64]
    known: NDArray[np.bool_]


Read = Callable[[Corner, Corner], Pixels]
Refuse = Callable[[int, int, float], SpecError]


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a source lie in its own CRS.

    Parameters
    ----------
    shape : tuple of two ints
        Rows and columns.
    transform : tuple of six floats
        Coefficients a to f from column and row to the CRS, as in rasterio's Affine.
    turn : float or None
        How far apart two longitudes are that are the same, in units of the CRS; None for
        coordinates that are no longitudes.

    Examples
    --------
    >>> months = Grid((180, 360), (1.0, 0.0, 0.0, 0.0, -1.0, 90.0), 360.0)
    >>> [axis.tolist() for axis in months.place(np.array([-74.0]), np.array([40.5]))]
    [[49.5], [286.0]]
    """

    shape: tuple[int, int]
    transform: tuple[float, ...]
    turn: float | None = None

    @property
    def closes(self) -> bool:
        """Whether the last column is the first one's neighbour, once round the earth."""
        a, b, _, d, *_ = self.transform
        if self.turn is None or b or d:
            return False
        return abs(abs(a) * self.shape[1] - self.turn) < _WHOLE_TURN * abs(a)

    def turned(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Full turns by which longitudes lie beside the grid's middle, shape of `x`."""
        a, b, c, d, *_ = self.transform
        if self.turn is None or b or d:
            return np.zeros(np.shape(x))
        return np.rint((x - (c + a * self.shape[1] / 2)) / self.turn)

    def place(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fractional rows and columns of places in the grid's CRS."""
        import rasterio

        turns = self.turned(x)
        if turns.any():
            x = np.where(turns == 0, x, x - turns * (self.turn or 0.0))
        a, b, c, d, e, f = tuple(~rasterio.Affine(*self.transform))[:6]
        return d * x + e * y + f, a * x + b * y + c

    def holds(self, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether places lie inside, by their fractional rows and columns."""
        height, width = self.shape
        inside: NDArray[np.bool_] = (rows >= 0) & (rows <= height)
        return inside & (columns >= 0) & (columns <= width)


@dataclass(frozen=True)
class Sampler:
    """Takes values of a grid, window by window.

    Parameters
    ----------
    grid : Grid
    method : {"nearest", "bilinear"}
    maximum : float
        No value is larger.
    read : callable
        Pixels between two corners (row, column), both inclusive.
    refuse : callable
        The error for a pixel's row, column and value that cannot be used.

    Notes
    -----
    Bilinear leaves the weights of missing pixels out, and has no value where the pixel that
    holds the place is missing itself: data keep their values up to the last pixel, and nothing
    reaches beyond it. Where nothing is missing, sums are rounded in one fixed order.
    """

    grid: Grid
    method: Method
    maximum: float
    read: Read
    refuse: Refuse

    def fill(
        self, rows: NDArray[np.float64], columns: NDArray[np.float64], out: NDArray[np.float64]
    ) -> None:
        """Values at fractional rows and columns; by quarters where these lie far apart."""
        shift = 0.5 if self.method == "bilinear" else 0.0
        first_row, first_column = (
            # clamped as floats: a place far outside need not fit an integer
            np.clip(np.floor(values - shift), -1, size - 1).astype(np.int64)
            for values, size in zip((rows, columns), self.grid.shape, strict=True)
        )
        low, high = self._corners(first_row, first_column)
        pixels = (high[0] - low[0] + 1) * (high[1] - low[1] + 1)
        if out.size > 1 and pixels > MAX_WINDOW:
            for part in _quarters(out.shape):
                self.fill(rows[part], columns[part], out[part])
            return
        window = _Window(self, low, self.read(low, high))
        if self.method == "nearest":
            out[:] = window.at(first_row, first_column).values
            return
        down = np.clip(rows - shift - first_row, 0.0, 1.0)
        right = np.clip(columns - shift - first_column, 0.0, 1.0)
        out[:] = self._between(window, (first_row, first_column), (down, right))

    def _between(
        self,
        window: _Window,
        first: tuple[NDArray[np.int64], NDArray[np.int64]],
        share: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        (row, column), (down, right) = first, share
        around = ((0, 0), (0, 1), (1, 0), (1, 1))
        corners = [window.at(row + south, column + east) for south, east in around]
        values = _weighted([corner.values for corner in corners], down, right)
        if not all(corner.known.all() for corner in corners):
            known = [corner.known.astype(np.float64) for corner in corners]
            weight = _weighted(known, down, right)
            partial = weight < _weighted([np.ones_like(one) for one in known], down, right)
            own = window.at(row + (down >= 0.5), column + (right >= 0.5)).known
            mended = np.divide(values, weight, out=np.zeros_like(values), where=weight > 0)
            values = np.where(own, np.where(partial, mended, values), 0.0)
        least: NDArray[np.float64] = np.minimum(values, self.maximum)
        return least

    def _corners(self, row: NDArray[np.int64], column: NDArray[np.int64]) -> tuple[Corner, Corner]:
        """First and last row and column of the window that the places need."""
        last_row, last_column = self.grid.shape[0] - 1, self.grid.shape[1] - 1
        ends = [self.columns(column), self.columns(column + 1)]
        if self.method == "nearest":
            ends = ends[:1]
        low = max(int(row.min()), 0), min(int(end.min()) for end in ends)
        high = (
            min(int(row.max()) + 1, last_row),
            min(max(int(end.max()) for end in ends) + (self.method == "nearest"), last_column),
        )
        return low, high

    def columns(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Columns of the grid: clamped, or once more round the earth."""
        width = self.grid.shape[1]
        return np.mod(columns, width) if self.grid.closes else np.clip(columns, 0, width - 1)


class _Window:
    """Source pixels of one window, checked only where they are used."""

    def __init__(self, sampler: Sampler, low: Corner, pixels: Pixels) -> None:
        self._sampler, self._low, self._pixels = sampler, low, pixels

    def at(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Pixels:
        """Pixels at rows and columns, clamped to the grid."""
        height, _ = self._pixels.values.shape
        j = np.clip(rows - self._low[0], 0, height - 1)
        i = self._sampler.columns(columns) - self._low[1]
        values, known = self._pixels.values[j, i], self._pixels.known[j, i]
        bad = ~((values >= 0) & (values <= self._sampler.maximum))
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            row, column = int(j.flat[at]) + self._low[0], int(i.flat[at]) + self._low[1]
            raise self._sampler.refuse(row, column, float(values.flat[at]))
        return Pixels(values, known)


def _weighted(
    corners: list[NDArray[np.float64]], down: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bilinear sums of north-west, north-east, south-west and south-east values."""
    top = corners[0] * (1 - right)
    top += corners[1] * right
    bottom = corners[2] * (1 - right)
    bottom += corners[3] * right
    total: NDArray[np.float64] = top * (1 - down) + bottom * down
    return total


def _quarters(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    middle = [(side + 1) // 2 for side in shape]
    halves = [[slice(0, m), slice(m, side)] for m, side in zip(middle, shape, strict=True)]
    return [
        (rows, columns)
        for rows in halves[0]
        for columns in halves[1]
        if rows.start < rows.stop and columns.start < columns.stop
    ]
