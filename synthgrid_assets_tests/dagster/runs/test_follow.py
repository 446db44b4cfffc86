"""A run that is followed here, and a follower that stops in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import dagster as dg
import psutil
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator

from synthgrid_assets.dagster import jobs, resources
from synthgrid_assets.dagster.runs import ended_elsewhere, follow
from synthgrid_assets.dagster.runs.executor import one_process
from synthgrid_assets.dagster.runs.follow import run_region
from synthgrid_assets.dagster.runs.instance import open_instance
from synthgrid_assets.dagster.runs.request import RegionChoice
from synthgrid_assets.materialize.compiling import FIRST_START
from synthgrid_assets.materialize.run import make_tiles
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.small_world import write_small_world

CHOICE = RegionChoice(tiles="0:2,0:2", layers=("trees",), assets=("points",), workers=1)


def test_an_interrupt_cancels_the_run_whose_tiles_stay(tmp_path, monkeypatch):
    """Ctrl-C in a step: Canceled, as a cancel in the UI, not Failure; nothing committed is lost."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))

    def interrupted(*arguments, **options):
        yield next(made := make_tiles(*arguments, **options))
        signal.raise_signal(signal.SIGINT)
        yield from made

    monkeypatch.setattr(resources, "make_tiles", interrupted)
    summary = run_region(write_small_world(tmp_path), {}, CHOICE, lambda *_: None)
    assert (summary.canceled, summary.passed) == (True, False)
    assert summary.errors == ["interrupted; committed tiles are kept, so run it again"]
    with open_instance() as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.CANCELED
    with Journal(Layout(tmp_path / "data")) as journal:
        assert len(list(journal.receipts())) >= 1


