"""The append-only, hash-chained table behind every private release (SQLite).

Belongs here: the tables, the entries' hashes, and transactions that survive a kill at any
instant. Not here: what an entry means (`release_record`, `budget`, `snapshot_guard`).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from synthgrid_assets.errors import AuditError, StorageError
from synthgrid_assets.lattice.hashing import canonical_json

GENESIS = "0" * 64  # what the first entry names as its predecessor
WAIT_SECONDS = 120.0  # for another process's write; a charge of 4096 blocks takes under one
_SCHEMA_VERSION = 1
_COLUMNS = (
    "sequence, kind, scope, key, block, cost_pico_epsilon, body, payload, recorded_at, "
    "previous, hash"
)
_SCHEMA = """
CREATE TABLE entry(
  sequence INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('release', 'budget')),
  scope TEXT NOT NULL,
  key TEXT NOT NULL UNIQUE,
  block TEXT NOT NULL,
  cost_pico_epsilon INTEGER NOT NULL CHECK (cost_pico_epsilon >= 0),
  body TEXT NOT NULL,
  payload TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  previous TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE
);
CREATE TRIGGER entry_not_updated BEFORE UPDATE ON entry
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER entry_not_deleted BEFORE DELETE ON entry
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
-- INSERT OR REPLACE deletes without firing the trigger above: only the next entry may come
CREATE TRIGGER entry_follows BEFORE INSERT ON entry
  WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM entry)
    OR EXISTS (SELECT 1 FROM entry WHERE key = NEW.key OR hash = NEW.hash)
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;

-- sums of the entries' charges, so that a charge need not add up the whole record
CREATE TABLE spent(
  scope TEXT NOT NULL,
  block TEXT NOT NULL,
  pico_epsilon INTEGER NOT NULL,
  PRIMARY KEY (scope, block)
) WITHOUT ROWID;
CREATE INDEX spent_most ON spent(scope, pico_epsilon DESC);
CREATE TRIGGER spent_charged AFTER INSERT ON entry WHEN NEW.kind = 'release'
  BEGIN
    INSERT INTO spent VALUES (NEW.scope, NEW.block, NEW.cost_pico_epsilon)
    ON CONFLICT(scope, block) DO UPDATE SET pico_epsilon = pico_epsilon + excluded.pico_epsilon;
  END;
CREATE TRIGGER spent_not_lowered BEFORE UPDATE ON spent
  WHEN NEW.pico_epsilon < OLD.pico_epsilon OR NEW.scope <> OLD.scope OR NEW.block <> OLD.block
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER spent_not_deleted BEFORE DELETE ON spent
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;

-- keyed codes of the private data behind a release: never part of what is published
CREATE TABLE guard(key TEXT PRIMARY KEY, code TEXT NOT NULL) WITHOUT ROWID;
CREATE TRIGGER guard_not_updated BEFORE UPDATE ON guard
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER guard_not_deleted BEFORE DELETE ON guard
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""


class Anchor(NamedTuple):
    """An entry's place and hash, kept outside the record: what shows a rollback."""

    sequence: int
    hash: str


class Draft(NamedTuple):
    """An entry before it has a place in the chain."""

    kind: str
    scope: str
    block: str
    cost_pico_epsilon: int
    body: str
    payload: str


@dataclass(frozen=True)
class Entry:
    """One line of the record.

    Attributes
    ----------
    sequence : int
        Place in the chain, from 1.
    kind : str
        ``release`` or ``budget``.
    scope : str
        What a budget is declared for, and this entry is charged to.
    key : str
        SHA-256 of `body`; unique.
    block : str
        Name of the block that is charged; empty for a budget.
    cost_pico_epsilon : int
        The charge, in 1e-12 of epsilon.
    body : str
        Canonical JSON of the public fields.
    payload : str
        Canonical JSON of what was drawn.
    recorded_at : str
        Time in UTC, ISO 8601.
    previous, hash : str
        SHA-256 of the entry before, and of this one with it.
    """

    sequence: int
    kind: str
    scope: str
    key: str
    block: str
    cost_pico_epsilon: int
    body: str
    payload: str
    recorded_at: str
    previous: str
    hash: str

    def digest(self) -> str:
        """What `hash` must be."""
        fields = [self.sequence, self.kind, self.scope, self.key, self.block]
        fields += [self.cost_pico_epsilon, self.body, self.payload, self.recorded_at]
        return sha256(canonical_json([*fields, self.previous]))

    def check(self) -> Entry:
        """The entry itself, or a refusal if it is not what was written.

        Raises
        ------
        AuditError
            If its key or its hash does not match its content.
        """
        if self.key != sha256(self.body) or self.hash != self.digest():
            raise AuditError(
                f"entry {self.sequence} of the record ({self.kind} of {self.scope} "
                f"{self.block}) was changed after it was written: its hash does not match its "
                "content; restore the record from a backup that verifies"
            )
        return self


