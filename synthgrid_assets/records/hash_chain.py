"""The append-only, hash-chained table behind every private release.

Belongs here: the entries' hashes and their order. Not here: the tables (`chain_schema`),
transactions (`database`), what an entry means (`release_record`, `budget`, `snapshot_guard`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from synthgrid_assets.errors import AuditError, StorageError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.records.chain_schema import CHAIN
from synthgrid_assets.records.database import Database, database_url
from synthgrid_assets.records.hot import first, insert, rows

GENESIS = "0" * 64  # what the first entry names as its predecessor
WAIT_SECONDS = 120.0  # for another process's write; a charge of 4096 blocks takes under one
_COLUMNS = (
    "sequence, kind, scope, key, block, cost_pico_epsilon, body, payload, recorded_at, "
    "previous, hash"
)
# what was drawn may be long: it is read of those entries alone that answer
_SHORT = _COLUMNS.replace("payload", "CASE kind WHEN 'budget' THEN payload ELSE '' END")
_FIND = f"SELECT {_COLUMNS} FROM entry WHERE key IN (:keys)"
_AT = f"SELECT {_COLUMNS} FROM entry WHERE sequence IN (:places)"
_HASHES = "SELECT sequence, hash FROM entry WHERE sequence IN (:places)"
_OF_SCOPES = (
    "WITH asked(asked_scope, least, form) AS (VALUES :asked) "
    f"SELECT {_SHORT} FROM asked JOIN entry ON scope = asked_scope "
    "WHERE scope IN (:scopes) AND (kind = 'budget' OR "
    "(kind = 'release' AND cost_pico_epsilon >= least AND body LIKE form))"
)
_LAST = "SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1"
_AFTER = f"SELECT {_COLUMNS} FROM entry WHERE sequence > :after ORDER BY sequence"


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

    @property
    def anchor(self) -> Anchor:
        """Its place and hash."""
        return Anchor(self.sequence, self.hash)

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
    """One record. Nothing is opened or made before it is used.

    Parameters
    ----------
    location : Path or str
        A file, or the address of a database (`records.database`).
    """

    def __init__(self, location: Path | str) -> None:
        self._location = location
        name = database_url(location).database
        self.path = Path(name) if name and "sqlite" in database_url(location).drivername else None
        self._kept: Database | None = None

    @property
    def exists(self) -> bool:
        """Whether anything was ever recorded here; a server's record always exists."""
        return self.path is None or self.path.exists()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent state of the record.

        Raises
        ------
        StorageError
            If the record is missing or damaged.
        """
        if not self.exists:
            raise StorageError(
                f"there is no record of releases at {self.path}; if there were releases, restore "
                "it from a backup before anything is released again"
            )
        with self._opened() as database, database.reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A write transaction: alone among all processes, on disk when the block ends.

        Raises
        ------
        StorageError
            If the record cannot be written, or other processes hold it for too long.
        """
        with self._opened() as database, database.writing() as connection:
            yield connection

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Many transactions on one opened database; the record is made if it is missing."""
        with self._database() as self._kept:
            try:
                yield
            finally:
                self._kept = None

    def _opened(self) -> AbstractContextManager[Database]:
        """Opened for one transaction: between two, the file is all there is, and can be copied."""
        return self._database() if self._kept is None else nullcontext(self._kept)

    def _database(self) -> Database:
        return Database(self._location, CHAIN, private=True, wait=WAIT_SECONDS)


def find(connection: sa.Connection, keys: Sequence[str]) -> dict[str, Entry]:
    """The entries of those `keys` that are recorded, each checked against its hash."""
    found = rows(connection, _FIND, keys=[(key,) for key in keys]) if keys else ()
    return {entry.key: entry.check() for entry in (Entry(*row) for row in found)}


def at(connection: sa.Connection, sequences: Iterable[int]) -> dict[int, Entry]:
    """The entries at some places, unchecked: whoever uses one checks it."""
    places = [(sequence,) for sequence in sequences]
    found = rows(connection, _AT, places=places) if places else ()
    return {row[0]: Entry(*row) for row in found}


def of_scopes(connection: sa.Connection, asked: Iterable[tuple[str, int, str]]) -> list[Entry]:
    """Budgets and releases of some scopes in their order, unchecked.

    Releases come without their payload, which may be long: one that is used is read whole (`at`).

    Parameters
    ----------
    connection : sqlalchemy.Connection
    asked : iterable of (str, int, str)
        Scope, least charge of its releases, and what SQL's LIKE finds in their bodies.
    """
    lines = list(asked)
    # named twice: PostgreSQL would read the whole table for a list that it joins
    scopes = [(scope,) for scope in dict.fromkeys(line[0] for line in lines)]
    found = {row[0]: row for row in rows(connection, _OF_SCOPES, asked=lines, scopes=scopes)}
    return [Entry(*found[sequence]) for sequence in sorted(found)]


def hashes_at(connection: sa.Connection, sequences: Iterable[int]) -> dict[int, str]:
    """Hashes of the entries at some places; none beyond the chain's end."""
    places = [(sequence,) for sequence in sequences]
    return dict(rows(connection, _HASHES, places=places)) if places else {}


def append(connection: sa.Connection, drafts: Iterable[Draft]) -> list[Entry]:
    """Chain new entries after the last one, inside the caller's write transaction."""
    entries = chained(drafts, last(connection))
    write(connection, entries)
    return entries


def chained(drafts: Iterable[Draft], head: Anchor) -> list[Entry]:
    """Drafts as entries after `head`, which is the chain's end in an open write transaction."""
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
        head = entry.anchor
    return entries


def write(connection: sa.Connection, entries: Sequence[Entry]) -> None:
    """Put chained entries into the table, in the transaction whose last entry they follow."""
    insert(connection, "entry", [vars(entry) for entry in entries])


def last(connection: sa.Connection) -> Anchor:
    """The chain's end; ``(0, GENESIS)`` for an empty record."""
    row = first(connection, _LAST)
    return Anchor(*row) if row else Anchor(0, GENESIS)


def walk(
    connection: sa.Connection,
    after: Anchor = Anchor(0, GENESIS),  # noqa: B008 - immutable
) -> Iterator[Entry]:
    """Every entry in order, each checked against its content and its predecessor.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    after : Anchor
        An entry that is known to be sound: only those behind it are looked at.

    Raises
    ------
    AuditError
        At the first entry that was changed, removed or put in.
    """
    before = after
    for row in rows(connection, _AFTER, after=after.sequence):
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
        before = entry.anchor
