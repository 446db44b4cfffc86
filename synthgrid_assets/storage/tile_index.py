"""The tile index: a GeoParquet table of tiles, and reads that go through it.

Belongs here: the manifest of one dataset as readers see it. Not here: how it is written
(`manifest`), merged files (`export`).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import DamageError, StorageError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.storage.formats.coordinates import point_coordinates
from synthgrid_assets.storage.formats.geoparquet import FACT_PREFIX
from synthgrid_assets.storage.formats.parquet_file import row_groups_near
from synthgrid_assets.storage.receipt import TileFile
from synthgrid_assets.storage.store import Store
from synthgrid_assets.storage.tile_files import TileReader, overlaps, rows_near

_TOGETHER = 1 << 23  # bytes of tiles' files that are compared with a box at once


def committed() -> pc.Expression:
    """That a tile is committed; a function, as Arrow loads pandas to compare with a text."""
    return pc.field("state") == "committed"


@dataclass(frozen=True)
class TileIndex:
    """The manifest of a dataset, as readers open it.

    Parameters
    ----------
    store : Store
        Where the tiles lie.
    key : str
        The index' own key.
    place : Store, optional
        Where the index itself lies; by default with the tiles.

    Raises
    ------
    StorageError
        From every method, if the index is missing or not a Parquet file.
    """

    store: Store
    key: str
    place: Store | None = None

    @property
    def address(self) -> str:
        """Path or URL of the index."""
        return (self.place or self.store).address(self.key)

    def read(self, columns: list[str] | None = None, wanted: pc.Expression = None) -> pa.Table:
        """Some columns of the tiles that fulfil a condition."""
        with self._opened() as file:
            if wanted is None:  # without what Arrow's datasets load
                with pq.ParquetFile(file, page_checksum_verification=True) as table:
                    return table.read(columns)
            return pq.read_table(
                file,
                columns=columns,
                filters=wanted,
                partitioning=None,
                page_checksum_verification=True,
            )

    def files(self, bbox: Box | None = None) -> list[TileFile]:
        """The committed tiles whose rows may lie in a box.

        Of the index, only row groups near the box are read, which are strips of the map: its
        rows go from south to north.
        """
        wanted, sides = committed(), list(Box._fields) if bbox is not None else []
        if bbox is not None:
            wanted &= overlaps(bbox, pc.field)
        with (
            self._opened() as source,
            pq.ParquetFile(source, page_checksum_verification=True) as file,
        ):
            groups = range(file.num_row_groups)
            near = groups if bbox is None else row_groups_near(file.metadata, Box(*bbox))
            columns = [*TileFile._fields, "state", *sides]
            table = file.read_row_groups(list(near), columns, use_threads=False)
        found = table.filter(wanted).select(TileFile._fields)
        return [TileFile(*row) for row in zip(*(one.to_pylist() for one in found), strict=True)]

    def facts(self) -> dict[str, str]:
        """The facts in its metadata: dataset, lattice, rows and digest."""
        with self._opened() as file:
            return facts_of(pq.read_schema(file))

    def schema(self) -> pa.Schema:
        """Schema of the tiles; its ``geo`` entry tells no bounds.

        Raises
        ------
        StorageError
            If the index holds no committed tile.
        """
        files = self.files()
        if not files:
            raise StorageError(f"{self.address} lists no committed tile; materialise some first")
        return _unbounded(TileReader(self.store).read(files[0]).schema)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            with (self.place or self.store).open(self.key) as file:
                yield file
        except (OSError, pa.ArrowInvalid, DamageError) as error:
            raise StorageError(
                f"cannot read tile index {self.address}: {error}; write it first"
            ) from error


def read_tiles(index: TileIndex, bbox: Box | None = None) -> pa.Table:
    """Rows of the committed tiles in an index, optionally those in a box.

    Parameters
    ----------
    index : TileIndex
    bbox : tuple of four floats, optional
        In CRS units. Points are taken from the half-open box, so that neighbouring boxes
        share no point; of other geometries those that meet the closed box.

    Returns
    -------
    pyarrow.Table
        In canonical order within each tile, tiles south to north and west to east.

    Raises
    ------
    StorageError
        If the index holds no tile, or one of its files is missing or damaged.
    """
    tables = list(iter_tiles(index) if bbox is None else _tiles_in(index, Box(*bbox)))
    if not tables:
        return index.schema().empty_table()
    metadata = _unbounded(tables[0].schema).metadata
    return pa.concat_tables(tables).replace_schema_metadata(metadata)


def iter_tiles(index: TileIndex) -> Iterator[pa.Table]:
    """The rows of the committed tiles in an index, one tile at a time."""
    reader = TileReader(index.store)
    yield from (reader.read(file) for file in index.files())


def _tiles_in(index: TileIndex, bbox: Box) -> Iterator[pa.Table]:
    """The rows in a box. Those of many small tiles are compared with it at once."""
    reader, near, size = TileReader(index.store), [], 0
    for file in index.files(bbox):
        near.append(reader.near(file, bbox))
        size += file.size
        if size >= _TOGETHER:
            yield _inside(near, bbox)
            near, size = [], 0
    if near:
        yield _inside(near, bbox)


def _inside(tables: list[pa.Table], bbox: Box) -> pa.Table:
    table = rows_near(pa.concat_tables(tables).combine_chunks(), bbox)
    return table.filter(pa.array(_meets(table, bbox)))


def facts_of(schema: pa.Schema) -> dict[str, str]:
    """Our facts in a file's metadata, by name."""
    return {
        key.decode().removeprefix(FACT_PREFIX): value.decode()
        for key, value in (schema.metadata or {}).items()
        if key.startswith(FACT_PREFIX.encode())
    }


def _unbounded(schema: pa.Schema) -> pa.Schema:
    """A tile's schema as that of all tiles: without the bounds of one."""
    metadata = dict(schema.metadata or {})
    if b"geo" in metadata:
        geo = json.loads(metadata[b"geo"])
        geo["columns"]["geometry"].pop("bbox", None)
        metadata[b"geo"] = canonical_json(geo).encode()
    return schema.with_metadata(metadata)


def _meets(table: pa.Table, bbox: Box) -> NDArray[np.bool_]:
    """Which rows lie in the box, from their exact geometry."""
    if "geometry" not in table.column_names:
        raise StorageError("these tiles have no geometry; read them without a bbox")
    xmin, ymin, xmax, ymax = bbox
    if is_point_table(table.schema):
        x, y = point_coordinates(table).T
        return np.asarray((x >= xmin) & (x < xmax) & (y >= ymin) & (y < ymax), bool)
    geometry = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    return np.asarray(shapely.intersects(geometry, shapely.box(*bbox)), bool)


def is_point_table(schema: pa.Schema) -> bool:
    """Whether the geometry column holds points only."""
    geo = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
    types = geo.get("columns", {}).get("geometry", {}).get("geometry_types")
    return bool(types == ["Point"])
