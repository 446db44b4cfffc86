"""One place for SQL: a record's database on SQLite or PostgreSQL, safe among processes.

Belongs here: opening, transactions, and failures told with what to do. Not here: the
tables (each record declares a `schema.Schema`) and the order of writers (`turnstile`).
"""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url

from synthgrid_assets.errors import StorageError
from synthgrid_assets.records.schema import Schema, make_stamps, table_names
from synthgrid_assets.records.sqlite_file import create_file, engine_of_file, refuse_other_names
from synthgrid_assets.records.turnstile import Turnstile

WAIT_SECONDS = 60.0  # for the writers in front
_CHECK = {True: "check the disk and the rights", False: "check the address, the server, its rights"}
_SECRET = ("password", "sslpassword")  # may stand in the query of an address, too
_FRESH = 0.1  # seconds after its use in which a connection is not asked whether it still works
_IDLE = "60s"  # a transaction that PostgreSQL ends: an old snapshot makes every queue slow


class Database:
    """A record's database; may be pickled, and used in a forked child.

    Parameters
    ----------
    location : Path or str
        A file, ``sqlite:///file`` or ``postgresql://user@host/database`` (extra
        ``postgres``). A file is made when it is missing, all of it at once.
    schema : Schema
        Its tables. An older version is raised to this one first.
    private : bool
        Whether a new file is for its owner alone (mode 0600).
    wait : float
        Seconds to wait for other writers.
    create : bool
        Whether one is made where there is none.

    Raises
    ------
    StorageError
        If it cannot be opened, is damaged, empty, newer than this program, or of another
        program, or there is none and none is made.

    Notes
    -----
    SQLite: write-ahead log, every commit synced. A folder or a file that cannot be written
    is read as it lies. PostgreSQL: every commit synced, one advisory lock a record.

    Examples
    --------
    >>> import tempfile
    >>> def first(connection):
    ...     connection.exec_driver_sql("CREATE TABLE note(text TEXT)")
    >>> schema = Schema("notebook", (first,), ("note",), "restore a backup")
    >>> with Database(Path(tempfile.mkdtemp()) / "notes.sqlite", schema) as database:
    ...     with database.writing() as connection:
    ...         _ = connection.execute(sa.text("INSERT INTO note VALUES ('hello')"))
    ...     with database.reading() as connection:
    ...         connection.execute(sa.text("SELECT text FROM note")).scalars().all()
    ['hello']
    """

    def __init__(
        self,
        location: Path | str,
        schema: Schema,
        *,
        private: bool = False,
        wait: float = WAIT_SECONDS,
        create: bool = True,
    ) -> None:
        self.create = create
        self.url = database_url(location)
        self.schema = schema
        self.private = private
        self.wait = wait
        self._opened: tuple[int, sa.Engine] | None = None
        self._identity: tuple[int, int] | None = None  # of the file that is open
        self._turnstile = Turnstile(self.path) if self.path else None
        self._engine()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        address = self.url.render_as_string(hide_password=False)
        return _reopened, (address, self.schema, self.private, self.wait, self.create)

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database."""
        name = self.url.database
        return Path(name) if self.url.get_backend_name() == "sqlite" and name else None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is one file on this machine."""
        return self.path is not None

    @property
    def where(self) -> str:
        """Its address without a password, for messages."""
        if self.path:
            return str(self.path)
        shown = self.url.difference_update_query(_SECRET)
        return shown.render_as_string(hide_password=True)

    def close(self) -> None:
        """Close all connections; what was committed is on disk since it was."""
        if self._opened is not None:
            self._opened[1].dispose()
            self._opened = None
        if self._turnstile is not None:
            self._turnstile.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state; writers are not held up.

        Raises
        ------
        StorageError
            If the database cannot be read.
        """
        with self._explained(), self._engine().connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def writing(self, *, exclusive: bool = True) -> Iterator[sa.Connection]:
        """A transaction that is on disk when the block ends, or undone if it fails.

        Parameters
        ----------
        exclusive : bool
            Whether it is alone among all writers of this record. Without it writers on
            PostgreSQL run side by side and rows are locked by the statements; SQLite has
            one writer in any case.

        Raises
        ------
        StorageError
            If others write for too long, the database cannot be written, or its file was moved
            away: who opens it by its name would miss what is written.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._explained())
            if self._turnstile is not None:
                stack.enter_context(self._turnstile.passing(self.wait))
            connection = stack.enter_context(self._engine().connect())
            if self.is_sqlite:
                self._refuse_moved()
                connection = connection.execution_options(begin="BEGIN IMMEDIATE")
            stack.enter_context(connection.begin())
            if exclusive and not self.is_sqlite:
                lock = sa.text("SELECT pg_advisory_xact_lock(:key)")
                connection.execute(lock, {"key": self.schema.lock_key})
            yield connection

    def _engine(self) -> sa.Engine:
        """The pool of connections of this very process."""
        if self._opened is not None and self._opened[0] == os.getpid():
            return self._opened[1]
        if self._opened is not None:  # the parent's connections are the parent's
            self._opened[1].dispose(close=False)
        with self._explained():
            if self.path is not None:
                if not self.create and not self.path.exists():
                    raise self._nothing()
                create_file(self.path, self.schema, private=self.private)
                if self.private:
                    refuse_other_names(self.path, self.schema)
                engine, writable = engine_of_file(self.path, self.wait)
            else:
                engine, writable = _engine_of_server(self.url, self.wait), True
        self._opened = os.getpid(), engine
        self._identity = self._found()
        try:
            self._check(writable)
        except BaseException:
            self.close()
            raise
        return engine

    def _check(self, writable: bool) -> None:
        with self.reading() as connection:
            found = self.schema.stamp(connection)
            if self.schema.check(found, table_names(connection), self.where):
                return
        if found == 0 and not self.create:
            raise self._nothing()
        if not writable:
            if 0 < self.schema.reads <= found:
                return
            raise StorageError(
                f"the {self.schema.name} {self.where} has schema version {found} and cannot be "
                f"written; open it once where it can be, to raise it to {self.schema.version}"
            )
        with self.writing() as connection:
            if not self.is_sqlite:
                make_stamps(connection)
            found = self.schema.stamp(connection)  # another process may have been first
            if not self.schema.check(found, table_names(connection), self.where):
                self.schema.raise_version(connection, found)

    def _found(self) -> tuple[int, int] | None:
        """What is the file of this name, where it is one."""
        if self.path is None:
            return None
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found = self.path.stat()
            return found.st_dev, found.st_ino
        return None

    def _refuse_moved(self) -> None:
        if self._found() != self._identity:
            raise StorageError(
                f"the {self.schema.name} {self.where} is no longer the file that was opened: it or "
                "its folder was moved or replaced meanwhile; move it back and start again"
            )

    def _nothing(self) -> StorageError:
        return StorageError(f"there is no {self.schema.name} at {self.where}; check the place")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
            cause = getattr(error, "orig", None) or error
            text = " ".join(str(cause).split())
            damaged = "malformed" in text or "not a database" in text
            remedy = self.schema.remedy if damaged else _CHECK[self.is_sqlite]
            raise StorageError(f"{self.schema.name} {self.where}: {text}; {remedy}") from error


