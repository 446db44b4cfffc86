"""Evidence that is begun ahead changes nothing that is told, and only what is chosen is begun."""

from __future__ import annotations

import os
import tempfile
from types import SimpleNamespace

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthgrid_assets.dagster.ahead import begin_ahead, evidence_of
from synthgrid_assets.dagster.build import build_definitions
from synthgrid_assets.dagster.keys import layer_key
from synthgrid_assets.dagster.resources import Engine
from synthgrid_assets.dagster.runs.launch import execute_here
from synthgrid_assets.dagster.runs.request import RegionChoice, region_request
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.errors import StorageError
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.settings import data_root
from synthgrid_assets.testing import executor_chores as chores
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.dagster.events.test_tile_events import open_instance
from synthgrid_assets_tests.reports.committed_world import context_of
from synthgrid_assets_tests.small_world import write_small_world

TILES = "0:3,0:2"


@pytest.fixture(autouse=True)
def places_of_its_own(tmp_path, monkeypatch):
    """For two workers, whatever else runs on this host."""
    (tmp_path / "places").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "places"))


class Recorder:
    """Stands for the engine: what was begun, in order."""

    def __init__(self):
        self.begun = []

    def ahead(self, function, *arguments):
        self.begun.append((function, arguments))


def in_a_run(steps):
    """What a step sees of its run."""
    return SimpleNamespace(run=SimpleNamespace(step_keys_to_execute=steps))


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    return context_of(tmp_path_factory.mktemp("layer"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_what_is_chosen_is_begun_once_and_when_all_it_looks_at_is_made(layer, data):
    evidence = list(evidence_of(layer))
    tiled = sorted({step for one in evidence for step in one.after})
    chosen = data.draw(st.permutations([*tiled, *(one.step for one in evidence)]))
    chosen = chosen[: data.draw(st.integers(0, len(chosen)))]
    when = {}
    for number, step in enumerate(chosen):
        engine = Recorder()
        if step in tiled:
            begin_ahead(in_a_run(chosen), engine, layer, step)
        for call in engine.begun:
            assert call not in when
            when[call] = number
    for one in evidence:
        places = [chosen.index(step) for step in one.after if step in chosen]
        begun = when.pop((one.function, one.arguments), None)
        if one.step not in chosen or not places or chosen.index(one.step) < max(places):
            assert begun is None
        else:
            assert begun == max(places)
    assert when == {}


def test_it_is_told_by_steps_that_there_are(tmp_path):
    path = write_small_world(tmp_path)
    spec = load_spec(path)
    job = build_definitions([path]).resolve_implicit_global_asset_job_def()
    for name in spec.layers:
        context = open_layer(spec, name, tmp_path / "data")
        for one in evidence_of(context):
            assert all(map(job.has_node_named, [one.step, *one.after]))
        assert len(list(evidence_of(context))) == len(products_of(spec.layers[name])) + 3


@pytest.fixture
def engine():
    with Engine(workers=2).yield_for_execution(dg.build_init_resource_context()) as opened:
        yield opened


def test_what_is_kept_is_asked_for_here_where_no_worker_runs(engine):
    kept = iter(["kept"])
    assert engine.aside(chores.fail, "storage", tiles=10_000, kept=lambda: next(kept)) == "kept"
    here = engine.aside(chores.pid_of_worker, tiles=1)
    there = engine.aside(chores.pid_of_worker, tiles=10_000, kept=lambda: None)
    assert here == os.getpid() != there
    assert engine.aside(chores.pid_of_worker, tiles=1, kept=lambda: next(kept)) != here


def test_a_call_that_is_under_way_ahead_is_waited_for_and_then_made(engine, tmp_path):
    """It finds what the first one has left; its own failure is told where it is needed."""
    folder = tmp_path / "marks"
    folder.mkdir()
    assert engine.aside(chores.square, 2, tiles=10_000) == 4  # now workers run
    call = (chores.leave_a_mark, str(folder), "mark", 0.3)
    engine.ahead(*call)
    engine.ahead(chores.fail, "storage")
    assert engine.aside(*call, tiles=1) == 1  # together they would find and remove one mark
    with pytest.raises(StorageError):
        engine.aside(chores.fail, "storage", tiles=1)
    assert engine.aside(chores.square, 3, tiles=1) == 9


def told(folder, monkeypatch, workers):
    """All checks and evidence of a run, as text, and what was begun ahead."""
    monkeypatch.setenv("SYNTHGRID_DATA", str(folder / "data"))
    path = write_small_world(folder)
    home = folder / "home"
    home.mkdir()
    begun = []

    def begin(session, function, *arguments):
        begun.append((function.__name__, *(str(more) for more in arguments[1:])))
        return truly(session, function, *arguments)

    truly = EngineSession.begin
    with monkeypatch.context() as patch, open_instance(home) as instance:
        patch.setattr(EngineSession, "begin", begin)
        spec = load_spec(path)
        choice = RegionChoice(tiles=TILES, layers=("cafes",), workers=workers)
        request = region_request(spec, choice, data_root())
        repository = build_definitions([path]).get_repository_def()
        run, events = execute_here(instance, repository, request)
        checks = {}
        for event in events:
            if event.event_type_value == "ASSET_CHECK_EVALUATION":
                found = event.asset_check_evaluation_data
                if found.partition is None:
                    name = (found.asset_key.to_user_string(), found.check_name)
                    metadata = {k: v.value for k, v in found.metadata.items() if "path" not in k}
                    checks[name] = (found.passed, found.description, repr(metadata))
        assert instance.get_run_by_id(run.run_id).is_success
        tables = {}
        for name in ("moments", "tile_index", "quality"):
            key = layer_key("small", "cafes", name)
            (record,) = instance.fetch_materializations(key, limit=2).records
            metadata = record.asset_materialization.metadata
            tables[name] = {
                label: value.value
                for label, value in metadata.items()
                if label in {"dagster/row_count", "failed", "not tested", "pictures", "map"}
            }
    return {n: repr(v).replace(str(folder), "") for n, v in (checks | tables).items()}, begun


def test_a_run_tells_the_same_with_one_worker_and_with_two(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, begun_by_one = told(tmp_path / "one", monkeypatch, 1)
    two, begun_by_two = told(tmp_path / "two", monkeypatch, 2)
    assert one == two
    assert len(one) > 20
    assert begun_by_one == begun_by_two  # the engine decides whether it makes them
    assert len(begun_by_two) == len(set(begun_by_two)) == 6 + 3
