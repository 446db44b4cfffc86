"""Schemas of records: their tables, their versions and the steps from one to the next.

Belongs here: how a version is stamped, compared and raised. Not here: any table.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from synthgrid_assets.errors import StorageError

Step = Callable[[sa.Connection], None]
_VERSIONS = "synthgrid_schema"  # PostgreSQL's table of stamps; SQLite has a number in the file


@dataclass(frozen=True)
class Schema:
    """The tables of one kind of record.

    Parameters
    ----------
    name : str
        What the record is, as ``journal``: in messages, and its stamp on PostgreSQL.
    steps : tuple of callable
        Step i makes version i + 1 out of version i, inside a transaction; a new database
        takes all of them, so that a new and a raised one cannot differ. Functions of
        modules, as a `Database` may be pickled.
    tables : tuple of str
        Tables that the newest version has: what tells it from another program's file.
    remedy : str
        What somebody should do whose file is damaged, as the end of a sentence.
    reads : int, optional
        The oldest version that can be read as it lies, where it cannot be raised; by default
        the newest.

    Examples
    --------
    >>> def first(connection):
    ...     connection.exec_driver_sql("CREATE TABLE note(text TEXT)")
    >>> Schema("notebook", (first,), ("note",), "restore a backup").version
    1
    """

    name: str
    steps: tuple[Step, ...]
    tables: tuple[str, ...]
    remedy: str
    reads: int = 0

    @property
    def version(self) -> int:
        """Version that this program reads and writes."""
        return len(self.steps)

    @property
    def lock_key(self) -> int:
        """Key of the advisory lock that stands for the whole record on PostgreSQL."""
        digest = hashlib.sha256(f"synthgrid {self.name}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def check(self, found: int, tables: set[str], where: str) -> bool:
        """Whether a database has this version; False if steps are missing.

        Parameters
        ----------
        found : int
            Its stamp, 0 without one.
        tables : set of str
            Its tables.
        where : str
            Its address, for messages.

        Raises
        ------
        StorageError
            If it is newer than this program, or not a record of this kind.
        """
        if found > self.version:
            raise StorageError(
                f"the {self.name} {where} has schema version {found}, this program reads "
                f"{self.version}; use the version of synthgrid_assets that wrote it, or a newer one"
            )
        missing = sorted(set(self.tables) - tables)
        if found == self.version and missing:
            raise StorageError(
                f"{where} is not a {self.name}: it has no table {', '.join(missing)}; {self.remedy}"
            )
        if found == 0 and set(self.tables) & tables:
            raise StorageError(
                f"{where} has tables of a {self.name} but no schema version; {self.remedy}"
            )
        return found == self.version

    def raise_version(self, connection: sa.Connection, found: int) -> None:
        """Take the missing steps and stamp the result, inside the caller's transaction."""
        for step in self.steps[found:]:
            step(connection)
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"PRAGMA user_version = {self.version}")
        else:
            connection.execute(
                sa.text(
                    f"INSERT INTO {_VERSIONS} VALUES (:name, :version) "
                    "ON CONFLICT (name) DO UPDATE SET version = excluded.version"
                ),
                {"name": self.name, "version": self.version},
            )

    def stamp(self, connection: sa.Connection) -> int:
        """The version that a database claims; 0 for a new one."""
        if connection.dialect.name == "sqlite":
            return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if _VERSIONS not in table_names(connection):
            return 0
        query = sa.text(f"SELECT version FROM {_VERSIONS} WHERE name = :name")
        return int(connection.execute(query, {"name": self.name}).scalar() or 0)


def make_stamps(connection: sa.Connection) -> None:
    """Make PostgreSQL's table of versions, inside the caller's transaction."""
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS {_VERSIONS} (name TEXT PRIMARY KEY, version INTEGER NOT NULL)"
    )


def table_names(connection: sa.Connection) -> set[str]:
    """Tables in a database, on PostgreSQL in the current schema."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    else:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    return set(connection.exec_driver_sql(query).scalars())


def statements(script: str) -> Iterator[str]:
    """Single statements of an SQL script, triggers kept whole: for use in a transaction.

    Examples
    --------
    >>> list(statements("CREATE TABLE a(x INT); CREATE TABLE b(y INT);"))
    ['CREATE TABLE a(x INT);', 'CREATE TABLE b(y INT);']
    """
    statement = ""
    for piece in script.split(";")[:-1]:
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
