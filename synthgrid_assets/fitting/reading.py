"""Observed points and their window from files, in metres.

Belongs here: CSV and vector files, and what must hold of them. Not here: private points, whose
way into a world is a release (`privacy`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.windows import Window
from synthgrid_assets.inputs.vector_files import VectorFile
from synthgrid_assets.lattice.axes import axes_of

_CSV = (".csv", ".tsv", ".txt")


class PointFile(NamedTuple):
    """Points as they were read.

    Attributes
    ----------
    xy : ndarray of float64, shape (n, 2)
        Metres along the axes of `crs`, whatever its unit.
    crs : str
        As pyproj reads it.
    unit : float
        Metres in one unit of `crs`.
    """

    xy: NDArray[np.float64]
    crs: str
    unit: float


def read_points(
    path: Path,
    *,
    layer: str | None = None,
    columns: tuple[str, str] = ("x", "y"),
    crs: str | None = None,
    to: str | None = None,
) -> PointFile:
    """The points of a CSV or vector file.

    Parameters
    ----------
    path : Path
        CSV with a header line, or anything that pyogrio or geopandas reads.
    layer : str, optional
        Layer of a file with several.
    columns : tuple of two str
        Coordinates in a CSV file.
    crs : str, optional
        Of a CSV file; a vector file names its own.
    to : str, optional
        Projected CRS to transform to.

    Raises
    ------
    SpecError
        If the file cannot be read, holds something else than points, or its coordinates are
        degrees and `to` is not given.
    """
    frame = _from_csv(path, columns, crs) if path.suffix.lower() in _CSV else _features(path, layer)
    kinds = sorted(set(frame.geometry.geom_type.dropna()))
    if kinds != ["Point"]:
        raise SpecError(f"{path}: holds {', '.join(kinds) or 'no geometry'}; give points alone")
    frame, unit = _projected(frame, to, path)
    xy = np.column_stack((frame.geometry.x, frame.geometry.y)) * unit
    if not np.isfinite(xy).all():
        raise SpecError(f"{path}: a coordinate is missing or not finite; leave such points out")
    return PointFile(xy, frame.crs.to_string(), unit)


def read_window(path: Path, crs: str) -> Window:
    """The union of a file's polygons, in metres along the axes of the points' CRS."""
    frame = VectorFile(path).read()
    kinds = sorted(set(frame.geometry.geom_type.dropna()))
    if not set(kinds) <= {"Polygon", "MultiPolygon"}:
        raise SpecError(f"{path}: holds {', '.join(kinds)}; the window is made of polygons")
    unit = axes_of(crs).unit
    return Window(shapely.transform(frame.to_crs(crs).geometry.union_all(), lambda xy: xy * unit))


def bounding_window(xy: NDArray[np.float64]) -> Window:
    """The points' bounding box, grown as Ripley and Rasson (1977) do: by (n + 1) / (n - 1)."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    growth = (high - low) / max(len(xy) - 1, 1)
    (xmin, ymin), (xmax, ymax) = low - growth, high + growth
    return Window.rectangle(float(xmin), float(ymin), float(xmax), float(ymax))


def _features(path: Path, layer: str | None) -> Any:
    return VectorFile(path, layer).read()


def _from_csv(path: Path, columns: tuple[str, str], crs: str | None) -> Any:
    import geopandas
    import pandas

    if not path.is_file():
        raise SpecError(f"{path}: no such file; name a CSV or vector file of points")
    try:
        table = pandas.read_csv(path, sep=None, engine="python")
    except (ValueError, OSError) as error:
        raise SpecError(f"{path}: cannot be read as CSV ({error}); save it as UTF-8") from error
    missing = [name for name in columns if name not in table]
    if missing:
        known = ", ".join(map(str, table.columns))
        raise SpecError(f"{path}: no column {missing[0]!r}; it has {known}: name two by --columns")
    if crs is None:
        raise SpecError(f"{path}: a CSV file names no reference system; add --crs EPSG:...")
    try:
        x, y = (pandas.to_numeric(table[name]) for name in columns)
    except (ValueError, TypeError) as error:
        raise SpecError(f"{path}: columns {', '.join(columns)} are no numbers ({error})") from error
    return geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(x, y), crs=_known(crs))


def _projected(frame: Any, to: str | None, path: Path) -> tuple[Any, float]:
    """The points in a projected CRS, and the metres in one of its units."""
    if to is not None:
        frame = frame.to_crs(_known(to))
    try:
        return frame, axes_of(frame.crs.to_string()).unit
    except ValueError as error:
        unit = frame.crs.axis_info[0].unit_name if frame.crs.axis_info else "no unit"
        utm = frame.estimate_utm_crs() if frame.crs.is_geographic else None
        raise SpecError(
            f"{path}: coordinates in {unit} ({frame.crs.name}); distances need a projected "
            f"reference system: add --to {utm.to_string() if utm is not None else 'EPSG:...'}"
        ) from error


def _known(text: str) -> Any:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise SpecError(f"{text!r}: no CRS that PROJ knows, like EPSG:32633") from error
