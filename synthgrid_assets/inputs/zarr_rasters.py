"""Zarr inputs: a georeferenced two-dimensional array, read by windows like a raster.

Belongs here: finding the array, its grid and its missing values. Not here: sampling, which
is the raster's (`rasters`), and what pixels become (`surfaces`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.files.identity import file_digest
from synthgrid_assets.inputs.rasters import Raster, RasterSource
from synthgrid_assets.lattice.hashing import version_hash

_UNEVEN = 1e-6  # of a pixel, by which coordinates may miss an even grid


@dataclass(frozen=True)
class ZarrSource(RasterSource):
    """A variable of a Zarr group; `band` has no meaning.

    Parameters
    ----------
    variable : str
        Name of a two-dimensional array, rows along its first dimension.
    """

    variable: str = ""

    def open(self) -> ZarrRaster:
        """The array that is read; refuses one that cannot be used."""
        return ZarrRaster(self)


class ZarrRaster(Raster):
    """A georeferenced Zarr array: its grid, and its values at places in its own CRS.

    The CRS and the grid come from the array's CF ``grid_mapping`` (``crs_wkt`` or
    ``spatial_ref``, and GDAL's ``GeoTransform``), the grid otherwise from the evenly spaced
    coordinates named like the dimensions. Missing values (the array's fill value,
    ``_FillValue``, ``missing_value``) count as 0; ``scale_factor`` and ``add_offset`` apply.

    Parameters
    ----------
    source : ZarrSource

    Raises
    ------
    SpecError
        If the store or its variable is missing, is not two-dimensional or has no numbers,
        no CRS or no grid, or holds no value above 0 while no maximum is declared.
    """

    def __init__(self, source: ZarrSource) -> None:
        import rasterio

        self.source = source
        self._variable = source.variable
        with self._open() as array:
            attributes = dict(array.attrs)
            self.shape: tuple[int, int] = array.shape
            mapping = self._mapping(str(attributes.get("grid_mapping", "spatial_ref")))
            crs = mapping.get("crs_wkt") or mapping.get("spatial_ref")
            if not crs:
                raise SpecError(
                    f"{source.path}: {self._named} has no coordinate reference system; give it a "
                    "`grid_mapping` with `crs_wkt`, for example with rioxarray's `rio.write_crs`"
                )
            self.crs = str(crs)
            self.transform = self._grid(mapping, array)
            self._inverse = tuple(~rasterio.Affine(*self.transform))[:6]
            self._scale = float(attributes.get("scale_factor", 1.0))
            self._offset = float(attributes.get("add_offset", 0.0))
            stated = (attributes.get(key) for key in ("_FillValue", "missing_value"))
            self._missing = [
                float(value)
                for value in (array.fill_value, *stated)
                if isinstance(value, int | float | np.number)
            ]
            self.maximum = float(source.maximum or self._own_maximum(array))

    def __reduce__(self) -> tuple[Any, ...]:
        return ZarrRaster, (self.source,)

    def describe(self) -> dict[str, Any]:
        """What decides the values: the bytes of the store's files, the variable, the method."""
        root = self.source.path
        files = [
            [path.relative_to(root).as_posix(), file_digest(path)]
            for path in sorted((root / self._variable).rglob("*"))
            if path.is_file()
        ]
        return {
            "files": version_hash(files),
            "variable": self._variable,
            "grid": [self.crs, list(self.transform)],
            "method": self.source.method,
            "maximum": self.maximum,
        }

    def read(
        self, dataset: Any, low: tuple[int, int], high: tuple[int, int]
    ) -> NDArray[np.float64]:
        """A window of values, rows and columns inclusive; missing ones are 0."""
        stored = np.asarray(dataset[low[0] : high[0] + 1, low[1] : high[1] + 1], np.float64)
        values = stored * self._scale + self._offset
        for missing in self._missing:
            values[np.isnan(stored) if math.isnan(missing) else stored == missing] = 0.0
        return values

    @property
    def _named(self) -> str:
        return f"variable {self._variable!r}"

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import zarr

        path = self.source.path
        if not path.is_dir():
            raise SpecError(f"{path}: no such Zarr store; check the input's `zarr` path")
        try:
            group = zarr.open_group(path, mode="r")
            arrays = dict(group.arrays())
        except (OSError, ValueError, KeyError) as error:
            raise SpecError(f"{path}: cannot be read as a Zarr group: {error}") from error
        array = arrays.get(self._variable)
        if array is None:
            raise SpecError(
                f"{path}: there is no variable {self._variable!r}; it has {sorted(arrays)}"
            )
        if array.ndim != 2 or 0 in array.shape or np.dtype(array.dtype).kind not in "iufb":
            raise SpecError(
                f"{path}: {self._named} has shape {array.shape} of {array.dtype}; give a "
                "two-dimensional array of real numbers, rows along its first dimension"
            )
        yield array

    def _array(self, name: str) -> Any:
        """Another array of the group, None where there is none."""
        import zarr

        try:
            return zarr.open_array(self.source.path / name, mode="r")
        except (OSError, ValueError, KeyError):
            return None

    def _mapping(self, name: str) -> dict[str, Any]:
        array = self._array(name)
        return {} if array is None else dict(array.attrs)

    def _grid(self, mapping: dict[str, Any], array: Any) -> tuple[float, ...]:
        """Coefficients a to f from column and row to the CRS, as in rasterio's Affine."""
        path, given = self.source.path, mapping.get("GeoTransform")
        if given:
            try:
                c, a, b, f, d, e = map(float, str(given).split())
            except ValueError:
                raise SpecError(
                    f"{path}: GeoTransform {given!r} is not made of six numbers; write it again"
                ) from None
            transform = (a, b, c, d, e, f)
        else:
            names = getattr(array.metadata, "dimension_names", None) or array.attrs.get(
                "_ARRAY_DIMENSIONS"
            )
            y, x = (
                self._axis(str(name), n) for name, n in zip(names or "yx", self.shape, strict=True)
            )
            transform = (x[1], 0.0, x[0], 0.0, y[1], y[0])
        if transform[0] * transform[4] == transform[1] * transform[3]:
            raise SpecError(f"{path}: the grid of {self._named} is degenerate: {transform}")
        return transform

    def _axis(self, name: str, size: int) -> tuple[float, float]:
        """Outer edge and step of an evenly spaced coordinate."""
        array = self._array(name)
        if array is None or array.shape != (size,) or size < 2:
            raise SpecError(
                f"{self.source.path}: {self._named} has no georeference, neither a GeoTransform "
                f"nor a coordinate {name!r} of {size} values; write one, for example with rioxarray"
            )
        values = np.asarray(array[:], np.float64)
        step = float(values[-1] - values[0]) / (size - 1)
        if not np.abs(np.diff(values) - step).max() <= _UNEVEN * abs(step):
            raise SpecError(
                f"{self.source.path}: coordinate {name!r} is not evenly spaced; resample the array"
            )
        return float(values[0]) - step / 2, step
