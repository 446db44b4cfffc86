"""Traces and metrics as a real receiver gets them, and the log of a run and its workers."""

import json
import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from synthgrid_assets.engine import log
from synthgrid_assets.engine.observers import observers_asked_for
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Task
from synthgrid_assets.errors import EngineError, SynthGridWarning
from synthgrid_assets.testing import executor_chores as chores
from synthgrid_assets_tests.engine.otlp_receiver import receiving

PRELOAD = ("synthgrid_assets.testing.executor_chores",)


@pytest.fixture
def _no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def run(tasks, executor="inline", **settings):
    """Run tasks as one step under the observers that the environment asks for."""
    observers = observers_asked_for("run 7")
    settings = Settings(**{"workers": 2, "backoff": 0.0, **settings})
    with EngineSession(settings, PRELOAD, executor, observers, "run 7") as session:
        for _ in session.map_groups(tasks, step="town/trees/points"):
            pass
    return observers


def facts(span):
    values = {a.key: a.value for a in span.attributes}
    return {name: getattr(v, v.WhichOneof("value")) for name, v in values.items()}


def check_trace(spans, tiles):
    """Run -> step -> tile -> compute, commit; every tile once, and each part inside its tile."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    assert len({span.trace_id for span in spans}) == 1
    named = Counter(span.name for span in spans)
    assert (named["run"], named["step"], named["tile"]) == (1, 1, tiles)
    parents = {"step": {"run"}, "tile": {"step"}, "compute": {"tile"}, "commit": {"tile"}}
    for span in spans:
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        if span.name == "run":
            assert not span.parent_span_id
            continue
        parent = by_id[span.parent_span_id]
        assert parent.name in parents[span.name]
    keys = [facts(span)["synthgrid.tile"] for span in spans if span.name == "tile"]
    assert len(set(keys)) == tiles
    return named


@pytest.mark.parametrize(
    "tiles", [300, pytest.param(10_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
@pytest.mark.usefixtures("_no_proxy")
def test_every_tile_arrives_with_its_parts_under_its_step_and_run(tiles, monkeypatch):
    with receiving() as (address, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        random.seed(1)  # OpenTelemetry's own ids would repeat
        tasks = (Task(f"tile {n}", chores.commit, (0.0001, 100)) for n in range(tiles))
        (telemetry,) = run(tasks)
    named = check_trace(received.spans, tiles)
    assert telemetry.lost == 0
    assert named["commit"] == tiles
    assert {a.value.string_value for r in received.resources for a in r.attributes} >= {
        "synthgrid",
        "run 7",
    }
    step = next(span for span in received.spans if span.name == "step")
    assert facts(step)["synthgrid.step"] == "town/trees/points"
    (counted,) = received.metrics["synthgrid.tasks"]
    assert counted.as_int == tiles
    (commits,) = received.metrics["synthgrid.commit.duration"]
    assert commits.count == tiles
    assert received.metrics["synthgrid.written"][0].as_int == 100 * tiles
    assert received.metrics["synthgrid.breaker.state"][0].as_int == 0
    assert received.metrics["synthgrid.window.depth"][0].as_int >= 3


@pytest.mark.usefixtures("_no_proxy")
def test_two_runs_have_two_traces_and_a_failed_tile_says_why(monkeypatch):
    with receiving() as (address, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        for _ in range(2):
            random.seed(1)
            run([Task("crooked", chores.fail, ("geometry",))])
    assert len({span.trace_id for span in received.spans}) == 2
    tile = next(span for span in received.spans if span.name == "tile")
    assert tile.status.message == "cell (3, 4) has no area"
    assert facts(tile)["error.type"] == "GeometryError"


@pytest.mark.usefixtures("_no_proxy")
def test_a_receiver_that_takes_nothing_costs_spans_that_are_counted_and_no_tile(monkeypatch):
    with receiving() as (address, received):
        received.refuse = True
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        with pytest.warns(SynthGridWarning, match="22 of 22 spans did not reach the receiver"):
            (telemetry,) = run([Task(str(n), chores.square, (n,)) for n in range(10)])
    assert telemetry.lost == 22


def test_without_an_endpoint_and_a_level_nobody_watches(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv(log.VARIABLE, raising=False)
    assert observers_asked_for("run 7") == []


def test_a_level_that_there_is_not_is_refused(monkeypatch):
    monkeypatch.setenv(log.VARIABLE, "loud")
    with pytest.raises(EngineError, match="SYNTHGRID_LOG=loud: no such level; use one of debug"):
        observers_asked_for("run 7")


LOGGED = """
from synthgrid_assets_tests.engine.test_telemetry import Task, chores, run
run([Task("good", chores.commit, (0.01, 5)), Task("bad", chores.fail, ("geometry",))], "local")
"""


def test_lines_of_a_run_and_of_its_workers_carry_its_id_and_the_tile():
    found = subprocess.run(
        [sys.executable, "-c", LOGGED],
        env={**os.environ, log.VARIABLE: "debug"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in found.stderr.splitlines()]
    assert {line["run"] for line in lines} == {"run 7"}
    events = {line["event"]: line for line in lines}
    assert {"engine starts", "step begins", "step ends", "engine ends"} <= set(events)
    begun = [line for line in lines if line["event"] == "task begins"]
    assert {line["task"] for line in begun} == {"good", "bad"}
    assert {line["process"] for line in begun}.isdisjoint({events["engine starts"]["process"]})
    assert "GeometryError: cell (3, 4) has no area" in events["attempt failed"]["exception"]
    assert events["task failed"]["task"] == "bad"
    assert events["engine ends"]["done"] == 1