def sha256(text: str) -> str:
    """Hexadecimal SHA-256 of an ASCII text."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class Chain:
    """One record file. Holds a path and no connection, so it may cross forks and pickles."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent state of the record.

        Raises
        ------
        StorageError
            If the file is missing or damaged.
        """
        if not self.path.exists():
            raise StorageError(
                f"there is no record of releases at {self.path}; if there were releases, restore "
                "it from a backup before anything is released again"
            )
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: alone among all processes, on disk when the block ends.

        Raises
        ------
        StorageError
            If the file cannot be written, or other processes hold it for too long.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        try:
            with closing(_connect(self.path)) as connection:
                connection.execute(begin)
                try:
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise StorageError(
                f"the record of releases at {self.path} cannot be used ({error}); nothing was "
                "released by this call. Check the disk and that no other program holds the file"
            ) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
    try:
        # a release that was handed out must survive a power loss
        connection.execute("PRAGMA synchronous = FULL")
        if _version(connection) != _SCHEMA_VERSION:
            _create(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection, path: Path) -> None:
    _enter_wal(connection, path)
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection)  # another process may have been first
    if version == 0:
        for statement in _statements(_SCHEMA):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    connection.execute("COMMIT")
    if version not in (0, _SCHEMA_VERSION):
        raise StorageError(
            f"the record of releases at {path} has format {version}, this version of "
            f"synthgrid_assets reads format {_SCHEMA_VERSION}; use the version that wrote it"
        )


def _enter_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Set the journal mode; SQLite does not wait for other processes here, so this does."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise StorageError(
            f"the file system of {path} does not support SQLite's write-ahead log (got {mode}); "
            "put the data root on a local disk"
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """Single statements: `executescript` would commit the transaction they belong to."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def find(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Entry]:
    """The entries of those `keys` that are recorded, each checked against its hash."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM entry WHERE key IN (SELECT value FROM json_each(?))",
        (json.dumps(keys),),
    )
    return {entry.key: entry.check() for entry in (Entry(*row) for row in rows)}


def append(connection: sqlite3.Connection, drafts: Iterable[Draft]) -> list[Entry]:
    """Chain new entries after the last one, inside the caller's write transaction."""
    head = last(connection)
    recorded_at = datetime.now(UTC).isoformat(timespec="seconds")
    entries = []
    for draft in drafts:
        unsigned = Entry(
            sequence=head.sequence + 1,
            kind=draft.kind,
            scope=draft.scope,
            key=sha256(draft.body),
            block=draft.block,
            cost_pico_epsilon=draft.cost_pico_epsilon,
            body=draft.body,
            payload=draft.payload,
            recorded_at=recorded_at,
            previous=head.hash,
            hash="",
        )
        entry = replace(unsigned, hash=unsigned.digest())
        entries.append(entry)
        head = Anchor(entry.sequence, entry.hash)
    places = ", ".join("?" * len(_COLUMNS.split(",")))
    connection.executemany(
        f"INSERT INTO entry({_COLUMNS}) VALUES ({places})",
        [tuple(vars(entry).values()) for entry in entries],
    )
    return entries


def last(connection: sqlite3.Connection) -> Anchor:
    """The chain's end; ``(0, GENESIS)`` for an empty record."""
    row = connection.execute(
        "SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return Anchor(*row) if row else Anchor(0, GENESIS)


def walk(connection: sqlite3.Connection) -> Iterator[Entry]:
    """Every entry in order, each checked against its content and its predecessor.

    Raises
    ------
    AuditError
        At the first entry that was changed, removed or put in.
    """
    before = Anchor(0, GENESIS)
    for row in connection.execute(f"SELECT {_COLUMNS} FROM entry ORDER BY sequence"):
        entry = Entry(*row)
        if entry.sequence != before.sequence + 1:
            raise AuditError(
                f"entry {before.sequence + 1} of the record was removed: entry {entry.sequence} "
                "stands in its place; restore the record from a backup that verifies"
            )
        entry.check()
        if entry.previous != before.hash:
            raise AuditError(
                f"entry {entry.sequence} of the record does not continue entry "
                f"{before.sequence}: entry {before.sequence} was changed and hashed again, or "
                f"entry {entry.sequence} was put in; restore the record from a backup that verifies"
            )
        yield entry
        before = Anchor(entry.sequence, entry.hash)
