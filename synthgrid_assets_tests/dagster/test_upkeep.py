"""Stale tiles are asked for once, checks run alone, and everything links to the map and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest

from synthgrid_assets.dagster.build import build_definitions
from synthgrid_assets.dagster.keys import TILE_CHECK, release_report_key
from synthgrid_assets.dagster.metadata import receipt_metadata
from synthgrid_assets.dagster.runs.launch import execute_here
from synthgrid_assets.dagster.runs.request import RegionChoice, verification_request
from synthgrid_assets.dagster.upkeep import SCHEDULE, SENSOR, VERIFY_JOB
from synthgrid_assets.products.tile_tests.replicates import baseline_key, write_baseline
from synthgrid_assets.reports.files import FILES_TEST, REPORTS
from synthgrid_assets.reports.indexes import index_rows
from synthgrid_assets.reports.test_results import write_moments
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets_tests.dagster.events.test_tile_events import open_instance
from synthgrid_assets_tests.reports.committed_world import commit, context_of
from synthgrid_assets_tests.small_world import SMALL, write_small_world

EDITED = SMALL.replace("sigma = 60.0", "sigma = 61.0")


@pytest.fixture
def context(tmp_path, monkeypatch):
    """Points of four tiles of cafes, in the data root that Dagster looks at."""
    found = context_of(tmp_path / "made")
    monkeypatch.setenv("SYNTHGRID_DATA", str(found.layout.root))
    return commit(found, ["points"], list(found.spec.world.tiling)[:4])


def repository(folder, text=SMALL):
    return build_definitions([write_small_world(folder, text)]).get_repository_def()


def asked(repository, name=SENSOR):
    """Run requests of a look of the sensor."""
    sensor = repository.get_sensor_def(name)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance, repository_def=repository)
        return sensor.evaluate_tick(context).run_requests


def test_what_became_stale_is_asked_for_once_a_version(context, tmp_path):
    fresh, edited = repository(tmp_path), repository(tmp_path, EDITED)
    assert not asked(fresh)
    (request,) = asked(edited)
    assert asked(edited)[0].run_key == request.run_key  # Dagster starts a key once
    (other,) = asked(repository(tmp_path, SMALL.replace("sigma = 60.0", "sigma = 62.0")))
    assert other.run_key != request.run_key
    job = edited.get_job("materialize_region")
    assert dg.validate_run_config(job, request.run_config)
    config = request.run_config["ops"]["submit_region_run"]["config"]
    assert config == {"world": "small", "only": "stale"}


def test_nothing_is_asked_for_where_nothing_was_made(tmp_path):
    found = repository(tmp_path)
    assert not asked(found)
    schedule = found.get_schedule_def(SCHEDULE)
    assert not schedule.evaluate_tick(dg.build_schedule_context()).run_requests


def test_both_are_off_until_somebody_switches_them_on(context, tmp_path):
    found = repository(tmp_path)
    assert found.get_sensor_def(SENSOR).default_status == dg.DefaultSensorStatus.STOPPED
    schedule = found.get_schedule_def(SCHEDULE)
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    (request,) = schedule.evaluate_tick(dg.build_schedule_context()).run_requests
    assert dg.validate_run_config(found.get_job(VERIFY_JOB), request.run_config)


def test_verification_finds_a_changed_byte_and_makes_nothing(context, tmp_path):
    with Journal(context.layout) as journal:
        receipts = list(journal.receipts(context.dataset("points")))
    file = Path(context.layout.root / receipts[2].path)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    before = file.read_bytes()
    home = tmp_path / "instance"
    home.mkdir()
    instance = open_instance(home)
    choice = RegionChoice(layers=("cafes",), assets=("points",))
    request = verification_request(context.spec, choice)
    run, events = execute_here(instance, repository(tmp_path), request)
    found = {}
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            found[evaluation.check_name, evaluation.partition] = evaluation.passed
        assert not event.is_step_materialization
    assert instance.get_run_by_id(run.run_id).is_success
    named = {check.name for check in request.checks} - {TILE_CHECK}
    assert {name for name, tile in found if tile is None} == named
    assert found["files_are_whole", None] is False
    assert found["is_up_to_date", None] is True
    assert file.read_bytes() == before


def test_a_damaged_manifest_and_table_of_tests_are_red(context, tmp_path):
    index_rows(context)
    write_moments(context)
    home = tmp_path / "instance"
    home.mkdir()
    everything = verification_request(context.spec, RegionChoice(layers=("cafes",)))
    checks = tuple(
        check
        for check in everything.checks
        if check.name == FILES_TEST and check.asset_key.path[-1] in REPORTS
    )
    assert len(checks) == len(REPORTS)

    def outcomes():
        _, events = execute_here(
            open_instance(home), repository(tmp_path), replace(everything, checks=checks)
        )
        kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
        found = [e.asset_check_evaluation_data for e in events if e.event_type == kind]
        return {
            seen.asset_key.path[-1]: (seen.passed, seen.severity.value, seen.description)
            for seen in found
        }

    write_baseline(context)
    assert {name: passed for name, (passed, _, _) in outcomes().items()} == dict.fromkeys(
        REPORTS, True
    )
    layout = context.layout
    layout.store.delete(baseline_key(context))
    for key in (
        layout.tile_index("small", "cafes", "voronoi"),
        layout.report("small", "cafes", "moments"),
    ):
        path = layout.root / key
        path.write_bytes(path.read_bytes()[:-9])
    after = outcomes()
    assert after["baseline"][:2] == (False, "ERROR")
    assert f"{layout.store.address(baseline_key(context))} is missing" in after["baseline"][2]
    for name in ("tile_index", "moments"):
        passed, severity, told = after[name]
        assert (passed, severity) == (False, "ERROR")
        assert "is damaged" in told


def test_every_asset_and_every_tile_names_its_place_on_the_map(context, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_VIEWER_URL", "http://127.0.0.1:9999/")
    graph = repository(tmp_path).asset_graph
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        page = urlsplit(node.metadata["map"].value)
        assert (page.netloc, page.path) == ("127.0.0.1:9999", "/worlds/small")
        place = [parse_qs(page.query).get(name, [""])[0] for name in ("layer", "asset")]
        assert place == (list(key.path[1:]) if len(key.path) == 3 else ["", ""])
        references = node.metadata["dagster/code_references"].code_references
        assert [Path(one.file_path).name for one in references] == ["small.toml"]
    with Journal(context.layout) as journal:
        receipt = next(iter(journal.receipts(context.dataset("points"))))
    shown = receipt_metadata(receipt, context.layout.store)["map"].value
    assert parse_qs(urlsplit(shown).query)["tile"] == [receipt.tile]


def test_the_report_is_an_asset_of_its_world(context, tmp_path):
    definitions = build_definitions([write_small_world(tmp_path)])
    (asset,) = (
        one
        for one in definitions.assets
        if isinstance(one, dg.AssetsDefinition) and release_report_key("small") in one.keys
    )
    home = tmp_path / "instance"
    home.mkdir()
    result = dg.materialize(
        [asset],
        instance=open_instance(home),
        resources=definitions.resources,
        selection=[release_report_key("small")],
    )
    assert result.success
    stored = context.layout.store.get(context.layout.release_report("small"))
    assert stored.startswith(b"<!doctype html>")
