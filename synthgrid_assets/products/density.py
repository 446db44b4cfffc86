"""The product ``density``: points per atom cell, one Zarr chunk per tile.

Belongs here: counting and signing for a chunk. Not here: the store (`storage.count_rasters`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.receipts import Contents, Stopwatch, sign
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.pictures.canvas import density_picture
from synthgrid_assets.products.points import counts_per_cell
from synthgrid_assets.storage.count_rasters import (
    chunk_key,
    create_density,
    metadata_faults,
    read_density,
    write_density,
)
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.verdict import Verdict


def array_key(context: LayerContext) -> str:
    """Prefix of the layer's array."""
    return context.layout.density(context.dataset("density"), context.spec.world.tiling.extent)


def ensure_array(context: LayerContext) -> str:
    """Make the layer's array, or what is missing or damaged of its metadata; its prefix."""
    key = array_key(context)
    create_density(context.layout.store, key, *_array_of(context))
    return key


def array_faults(context: LayerContext) -> list[str]:
    """Keys of the array's metadata that are missing or damaged."""
    return metadata_faults(context.layout.store, array_key(context), *_array_of(context))


def _array_of(context: LayerContext) -> tuple[Lattice, Cells, int, dict[str, str]]:
    world = context.spec.world
    return context.lattice, world.tiling.extent, world.tile, context.facts("density")


def make_density(context: LayerContext, tile: Tile) -> Receipt:
    """Make, commit and test a tile's chunk."""
    watch = Stopwatch()
    points = context.sampler.points(tile.cells)
    counts = counts_per_cell(points.x, points.y, tile.cells)
    watch.lap("make")
    store, key = context.layout.store, array_key(context)
    if store.stat(f"{key}/zarr.json") is None:
        ensure_array(context)
    file = write_density(store, key, tile, counts.astype(np.int32), durability="batch")
    watch.lap("write")
    facts = (("points", int(counts.sum())), ("largest_count", int(counts.max(initial=0))))
    bbox = context.lattice.bounds(tile.cells)
    return sign(
        context,
        tile,
        "density",
        Contents(counts.size, _digest(counts, tile.cells), bbox, float(counts.size), facts),
        (chunk_key(key, context.spec.world.tiling, tile), file),
        test=lambda: (_counts_match_the_points(read_density(store, key, tile.cells), counts),),
        draw=lambda: density_picture(counts),
        watch=watch,
    )


def _counts_match_the_points(stored: NDArray[np.int32], counts: NDArray[np.int64]) -> Verdict:
    """The chunk as it reads back is the points' count of every cell."""
    broken = int(np.count_nonzero(stored != counts))
    return Verdict.exact(
        "counts_match_the_points", broken, f"{broken} of {counts.size} cells differ"
    )


def _digest(counts: NDArray[np.int64], cells: Cells) -> int:
    """Content digest of the cells that hold points."""
    row, column = np.nonzero(counts)
    return content_digest("density", column + cells.ix0, row + cells.iy0, [counts[row, column]])
