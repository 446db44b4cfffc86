"""An edit that is taken back: the files stand, and Dagster's log is told so again."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from synthgrid_assets.dagster import upkeep
from synthgrid_assets.dagster.build import world_definitions
from synthgrid_assets.dagster.keys import layer_key
from synthgrid_assets.dagster.runs.follow import run_region
from synthgrid_assets.dagster.runs.instance import open_instance
from synthgrid_assets.dagster.runs.request import RegionChoice
from synthgrid_assets.dagster.upkeep import SENSOR
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.small_world import SMALL, write_small_world

EDITED = SMALL.replace("sigma = 60.0", "sigma = 61.0")
PRODUCTS = ("points", "delaunay", "voronoi")  # of two steps
TWO, ONE, ALL = "0:2,0:1", "0:1,0:1", "0:6,0:6"


OTHER = """
event_log_storage:
  module: dagster._core.storage.event_log
  class: SqliteEventLogStorage
  config: {{base_dir: {home}/log}}
"""
STORAGES = {"this project's": "", "Dagster's own": OTHER}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    return tmp_path


def run(home, text, tiles, only=None):
    """What a run over cafes says of each asset: how many tiles it took, and kept."""
    choice = RegionChoice(tiles=tiles, layers=("cafes",), assets=PRODUCTS, workers=1, only=only)
    summary = run_region(write_small_world(home, text), {}, choice, lambda *_: None)
    assert summary.passed, summary.errors
    return {
        name.rpartition("/")[2]: (tally.tiles, tally.kept)
        for name, tally in summary.assets.items()
        if name.rpartition("/")[2] in PRODUCTS
    }


def repository(home, text):
    path = write_small_world(home, text)
    return world_definitions({"small": (path, load_spec(path))}).get_repository_def()


def in_dagster(home, text, status=StaleStatus.STALE):
    """How many tiles of each asset Dagster itself gives a status."""
    graph, spec = repository(home, text).asset_graph, load_spec(write_small_world(home, text))
    with open_instance() as instance:
        resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        return {
            name: sum(
                resolver.get_status(layer_key("small", "cafes", name), tile.key) is status
                for tile in spec.world.tiling
            )
            for name in PRODUCTS
        }


@pytest.mark.parametrize("storage", STORAGES)
def test_a_run_over_stale_tiles_tells_those_again_whose_files_stand(home, storage):
    (home / "dagster.yaml").write_text(STORAGES[storage].format(home=home))
    run(home, SMALL, TWO)
    run(home, EDITED, ONE, only="stale")
    assert in_dagster(home, SMALL) == dict.fromkeys(PRODUCTS, 1)
    assert run(home, SMALL, ALL, only="stale") == dict.fromkeys(PRODUCTS, (1, 1))  # kept, and told
    assert in_dagster(home, SMALL) == dict.fromkeys(PRODUCTS, 0)
    fresh = in_dagster(home, SMALL, StaleStatus.FRESH)
    assert fresh == dict.fromkeys(PRODUCTS, 2)  # what was never made stays missing
    assert not any(took for took, _ in run(home, SMALL, ALL, only="stale").values())


def look(home, text, instance, cursor=None):
    """Run keys that the sensor asks for, and its cursor."""
    found = repository(home, text)
    context = dg.build_sensor_context(instance, cursor, repository_def=found)
    requests = found.get_sensor_def(SENSOR).evaluate_tick(context).run_requests
    for request in requests:
        (config,) = request.run_config["ops"].values()
        assert config == {"config": {"world": "small", "only": "stale"}}
    return [request.run_key for request in requests], context.cursor


def test_the_sensor_asks_once_each_time_that_an_edit_is_taken_back(home, monkeypatch):
    run(home, SMALL, ONE)
    keys = []
    with open_instance() as instance:
        for _ in range(2):
            assert look(home, SMALL, instance)[0] == []
            run(home, EDITED, ONE)
            asked, cursor = look(home, SMALL, instance)
            assert asked == look(home, SMALL, instance)[0]  # Dagster starts a key once
            with monkeypatch.context() as patched:
                patched.setattr(upkeep, "events_to_tell_again", None)  # the log is not read again
                assert look(home, SMALL, instance, cursor) == ([], cursor)
            keys += asked
            run(home, SMALL, ALL, only="stale")
        assert len(keys) == len(set(keys)) == 2
        assert look(home, SMALL, instance, cursor)[0] == []


def test_the_sensor_leaves_a_world_alone_that_a_run_is_at_work_on(home):
    run(home, SMALL, ONE)
    run(home, EDITED, ONE)
    with open_instance() as instance:
        (asked, _) = look(home, SMALL, instance)
        job = repository(home, SMALL).get_implicit_global_asset_job_def()
        status, tags = dg.DagsterRunStatus.STARTED, {"synthgrid/world": "small"}
        at_work = instance.create_run_for_job(job, status=status, tags=tags)
        assert look(home, SMALL, instance) == ([], None)
        instance.report_run_canceled(at_work)
        assert look(home, SMALL, instance)[0] == asked
