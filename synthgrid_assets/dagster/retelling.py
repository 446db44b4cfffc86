"""Which tiles of a layer Dagster knows in another version than the declared one.

Belongs here: the question, for products of one step and for a whole layer. Not here: the
comparison with Dagster's log (`events.told_otherwise`), the run that tells them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import dagster as dg

from synthgrid_assets.dagster.events.told_otherwise import told_otherwise
from synthgrid_assets.dagster.keys import layer_key
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.tile_state import ONLY_STALE, chosen_tiles
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.storage.journal import Journal


def upstream_keys(context: LayerContext, products: Sequence[Product]) -> set[dg.AssetKey]:
    """Products of the layer that some are made from; their own versions hold all these say."""
    world = context.spec.world.name
    names = {name for product in products for name in product.upstream(context.table)}
    return {layer_key(world, context.layer, name) for name in names}


def tiles_told_otherwise(
    instance: dg.DagsterInstance,
    definition: dg.AssetsDefinition,
    context: LayerContext,
    products: Sequence[Product],
    tiles: Sequence[Tile],
) -> dict[str, int]:
    """Keys of such tiles of any of the products, with the id of the latest event.

    Parameters
    ----------
    instance : DagsterInstance
    definition : AssetsDefinition
        The step's.
    context : LayerContext
    products : sequence of Product
        Of one step.
    tiles : sequence of Tile
    """
    asked, settled = [tile.key for tile in tiles], upstream_keys(context, products)
    found: dict[str, int] = {}
    for product in products:
        key = layer_key(context.spec.world.name, context.layer, product.name)
        for tile, number in told_otherwise(instance, definition, key, asked, settled).items():
            found[tile] = max(number, found.get(tile, 0))
    return found


def events_to_tell_again(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    journal: Journal,
    context: LayerContext,
) -> Iterator[int]:
    """Ids of the latest events of those of a layer's tiles that a run would keep and tell again."""
    tiles = list(context.spec.world.tiling)
    ordered = sorted(products_of(context.table), key=lambda product: product.step)
    for _, group in groupby(ordered, key=lambda product: product.step):
        products = list(group)
        key = layer_key(context.spec.world.name, context.layer, products[0].name)
        definition = repository.assets_defs_by_key[key]
        found = tiles_told_otherwise(instance, definition, context, products, tiles)
        concerned = [tile for tile in tiles if tile.key in found]
        for tile in chosen_tiles(journal, context, products, concerned, ONLY_STALE, found):
            yield found[tile.key]
