"""The cached event log against the stock one, and under threads, processes and forks."""

import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.events import AssetMaterialization
from dagster._core.events import DagsterEventType
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from synthgrid_assets.dagster.events import event_log
from synthgrid_assets.dagster.events.event_log import CachedSqliteEventLogStorage, missing_internals
from synthgrid_assets.errors import SynthGridWarning
from synthgrid_assets_tests.dagster.events.test_tile_events import (
    EVERYTHING,
    key,
    materialize,
    world,
)

pytestmark = pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")

YAML = """
event_log_storage:
  module: synthgrid_assets.dagster.events.event_log
  class: CachedSqliteEventLogStorage
  config: {{base_dir: {base_dir}}}
"""
STOCK = """
event_log_storage:
  module: dagster._core.storage.event_log
  class: SqliteEventLogStorage
  config: {{base_dir: {base_dir}}}
"""


def open_instance(home, base_dir, sections=YAML):
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(sections.format(base_dir=base_dir))
    return dg.DagsterInstance.from_config(str(home))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def report(instance, name, tiles):
    for tile in tiles:
        instance.report_runless_asset_event(AssetMaterialization(name, partition=str(tile)))


def reported(instance, name):
    return {int(tile) for tile in instance.get_materialized_partitions(dg.AssetKey(name))}


def test_this_dagster_has_every_internal_the_storage_stands_on():
    assert missing_internals(SqliteEventLogStorage) == []


def test_a_changed_internal_gives_the_stock_storage_loudly(home, monkeypatch):
    class Changed(SqliteEventLogStorage):
        store_event = None

        def _connect(self, shard, mode):
            raise NotImplementedError

    assert missing_internals(Changed) == ["_connect", "store_event"]
    monkeypatch.setitem(event_log.INTERNALS, "gone_in_the_next_version", ("self",))
    with pytest.warns(SynthGridWarning, match=r"changed gone_in_the_next_version"):
        storage = CachedSqliteEventLogStorage.from_config_value(None, {"base_dir": "events"})
    assert type(storage) is SqliteEventLogStorage
    assert (home / "events").is_dir()


def test_a_relative_folder_lies_under_dagster_home(home):
    with open_instance(home, "deep/events") as instance:
        assert isinstance(instance.event_log_storage, CachedSqliteEventLogStorage)
        report(instance, "points", [1])
    assert (home / "deep" / "events" / "index.db").exists()


def test_a_run_leaves_the_same_records_as_with_the_stock_storage(home):
    def story(sections, folder):
        """Everything that is recorded, without ids, times and paths."""
        with open_instance(home / folder, str(home / folder / "events"), sections) as instance:
            run = materialize(instance, world(), *EVERYTHING)
            log = instance.all_logs(run.run_id)
            index = [
                (name, kind.value, record.partition_key, record.event_log_entry.step_key)
                for name in EVERYTHING
                for kind in (
                    DagsterEventType.ASSET_MATERIALIZATION,
                    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
                )
                for record in instance.get_event_records(
                    dg.EventRecordsFilter(kind, asset_key=key(name)), ascending=True
                )
            ]
        database = sqlite3.connect(home / folder / "events" / "index.db")
        tables = [
            database.execute(query).fetchall()
            for query in (
                "select asset_key, check_name, partition, execution_status, "
                "evaluation_event_storage_id, materialization_event_storage_id "
                "from asset_check_executions order by id",
                "select asset_key, key, value, event_id from asset_event_tags order by id",
                "select dagster_event_type, asset_key, partition from event_logs order by id",
                "select asset_key, last_materialization is null from asset_keys order by id",
            )
        ]
        database.close()
        return [(e.dagster_event_type, e.step_key) for e in log], index, tables

    assert story(YAML, "cached") == story(STOCK, "stock")


def test_only_the_event_stored_last_is_remembered_and_its_id_is_the_index_s(home):
    with open_instance(home, "events") as instance:
        storage, points = instance.event_log_storage, dg.AssetKey("points")
        assert storage.storage_id_just_stored(points, "1") is None
        report(instance, "points", [1, 2])
        kind = DagsterEventType.ASSET_MATERIALIZATION
        ids = storage.get_latest_storage_id_by_partition(points, kind)
        assert storage.storage_id_just_stored(points, "2") == ids["2"]
        assert storage.storage_id_just_stored(points, "1") is None
        assert storage.storage_id_just_stored(dg.AssetKey("others"), "2") is None


