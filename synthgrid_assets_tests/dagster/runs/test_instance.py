"""The instance that the command line and the UI share: starts at once, damage, a full disk."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.storage.sqlite import LAST_KNOWN_STAMPED_SQLITE_ALEMBIC_REVISION as OLD_REVISION

from synthgrid_assets.dagster.events.event_log import CachedSqliteEventLogStorage
from synthgrid_assets.dagster.runs.compute_logs import ComputeLogs
from synthgrid_assets.dagster.runs.follow import run_region
from synthgrid_assets.dagster.runs.instance import DATABASES, open_instance
from synthgrid_assets.dagster.runs.opening import mend_revisions
from synthgrid_assets.dagster.runs.request import RegionChoice
from synthgrid_assets.errors import StorageError
from synthgrid_assets_tests.dagster.served import PROJECT
from synthgrid_assets_tests.small_world import write_small_world


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


# every process dawdles between making the tables and stamping them: without a lock the others
# find tables without a stamp, and stamp them as an old Dagster's
STARTER = """
import sys, time
import dagster._core.storage.event_log.sqlite.sqlite_event_log as events
import dagster._core.storage.runs.sqlite.sqlite_run_storage as runs
import dagster._core.storage.schedules.sqlite.sqlite_schedule_storage as schedules
for module in (events, runs, schedules):
    def slow(*arguments, stamp=module.stamp_alembic_rev, **named):
        time.sleep(0.3)
        stamp(*arguments, **named)
    module.stamp_alembic_rev = slow
import dagster as dg
from synthgrid_assets.dagster.runs.follow import run_region
from synthgrid_assets.dagster.runs.instance import open_instance
print("ready", flush=True)
sys.stdin.readline()
opened = open_instance if sys.argv[1] == "cli" else dg.DagsterInstance.get
with opened() as instance:
    instance.report_runless_asset_event(dg.AssetMaterialization("a", partition=sys.argv[2]))
