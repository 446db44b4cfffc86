"""What a region will take before it is made: rows, disk and time per asset.

Belongs here: predictions. Not here: plans of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgrid_assets.engine.settings import usable_cores
from synthgrid_assets.inputs.kinds.input import UNMADE
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layers
from synthgrid_assets.products.product import Product, Rates
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.spec import WorldSpec, is_release


def estimate_region(
    spec: WorldSpec, root: Path, products: Mapping[str, tuple[str, ...]], tiles: list[Tile]
) -> list[dict[str, Any]]:
    """Expected rows, disk and time of some products on some tiles.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
        Data root, whose journal knows what earlier tiles took.
    products : mapping
        Names of products by layer.
    tiles : list of Tile

    Returns
    -------
    list of dict
        One row per asset: layer, asset, tiles still to make, rows, MB and seconds on this
        machine's cores; the last three are None where points follow from a release that is not
        made yet: nothing is known of them before.
    """
    cores = usable_cores()
    rows = []
    with Journal(Layout(root)) as journal:
        for context in open_layers(spec, root, products):
            layer = context.layer
            for product in products_named(*products[layer]):
                dataset = context.dataset(product.name)
                todo = [tile for tile in tiles if not journal.is_committed(dataset, tile.cells)]
                if unreleased(context):
                    unknown = dict.fromkeys(("rows", "MB", "seconds"))
                    named = {"layer": layer, "asset": product.name, "tiles to make": len(todo)}
                    rows.append({**named, **unknown})
                    continue
                expected = sum(product.expected_rows(context, tile) for tile in todo)
                rates = _rates(journal, context, product)
                seconds = (expected * rates.row_seconds + len(todo) * rates.tile_seconds) / cores
                size = expected * rates.row_bytes + len(todo) * rates.tile_bytes
                rows.append(
                    {
                        "layer": layer,
                        "asset": product.name,
                        "tiles to make": len(todo),
                        "rows": round(expected),
                        "MB": round(size / 1e6, 2),
                        "seconds": round(seconds, 1),
                    }
                )
    return rows


def unreleased(context: LayerContext) -> list[str]:
    """The releases that a layer's points follow from, its own and others', not made yet."""
    return [
        name
        for name, version in context.job.inputs
        if is_release(name) and version.startswith(UNMADE)
    ]


def _rates(journal: Journal, context: LayerContext, product: Product) -> Rates:
    """What the product's committed tiles took, or the first guess."""
    tiles = rows = size = 0
    seconds = 0.0
    for receipt in journal.lookup(context.dataset(product.name)):
        tiles += 1
        rows += receipt.rows
        size += receipt.size
        seconds += receipt.total_seconds
    if tiles == 0:
        return product.first_guess
    if rows == 0:
        return Rates(0.0, size / tiles, 0.0, seconds / tiles)
    return Rates(size / rows, 0.0, 0.0, seconds / tiles)
