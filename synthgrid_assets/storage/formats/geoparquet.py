"""GeoParquet 1.1 tables from plain arrays: WKB geometry, bbox covering, CRS, facts.

Belongs here: how rows and geometry become columns and metadata. Not here: what the columns
mean (`products`) and the bytes that they become (`parquet_file`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.storage.formats.columns import column_array
from synthgrid_assets.storage.formats.coordinates import POINT_WKB
from synthgrid_assets.storage.formats.covering import Covering, cover
from synthgrid_assets.storage.formats.wkb import record_ends, ring_records

SIDES = Box._fields
FACT_PREFIX = "synthgrid:"  # of our keys in a file's key/value metadata
_BBOX_TYPE = pa.struct([pa.field(side, pa.float32()) for side in SIDES])
_HUGE = 2**31 - 1  # bytes that 32-bit offsets can address
_SEGMENT_WKB = np.dtype(
    [("order", "u1"), ("type", "<u4"), ("vertices", "<u4"), ("ends", "<f8", (2, 2))]
)
_LINE, _POINT = 2, 1
_BOX_FIRST = b'{"columns":{"geometry":{"bbox":'


def point_table(
    columns: Mapping[str, Any],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    crs: str,
    facts: Mapping[str, str],
) -> pa.Table:
    """A GeoParquet table of points.

    Parameters
    ----------
    columns : mapping
        Values by name, each of n rows: NumPy arrays (numbers, booleans, times, fixed-width
        text) or Arrow arrays. Floats lose the sign of zero and the payload of NaN.
    x, y : ndarray of float64, shape (n,)
        CRS coordinates.
    crs : str
        What `pyproj.CRS` reads, as ``EPSG:32633``.
    facts : mapping of str to str
        Stored in the file's metadata under ``synthgrid:<name>``.

    Raises
    ------
    GeometryError
        If a coordinate is not finite or numbers of rows differ.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> table = point_table({"id": np.arange(2)}, x, x, crs="EPSG:32633", facts={"layer": "cafes"})
    >>> table.column_names, table_bbox(table)
    (['id', 'geometry', 'bbox'], Box(xmin=1.0, ymin=1.0, xmax=2.0, ymax=2.0))
    """
    xy = np.column_stack((x, y)).astype(np.float64) + 0.0  # + 0.0 turns -0.0 into 0.0
    _check_finite(xy)
    records = np.empty(len(xy), POINT_WKB)
    records["order"], records["type"], records["xy"] = 1, _POINT, xy
    ends = np.arange(len(xy) + 1, dtype=np.int64) * POINT_WKB.itemsize
    return _table(
        columns,
        _binary(records.view(np.uint8), ends),
        Covering(*cover(xy, xy)),
        crs,
        facts,
        "Point",
    )


def segment_table(
    columns: Mapping[str, Any],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    *,
    crs: str,
    facts: Mapping[str, str],
) -> pa.Table:
    """A GeoParquet table of straight lines between two points.

    Parameters
    ----------
    columns, crs, facts
        As for `point_table`.
    start, end : ndarray of float64, shape (n, 2)
        CRS coordinates.

    Raises
    ------
    GeometryError
        If a coordinate is not finite or numbers of rows differ.

    Examples
    --------
    >>> a, b = np.array([[1.0, 4.0]]), np.array([[3.0, 2.0]])
    >>> table_bbox(segment_table({}, a, b, crs="EPSG:32633", facts={}))
    Box(xmin=1.0, ymin=2.0, xmax=3.0, ymax=4.0)
    """
    ends = np.stack((start, end), axis=1).astype(np.float64) + 0.0
    _check_finite(ends.reshape(-1, 2))
    records = np.empty(len(ends), _SEGMENT_WKB)
    records["order"], records["type"], records["vertices"], records["ends"] = 1, _LINE, 2, ends
    offsets = np.arange(len(ends) + 1, dtype=np.int64) * _SEGMENT_WKB.itemsize
    geometry = _binary(records.view(np.uint8), offsets)
    covering = Covering(*cover(ends.min(axis=1), ends.max(axis=1)))
    return _table(columns, geometry, covering, crs, facts, "LineString")


def polygon_table(
    columns: Mapping[str, Any],
    coords: NDArray[np.float64],
    offsets: NDArray[np.int64],
    *,
    crs: str,
    facts: Mapping[str, str],
) -> pa.Table:
    """A GeoParquet table of polygons without holes.

    Parameters
    ----------
    columns, crs, facts
        As for `point_table`.
    coords : ndarray of float64, shape (m, 2)
        CRS coordinates of all rings, each closed (its first vertex again at its end).
    offsets : ndarray of int64, shape (n + 1,)
        Row i's ring is ``coords[offsets[i]:offsets[i + 1]]``. A ring of fewer than four
        coordinates cannot be stored: it becomes ``POLYGON EMPTY`` with a null bbox, so
        flag such rows in a column.

    Raises
    ------
    GeometryError
        If a coordinate is not finite, a ring is open or numbers of rows differ.

    Examples
    --------
    >>> ring = np.array([[0.0, 0], [1, 0], [0, 1], [0, 0]])
    >>> table = polygon_table({}, ring, np.array([0, 4]), crs="EPSG:32633", facts={})
    >>> len(table["geometry"][0].as_py()) == 13 + 4 * 16
    True
    """
    xy = np.ascontiguousarray(coords, dtype=np.float64).reshape(-1, 2)
    offsets = np.ascontiguousarray(offsets, dtype=np.int64)
    ends = record_ends(offsets)
    _check_size(ends)
    made = ring_records(xy, offsets, ends)
    if made.infinite >= 0:
        _check_finite(xy)
    if made.open_ring >= 0:
        raise GeometryError(
            f"the ring of row {made.open_ring} is open; repeat its first vertex at its end"
        )
    return _table(columns, _binary(made.data, ends), made.covering, crs, facts, "Polygon")


def plain_table(columns: Mapping[str, Any], facts: Mapping[str, str]) -> pa.Table:
    """A table without geometry, with the same normalised columns and stored facts.

    Examples
    --------
    >>> plain_table({"site_id": np.arange(3)}, {"layer": "cafes"}).num_rows
    3
    """
    arrays = {name: column_array(values) for name, values in columns.items()}
    return pa.table(arrays).replace_schema_metadata(_fact_metadata(facts))


def table_bbox(table: pa.Table) -> Box | None:
    """The box of a table's geometry, exactly; None without geometry."""
    text = (table.schema.metadata or {}).get(b"geo", b"{}")
    if text.startswith(_BOX_FIRST):  # as written here: the CRS, all but a few bytes, says nothing
        return Box(*json.loads(text[len(_BOX_FIRST) : text.index(b"]") + 1]))
    box = json.loads(text).get("columns", {}).get("geometry", {}).get("bbox")
    return None if box is None else Box(*box)


