"""Raster inputs: exact values of a source raster at given places, read by windows.

Belongs here: opening, refusing and reading a raster. Not here: where it lies and what decides it
(`sources.local_raster`, `remote`), interpolation (`sources.sampling`), the lattice's pixels and
the thresholds made of the values (`surfaces`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.remote.address import Address
from synthgrid_assets.inputs.sources.local_raster import LocalPlace
from synthgrid_assets.inputs.sources.raster_checks import check_raster, turn_of
from synthgrid_assets.inputs.sources.raster_facts import RasterFacts, check_exact
from synthgrid_assets.inputs.sources.raster_maximum import raster_maximum
from synthgrid_assets.inputs.sources.reading import reading
from synthgrid_assets.inputs.sources.sampling import Corner, Grid, Method, Pixels, Sampler

if TYPE_CHECKING:
    from synthgrid_assets.inputs.remote.remote_raster import RemotePlace

MAX_PIXELS_PER_CELL = 64
_GDAL_BLOCKS = 64  # MiB of decoded blocks that GDAL keeps in a process


@dataclass(frozen=True)
class RasterSource:
    """A band of a raster file and how lattice pixels take their values from it.

    Parameters
    ----------
    path : Path or Address
        Any raster that GDAL reads; on another machine, a GeoTIFF.
    band : int
        Band number, from 1.
    method : {"nearest", "bilinear"}
        The source pixel that holds the place, or the four around it.
    maximum : float or None
        The value that keeps every point; None takes the band's own maximum.
    pixels_per_cell : int
        Lattice pixels along a cell's side: a power of two, at most 64.
    array : str or None
        Name of the array in a file that holds several, as netCDF does.

    Raises
    ------
    SpecError
        If a parameter is out of range.
    """

    path: Path | Address
    band: int = 1
    method: Method = "nearest"
    maximum: float | None = None
    pixels_per_cell: int = 1
    array: str | None = None

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
    """One band of a raster: its grid, and its values at places in its own CRS.

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
    Places outside the raster take the value of the nearest source row and column, longitudes
    modulo a full turn. Pixels that the file declares as missing (nodata, mask, alpha, also two
    of these at once) count as 0. Band scale and offset are applied.
    """

    grid: Grid
    crs: str
    maximum: float

    def __init__(self, source: RasterSource) -> None:
        self.source = source
        self._named = f"band {source.band}"
        self._facts: RasterFacts | None = None
        with reading(source.path, "cannot be opened"):
            self._place = _place_of(source.path)
        self._facts = facts = self._place.facts(self._look, source.band)
        self.crs = facts.crs
        self.grid = Grid(facts.shape, facts.transform, turn_of(self.crs, source.path))
        self._scale, self._offset = facts.scale, facts.offset
        self._beside, self._alpha = facts.beside, facts.alpha
        self._parts = facts.parts
        self.maximum = float(source.maximum or self._own_maximum(facts))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.source,)

    def describe(self) -> dict[str, Any]:
        """What decides the values: the raster's bytes, the band, the method."""
        described = {
            **self._parts,
            "band": self.source.band,
            "method": self.source.method,
            "maximum": self.maximum,
        }
        if self.source.method == "bilinear":
            described["bilinear"] = 2  # 1 mixed missing pixels in as 0
        if self._beside is not None:
            described["nodata"] = repr(self._beside)
        if self._alpha is not None:
            described["alpha"] = self._alpha
        if self.source.array is not None:
            described["array"] = self.source.array
        return described

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
        rows, columns = self.grid.place(x, y)
        values = np.empty(np.shape(x))
        with self._open() as dataset:
            self._sampler(dataset).fill(rows, columns, values)
        return values

    def _sampler(self, dataset: Any) -> Sampler:
        return Sampler(
            self.grid,
            self.source.method,
            self.maximum,
            lambda low, high: self.read(dataset, low, high),
            self.refuse,
        )

    def read(self, dataset: Any, low: Corner, high: Corner) -> Pixels:
        """A window of source values, rows and columns inclusive."""
        stored, known = self._stored(dataset, low, high)
        values = stored.astype(np.float64) * self._scale + self._offset
        values[~known] = 0.0
        return Pixels(values, known)

    def _stored(
        self, dataset: Any, low: Corner, high: Corner
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """A window as it is stored, and where it is not missing."""
        window = ((low[0], high[0] + 1), (low[1], high[1] + 1))
        stored = dataset.read(self.source.band, window=window)
        if self._facts is not None:
            shape = (high[0] - low[0] + 1, high[1] - low[1] + 1)
            self._facts.check_window(stored, shape, self.source.path)
        known: NDArray[np.bool_] = dataset.read_masks(self.source.band, window=window) != 0
        if self._beside is not None:
            known &= ~_equal(stored, self._beside)
        if self._alpha is not None:
            known &= dataset.read(self._alpha, window=window) != 0
        check_exact(stored, known, low, self.source.path)
        return stored, known

    def refuse(self, row: int, column: int, value: float) -> SpecError:
        """The error for a value that no threshold can be made of, with its place."""
        a, b, c, d, e, f = self.grid.transform
        x = a * (column + 0.5) + b * (row + 0.5) + c
        y = d * (column + 0.5) + e * (row + 0.5) + f
        if self.maximum < value < math.inf:
            todo = f"above the maximum {self.maximum!r}; raise `maximum` or clip the raster"
        elif value < 0:
            todo = "negative; an intensity is 0 or more, so shift or clip the raster"
        else:
            todo = (
                "not a finite number; declare it as the raster's nodata value (which counts as 0)"
            )
        return SpecError(
            f"{self.source.path}: value {value!r} at row {row}, column {column} "
            f"(x = {x!r}, y = {y!r} in the raster's CRS) is {todo}"
        )

    def _look(self) -> RasterFacts:
        """What the raster says of itself, if it can be used."""
        with self._open() as dataset:
            check_raster(dataset, self.source.path, self.source.band)
            parts = self._place.parts(dataset, self.source.band)
            return RasterFacts.of(dataset, self.source.band, parts)

    def _own_maximum(self, facts: RasterFacts) -> float:
        described = [*map(str, self._parts.values()), self._named, repr(self._beside)]
        described += [str(self.source.array), *([] if self._alpha is None else [str(self._alpha)])]
        return raster_maximum(
            self.source.path, self._named, facts.shape, facts.block_rows, self._largest, described
        )

    def _largest(self, low: Corner, high: Corner) -> float:
        """The largest finite value of a window; values are scaled only once they are found."""
        with self._open() as dataset:
            stored, known = self._stored(dataset, low, high)
        if stored.dtype.kind == "f":
            known &= np.isfinite(stored)
        values = stored if known.all() else stored[known]
        if values.size == 0:
            return 0.0
        ends = (float(values.min()), float(values.max()))
        return max(end * self._scale + self._offset for end in ends)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning

        # what a file refers to in ways of its own is not fetched either
        settings = {
            "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
            "RAW_CHECK_FILE_SIZE": "YES",
            "GDAL_CACHEMAX": _GDAL_BLOCKS,
        }
        path = self.source.path
        with (
            reading(path, self._place.unreadable),
            rasterio.Env(**settings),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # refused in words
            with self._place.opened(self.source.array) as dataset:
                if self._facts is not None:
                    self._facts.check_same(dataset, path, self.source.band)
                yield dataset


def _place_of(path: Path | Address) -> LocalPlace | RemotePlace:
    if isinstance(path, Address):
        from synthgrid_assets.inputs.remote.remote_raster import RemotePlace

        return RemotePlace(path)
    return LocalPlace(path)


def largest_finite(values: NDArray[np.float64]) -> float:
    """The largest finite value; 0 where there is none above it."""
    return float(np.max(values, where=np.isfinite(values), initial=0.0))


def _equal(stored: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    """Which stored values are the nodata value."""
    found: NDArray[np.bool_] = np.isnan(stored) if math.isnan(nodata) else stored == nodata
    return found
