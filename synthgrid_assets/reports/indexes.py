"""The tile indexes of a layer: one manifest per product, for readers.

Belongs here: which indexes there are. Not here: the file (`storage.tile_index`), the map
beside them (`region_maps`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.products.layer_context import LayerContext, LayerJob
from synthgrid_assets.products.product import ORIGIN
from synthgrid_assets.reports.region_maps import counts_map
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.manifest import IndexFacts, kept_tile_index, write_tile_index
from synthgrid_assets.storage.tile_index import TileIndex
from synthgrid_assets.storage.written_reports import mark_written


def index_rows(context: LayerContext) -> list[dict[str, Any]]:
    """Write the tile index of each of a layer's products; one row on each."""
    return _rows(_written(context))


def index_and_map(job: LayerJob) -> tuple[list[dict[str, Any]], bytes]:
    """Write a layer's indexes, if they become others: a row on each, and the map of its points."""
    context = job.open()
    if (kept := kept_index_and_map(context)) is not None:
        return kept
    indexes = _written(context)
    return _rows(indexes), _map(indexes[ORIGIN].manifest, context)


def kept_index_and_map(context: LayerContext) -> tuple[list[dict[str, Any]], bytes] | None:
    """The same where no index would become another one; else None."""
    indexes = {}
    with Journal(context.layout) as journal:
        for name in context.assets:
            kept = kept_tile_index(journal, **_indexed(context, name))
            if kept is None:
                return None
            indexes[name] = kept
    _mark(context, indexes)
    return _rows(indexes), _map(indexes[ORIGIN].manifest, context)


def outdated_indexes(context: LayerContext) -> list[str]:
    """The products of a layer whose index is not of what is committed now, or is none yet."""
    with Journal(context.layout) as journal:
        return [
            name
            for name in context.assets
            if journal.count(context.dataset(name))
            and kept_tile_index(journal, **_indexed(context, name)) is None
        ]


def _written(context: LayerContext) -> dict[str, IndexFacts]:
    with Journal(context.layout) as journal:
        indexes = {
            name: write_tile_index(journal, **_indexed(context, name)) for name in context.assets
        }
    _mark(context, indexes)
    return indexes


def _mark(context: LayerContext, indexes: Mapping[str, IndexFacts]) -> None:
    """Put on record that they are there: from now on they are missed where they are not."""
    for facts in indexes.values():
        mark_written(context.layout, facts.manifest.key)


def _indexed(context: LayerContext, name: str) -> dict[str, Any]:
    """What an index is made of, beside the journal."""
    return {
        "dataset": context.dataset(name),
        "lattice": context.lattice,
        "extent": context.spec.world.tiling.extent,
        "more": context.facts(name) | context.citation,
    }


def _rows(indexes: Mapping[str, IndexFacts]) -> list[dict[str, Any]]:
    return [
        {
            "asset": name,
            "tiles": facts.tiles,
            "rows": facts.rows,
            "digest": facts.digest,
            "file": facts.manifest.address,
        }
        for name, facts in indexes.items()
    ]


def _map(index: TileIndex, context: LayerContext) -> bytes:
    """The map of points per tile, from their index."""
    tiling = context.spec.world.tiling
    found = index.read(["ix0", "iy0", "rows", "state"])
    # by way of lists: Arrow's own way to arrays of a table, and its filters, load pandas
    is_committed = np.array(found["state"].to_pylist()) == "committed"
    columns = (np.array(found[name].to_pylist(), np.int64) for name in ("ix0", "iy0", "rows"))
    x, y, rows = (column[is_committed] for column in columns)
    counts: NDArray[np.float64] = np.full((len(tiling.rows), len(tiling.columns)), math.nan)
    counts[y // tiling.side - tiling.rows[0], x // tiling.side - tiling.columns[0]] = rows
    return counts_map(counts, context)
