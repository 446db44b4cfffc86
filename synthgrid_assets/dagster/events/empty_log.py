"""The log of a run that has no events yet, copied instead of made.

Belongs here: the copy, and the empty database that is kept for it. Not here: the schema, which is
Dagster's (`event_log`).

Creating a dozen tables and indexes, of which a run uses one, takes a tenth of a second at the
beginning of every run. What is created is the same each time.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from synthgrid_assets.errors import StorageError
from synthgrid_assets.storage.commit import commit_bytes, commit_if_absent

SUFFIX = ".empty"  # not that of a log: Dagster lists those
LOG, STAMP = "event_logs", "alembic_version"  # tables: of events, and of the schema's revision


def copy_empty_log(log: Path, create: Callable[[Path], None]) -> bool:
    """Make an empty log where there is none.

    Of processes that do so at once the first one's file stays.

    Parameters
    ----------
    log : Path
    create : callable
        Creates an empty log at the path that it is given, and closes it.

    Returns
    -------
    bool
        Whether this call has made the file; nothing is left of one that cannot be made.
    """
    if log.exists():
        return False
    with contextlib.suppress(OSError, StorageError):
        kept = log.with_name(f"{dg.__version__}{SUFFIX}")
        empty = kept.read_bytes() if kept.is_file() else b""
        if not _is_sound(empty):
            empty = _created(create)
            commit_bytes(kept, empty)
        return commit_if_absent(log, empty)
    return False


def _created(create: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="synthgrid-") as folder:
        path = Path(folder, "log.db")
        create(path)
        return path.read_bytes()


def _is_sound(database: bytes) -> bool:
    """Whether bytes are those of a whole log without any event, stamped with a revision."""
    if not database:
        return False
    in_memory = bytearray(database)
    in_memory[18:20] = b"\x01\x01"  # a database in memory has no write-ahead log
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.deserialize(bytes(in_memory))
            return _filled_tables(connection) == {LOG: False, STAMP: True} and connection.execute(
                "PRAGMA quick_check"
            ).fetchall() == [("ok",)]
        except sqlite3.DatabaseError:
            return False


def _filled_tables(connection: sqlite3.Connection) -> dict[str, bool]:
    """Whether the log and its stamp have rows, of those that are there, and what else has."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    filled = {}
    for (name,) in found:
        quoted = name.replace('"', '""')
        row = connection.execute(f'SELECT 1 FROM "{quoted}" LIMIT 1').fetchone()
        filled[name] = row is not None
    return {name: rows for name, rows in filled.items() if rows or name in (LOG, STAMP)}
