"""The tile indexes of a layer: one manifest per product, for readers.

Belongs here: which indexes there are. Not here: the file (`storage.tile_index`).
"""

from __future__ import annotations

from typing import Any

from synthgrid_assets.products.layer_context import Workshop
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.tile_index import write_tile_index


def index_rows(workshop: Workshop) -> list[dict[str, Any]]:
    """Write the tile index of each of a layer's products; one row on each."""
    rows = []
    extent = workshop.spec.world.tiling.extent
    with Journal(workshop.layout) as journal:
        for noun in workshop.products:
            dataset, more = workshop.dataset(noun), workshop.facts(noun)
            facts = write_tile_index(journal, dataset, workshop.lattice, extent, more=more)
            path = journal.layout.tile_index(workshop.spec.world.name, workshop.layer, noun)
            rows.append(
                {
                    "asset": noun,
                    "tiles": facts.tiles,
                    "rows": facts.rows,
                    "digest": facts.digest,
                    "file": str(path),
                }
            )
    return rows
