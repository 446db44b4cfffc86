"""The product ``density``: points per atom cell, one Zarr chunk per tile.

Belongs here: counting, and a chunk as rows. Not here: the store (`storage.formats.count_rasters`).
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.drawn_points import counts_per_cell
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.pictures.canvas import density_picture
from synthgrid_assets.products.product import Column, Product, Rates, TileRows, Written
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.formats.columns import column_array, column_values
from synthgrid_assets.storage.formats.count_rasters import (
    chunk_key,
    create_density,
    metadata_faults,
    read_density,
    write_density,
)
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import LayerTable

TEST = "counts_match_the_points"


class Density(Product):
    """Points per cell, row by row from south to north."""

    name = "density"
    step = "density"
    kinds = ("python", "numpy", "zarr")
    first_guess = Rates(0.5, 5e2, 1e-8, 0.006)
    claims = MappingProxyType({TEST: "Stored counts are the points of each cell. Exact."})
    no_table = "density is a Zarr array: read it with xarray, or export points"

    def description(self, layer: LayerTable) -> str:
        """What the asset is."""
        return (
            "Points per atom cell: one Zarr array per layer, one chunk per tile, -1 where no "
            "tile has been made."
        )

    def columns(self, layer: LayerTable) -> tuple[Column, ...]:
        """It is an array."""
        return ()

    def tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Whether the chunk is the points' count of every cell."""
        return (TEST,)

    def expected_rows(self, context: LayerContext, tile: Tile) -> float:
        """One value a cell."""
        return float(tile.cells.area)

    def file(self, context: LayerContext, tile: Tile) -> str:
        """Key of the tile's chunk."""
        return chunk_key(array_key(context), context.spec.world.tiling, tile)

    def faults(self, context: LayerContext) -> list[tuple[str, str]]:
        """The array's metadata that are missing or damaged."""
        store = context.layout.store
        return [
            (key, f"{store.address(key)} is missing or damaged; materialise {self.name} again")
            for key in metadata_faults(store, array_key(context), *_array_of(context))
        ]

    def mend(self, context: LayerContext) -> None:
        """Make the layer's array, or what is missing or damaged of its metadata."""
        create_density(context.layout.store, array_key(context), *_array_of(context))

    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        """The count of each cell."""
        counts = _counts(context, tile)
        return TileRows(
            _table(counts),
            _digest(counts, tile.cells),
            expected=float(counts.size),
            facts=(("points", int(counts.sum())), ("largest_count", int(counts.max(initial=0)))),
        )

    def write(self, context: LayerContext, tile: Tile, rows: TileRows) -> Written:
        """Put the counts into the tile's chunk."""
        store, key, cells = context.layout.store, array_key(context), tile.cells
        if store.stat(f"{key}/zarr.json") is None:
            self.mend(context)
        counts = _grid(rows.table, cells)
        return Written(
            self.file(context, tile),
            write_density(store, key, tile, counts, durability="batch"),
            context.lattice.bounds(cells),
            lambda: _table(read_density(store, key, cells)),
        )

    def verify(self, context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
        """The chunk as it reads back is the points' count of every cell."""
        counts = _counts(context, tile)
        broken = int(np.count_nonzero(_grid(rows, tile.cells) != counts))
        return (Verdict.exact(TEST, broken, f"{broken} of {counts.size} cells differ"),)

    def picture(self, context: LayerContext, tile: Tile, rows: TileRows) -> bytes:
        """The counts in shades."""
        return density_picture(_grid(rows.table, tile.cells))


def array_key(context: LayerContext) -> str:
    """Prefix of the layer's array."""
    return context.layout.density(context.dataset(DENSITY.name), context.spec.world.tiling.extent)


def _array_of(context: LayerContext) -> tuple[Lattice, Cells, int, dict[str, str]]:
    world = context.spec.world
    return context.lattice, world.tiling.extent, world.tile, context.facts(DENSITY.name)


def _counts(context: LayerContext, tile: Tile) -> NDArray[np.int64]:
    points = context.cache.pattern(tile.cells)
    return counts_per_cell(points.x, points.y, tile.cells)


def _table(counts: NDArray[np.integer]) -> pa.Table:
    return pa.table({"count": column_array(counts.astype(np.int32).ravel())})


def _grid(rows: pa.Table, cells: Cells) -> NDArray[np.int32]:
    """Counts of a rectangle, south to north, from its rows."""
    counts: NDArray[np.int32] = column_values(rows["count"])
    return counts.reshape(cells.height, cells.width)


def _digest(counts: NDArray[np.int64], cells: Cells) -> int:
    """Content digest of the cells that hold points."""
    row, column = np.nonzero(counts)
    return content_digest(DENSITY.name, column + cells.ix0, row + cells.iy0, [counts[row, column]])


DENSITY = Density()
