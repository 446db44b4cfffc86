"""One tile in a worker: make its rows, commit them, test what was written, sign for it.

Belongs here: the function that the engine calls. Not here: what any product's rows are.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.receipts import Contents, Stopwatch, sign
from synthgrid_assets.products.counts_release import make_release, verify_release
from synthgrid_assets.products.delaunay import (
    make_delaunay,
    make_neighbours,
    make_voronoi,
    verify_delaunay,
    verify_neighbours,
    verify_voronoi,
)
from synthgrid_assets.products.density import make_density
from synthgrid_assets.products.layer_context import LayerContext, LayerJob
from synthgrid_assets.products.pictures.canvas import tile_picture
from synthgrid_assets.products.pictures.tessellations import tessellation_picture
from synthgrid_assets.products.points import make_points, verify_points
from synthgrid_assets.products.tile_rows import TileRows
from synthgrid_assets.storage.geoparquet import read_bytes, serialise, table_bbox
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.verdict import Verdict

Make = Callable[[LayerContext, Tile], TileRows]
Verify = Callable[[LayerContext, Tile, pa.Table], tuple[Verdict, ...]]

_TABLES: dict[str, tuple[Make, Verify]] = {
    "points": (make_points, verify_points),
    "delaunay": (make_delaunay, verify_delaunay),
    "voronoi": (make_voronoi, verify_voronoi),
    "cell_neighbours": (make_neighbours, verify_neighbours),
    "counts_release": (make_release, verify_release),
}


def make_tile(job: LayerJob, names: tuple[str, ...], key: str) -> tuple[Receipt, ...]:
    """Make and commit one tile of some products of a layer.

    Parameters
    ----------
    job : LayerJob
    names : tuple of str
        Products of one step: what they share is computed once.
    key : str
        The tile's key.

    Returns
    -------
    tuple of Receipt
        One per product. The files are complete and in place; they count as committed once
        the receipts stand in the journal.
    """
    context = job.open()
    tile = context.spec.world.tiling.from_key(key)
    return tuple(
        make_density(context, tile) if name == "density" else _make_table(context, tile, name)
        for name in names
    )


def _make_table(context: LayerContext, tile: Tile, name: str) -> Receipt:
    make, verify = _TABLES[name]
    watch = Stopwatch()
    rows = make(context, tile)
    watch.lap("make")
    data = serialise(rows.table)
    key = context.layout.tile(context.dataset(name), tile)
    file = context.layout.store.put(key, data, durability="batch")
    watch.lap("write")
    bbox = table_bbox(rows.table)
    return sign(
        context,
        tile,
        name,
        Contents(rows.table.num_rows, rows.digest, bbox, rows.expected, rows.facts),
        (key, file),
        test=lambda: verify(context, tile, read_bytes(data)),
        draw=lambda: _draw(context, tile, name, rows.table) if bbox else None,
        watch=watch,
    )


def _draw(context: LayerContext, tile: Tile, name: str, table: pa.Table) -> bytes:
    if name in ("delaunay", "voronoi"):
        return tessellation_picture(context, tile, name)
    return tile_picture(context, tile, name, table)
