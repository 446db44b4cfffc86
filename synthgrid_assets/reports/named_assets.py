"""From the names that a person gives to an asset of a world as it is declared now.

Belongs here: which layer, product or network is meant. Not here: what is told of it.
"""

from __future__ import annotations

from pathlib import Path

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.inputs.kinds.input import Record
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import asset_path, find_input
from synthgrid_assets.world.spec import NETWORKS, WorldSpec, network_of


def open_asset(spec: WorldSpec, root: Path, layer: str, name: str) -> tuple[LayerContext, Product]:
    """The context of a layer and its product `name`.

    Raises
    ------
    SpecError
        If there is no such layer or product; the message names those there are.
    """
    if layer not in spec.layers:
        raise SpecError(f"world {spec.world.name!r} has no layer {layer!r}; {list(spec.layers)}")
    products = {product.name: product for product in products_of(spec.layers[layer])}
    if name not in products:
        raise SpecError(f"layer {layer!r} has no asset {name!r}; {list(products)}")
    return open_layer(spec, layer, root), products[name]


def open_network(spec: WorldSpec, root: Path, name: str) -> Record:
    """The stored network of a world's input, by the input's name.

    Raises
    ------
    SpecError
        If no layer has the input as constraints.
    StorageError
        If it has not been made from the file as it is now.
    """
    wanted = network_of(name)
    networks = [made for made in spec.made_inputs if made.startswith(f"{NETWORKS}/")]
    known = [made.rpartition("/")[2] for made in networks]
    if wanted not in spec.made_inputs:
        raise SpecError(f"no layer has the input {name!r} as constraints; {known}")
    record = find_input(spec, wanted, Layout(root))
    if record is None:
        asset = asset_path(spec.world.name, wanted)
        raise StorageError(f"{asset} is not made in {root}; materialise it first")
    return record
