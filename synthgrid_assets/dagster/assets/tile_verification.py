"""The checks of tiles on their own, without making any: *Execute all* and *Execute*.

Belongs here: which evaluations are sent. Not here: what a damaged file is (`storage.journal`),
the named checks of a region (`asset_checks`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from synthgrid_assets.dagster.events.group_write import MATERIALIZATION
from synthgrid_assets.dagster.keys import TILE_CHECK
from synthgrid_assets.dagster.metadata import verdicts_metadata
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.storage.journal import Journal

_PASSED = AssetCheckExecutionRecordStatus.SUCCEEDED
_FAILED = AssetCheckExecutionRecordStatus.FAILED


def verify_tiles(
    context: dg.AssetExecutionContext,
    layer_context: LayerContext,
    keys: Mapping[str, dg.AssetKey],
    tiles: set[str],
) -> Iterator[Any]:
    """Read every committed file of the chosen checks; an evaluation where the verdict is new.

    Parameters
    ----------
    context : AssetExecutionContext
        Of a step of which checks are chosen and no asset.
    layer_context : LayerContext
    keys : mapping of str to AssetKey
        The step's products.
    tiles : set of str
        Only these tiles.
    """
    chosen = {check.asset_key for check in context.selected_asset_check_keys}
    with Journal(layer_context.layout) as journal:
        for name, key in keys.items():
            if key in chosen:
                yield from _verify(context, journal, layer_context, name, key, tiles)
    for name, spec in context.assets_def.check_specs_by_output_name.items():
        if spec.key in context.selected_asset_check_keys:
            yield dg.Output(None, output_name=name)


def _verify(
    context: dg.AssetExecutionContext,
    journal: Journal,
    layer_context: LayerContext,
    product: str,
    asset: dg.AssetKey,
    tiles: set[str],
) -> Iterator[dg.AssetCheckEvaluation]:
    dataset = layer_context.dataset(product)
    damaged = {
        damage.receipt.tile: damage.problem
        for damage in journal.verify(r for r in journal.receipts(dataset) if r.tile in tiles)
    }
    known, made = _known(context, asset)
    seen = 0
    for receipt in journal.receipts(dataset):
        if receipt.tile not in tiles or receipt.tile not in made:
            continue  # a tile that this instance has not heard of has no state to correct
        seen += 1
        problem = damaged.get(receipt.tile)
        passed = receipt.passed and problem is None
        if known.get(receipt.tile) is (_PASSED if passed else _FAILED) and problem is None:
            continue
        yield dg.AssetCheckEvaluation(
            asset_key=asset,
            check_name=TILE_CHECK,
            partition=receipt.tile,
            passed=passed,
            description=problem,
            metadata={"damage": problem} if problem else verdicts_metadata(receipt.verdicts),
            target_materialization_data=AssetCheckEvaluationTargetMaterializationData(
                storage_id=made[receipt.tile], run_id=context.run.run_id, timestamp=time.time()
            ),
        )
    context.log.info(f"{product}: {seen} committed tiles were read, {len(damaged)} are damaged")


def _known(
    context: dg.AssetExecutionContext, asset: dg.AssetKey
) -> tuple[dict[str | None, AssetCheckExecutionRecordStatus], Mapping[str, int]]:
    """The state of each tile's check, and the storage id of its materialisation."""
    storage = context.instance.event_log_storage
    states = {
        info.partition_key: info.latest_execution_status
        for info in storage.get_asset_check_partition_info([dg.AssetCheckKey(asset, TILE_CHECK)])
        if info.latest_target_materialization_storage_id == info.latest_materialization_storage_id
    }
    return states, storage.get_latest_storage_id_by_partition(asset, MATERIALIZATION)
