"""Tiles as Dagster partitions, and rectangles of tiles as one run.

Belongs here: partition definitions, keys and the tags of a ranged run. Not here: which
tiles a world has (`lattice.tiling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

import dagster as dg

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.tiling import Tile, Tiling

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


class TilePartitions(dg.MultiPartitionsDefinition):
    """Tiles by column and row, whose keys are made once.

    Dagster asks for all of them for every asset that a step reads, and makes them anew for every
    moment that it asks at: dimensions may grow with time. These never do.
    """

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: Any = None,
    ) -> Sequence[dg.MultiPartitionKey]:
        """All keys, in the order of the dimensions."""
        return self._all_keys

    @cached_property
    def _all_keys(self) -> Sequence[dg.MultiPartitionKey]:
        return super().get_partition_keys()


@lru_cache(maxsize=16)
def tile_partitions(tiling: Tiling) -> TilePartitions:
    """Two dimensions, x and y: definitions load and status queries stay fast."""
    return TilePartitions(
        {
            "x": dg.StaticPartitionsDefinition(tiling.x_keys),
            "y": dg.StaticPartitionsDefinition(tiling.y_keys),
        }
    )


def step_tiles(context: dg.AssetExecutionContext, tiling: Tiling) -> list[Tile]:
    """The tiles of a step's run; all of the world where the run names none.

    So it is with *Execute all* of the checks, and with a launch through the API without a
    partition.

    Raises
    ------
    SpecError
        If the run's range is empty, as from a larger key to a smaller one.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        return list(tiling)
    tiles = [tiling.from_key(str(key)) for key in context.partition_keys]
    if not tiles:
        span = context.partition_key_range
        raise SpecError(
            f"the range {span.start}...{span.end} holds no tile; let each of its start's two "
            "keys come before its end's"
        )
    return tiles


def range_tags(tiles: list[Tile]) -> dict[str, str]:
    """The run tags that make one run of a rectangle of tiles.

    Parameters
    ----------
    tiles : list of Tile
        All tiles of a rectangle of the tile grid.

    Raises
    ------
    SpecError
        If there is no tile, or the tiles do not fill a rectangle.
    """
    if not tiles:
        raise SpecError("no tile selected; choose a region that overlaps the world's extent")
    columns = sorted({tile.column for tile in tiles})
    rows = sorted({tile.row for tile in tiles})
    if len(tiles) != len(columns) * len(rows):
        raise SpecError(f"{len(tiles)} tiles do not fill a rectangle of the tile grid")
    by_place = {(tile.column, tile.row): tile for tile in tiles}
    return {
        RANGE_START_TAG: by_place[columns[0], rows[0]].key,
        RANGE_END_TAG: by_place[columns[-1], rows[-1]].key,
    }
