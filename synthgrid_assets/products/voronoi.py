"""The product ``voronoi``: the whole cells of the sites in a tile.

Belongs here: columns, digest and tests' input. Not here: the tessellation itself
(`tessellation`), file formats (`storage.formats.geoparquet`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from synthgrid_assets.lattice.cells import CELL_BITS, Lattice
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.drawn_points import expected_points
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.pictures.tessellations import CELL_SHAPES, tessellation_picture
from synthgrid_assets.products.product import CELLS, GEOMETRY, Column, Rates, TileRows
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.products.region_tests.tile_joins import Add, Join, join_tiles
from synthgrid_assets.products.tessellated import Tessellated, exact_rows, tessellation_facts
from synthgrid_assets.statistics.region import cell_areas
from synthgrid_assets.statistics.region.cell_areas import CellAreas
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.formats.columns import column_array, column_values
from synthgrid_assets.storage.formats.coordinates import ring_coordinates
from synthgrid_assets.storage.formats.geoparquet import polygon_table
from synthgrid_assets.tessellation.polygons import ring_metres
from synthgrid_assets.tessellation.proofs.cell_join import CellJoin, StoredCells
from synthgrid_assets.tessellation.proofs.cell_verification import cell_faults
from synthgrid_assets.tessellation.proofs.coverage import Coverage
from synthgrid_assets.tessellation.tile import Tessellation
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import LayerTable

TEST = "cells_cover_the_tile"
JOIN_TEST = "cells_join_across_tiles"
_XY = ("x_q", "y_q")
_JOINED = ("site_id", "area_m2", "n_neighbours", "geometry")


class Voronoi(Tessellated):
    """The cells of the sites in the tile."""

    name = "voronoi"
    first_guess = Rates(150.0, 4e3, 8e-6, 0.012)
    claims = MappingProxyType(
        {
            TEST: "Neighbouring cells share their borders, areas add up. Exact.",
            JOIN_TEST: "Cells on both sides of a tile's border have the same edges, bit "
            "for bit, and each cell the area that is recorded. Exact.",
            cell_areas.TEST: "Cell areas and numbers of neighbours vary as those of Poisson "
            "points do. Judged for homogeneous Poisson layers without anchors.",
        }
    )
    units = (CELLS,)
    panel = "Voronoi cells"

    def description(self, layer: LayerTable) -> str:
        """What the asset is."""
        return (
            "Voronoi cells of the sites in the tile, whole also where they cross its border. "
            "Neighbouring tiles share their vertices bit for bit."
        )

    def wanted(self, layer: LayerTable) -> bool:
        """Whether the layer's tessellation has cells."""
        return layer.tessellation is not None and layer.tessellation.voronoi

    def columns(self, layer: LayerTable) -> tuple[Column, ...]:
        """The site, figures of its cell, and the geometry."""
        return (
            Column("site_id", "int64", "Id of the point that the cell belongs to.", ("id",)),
            Column("merged_ids", "list<int64>", "Further points at the same place.", ("id",)),
            Column("area_m2", "double", "Area of the cell in square metres.", _XY),
            Column("n_neighbours", "int32", "Number of Delaunay neighbours.", _XY),
            Column("anchor", "bool", "Whether the site is an anchor, not a point.", _XY),
            Column("valid", "bool", "Whether the ring is simple after rounding.", _XY),
            Column("geometry", GEOMETRY, "Cell in the world's CRS.", _XY),
        )

    def tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Exact areas and edges."""
        return (TEST,)

    def region_tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Whether cells join, and the law of their areas where it is known."""
        return (JOIN_TEST, cell_areas.TEST) if _are_poisson(layer) else (JOIN_TEST,)

    def expected_rows(self, context: LayerContext, tile: Tile) -> float:
        """A cell a point."""
        return expected_points(context, tile.cells)

    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        """The cells of the sites in the tile."""
        found = context.cache.tessellation(tile.cells)
        facts = tessellation_facts(found)
        return TileRows(voronoi_table(context, found), _digest(found), facts=facts)

    def tested_columns(self, layer: LayerTable) -> list[str]:
        """Whose cells the rows are."""
        return ["site_id"]

    def verify(self, context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
        """Exact areas and edges, and the ids that were written."""
        t = context.cache.tessellation(tile.cells)
        faults = cell_faults(t.x, t.y, t.ring, t.ring_offsets, t.doubled_area, tile.cells)
        return (exact_rows(TEST, faults, [column_values(rows["site_id"])], t.site_id[:, None]),)

    def picture(self, context: LayerContext, tile: Tile, rows: TileRows) -> bytes:
        """The cells, and what lies around them."""
        return tessellation_picture(context, tile, CELL_SHAPES)

    def judge_region(
        self, tiles: Sequence[CommittedTile], context: LayerContext
    ) -> dict[str, RegionCheck]:
        """How cells of tiles join, and the law of their areas where it is known."""
        areas = CellAreas(context.sampler.law.intensity) if _are_poisson(context.table) else None
        square = context.lattice.cell**2

        def measure(tile: CommittedTile, rows: pa.Table) -> None:
            if areas is not None:
                area = column_values(rows["area_m2"]) / square
                areas.add(tile.cells.area, area, column_values(rows["n_neighbours"]))

        how = Join(JOIN_TEST, _JOINED, partial(_begin_join, context.lattice))
        joined = join_tiles(tiles, context, how, measure)
        checks = {JOIN_TEST: joined}
        if areas is not None:
            checks[cell_areas.TEST] = RegionCheck(areas.verdict(), joined.tiles)
        return checks


def voronoi_table(context: LayerContext, tessellation: Tessellation) -> pa.Table:
    """Cells as a GeoParquet table in the world's CRS."""
    t = tessellation
    return polygon_table(
        {
            "site_id": t.site_id,
            "merged_ids": pa.ListArray.from_arrays(
                column_array(t.merged_offsets.astype(np.int32)), column_array(t.merged)
            ),
            "area_m2": t.area(context.lattice),
            "n_neighbours": t.n_neighbours.astype(np.int32),
            "anchor": t.anchor,
            "valid": t.valid,
        },
        *ring_metres(t, context.lattice),
        crs=context.lattice.crs,
        facts=context.facts(VORONOI.name),
    )


def _digest(t: Tessellation) -> int:
    ring = (t.ring.ravel(), 2 * t.ring_offsets)
    return content_digest(VORONOI.name, t.x >> CELL_BITS, t.y >> CELL_BITS, [t.site_id, ring])


def _begin_join(lattice: Lattice, coverage: Coverage) -> tuple[CellJoin, Add]:
    join = CellJoin(coverage, lattice)

    def add(row: Sequence[tuple[int, pa.Table]]) -> None:
        join.add([_stored(tile, table) for tile, table in row])

    return join, add


def _stored(tile: int, table: pa.Table) -> StoredCells:
    site, area = (column_values(table[name]) for name in ("site_id", "area_m2"))
    return StoredCells(tile, site, area, *ring_coordinates(table))


def _are_poisson(layer: LayerTable) -> bool:
    """Whether a layer's cells are those of homogeneous Poisson points, whose moments are known."""
    thinned = layer.within or layer.intensity or layer.near or layer.join
    anchored = layer.tessellation is not None and layer.tessellation.anchors is not None
    return layer.process == "poisson" and not thinned and not anchored


VORONOI = Voronoi()