def database_url(location: Path | str) -> URL:
    """The address of a database, of a file too.

    Raises
    ------
    StorageError
        If it is neither a file nor an address of SQLite or PostgreSQL.

    Examples
    --------
    >>> database_url("postgresql://root@127.0.0.1/test").drivername
    'postgresql+psycopg2'
    >>> database_url("inbox.sqlite").drivername
    'sqlite'
    """
    text = str(location)
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(location).absolute()))
    try:
        url: URL | None = make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # the cause may show a password: left out
        url = None
    if url is None or "@" in (url.host or ""):
        raise StorageError(
            "a database address cannot be read; give postgresql://user:password@host:port/database,"
            " with %40 for @ and %2F for / in a password"
        )
    if url.drivername == "sqlite" and url.database:
        return url.set(database=str(Path(url.database).absolute()))
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg2"):
        return url.set(drivername="postgresql+psycopg2")
    raise StorageError(
        f"records are kept on SQLite or PostgreSQL, not on {url.drivername!r}; give a file or "
        "postgresql://user@host/database"
    )


def _reopened(address: str, schema: Schema, private: bool, wait: float, create: bool) -> Database:
    return Database(address, schema, private=private, wait=wait, create=create)


def _engine_of_server(url: URL, wait: float) -> sa.Engine:
    try:
        engine = sa.create_engine(url, pool_size=4, connect_args={"connect_timeout": 10})
    except ImportError as error:
        raise StorageError(
            "PostgreSQL needs the extra: pip install 'synthgrid_assets[postgres]'"
        ) from error

    @event.listens_for(engine, "connect")
    def settle(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")  # a server may have it off
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{_IDLE}'")
            cursor.execute(f"SET lock_timeout = '{int(wait * 1000)}ms'")
        connection.commit()

    @event.listens_for(engine, "checkin")
    def rest(connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def revive(connection: Any, record: Any, proxy: Any) -> None:
        since = record.info.get("rests_since", math.inf)  # a new one needs no question
        if time.monotonic() - since > _FRESH and not _answers(engine, connection):
            raise sa.exc.DisconnectionError  # the pool tries another one

    return engine


def _answers(engine: sa.Engine, connection: Any) -> bool:
    """Whether a connection still has its server, which may have been restarted."""
    try:
        return bool(engine.dialect.do_ping(connection))
    except engine.dialect.loaded_dbapi.Error:
        return False
