"""The tiled assets: the steps of each layer, over any set of tiles.

Belongs here: definitions of tiled assets. Not here: what their steps do (`tile_step`), what a
tile holds (`products`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.assets.tile_step import TileStep, TileStepConfig
from synthgrid_assets.dagster.events.tile_events import tile_check
from synthgrid_assets.dagster.keys import common, input_key, layer_key, tiles_key
from synthgrid_assets.dagster.metadata import column_metadata
from synthgrid_assets.dagster.partitions import tile_partitions
from synthgrid_assets.dagster.resources import DataRoot, Engine
from synthgrid_assets.dagster.runs.request import step_name
from synthgrid_assets.products.product import ORIGIN, Product
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.versions import asset_version, realised_inputs


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
        can_subset=True,  # also of one product: its check can be evaluated alone
    )
    def tile_step(
        context: dg.AssetExecutionContext, config: TileStepConfig, engine: Engine, data: DataRoot
    ) -> Iterator[Any]:
        step = TileStep(context, engine, spec, layer, data.path, keys)
        yield from step.events(force=config.force, only=config.only)

    return tile_step


def _spec(spec: WorldSpec, layer: str, product: Product) -> dg.AssetSpec:
    world, table = spec.world.name, spec.layers[layer]
    upstream = [layer_key(world, layer, name) for name in product.upstream(table)]
    inputs = [input_key(world, name) for name in realised_inputs(spec, layer, product)]
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
