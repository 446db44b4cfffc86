"""Tiles of which Dagster's log was last told another version than the declared one.

Belongs here: the comparison, which is Dagster's own for staleness, over all tiles at once. Not
here: whether the declared version is committed (`materialize.tile_state`), the events that tell
it again (`tile_events`).

An edit that is taken back leaves such tiles: their files of before stand and need not be made, but
the log's last word of them is the edit.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

import dagster as dg
import sqlalchemy as db
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    INPUT_DATA_VERSION_TAG_PREFIX,
    get_input_data_version_tag,
)
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

from synthgrid_assets.dagster.events.event_log import CachedSqliteEventLogStorage
from synthgrid_assets.dagster.events.group_write import MATERIALIZATION
from synthgrid_assets.dagster.events.upstream import latest_versions, upstream_of

CHUNK = 500  # ids in one query
FEW = 500  # tiles that the log is asked for by name: a long list is long to look for
_events = SqlEventLogStorageTable.c


def told_otherwise(
    instance: dg.DagsterInstance,
    definition: dg.AssetsDefinition,
    asset: dg.AssetKey,
    tiles: Sequence[str],
    settled: Collection[dg.AssetKey] = (),
) -> dict[str, int]:
    """Tiles that Dagster calls stale, each with the id of its latest materialisation.

    Tiles that it has never been told of are none of them.

    Parameters
    ----------
    instance : DagsterInstance
    definition : AssetsDefinition
        Of the asset, as it is declared now.
    asset : AssetKey
    tiles : sequence of str
    settled : collection of AssetKey
        Upstream tiles whose data make nothing stale, as for `TileEvents`.
    """
    asked = set(tiles) if len(tiles) <= FEW else None
    ids = instance.event_log_storage.get_latest_storage_id_by_partition(
        asset, MATERIALIZATION, asked
    )
    ids = {tile: ids[tile] for tile in tiles if tile in ids}
    tags = dict(told_tags(instance, asset, sorted(ids.values())))
    inputs = {
        get_input_data_version_tag(key): None
        if key in settled
        else latest_versions(instance, key, asked)
        for key in definition.asset_deps[asset]
    }
    code_version = definition.code_versions_by_key[asset]

    def agrees(tile: str, told: Mapping[str, str]) -> bool:
        named = {tag for tag in told if tag.startswith(f"{INPUT_DATA_VERSION_TAG_PREFIX}/")}
        return (
            told.get(CODE_VERSION_TAG) == code_version
            and named == inputs.keys()
            and all(
                found is None or told[tag] == upstream_of(found, tile).data_version
                for tag, found in inputs.items()
            )
        )

    return {
        tile: number
        for tile, number in ids.items()
        if number in tags and not agrees(tile, tags[number])
    }


def told_tags(
    instance: dg.DagsterInstance, asset: dg.AssetKey, ids: Sequence[int]
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Version tags of an asset's materialisations, by storage id.

    This project's log gives the tags alone. Other storages have no query for them that all of
    Dagster's share: there whole events are read, a chunk at a time, which takes longer.
    """
    storage = instance.event_log_storage
    if isinstance(storage, CachedSqliteEventLogStorage):
        yield from stored_tags(storage, ids)
        return
    for first in range(0, len(ids), CHUNK):
        wanted = ids[first : first + CHUNK]
        chosen = dg.AssetRecordsFilter(asset, storage_ids=wanted)
        for record in instance.fetch_materializations(chosen, limit=len(wanted)).records:
            event = record.asset_materialization
            yield record.storage_id, (event.tags if event else None) or {}


def stored_tags(
    storage: CachedSqliteEventLogStorage, ids: Sequence[int]
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The same from this project's log."""
    tags = db.func.json_extract(
        _events.event, "$.dagster_event.event_specific_data.materialization.tags"
    )
    with storage.index_connection() as index:
        for first in range(0, len(ids), CHUNK):
            wanted = _events.id.in_(ids[first : first + CHUNK])
            for number, text in index.execute(db.select(_events.id, tags).where(wanted)):
                yield number, json.loads(text or "{}")
