"""A product of one file, as a stranger would add it: the nearest other point of each point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from scipy.spatial import cKDTree

from synthgrid_assets.lattice.cells import CELL_BITS
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.drawn_points import expected_points
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Column, Product, Rates, TileRows
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.formats.geoparquet import plain_table
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import LayerTable

NEAR, EVERY = "nearest_is_another_point", "every_tile_has_its_points"
REACH = 24  # cells beyond a tile that are searched: enough in the tests' worlds


class Nearest(Product):
    """Ids of points and of the point nearest to each."""

    name = "nearest"
    step = "nearest"
    first_guess = Rates(10.0, 2e3, 1e-6, 0.01)
    claims: Mapping[str, str] = MappingProxyType(
        {NEAR: "Nothing is nearest to itself.", EVERY: "Rows are counted over all tiles."}
    )

    def description(self, layer: LayerTable) -> str:
        return "The nearest other point of each point."

    def columns(self, layer: LayerTable) -> tuple[Column, ...]:
        return (
            Column("id", "int64", "Of the point.", ("id",)),
            Column("nearest", "int64", "Of the other.", ("id",)),
        )

    def tests(self, layer: LayerTable) -> tuple[str, ...]:
        return (NEAR,)

    def region_tests(self, layer: LayerTable) -> tuple[str, ...]:
        return (EVERY,)

    def expected_rows(self, context: LayerContext, tile: Tile) -> float:
        return expected_points(context, tile.cells)

    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        own = context.sampler.points(tile.cells)
        around = context.sampler.points(tile.cells.grown(REACH))
        tree = cKDTree(np.column_stack((around.x, around.y)))
        _, found = tree.query(np.column_stack((own.x, own.y)).reshape(-1, 2), k=2)
        ids, nearest = own.ids(), around.ids()[found[:, 1]]
        digest = content_digest(self.name, own.x >> CELL_BITS, own.y >> CELL_BITS, [ids, nearest])
        table = plain_table({"id": ids, "nearest": nearest}, context.facts(self.name))
        return TileRows(table, digest)

    def verify(self, context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
        ids, nearest = rows["id"].to_numpy(), rows["nearest"].to_numpy()
        lost = abs(len(context.sampler.points(tile.cells)) - len(ids))
        return (Verdict.exact(NEAR, int((ids == nearest).sum()) + lost),)

    def judge_region(
        self, tiles: Sequence[CommittedTile], context: LayerContext
    ) -> dict[str, RegionCheck]:
        rows = sum(tile.rows for tile in tiles)
        points = sum(len(context.sampler.points(tile.cells)) for tile in tiles)
        return {EVERY: RegionCheck(Verdict.exact(EVERY, abs(rows - points)), len(tiles))}


NEAREST = Nearest()
