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
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
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
    columns : dict of str to pyarrow.ChunkedArray
        What else was asked for, as it lies in the file.
    """

    crs: str | None
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    columns: dict[str, pa.ChunkedArray]

    def texts(self, name: str) -> NDArray[np.object_]:
        """A column as texts, shape (n,); None where a row has none."""
        column = self.columns[name].to_pylist()
        texts = np.empty(len(column), object)
        texts[:] = [_text(value) for value in column]
        return texts

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as numbers, shape (n,); NaN where a row has none."""
        return _numbers(self.columns[name])


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
    if not (request.x and request.y):
        raise SourceFault(Outcome.NO_COLUMN)
    wanted = list(dict.fromkeys((request.x, request.y, *request.columns)))
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
            column_types=dict.fromkeys(wanted, pa.binary()),  # a row need not be text
            strings_can_be_null=True,
        ),
    )


def _of_parquet(path: Path, request: SourceRequest) -> Rows:
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    geo = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
    geometry = geo.get("primary_column", "geometry")
    names = set(schema.names)
    inner = [name for name in request.columns if name not in names]
    wanted = {request.x, request.y} if request.x else {geometry}
    wanted |= {*request.columns} - {*inner} | ({_PROPERTIES} if inner else set())
    if not wanted <= names:
        raise SourceFault(Outcome.NO_COLUMN)
    table = file.read(columns=sorted(wanted))
    if inner:
        members = [_members(text) for text in table[_PROPERTIES].to_pylist()]
        for name in inner:
            values = pa.array([_told(found.get(name)) for found in members], pa.string())
            table = table.append_column(name, values)
    return _of_table(table, _crs_of(geo, geometry), request, geometry)


def _members(text: str | None) -> dict[str, Any]:
    """A feature's members; none where they cannot be read."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _told(value: Any) -> str | None:
    """A member as text: equal values are equal texts."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True)


def _of_geopackage(path: Path, request: SourceRequest) -> Rows:
    import pyogrio.raw

    layers = [str(name) for name, _ in pyogrio.list_layers(path)]
    layer = request.layer or (layers[0] if len(layers) == 1 else "")
    if layer not in layers:
        raise SourceFault(Outcome.NO_COLUMN)
    # as it lies: SQLite would put its index of a write-ahead log beside the file
    meta, _, geometry, fields = pyogrio.raw.read(
        path, layer=layer, columns=list(request.columns), IMMUTABLE="YES"
    )
    found = dict(zip(meta["fields"], fields, strict=True))
    if not {*request.columns} <= found.keys():
        raise SourceFault(Outcome.NO_COLUMN)
    x, y = _points(np.asarray(geometry, object))
    columns = {name: pa.chunked_array([pa.array(list(found[name]))]) for name in request.columns}
    return Rows(meta["crs"], x, y, columns)


def _of_table(table: pa.Table, crs: str | None, request: SourceRequest, geometry: str = "") -> Rows:
    names = set(table.column_names)
    if not {*request.columns} <= names:
        raise SourceFault(Outcome.NO_COLUMN)
    columns = {name: table[name] for name in request.columns}
    if not request.x:
        x, y = _points(np.array(table[geometry].to_pylist(), object))
        return Rows(crs, x, y, columns)
    if not {request.x, request.y} <= names:
        raise SourceFault(Outcome.NO_COLUMN)
    return Rows(crs, _numbers(table[request.x]), _numbers(table[request.y]), columns)


def _points(shapes: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of points in WKB; NaN for what is none."""
    import shapely

    found = shapely.from_wkb(shapes, on_invalid="ignore")
    points = np.array([s if s is not None and s.geom_type == "Point" else None for s in found])
    found = np.where(points == None, shapely.Point(), found)  # noqa: E711 - of an array
    return shapely.get_x(found), shapely.get_y(found)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Numbers, NaN for what is none."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if any(is_text(column.type) for is_text in _TEXTS):
        column = pc.cast(column, pa.large_binary())
        is_number = pc.fill_null(pc.match_substring_regex(column, _NUMBER), False)
        text = pc.cast(pc.if_else(is_number, column, b"nan"), pa.large_string())
        column = pc.cast(pc.utf8_trim_whitespace(text), pa.float64())
    try:
        values = pc.cast(column, pa.float64(), safe=False)
    except pa.ArrowInvalid:
        raise SourceFault(Outcome.NO_COLUMN) from None
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)


def _text(value: Any) -> str | None:
    """A value as text: equal values are equal texts."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return None if value is None else str(value)


def _crs_of(geo: dict[str, Any], geometry: str) -> str | None:
    """The CRS of a GeoParquet file; longitude and latitude where its metadata leave it out."""
    columns = geo.get("columns", {})
    if geometry not in columns:
        return None
    crs = columns[geometry].get("crs", "OGC:CRS84")
    return None if crs is None else (crs if isinstance(crs, str) else json.dumps(crs))
