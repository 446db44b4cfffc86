"""Runs whose process was killed are failed, by the next run and by the sensor; no others are."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from synthgrid_assets.dagster.build import build_definitions
from synthgrid_assets.dagster.runs import abandoned
from synthgrid_assets.dagster.runs.abandoned import SECONDS, SENSOR, fail_abandoned_runs
from synthgrid_assets.dagster.runs.instance import open_instance
from synthgrid_assets.dagster.runs.liveness import LOCKED_WITHIN, PROCESS_TAG, sign_of_life


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def new_run(instance, tags, status, **more):
    job = dg.Definitions(assets=[nothing]).resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus(status), **more)
    return run.run_id


@dg.asset
def nothing():
    """Never executed."""


HOLDER = """
import sys
from synthgrid_assets.dagster.runs.liveness import sign_of_life
with sign_of_life() as tags:
    print(*tags.values(), flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTED", "CANCELING"])
@pytest.mark.parametrize("host", ["this one", "another"])
def test_a_killed_process_s_run_is_failed_at_the_next_start(home, monkeypatch, status, host):
    command = [sys.executable, "-c", HOLDER]
    with (
        open_instance() as instance,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder,
    ):
        tag = holder.stdout.readline().decode().strip()
        if host == "another":  # as in a container that came after: ids there say nothing here
            tag = f"another:{os.getpid()}:{tag.rpartition(':')[2]}"
        run = new_run(instance, {PROCESS_TAG: tag}, status)
        assert fail_abandoned_runs(instance) == []
        holder.kill()
        holder.wait()
        assert fail_abandoned_runs(instance) == [run]
        assert instance.get_run_by_id(run).status == dg.DagsterRunStatus.FAILURE


def test_a_living_run_is_left_alone_and_signs_are_swept(home, monkeypatch):
    with open_instance() as instance, sign_of_life() as tags:
        run = new_run(instance, tags, "STARTED")
        (sign,) = (home / ".synthgrid" / "dagster" / "alive").iterdir()
        (sign.parent / "left.lock").touch()
        long_ago = time.time() - LOCKED_WITHIN - 9
        os.utime(sign, (long_ago, long_ago))
        os.utime(sign.parent / "left.lock", (long_ago, long_ago))
        assert fail_abandoned_runs(instance) == []
        assert list(sign.parent.iterdir()) == [sign]
        assert instance.get_run_by_id(run).status == dg.DagsterRunStatus.STARTED
    assert not sign.exists()


def test_a_run_that_never_reached_the_queue_is_failed_after_an_hour(home, monkeypatch):
    with open_instance() as instance:
        run = new_run(instance, {}, "NOT_STARTED")
        started = new_run(instance, {}, "STARTED")  # another's: its launcher watches it
        assert fail_abandoned_runs(instance) == []
        later = datetime.now(UTC) + timedelta(hours=1, minutes=1)
        monkeypatch.setattr(abandoned.time, "time", later.timestamp)
        assert fail_abandoned_runs(instance) == [run]
        assert instance.get_run_by_id(started).status == dg.DagsterRunStatus.STARTED


def look(instance):
    """A look of the sensor that Dagster's daemon has, with no world at all."""
    sensor = build_definitions([]).get_repository_def().get_sensor_def(SENSOR)
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == SECONDS <= 30
    return sensor.evaluate_tick(dg.build_sensor_context(instance=instance))


def test_the_daemon_fails_a_killed_process_s_run_and_no_other(home):
    command = [sys.executable, "-c", HOLDER]
    with (
        open_instance() as instance,
        sign_of_life() as living,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder,
    ):
        dead = {PROCESS_TAG: holder.stdout.readline().decode().strip()}
        killed = new_run(instance, dead, "STARTED")
        ended = new_run(instance, dead, "SUCCESS")
        others = [
            new_run(instance, living, "STARTED"),
            new_run(instance, {PROCESS_TAG: "another:1:0123456789abcdef"}, "STARTED"),
            new_run(instance, {}, "STARTED"),
        ]
        assert killed not in look(instance).skip_message
        holder.kill()
        holder.wait()
        again = new_run(instance, dead, "STARTED", parent_run_id=killed, root_run_id=killed)
        tick = look(instance)
        assert killed in tick.skip_message
        assert not tick.run_requests
        status = {run.run_id: run.status.value for run in instance.get_runs()}
    assert status == dict.fromkeys([*others, again], "STARTED") | {
        killed: "FAILURE",
        ended: "SUCCESS",
    }


def test_a_run_that_ends_well_while_its_process_is_looked_for_stays_so(home, monkeypatch):
    with open_instance() as instance:
        run = new_run(instance, {PROCESS_TAG: "gone"}, "STARTED")

        def ends(tags):
            instance.report_dagster_event(dg.DagsterEvent("PIPELINE_SUCCESS", "job"), run_id=run)
            return True

        monkeypatch.setattr(abandoned, "is_abandoned", ends)
        assert fail_abandoned_runs(instance) == []
        assert instance.get_run_by_id(run).status == dg.DagsterRunStatus.SUCCESS


@pytest.mark.parametrize("may_read", [True, False])
def test_another_user_s_sign_of_life_counts_until_it_is_let_go(home, monkeypatch, may_read):
    def of_another_user(file, flags, *mode, opened=os.open):
        if str(file).endswith(".lock") and (flags & os.O_RDWR or not may_read):
            raise PermissionError(str(file))
        return opened(file, flags, *mode)

    with open_instance() as instance, sign_of_life() as tags:
        run = new_run(instance, tags, "STARTED")
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", of_another_user)
            assert fail_abandoned_runs(instance) == []
        assert instance.get_run_by_id(run).status == dg.DagsterRunStatus.STARTED
