"""The named checks of a region: every committed tile together, from journal and files.

Belongs here: gathering what the region's tests need, a row of tiles at a time. Not here:
the tests (`statistics`), their Dagster checks (`assets.checks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthgrid_assets.products.catalogue import Product
from synthgrid_assets.products.committed import committed_tiles
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.statistics.counts import TileCount
from synthgrid_assets.statistics.moments import region_moments
from synthgrid_assets.statistics.region import TileCounts, mean_variance_hold
from synthgrid_assets.statistics.seam import SeamCounter, seam_reach
from synthgrid_assets.statistics.verdict import TILE_ALPHA, Verdict
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.world.lattice import Cells

REGION_TESTS = {"points": ("mean_variance_hold", "no_seam")}
MAX_FAILING = 100  # rows of a check's table of failing tiles


@dataclass(frozen=True)
class RegionCheck:
    """A named check of one product over all its committed tiles.

    Parameters
    ----------
    verdict : Verdict
    tiles : int
        Committed tiles that were looked at.
    failing : tuple of (str, Verdict)
        Key and verdict of the tiles that fail, the first `MAX_FAILING` of them.
    """

    verdict: Verdict
    tiles: int
    failing: tuple[tuple[str, Verdict], ...] = ()


def check_names(product: Product) -> tuple[str, ...]:
    """The named checks of a product: its tiles' tests, and those of regions alone."""
    return (*product.tests, *REGION_TESTS.get(product.noun, ()))


def region_checks(workshop: Workshop, product: Product) -> dict[str, RegionCheck]:
    """All named checks of a product over its committed tiles.

    A run over a single tile therefore gives the region's verdict, not the tile's.
    """
    with Journal(workshop.layout) as journal:
        checks = _tile_tests(journal, workshop, product)
        if product.noun in REGION_TESTS:
            tiles = next(iter(checks.values())).tiles
            checks["mean_variance_hold"] = RegionCheck(_mean_variance(journal, workshop), tiles)
            checks["no_seam"] = RegionCheck(_no_seam(journal, workshop), tiles)
    return checks


def _tile_tests(journal: Journal, workshop: Workshop, product: Product) -> dict[str, RegionCheck]:
    tiles, failed = 0, dict.fromkeys(product.tests, 0)
    failing: dict[str, list[tuple[str, Verdict]]] = {test: [] for test in product.tests}
    for receipt in committed_tiles(journal, workshop, product.noun):
        tiles += 1
        for verdict in receipt.verdicts:
            if not verdict.passed:
                failed[verdict.test] += 1
                failing[verdict.test].append((receipt.tile, verdict))
                del failing[verdict.test][MAX_FAILING:]
    return {
        test: RegionCheck(
            Verdict(
                test,
                failed[test] == 0,
                observed=float(failed[test]),
                expected=0.0,
                false_alarm_rate=min(1.0, tiles * TILE_ALPHA),
                detail=f"{failed[test]} of {tiles} committed tiles fail",
            ),
            tiles,
            tuple(failing[test]),
        )
        for test in product.tests
    }


def _mean_variance(journal: Journal, workshop: Workshop) -> Verdict:
    receipts = list(committed_tiles(journal, workshop, "points"))
    counts = TileCounts.of(_tile_count(receipt) for receipt in receipts)
    strips = (_retention(workshop, cells, row) for cells, row in _rows(workshop, receipts))
    return mean_variance_hold(counts, region_moments(workshop.sampler.law, strips))


def _tile_count(receipt: Receipt) -> TileCount:
    facts = dict(receipt.facts)
    p_value = next(v.p_value for v in receipt.verdicts if v.test == "counts_match_the_process")
    return TileCount(
        receipt.rows,
        float(receipt.expected_rows or 0.0),
        float(facts["count_variance"]),
        1.0 if p_value is None else p_value,
        float(facts["p_randomised"]),
    )


def _no_seam(journal: Journal, workshop: Workshop) -> Verdict:
    side = workshop.spec.world.tile
    counter = SeamCounter(side, seam_reach(workshop.sampler.law.intensity, side))
    for cells, row in _rows(workshop, committed_tiles(journal, workshop, "points")):
        x, y = _coordinates(workshop, row)
        counter.add(cells, x, y, _retention(workshop, cells, row))
    return counter.verdict()


def _rows(
    workshop: Workshop, receipts: Iterator[Receipt] | list[Receipt]
) -> Iterator[tuple[Cells, list[Receipt]]]:
    """Receipts by row of tiles, south to north, with the row's rectangle over the extent.

    Rows without a committed tile come along empty, so that strips stay consecutive.
    """
    extent, side = workshop.spec.world.tiling.extent, workshop.spec.world.tile
    by_row = {row: list(group) for row, group in groupby(receipts, lambda r: r.cells.iy0 // side)}
    for row in workshop.spec.world.tiling.rows:
        strip = Cells(extent.ix0, row * side, extent.ix1, (row + 1) * side)
        yield strip.intersection(extent), by_row.get(row, [])


def _retention(workshop: Workshop, cells: Cells, row: list[Receipt]) -> NDArray[np.float64]:
    """Mean retention of each cell of a row of tiles, 0 where no tile is committed."""
    grid = np.zeros((cells.height, cells.width))
    for receipt in row:
        tile = receipt.cells
        columns = slice(tile.ix0 - cells.ix0, tile.ix1 - cells.ix0)
        rows = slice(tile.iy0 - cells.iy0, tile.iy1 - cells.iy0)
        grid[rows, columns] = workshop.retention(tile).by_cell
    return grid


def _coordinates(
    workshop: Workshop, row: list[Receipt]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    tables = [
        pq.read_table(workshop.layout.root / receipt.path, columns=["x_q", "y_q"])
        for receipt in row
    ]
    if not tables:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    together = pa.concat_tables(tables)
    return together["x_q"].to_numpy(), together["y_q"].to_numpy()
