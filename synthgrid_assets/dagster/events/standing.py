"""Tiles whose events stand in Dagster already, so that a kept tile needs none again.

Belongs here: what must agree for that. Not here: which tiles are kept (`materialize`), what
an event says (`tile_events`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import dagster as dg
from dagster._core.definitions.data_version import (
    INPUT_DATA_VERSION_TAG_PREFIX,
    INPUT_EVENT_POINTER_TAG_PREFIX,
    NULL_EVENT_POINTER,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from synthgrid_assets.dagster.events.event_log import CachedSqliteEventLogStorage
from synthgrid_assets.dagster.events.group_write import MATERIALIZATION
from synthgrid_assets.dagster.events.told_otherwise import stored_tags
from synthgrid_assets.dagster.keys import TILE_CHECK

_STATUS = {
    True: AssetCheckExecutionRecordStatus.SUCCEEDED,
    False: AssetCheckExecutionRecordStatus.FAILED,
}


class StandingTiles:
    """The latest events of an asset's tiles, read once.

    Parameters
    ----------
    storage : CachedSqliteEventLogStorage
    asset : AssetKey
        Partitioned by tile, with the check `TILE_CHECK`.
    tiles : set of str, optional
        Those that will be asked for; all by default.
    """

    def __init__(
        self,
        storage: CachedSqliteEventLogStorage,
        asset: dg.AssetKey,
        tiles: set[str] | None = None,
    ) -> None:
        ids = storage.get_latest_storage_id_by_partition(asset, MATERIALIZATION, tiles)
        versions = _versions(storage, list(ids.values()))
        checked = {
            info.partition_key: info.latest_execution_status
            for info in storage.get_asset_check_partition_info(
                [dg.AssetCheckKey(asset, TILE_CHECK)],
                partition_keys=None if tiles is None else list(tiles),
            )
            if info.latest_target_materialization_storage_id
            == info.latest_materialization_storage_id
        }
        self._found = {
            tile: (versions[number], checked[tile])
            for tile, number in ids.items()
            if tile in checked and number in versions
        }

    def __contains__(self, told: tuple[str, Mapping[str, str], bool]) -> bool:
        """Whether a tile's events say just this: its key, version tags and verdict."""
        tile, tags, passed = told
        return self._found.get(tile) == (_digest(tags), _STATUS[passed])


def _versions(storage: CachedSqliteEventLogStorage, ids: list[int]) -> dict[int, bytes]:
    """Digest of the version tags of materialisations, by storage id."""
    return {number: _digest(tags) for number, tags in stored_tags(storage, ids)}


def _digest(tags: Mapping[str, str]) -> bytes:
    """What version tags say; which event of an upstream tile they name says nothing more.

    Of upstream tiles that are settled, only that there are some.
    """
    prefix = f"{INPUT_EVENT_POINTER_TAG_PREFIX}/"
    settled = {
        f"{INPUT_DATA_VERSION_TAG_PREFIX}/{key.removeprefix(prefix)}"
        for key, value in tags.items()
        if key.startswith(prefix) and value == NULL_EVENT_POINTER
    }
    told = sorted(
        (key, "settled" if key in settled else value)
        for key, value in tags.items()
        if not key.startswith(prefix)
    )
    return hashlib.blake2b(json.dumps(told).encode(), digest_size=16).digest()
