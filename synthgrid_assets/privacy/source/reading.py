"""Reading private rows: coordinates and units of a file, in the private process alone.

Belongs here: the formats. Not here: what is counted of the rows (`bounding`).

No row may decide whether reading succeeds: one that cannot be used counts nowhere. Only what is
true of a file as a whole is told (`SourceFault`): its format, its columns, its CRS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthgrid_assets.privacy.source.message import Outcome, SourceRequest

_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_PROPERTIES = "properties"  # of a landed collection: JSON text of a feature's members
_POINT = 0


class SourceFault(Exception):  # noqa: N818 - never leaves the private process
    """What is wrong with the file as a whole."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one file: n of them.

    Attributes
    ----------
    crs : str or None
        What the file itself says of its coordinates.
    x, y : ndarray of float64, shape (n,)
        NaN where a row has none.
    unit : ndarray of object, shape (n,), or None
        Text of each row's unit, None where a row has none.
    """

    crs: str | None
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    unit: NDArray[np.object_] | None


def read_rows(request: SourceRequest) -> Iterator[Rows]:
    """The rows of a source, by file.

    Raises
    ------
    SourceFault
        If a file is of no known format, or has not the columns asked for.
    """
    path = Path(request.path)
    if path.is_dir():
        files = sorted(path.rglob("*.parquet"))
        if not files:
            raise SourceFault(Outcome.UNREADABLE)
        for file in files:
            yield _of_parquet(file, request)
        return
    readers = {".csv": _of_csv, ".parquet": _of_parquet, ".gpkg": _of_geopackage}
    if path.suffix.lower() not in readers:
        raise SourceFault(Outcome.UNREADABLE)
    yield readers[path.suffix.lower()](path, request)


def _of_csv(path: Path, request: SourceRequest) -> Rows:
    wanted = [name for name in (request.x, request.y, request.unit) if name]
    if not (request.x and request.y):
        raise SourceFault(Outcome.NO_COLUMN)
    try:
        table = _read_csv(path, wanted)
    except KeyError:  # as pyarrow calls a column that the header has not
        raise SourceFault(Outcome.NO_COLUMN) from None
    return _of_table(table, None, request)


def _read_csv(path: Path, wanted: list[str]) -> pa.Table:
    return pyarrow.csv.read_csv(
        path,
        # in one block: a long row at the edge of a block would be an error
        read_options=pyarrow.csv.ReadOptions(block_size=max(path.stat().st_size + 1, 1 << 16)),
        parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=lambda row: "skip"),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=wanted,
            include_missing_columns=False,
            column_types=dict.fromkeys(wanted, pa.string()),
            check_utf8=False,
            strings_can_be_null=True,
        ),
    )


def _of_parquet(path: Path, request: SourceRequest) -> Rows:
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    geo = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
    geometry = geo.get("primary_column", "geometry")
    names = set(schema.names)
    if request.unit and request.unit not in names and _PROPERTIES not in names:
        raise SourceFault(Outcome.NO_COLUMN)
    wanted = {request.x, request.y} if request.x else {geometry}
    inner = bool(request.unit) and request.unit not in names
    wanted |= {_PROPERTIES} if inner else ({request.unit} if request.unit else set())
    if not wanted <= names:
        raise SourceFault(Outcome.NO_COLUMN)
    table = file.read(columns=sorted(wanted))
    if inner:
        units = pa.array([_member(text, request.unit) for text in table[_PROPERTIES].to_pylist()])
        table = table.append_column(request.unit, units.cast(pa.string()))
    return _of_table(table, _crs_of(geo, geometry), request, geometry)


def _member(text: str | None, name: str) -> str | None:
    try:
        value = (json.loads(text or "{}") or {}).get(name)
    except (ValueError, AttributeError):
        return None
    return None if value is None else json.dumps(value, sort_keys=True)


def _of_geopackage(path: Path, request: SourceRequest) -> Rows:
    import pyogrio.raw

    layers = [str(name) for name, _ in pyogrio.list_layers(path)]
    layer = request.layer or (layers[0] if len(layers) == 1 else "")
    if layer not in layers:
        raise SourceFault(Outcome.NO_COLUMN)
    # as it lies: SQLite would put its index of a write-ahead log beside the file
    meta, _, geometry, fields = pyogrio.raw.read(
        path, layer=layer, columns=[request.unit] if request.unit else [], IMMUTABLE="YES"
    )
    if request.unit and request.unit not in list(meta["fields"]):
        raise SourceFault(Outcome.NO_COLUMN)
    x, y = _points(np.asarray(geometry, object))
    unit = _texts(pa.array(list(fields[0]))) if request.unit else None
    return Rows(meta["crs"], x, y, unit)


def _of_table(table: pa.Table, crs: str | None, request: SourceRequest, geometry: str = "") -> Rows:
    names = set(table.column_names)
    if request.unit and request.unit not in names:
        raise SourceFault(Outcome.NO_COLUMN)
    unit = _texts(table[request.unit].combine_chunks()) if request.unit else None
    if not request.x:
        x, y = _points(np.array(table[geometry].to_pylist(), object))
        return Rows(crs, x, y, unit)
    if not {request.x, request.y} <= names:
        raise SourceFault(Outcome.NO_COLUMN)
    return Rows(crs, _numbers(table[request.x]), _numbers(table[request.y]), unit)


def _points(shapes: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of points in WKB; NaN for what is none."""
    import shapely

    found = shapely.from_wkb(shapes, on_invalid="ignore")
    points = np.array([s if s is not None and s.geom_type == "Point" else None for s in found])
    found = np.where(points == None, shapely.Point(), found)  # noqa: E711 - of an array
    return shapely.get_x(found), shapely.get_y(found)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Numbers, NaN for what is none."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        is_number = pc.fill_null(pc.match_substring_regex(column, _NUMBER), False)
        text = pc.if_else(is_number, pc.utf8_trim_whitespace(column), "nan")
        column = pc.cast(text, pa.float64())
    try:
        values = pc.cast(column, pa.float64(), safe=False)
    except pa.ArrowInvalid:
        raise SourceFault(Outcome.NO_COLUMN) from None
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)


def _texts(column: Any) -> NDArray[np.object_]:
    """Each row's unit as text: equal values are equal units."""
    texts = np.empty(len(column), object)
    texts[:] = [None if value is None else str(value) for value in column.to_pylist()]
    return texts


def _crs_of(geo: dict[str, Any], geometry: str) -> str | None:
    """The CRS of a GeoParquet file; longitude and latitude where its metadata leave it out."""
    columns = geo.get("columns", {})
    if geometry not in columns:
        return None
    crs = columns[geometry].get("crs", "OGC:CRS84")
    return None if crs is None else (crs if isinstance(crs, str) else json.dumps(crs))
