"""Compaction: many tiles merged into a few large files for readers, beside the tiles.

Belongs here: the files, their order and their list. Not here: single exports
(`reports.exports`), the tiles, which stay as they are.

The files lie in a folder that is named by the content digest of their rows, and their list
is written last: a reader of the list never sees half a compaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.reports.digests import whole_records
from synthgrid_assets.reports.named_assets import open_asset
from synthgrid_assets.storage.formats.export import regrouped
from synthgrid_assets.storage.formats.geoparquet import FACT_PREFIX, SIDES
from synthgrid_assets.storage.formats.hilbert_order import in_curve_order
from synthgrid_assets.storage.formats.parquet_file import ROW_GROUP, open_stream, serialise
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.manifest import write_tile_index
from synthgrid_assets.storage.store import Store, file_facts, open_store
from synthgrid_assets.storage.tile_index import TileIndex
from synthgrid_assets.world.spec import WorldSpec


class Compacted(NamedTuple):
    """What a compaction made.

    Attributes
    ----------
    rows, tiles, files : int
    listed : str
        Address of the list of files: GeoParquet readers open the files that it names.
    """

    rows: int
    tiles: int
    files: int
    listed: str


def compact_asset(spec: WorldSpec, root: Path, layer: str, name: str, rows: int) -> Compacted:
    """Merge an asset's committed tiles into files of at most `rows` rows along a Hilbert curve.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
    layer, name : str
    rows : int

    Raises
    ------
    SpecError
        If the asset has no geometry to be ordered by.
    DamageError
        If files are missing or not what was recorded: rows of a part are no compaction.
    StorageError
        If no tile is committed.
    """
    context, _ = open_asset(spec, root, layer, name)
    store, dataset, extent = context.layout.store, context.dataset(name), spec.world.tiling.extent
    with TemporaryDirectory() as folder, Journal(context.layout) as journal:
        whole_records(journal, context, name)
        index = TileIndex(store, "index.parquet", place=open_store(folder))
        facts = write_tile_index(journal, dataset, context.lattice, extent, index)
        if facts.tiles == 0:
            raise StorageError(
                f"no tile of {layer}/{name} is committed in {root}; materialise some first"
            )
        schema = index.schema()
        if "geometry" not in schema.names:
            raise SpecError(f"{layer}/{name} has no geometry; its tiles have no order by place")
        target = context.layout.compacted(dataset, facts.digest)
        parts = list(_write_parts(store, target, schema, _Stream(in_curve_order(index)), rows))
    if sum(int(part["rows"]) for part in parts) != facts.rows:
        raise StorageError(f"{store.address(target)} has other rows than its tiles; verify them")
    listed = context.layout.compact_index(spec.world.name, layer, name)
    named = {f"{FACT_PREFIX}{key}": fact for key, fact in context.citation.items()}
    table = pa.Table.from_pylist(parts).replace_schema_metadata(named)
    store.put(listed, serialise(table))
    return Compacted(facts.rows, facts.tiles, len(parts), store.address(listed))


class _Stream:
    """Rows that are taken some at a time."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = (table for table in tables if table.num_rows)
        self._rest: pa.Table | None = next(self._tables, None)

    @property
    def is_empty(self) -> bool:
        """Whether all rows have been taken."""
        return self._rest is None

    def take(self, rows: int) -> Iterator[pa.Table]:
        """The next rows, at most so many, in tables as they come."""
        while self._rest is not None and rows > 0:
            taken = self._rest.slice(0, rows)
            rows -= taken.num_rows
            rest = self._rest.slice(taken.num_rows)
            self._rest = rest if rest.num_rows else next(self._tables, None)
            yield taken


def _write_parts(
    store: Store, target: str, schema: pa.Schema, stream: _Stream, rows: int
) -> Iterator[dict[str, Any]]:
    """Files of at most so many rows, and what is listed of each."""
    number = 0
    while not stream.is_empty:
        key, written, bounds = f"{target}/part-{number:05d}.parquet", 0, None
        with store.writing(key) as file, open_stream(file, schema) as writer:
            for table in regrouped(stream.take(rows), ROW_GROUP):
                writer.write_table(table.replace_schema_metadata(None))
                written += table.num_rows
                bounds = _united(bounds, _bounds(table))
            writer.add_key_value_metadata(_metadata(schema, bounds))
        box = dict(zip(SIDES, bounds or (None,) * 4, strict=True))
        yield {"file": key, "rows": written, **file_facts(store, key)._asdict(), **box}
        number += 1


def _bounds(table: pa.Table) -> Box | None:
    sides = [pc.struct_field(table["bbox"], side) for side in SIDES]
    found = [pc.min(sides[0]), pc.min(sides[1]), pc.max(sides[2]), pc.max(sides[3])]
    values = [scalar.as_py() for scalar in found]
    return None if None in values else Box(*values)


def _united(first: Box | None, second: Box | None) -> Box | None:
    return first.union(second) if first and second else first or second


def _metadata(schema: pa.Schema, bounds: Box | None) -> dict[str, str]:
    """The tiles' metadata with the bounds of this file's rows."""
    metadata = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    geo = json.loads(metadata["geo"])
    if bounds is not None:
        geo["columns"]["geometry"]["bbox"] = list(bounds)
    return {**metadata, "geo": canonical_json(geo)}
