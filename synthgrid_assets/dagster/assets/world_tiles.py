"""The asset ``tiles``: a world's tiles, their cells and bounds; all layers grow from them.

Belongs here: this one asset. Not here: the layers' products (`tiled`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.events.kept import Kept
from synthgrid_assets.dagster.events.tile_events import TileEvents, TileResult, tile_check
from synthgrid_assets.dagster.keys import common, tiles_key, world_key
from synthgrid_assets.dagster.metadata import verdicts_metadata
from synthgrid_assets.dagster.partitions import step_tiles, tile_partitions
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.versions import tiles_version


def tiles_asset(spec: WorldSpec) -> dg.AssetsDefinition:
    """The asset; nothing is computed or stored, so it needs no engine."""
    world, key = spec.world, tiles_key(spec.world.name)
    partitions, version = tile_partitions(world.tiling), tiles_version(spec)

    @dg.multi_asset(
        name=f"{world.name}__tiles",
        specs=[
            dg.AssetSpec(
                key,
                deps=[world_key(world.name)],
                description="The world's tiles: which cells and which ground each covers. A "
                "tile is only a way to compute; it is never a source of randomness.",
                code_version=version,
                kinds={"python"},
                **common(world.name),
            )
        ],
        check_specs=[
            tile_check(key, partitions, "The tile lies in the extent and on the tile grid.")
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def tiles(context: dg.AssetExecutionContext) -> Iterator[Any]:
        keys = [tile.key for tile in step_tiles(context, world.tiling)]
        with TileEvents(context, keys) as events:
            for tile in keys:
                result = _result(
                    spec, key, version, world.tiling.from_key(tile), brief=events.brief
                )
                if events.stands(key, tile, result.data_version, result.passed):
                    events.keep(key, tile, Kept(1, failed_tiles=int(not result.passed)))
                else:
                    yield from events.tile(result)
            yield from events.close()

    return tiles


def _result(
    spec: WorldSpec, key: dg.AssetKey, version: str, tile: Tile, *, brief: bool
) -> TileResult:
    bounds = spec.world.lattice.bounds(tile.cells)
    verdict = tile_lies_in_the_extent(spec, tile)
    metadata = {
        "cells": str(list(tile.cells)),
        "bounds": ", ".join(f"{edge:.3f}" for edge in bounds),
        "square_km": f"{tile.cells.area * spec.world.cell**2 / 1e6:.3f}",
    }
    return TileResult(
        asset=key,
        tile=tile.key,
        data_version=version_hash([version, list(tile.cells)]),
        passed=verdict.passed,
        metadata=metadata if not brief else {"bounds": metadata["bounds"]},
        check_metadata=verdicts_metadata([verdict], brief=True),
    )


def tile_lies_in_the_extent(spec: WorldSpec, tile: Tile) -> Verdict:
    """The tile is a cell of the tile grid, clipped to the extent, and not empty."""
    x, y, side = tile.column * tile.side, tile.row * tile.side, tile.side
    on_grid = tile.cells.intersection(spec.world.tiling.extent) == tile.cells and (
        x <= tile.cells.ix0 < tile.cells.ix1 <= x + side
        and y <= tile.cells.iy0 < tile.cells.iy1 <= y + side
    )
    return Verdict.exact("tile_lies_in_the_extent", int(not on_grid))
