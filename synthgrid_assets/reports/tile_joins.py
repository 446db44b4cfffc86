"""A region's committed triangles, cells and neighbours together, from their files.

Belongs here: reading rows of tiles, and verdicts on how they join. Not here: what joining
means (`tessellation.proofs.joins`), tests on points (`region_evidence`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Lattice
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.reports.committed_tiles import committed_tiles
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.storage.tile_files import TileFile, TileReader
from synthgrid_assets.tessellation.proofs.cell_join import CellJoin, StoredCells
from synthgrid_assets.tessellation.proofs.coverage import Coverage
from synthgrid_assets.tessellation.proofs.joins import NeighbourJoin, TriangleJoin
from synthgrid_assets.verdict import Verdict

JOIN_TESTS = {
    "delaunay": "triangles_join_across_tiles",
    "voronoi": "cells_join_across_tiles",
    "cell_neighbours": "neighbours_agree_across_tiles",
}
_COLUMNS = {
    "delaunay": ["a", "b", "c", "geometry"],
    "voronoi": ["site_id", "area_m2", "n_neighbours", "geometry"],
    "cell_neighbours": ["focal", "neighbor", "weight"],
}
Watch = Callable[[Receipt, pa.Table], None]
Add = Callable[[NDArray[np.int64], pa.Table], None]
Joining = TriangleJoin | CellJoin | NeighbourJoin


@dataclass(frozen=True)
class Joined:
    """How the committed tiles of one product join.

    Parameters
    ----------
    verdict : Verdict
    tiles : int
    failing : tuple of (str, Verdict)
        Key and verdict of each tile with faults, the worst first.
    """

    verdict: Verdict
    tiles: int
    failing: tuple[tuple[str, Verdict], ...]


def join_tiles(
    journal: Journal, context: LayerContext, name: str, watch: Watch = lambda *_: None
) -> Joined:
    """Join all committed tiles of a product, row by row of tiles, from their files.

    Parameters
    ----------
    journal : Journal
    context : LayerContext
    name : str
        A product of `JOIN_TESTS`.
    watch : callable
        Sees each tile's receipt and table on the way.
    """
    receipts = list(committed_tiles(journal, context, name))
    if name == "delaunay" and _too_fine(context):
        detail = "not judged: cells are so small that stored coordinates of two sites may be equal"
        return Joined(Verdict.exact(JOIN_TESTS[name], 0, detail), len(receipts), ())
    tiling = context.spec.world.tiling
    coverage = Coverage(tiling, [tiling.from_key(receipt.tile) for receipt in receipts])
    join, add = _joining(name, coverage, context.lattice)
    for numbers, tables in _rows_of_tiles(context, receipts, _COLUMNS[name]):
        for number, table in zip(numbers, tables, strict=True):
            watch(receipts[number], table)
        tile = np.repeat(numbers, [table.num_rows for table in tables])
        add(tile, pa.concat_tables(tables))
    join.close()
    return _joined(JOIN_TESTS[name], receipts, join.faults)


def _too_fine(context: LayerContext) -> bool:
    """Whether floats of the world's CRS cannot tell all lattice positions apart."""
    bounds = np.abs(context.lattice.bounds(context.spec.world.tiling.extent))
    return bool(context.lattice.quantum < np.spacing(bounds).max())


def _joining(name: str, coverage: Coverage, lattice: Lattice) -> tuple[Joining, Add]:
    """What joins a product's tiles, and how it is given a row of tables."""
    if name == "delaunay":
        triangles = TriangleJoin(coverage)
        return triangles, _adds_triangles(triangles)
    if name == "voronoi":
        cells = CellJoin(coverage, lattice)
        return cells, _adds_cells(cells)
    pairs = NeighbourJoin(coverage)
    return pairs, _adds_neighbours(pairs)


def _rows_of_tiles(
    context: LayerContext, receipts: list[Receipt], columns: list[str]
) -> Iterator[tuple[list[int], list[pa.Table]]]:
    """Numbers and tables of the tiles of each row of tiles, south to north."""
    reader, side = TileReader(context.layout.store), context.spec.world.tile
    numbered = enumerate(receipts)
    for _, row in groupby(numbered, lambda item: item[1].cells.iy0 // side):
        numbers, in_row = zip(*row, strict=True)
        yield list(numbers), [reader.read(TileFile.of(receipt), columns) for receipt in in_row]


def _adds_triangles(join: TriangleJoin) -> Add:
    def add(tile: NDArray[np.int64], rows: pa.Table) -> None:
        corners = np.column_stack([rows[name].to_numpy() for name in "abc"])
        xy = shapely.get_coordinates(_geometry(rows)).reshape(-1, 4, 2)
        join.add(tile, corners, xy[:, :3])

    return add


def _adds_cells(join: CellJoin) -> Add:
    def add(tile: NDArray[np.int64], rows: pa.Table) -> None:
        geometry = _geometry(rows)
        sizes = shapely.get_num_coordinates(geometry)
        offsets = np.concatenate(([0], np.cumsum(sizes)))
        xy = shapely.get_coordinates(geometry)
        site, area = rows["site_id"].to_numpy(), rows["area_m2"].to_numpy()
        join.add(StoredCells(tile, site, area, xy, offsets))

    return add


def _adds_neighbours(join: NeighbourJoin) -> Add:
    def add(tile: NDArray[np.int64], rows: pa.Table) -> None:
        join.add(tile, *(rows[name].to_numpy() for name in ("focal", "neighbor", "weight")))

    return add


def _geometry(rows: pa.Table) -> NDArray[np.object_]:
    found: NDArray[np.object_] = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    return found


def _joined(test: str, receipts: list[Receipt], faults: dict[str, NDArray[np.int64]]) -> Joined:
    by_tile = np.array(list(faults.values()))
    worst_first = np.argsort(-by_tile.sum(axis=0), kind="stable")
    failing = tuple(
        (receipts[number].tile, _verdict(test, dict(zip(faults, by_tile[:, number], strict=True))))
        for number in worst_first
        if by_tile[:, number].any()
    )
    rows = sum(receipt.rows for receipt in receipts)
    totals = {kind: int(found.sum()) for kind, found in faults.items()}
    verdict = _verdict(test, totals, f"{rows} rows of {len(receipts)} tiles, faults: ")
    return Joined(verdict, len(receipts), failing)


def _verdict(test: str, faults: dict[str, int], head: str = "") -> Verdict:
    found = ", ".join(f"{count} {kind}" for kind, count in faults.items() if count)
    return Verdict.exact(test, int(sum(faults.values())), head + (found or "none"))
