"""Where the pixels of a Zarr array lie: its CRS, and its grid by what it says of it itself.

Belongs here: GeoTransform and coordinates, and what it means that they disagree. Not here: the
array's values (`inputs.zarr_rasters`).
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.sources.reading import reading

Transform = tuple[float, ...]
_UNEVEN = 1e-6  # of a pixel, by which coordinates may always miss an even grid
_APART = 0.01  # of a pixel, by which two georeferences may differ and still agree


def crs_of(array: Any, path: Path, named: str) -> str:
    """The CRS of an array, as WKT.

    Raises
    ------
    SpecError
        If it has none, or one that PROJ does not know.
    """
    with reading(path, f"the CRS of {named} cannot be used; write it again with `rio.write_crs`"):
        crs = array.rio.crs
    if crs is None:
        raise SpecError(
            f"{path}: {named} has no coordinate reference system; give it a "
            "`grid_mapping` with `crs_wkt`, for example with rioxarray's `rio.write_crs`"
        )
    mapping = _mapping(array)
    # the text as it stands, where there is one: GDAL writes some CRSs another way
    texts = [str(mapping[key]) for key in ("crs_wkt", "spatial_ref") if mapping.get(key)]
    _refuse_two_crs(texts, path, named)
    return texts[0] if texts else str(crs.to_wkt())


def _refuse_two_crs(texts: list[str], path: Path, named: str) -> None:
    """Refuse a mapping of two different CRSs: readers differ in which one they take."""
    from pyproj import CRS

    if len(set(texts)) < 2:
        return
    with reading(path, f"the CRS of {named} cannot be used; write it again with `rio.write_crs`"):
        one, other = map(CRS.from_user_input, texts)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that PROJ texts lose names, as meant here
            same = one.equals(other, ignore_axis_order=True) or one.to_proj4() == other.to_proj4()
    if not same:
        raise SpecError(
            f"{path}: two CRSs of {named} contradict each other: crs_wkt is {one.name!r}, "
            f"spatial_ref {other.name!r}; write the right one with `rio.write_crs`"
        )


def grid_of(array: Any, path: Path, named: str) -> tuple[tuple[int, int], Transform]:
    """Rows and columns of an array (y, x), and its coefficients a to f as in rasterio's Affine.

    Raises
    ------
    SpecError
        If it has no georeference, an uneven one, or two that contradict each other.
    """
    rows, columns = array.shape
    declared = _declared(array, path)
    south, east = (_axis(array, str(name), path) for name in array.dims)
    if declared is None and (south is None or east is None):
        missing = array.dims[south is not None]
        raise SpecError(
            f"{path}: {named} has no georeference, neither a GeoTransform nor a coordinate "
            f"{missing!r} of at least two values; write one, for example with rioxarray"
        )
    by_axes = None
    if south is not None and east is not None:
        (y, dy, fine_y), (x, dx, fine_x) = south, east
        by_axes = (dx, 0.0, x, 0.0, dy, y)
        if declared is not None:
            _refuse_contradiction(declared, by_axes, (fine_x, fine_y), array.shape, path, named)
    chosen = declared or by_axes
    assert chosen is not None
    if chosen[0] * chosen[4] == chosen[1] * chosen[3]:
        raise SpecError(f"{path}: the grid of {named} is degenerate: {chosen}")
    return (rows, columns), chosen


def _mapping(array: Any) -> dict[str, Any]:
    """Attributes of the array's grid mapping."""
    name = array.encoding.get("grid_mapping", array.attrs.get("grid_mapping", "spatial_ref"))
    return dict(array.coords[name].attrs) if name in array.coords else {}


def _declared(array: Any, path: Path) -> Transform | None:
    given = _mapping(array).get("GeoTransform")
    if not given:
        return None
    try:
        numbers = given if isinstance(given, list | tuple) else str(given).split()
        c, a, b, f, d, e = map(float, numbers)
    except (TypeError, ValueError):
        c = a = b = f = d = e = math.nan
    if not all(map(math.isfinite, (c, a, b, f, d, e))):
        raise SpecError(
            f"{path}: GeoTransform {given!r} is not made of six finite numbers; write it again"
        )
    return a, b, c, d, e, f


def _axis(array: Any, name: str, path: Path) -> tuple[float, float, float] | None:
    """Outer edge, step and precision of an evenly spaced coordinate; None where there is none."""
    if name not in array.coords or array.coords[name].shape != (array.sizes[name],):
        return None
    stored = array.coords[name].values
    if stored.size < 2 or stored.dtype.kind not in "iuf":
        return None
    values = stored.astype(np.float64)
    step = float(values[-1] - values[0]) / (values.size - 1)
    fine = _precision(stored)
    if step == 0 or not np.abs(np.diff(values) - step).max() <= _UNEVEN * abs(step) + 2 * fine:
        raise SpecError(f"{path}: coordinate {name!r} is not evenly spaced; resample the array")
    return float(values[0]) - step / 2, step, fine


def _precision(stored: NDArray[Any]) -> float:
    """How far off a coordinate may be for being rounded to its own type."""
    if stored.dtype.kind != "f":
        return 0.0
    return float(np.finfo(stored.dtype).eps) * float(np.abs(stored).max())


def _refuse_contradiction(
    declared: Transform,
    by_axes: Transform,
    fine: tuple[float, float],
    shape: tuple[int, int],
    path: Path,
    named: str,
) -> None:
    """Refuse two georeferences that place a corner of the array differently."""
    height, width = shape
    for column, row in ((0, 0), (width, 0), (0, height), (width, height)):
        for axis, step in ((0, by_axes[0]), (3, by_axes[4])):
            ends = [t[axis] * column + t[axis + 1] * row + t[axis + 2] for t in (declared, by_axes)]
            if abs(ends[0] - ends[1]) > _APART * abs(step) + 4 * fine[axis // 3]:
                raise SpecError(
                    f"{path}: two georeferences of {named} contradict each other: GeoTransform "
                    f"{_gdal(declared)} and coordinates that begin at x = {by_axes[2]!r}, "
                    f"y = {by_axes[5]!r} with steps {by_axes[0]!r}, {by_axes[4]!r}; the array was "
                    "cropped, strided or turned: write the right one, for example with "
                    "rioxarray's `rio.write_transform`"
                )


def _gdal(transform: Transform) -> list[float]:
    a, b, c, d, e, f = transform
    return [c, a, b, f, d, e]
