"""Steps over tiles as the UI starts them: without inputs, without partitions, checks alone."""

from __future__ import annotations

import dagster as dg
import pytest

from synthgrid_assets.audit.reading import record_of, signed_root
from synthgrid_assets.audit.verification import verify_world
from synthgrid_assets.dagster.assets import made_inputs
from synthgrid_assets.dagster.audit_roots import notes_of_runs
from synthgrid_assets.dagster.audit_seal import ROOT_TAG
from synthgrid_assets.dagster.build import build_definitions
from synthgrid_assets.dagster.events import tile_events
from synthgrid_assets.dagster.keys import TILE_CHECK, input_key, layer_key
from synthgrid_assets.dagster.partitions import RANGE_END_TAG, RANGE_START_TAG
from synthgrid_assets.errors import SpecError
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.dagster.events.test_tile_events import open_instance
from synthgrid_assets_tests.dagster.test_graph import statuses
from synthgrid_assets_tests.street_world import write_street_world

ROADS = input_key("town", "constraints/roads")
STEP = ("delaunay", "voronoi", "cell_neighbours")
TILES = {"+0000000_8|+0000000_8", "+0000008_8|+0000000_8"}
RANGE = {RANGE_START_TAG: min(TILES), RANGE_END_TAG: max(TILES)}


def key(name):
    return layer_key("town", "trees", name)


