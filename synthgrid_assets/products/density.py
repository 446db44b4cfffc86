"""The product ``density``: points per atom cell, one Zarr chunk per tile.

Belongs here: counting and signing for a chunk. Not here: the store (`storage.count_rasters`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.receipts import Contents, Stopwatch, sign
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.pictures.canvas import density_picture
from synthgrid_assets.products.points import counts_per_cell
from synthgrid_assets.storage.count_rasters import (
    chunk_path,
    create_density,
    read_density,
    write_density,
)
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.verdict import Verdict


def store_path(context: LayerContext) -> Path:
    """The layer's density store; it is made where it is missing."""
    dataset = context.dataset("density")
    extent = context.spec.world.tiling.extent
    path = context.layout.density(dataset, extent)
    if not path.is_dir():
        facts = context.facts("density")
        create_density(path, context.lattice, extent, dataset.side, facts)
    return path


def make_density(context: LayerContext, tile: Tile) -> Receipt:
    """Make, commit and test a tile's chunk."""
    watch = Stopwatch()
    points = context.sampler.points(tile.cells)
    counts = counts_per_cell(points.x, points.y, tile.cells)
    watch.lap("make")
    path = store_path(context)
    file = write_density(path, tile, counts.astype(np.int32), durability="batch")
    watch.lap("write")
    facts = (("points", int(counts.sum())), ("largest_count", int(counts.max(initial=0))))
    bbox = context.lattice.bounds(tile.cells)
    return sign(
        context,
        tile,
        "density",
        Contents(counts.size, _digest(counts, tile.cells), bbox, float(counts.size), facts),
        (chunk_path(path, tile), file),
        test=lambda: (_counts_match_the_points(read_density(path, tile.cells), counts),),
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
