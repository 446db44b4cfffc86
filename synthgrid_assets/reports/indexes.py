"""The tile indexes of a layer: one manifest per product, for readers.

Belongs here: which indexes there are. Not here: the file (`storage.tile_index`), the map
beside them (`region_maps`).
"""

from __future__ import annotations

from typing import Any

from synthgrid_assets.products.layer_context import LayerContext, LayerJob
from synthgrid_assets.products.region_tests.region_evidence import RegionEvidence
from synthgrid_assets.reports.region_maps import counts_map
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


def index_and_map(job: LayerJob) -> tuple[list[dict[str, Any]], bytes]:
    """Write a layer's indexes: a row on each, and the map of its points."""
    context = job.open()
    rows = index_rows(context)
    with Journal(context.layout) as journal:
        evidence = RegionEvidence(journal, context)
    return rows, counts_map(evidence, context)
