"""Export: the committed tiles of a dataset, or one stored file, as one file, in flat memory.

Belongs here: the formats by extension and the stream of rows into each. Not here: rasters.

GeoParquet is written in the order of a Hilbert curve over the lattice, which no tiling
changes; other formats in canonical order within each tile, tiles south to north.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import shapely

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.storage.commit import committing
from synthgrid_assets.storage.formats.coordinates import point_coordinates
from synthgrid_assets.storage.formats.geoparquet import SIDES
from synthgrid_assets.storage.formats.hilbert_order import in_curve_order
from synthgrid_assets.storage.formats.parquet_file import ROW_GROUP, open_stream
from synthgrid_assets.storage.tile_index import (
    TileIndex,
    committed,
    is_point_table,
    iter_tiles,
)

IDS = frozenset(("id", "site_id", "a", "b", "c", "focal", "neighbor"))
_GEOJSON = (".geojson", ".geojsons", ".geojsonl")
_AS_DOUBLES = (".csv", *_GEOJSON)
_MILLISECONDS = (".gpkg", *_GEOJSON)


@dataclass(frozen=True)
class _Rows:
    """What is exported.

    Parameters
    ----------
    name : str
        What messages call it.
    schema : pyarrow.Schema
        Of every table; its ``geo`` entry tells the bounds of all rows.
    tables, along_curve : callables
        The rows as they are stored, and in the order of the Hilbert curve.
    """

    name: str
    schema: pa.Schema
    tables: Callable[[], Iterator[pa.Table]]
    along_curve: Callable[[], Iterator[pa.Table]]

    def with_text_ids(self) -> _Rows:
        """The same rows, their ids as text."""
        return replace(
            self,
            schema=_text_ids(self.schema.empty_table()).schema.with_metadata(self.schema.metadata),
            tables=lambda: map(_text_ids, self.tables()),
            along_curve=lambda: map(_text_ids, self.along_curve()),
        )


Write = Callable[[Path, _Rows], int]


def export_tiles(index: TileIndex, target: Path, *, text_ids: bool = False) -> int:
    """Merge a dataset's committed tiles into one file, which appears when it is complete.

    Parameters
    ----------
    index : TileIndex
        The dataset's tile index (`write_tile_index`).
    target : Path
        The extension chooses the format: ``.parquet`` (GeoParquet, Hilbert order),
        ``.gpkg`` (GeoPackage), ``.geojson``, ``.geojsons`` (GeoJSON text sequence, RFC 8142),
        ``.geojsonl`` (the same with newlines only), ``.csv`` (columns ``x, y``, or ``wkt``).
        All forms of GeoJSON are in longitude and latitude (RFC 7946).
    text_ids : bool
        Write ids as text in formats whose readers may take numbers for doubles: ids have 63
        bits, and those of neighbouring points are the same double.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    SpecError
        If the extension is not one of these.
    StorageError
        If the index holds no tile, or a file cannot be read or written.
    """
    write = writer_of(target)
    schema = index.schema()
    tables, along_curve = partial(iter_tiles, index), partial(in_curve_order, index)
    if "geometry" in schema.names:
        geo = canonical_json(_with_bounds(json.loads(schema.metadata[b"geo"]), index)).encode()
        schema = schema.with_metadata({**schema.metadata, b"geo": geo})
    else:
        along_curve = tables
    with committing(target) as file:
        rows = _Rows(index.address, schema, tables, along_curve)
        return write(file, rows.with_text_ids() if text_ids else rows)


def export_file(source: Path, target: Path) -> int:
    """Write a stored GeoParquet file, whose rows stand along the curve, in another format.

    Parameters and errors as for `export_tiles`, `source` instead of tiles.
    """
    write = writer_of(target)

    def groups() -> Iterator[pa.Table]:
        stored = pq.ParquetFile(source)
        return (stored.read_row_group(group) for group in range(stored.num_row_groups))

    try:
        schema = pq.read_schema(source)
    except (OSError, pa.ArrowInvalid) as error:
        raise StorageError(f"cannot read {source}: {error}; make it again") from error
    with committing(target) as file:
        return write(file, _Rows(str(source), schema, groups, groups))


def writer_of(target: Path) -> Write:
    """What writes a file of the target's extension.

    Raises
    ------
    SpecError
        If no format has it, or there is no such folder.
    """
    suffix = target.suffix.lower()
    write = _FORMATS.get(suffix)
    if write is None:
        why = f"{_NOT_WRITTEN[suffix]}; " if suffix in _NOT_WRITTEN else ""
        raise SpecError(
            f"cannot export to {target}: {why}its extension is {target.suffix!r}, allowed are "
            f"{', '.join(sorted(_FORMATS))}"
        )
    if not target.parent.is_dir():
        raise SpecError(f"cannot export to {target}: there is no folder {target.parent}; make it")
    return write


def _geoparquet(file: Path, exported: _Rows) -> int:
    rows = 0
    metadata = exported.schema.metadata or {}
    with open_stream(file, exported.schema) as writer:
        for table in regrouped(exported.along_curve(), ROW_GROUP):
            writer.write_table(table.replace_schema_metadata(None))
            rows += table.num_rows
        writer.add_key_value_metadata({k.decode(): v.decode() for k, v in metadata.items()})
    return rows


def _vector(driver: str, **options: str) -> Write:
    """A writer through one of GDAL's drivers."""

    def write(file: Path, exported: _Rows) -> int:
        import pyogrio

        schema = exported.schema
        if "geometry" not in schema.names:
            raise StorageError(f"{exported.name} has no geometry; export it to .csv or .parquet")
        column = json.loads(schema.metadata[b"geo"])["columns"]["geometry"]
        counted = _Counted(_flat(table) for table in exported.tables())
        try:
            pyogrio.write_arrow(
                pa.RecordBatchReader.from_batches(_flat(schema.empty_table()).schema, counted),
                file,
                layer=file.stem,
                driver=driver,
                geometry_name="geometry",
                geometry_type=column["geometry_types"][0],
                crs=json.dumps(column["crs"]),
                **options,
            )
        except (pyogrio.errors.DataSourceError, RuntimeError) as error:
            # GDAL sees only that its stream ended early; what ended it says more
            cause = counted.error or StorageError(f"GDAL cannot write {file.name}: {error}")
            raise cause from error
        return counted.rows

    return write


