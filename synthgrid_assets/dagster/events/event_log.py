"""Dagster's SQLite event log with its connections kept open.

Belongs here: the one storage class named by ``dagster.yaml``. Not here: what an event says
(`tile_events`), and PostgreSQL, which needs none of this.

The stock storage opens a connection, reads the schema and syncs the disk several times per
event: a run over many tiles spends more time there than in its tiles. Files and schema are
the stock ones: exchange the class in ``dagster.yaml`` at any time, both ways.
"""

from __future__ import annotations

import inspect
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster import AssetKey
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    SqliteEventLogStorage,
    SqliteEventLogStorageWatchdog,
)
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool, StaticPool

from synthgrid_assets.errors import SynthGridWarning

SHARDS_KEPT_OPEN = 16

# what is overridden or relied on, with its parameters; a change of any means stock behaviour
INTERNALS = {
    "_connect": ("self", "shard"),
    "_initdb": ("self", "engine", "for_index_shard"),
    "_has_asset_key_col_on_connection": ("self", "conn", "column_name"),
    "conn_string_for_shard": ("self", "shard_name"),
    "path_for_shard": ("self", "run_id"),
    "has_table": ("self", "table_name"),
    "index_connection": ("self",),
    "run_connection": ("self", "run_id"),
    "store_event": ("self", "event"),
    "_store_asset_event": ("self", "conn", "event", "event_id"),
    "watch": ("self", "run_id", "cursor", "callback"),
    "wipe": ("self",),
    "dispose": ("self",),
}


class CachedSqliteEventLogStorage(SqliteEventLogStorage):
    """The stock storage, at a fraction of its cost per event.

    Connections stay open, at most `SHARDS_KEPT_OPEN` of them; what the schema has is asked
    once; the index is written in one transaction per event; commits do not wait for the
    disk (``synchronous=NORMAL``: a power cut may lose the last events, never damage the
    log, and the tiles have a journal of their own). Threads, forks and other processes on
    the same files are safe.

    Parameters
    ----------
    base_dir : str
        Folder of the databases; a relative one lies under ``DAGSTER_HOME``.
    inst_data : ConfigurableClassData, optional
        How Dagster configured this object.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._shards = _Shards(self._open_shard, self.path_for_shard)
        self._tables: set[str] = set()
        self._columns: set[str] = set()
        self._last_stored: tuple[AssetKey, str | None, int] | None = None
        super().__init__(str(_under_home(base_dir)), inst_data)

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
        return SqliteEventLogStorage(str(_under_home(config_value["base_dir"])), inst_data)

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event; all it adds to the index becomes visible at once."""
        with self.index_connection():
            super().store_event(event)

    def storage_id_just_stored(self, asset: AssetKey, partition: str) -> int | None:
        """Storage id of a partition's event if it is the last asset event of this process.

        What a check names as its target: remembered, because asking the index for it costs
        as much as storing the event.
        """
        key, tile, storage_id = self._last_stored or (None, None, None)
        return storage_id if (key, tile) == (asset, partition) else None

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
        self._shards.close()
        super().wipe()

    def dispose(self) -> None:
        """Close what is open."""
        super().dispose()
        self._shards.close()

    def _store_asset_event(self, conn: Connection, event: EventLogEntry, event_id: int) -> None:
        super()._store_asset_event(conn, event, event_id)
        told = event.dagster_event
        if told is not None and told.is_step_materialization and told.asset_key is not None:
            self._last_stored = (told.asset_key, told.partition, event_id)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._columns and super()._has_asset_key_col_on_connection(
            conn, column_name
        ):
            self._columns.add(column_name)
        return column_name in self._columns

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._shards.transaction(shard) as connection:
            yield connection

    def _open_shard(self, shard: str) -> Engine:
        """Create what a shard's database lacks, then open it to stay open."""
        address = self.conn_string_for_shard(shard)
        patience = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
        if shard not in self._initialized_dbs or not Path(self.path_for_shard(shard)).exists():
            self._initdb(create_engine(address, poolclass=NullPool, connect_args=patience))
            self._initialized_dbs.add(shard)
        engine: Engine = create_engine(
            address, poolclass=StaticPool, connect_args={**patience, "check_same_thread": False}
        )

        @db.event.listens_for(engine, "connect")
        def _relax(connection: Any, _: object) -> None:
            connection.execute("PRAGMA synchronous=NORMAL")

        return engine


class _WalWatchdog(SqliteEventLogStorageWatchdog):
    """Watches the write-ahead log too: the database itself changes only at checkpoints."""

    @property
    def patterns(self) -> list[str]:
        return [self._log_path, f"{self._log_path}-wal"]

    def on_modified(self, event: object) -> None:
        self._process_log()


class _Shards:
    """Open connections, one per database file, used by one thread at a time.

    Parameters
    ----------
    open_shard : callable
        Gives an engine for a shard's name.
    path_of : callable
        Gives the shard's file.
    """

    def __init__(self, open_shard: Callable[[str], Engine], path_of: Callable[[str], str]) -> None:
        self._open_shard = open_shard
        self._path_of = path_of
        self._inherited: list[object] = []
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._open: OrderedDict[str, tuple[Engine, tuple[int, int]]] = OrderedDict()
        self._active: dict[str, Connection] = {}

    @contextmanager
    def transaction(self, shard: str) -> Iterator[Connection]:
        """A connection in a transaction; within one on the same shard, that one again."""
        if self._pid != os.getpid():
            # SQLite forbids to use, or even to close, what came through a fork
            self._inherited += [self._open, self._active, self._lock]
            self._start()
        with self._lock:
            if shard in self._active:
                yield self._active[shard]
                return
            with self._engine(shard).connect() as connection, connection.begin():
                self._active[shard] = connection
                try:
                    yield connection
                finally:
                    del self._active[shard]

    def close(self) -> None:
        """Close every connection of this process."""
        if self._pid == os.getpid():
            with self._lock:
                while self._open:
                    self._open.popitem()[1][0].dispose()

    def _engine(self, shard: str) -> Engine:
        """The open engine of a shard, unless its file was removed or replaced meanwhile."""
        path = self._path_of(shard)
        if shard in self._open:
            engine, opened = self._open[shard]
            if _file_identity(path) == opened:
                self._open.move_to_end(shard)
                return engine
            self._open.pop(shard)[0].dispose()
        while len(self._open) >= SHARDS_KEPT_OPEN:
            oldest = next(name for name in self._open if name not in self._active)
            self._open.pop(oldest)[0].dispose()
        engine = self._open_shard(shard)
        self._open[shard] = (engine, _file_identity(path))
        return engine


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


def _under_home(base_dir: str) -> Path:
    home = os.environ.get("DAGSTER_HOME")
    return Path(home, base_dir) if home else Path(base_dir)


def _file_identity(path: str) -> tuple[int, int]:
    """Device and inode, zeros where there is no file."""
    try:
        status = os.stat(path)  # noqa: PTH116 (a Path per event costs more than the call)
    except FileNotFoundError:
        return 0, 0
    return status.st_dev, status.st_ino