"""


@pytest.mark.parametrize(("way", "count"), [("cli", 8), ("ui", 3)])
def test_processes_start_at_once_on_an_empty_home_and_one_is_killed(home, way, count):
    if way == "ui":  # `dagster dev` reads the project's file and knows no lock but the storages'
        shutil.copy(PROJECT / "dagster.yaml", home)
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, way, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    for starter in starters:
        assert starter.stdout.readline() == "ready\n"
    for starter in starters:
        starter.stdin.write("\n")
        starter.stdin.flush()
    time.sleep(0.2)
    starters[0].send_signal(signal.SIGKILL)
    told = [starter.communicate(timeout=240)[1] for starter in starters]
    assert [starter.returncode for starter in starters[1:]] == [0] * (count - 1), told
    with open_instance() as instance:
        made = instance.get_materialized_partitions(dg.AssetKey("a"))
        assert {str(number) for number in range(1, count)} <= made


def database(home, section):
    folders = {"run_storage": "run_storage", "event_log_storage": "event_log_storage"}
    folder = home / ".synthgrid" / "dagster" / folders.get(section, section)
    return folder / f"{DATABASES[section]}.db"


@pytest.mark.parametrize("section", DATABASES)
def test_two_revisions_in_a_database_are_mended_at_the_next_start(home, section):
    with open_instance() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("a"))
    damage(database(home, section), OLD_REVISION)
    with open_instance() as instance:
        assert instance.get_latest_materialization_event(dg.AssetKey("a")) is not None
    assert not mend_revisions(database(home, section))


def test_an_instance_that_cannot_be_mended_names_the_way_out(home):
    with open_instance():
        pass
    file = database(home, "run_storage")
    damage(file, "0123456789ab")
    with pytest.raises(StorageError, match=r"2 revisions .*move .*run_storage away"):
        open_instance()


@pytest.mark.parametrize("section", DATABASES)
@pytest.mark.parametrize("kept", [0, 100])  # of the file; the header alone is one of a database
def test_a_damaged_database_is_told_with_the_way_out(home, section, kept):
    with open_instance() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("a"))
    file = database(home, section)
    file.write_bytes(file.read_bytes()[:kept] + bytes(range(1, 251)) * 36)
    with pytest.raises(StorageError) as told:
        open_instance()
    assert f"database {file} is damaged" in str(told.value)
    assert f"move {file.parent} away" in str(told.value)
    file.parent.rename(home / "away")
    with open_instance() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("a"))


def test_damage_that_shows_in_the_middle_of_a_run_names_its_file(home, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_DATA", str(home / "data"))
    choice = RegionChoice(tiles="0:1,0:1", layers=("trees",), assets=("points",), workers=1)
    world = write_small_world(home)
    with open_instance():
        pass
    file = database(home, "event_log_storage")
    tables = sqlite3.connect(file)
    (page,) = tables.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'event_logs'"
    ).fetchone()
    (size,) = tables.execute("PRAGMA page_size").fetchone()
    tables.close()
    with file.open("r+b") as pages:
        pages.seek((page - 1) * size)
        pages.write(bytes(range(1, 251)) * 2)
    with pytest.raises(StorageError) as told:
        run_region(world, {}, choice, lambda *_: None)
    assert f"database {file} is damaged" in str(told.value)
    assert "make room" not in str(told.value)


def damage(file, revision):
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    connection.close()


def test_the_storages_of_the_project_file_are_the_locked_ones(home):
    shutil.copy(PROJECT / "dagster.yaml", home)
    with dg.DagsterInstance.get() as instance:
        assert type(instance.run_storage).__name__ == "LockedRunStorage"
        assert type(instance.schedule_storage).__name__ == "LockedScheduleStorage"
        assert isinstance(instance.event_log_storage, CachedSqliteEventLogStorage)


LIMITED = """
import resource, sys
from pathlib import Path
from synthgrid_assets.dagster.runs.follow import run_region
from synthgrid_assets.dagster.runs.follow import run_region
from synthgrid_assets.dagster.runs.instance import open_instance
from synthgrid_assets.dagster.runs.request import RegionChoice
from synthgrid_assets.errors import StorageError

def tried(limit, use):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        use()
    except StorageError as error:
        print("told:", str(error).replace("\\n", " "))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

home, world = map(Path, sys.argv[1:])
choice = RegionChoice(tiles="0:2,0:2", layers=("trees",), assets=("points",), workers=1)
run = lambda: run_region(world, {}, choice, lambda *_: None)
tried(40_960, run)
with open_instance():
    pass
largest = max(file.stat().st_size for file in home.rglob("*.db"))
tried(largest + 8192, run)
assert run().passed
"""


def test_a_full_home_is_told_in_a_sentence_and_no_dead_end(home, tmp_path_factory, monkeypatch):
    """When it is made, and in the middle of a run; with room the next run goes on."""
    folder = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setenv("SYNTHGRID_DATA", str(folder / "data"))
    command = [sys.executable, "-c", LIMITED, str(home), str(write_small_world(folder))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    told = [line for line in done.stdout.splitlines() if line.startswith("told:")]
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(told) == 2, done.stdout
    assert all(f"databases below {home} cannot be used" in line for line in told)


def test_programs_that_capture_output_do_not_hear_ctrl_c(tmp_path):
    """In a terminal it reaches the whole group, and Dagster's print tracebacks of their own."""
    logs = ComputeLogs.from_config_value(None, {"base_dir": str(tmp_path)})
    before = psutil.Process().children()
    with logs.capture_logs(["run", "compute_logs", "step"]):
        helpers = [each for each in psutil.Process().children() if each not in before]
        status = [Path(f"/proc/{each.pid}/status").read_text() for each in helpers]
    blocked = [int(re.search(r"^SigBlk:\s*(\w+)$", text, re.M)[1], 16) for text in status]
    assert blocked
    assert all(mask >> (signal.SIGINT - 1) & 1 for mask in blocked)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert logs.is_capture_complete(["run", "compute_logs", "step"])