def test_the_two_storages_take_turns_on_the_same_files(home):
    events = str(home / "events")
    for turn, sections in enumerate([YAML, STOCK, YAML, STOCK]):
        with open_instance(home / str(turn), events, sections) as instance:
            report(instance, "points", [turn])
            assert reported(instance, "points") == set(range(turn + 1))


def test_an_event_that_cannot_be_indexed_leaves_no_trace_in_the_index(home, monkeypatch):
    with open_instance(home, "events") as instance:
        report(instance, "points", [1])

        def broken(*_):
            raise OSError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(CachedSqliteEventLogStorage, "_store_asset_event", broken)
            with pytest.raises(OSError, match="full"):
                report(instance, "points", [2])
        assert reported(instance, "points") == {1}
        report(instance, "points", [3])
        assert reported(instance, "points") == {1, 3}


def test_threads_share_the_storage(home):
    with open_instance(home, "events") as instance:
        threads = [
            threading.Thread(target=report, args=(instance, "points", range(k, 60, 6)))
            for k in range(6)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            reported(instance, "points")
        assert reported(instance, "points") == set(range(60))


WRITER = """
import sys, dagster as dg
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    for tile in range(int(sys.argv[2]), 40, 2):
        event = dg.AssetMaterialization("points", partition=str(tile))
        instance.report_runless_asset_event(event)
"""


def test_processes_share_the_files_and_readers_see_each_event_at_once(home):
    with open_instance(home, "events") as instance:
        command = [sys.executable, "-c", WRITER, str(home)]
        writers = [subprocess.Popen([*command, str(k)]) for k in range(2)]
        seen = set()
        while any(writer.poll() is None for writer in writers):
            assert seen <= (seen := reported(instance, "points"))
            time.sleep(0.05)
        assert [writer.returncode for writer in writers] == [0, 0]
        assert reported(instance, "points") == set(range(40))


def test_a_fork_has_connections_and_a_lock_of_its_own(home):
    with open_instance(home, "events") as instance:
        report(instance, "points", [0])
        reading, read = threading.Event(), threading.Event()

        def hold():
            with instance.event_log_storage.index_connection():
                reading.set()
                read.wait(60)

        holder = threading.Thread(target=hold)
        holder.start()
        assert reading.wait(20)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
            pid = os.fork()
        if pid == 0:
            try:
                signal.alarm(30)  # a lock taken over from the thread above would never open
                report(instance, "points", range(1, 20))
                os._exit(0)
            finally:
                os._exit(1)
        read.set()
        holder.join()
        report(instance, "points", range(20, 40))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert reported(instance, "points") == set(range(40))
        database = sqlite3.connect(home / "events" / "index.db")
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        database.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_connections_kept_open_are_bounded_and_closed_in_the_end(home, monkeypatch):
    monkeypatch.setattr(event_log, "SHARDS_KEPT_OPEN", 4)

    def open_files():
        links = Path("/proc/self/fd").iterdir()
        return sum(home / "events" in link.readlink().parents for link in links if link.exists())

    with open_instance(home, "events") as instance:
        for number in range(9):
            instance.event_log_storage.get_logs_for_run(f"run{number}")
        assert 0 < open_files() <= 3 * 4  # each a database, its log and its shared memory
    assert open_files() == 0


def test_a_removed_run_and_a_wiped_log_begin_anew(home):
    with open_instance(home, "events") as instance:
        report(instance, "points", [1, 2])
        shard = Path(instance.event_log_storage.path_for_shard(RUNLESS_RUN_ID))
        for file in shard.parent.glob(f"{shard.name}*"):  # as another process may do
            file.unlink()
        report(instance, "points", [3])
        assert shard.exists()
        assert reported(instance, "points") == {1, 2, 3}
        instance.event_log_storage.wipe()
        assert reported(instance, "points") == set()
        report(instance, "points", [4])
        assert reported(instance, "points") == {4}


def test_a_watcher_hears_of_events_while_the_writer_keeps_its_connection(home):
    with open_instance(home, "events") as writer, open_instance(home, "events") as reader:
        run = writer.create_run_for_job(world().resolve_implicit_global_asset_job_def())
        heard = queue.Queue()

        def listen(event, cursor):
            heard.put(event.message)

        writer.report_engine_event("first", run)
        reader.event_log_storage.watch(run.run_id, None, listen)
        for message in ("second", "third"):
            writer.report_engine_event(message, run)
            while heard.get(timeout=20) != message:
                pass
        reader.event_log_storage.end_watch(run.run_id, listen)