class Town:
    """A served town: its definitions and an instance, on an empty data root."""

    def __init__(self, folder, instance):
        self.definitions = build_definitions([write_street_world(folder)])
        self.instance = instance
        self.data = folder / "data"

    def run(self, tags, assets=(), checks=()):
        """A run as the UI launches it; whether it succeeded, and its errors."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        selected = job.get_subset(
            asset_selection={key(name) for name in assets},
            asset_check_selection={dg.AssetCheckKey(key(name), TILE_CHECK) for name in checks}
            if checks
            else None,
        )
        config = {"resources": {"engine": {"config": {"workers": 1}}}}
        result = selected.execute_in_process(
            instance=self.instance, tags=tags, run_config=config, raise_on_error=False
        )
        errors = [e.step_failure_data.error.to_string() for e in result.get_step_failure_events()]
        return result.success, "\n".join(errors)

    def made(self, name):
        return self.instance.get_materialized_partitions(key(name))

    def failing(self, name):
        """Tiles whose check stands as failed."""
        check = dg.AssetCheckKey(key(name), TILE_CHECK)
        infos = self.instance.event_log_storage.get_asset_check_partition_info([check])
        assert {info.latest_execution_status.value for info in infos} <= {"SUCCEEDED", "FAILED"}
        return {i.partition_key for i in infos if i.latest_execution_status.value == "FAILED"}

    def evaluations(self, name):
        check = dg.AssetCheckKey(key(name), TILE_CHECK)
        storage = self.instance.event_log_storage
        return storage.get_asset_check_execution_history(check, limit=1000)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    home = folder / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch, open_instance(home) as instance:
        patch.setenv("SYNTHGRID_DATA", str(folder / "data"))
        yield Town(folder, instance)


@pytest.fixture(autouse=True)
def data_of_the_town(town, own_folders, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_DATA", str(town.data))


def test_a_broken_input_takes_down_only_what_needs_it(town, monkeypatch):
    def broken(*_):
        raise SpecError("inputs.roads: line 7 crosses itself")

    monkeypatch.setattr(made_inputs, "made_input", broken)
    succeeded, errors = town.run(RANGE, ("points", *STEP))
    assert not succeeded
    assert "delaunay: inputs.roads: line 7 crosses itself" in errors
    assert town.made("points") == town.made("voronoi") == town.made("cell_neighbours") == TILES
    assert town.made("delaunay") == set()


def test_a_step_makes_the_inputs_that_it_is_missing(town):
    assert town.instance.get_latest_materialization_event(ROADS) is None
    succeeded, errors = town.run(RANGE, ("points", *STEP))
    assert succeeded, errors
    assert town.made("delaunay") == TILES
    shown = town.instance.get_latest_materialization_event(ROADS).asset_materialization
    assert {"edges", "path", "picture", "dagster/row_count"} <= shown.metadata.keys()
    for name in ("points", *STEP):
        assert statuses(town.instance, town.definitions, key(name)) == {"FRESH": len(TILES)}
    assert town.run(RANGE, STEP)[0]
    records = town.instance.fetch_materializations(ROADS, limit=9).records
    assert len(records) == 1  # once, not in every run


def test_a_run_seals_the_audit_log_and_is_tagged_with_the_root(town):
    layout = Layout(town.data)
    root = signed_root(layout, "town")
    tagged = [run.tags[ROOT_TAG] for run in town.instance.get_runs() if ROOT_TAG in run.tags]
    assert tagged[0] == root.checkpoint.line("town")
    kept = notes_of_runs(town.instance, "town")
    assert len(kept) == len(tagged) > 0
    report = verify_world(layout, "town", kept=kept)
    assert (report.faults, report.waiting) == ([], 0)
    with Journal(layout) as journal:
        made = record_of(layout, next(journal.of_asset("town", "trees", "voronoi")).path)
    assert made.context["run"] in {run.run_id for run in town.instance.get_runs()}


def test_execute_all_reads_every_committed_file_and_makes_nothing(town):
    before = {name: len(town.evaluations(name)) for name in STEP}
    assert town.run({}, checks=STEP) == (True, "")
    assert {name: len(town.evaluations(name)) for name in STEP} == before
    assert all(town.made(name) == TILES for name in STEP)

    with Journal(Layout(town.data)) as journal:
        receipt = next(iter(journal.of_asset("town", "trees", "voronoi")))
    file = town.data / receipt.path
    sound = file.read_bytes()
    middle = len(sound) // 2
    file.write_bytes(sound[:middle] + bytes([sound[middle] ^ 1]) + sound[middle + 1 :])
    assert town.run({}, checks=STEP) == (True, "")
    assert town.failing("voronoi") == {receipt.tile}
    assert town.failing("delaunay") == town.failing("cell_neighbours") == set()
    told = town.evaluations("voronoi")[0].event.dagster_event.asset_check_evaluation_data
    assert str(file) in told.metadata["damage"].value

    file.write_bytes(sound)
    assert town.run({}, checks=("voronoi",)) == (True, "")
    assert town.failing("voronoi") == set()


@pytest.mark.parametrize("is_brief", [False, True])
def test_tiles_are_drawn_where_their_events_show_it(town, monkeypatch, is_brief):
    monkeypatch.setattr(tile_events, "MANY", len(TILES) - is_brief)
    with Journal(Layout(town.data)) as journal:
        journal.forget(list(journal.of_asset("town", "trees", "voronoi")))
    assert town.run(RANGE, ("voronoi",)) == (True, "")
    with Journal(Layout(town.data)) as journal:
        made = {r.tile: dict(r.seconds) for r in journal.of_asset("town", "trees", "voronoi")}
    assert {"draw" in seconds for seconds in made.values()} == {not is_brief}
    records = town.instance.fetch_materializations(key("voronoi"), limit=len(TILES)).records
    shown = {record.partition_key: record.asset_materialization.metadata for record in records}
    assert shown.keys() == made.keys() == TILES
    assert {"picture" in metadata for metadata in shown.values()} == {not is_brief}
    assert not list((town.data / "town").rglob("w*/**/*.png"))


def test_a_range_that_holds_no_tile_is_refused_with_its_corners(town):
    reversed_range = {RANGE_START_TAG: max(TILES), RANGE_END_TAG: min(TILES)}
    succeeded, errors = town.run(reversed_range, ("points",))
    assert not succeeded
    assert "holds no tile" in errors
    assert min(TILES) in errors


def test_a_launch_without_partitions_makes_the_whole_world(town):
    assert town.run({}, ("points",)) == (True, "")
    assert len(town.made("points")) == 16
