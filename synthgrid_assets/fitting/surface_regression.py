"""A log-linear intensity on rasters: points per place as the exponential of covariates.

Belongs here: covariates at places, the fit, and the surface it gives. Not here: the regression
itself (`quadrature`), thinning by the surface (`processes.thinning`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.k_estimate import Observed
from synthgrid_assets.fitting.quadrature import Quadrature, poisson_regression
from synthgrid_assets.inputs.sources.reading import reading
from synthgrid_assets.lattice.axes import axes_of

INTERCEPT = "(intercept)"


@dataclass(frozen=True)
class SurfaceFit:
    """A fitted log-linear intensity.

    Parameters
    ----------
    coefficients, standard_errors : dict of str to float
        By the raster's name, and the intercept: the logarithm of points per square metre where
        all covariates are 0. Errors are those of independent (Poisson) points.
    covered : float
        Share of the window that all rasters cover with values.
    """

    coefficients: dict[str, float]
    standard_errors: dict[str, float]
    covered: float


def fit_surface(observed: Observed, crs: str, rasters: Sequence[Path]) -> SurfaceFit:
    """Coefficients of the rasters' values in the logarithm of the intensity.

    Parameters
    ----------
    observed : Observed
    crs : str
        Of the points.
    rasters : sequence of Path
        Bands 1 of files that rasterio reads; places without a value in any of them take no part.

    Raises
    ------
    SpecError
        If a raster cannot be read, or the values do not decide the coefficients.
    """
    places = Quadrature.of(observed)
    coordinates = places.xy / axes_of(crs).unit
    values = np.column_stack([_values(path, coordinates, crs) for path in rasters])
    known = ~np.isnan(values).any(axis=1)
    inner = places.take(np.asarray(known))
    if inner.points < len(rasters) + 2:
        raise SpecError(
            f"{rasters[0]}: holds values at {inner.points} of {places.points} points only; give "
            "rasters that cover the window"
        )
    ones = np.ones((len(inner.xy), 1))
    found, information = poisson_regression(
        inner.counts, inner.weights, np.hstack((ones, values[known]))
    )
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    names = [INTERCEPT, *(path.stem for path in rasters)]
    return SurfaceFit(
        dict(zip(names, map(float, found), strict=True)),
        dict(zip(names, map(float, errors), strict=True)),
        float(inner.weights.sum() / places.weights.sum()),
    )


def write_surface(fit: SurfaceFit, rasters: Sequence[Path], target: Path) -> float:
    """The fitted intensity on the first raster's grid, as a GeoTIFF; its largest value.

    Points per square kilometre; places without values hold 0, which no point survives.
    """
    import rasterio
    from rasterio.transform import xy

    with reading(rasters[0], "cannot be read as a raster"), rasterio.open(rasters[0]) as first:
        profile = first.profile
        rows, columns = np.indices(first.shape)
        x, y = xy(first.transform, rows.ravel(), columns.ravel())
        crs, shape = first.crs.to_string(), first.shape
    places = np.column_stack((x, y))
    log = np.full(len(places), fit.coefficients[INTERCEPT])
    for path in rasters:
        log = log + fit.coefficients[path.stem] * _values(path, places, crs)
    surface = np.nan_to_num(np.exp(log) * 1e6, nan=0.0).reshape(shape).astype(np.float32)
    kept = {key: profile[key] for key in ("crs", "transform", "width", "height")}
    with rasterio.open(target, "w", driver="GTiff", dtype="float32", count=1, **kept) as made:
        made.write(surface, 1)
    return float(surface.max())


def _values(path: Path, xy: NDArray[np.float64], crs: str) -> NDArray[np.float64]:
    """A raster's values at places; NaN where it has none."""
    import rasterio
    from rasterio.transform import rowcol
    from rasterio.warp import transform

    if not path.exists():
        raise SpecError(f"{path}: no such raster; give a file that rasterio reads")
    with reading(path, "cannot be read as a raster"), rasterio.open(path) as source:
        if source.crs is None:
            raise SpecError(f"{path}: no coordinate reference system; declare it")
        x, y = (np.asarray(axis) for axis in transform(crs, source.crs, xy[:, 0], xy[:, 1]))
        row, column = (np.asarray(axis, int) for axis in rowcol(source.transform, x, y))
        band = source.read(1, masked=True).astype(float).filled(np.nan)
    inside = (row >= 0) & (row < band.shape[0]) & (column >= 0) & (column < band.shape[1])
    found = np.full(len(xy), np.nan)
    found[inside] = band[row[inside], column[inside]]
    return found
