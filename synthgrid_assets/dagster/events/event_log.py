"""Dagster's SQLite event log with its connections kept open and events written in groups.

Belongs here: the one storage class named by ``dagster.yaml``. Not here: what an event says
(`tile_events`), the rows of a group (`group_write`) and of a plan (`planned`), and
PostgreSQL, which needs none of this but the plans.

The stock storage opens a connection, reads the schema and syncs the disk several times per
event: a run over many tiles spends more time there than in its tiles. Files and schema are
the stock ones: exchange the class in ``dagster.yaml`` at any time, both ways.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.base import PlannedMaterializationInfo
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    SqliteEventLogStorage,
    SqliteEventLogStorageWatchdog,
)
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool, Pool, StaticPool

from synthgrid_assets.dagster.events import planned
from synthgrid_assets.dagster.events.empty_log import copy_empty_log
from synthgrid_assets.dagster.events.group_write import (
    CHECK_OF_RUN,
    EVALUATION,
    MATERIALIZATION,
    GroupWriter,
    bare,
    execution,
    in_groups,
    is_lean,
    lean,
    without_pictures,
)
from synthgrid_assets.dagster.events.groups import EventGroups
from synthgrid_assets.dagster.events.shards import Shards
from synthgrid_assets.dagster.keys import TILE_CHECK
from synthgrid_assets.dagster.runs.opening import opening, under_home
from synthgrid_assets.errors import SynthGridWarning

INDEX = "index"  # the database of all runs
RUN_PAGE = 512  # bytes, the least that SQLite has
# what is overridden or relied on, with its parameters; a change of any means stock behaviour
INTERNALS = {
    "_connect": ("self", "shard"),
    "_initdb": ("self", "engine", "for_index_shard"),
    "_event_to_row": ("self", "event"),
    "_has_asset_key_col_on_connection": ("self", "conn", "column_name"),
    "_store_asset_event": ("self", "conn", "event", "event_id"),
    "_store_asset_event_tags": ("self", "conn", "events", "event_ids"),
    "path_for_shard": ("self", "run_id"),
    "has_table": ("self", "table_name"),
    "index_connection": ("self",),
    "run_connection": ("self", "run_id"),
    "store_event": ("self", "event"),
    "get_latest_asset_partition_materialization_attempts_without_materializations": (
        "self",
        "asset_key",
        "after_storage_id",
    ),
    "get_latest_planned_materialization_info": ("self", "asset_key", "partition"),
    "watch": ("self", "run_id", "cursor", "callback"),
    "wipe": ("self",),
    "dispose": ("self",),
}


class CachedSqliteEventLogStorage(SqliteEventLogStorage):
    """The stock storage, at a fraction of its cost per event and per planned partition.

    Connections stay open; what the schema has is asked once; commits do not wait for the
    disk (``synchronous=NORMAL``: a power cut may lose the last events, never damage the
    log, and the tiles have a journal of their own). A step's events about partitions are
    written in groups: half a second late at most, before any event that ends something,
    and before anything is read here. Threads, forks and other processes on the same files
    are safe; a killed process loses the events of its last half second.

    Parameters
    ----------
    base_dir : str
        Folder of the databases; a relative one lies under ``DAGSTER_HOME``.
    inst_data : ConfigurableClassData, optional
        How Dagster configured this object.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._shards = Shards(self._open_shard, self.path_for_shard)
        self._tables: set[str] = set()
        self._columns: set[str] = set()
        self._writer = GroupWriter(self)
        self._groups = EventGroups(self._write_group, self._shards.locked)
        self._quiet: set[tuple[str, str]] = set()
        folder = under_home(base_dir)
        with opening(folder, INDEX):
            super().__init__(str(folder), inst_data)

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> SqliteEventLogStorage:
        """Build from the section of ``dagster.yaml`` (called by Dagster).

        Where this version of Dagster lacks an internal that the class stands on, it warns
        (`SynthGridWarning`) and gives the stock storage on the same files.
        """
        missing = missing_internals(SqliteEventLogStorage)
        if not missing:
            return cls(inst_data=inst_data, **config_value)
        warnings.warn(
            "the event log is as slow as Dagster's own: this version of Dagster changed "
            f"{', '.join(missing)}; install one that pyproject.toml allows",
            SynthGridWarning,
            stacklevel=2,
        )
        folder = under_home(config_value["base_dir"])
        with opening(folder, INDEX):
            return SqliteEventLogStorage(str(folder), inst_data)

    @property
    def supports_partition_subset_in_asset_materialization_planned_events(self) -> bool:
        """A run's intention is one event per asset, whatever the number of partitions."""
        return True

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event; all it adds to the index becomes visible at once."""
        if in_groups(event):
            quiet = (event.run_id, event.get_dagster_event().step_key or "") in self._quiet
            self._groups.add(lean(event) if quiet else event)
        elif event.dagster_event_type in (planned.PLANNED, planned.CHECK_PLANNED):
            self._store_plan(event)
        elif event.run_id and event.dagster_event_type == EVALUATION:
            self._store_evaluation(event)
        else:
            with self.index_connection():  # which first writes what waits
                super().store_event(without_pictures(event))

    def flush(self) -> None:
        """Write events that wait for others, as before a step waits for long."""
        self._groups.flush()

    def keep_out_of_run_log(self, run_id: str, step_key: str) -> None:
        """Store a step's events about partitions with their assets only.

        A run's page loads all of its log: with tens of thousands of tiles it would never
        open, and each event would stand on the disk twice.
        """
        self._quiet.add((run_id, step_key))

    def narrow_plan(self, run_id: str, asset: dg.AssetKey, partitions: Collection[str]) -> None:
        """Tell which partitions of its range a run really makes; none when all are made."""
        with self.index_connection() as index:
            planned.narrow(index, run_id, asset, partitions)

    def get_latest_asset_partition_materialization_attempts_without_materializations(
        self, asset_key: dg.AssetKey, after_storage_id: int | None = None
    ) -> Mapping[str, tuple[str, int]]:
        """Partitions that are being made, or whose making failed, with run and event."""
        one_by_one = (
            super().get_latest_asset_partition_materialization_attempts_without_materializations(
                asset_key, after_storage_id
            )
        )
        made = self.get_latest_storage_id_by_partition(asset_key, MATERIALIZATION)
        with self.index_connection() as index:
            found = planned.unfinished(index, asset_key, made, after_storage_id)
        for partition, attempt in one_by_one.items():
            if partition not in found or found[partition][1] < attempt[1]:
                found[partition] = attempt
        return found

    def get_latest_planned_materialization_info(
        self, asset_key: dg.AssetKey, partition: str | None = None
    ) -> PlannedMaterializationInfo | None:
        """The latest run that intended to materialise an asset, or one of its partitions."""
        stock = super().get_latest_planned_materialization_info(asset_key, partition)
        if partition is None:
            return stock
        with self.index_connection() as index:
            found = planned.latest_plan(index, asset_key, partition)
        newest = [info for info in (stock, found) if info is not None]
        return max(newest, key=lambda info: info.storage_id, default=None)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; a table once seen is not looked for again."""
        if table_name not in self._tables:
            with self.index_connection() as connection:
                if db.inspect(connection).has_table(table_name):
                    self._tables.add(table_name)
        return table_name in self._tables

    def watch(self, run_id: str, cursor: str | None, callback: Any) -> None:
        """Call back on events of a run as they are written, also by other processes."""
        super().watch(run_id, cursor, callback)
        stock, scheduled = self._watchers[run_id][callback]
        observer: Any = self._obs
        observer.remove_handler_for_watch(stock, scheduled)
        watchdog = _WalWatchdog(self, run_id, callback, cursor)
        observer.add_handler_for_watch(watchdog, scheduled)
        self._watchers[run_id][callback] = (watchdog, scheduled)

    def wipe(self) -> None:
        """Forget every event."""
        self._groups.close()
        self._shards.close()
        super().wipe()

    def dispose(self) -> None:
        """Write what waits and close what is open."""
        super().dispose()
        self._groups.close()
        self._shards.close()

    def _store_plan(self, event: EventLogEntry) -> None:
        """A planned event, without the stock storage's row per partition and check."""
        with self.index_connection() as index:
            if event.dagster_event_type == planned.PLANNED:
                row = planned.write_planned_materialization(self, index, event)
            else:
                check = event.get_dagster_event().asset_check_planned_data.check_name
                # a tile's evaluation comes with its materialisation, and not at all for a
                # tile that is kept: a row that waits for it would wait for ever
                row = planned.write_planned_check(
                    self, index, event, per_partition=check != TILE_CHECK
                )
            with self.run_connection(event.run_id) as run:
                run.execute(SqlEventLogStorageTable.insert(), row)

    def _store_evaluation(self, event: EventLogEntry) -> None:
        """A check's evaluation, with one whole copy in the index, where stock storage has two."""
        table, checks = SqlEventLogStorageTable, AssetCheckExecutionsTable
        with self.index_connection() as index:
            with self.run_connection(event.run_id) as run:
                run.execute(table.insert(), self._event_to_row(event))
            stored = index.execute(table.insert(), self._event_to_row(lean(bare(event))))
            (number,) = stored.inserted_primary_key or (None,)
            row = execution(event, self._event_to_row(lean(event)), number)
            planned_here = [checks.c[name] == row[name] for name in CHECK_OF_RUN]
            # a partition that is NULL is no conflict, so this is no statement of one piece
            if not index.execute(checks.update().where(*planned_here).values(row)).rowcount:
                index.execute(checks.insert(), row)

    def _write_group(self, group: list[EventLogEntry]) -> None:
        """Write a group: its runs' logs are committed first, as for single events."""
        with self._shards.transaction(INDEX) as index:
            rows = self._writer.write(index, group)
            of_runs: dict[str, list[dict[str, Any]]] = {}
            for row in rows:
                if (row["run_id"], row["step_key"]) not in self._quiet:
                    of_runs.setdefault(row["run_id"], []).append(row)
            for run_id, logged in of_runs.items():
                with self._shards.transaction(run_id) as run:
                    run.execute(SqlEventLogStorageTable.insert(), logged)

    def _event_to_row(self, event: EventLogEntry) -> dict[str, Any]:
        row = super()._event_to_row(event)
        if is_lean(event) or not in_groups(event):
            row["event"] = json.dumps(json.loads(row["event"]), separators=(",", ":"))
        return row

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._columns and super()._has_asset_key_col_on_connection(
            conn, column_name
        ):
            self._columns.add(column_name)
        return column_name in self._columns

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._shards.locked() as inside:
            if not inside:  # whoever reads finds all that was stored, in its order
                self._groups.flush()
            with self._shards.transaction(shard) as connection:
                yield connection

    def _create(self, path: Path) -> None:
        """Create what a database lacks."""
        engine = _opened(path)
        if path.stem != INDEX:
            db.event.listen(engine, "connect", _with_small_pages)
        self._initdb(engine)

    def _open_shard(self, shard: str) -> Engine:
        """Create what a shard's database lacks, then open it to stay open."""
        path = Path(self.path_for_shard(shard))
        if shard not in self._initialized_dbs or not path.exists():
            if shard == INDEX or not copy_empty_log(path, self._create):
                self._create(path)
            self._initialized_dbs.add(shard)
        engine = _opened(path, poolclass=StaticPool, check_same_thread=False)

        @db.event.listens_for(engine, "connect")
        def _relax(connection: Any, _: object) -> None:
            connection.execute("PRAGMA synchronous=NORMAL")

        return engine


def _opened(path: Path, poolclass: type[Pool] = NullPool, **options: Any) -> Engine:
    return create_engine(
        create_db_conn_string(
            str(path.parent), path.name.removesuffix(".db")
        ),  # that of no run too
        poolclass=poolclass,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, **options},
    )


def _with_small_pages(connection: Any, _: object) -> None:
    """Of a run's own log, in which most tables of the schema stay empty: each takes a page."""
    connection.execute(f"PRAGMA page_size={RUN_PAGE}")


class _WalWatchdog(SqliteEventLogStorageWatchdog):
    """Watches the write-ahead log too: the database itself changes only at checkpoints."""

    @property
    def patterns(self) -> list[str]:
        return [self._log_path, f"{self._log_path}-wal"]

    def on_modified(self, event: object) -> None:
        self._process_log()


def missing_internals(storage: type) -> list[str]:
    """Names among `INTERNALS` that `storage` does not have, or has with other parameters.

    Examples
    --------
    >>> missing_internals(SqliteEventLogStorage)
    []
    """
    return [
        name
        for name, parameters in INTERNALS.items()
        if not callable(method := getattr(storage, name, None))
        or tuple(inspect.signature(method).parameters) != parameters
    ]
