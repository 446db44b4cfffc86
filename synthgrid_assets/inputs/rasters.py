"""Raster inputs: exact values of a source raster at given places, read by windows.

Belongs here: opening, refusing and sampling a raster file. Not here: the lattice's pixels
and the thresholds made of the values (`surfaces`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.files.identity import file_digest

MAX_WINDOW = 1 << 22  # source pixels in memory at a time
MAX_PIXELS_PER_CELL = 64
Method = Literal["nearest", "bilinear"]


@dataclass(frozen=True)
class RasterSource:
    """A band of a raster file and how lattice pixels take their values from it.

    Parameters
    ----------
    path : Path
        Any raster that GDAL reads.
    band : int
        Band number, from 1.
    method : {"nearest", "bilinear"}
        The source pixel that holds the place, or the four around it.
    maximum : float or None
        The value that keeps every point; None takes the band's own maximum.
    pixels_per_cell : int
        Lattice pixels along a cell's side: a power of two, at most 64.

    Raises
    ------
    SpecError
        If a parameter is out of range.
    """

    path: Path
    band: int = 1
    method: Method = "nearest"
    maximum: float | None = None
    pixels_per_cell: int = 1

    def __post_init__(self) -> None:
        s = self.pixels_per_cell
        if not (1 <= s <= MAX_PIXELS_PER_CELL and s & (s - 1) == 0):
            raise SpecError(
                f"{self.path}: pixels_per_cell must be a power of two from 1 to "
                f"{MAX_PIXELS_PER_CELL}, got {s!r}"
            )
        if self.method not in ("nearest", "bilinear"):
            raise SpecError(
                f"{self.path}: method must be 'nearest' or 'bilinear', got {self.method!r}"
            )
        if self.maximum is not None and not (math.isfinite(self.maximum) and self.maximum > 0):
            raise SpecError(f"{self.path}: maximum must be a positive number, got {self.maximum!r}")

    def open(self) -> Raster:
        """The raster that is read; refuses one that cannot be used."""
        return Raster(self)


class Raster:
    """One band of a raster on disk: its grid, and its values at places in its own CRS.

    No file stays open between calls, so a raster can be handed to other processes.

    Parameters
    ----------
    source : RasterSource

    Raises
    ------
    SpecError
        If the file is missing or unreadable, has no such band, no CRS or no geotransform,
        holds complex numbers, or holds no value above 0 while no maximum is declared.

    Notes
    -----
    Places outside the raster take the value of the nearest source row and column. Pixels
    that the file declares as missing (nodata, mask, alpha) count as 0. Band scale and
    offset are applied.
    """

    def __init__(self, source: RasterSource) -> None:
        self.source = source
        with self._open() as dataset:
            self._check(dataset)
            self.crs: str = dataset.crs.to_wkt()
            self.shape: tuple[int, int] = dataset.shape
            self.transform: tuple[float, ...] = tuple(dataset.transform)[:6]
            self._inverse: tuple[float, ...] = tuple(~dataset.transform)[:6]
            self._scale = float(dataset.scales[source.band - 1])
            self._offset = float(dataset.offsets[source.band - 1])
            self._files = [Path(name) for name in dataset.files]
            self.maximum = float(source.maximum or self._own_maximum(dataset))

    def __reduce__(self) -> tuple[Any, ...]:
        return Raster, (self.source,)

    def describe(self) -> dict[str, Any]:
        """What decides the values: the bytes of the raster's files, the band, the method."""
        digests = sorted(file_digest(path) for path in self._files if path.is_file())
        return {
            "files": digests,
            "band": self.source.band,
            "method": self.source.method,
            "maximum": self.maximum,
        }

    def sample(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at places given in the raster's CRS, each between 0 and `maximum`.

        Parameters
        ----------
        x, y : ndarray of float64, shape (h, w)
            A window of neighbouring places, finite.

        Returns
        -------
        ndarray of float64, shape (h, w)

        Raises
        ------
        SpecError
            If a value that is needed is negative, not finite or above the maximum; names
            the place.
        """
        a, b, c, d, e, f = self._inverse
        columns, rows = a * x + b * y + c, d * x + e * y + f
        values = np.empty(np.shape(x))
        with self._open() as dataset:
            self._fill(dataset, rows, columns, values)
        return values

    def _fill(
        self,
        dataset: Any,
        rows: NDArray[np.float64],
        columns: NDArray[np.float64],
        out: NDArray[np.float64],
    ) -> None:
        """Values at fractional source rows and columns, by quarters where too far apart."""
        last_row, last_column = self.shape[0] - 1, self.shape[1] - 1
        shift = 0.5 if self.source.method == "bilinear" else 0.0
        # clamped as floats: a place far outside need not fit an integer
        first_row = np.clip(np.floor(rows - shift), -1, last_row).astype(np.int64)
        first_column = np.clip(np.floor(columns - shift), -1, last_column).astype(np.int64)
        low = (max(int(first_row.min()), 0), max(int(first_column.min()), 0))
        high = (
            min(int(first_row.max()) + 1, last_row),
            min(int(first_column.max()) + 1, last_column),
        )
        if out.size > 1 and (high[0] - low[0] + 1) * (high[1] - low[1] + 1) > MAX_WINDOW:
            for part in _quarters(out.shape):
                self._fill(dataset, rows[part], columns[part], out[part])
            return
        window = _Window(self, dataset, low, high)
        if self.source.method == "nearest":
            out[:] = window.at(first_row, first_column)
            return
        down = np.clip(rows - shift - first_row, 0.0, 1.0)
        right = np.clip(columns - shift - first_column, 0.0, 1.0)
        top = window.at(first_row, first_column) * (1 - right)
        top += window.at(first_row, first_column + 1) * right
        bottom = window.at(first_row + 1, first_column) * (1 - right)
        bottom += window.at(first_row + 1, first_column + 1) * right
        out[:] = np.minimum(top * (1 - down) + bottom * down, self.maximum)

    def read(
        self, dataset: Any, low: tuple[int, int], high: tuple[int, int]
    ) -> NDArray[np.float64]:
        """A window of source values, rows and columns inclusive; missing ones are 0."""
        window = ((low[0], high[0] + 1), (low[1], high[1] + 1))
        stored = dataset.read(self.source.band, window=window).astype(np.float64)
        values: NDArray[np.float64] = stored * self._scale + self._offset
        values[dataset.read_masks(self.source.band, window=window) == 0] = 0.0
        return values

    def refuse(self, row: int, column: int, value: float) -> SpecError:
        """The error for a value that no threshold can be made of, with its place."""
        a, b, c, d, e, f = self.transform
        x = a * (column + 0.5) + b * (row + 0.5) + c
        y = d * (column + 0.5) + e * (row + 0.5) + f
        if value > self.maximum:
            todo = f"above the maximum {self.maximum!r}; raise `maximum` or clip the raster"
        elif value < 0:
            todo = "negative; an intensity is 0 or more, so shift or clip the raster"
        else:
            todo = "not a number; declare it as the raster's nodata value (which counts as 0)"
        return SpecError(
            f"{self.source.path}: value {value!r} at row {row}, column {column} "
            f"(x = {x!r}, y = {y!r} in the raster's CRS) is {todo}"
        )

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import rasterio
        from rasterio.errors import RasterioError

        path = self.source.path
        if not path.exists():
            raise SpecError(f"{path}: no such raster file; check the input's `raster` path")
        try:
            with rasterio.open(path) as dataset:
                yield dataset
        except RasterioError as error:
            raise SpecError(f"{path}: GDAL cannot read it as a raster: {error}") from error

    def _check(self, dataset: Any) -> None:
        path, band = self.source.path, self.source.band
        if not 1 <= band <= dataset.count:
            raise SpecError(f"{path}: there is no band {band}; choose 1 to {dataset.count}")
        if dataset.dtypes[band - 1].startswith("complex"):
            raise SpecError(
                f"{path}: band {band} holds complex numbers ({dataset.dtypes[band - 1]}); "
                "write its magnitude to a real-valued raster"
            )
        if dataset.crs is None:
            raise SpecError(
                f"{path}: no coordinate reference system; set it, for example with "
                "`rio edit-info --crs EPSG:4326`"
            )
        if dataset.transform.is_identity or dataset.transform.is_degenerate:
            raise SpecError(
                f"{path}: no usable geotransform (its pixels lie nowhere); georeference it, for "
                "example with `rio edit-info --transform` or `gdalwarp`"
            )

    @property
    def _named(self) -> str:
        return f"band {self.source.band}"

    def _own_maximum(self, dataset: Any) -> float:
        """The largest finite value of the band, by strips of bounded size."""
        height, width = self.shape
        strip = max(MAX_WINDOW // width, 1)
        found = 0.0
        for row in range(0, height, strip):
            values = self.read(dataset, (row, 0), (min(row + strip, height) - 1, width - 1))
            found = max(found, float(np.max(values, where=np.isfinite(values), initial=0.0)))
        if found <= 0:
            raise SpecError(
                f"{self.source.path}: {self._named} holds no value above 0, so no point could "
                "ever be kept; choose another one"
            )
        return found


class _Window:
    """Source values of one window, checked only where they are used."""

    def __init__(
        self, raster: Raster, dataset: Any, low: tuple[int, int], high: tuple[int, int]
    ) -> None:
        self._raster, self._low, self._high = raster, low, high
        self._values = raster.read(dataset, low, high)

    def at(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Values at source rows and columns, clamped to the raster."""
        j = np.clip(rows, self._low[0], self._high[0]) - self._low[0]
        i = np.clip(columns, self._low[1], self._high[1]) - self._low[1]
        values = self._values[j, i]
        bad = ~((values >= 0) & (values <= self._raster.maximum))
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            row, column = int(j.flat[at]) + self._low[0], int(i.flat[at]) + self._low[1]
            raise self._raster.refuse(row, column, float(values.flat[at]))
        return values


def _quarters(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    middle = [(side + 1) // 2 for side in shape]
    halves = [[slice(0, m), slice(m, side)] for m, side in zip(middle, shape, strict=True)]
    return [
        (rows, columns)
        for rows in halves[0]
        for columns in halves[1]
        if rows.start < rows.stop and columns.start < columns.stop
    ]
