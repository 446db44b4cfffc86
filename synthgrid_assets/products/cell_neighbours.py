"""The product ``cell_neighbours``: which Voronoi cells share a border, as contiguity weights.

Belongs here: pairs whose focal site lies in a tile, their digest and tests' input. Not here:
lengths of borders (`tessellation.contiguity`).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from synthgrid_assets.lattice.cells import CELL_BITS
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.drawn_points import expected_points
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import NEIGHBOURS, Column, Rates, TileRows
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.products.region_tests.tile_joins import Add, Join, join_tiles
from synthgrid_assets.products.tessellated import Tessellated, tessellation_facts
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.storage.formats.geoparquet import plain_table
from synthgrid_assets.tessellation.contiguity import CellNeighbours as Pairs
from synthgrid_assets.tessellation.contiguity import neighbours
from synthgrid_assets.tessellation.proofs.coverage import Coverage
from synthgrid_assets.tessellation.proofs.joins import NeighbourJoin, StoredPairs
from synthgrid_assets.tessellation.proofs.mutual_pairs import unmutual_pairs
from synthgrid_assets.tessellation.tile import Tessellation
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import LayerTable

TEST = "neighbours_are_mutual"
JOIN_TEST = "neighbours_agree_across_tiles"
_NAMES = ("focal", "neighbor", "weight")


class CellNeighbours(Tessellated):
    """Pairs of neighbouring cells whose focal site lies in the tile."""

    name = "cell_neighbours"
    first_guess = Rates(12.0, 2e3, 1e-6, 0.010)
    claims = MappingProxyType(
        {
            TEST: "Neighbours inside a tile name each other, equally far. Exact.",
            JOIN_TEST: "Neighbours in two tiles name each other, with the same weight, bit for "
            "bit. Exact.",
        }
    )
    units = (NEIGHBOURS,)

    def description(self, layer: LayerTable) -> str:
        """What the asset is."""
        return (
            "Which Voronoi cells share a border, and how long it is: contiguity weights, in "
            "libpysal's columns. The focal site lies in the tile, its neighbours also in others: "
            "`rows.assign(neighbor=rows['neighbor'].where(rows['neighbor'].isin(rows['focal']), "
            "rows['focal']))` is what `libpysal.weights.W.from_adjlist` reads of any tiles."
        )

    def wanted(self, layer: LayerTable) -> bool:
        """Whether the layer's tessellation has neighbours."""
        return layer.tessellation is not None and layer.tessellation.neighbours

    def columns(self, layer: LayerTable) -> tuple[Column, ...]:
        """An adjacency list."""
        return (
            Column("focal", "int64", "Id of the site that the row belongs to.", ("id",)),
            Column("neighbor", "int64", "Id of its Delaunay neighbour.", ("id",)),
            Column("weight", "double", "Length of the common border in metres.", ("x_q", "y_q")),
        )

    def tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Whether pairs inside the tile stand in both directions."""
        return (TEST,)

    def region_tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Whether pairs of two tiles stand in both."""
        return (JOIN_TEST,)

    def expected_rows(self, context: LayerContext, tile: Tile) -> float:
        """Six neighbours a cell."""
        return 6 * expected_points(context, tile.cells)

    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        """Pairs of neighbouring cells whose focal site lies in the tile."""
        tessellation = context.cache.tessellation(tile.cells)
        pairs = neighbours(tessellation)
        facts = tessellation_facts(tessellation)
        table = neighbours_table(context, pairs)
        return TileRows(table, _digest(tessellation, pairs), facts=facts)

    def verify(self, context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
        """Pairs inside the tile stand in both directions."""
        focal, other, weight = (column_values(rows[name]) for name in _NAMES)
        sites = context.cache.tessellation(tile.cells).site_id
        broken, inside = unmutual_pairs(focal, other, weight, sites)
        detail = f"{broken} of {inside} pairs inside the tile have no equal counterpart"
        return (Verdict.exact(TEST, broken, detail),)

    def judge_region(
        self, tiles: Sequence[CommittedTile], context: LayerContext
    ) -> dict[str, RegionCheck]:
        """Whether pairs of two tiles stand in both."""
        return {JOIN_TEST: join_tiles(tiles, context, _JOIN)}


def neighbours_table(context: LayerContext, pairs: Pairs) -> pa.Table:
    """Pairs as an adjacency list, with the length of the common border in metres."""
    weight = pairs.length * context.lattice.quantum
    columns = dict(zip(_NAMES, (pairs.focal, pairs.neighbor, weight), strict=True))
    return plain_table(columns, context.facts(CELL_NEIGHBOURS.name))


def _digest(tessellation: Tessellation, pairs: Pairs) -> int:
    degrees = np.diff(tessellation.neighbour_offsets)
    ix = np.repeat(tessellation.x >> CELL_BITS, degrees)
    iy = np.repeat(tessellation.y >> CELL_BITS, degrees)
    columns = [pairs.focal, pairs.neighbor, pairs.length.view(np.int64)]
    return content_digest(CELL_NEIGHBOURS.name, ix, iy, columns)


def _begin_join(coverage: Coverage) -> tuple[NeighbourJoin, Add]:
    join = NeighbourJoin(coverage)

    def add(row: Sequence[tuple[int, pa.Table]]) -> None:
        join.add(
            [
                StoredPairs(tile, *(column_values(table[name]) for name in _NAMES))
                for tile, table in row
            ]
        )

    return join, add


_JOIN = Join(JOIN_TEST, _NAMES, _begin_join)
CELL_NEIGHBOURS = CellNeighbours()
