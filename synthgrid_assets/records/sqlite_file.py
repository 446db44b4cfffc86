"""SQLite files of records: made all at once, opened with every commit synced.

Belongs here: the file, its mode and its pragmas. Not here: transactions (`database`).
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event

from synthgrid_assets.errors import StorageError
from synthgrid_assets.records.locked_folder import locked_folder
from synthgrid_assets.records.schema import Schema

_SECOND_NAME_SECONDS = 2.0  # a file has two names for an instant when it is made


def create_file(path: Path, schema: Schema, *, private: bool) -> None:
    """Make an empty record where there is none: racing processes see all of it or none.

    The mode of writing ahead is set here, once, because switching a file that others have
    open can fail with "database is locked" whatever the time-out.

    Raises
    ------
    StorageError
        If there is a file of 0 bytes, or the file system has no write-ahead log.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size == 0:
            raise StorageError(
                f"the {schema.name} {path} is empty (0 bytes), which no version writes: it was "
                f"cut off; {schema.remedy}, or remove it if it never held anything"
            )
        return
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise StorageError(
            f"the {schema.name} {path} is missing, but its log {log.name} is there: a new one "
            f"would be damaged from birth; {schema.remedy}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked_folder(path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")) as folder:
        made = folder / path.name
        os.close(os.open(made, os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644))
        engine, _ = engine_of_file(made, wait=1.0)
        with engine.connect() as connection:
            connection = connection.execution_options(begin="")
            mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar_one()
            if mode != "wal":
                raise StorageError(
                    f"the file system of {path} does not support SQLite's write-ahead log (got "
                    f"{mode}); use a local disk"
                )
        with engine.begin() as connection:
            schema.raise_version(connection, 0)
        engine.dispose()
        _sync(made)
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
    _sync(path.parent)


def refuse_other_names(path: Path, schema: Schema) -> None:
    """Refuse a private record that has a second name: its log has the name of one alone.

    Who opens it by the other name would not see the last transactions.

    Raises
    ------
    StorageError
        If the file has another hard link, longer than its making takes.
    """
    deadline = time.monotonic() + _SECOND_NAME_SECONDS
    while path.stat().st_nlink > 1:
        if time.monotonic() > deadline:
            raise StorageError(
                f"the {schema.name} {path} has a second name (a hard link), by which its last "
                "transactions would be missed; copy it where it was linked, as with `cp`, and "
                "remove the link"
            )
        time.sleep(_SECOND_NAME_SECONDS / 50)


def engine_of_file(path: Path, wait: float) -> tuple[sa.Engine, bool]:
    """Connections to an existing file, and whether it can be written."""
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    options = "mode=rw" if writable else _as_it_lies(path)
    engine = sa.create_engine(
        f"sqlite:///file:{quote(str(path))}?{options}&uri=true",
        connect_args={"timeout": wait, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def settle(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin where `begin` says, not by guess
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        statement = connection.get_execution_options().get("begin", "BEGIN")
        if statement:
            connection.exec_driver_sql(statement)

    return engine, writable


def _as_it_lies(path: Path) -> str:
    """Options for a file in a folder that cannot be written.

    Without its log a file is complete; with one, SQLite needs the log's index beside it.
    """
    log = path.with_name(f"{path.name}-wal")
    return "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