def _csv(file: Path, exported: _Rows) -> int:
    rows = 0
    tables = (_texts(_without_bbox(table)) for table in exported.tables())
    schema = _texts(_without_bbox(exported.schema.empty_table())).schema
    with pa.csv.CSVWriter(file, schema) as writer:
        for table in tables:
            writer.write_table(table)
            rows += table.num_rows
    return rows


class _Counted(Iterator[pa.RecordBatch]):
    """Record batches of tables, how many rows have passed, and what went wrong."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self.rows = 0
        self.error: StorageError | None = None
        self._batches = (batch for table in tables for batch in table.to_batches())

    def __next__(self) -> pa.RecordBatch:
        try:
            batch = next(self._batches)
        except StorageError as error:
            self.error = error
            raise
        self.rows += batch.num_rows
        return batch


def _text_ids(table: pa.Table) -> pa.Table:
    """Columns of ids as decimal text."""
    for place, field in enumerate(table.schema):
        if field.name in IDS and pa.types.is_integer(field.type):
            text = table.column(place).cast(pa.string())
            table = table.set_column(place, pa.field(field.name, pa.string()), text)
    return table


def losses(schema: pa.Schema, target: Path, *, text_ids: bool) -> list[str]:
    """What readers of a format lose of some rows, for a person."""
    suffix, found = target.suffix.lower(), []
    if suffix in _AS_DOUBLES and not text_ids and IDS.intersection(schema.names):
        found.append(
            "ids have 63 bits; JavaScript, R and others read numbers as doubles, which are the "
            "same for neighbouring points: --text-ids writes them as text"
        )
    times = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    if suffix in _MILLISECONDS and times:
        found.append(f"{', '.join(times)}: {suffix} keeps milliseconds, GeoParquet microseconds")
    return found


def _without_bbox(table: pa.Table) -> pa.Table:
    return table.drop_columns(["bbox"]) if "bbox" in table.column_names else table


def _flat(table: pa.Table) -> pa.Table:
    """A table that every GDAL driver takes: no covering, lists as text, geometry as WKB."""
    table = _joined_lists(_without_bbox(table))
    place = table.schema.get_field_index("geometry")
    wkb = pa.field("geometry", pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})
    return table.set_column(place, wkb, table["geometry"]).replace_schema_metadata(None)


def _texts(table: pa.Table) -> pa.Table:
    """A table of plain values: coordinates of points, or WKT, instead of WKB."""
    points = is_point_table(table.schema)
    table = _joined_lists(table).replace_schema_metadata(table.schema.metadata)
    if "geometry" not in table.column_names:
        return table.replace_schema_metadata(None)
    if points:
        x, y = point_coordinates(table).T
        table = table.append_column("x", pa.array(x)).append_column("y", pa.array(y))
    else:
        geometry = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
        wkt = pa.array(shapely.to_wkt(geometry, rounding_precision=-1), pa.string())
        table = table.append_column("wkt", wkt)
    return table.drop_columns(["geometry"]).replace_schema_metadata(None)


def _joined_lists(table: pa.Table) -> pa.Table:
    """List columns as text, values separated by spaces."""
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            items = table.column(place).combine_chunks().cast(pa.list_(pa.string()))
            text = pc.binary_join(items, " ")
            table = table.set_column(place, pa.field(field.name, pa.string()), text)
    return table


def regrouped(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of `rows` rows, the last one shorter."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        if count >= rows:
            merged = pa.concat_tables(waiting)
            whole = count // rows * rows
            for first in range(0, whole, rows):
                yield merged.slice(first, rows).combine_chunks()
            waiting, count = [merged.slice(whole)], count - whole
    if count:
        yield pa.concat_tables(waiting).combine_chunks()


def _with_bounds(
    geo: dict[str, dict[str, dict[str, list[float]]]], index: TileIndex
) -> dict[str, object]:
    """The ``geo`` entry with the bounds of all tiles' rows."""
    sides = index.read(list(SIDES), committed())
    low = [pc.min(sides[side]).as_py() for side in ("xmin", "ymin")]
    high = [pc.max(sides[side]).as_py() for side in ("xmax", "ymax")]
    if None not in low:
        geo["columns"]["geometry"]["bbox"] = [*low, *high]
    return dict(geo)


_NOT_WRITTEN = {
    ".shp": "a shapefile cuts names to ten letters and has no integers of 63 bits",
    ".fgb": "FlatGeobuf takes no row without a geometry, and its index all rows at once",
    ".json": "GeoJSON is .geojson here",
}
_FORMATS: dict[str, Write] = {
    ".parquet": _geoparquet,
    ".gpkg": _vector("GPKG"),
    ".geojson": _vector("GeoJSON", RFC7946="YES"),
    ".geojsons": _vector("GeoJSONSeq", RS="YES"),
    ".geojsonl": _vector("GeoJSONSeq", RS="NO"),
    ".csv": _csv,
}
