"""The tiled assets: the steps of each layer, over any set of tiles.

Belongs here: definitions of tiled assets and the loop from engine to events. Not here:
what a tile holds (`products`), the anatomy of events (`tile_events`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from synthgrid_assets.dagster.events.kept import Kept
from synthgrid_assets.dagster.events.tile_events import TileEvents, TileResult, tile_check
from synthgrid_assets.dagster.keys import common, input_key, layer_key, tiles_key
from synthgrid_assets.dagster.metadata import column_metadata, receipt_metadata, verdicts_metadata
from synthgrid_assets.dagster.partitions import tile_partitions
from synthgrid_assets.dagster.resources import DataRoot, Engine
from synthgrid_assets.dagster.runs.request import step_name
from synthgrid_assets.errors import EngineError
from synthgrid_assets.materialize.run import TileFailed, TileMade, make_tiles
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.product import ORIGIN, Product
from synthgrid_assets.products.registry import products_named, products_of
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.inputs import require_made
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.versions import asset_version, read_inputs

MAX_NAMED = 5  # failed tiles that the error of a step names


class TileStepConfig(dg.Config):
    """How a step makes its tiles."""

    force: bool = Field(default=False, description="Make committed tiles again.")


def layer_assets(spec: WorldSpec, layer: str) -> list[dg.AssetsDefinition]:
    """The layer's products, those of one step together."""
    steps: dict[str, list[Product]] = {}
    for product in products_of(spec.layers[layer]):
        steps.setdefault(product.step, []).append(product)
    return [_step_assets(spec, layer, name, group) for name, group in steps.items()]


def _step_assets(
    spec: WorldSpec, layer: str, step: str, products: list[Product]
) -> dg.AssetsDefinition:
    world = spec.world.name
    partitions = tile_partitions(spec.world.tiling)
    keys = {product.name: layer_key(world, layer, product.name) for product in products}

    @dg.multi_asset(
        name=step_name(world, layer, step),
        specs=[_spec(spec, layer, product) for product in products],
        check_specs=[
            _check(keys[product.name], product.tests(spec.layers[layer]), partitions)
            for product in products
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=len(products) > 1,
    )
    def tile_step(
        context: dg.AssetExecutionContext, config: TileStepConfig, engine: Engine, data: DataRoot
    ) -> Iterator[Any]:
        chosen = {name: key for name, key in keys.items() if key in context.selected_asset_keys}
        layer_context = open_layer(spec, layer, data.path)
        yield from _make(context, config, engine, layer_context, chosen)

    return tile_step


def _make(
    context: dg.AssetExecutionContext,
    config: TileStepConfig,
    engine: Engine,
    layer_context: LayerContext,
    chosen: dict[str, dg.AssetKey],
) -> Iterator[Any]:
    """Events of each tile as it is committed; then the step's end or its failure."""
    products = products_named(*chosen)
    read = read_inputs(layer_context.spec, layer_context.layer, products)
    made = {name: version for name, version in layer_context.job.inputs if name in read}
    require_made(made, layer_context.spec.world.name)
    tiling = layer_context.spec.world.tiling
    tiles = [tiling.from_key(str(key)) for key in context.partition_keys]
    failed: list[TileFailed] = []
    with (
        Journal(layer_context.layout) as journal,
        TileEvents(context, [tile.key for tile in tiles]) as events,
    ):
        for outcome in make_tiles(
            engine.session, journal, layer_context, products, tiles, force=config.force
        ):
            if isinstance(outcome, TileFailed):
                failed.append(outcome)
                context.log.error(f"tile {outcome.tile}: {outcome.error}")
            else:
                yield from _tile_events(events, outcome, chosen, layer_context)
        if failed:
            yield from events.tell_kept()
            raise _failure(failed, len(tiles))
        yield from events.close()


def _tile_events(
    events: TileEvents, made: TileMade, chosen: dict[str, dg.AssetKey], layer_context: LayerContext
) -> Iterator[Any]:
    for receipt in made.receipts:
        asset = chosen[receipt.asset]
        if made.kept and events.stands(asset, receipt.tile, receipt.digest, receipt.passed):
            kept = Kept(1, receipt.rows, receipt.size, failed_tiles=int(not receipt.passed))
            events.keep(asset, receipt.tile, kept)
            continue
        metadata = receipt_metadata(receipt, layer_context.layout.store, brief=events.brief)
        yield from events.tile(
            TileResult(
                asset=asset,
                tile=receipt.tile,
                data_version=receipt.digest,
                passed=receipt.passed,
                metadata={**metadata, "kept": True} if made.kept else metadata,
                check_metadata=verdicts_metadata(receipt.verdicts, brief=events.brief),
            )
        )


def _failure(failed: list[TileFailed], tiles: int) -> EngineError:
    named = "\n".join(f"{tile.tile}: {tile.error}" for tile in failed[:MAX_NAMED])
    more = f"\nand {len(failed) - MAX_NAMED} more" if len(failed) > MAX_NAMED else ""
    return EngineError(
        f"{len(failed)} of {tiles} tiles failed, the others are committed; run the same tiles "
        f"again to make only what is missing.\n{named}{more}"
    )


def _spec(spec: WorldSpec, layer: str, product: Product) -> dg.AssetSpec:
    world, table = spec.world.name, spec.layers[layer]
    upstream = [layer_key(world, layer, name) for name in product.upstream(table)]
    inputs = [input_key(world, name) for name in product.inputs(spec, layer)]
    return dg.AssetSpec(
        layer_key(world, layer, product.name),
        deps=[*(upstream or [tiles_key(world)]), *inputs],
        description=product.description(table),
        code_version=asset_version(spec, layer, product).code_version,
        kinds=set(product.kinds),
        metadata=column_metadata(product.columns(table), layer_key(world, layer, ORIGIN)),
        **common(world, layer),
    )


def _check(
    key: dg.AssetKey, tests: tuple[str, ...], partitions: dg.MultiPartitionsDefinition
) -> dg.AssetCheckSpec:
    return tile_check(key, partitions, f"The tile passes its tests: {', '.join(tests)}.")
