"""Per-tile events from one Dagster run: materialisations, checks and versions.

Belongs here: what Dagster must be told of a tile, and all that is known of its internals.
Not here: which tiles a step makes (`tiled`).

Dagster's own result classes take no partition, and an output's implicit materialisation
would add an empty second event to every tile. So tiles are reported by the event classes
themselves, with the version tags that Dagster writes for an implicit event: staleness
then works as for any other asset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

TILE_CHECK = "tile_is_sound"
NO_IMPLICIT_EVENTS = {"__source_asset_observation__": True}


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


class TileEvents:
    """Turns tile results into Dagster events as they arrive, then closes the step once.

    Parameters
    ----------
    context : AssetExecutionContext
        Of a step whose assets are partitioned by tile and have the check `TILE_CHECK`.
    """

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        definition = context.assets_def
        self._selected = context.selected_asset_keys
        self._versions = definition.code_versions_by_key
        self._upstream = {
            key: {dep: self._latest(dep) for dep in definition.asset_deps[key]}
            for key in self._selected
        }

    def tile(self, result: TileResult) -> Iterator[Any]:
        """The two events of one tile: its materialisation and its check."""
        tags = {
            DATA_VERSION_TAG: result.data_version,
            CODE_VERSION_TAG: self._versions[result.asset] or "",
        }
        for key, latest in self._upstream[result.asset].items():
            pointer = latest.get(result.tile, latest.get(None))
            if pointer is not None:  # an upstream tile need not be materialised
                tags[get_input_data_version_tag(key)] = pointer[1]
                tags[get_input_event_pointer_tag(key)] = str(pointer[0])
        yield dg.AssetMaterialization(
            result.asset, partition=result.tile, metadata=result.metadata, tags=tags
        )
        yield dg.AssetCheckEvaluation(
            asset_key=result.asset,
            check_name=TILE_CHECK,
            partition=result.tile,
            passed=result.passed,
            metadata=result.check_metadata,
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

    def _latest(self, key: dg.AssetKey) -> dict[str | None, tuple[int, str]]:
        """Storage id and data version of the latest materialisation, by tile.

        None stands for all tiles where the asset has no partitions.
        """
        storage = self._context.instance.event_log_storage
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        ids = storage.get_latest_storage_id_by_partition(key, kind)
        tags = storage.get_latest_tags_by_partition(key, kind, [DATA_VERSION_TAG])
        latest: dict[str | None, tuple[int, str]] = {
            tile: (ids[tile], tags[tile][DATA_VERSION_TAG])
            for tile in ids
            if DATA_VERSION_TAG in tags.get(tile, {})
        }
        if not latest:
            event = self._context.instance.get_latest_materialization_event(key)
            materialization = event.asset_materialization if event is not None else None
            if event is not None and materialization is not None:
                record = self._context.instance.fetch_materializations(key, limit=1).records[0]
                version = (materialization.tags or {}).get(DATA_VERSION_TAG)
                if version is not None:
                    latest[None] = (record.storage_id, version)
        return latest
