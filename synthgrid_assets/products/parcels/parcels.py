"""The product ``parcels``: rectangles that cover a tile's blocks without gap or overlap.

Belongs here: columns, digest and tests. Not here: cuts (`subdivision`), what may stand in the
table (`processes.shapes.parcels_table`), the law of numbers (`number_law`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells, id_cells, point_ids
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.processes.shapes.parcels_table import ParcelsTable, guessed_parcels
from synthgrid_assets.processes.shapes.subdivision import (
    ALGORITHM_VERSION,
    STREAM,
    Cuts,
    Parcels,
    corners_on_sides,
)
from synthgrid_assets.products.drawn_points import expected_points
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.parcels import number_law
from synthgrid_assets.products.pictures.canvas import boxes_picture
from synthgrid_assets.products.product import GEOMETRY, Column, Product, Rates, TileRows
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.storage.digest import Column as Digested
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.storage.formats.geoparquet import polygon_table
from synthgrid_assets.storage.tile_files import TileReader
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import LayerTable

CUT_TEST = "parcels_are_those_of_their_blocks"
COVER_TEST = "parcels_cover_without_gap_or_overlap"


class ParcelProduct(Product):
    """Rectangles that cover the plane."""

    name = "parcels"
    step = "parcels"
    version = ALGORITHM_VERSION
    first_guess = Rates(190.0, 4e3, 1.5e-5, 0.02)
    claims = MappingProxyType(
        {
            CUT_TEST: "Each parcel whose corner lies in the tile is there once, corner by corner "
            "as its block is cut, with its exact area and the number of points inside. Exact.",
            COVER_TEST: "Parcels of the tile and those around share their sides, corner by corner, "
            "and the areas of each block that lies in the tile add up to it. Those around are "
            "drawn again: whether they are committed too is not judged. Exact.",
            number_law.TEST: "The region has as many parcels as cuts at uniform shares make. "
            "Judged where an area is the only limit.",
        }
    )

    def description(self, layer: LayerTable) -> str:
        """What the asset is."""
        return (
            "Rectangles that blocks of cells are cut into, those whose south-west corners lie in "
            "the tile, whole also where they cross its border. Those of the whole plane cover it "
            "without gap or overlap, and any tiling gives the same ones; parcels that begin west "
            "or south of the extent belong to no tile, so an extent that begins where blocks do "
            "is covered."
        )

    def wanted(self, layer: LayerTable) -> bool:
        """Whether the layer has parcels."""
        return layer.parcels is not None

    def columns(self, layer: LayerTable) -> tuple[Column, ...]:
        """Identity, area, points and the geometry."""
        places = ("x_q", "y_q")
        return (
            Column("id", "int64", "Cell of the south-west corner, and number in it."),
            Column("block", "int64", "Id of the block's south-west cell, as of its first point."),
            Column("area_m2", "double", "Area in square metres."),
            Column("points", "int64", "Points of the layer inside, half-open.", places),
            Column("geometry", GEOMETRY, "Parcel in the world's CRS."),
        )

    def tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Exact ones."""
        return (CUT_TEST, COVER_TEST)

    def region_tests(self, layer: LayerTable) -> tuple[str, ...]:
        """The number of parcels, where its law is known."""
        return (number_law.TEST,)

    def parameters(self, layer: LayerTable) -> Mapping[str, object]:
        """The table of parcels."""
        table = layer.parcels
        return {} if table is None else {"parcels": table.model_dump(mode="json")}

    def expected_rows(self, context: LayerContext, tile: Tile) -> float:
        """By area the law's mean, else a guess from the limits."""
        table, cell = _table_of(context), context.lattice.cell
        blocks = tile.cells.area / table.block**2
        if _only_by_area(table):
            return blocks * number_law.parcels_of_a_block(_areas(table, cell), table.split)[0]
        return blocks * guessed_parcels(table, cell, expected_points(context, tile.cells) / blocks)

    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        """The parcels whose south-west corners lie in the tile."""
        table, own, rings = _table(context, tile.cells)
        rectangle = own.x0, own.y0, own.x1, own.y1
        ring = np.column_stack(rings[:2]).ravel(), 2 * rings[2]
        columns: list[Digested] = [own.id, *rectangle, own.points, ring]
        digest = content_digest(self.name, own.x0 >> CELL_BITS, own.y0 >> CELL_BITS, columns)
        return TileRows(table, digest)

    def verify(self, context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
        """The rows as they were written, against blocks that are cut again."""
        expected, _, _ = _table(context, tile.cells)
        found = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
        return (
            Verdict.exact(CUT_TEST, _other_rows(rows, expected)),
            Verdict.exact(COVER_TEST, _uncovered(context, tile.cells, rows, found)),
        )

    def picture(self, context: LayerContext, tile: Tile, rows: TileRows) -> bytes:
        """The parcels, and the tile's frame."""
        return boxes_picture(context.lattice.bounds(tile.cells), self.name, rows.table)

    def judge_region(
        self, tiles: Sequence[CommittedTile], context: LayerContext
    ) -> dict[str, RegionCheck]:
        """The number of parcels of all blocks whose parcels are all committed."""
        table = _table_of(context)
        if not _only_by_area(table):
            reason = "sides or points limit parcels: their number has no closed law"
            verdict = Verdict.not_judged(number_law.TEST, reason)
            return {number_law.TEST: RegionCheck(verdict, len(tiles))}
        reader, parcels, blocks = TileReader(context.layout.store), 0, 0
        for tile in tiles:
            whole = _whole_blocks(tile.cells, table.block)
            if whole.area == 0:
                continue
            rows = reader.read(tile.file, ["block"])
            ix, iy = id_cells(column_values(rows["block"]))
            inside = (ix >= whole.ix0) & (ix < whole.ix1) & (iy >= whole.iy0) & (iy < whole.iy1)
            parcels += int(np.count_nonzero(inside))
            blocks += whole.area // table.block**2
        areas = _areas(table, context.lattice.cell)
        verdict = number_law.parcels_are_as_many(parcels, blocks, areas, table.split)
        return {number_law.TEST: RegionCheck(verdict, len(tiles))}


def _table_of(context: LayerContext) -> ParcelsTable:
    table = context.table.parcels
    assert table is not None
    return table


def _only_by_area(table: ParcelsTable) -> bool:
    return table.side is None and table.points is None


def _areas(table: ParcelsTable, cell: float) -> float:
    """Area of a block, in areas up to which parcels are cut."""
    assert table.area is not None
    return float((table.block * cell) ** 2 / table.area)


def _whole_blocks(cells: Cells, block: int) -> Cells:
    """The blocks that lie in some cells, as cells."""
    x0, y0 = (-(-first // block) * block for first in cells[:2])
    x1, y1 = (last // block * block for last in cells[2:])
    return Cells(x0, y0, max(x0, x1), max(y0, y1))


def _every(context: LayerContext, cells: Cells, around: int) -> Parcels:
    """The parcels of all blocks that meet some cells, and of as many around them."""
    key = context.own_stream(STREAM)
    cuts = Cuts.of(_table_of(context), key, context.lattice.cell)
    whole = cuts.blocks(cells, around)
    return cuts.parcels(whole, context.cache.pattern(whole))


def _owned(parcels: Parcels, cells: Cells) -> NDArray[np.bool_]:
    """Which have their south-west corner in some cells."""
    left, bottom, right, top = cells.quanta()
    x, y = parcels.x0, parcels.y0
    owned: NDArray[np.bool_] = (x >= left) & (x < right) & (y >= bottom) & (y < top)
    return owned


def parcels_table(context: LayerContext, cells: Cells) -> tuple[pa.Table, Parcels]:
    """The parcels whose south-west corners lie in some cells, as rows and in quanta."""
    table, own, _ = _table(context, cells)
    return table, own


Rings = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _table(context: LayerContext, cells: Cells) -> tuple[pa.Table, Parcels, Rings]:
    """The rows of a tile, the parcels, and their rings in quanta."""
    every = _every(context, cells, around=1)
    own = every.take(_owned(every, cells))
    rings = corners_on_sides(own, every)
    side, quantum = _table_of(context).block, context.lattice.quantum
    area = ((own.x1 - own.x0) * quantum) * ((own.y1 - own.y0) * quantum)
    columns = {"id": own.id, "block": _block_ids(own, side), "area_m2": area, "points": own.points}
    table = polygon_table(
        columns,
        np.column_stack(context.lattice.coordinates(rings[0], rings[1])),
        rings[2],
        crs=context.lattice.crs,
        facts=context.facts(PARCELS.name),
    )
    return table, own, rings


def _block_ids(parcels: Parcels, block: int) -> NDArray[np.int64]:
    ix, iy = ((corner >> CELL_BITS) // block * block for corner in (parcels.x0, parcels.y0))
    return point_ids(ix, iy, np.zeros(ix.size, np.int64))


def _other_rows(rows: pa.Table, expected: pa.Table) -> int:
    """Rows that are missing, too many, or differ in any column."""
    if rows.num_rows != expected.num_rows:
        return abs(int(rows.num_rows) - int(expected.num_rows))
    names = ("id", "block", "area_m2", "points", "geometry")
    same = np.ones(rows.num_rows, np.bool_)
    for name in names:
        ours, theirs = (table[name].to_numpy(zero_copy_only=False) for table in (rows, expected))
        same &= ours == theirs
    return int(np.count_nonzero(~same))


def _uncovered(
    context: LayerContext, cells: Cells, rows: pa.Table, found: NDArray[np.object_]
) -> int:
    """Parcels that do not join the others, and blocks that their areas do not add up to."""
    every = _every(context, cells, around=1)
    others = every.take(~_owned(every, cells))
    x, y, offsets = corners_on_sides(others, every)
    ring = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
    xy = np.column_stack(context.lattice.coordinates(x, y))
    around = shapely.polygons(shapely.linearrings(xy, indices=ring)) if xy.size else []
    together = np.concatenate((found, around))
    gaps = shapely.get_num_coordinates(shapely.coverage_invalid_edges(together)[: found.size])
    table = _table_of(context)
    whole = _whole_blocks(cells, table.block)
    ix, iy = id_cells(column_values(rows["block"]))
    inside = (ix >= whole.ix0) & (ix < whole.ix1) & (iy >= whole.iy0) & (iy < whole.iy1)
    columns = max(whole.width // table.block, 1)
    number = (iy - whole.iy0) // table.block * columns + (ix - whole.ix0) // table.block
    doubled = _areas_in_quanta(found[inside], context)
    sums = np.zeros(whole.area // table.block**2, np.int64)
    np.add.at(sums, number[inside], doubled)
    wrong = sums != (table.block * CELL) ** 2
    return int(np.count_nonzero(gaps)) + int(np.count_nonzero(wrong))


def _areas_in_quanta(found: NDArray[np.object_], context: LayerContext) -> NDArray[np.int64]:
    """Areas of stored rectangles in square quanta, from their corners."""
    bounds = shapely.bounds(found)
    x0, y0 = context.lattice.quanta(bounds[:, 0], bounds[:, 1])
    x1, y1 = context.lattice.quanta(bounds[:, 2], bounds[:, 3])
    return (x1 - x0) * (y1 - y0)


PARCELS = ParcelProduct()
