"""A committed region of points or polygons for tests: the same rows on any tiling."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow as pa
import shapely
from sqlalchemy import event

from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells, Lattice
from synthgrid_assets.lattice.pattern import PointPattern, canonical
from synthgrid_assets.lattice.tiling import Tile, Tiling
from synthgrid_assets.storage.digest import content_digest, digest_hex
from synthgrid_assets.storage.formats.geoparquet import point_table, polygon_table, table_bbox
from synthgrid_assets.storage.formats.parquet_file import serialise
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Dataset, Layout
from synthgrid_assets.storage.manifest import write_tile_index
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.storage.tile_index import TileIndex
from synthgrid_assets.verdict import Verdict

LATTICE = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
EXTENT = Cells(-10, 3, 22, 27)
REALISATION = "0123456789abcdef0123456789abcdef"


def dataset(side: int, asset: str = "points") -> Dataset:
    return Dataset("riverton", "cafes", asset, REALISATION, side)


def receipt(data: Dataset, tile: Tile, path: str, **changes: object) -> Receipt:
    """A receipt with plausible values where a test gives none."""
    values: dict[str, object] = {
        "world": data.world,
        "layer": data.layer,
        "asset": data.asset,
        "realisation": data.realisation,
        "side": data.side,
        "tile": tile.key,
        "cells": tile.cells,
        "path": path,
        "rows": 0,
        "bbox": None,
        "digest": "0" * 64,
        "sha256": hashlib.sha256(b"").hexdigest(),
        "size": 0,
        "code_version": "1",
        **changes,
    }
    return Receipt(**values)


def watched(journal: Journal, watch: Callable[[str], object]) -> None:
    """Have a journal's SQL statements seen as SQLite runs them."""
    engine = journal.database._engine()
    engine.dispose()

    @event.listens_for(engine, "connect")
    def settle(connection: Any, record: Any) -> None:
        connection.set_trace_callback(watch)


def pattern(extent: Cells = EXTENT, per_cell: float = 4.0, seed: int = 7) -> PointPattern:
    rng = np.random.default_rng(seed)
    n = int(per_cell * extent.area)
    x0, y0, x1, y1 = extent.quanta()
    # three quarters crowd into one corner, so tiles differ in their number of rows
    reach = np.where(rng.random(n) < 0.75, 0.3, 1.0)
    x = x0 + (rng.random(n) * reach * (x1 - x0)).astype(np.int64)
    y = y0 + (rng.random(n) * reach * (y1 - y0)).astype(np.int64)
    return canonical(x, y, rng.integers(0, 2**63, n).astype(np.uint64), extent)


def commit_points(root: Path, side: int, extent: Cells = EXTENT, **options: float) -> TileIndex:
    """Commit a pattern tile by tile; returns its tile index."""
    return _commit(root, dataset(side), extent, _point_tile, **options)


def commit_squares(root: Path, side: int, extent: Cells = EXTENT, **options: float) -> TileIndex:
    """A square of up to half a cell's side round each point: some pass their tile's border."""
    return _commit(root, dataset(side, "squares"), extent, _square_tile, **options)


def frame_of(table: pa.Table) -> geopandas.GeoDataFrame:
    """What geopandas makes of a table."""
    return geopandas.read_parquet(io.BytesIO(serialise(table)))


def _commit(root, data, extent, make, **options):
    layout = Layout(root)
    points = pattern(extent, **options)
    ids = points.ids()
    with Journal(layout) as journal:
        for tile in Tiling(extent, data.side):
            ix, iy = points.x >> CELL_BITS, points.y >> CELL_BITS
            west, south, east, north = tile.cells
            mine = np.flatnonzero((ix >= west) & (ix < east) & (iy >= south) & (iy < north))
            table = make(ids[mine], points.take(mine))
            facts = layout.store.put(layout.tile(data, tile), serialise(table), durability="batch")
            digest = content_digest(
                data.asset, ix[mine], iy[mine], [ids[mine], points.x[mine], points.y[mine]]
            )
            signed = receipt(
                data,
                tile,
                layout.tile(data, tile),
                rows=len(table),
                bbox=table_bbox(table),
                digest=digest_hex(digest),
                sha256=facts.sha256,
                size=facts.size,
                verdicts=(Verdict.exact("points_are_canonical", broken=tile.row == 0),),
                seconds=(("make", 0.25), ("write", 0.5)),
            )
            journal.record([signed])
        return write_tile_index(journal, data, LATTICE, extent).manifest


def _point_tile(ids, points):
    kind = np.where(ids % 3 == 0, "tea", "coffee")
    columns = {"id": ids, "x_q": points.x, "y_q": points.y, "kind": kind}
    x, y = LATTICE.coordinates(points.x, points.y)
    return point_table(columns, x, y, crs=LATTICE.crs, facts={"layer": "cafes"})


def _square_tile(ids, points):
    x, y = LATTICE.coordinates(points.x, points.y)
    half = (1 + ids % 32) * LATTICE.quantum * CELL / 64
    squares = shapely.box(x - half, y - half, x + half, y + half)
    coords = shapely.get_coordinates(squares)
    collapsed = points.x % 67 == 0  # some rings collapse, as Voronoi rings can
    coords = coords[~np.repeat(collapsed, 5) | (np.arange(len(coords)) % 5 < 2)]
    offsets = np.concatenate(([0], np.cumsum(np.where(collapsed, 2, 5))))
    return polygon_table(
        {"site_id": ids, "valid": np.diff(offsets) == 5}, coords, offsets, crs=LATTICE.crs, facts={}
    )
