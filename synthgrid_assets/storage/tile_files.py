"""Tiles as they lie in a store, read only if they are what was recorded.

Belongs here: one tile's file, its hash compared and its rows read. Not here: many tiles
(`tile_index`), and whether a tile is committed (`journal`).
"""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthgrid_assets.errors import DamageError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.storage.formats.parquet_file import read_bytes, row_groups_near
from synthgrid_assets.storage.receipt import TileFile
from synthgrid_assets.storage.store import Store

_WHOLE = 1 << 20  # bytes of a file that is read at once: one request, and its hash compared again


class TileReader:
    """Reads tiles' rows; each file's hash is compared when it is read first.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._seen: dict[str, str] = {}  # stamps of the files whose hash was compared

    def read(self, tile: TileFile, columns: list[str] | None = None) -> pa.Table:
        """All rows of a tile.

        Raises
        ------
        DamageError
            If the file is missing or not the recorded one; names the tile and the file.
        """
        try:
            return read_bytes(self._bytes(tile), columns)
        except (pa.ArrowInvalid, OSError) as error:
            raise damage(self.store, tile, f"cannot be read ({error})") from error

    def within(self, tile: TileFile, bbox: Box) -> pa.Table:
        """At least the rows of a tile that meet a box (bounds are float32); raises as `read`."""
        return rows_near(self.near(tile, bbox), bbox)

    def near(self, tile: TileFile, bbox: Box) -> pa.Table:
        """The rows of a tile in the row groups that may meet a box; raises as `read`.

        Only these row groups are read of a large file whose hash was compared before.
        """
        bbox = Box(*bbox)  # readers give plain tuples too
        try:
            whole = tile.size <= _WHOLE or not self._is_seen(tile)
            with (
                pa.BufferReader(self._bytes(tile)) if whole else self.store.open(tile.file)
            ) as source:
                return _near(source, bbox)
        except (pa.ArrowInvalid, OSError) as error:
            raise damage(self.store, tile, f"cannot be read ({error})") from error

    def _is_seen(self, tile: TileFile) -> bool:
        found = self.store.stat(tile.file)
        return found is not None and self._seen.get(tile.file) == found.stamp

    def _bytes(self, tile: TileFile) -> bytes:
        large = tile.size > _WHOLE  # a small one is read whole each time, in one request
        before = self.store.stat(tile.file) if large else None
        try:
            data = self.store.get(tile.file)
        except DamageError as error:
            raise damage(self.store, tile, "is missing") from error
        found = hashlib.sha256(data).hexdigest()
        if found != tile.sha256:
            raise damage(
                self.store,
                tile,
                f"has {len(data)} bytes with SHA-256 {found}, recorded are {tile.size} with "
                f"{tile.sha256}",
            )
        if before is not None:
            self._seen[tile.file] = before.stamp
        return data


def damage(store: Store, tile: TileFile, what: str) -> DamageError:
    """The error of a tile whose file is not what was recorded."""
    return DamageError(
        f"tile {tile.tile}: {store.address(tile.file)} {what}; materialise the tile again"
    )


def _near(source: Any, bbox: Box) -> pa.Table:
    """Rows of a file's row groups that may meet a box.

    Arrow's datasets do the same for five times the cost of a small file.
    """
    with pq.ParquetFile(source, page_checksum_verification=True) as file:
        if file.metadata.num_row_groups == 1:
            return file.read(use_threads=False)
        groups = row_groups_near(file.metadata, bbox, "bbox")
        return file.read_row_groups(groups, use_threads=len(groups) > 1)


def rows_near(table: pa.Table, bbox: Box) -> pa.Table:
    """Rows whose covering overlaps a box; those without bounds, of empty polygons, never do."""
    bounds = table["bbox"]
    mask = None
    for side, beyond in (("xmin", "xmax"), ("ymin", "ymax")):
        low = pc.less_equal(pc.struct_field(bounds, side), getattr(bbox, beyond))
        high = pc.greater_equal(pc.struct_field(bounds, beyond), getattr(bbox, side))
        both = pc.and_(low, high)
        mask = both if mask is None else pc.and_(mask, both)
    return table.filter(mask)


def overlaps(bbox: Box, side: Any) -> pc.Expression:
    """Which rows' bounds overlap a box; `side` gives the expression of a side by its name."""
    xmin, ymin, xmax, ymax = bbox
    return (
        (side("xmin") <= xmax)
        & (side("xmax") >= xmin)
        & (side("ymin") <= ymax)
        & (side("ymax") >= ymin)
    )
