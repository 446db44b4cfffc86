"""Zarr inputs: a georeferenced two-dimensional array, read by windows like a raster.

Belongs here: opening the store with xarray, and what decides its values. Not here: where its
pixels lie (`zarr_grid`), sampling (`sources.sampling`), and what pixels become (`surfaces`).

xarray decodes: missing values, scale and offset, and the names of dimensions are its business,
so that an array means here what it means to everybody who opens it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.rasters import Raster, RasterSource, largest_finite
from synthgrid_assets.inputs.sources.identity import folder_digest, refuse_absent
from synthgrid_assets.inputs.sources.raster_checks import turn_of
from synthgrid_assets.inputs.sources.raster_maximum import raster_maximum
from synthgrid_assets.inputs.sources.reading import reading
from synthgrid_assets.inputs.sources.sampling import Corner, Grid, Pixels
from synthgrid_assets.inputs.sources.zarr_grid import crs_of, grid_of

# names of dimensions that leave no doubt, beside those that rioxarray knows
_NORTH_AND_EAST = (("lat", "lon"), ("northing", "easting"), ("Y", "X"))


@dataclass(frozen=True)
class ZarrSource(RasterSource):
    """A variable of a Zarr group; `band` has no meaning.

    Parameters
    ----------
    variable : str
        Name of a two-dimensional array.
    """

    path: Path
    variable: str = ""

    def open(self) -> ZarrRaster:
        """The array that is read; refuses one that cannot be used."""
        return ZarrRaster(self)


class ZarrRaster(Raster):
    """A georeferenced Zarr array: its grid, and its values at places in its own CRS.

    The CRS comes from the array's CF ``grid_mapping``; the grid from GDAL's ``GeoTransform``
    there and from the evenly spaced coordinates, which must agree where both are given.
    Missing values, scale and offset are those that `xarray.open_zarr` decodes.

    Parameters
    ----------
    source : ZarrSource

    Raises
    ------
    SpecError
        If the store or its variable is missing, is not two-dimensional or has no numbers,
        no CRS or no grid, or two that contradict each other, or holds no value above 0 while
        no maximum is declared.
    """

    source: ZarrSource

    def __init__(self, source: ZarrSource) -> None:
        self.source = source
        self._named = f"variable {source.variable!r}"
        with self._open() as array:
            self.crs = crs_of(array, source.path, self._named)
            shape, transform = grid_of(array, source.path, self._named)
            self.grid = Grid(shape, transform, turn_of(self.crs, source.path))
            self._decoding = {
                key: repr(value)
                for key, value in sorted(array.encoding.items())
                if key in ("_FillValue", "missing_value", "scale_factor", "add_offset", "dtype")
            }
            self.maximum = float(source.maximum or self._own_maximum(array))

    def describe(self) -> dict[str, Any]:
        """What decides the values: the bytes of the array's files, its decoding, the method."""
        described = {
            "files": self._digest,
            "variable": self.source.variable,
            "grid": [self.crs, list(self.grid.transform)],
            "decoding": self._decoding,
            "method": self.source.method,
            "maximum": self.maximum,
        }
        if self.source.method == "bilinear":
            described["bilinear"] = 2  # 1 mixed missing pixels in as 0
        return described

    def read(self, dataset: Any, low: Corner, high: Corner) -> Pixels:
        """A window of values, rows and columns inclusive."""
        window = dataset[low[0] : high[0] + 1, low[1] : high[1] + 1]
        values = np.array(window.values, np.float64)
        missing = np.isnan(values)  # what xarray makes of missing values, declared or filled in
        values[missing] = 0.0
        return Pixels(values, ~missing)

    @property
    def _digest(self) -> str:
        return folder_digest(self.source.path / self.source.variable)

    def _own_maximum(self, dataset: Any) -> float:
        chunks = dataset.encoding.get("chunks") or (1,)
        decides = [self._digest, str(self._decoding), self._named]
        return raster_maximum(
            self.source.path,
            self._named,
            self.grid.shape,
            int(chunks[dataset.get_axis_num(dataset.rio.y_dim)]),
            lambda low, high: largest_finite(self.read(dataset, low, high).values),
            decides,
        )

    @contextmanager
    def _open(self) -> Iterator[Any]:
        """The array, rows from its first y to its last, columns from its first x."""
        import rioxarray  # noqa: F401  (gives arrays their `rio` accessor)
        import xarray

        path, variable = self.source.path, self.source.variable
        refuse_absent(path, "Zarr store", "zarr")
        if not path.is_dir():
            raise SpecError(f"{path}: no Zarr store but a file; give the store's folder")
        with reading(path, "cannot be read as a Zarr group"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of consolidated metadata and fill values
            unnamed = _without_dimensions(path)
            self._refuse_scales()
            if variable in unnamed:
                raise SpecError(
                    f"{path}: {self._named} has no names of dimensions; write it with xarray, or "
                    "give it dimension_names y and x"
                )
            with xarray.open_zarr(
                path, chunks=None, decode_coords="all", decode_times=False, drop_variables=unnamed
            ) as store:
                yield self._chosen(store)

    def _refuse_scales(self) -> None:
        """Refuse a scale or an offset that is no number: xarray would multiply by it."""
        import zarr

        group = zarr.open_group(self.source.path, mode="r")
        attributes = group[self.source.variable].attrs if self.source.variable in group else {}
        for key in ("scale_factor", "add_offset"):
            value = attributes.get(key, 1.0)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise SpecError(
                    f"{self.source.path}: {self._named} has {key} {value!r}, which is no number; "
                    "write the array with a number there, or without it"
                )

    def _chosen(self, store: Any) -> Any:
        path, variable = self.source.path, self.source.variable
        if variable not in store.variables:
            known = sorted(map(str, store.variables))
            raise SpecError(f"{path}: there is no variable {variable!r}; it has {known}")
        if "spatial_ref" in store.variables:  # by default where no grid mapping is named
            store = store.set_coords("spatial_ref")
        array = store[variable]
        units = str(array.attrs.get("units", ""))
        if " since " in units or str(array.attrs.get("dtype", "")).startswith("timedelta"):
            raise SpecError(
                f"{path}: {self._named} holds times ({units!r}); give an array of real numbers"
            )
        if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "iufb":
            raise SpecError(
                f"{path}: {self._named} has shape {array.shape} of {array.dtype}; give a "
                "two-dimensional array of real numbers"
            )
        north, east = _rows_and_columns(array, path, self._named)
        return array.transpose(north, east).rio.set_spatial_dims(x_dim=east, y_dim=north)


def _rows_and_columns(array: Any, path: Any, named: str) -> tuple[str, str]:
    """Names of the dimensions north and east."""
    from rioxarray.exceptions import RioXarrayError

    for pair in _NORTH_AND_EAST:
        if set(pair) == set(array.dims):
            return pair
    try:
        return array.rio.y_dim, array.rio.x_dim
    except RioXarrayError as error:
        raise SpecError(
            f"{path}: {named} has dimensions {array.dims}, and it is not said which one is x; "
            "rename them to y and x, or give their coordinates the CF attribute `axis`"
        ) from error


def _without_dimensions(path: Any) -> list[str]:
    """Names of arrays that xarray cannot open: it wants names of dimensions."""
    import zarr

    group = zarr.open_group(path, mode="r")
    return [
        name
        for name, array in group.arrays()
        if array.ndim
        and getattr(array.metadata, "dimension_names", None) is None
        and "_ARRAY_DIMENSIONS" not in array.attrs
    ]
