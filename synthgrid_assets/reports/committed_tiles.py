"""The committed tiles and networks of a world as it is declared now.

Belongs here: which asset is meant, and which of the journal's receipts count. Not here:
the journal (`storage`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.inputs.kinds.input import Record
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.world.inputs import asset_path, find_input
from synthgrid_assets.world.spec import WorldSpec, network_of


def open_layer(spec: WorldSpec, root: Path, layer: str, name: str) -> LayerContext:
    """The context of a layer that has the product `name`.

    Raises
    ------
    SpecError
        If there is no such layer or product; the message names those there are.
    """
    if layer not in spec.layers:
        raise SpecError(f"world {spec.world.name!r} has no layer {layer!r}; {list(spec.layers)}")
    context = LayerContext.of(spec, layer, root)
    if name not in context.products:
        raise SpecError(f"layer {layer!r} has no asset {name!r}; {list(context.products)}")
    return context


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
    known = [made.rpartition("/")[2] for made in spec.made_inputs if made not in spec.inputs]
    if wanted not in spec.made_inputs:
        raise SpecError(f"no layer has the input {name!r} as constraints; {known}")
    record = find_input(spec, wanted, Layout(root))
    if record is None:
        asset = asset_path(spec.world.name, wanted)
        raise StorageError(f"{asset} is not made in {root}; materialise it first")
    return record


def committed_tiles(journal: Journal, context: LayerContext, name: str) -> Iterator[Receipt]:
    """Receipts of a product's committed tiles, south to north and west to east.

    Tiles that an earlier extent clipped otherwise, or that now lie outside, are left out.
    """
    records = recorded_tiles(journal, context, name)
    return (receipt for receipt in records if not journal.problem(receipt))


def recorded_tiles(journal: Journal, context: LayerContext, name: str) -> Iterator[Receipt]:
    """The same whatever has become of their files."""
    tiling = context.spec.world.tiling
    return (
        receipt
        for receipt in journal.receipts(context.dataset(name))
        if receipt.cells.intersection(tiling.extent) == receipt.cells
        and tiling.from_key(receipt.tile).cells == receipt.cells
    )
