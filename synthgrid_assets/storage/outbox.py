"""Records on their way to the audit log: in the journal's own transactions, so none is lost.

Belongs here: the table, and taking records off it. Not here: what they say
(`commit_records`), the log (`audit`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

from synthgrid_assets.records.database import Database

TABLE = "audit_outbox"
_NUMBER = {
    "sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "postgresql": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
}
_INSERT = f"INSERT INTO {TABLE} (world, record) VALUES"
# in the drivers' own words: a transaction of a few tiles would pay more for the translation
_ADD = {"sqlite": f"{_INSERT} (?, ?)", "postgresql": f"{_INSERT} (%s, %s)"}
_WAITING = sa.text(
    f"SELECT sequence, record FROM {TABLE} WHERE world = :world AND sequence > :after "
    "ORDER BY sequence LIMIT :most"
)
_SEALED = sa.text(f"DELETE FROM {TABLE} WHERE sequence = :sequence")
_WORLDS = sa.text(f"SELECT DISTINCT world FROM {TABLE} ORDER BY world")


def make_table(connection: sa.Connection) -> None:
    """Make the table: a step of the journal's schema."""
    columns = f"sequence {_NUMBER[connection.dialect.name]}, world TEXT NOT NULL, record TEXT"
    connection.exec_driver_sql(f"CREATE TABLE {TABLE} ({columns} NOT NULL)")
    connection.exec_driver_sql(f"CREATE INDEX {TABLE}_by_world ON {TABLE} (world, sequence)")


class Waiting(NamedTuple):
    """A record that no log has yet, and its place among those."""

    sequence: int
    record: str


class Outbox:
    """The records of a journal that wait for the log of their world.

    Parameters
    ----------
    database : Database
        The journal's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @staticmethod
    def add(connection: sa.Connection, records: Iterable[tuple[str, str]]) -> None:
        """Put records, each of a world, into a transaction of the journal."""
        rows = list(records)
        if rows:
            connection.exec_driver_sql(_ADD[connection.dialect.name], rows)

    def note(self, world: str, records: Iterable[str]) -> None:
        """Have the log of a world say something by itself, as a decision; durable at once."""
        told = [(world, record) for record in records]
        if told:
            with self._database.writing(exclusive=False) as connection:
                self.add(connection, told)

    def waiting(self, world: str, after: int = 0, most: int = 10_000) -> list[Waiting]:
        """The first of a world's records, in the order in which they were committed.

        Parameters
        ----------
        world : str
        after : int
            A sequence; only what comes behind it.
        most : int
            How many, at most.
        """
        if not self._is_there():
            return []
        key = {"world": world, "after": after, "most": most}
        with self._database.reading() as connection:
            return [Waiting(*row) for row in connection.execute(_WAITING, key)]

    def sealed(self, rows: Iterable[Waiting]) -> None:
        """Forget these records: the log has them.

        Each by itself: on a server one with a smaller number may have been committed since.
        """
        numbers = [{"sequence": row.sequence} for row in rows]
        if numbers:
            with self._database.writing(exclusive=False) as connection:
                connection.execute(_SEALED, numbers)

    def worlds(self) -> list[str]:
        """Worlds that have records here."""
        if not self._is_there():
            return []
        with self._database.reading() as connection:
            return list(connection.execute(_WORLDS).scalars())

    def _is_there(self) -> bool:
        """A journal of an earlier version that cannot be written has no such table."""
        with self._database.reading() as connection:
            return bool(sa.inspect(connection).has_table(TABLE))
