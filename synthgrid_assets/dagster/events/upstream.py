"""Versions of upstream assets, as the version tags of a tile name them.

Belongs here: reading them once a step. Not here: the tags themselves (`tile_events`).
"""

from __future__ import annotations

from typing import NamedTuple

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG, DEFAULT_DATA_VERSION

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


def latest_versions(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str | None, Upstream]:
    """The latest materialisations of an asset by tile; under None if it has no tiles."""
    storage = instance.event_log_storage
    ids = storage.get_latest_storage_id_by_partition(key, MATERIALIZATION)
    tags = storage.get_latest_tags_by_partition(key, MATERIALIZATION, [DATA_VERSION_TAG])
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