def test_one_reason_of_several_steps_is_told_once(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SYNTHGRID_DATA", "/proc/x")
    choice = RegionChoice(tiles="0:1,0:1", layers=("trees", "cafes"), workers=1)
    summary = run_region(write_small_world(tmp_path), {}, choice, lambda *_: None)
    assert any("journal" in told for told in summary.errors)
    assert len(summary.errors) == len(set(summary.errors))


ENDS = {  # by somebody else, in the UI; and how the run is left
    "canceled": (lambda instance, run: instance.report_run_canceling(run), "CANCELED"),
    "by force": (lambda instance, run: instance.report_run_canceled(run), "CANCELED"),
    "deleted": (lambda instance, run: instance.delete_run(run.run_id), None),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_run_that_is_ended_elsewhere_stops_in_the_middle_of_a_long_step(
    tmp_path, monkeypatch, capfd, how
):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(ended_elsewhere, "LOOK", 0.1)
    end, left = ENDS[how]

    def long(*arguments, **options):
        yield next(made := make_tiles(*arguments, **options))
        with open_instance() as instance:
            end(instance, *instance.get_runs())
        time.sleep(60)
        yield from made

    monkeypatch.setattr(resources, "make_tiles", long)
    begun = time.monotonic()
    summary = run_region(write_small_world(tmp_path), {}, CHOICE, lambda *_: None)
    assert time.monotonic() - begun < 60
    assert (summary.canceled, summary.passed) == (left == "CANCELED", False)
    assert (ended_elsewhere.DELETED in summary.errors) == (left is None)
    assert "Traceback" not in capfd.readouterr().err
    with open_instance() as instance:
        assert [run.status.value for run in instance.get_runs()] == ([left] if left else [])
    with Journal(Layout(tmp_path / "data")) as journal:
        assert len(list(journal.receipts())) >= 1


def test_a_run_canceled_by_force_between_two_steps_stays_canceled(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(ended_elsewhere, "LOOK", 600.0)

    def told(done, total, asset, figures):
        if "trees__points has begun" in asset:
            with open_instance() as instance:
                instance.report_run_canceled(*instance.get_runs())

    summary = run_region(write_small_world(tmp_path), {}, CHOICE, told)
    assert (summary.canceled, summary.passed) == (True, False)
    assert not any("quality" in name or "moments" in name for name in summary.assets)
    assert "ignored" not in capfd.readouterr().err
    assert_no_step_ended_twice(summary.run_id)


def assert_no_step_ended_twice(run_id):
    with open_instance() as instance:
        events = [entry.dagster_event for entry in instance.all_logs(run_id)]
    ended = [e.step_key for e in events if e and (e.is_step_success or e.is_step_failure)]
    assert len(ended) == len(set(ended)) > 1


@pytest.mark.parametrize("end", ["CANCELED", "FAILURE"])
def test_a_run_that_works_for_another_ends_as_that_does(tmp_path, monkeypatch, end):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))

    @dg.op
    def follow(context):
        status = dg.DagsterRunStatus[end]
        other = context.instance.create_run_for_job(whole, status=status)
        jobs._follow(context, other.run_id)

    @dg.job(executor_def=one_process)
    def whole():
        follow()

    with open_instance() as instance:
        run = instance.create_run_for_job(whole)
        list(execute_run_iterator(InMemoryJob(whole), run, instance))
        assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus[end]


def test_a_first_start_says_that_it_compiles(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(follow, "kernels_are_compiled", lambda room: room != "lattice")
    told = []
    run_region(write_small_world(tmp_path), {}, CHOICE, lambda *about: told.append(about[2]))
    assert f"small__trees__points has begun ({FIRST_START})" in told


def test_a_cancel_whose_interrupt_got_lost_ends_the_run_after_its_step(tmp_path, monkeypatch):
    """As in a call back from C: the step goes on, and no further one is begun."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    begun = []

    def lost(*arguments, **options):
        with open_instance() as instance:
            (run,) = instance.get_runs()
            instance.report_run_canceling(run)
        yield from make_tiles(*arguments, **options)

    def told(done, total, asset, figures):
        if " has begun" in asset:
            begun.append(asset.partition(" (")[0])

    monkeypatch.setattr(resources, "make_tiles", lost)
    summary = run_region(write_small_world(tmp_path), {}, CHOICE, told)
    assert summary.canceled
    assert begun[-1] == "small__trees__points has begun"


def test_an_interrupt_between_steps_cancels_the_run_too(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))

    def interrupting(*told):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_region(write_small_world(tmp_path), {}, CHOICE, interrupting)
    with open_instance() as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.CANCELED


def test_an_interrupt_after_a_steps_success_leaves_it_a_success(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    take = follow._Follower._take

    def interrupting(self, event):
        take(self, event)
        if event.is_step_success:
            raise KeyboardInterrupt

    monkeypatch.setattr(follow._Follower, "_take", interrupting)
    with pytest.raises(KeyboardInterrupt):
        run_region(write_small_world(tmp_path), {}, CHOICE, lambda *told: None)
    assert "ignored" not in capfd.readouterr().err
    with open_instance() as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.CANCELED
    assert_no_step_ended_twice(run.run_id)


def test_a_follower_that_raises_ends_the_run_and_its_workers(tmp_path, monkeypatch):
    """As when the reader of a pipe has gone; the run is not left open, nor the process hung."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    before = set(psutil.Process().children(recursive=True))

    def broken(*told):
        if "points" in str(told[2]):
            raise BrokenPipeError("nobody reads")

    with pytest.raises(BrokenPipeError, match="nobody reads"):
        run_region(write_small_world(tmp_path), {}, CHOICE, broken)
    assert set(psutil.Process().children(recursive=True)) <= before
    with open_instance() as instance:
        (run,) = instance.get_runs()
        assert run.status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


ORCHESTRATED = """
import sys
from pathlib import Path
from synthgrid_assets.dagster.runs.follow import run_region
from synthgrid_assets.dagster.runs.request import RegionChoice

choice = RegionChoice(tiles="0:2,0:2", layers=("trees",), workers=1)
assert run_region(Path(sys.argv[1]), {}, choice, lambda *_: None).passed
heavy = ("scipy.stats", "scipy.signal", "pandas", "geopandas", "matplotlib", "rasterio")
print("loaded:", *(name for name in heavy if name in sys.modules))
"""


def test_what_only_workers_need_is_not_in_the_process_that_orchestrates(tmp_path):
    """Tests of tiles and of the region, tables and plots: 230 MB beside 10,000 tiles."""
    home = {"DAGSTER_HOME": str(tmp_path), "SYNTHGRID_DATA": str(tmp_path / "data")}
    command = [sys.executable, "-c", ORCHESTRATED, str(write_small_world(tmp_path))]
    told = subprocess.run(
        command, env={**os.environ, **home}, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[-1].split() == ["loaded:"]
