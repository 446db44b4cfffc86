"""The state of every asset of a world: tiles done, stale and failed, rows and disk.

Belongs here: answers from journal and files. Not here: Dagster's view of the same tiles.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layers
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.region_tests.committed_tiles import recorded_tiles
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports.files import (
    FOREIGN,
    INTERRUPTED,
    FileFault,
    file_faults,
    input_faults,
    report_faults,
)
from synthgrid_assets.reports.indexes import outdated_indexes
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import damaged_input, find_input
from synthgrid_assets.world.spec import NETWORKS, WorldSpec

UNRECORDED = (FOREIGN, INTERRUPTED)  # kinds of faults that are files in no record


def world_status(spec: WorldSpec, root: Path) -> list[dict[str, Any]]:
    """One row per network and per asset: tiles done, stale and failed, rows and disk.

    A tile is stale when an earlier realisation of it is committed and the current one is
    not; it has failed when a check on it fails. Files that are not what was recorded count as
    damaged and not as done; files of nobody, and those that an interrupted run left, as
    unrecorded. `status_faults` names both.
    """
    networks = [
        _network_status(spec, root, name)
        for name in spec.made_inputs
        if name.startswith(f"{NETWORKS}/")
    ]
    return networks + [
        _asset_status(context, product)
        for context in open_layers(spec, root)
        for product in products_of(context.table)
    ]


def status_faults(spec: WorldSpec, root: Path) -> list[FileFault]:
    """Every fault of the files of a world: those that `world_status` counts, and of reports."""
    found: list[FileFault] = list(input_faults(spec, root))
    for context in open_layers(spec, root):
        found += report_faults(context)
        with Journal(context.layout) as journal:
            for product in products_of(context.table):
                found += file_faults(journal, context, product)
    return found


def behind_tiles(spec: WorldSpec, root: Path) -> list[str]:
    """Assets whose index readers should not trust: tiles were committed without evidence since."""
    return [
        f"{context.layer}/{name}"
        for context in open_layers(spec, root)
        for name in outdated_indexes(context)
    ]


def _network_status(spec: WorldSpec, root: Path, name: str) -> dict[str, Any]:
    """The row of a network, which is one file: stale if one of an earlier file is there."""
    group, _, named = name.rpartition("/")
    record = find_input(spec, name, Layout(root))
    made, damaged = record is not None, damaged_input(spec, name, Layout(root)) is not None
    earlier = any(Layout(root).network(spec.world.name, named).glob("*.parquet"))
    return {
        "layer": group,
        "asset": named,
        "tiles": 1,
        "done": int(made),
        "stale": int(earlier and not made and not damaged),
        "failed": 0,
        "damaged": int(damaged),
        "unrecorded": 0,
        "rows": record.facts["edges"] if record is not None else 0,
        "MB": round(record.path.stat().st_size / 1e6, 2) if record is not None else 0.0,
    }


def _asset_status(context: LayerContext, product: Product) -> dict[str, Any]:
    tiles, name = len(context.spec.world.tiling), product.name
    dataset = context.dataset(name)
    done = failed = rows = size = 0
    current: set[str] = set()
    with Journal(context.layout) as journal:
        faults = list(file_faults(journal, context, product))
        damaged = {fault.file for fault in faults}
        for receipt in recorded_tiles(journal, context, name):
            current.add(receipt.tile)
            if receipt.path in damaged:
                continue
            done += 1
            failed += not receipt.passed
            rows += receipt.rows
            size += receipt.size
        earlier = {
            receipt.tile
            for receipt in journal.of_asset(dataset.world, dataset.layer, dataset.asset)
            if receipt.side == dataset.side and receipt.realisation != dataset.realisation
        }
    return {
        "layer": context.layer,
        "asset": name,
        "tiles": tiles,
        "done": done,
        "stale": len(earlier - current),
        "failed": failed,
        "damaged": sum(fault.kind not in UNRECORDED for fault in faults),
        "unrecorded": sum(fault.kind in UNRECORDED for fault in faults),
        "rows": rows,
        "MB": round(size / 1e6, 2),
    }
