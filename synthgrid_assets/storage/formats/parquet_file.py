"""Tables as the bytes of Parquet files, and the parts of such files that a box may need.

Belongs here: encodings, compression, checksums and statistics. Not here: geometry and its
metadata (`geoparquet`), and where the bytes go (`commit`).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthgrid_assets.lattice.box import Box

ROW_GROUP = 16_384  # rows; the grain of bbox filters inside a tile
# ids of other rows: zstd finds what repeats among them in plain bytes only
_OF_OTHERS = frozenset({"a", "b", "c", "focal", "neighbor"})
_LARGE = 1 << 20  # bytes of a file whose columns are worth the waking of threads
_FEW_ROWS = 1024  # zstd takes longer to begin on the columns of fewer than to compress them


def serialise(table: pa.Table) -> bytes:
    """The table as the bytes of one Parquet file, the same bytes for the same rows.

    Bytes may differ between versions of pyarrow: compare content digests.
    """
    sink, bare = pa.BufferOutputStream(), table.schema.remove_metadata()
    options, alone = _writing(bare, table.num_rows < _FEW_ROWS)
    # Arrow's schema beside Parquet's holds all metadata again, the most of a small file
    schema = bare if alone else table.schema
    with pq.ParquetWriter(sink, schema, store_schema=not alone, **options) as writer:
        writer.write_table(table.combine_chunks(), row_group_size=ROW_GROUP)
        if alone:
            writer.add_key_value_metadata(table.schema.metadata or {})
    return bytes(sink.getvalue().to_pybytes())


@lru_cache(maxsize=256)
def _writing(bare: pa.Schema, few: bool) -> tuple[dict[str, Any], bool]:
    """Options for tables of a schema, of few rows or more, and whether Parquet's schema will do."""
    options = write_options(bare)
    if few:
        codecs = dict.fromkeys(_stored_columns(bare), "snappy")
        options |= {"compression": codecs | {"geometry": "zstd"}, "compression_level": None}
    return options, _is_kept_by_parquet(bare)


def read_bytes(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in a file's bytes, its pages' checksums verified.

    Raises
    ------
    pyarrow.ArrowInvalid, OSError
        If they are no Parquet file, or a damaged one.

    Examples
    --------
    >>> read_bytes(serialise(pa.table({"x": [1, 2]}))).num_rows
    2
    """
    with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        return file.read(columns=columns, use_threads=len(data) > _LARGE)


def open_stream(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of a file whose metadata is known only at its end (`add_key_value_metadata`).

    The Arrow schema is not stored: readers would take its metadata, which are those of the
    beginning, and overlook what was added. The columns' types survive without it.
    """
    bare = schema.with_metadata(None)
    return pq.ParquetWriter(path, bare, store_schema=False, **write_options(schema))


def write_options(schema: pa.Schema) -> dict[str, Any]:
    """Options of every Parquet file that is written here: zstd, and an encoding by type.

    Of geometry lz4 or snappy would take a seventh to a quarter less time to write a file of
    triangles or cells, and a third more bytes; levels of zstd above 1 take longer for none less.
    Nobody asks for the least and the largest geometry: the order of its bytes means nothing.
    """
    text = [field.name for field in schema if pa.types.is_string(field.type)]
    whole = [field.name for field in schema if pa.types.is_int64(field.type)]
    encoding = {name: "DELTA_BINARY_PACKED" for name in whole if name not in _OF_OTHERS}
    if "bbox" in schema.names:
        encoding |= {f"bbox.{side}": "BYTE_STREAM_SPLIT" for side in Box._fields}
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": text or False,
        "column_encoding": encoding or None,
        "write_statistics": [one for one in _stored_columns(schema) if one != "geometry"],
        "write_batch_size": ROW_GROUP,
        "write_page_checksum": True,  # a flipped bit is an error where it is read, not a value
    }


def row_groups_near(metadata: pq.FileMetaData, bbox: Box, column: str = "") -> list[int]:
    """Row groups whose statistics leave it possible that rows overlap a box.

    Parameters
    ----------
    metadata : pyarrow.parquet.FileMetaData
    bbox : Box
    column : str
        The struct that holds the rows' sides; by default these are columns of their own.
    """
    above = column and f"{column}."
    paths = [metadata.schema.column(at).path for at in range(metadata.num_columns)]
    at = {side: paths.index(above + side) for side in Box._fields if above + side in paths}
    return [g for g in range(metadata.num_row_groups) if _may_hold(metadata.row_group(g), at, bbox)]


def _may_hold(group: pq.RowGroupMetaData, at: dict[str, int], bbox: Box) -> bool:
    told = {side: group.column(place).statistics for side, place in at.items()}
    for side, beyond in (("xmin", "xmax"), ("ymin", "ymax")):
        low, high = told.get(side), told.get(beyond)
        if low and low.has_min_max and low.min > getattr(bbox, beyond):
            return False
        if high and high.has_min_max and high.max < getattr(bbox, side):
            return False
    return True


@lru_cache(maxsize=256)
def _in_parquet(schema: pa.Schema) -> pq.ParquetSchema:
    """A schema as a file without rows, and without Arrow's schema, has it."""
    sink = pa.BufferOutputStream()
    pq.ParquetWriter(sink, schema, store_schema=False).close()
    return pq.read_metadata(pa.BufferReader(sink.getvalue())).schema


def _stored_columns(schema: pa.Schema) -> list[str]:
    """Paths of the columns that Parquet stores: the parts of structs, lists and maps too."""
    stored = _in_parquet(schema.remove_metadata())
    return [stored.column(at).path for at in range(len(stored))]


def _is_kept_by_parquet(schema: pa.Schema) -> bool:
    """Whether a file's own schema gives these types back; dictionaries need Arrow's."""
    return bool(_in_parquet(schema).to_arrow_schema().equals(schema))
