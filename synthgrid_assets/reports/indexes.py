"""The tile indexes of a layer: one manifest per product, for readers.

Belongs here: which indexes there are. Not here: the file (`storage.tile_index`).
"""

from __future__ import annotations

from typing import Any

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.manifest import write_tile_index


def index_rows(context: LayerContext) -> list[dict[str, Any]]:
    """Write the tile index of each of a layer's products; one row on each."""
    rows = []
    extent = context.spec.world.tiling.extent
    with Journal(context.layout) as journal:
        for name in context.assets:
            dataset, more = context.dataset(name), context.facts(name) | context.citation
            facts = write_tile_index(journal, dataset, context.lattice, extent, more=more)
            rows.append(
                {
                    "asset": name,
                    "tiles": facts.tiles,
                    "rows": facts.rows,
                    "digest": facts.digest,
                    "file": facts.manifest.address,
                }
            )
    return rows
