"""What a region's committed tiles say together: their counts, scores and points by rows.

Belongs here: gathering from journal and files, a row of tiles at a time. Not here: tests
(`statistics`), named checks (`region_checks`), pictures (`region_maps`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.count_models import LineClusters
from synthgrid_assets.processes.superposition import SuperpositionLaw
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile, committed_tiles
from synthgrid_assets.products.tile_tests.replicates import Baseline
from synthgrid_assets.statistics.curves.distance_counts import DistanceCounts
from synthgrid_assets.statistics.laws.moments import (
    CountMoments,
    count_moments,
    region_moments,
    unresolved_variance,
)
from synthgrid_assets.statistics.laws.superposed import MemberRetention
from synthgrid_assets.statistics.region.neighbours import TileWindows
from synthgrid_assets.statistics.region.totals import TileCounts, are_countable
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.tile_files import TileReader
from synthgrid_assets.world.samplers import is_near, leaves_of


@dataclass(frozen=True, eq=False)
class TileRow:
    """The committed tiles of one row of tiles.

    Parameters
    ----------
    cells : Cells
        The row's rectangle across the extent.
    tiles : tuple of CommittedTile
    retention : ndarray of float64, shape (height, width)
        Mean retention of each cell, 0 where no tile is committed.
    """

    cells: Cells
    tiles: tuple[CommittedTile, ...]
    retention: NDArray[np.float64]


class RegionEvidence:
    """The committed tiles of a layer's points.

    Parameters
    ----------
    tiles : sequence of CommittedTile
        South to north and west to east.
    context : LayerContext

    Attributes
    ----------
    tiles : tuple of CommittedTile
    counts : TileCounts
        Of the same tiles.
    """

    def __init__(self, tiles: Sequence[CommittedTile], context: LayerContext) -> None:
        self._context = context
        self.tiles = tuple(tiles)
        self.counts = TileCounts.of(found for tile in tiles if (found := tile.tile_count))

    @classmethod
    def read(cls, journal: Journal, context: LayerContext) -> RegionEvidence:
        """That of the journal as it is now."""
        receipts = committed_tiles(journal, context, "points")
        return cls([CommittedTile.of(receipt) for receipt in receipts], context)

    @property
    def area(self) -> int:
        """Cells of all committed tiles."""
        return sum(tile.cells.area for tile in self.tiles)

    def rows(self) -> Iterator[TileRow]:
        """Rows of tiles, south to north; those without a committed tile come along empty."""
        tiling = self._context.spec.world.tiling
        grouped = groupby(self.tiles, lambda tile: tile.cells.iy0 // tiling.side)
        by_row = {row: tuple(tiles) for row, tiles in grouped}
        for row in tiling.rows:
            extent, side = tiling.extent, tiling.side
            strip = Cells(extent.ix0, row * side, extent.ix1, (row + 1) * side)
            cells, tiles = strip.intersection(extent), by_row.get(row, ())
            yield TileRow(cells, tiles, self._retention(cells, tiles))

    def moments(self) -> CountMoments:
        """Mean and variance of the number of points in all committed tiles."""
        law = self._context.sampler.law
        if isinstance(law.count_model, LineClusters):
            return self._clusters_on_lines()
        if isinstance(law, SuperpositionLaw):
            moments = self._superposed(law)
        else:
            moments = region_moments(law, (row.retention for row in self.rows()))
        if not any(is_near(leaf) for leaf in leaves_of(self._context.sampler)):
            return moments
        tiles = (self._context.cache.retention(tile.cells) for tile in self.tiles)
        unresolved = math.fsum(unresolved_variance(law, retention) for retention in tiles)
        return CountMoments(moments.mean, moments.variance + unresolved)

    def _clusters_on_lines(self) -> CountMoments:
        """Of clusters along lines, whose shares are known in a rectangle: the whole extent."""
        extent = self._context.spec.world.tiling.extent
        if self.area < extent.area:
            return CountMoments(math.nan, math.nan)
        return count_moments(self._context.sampler.law, self._context.cache.retention(extent))

    def _superposed(self, law: SuperpositionLaw) -> CountMoments:
        """Moments of a union's members, each thinned in its own way, added up."""
        if math.isnan(law.intensity):
            return CountMoments(math.nan, math.nan)
        members = [
            region_moments(
                member, (self._retention(row.cells, row.tiles, i) for row in self.rows())
            )
            for i, member in enumerate(law.members)
        ]
        return CountMoments(sum(m.mean for m in members), sum(m.variance for m in members))

    def scores(self) -> NDArray[np.float64]:
        """Standardised count of each tile, as `by_place`; NaN where too few points are expected."""
        counts = self.counts
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = (counts.observed - counts.mean) / np.sqrt(counts.variance)
        return self.by_place(np.where(are_countable(counts.mean, counts.variance), scores, np.nan))

    def by_place(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """Values of the tiles by row and column of tiles; NaN where no tile is committed."""
        tiling = self._context.spec.world.tiling
        grid = np.full((len(tiling.rows), len(tiling.columns)), math.nan)
        for tile, value in zip(self.tiles, values, strict=True):
            row, column = self._place(tile)
            grid[row - tiling.rows[0], column - tiling.columns[0]] = value
        return grid

    def _place(self, tile: CommittedTile) -> tuple[int, int]:
        """Its row and column of tiles."""
        side = self._context.spec.world.tiling.side
        return tile.cells.iy0 // side, tile.cells.ix0 // side

    def windows(self, baseline: Baseline) -> TileWindows:
        """What the windows of tiles hold that have replicates, as their receipts say."""
        tiling, law = self._context.spec.world.tiling, self._context.sampler.law
        width = len(baseline.replicates.of_window(0).as_row())
        keys, rows = [], []
        for tile in self.tiles:
            if tile.windows.size == width:
                keys.append(self._place(tile))
                rows.append(tile.windows)
        counts = DistanceCounts.of_rows(np.array(rows, np.int64).reshape(-1, width))
        felt = law.correlation_cells + 2 * baseline.distances.halo
        return TileWindows(keys, baseline.cells.area, counts, 1 + math.ceil(felt / tiling.side))

    def coordinates(self, row: TileRow) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The points of a row of tiles, in quanta, as their files hold them."""
        reader = TileReader(self._context.layout.store)
        tables = [reader.read(tile.file, ["x_q", "y_q"]) for tile in row.tiles]
        if not tables:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        together = pa.concat_tables(tables)
        return column_values(together["x_q"]), column_values(together["y_q"])

    def _retention(
        self, cells: Cells, tiles: tuple[CommittedTile, ...], member: int | None = None
    ) -> NDArray[np.float64]:
        grid = np.zeros((cells.height, cells.width))
        for tile, *_ in tiles:
            columns = slice(tile.ix0 - cells.ix0, tile.ix1 - cells.ix0)
            rows = slice(tile.iy0 - cells.iy0, tile.iy1 - cells.iy0)
            retention = self._context.cache.retention(tile)
            if member is not None and isinstance(retention, MemberRetention):
                retention = retention.members[member]
            grid[rows, columns] = retention.by_cell
        return grid
