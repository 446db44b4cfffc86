"""The cached event log against the stock one, and under threads, processes and forks."""

import contextlib
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
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)
from dagster._core.definitions.events import AssetMaterialization
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from synthgrid_assets.dagster.events import event_log, group_write, groups, shards
from synthgrid_assets.dagster.events.event_log import CachedSqliteEventLogStorage, missing_internals
from synthgrid_assets.dagster.events.group_write import EVALUATION
from synthgrid_assets.dagster.partitions import RANGE_END_TAG, RANGE_START_TAG
from synthgrid_assets.errors import SynthGridWarning
from synthgrid_assets_tests.dagster.events.test_tile_events import (
    EVERYTHING,
    TILED,
    check_states,
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
    """But for plans, of which stock Dagster has one per partition."""

    def story(sections, folder):
        """Everything that is recorded, without ids, times and paths."""
        with open_instance(home / folder, str(home / folder / "events"), sections) as instance:
            run = materialize(instance, world(), *EVERYTHING)
            log = [
                (entry.dagster_event_type, entry.step_key, entry.get_dagster_event().partition)
                for entry in instance.all_logs(run.run_id)
                if "planned" not in str(entry.dagster_event_type).lower()
            ]
            records = [
                (name, record.partition_key, record.event_log_entry.step_key)
                for name in EVERYTHING
                for record in instance.fetch_materializations(key(name), limit=100).records
            ]
            states = [check_states(instance, name) for name in TILED]
        return log, records, states, tables(home / folder / "events" / "index.db")

    def tables(file):
        database = sqlite3.connect(file)
        found = [
            sorted(database.execute(query).fetchall())
            for query in (
                "select c.asset_key, check_name, c.partition, execution_status, target.asset_key, "
                "target.partition, target.dagster_event_type, evaluation_event like '%metadata%' "
                "from asset_check_executions c left join event_logs target "
                "on target.id = materialization_event_storage_id",
                "select t.asset_key, key, value, e.partition from asset_event_tags t "
                "join event_logs e on e.id = event_id",
                "select dagster_event_type, asset_key, partition from event_logs "
                "where dagster_event_type not like '%_PLANNED'",
                "select asset_key, last_materialization is null, last_run_id is null, "
                "last_materialization like '%EventLogRecord%' from asset_keys",
            )
        ]
        database.close()
        return [[tuple(map(str, row)) for row in table] for table in found]

    assert story(YAML, "cached") == story(STOCK, "stock")


def test_what_is_stored_once_is_shown_as_with_the_stock_storage(home):
    """A check's metadata and a picture, in a run's log and in the histories of an asset."""
    check = dg.AssetCheckKey(dg.AssetKey("mapped"), "holds")
    picture = f"![map](data:image/png;base64,{'A' * 20_000})"
    found = dg.AssetCheckResult(passed=False, description="why", metadata={"table": "B" * 5_000})

    @dg.asset(check_specs=[dg.AssetCheckSpec("holds", asset="mapped")])
    def mapped():
        shown = {"map": dg.MetadataValue.md(picture), "rows": 7}
        yield dg.MaterializeResult(metadata=shown, check_results=[found])

    job = dg.Definitions(assets=[mapped]).resolve_implicit_global_asset_job_def()

    def shown(sections, folder):
        with open_instance(home / folder, str(home / folder / "events"), sections) as instance:
            run = job.execute_in_process(instance=instance)
            storage = instance.event_log_storage
            (execution,) = storage.get_asset_check_execution_history(check, limit=9)
            (latest,) = storage.get_latest_asset_check_execution_by_key([check]).values()
            logged = [entry.get_dagster_event() for entry in instance.all_logs(run.run_id)]
            records = instance.fetch_materializations(check.asset_key, limit=9).records
        told = [record.event.get_dagster_event() for record in (execution, latest)]
        told += [event for event in logged if event.event_type == EVALUATION]
        made = [record.event_log_entry.get_dagster_event() for record in records]
        made += [event for event in logged if event.event_type == group_write.MATERIALIZATION]
        checks = [event.asset_check_evaluation_data for event in told]
        outcomes = [(one.passed, one.description, one.metadata) for one in checks]
        targets = {one.target_materialization_data.storage_id for one in checks}
        tables = [event.step_materialization_data.materialization.metadata for event in made]
        size = sum(file.stat().st_size for file in (home / folder / "events").glob("*.db*"))
        return [execution.status, outcomes, targets, tables], size

    cached, little = shown(YAML, "cached")
    stock, much = shown(STOCK, "stock")
    assert cached == stock
    assert len(stock[1]) == 3
    assert len(stock[3]) == 2
    assert little < 0.7 * much


def test_a_plan_costs_its_partitions_once_not_once_for_each(home):
    """With stock Dagster the bytes of a plan grow with the square of the partitions."""
    tiles = dg.StaticPartitionsDefinition([f"tile {number:05}" for number in range(2000)])
    check = dg.AssetCheckSpec("looks_right", asset="many", partitions_def=tiles)

    @dg.multi_asset(
        specs=[dg.AssetSpec("many")],
        check_specs=[check],
        partitions_def=tiles,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def many():
        raise NotImplementedError

    graph = dg.Definitions(assets=[many]).resolve_implicit_global_asset_job_def()
    span = {RANGE_START_TAG: "tile 00000", RANGE_END_TAG: "tile 01999"}
    with open_instance(home, "events") as instance:
        run = instance.create_run_for_job(graph, tags=span, asset_selection={dg.AssetKey("many")})
        storage = instance.event_log_storage
        waiting = storage.get_asset_check_execution_history(check.key, limit=3000)
        assert {record.partition for record in waiting} == set(tiles.get_partition_keys())
        attempts = UNFINISHED(storage, dg.AssetKey("many"))
        assert attempts.keys() == set(tiles.get_partition_keys())
        assert {run_id for run_id, _ in attempts.values()} == {run.run_id}
    files = (home / "events").glob("*.db*")
    assert sum(file.stat().st_size for file in files) < 5_000_000  # 60 MB with stock Dagster


UNFINISHED = CachedSqliteEventLogStorage.get_latest_asset_partition_materialization_attempts_without_materializations  # noqa: E501


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
    monkeypatch.setattr(shards, "KEPT_OPEN", 4)

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


NUMBERED = dg.StaticPartitionsDefinition([f"{number:04}" for number in range(400)])
OF_NUMBERED = {RANGE_START_TAG: "0000", RANGE_END_TAG: "0399"}


def numbered(between=lambda number: None):
    """A step with 400 materialisations, a check after each; ``between`` is called before."""

    @dg.multi_asset(
        specs=[dg.AssetSpec("many")],
        check_specs=[dg.AssetCheckSpec("fine", asset="many", partitions_def=NUMBERED)],
        partitions_def=NUMBERED,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def many(context):
        asset = dg.AssetKey("many")
        run = context.run.run_id
        for number, tile in enumerate(NUMBERED.get_partition_keys()):
            between(number)
            yield dg.AssetMaterialization(asset, partition=tile)
            yield dg.AssetCheckEvaluation(
                asset_key=asset,
                check_name="fine",
                partition=tile,
                passed=True,
                metadata={},
                target_materialization_data=Target(storage_id=-1, run_id=run, timestamp=0.0),
            )
        yield dg.Output(None, output_name="many", metadata={"__source_asset_observation__": True})
        yield dg.Output(None, output_name="many_fine")

    return dg.Definitions(assets=[many], executor=dg.in_process_executor)


def run_numbered(instance, between, raise_on_error=True):
    return (
        numbered(between)
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(instance=instance, tags=OF_NUMBERED, raise_on_error=raise_on_error)
    )


def test_a_waiting_step_s_events_become_visible_to_others(home):
    """Without another event, a read or an end of the step: within a second or so."""
    with open_instance(home, "events") as writer, open_instance(home, "events") as reader:
        seen = []

        def between(number):
            if number == 3:
                deadline = time.monotonic() + 60
                while len(reported(reader, "many")) < 3 and time.monotonic() < deadline:
                    time.sleep(0.05)
                seen.append(reported(reader, "many"))

        run_numbered(writer, between)
    assert seen == [{0, 1, 2}]


def test_a_step_s_events_are_written_in_groups_and_checks_find_their_targets(home, monkeypatch):
    sizes = []
    write = group_write.GroupWriter.write

    def counted(self, index, group):
        sizes.append(len(group))
        return write(self, index, group)

    monkeypatch.setattr(group_write.GroupWriter, "write", counted)
    monkeypatch.setattr(groups, "GROUP_SIZE", 101)  # cuts between a tile and its check
    with open_instance(home, "events") as instance:
        run_numbered(instance, lambda number: time.sleep(0.6) if number == 77 else None)
        infos = instance.event_log_storage.get_asset_check_partition_info(
            [dg.AssetCheckKey(dg.AssetKey("many"), "fine")]
        )
        log = instance.all_logs(instance.get_runs()[0].run_id)
    assert sum(sizes) == 800
    assert max(sizes) <= 101
    assert len(sizes) < 80  # eight, and those that were written for their age
    assert len(infos) == 400
    for info in infos:
        target = info.latest_target_materialization_storage_id
        assert target == info.latest_materialization_storage_id
    of_step = [e.dagster_event_type.value for e in log if e.get_dagster_event().partition]
    assert of_step == ["ASSET_MATERIALIZATION"] * 400


def test_a_group_that_cannot_be_written_fails_the_step_and_not_in_silence(home, monkeypatch):
    with open_instance(home, "events") as instance:

        def full(*_):
            raise OSError("the disk is full")

        def between(number):
            if number == 5:
                monkeypatch.setattr(group_write.GroupWriter, "write", full)

        with monkeypatch.context(), pytest.raises(Exception, match="the disk is full"):
            run_numbered(instance, between)
        monkeypatch.undo()
        monkeypatch.setenv("DAGSTER_HOME", str(home))
        assert reported(instance, "many") >= {0, 1, 2, 3, 4}  # what waited is written now


KILLED = """
import os, signal, sys, dagster as dg
sys.path.insert(0, sys.argv[2])
from synthgrid_assets_tests.dagster.events.test_event_log import run_numbered
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    run_numbered(instance, lambda n: os.kill(os.getpid(), signal.SIGKILL) if n == 300 else None)
"""


def test_a_killed_process_leaves_whole_groups_of_tiles_in_order(home):
    with open_instance(home, "events") as instance:
        command = [sys.executable, "-c", KILLED, str(home), str(Path(__file__).parents[3])]
        subprocess.run(command, capture_output=True, check=False)
        found = reported(instance, "many")
        assert len(found) >= 128  # one whole group at least, each tile with its check
        assert found == set(range(len(found)))
        report(instance, "many", [399])
        assert 399 in reported(instance, "many")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_end_of_a_group_and_is_heard_then(number):
    """Or a group whose commit it meets would be written twice."""
    written, heard = [], []

    def write(group):
        signal.raise_signal(number)
        written.append((list(group), list(heard)))

    def interrupt(*_):
        heard.append(len(written))
        raise InterruptedError

    before = signal.signal(number, interrupt)
    try:
        waiting = groups.EventGroups(write, contextlib.nullcontext)
        waiting._waiting, waiting._unwritten = ["event"], 1
        with pytest.raises(InterruptedError):
            waiting.flush()
        waiting.flush()
        assert signal.getsignal(number) is interrupt
    finally:
        signal.signal(number, before)
    assert written == [(["event"], [])]
    assert heard == [1]
