"""The committed tiles of a world as it is declared now.

Belongs here: which of the journal's receipts count. Not here: the journal (`storage`).
"""

from __future__ import annotations

from collections.abc import Iterator

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt


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
