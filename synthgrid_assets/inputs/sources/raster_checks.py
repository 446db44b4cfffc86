"""What is wrong with a raster file, in words that say what to do.

Belongs here: refusals by what an open raster says of itself. Not here: refusals of single
values (`rasters`) and of places (`surfaces`).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.remote.address import Address

_TOLD = 8  # subdatasets that are named


def check_raster(dataset: Any, path: Path | Address, band: int) -> None:
    """Refuse an open raster that has no usable band, CRS or geotransform.

    Raises
    ------
    SpecError
        Saying which.
    """
    if dataset.count == 0 and dataset.subdatasets:
        names = [array_name(name) for name in dataset.subdatasets]
        listed = ", ".join(names[:_TOLD]) + (", ..." if len(names) > _TOLD else "")
        raise SpecError(
            f"{path}: holds {len(names)} arrays ({listed}) and no band of its own; name one with "
            "`variable`, or for a Zarr store with `zarr` and `variable`"
        )
    if not 1 <= band <= dataset.count:
        raise SpecError(f"{path}: there is no band {band}; choose 1 to {dataset.count}")
    if dataset.dtypes[band - 1].startswith("complex"):
        raise SpecError(
            f"{path}: band {band} holds complex numbers ({dataset.dtypes[band - 1]}); "
            "write its magnitude to a real-valued raster"
        )
    _check_place(dataset, path)


def array_name(subdataset: str) -> str:
    """The array that GDAL's name of a subdataset stands for.

    Examples
    --------
    >>> array_name('NETCDF:"/data/people.nc":count'), array_name('ZARR:"/data/s.zarr":/count')
    ('count', 'count')
    """
    return subdataset.rpartition(":")[2].strip('/"')


def _check_place(dataset: Any, path: Path | Address) -> None:
    points, _ = dataset.gcps
    if points and dataset.transform.is_identity:
        raise SpecError(
            f"{path}: located by {len(points)} ground control points alone; warp it to a grid, "
            "for example with `gdalwarp`"
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
    if not all(math.isfinite(value) for value in tuple(dataset.transform)):
        raise SpecError(f"{path}: its geotransform is not finite; georeference it again")


def turn_of(crs: str, path: Path | Address) -> float | None:
    """How far apart equal longitudes are in a CRS, None where coordinates are no longitudes.

    Examples
    --------
    >>> turn_of("EPSG:4326", Path("a.tif")), turn_of("EPSG:32633", Path("a.tif"))
    (360.0, None)
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        found = CRS.from_user_input(crs)
    except CRSError as error:
        raise SpecError(
            f"{path}: PROJ does not know its CRS {crs[:60]!r}; declare another one"
        ) from error
    if not found.is_geographic or not found.axis_info:
        return None
    turn = 2 * math.pi / found.axis_info[0].unit_conversion_factor
    return float(round(turn)) if abs(turn - round(turn)) < 1e-6 else turn
