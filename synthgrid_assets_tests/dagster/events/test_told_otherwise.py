"""Tiles told otherwise are those that Dagster itself calls stale, in whatever storage."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from synthgrid_assets.dagster.events import told_otherwise as module
from synthgrid_assets.dagster.events.told_otherwise import told_otherwise
from synthgrid_assets_tests.dagster.events.test_tile_events import (
    SELECTED,
    TILED,
    TILES,
    key,
    materialize,
    open_instance,
    world,
)

pytestmark = pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")
SETTLED = {"points"}
ONE = {"dagster/partition": "02|02"}
CHANGES = {  # what is made of which world, by which run; how many tiles of which asset are stale
    "nothing": ([], {}),
    "other code": ([({"points": "2"}, "points", ONE)], {"points": 1}),
    "other tiles": ([({"tiles": "2"}, "tiles", ONE)], {"tiles": 1, "points": 1}),
    "other land": ([({"land": "2"}, "land", {})], {"points": SELECTED}),
    "other points": ([({"land": "2"}, "land", {}), ({"land": "2"}, "points", ONE)],
                     {"points": SELECTED - 1}),
    "taken back": ([({"land": "2"}, "land", {}), ({"land": "2"}, "points", ONE),
                    ({}, "land", {})], {"points": 1}),
}  # fmt: skip


def stale(instance, definitions, name):
    graph = definitions.get_repository_def().asset_graph
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    tiles = TILES.get_partition_keys()
    return {tile for tile in tiles if resolver.get_status(key(name), tile) is StaleStatus.STALE}


@pytest.mark.parametrize(("own", "few"), [(True, 0), (True, 500), (False, 500)])
@pytest.mark.parametrize("change", CHANGES)
def test_they_are_those_that_dagster_calls_stale(tmp_path, monkeypatch, change, own, few):
    monkeypatch.setattr(module, "FEW", few)
    changes, expected = CHANGES[change]
    settled = {key(name) for name in SETTLED}
    opened = open_instance(tmp_path) if own else dg.DagsterInstance.local_temp(str(tmp_path))
    with opened as instance:
        materialize(instance, world(settled=settled), "land", *TILED)
        for changed, name, tags in changes:
            materialize(instance, world(settled=settled, **changed), name, tags=tags)
        now = world(settled=settled, **(changes[-1][0] if change == "other points" else {}))
        repository = now.get_repository_def()
        for name in TILED:
            found = told_otherwise(
                instance,
                repository.assets_defs_by_key[key(name)],
                key(name),
                TILES.get_partition_keys(),
                settled,
            )
            assert found.keys() == stale(instance, now, name)
            assert len(found) == expected.get(name, 0)
            latest = instance.fetch_materializations(key(name), limit=1).records[0].storage_id
            assert all(number <= latest for number in found.values())
