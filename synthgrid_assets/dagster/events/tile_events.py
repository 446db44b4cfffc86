"""Per-tile events from one Dagster run: materialisations, checks and versions.

Belongs here: what Dagster must be told of a tile, and all that is known of its internals.
Not here: which tiles a step makes (`tiled`).

Dagster's own result classes take no partition, and an output's implicit materialisation
would add an empty second event to every tile. So tiles are reported by the event classes
themselves, with the version tags that Dagster writes for an implicit event: staleness
then works as for any other asset.

What a step yields passes six layers of Dagster's on its way to the log (a log record, a random id,
two switches of signal handlers), which cost more than all else that is done for a tile. Where
the log is this project's own, a step hands its entries to the instance itself.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from synthgrid_assets.dagster.events.entries import StepEntries
from synthgrid_assets.dagster.events.event_log import CachedSqliteEventLogStorage
from synthgrid_assets.dagster.events.group_write import JUST_STORED, MATERIALIZATION
from synthgrid_assets.dagster.events.kept import Kept
from synthgrid_assets.dagster.events.standing import StandingTiles
from synthgrid_assets.dagster.events.told_otherwise import FEW
from synthgrid_assets.dagster.events.upstream import latest_versions, upstream_of, version_tags
from synthgrid_assets.dagster.keys import TILE_CHECK

# Dagster adds no event of its own to an output that carries this (unlike the run tag
# `dagster/defer_asset_events`, which runs started in the UI cannot be given)
NO_IMPLICIT_EVENTS = {"__source_asset_observation__": True}
MANY = 1024  # tiles of a step from which its events are brief
LOG_EVERY = 1000  # such tiles between two lines of the run's log
# a backfill counts a tile as done when an event says so, also one that was made before
BACKFILL_TAG = "dagster/backfill"


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


class TileEvents:
    """Turns tile results into Dagster events as they arrive, then closes the step once.

    Create it when the step begins: the versions of upstream assets are read then, before
    the tiles that are made from them.

    Parameters
    ----------
    context : AssetExecutionContext
        Of a step whose assets are partitioned by tile and have the check `TILE_CHECK`.
        Upstream assets are partitioned alike, or not at all.
    tiles : sequence of str
        Partition keys of the tiles that the step reports.
    planned : int, optional
        How many tiles the run announced for the step; as many as it reports by default. Those
        that it leaves out are no longer shown as in progress.
    settled : collection of AssetKey
        Upstream tiles whose data say nothing that the step's own versions do not: what changes
        them and matters here changes the code version too, or the data of another upstream
        asset. They are lineage alone. (Points with another mark are other data, and their cells
        are the same.)

    Attributes
    ----------
    brief : bool
        Whether the step has so many tiles that each should say little: then the run's log
        has a line per thousand tiles, and the assets' histories alone have them all.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        tiles: Sequence[str],
        planned: int | None = None,
        *,
        settled: Collection[dg.AssetKey] = (),
    ) -> None:
        self._context = context
        self._settled = frozenset(settled)
        self._tiles = tiles
        self._announced = len(tiles) if planned is None else planned
        storage = context.instance.event_log_storage
        self._storage = storage if isinstance(storage, CachedSqliteEventLogStorage) else None
        definition = context.assets_def
        self._selected = context.selected_asset_keys
        self._code_versions = definition.code_versions_by_key
        upstream = {key: definition.asset_deps[key] for key in self._selected}
        self._asked = set(tiles) if len(tiles) <= FEW else None  # a long list is long to look for
        inputs = {
            key: latest_versions(context.instance, key, self._asked)
            for key in set().union(*upstream.values())
        }
        self._inputs = {
            key: {upstream_key: inputs[upstream_key] for upstream_key in keys}
            for key, keys in upstream.items()
        }
        self._standing: dict[dg.AssetKey, StandingTiles] = {}
        self._kept = {key: Kept() for key in self._selected}
        self._planned = {key: set(tiles) for key in self._selected}
        self._narrowed = self._storage is None
        self._told = 0
        self.brief = self._storage is not None and len(tiles) > MANY
        self._entries = StepEntries(
            context.op_execution_context.get_step_execution_context(), brief=self.brief
        )
        if self.brief and self._storage is not None:
            self._storage.keep_out_of_run_log(context.run.run_id, self._entries.step_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._narrow()  # a step that fails leaves no kept tile in red

    def stands(self, asset: dg.AssetKey, tile: str, data_version: str, passed: bool) -> bool:
        """Whether a kept tile needs no event: those of the run that made it say it all.

        Never in a backfill, which counts events of its own runs, and not where Dagster's
        storage shows every planned tile without an event as failed or skipped.
        """
        if self._storage is None or self._context.run.tags.get(BACKFILL_TAG):
            return False
        if asset not in self._standing:
            self._standing[asset] = StandingTiles(self._storage, asset, self._asked)
        tags = self._version_tags(asset, tile, data_version)
        return (tile, tags, passed) in self._standing[asset]

    def keep(self, asset: dg.AssetKey, tile: str, kept: Kept) -> None:
        """Count a tile whose events stand."""
        self._planned[asset].discard(tile)
        self._kept[asset] += kept

    def tile(self, result: TileResult) -> Iterator[Any]:
        """The two events of one tile: its materialisation and the check that targets it.

        They are in the log's hands, and told to whoever listens to the run at the instance
        (`DagsterInstance.add_event_listener`), when the caller asks for more; storages that are
        not this project's get them by way of Dagster, which the caller's yielding is for.
        """
        self._narrow()
        materialization = dg.AssetMaterialization(
            result.asset,
            partition=result.tile,
            metadata=result.metadata,
            tags=self._version_tags(result.asset, result.tile, result.data_version),
        )
        if self._storage is None:
            yield materialization
            yield self._evaluation(result)
        else:
            take = self._context.instance.handle_new_event
            take(self._entries.materialization(materialization))
            take(self._entries.evaluation(self._evaluation(result)))
        self._told += 1
        if self.brief and self._told % LOG_EVERY == 0:
            total = sum(len(tiles) for tiles in self._planned.values())
            self._context.log.info(f"{self._told} of {total} tiles are made")

    def tell_kept(self) -> Iterator[Any]:
        """One observation per asset that has tiles whose events stand."""
        self._narrow()
        for asset, kept in self._kept.items():
            if kept.tiles:
                yield kept.observation(asset, len(self._tiles))

    def close(self) -> Iterator[Any]:
        """The outputs that end the step, which add no event of their own."""
        yield from self.tell_kept()
        if self._storage is not None:
            for asset in self._selected:
                self._storage.narrow_plan(self._context.run.run_id, asset, ())
        definition = self._context.assets_def
        for name, key in definition.keys_by_output_name.items():
            if key in self._selected:
                yield dg.Output(None, output_name=name, metadata=NO_IMPLICIT_EVENTS)
        for name, spec in definition.check_specs_by_output_name.items():
            if spec.asset_key in self._selected:
                yield dg.Output(None, output_name=name)

    def _evaluation(self, result: TileResult) -> dg.AssetCheckEvaluation:
        """The check of a tile whose materialisation has been told."""
        return dg.AssetCheckEvaluation(
            asset_key=result.asset,
            check_name=TILE_CHECK,
            partition=result.tile,
            passed=result.passed,
            metadata=result.check_metadata,
            target_materialization_data=self._target(result),
        )

    def _narrow(self) -> None:
        """Once the kept tiles are known, only the others are shown as in progress."""
        if self._narrowed or self._storage is None:
            return
        self._narrowed = True
        for asset, tiles in self._planned.items():
            if len(tiles) < self._announced:
                self._storage.narrow_plan(self._context.run.run_id, asset, tiles)

    def _version_tags(self, asset: dg.AssetKey, tile: str, data_version: str) -> dict[str, str]:
        latest = {key: upstream_of(found, tile) for key, found in self._inputs[asset].items()}
        upstream = {
            key: found.settled() if key in self._settled else found for key, found in latest.items()
        }
        code_version = self._code_versions[asset] or self._context.run.run_id
        return version_tags(code_version, data_version, upstream)

    def _target(self, result: TileResult) -> AssetCheckEvaluationTargetMaterializationData | None:
        """The event just stored: a check without it does not count for its partition."""
        storage_id: int | None = JUST_STORED  # the log puts the id in its place
        if self._storage is None:
            ids = self._context.instance.event_log_storage.get_latest_storage_id_by_partition(
                result.asset, MATERIALIZATION, {result.tile}
            )
            storage_id = ids.get(result.tile)
        if storage_id is None:
            return None
        return AssetCheckEvaluationTargetMaterializationData(
            storage_id=storage_id, run_id=self._context.run.run_id, timestamp=time.time()
        )
