"""Versions of upstream assets, and the tags by which an event names them and its own.

Belongs here: reading them once a step, and Dagster's names of tags. Not here: which events
carry them (`tile_events`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from synthgrid_assets.dagster.events.group_write import MATERIALIZATION


class Upstream(NamedTuple):
    """The latest materialisation of an upstream tile.

    By default: none so far. Dagster's own pointer for that, "NULL", would call the tile
    fresh for ever; one before all events makes it stale once there is a materialisation.

    Attributes
    ----------
    data_version : str
    pointer : str
        Storage id of the event.
    """

    data_version: str = DEFAULT_DATA_VERSION.value
    pointer: str = "-1"

    def settled(self) -> Upstream:
        """The same, as one whose later materialisations make nothing stale."""
        return self._replace(pointer=NULL_EVENT_POINTER)


def latest_versions(
    instance: dg.DagsterInstance, key: dg.AssetKey, tiles: set[str] | None = None
) -> dict[str | None, Upstream]:
    """The latest materialisations of an asset by tile; under None if it has no tiles.

    Parameters
    ----------
    instance : DagsterInstance
    key : AssetKey
    tiles : set of str, optional
        Those that will be asked for; all by default.
    """
    storage = instance.event_log_storage
    ids = storage.get_latest_storage_id_by_partition(key, MATERIALIZATION, tiles)
    asked = None if tiles is None else list(tiles)
    tags = storage.get_latest_tags_by_partition(key, MATERIALIZATION, [DATA_VERSION_TAG], asked)
    latest: dict[str | None, Upstream] = {
        tile: Upstream(
            tags.get(tile, {}).get(DATA_VERSION_TAG, DEFAULT_DATA_VERSION.value), str(found)
        )
        for tile, found in ids.items()
    }
    records = instance.fetch_materializations(key, limit=1).records
    if records and records[0].partition_key is None:
        event = records[0].asset_materialization
        version = ((event.tags if event else None) or {}).get(DATA_VERSION_TAG)
        latest[None] = Upstream(version or DEFAULT_DATA_VERSION.value, str(records[0].storage_id))
    return latest


def upstream_of(found: Mapping[str | None, Upstream], tile: str) -> Upstream:
    """What a tile is made from, of such materialisations: its like, or what has no tiles."""
    return found.get(tile) or found.get(None) or Upstream()


def version_tags(
    code_version: str, data_version: str, upstream: Mapping[dg.AssetKey, Upstream]
) -> dict[str, str]:
    """The tags that Dagster itself writes for an event of a step's output."""
    tags = {
        CODE_VERSION_TAG: code_version,
        DATA_VERSION_TAG: data_version,
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
    }
    for key, found in upstream.items():
        tags[get_input_data_version_tag(key)] = found.data_version
        tags[get_input_event_pointer_tag(key)] = found.pointer
    return tags
