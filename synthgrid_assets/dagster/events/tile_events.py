"""Per-tile events from one Dagster run: materialisations, checks and versions.

Belongs here: what Dagster must be told of a tile, and all that is known of its internals.
Not here: which tiles a step makes (`tiled`).

Dagster's own result classes take no partition, and an output's implicit materialisation
would add an empty second event to every tile. So tiles are reported by the event classes
themselves, with the version tags that Dagster writes for an implicit event: staleness
then works as for any other asset.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from synthgrid_assets.dagster.events.event_log import CachedSqliteEventLogStorage

TILE_CHECK = "tile_is_sound"
# Dagster adds no event of its own to an output that carries this (unlike the run tag
# `dagster/defer_asset_events`, which runs started in the UI cannot be given)
NO_IMPLICIT_EVENTS = {"__source_asset_observation__": True}
MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION


def tile_check(
    key: dg.AssetKey, partitions: dg.PartitionsDefinition[Any], description: str
) -> dg.AssetCheckSpec:
    """The check `TILE_CHECK` of a tiled asset, with a state of its own for each tile."""
    with warnings.catch_warnings():
        # partitioned checks are a preview of Dagster's; tests guard what is used of them
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            TILE_CHECK, asset=key, description=description, partitions_def=partitions
        )


@dataclass(frozen=True)
class TileResult:
    """What is reported of one committed tile.

    Parameters
    ----------
    asset : AssetKey
    tile : str
        Partition key.
    data_version : str
        Content digest of the tile.
    passed : bool
        Verdict of ``tile_is_sound``.
    metadata, check_metadata : mapping
        Metadata of the materialisation and of the check's evaluation.
    """

    asset: dg.AssetKey
    tile: str
    data_version: str
    passed: bool
    metadata: Mapping[str, Any] = field(default_factory=dict)
    check_metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Input:
    """The latest materialisation of an upstream tile, as version tags name it.

    By default: none so far. Dagster's own pointer for that, "NULL", would call the tile
    fresh for ever; one before all events makes it stale once there is a materialisation.
    """

    data_version: str = DEFAULT_DATA_VERSION.value
    pointer: str = "-1"


class TileEvents:
    """Turns tile results into Dagster events as they arrive, then closes the step once.

    Create it when the step begins: the versions of upstream assets are read then, before
    the tiles that are made from them.

    Parameters
    ----------
    context : AssetExecutionContext
        Of a step whose assets are partitioned by tile and have the check `TILE_CHECK`.
        Upstream assets are partitioned alike, or not at all.
    """

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._storage = context.instance.event_log_storage
        definition = context.assets_def
        self._selected = context.selected_asset_keys
        self._code_versions = definition.code_versions_by_key
        upstream = {key: definition.asset_deps[key] for key in self._selected}
        inputs = {key: self._latest(key) for key in set().union(*upstream.values())}
        self._inputs = {
            key: {upstream_key: inputs[upstream_key] for upstream_key in keys}
            for key, keys in upstream.items()
        }

    def tile(self, result: TileResult) -> Iterator[Any]:
        """The two events of one tile: its materialisation and the check that targets it."""
        yield dg.AssetMaterialization(
            result.asset,
            partition=result.tile,
            metadata=result.metadata,
            tags=self._version_tags(result),
        )
        yield dg.AssetCheckEvaluation(
            asset_key=result.asset,
            check_name=TILE_CHECK,
            partition=result.tile,
            passed=result.passed,
            metadata=result.check_metadata,
            target_materialization_data=self._target(result),
        )

    def close(self) -> Iterator[Any]:
        """The outputs that end the step, which add no event of their own."""
        definition = self._context.assets_def
        for name, key in definition.keys_by_output_name.items():
            if key in self._selected:
                yield dg.Output(None, output_name=name, metadata=NO_IMPLICIT_EVENTS)
        for name, spec in definition.check_specs_by_output_name.items():
            if spec.asset_key in self._selected:
                yield dg.Output(None, output_name=name)

    def _version_tags(self, result: TileResult) -> dict[str, str]:
        tags = {
            CODE_VERSION_TAG: self._code_versions[result.asset] or self._context.run.run_id,
            DATA_VERSION_TAG: result.data_version,
            DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        }
        for key, latest in self._inputs[result.asset].items():
            found = latest.get(result.tile) or latest.get(None) or _Input()
            tags[get_input_data_version_tag(key)] = found.data_version
            tags[get_input_event_pointer_tag(key)] = found.pointer
        return tags

    def _target(self, result: TileResult) -> AssetCheckEvaluationTargetMaterializationData | None:
        """The event just stored: a check without it does not count for its partition."""
        storage_id = self._storage_id(result.asset, result.tile)
        if storage_id is None:
            return None
        return AssetCheckEvaluationTargetMaterializationData(
            storage_id=storage_id, run_id=self._context.run.run_id, timestamp=time.time()
        )

    def _storage_id(self, asset: dg.AssetKey, tile: str) -> int | None:
        """Storage id of the tile's latest materialisation; our own log need not look it up."""
        if isinstance(self._storage, CachedSqliteEventLogStorage):
            found = self._storage.storage_id_just_stored(asset, tile)
            if found is not None:
                return found
        ids = self._storage.get_latest_storage_id_by_partition(asset, MATERIALIZATION, {tile})
        return ids.get(tile)

    def _latest(self, key: dg.AssetKey) -> dict[str | None, _Input]:
        """The latest materialisations of an asset by tile; under None if it has no tiles."""
        ids = self._storage.get_latest_storage_id_by_partition(key, MATERIALIZATION)
        tags = self._storage.get_latest_tags_by_partition(key, MATERIALIZATION, [DATA_VERSION_TAG])
        latest: dict[str | None, _Input] = {
            tile: _Input(tags.get(tile, {}).get(DATA_VERSION_TAG, _Input.data_version), str(found))
            for tile, found in ids.items()
        }
        records = self._context.instance.fetch_materializations(key, limit=1).records
        if records and records[0].partition_key is None:
            event = records[0].asset_materialization
            version = ((event.tags if event else None) or {}).get(DATA_VERSION_TAG)
            latest[None] = _Input(version or _Input.data_version, str(records[0].storage_id))
        return latest