def geo_metadata(crs: str, geometry_type: str, bbox: Box | None) -> dict[str, Any]:
    """The ``geo`` entry of GeoParquet 1.1 for a ``geometry`` column with a ``bbox`` covering."""
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [geometry_type],
        "crs": _projjson(crs),
        "edges": "planar",
        "covering": {"bbox": {side: ["bbox", side] for side in SIDES}},
    }
    if geometry_type.endswith("Polygon"):
        column["orientation"] = "counterclockwise"  # of outer rings; there are no inner ones
    if bbox is not None:
        column["bbox"] = list(bbox)
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


@lru_cache(maxsize=64)
def _around_box(crs: str, geometry_type: str, empty: bool) -> tuple[bytes, bytes]:
    """The canonical text of `geo_metadata` before and after its box; without one, all of it."""
    box = None if empty else Box(0, 0, 0, 0)
    before, _, after = canonical_json(geo_metadata(crs, geometry_type, box)).partition("[0,0,0,0]")
    return before.encode(), after.encode()


def bbox_column(low: NDArray[np.float64], high: NDArray[np.float64]) -> pa.StructArray:
    """The covering column: float32, rounded outward; rows of NaN become null."""
    low, high = (np.ascontiguousarray(ends, np.float64) for ends in (low, high))
    return _bbox_column(Covering(*cover(low, high)))


def _bbox_column(covering: Covering) -> pa.StructArray:
    mask = pa.array(covering.missing) if covering.missing.any() else None
    rows = len(covering.missing)
    sides = [
        pa.Array.from_buffers(pa.float32(), rows, [None, pa.py_buffer(side)])
        for side in covering.sides
    ]
    return pa.StructArray.from_arrays(sides, fields=list(_BBOX_TYPE), mask=mask)


@lru_cache(maxsize=64)
def _projjson(crs: str) -> dict[str, Any]:
    import pyproj

    return pyproj.CRS.from_user_input(crs).to_json_dict()


def _check_finite(xy: NDArray[np.float64]) -> None:
    finite = np.isfinite(xy)
    if not finite.all():
        at = int(np.argmin(finite.all(axis=1)))
        raise GeometryError(f"coordinate {at} is {tuple(xy[at].tolist())}, not finite")


def _fact_metadata(facts: Mapping[str, str]) -> dict[str, str]:
    return {f"{FACT_PREFIX}{name}": facts[name] for name in sorted(facts)}


def _check_size(ends: NDArray[np.int64]) -> None:
    if ends[-1] > _HUGE:
        raise GeometryError("a tile's geometry passes 2 GiB; use a smaller `world.tile`")


def _binary(data: NDArray[np.uint8], ends: NDArray[np.int64]) -> pa.Array:
    _check_size(ends)
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), ends.size - 1, buffers)


def _table(
    columns: Mapping[str, Any],
    geometry: pa.Array,
    covering: Covering,
    crs: str,
    facts: Mapping[str, str],
    geometry_type: str,
) -> pa.Table:
    arrays = {name: column_array(values) for name, values in columns.items()}
    for name, array in arrays.items():
        if len(array) != len(geometry):
            raise GeometryError(
                f"column {name!r} has {len(array)} rows, its geometry {len(geometry)}"
            )
    bbox = None if np.isnan(covering.whole[0]) else Box(*covering.whole.tolist())
    before, after = _around_box(crs, geometry_type, bbox is None)
    geo = before if bbox is None else before + canonical_json(list(bbox)).encode() + after
    table = pa.table({**arrays, "geometry": geometry, "bbox": _bbox_column(covering)})
    return table.replace_schema_metadata({"geo": geo, **_fact_metadata(facts)})
