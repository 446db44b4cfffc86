"""Sealing: records that wait in the journal become entries of their world's log.

Belongs here: the order of steps that makes a kill at any instant harmless. Not here: the
log's files (`log`), what the records say (`storage.commit_records`).

Under a lock: entries and hashes are written, then the signed checkpoint, then the journal
forgets the records, then the root is remembered beside the key. A process that is killed
before the checkpoint leaves everything waiting; one killed after it leaves records waiting
that the log's end has already, which the next sealing sees.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice

import sqlalchemy as sa

from synthgrid_assets.audit.keys import AuditKey, key_folder, make_key
from synthgrid_assets.audit.log import START, AuditLog, placed, world_logs
from synthgrid_assets.audit.memory import Memory
from synthgrid_assets.audit.merkle import leaf_hash
from synthgrid_assets.audit.signed_note import Checkpoint
from synthgrid_assets.errors import AuditError, SynthGridWarning
from synthgrid_assets.storage.commit_records import decision_record, file_of, tile_record
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.outbox import Waiting

BATCH = 16_384  # records that are held in memory at a time
_LOCK = "audit.lock"
_SERVER_LOCK = 0x5359_4E54_4155_4449  # among the advisory locks of a server's database


def seal_all(layout: Layout) -> dict[str, Checkpoint]:
    """Seal what waits in a data root; the new root of each world that had something."""
    if not layout.may_have_records:
        return {}
    with Journal(layout) as journal:
        return {world: seal(journal, world) for world in journal.outbox.worlds()}


def seal(journal: Journal, world: str) -> Checkpoint:
    """Put a world's waiting records into its log; the log's signed root.

    A world without a log gets one, which begins with everything that is committed.

    Parameters
    ----------
    journal : Journal
    world : str

    Raises
    ------
    AuditError
        If the log is not what was signed, or the key cannot be used. The records wait.
    StorageError
        If files cannot be written. The records wait.
    """
    layout = journal.layout
    key = make_key(layout.root)
    with _alone(journal):
        log, origin = _current(layout, world, key)
        preface = [] if log.exists else _begin(journal, world, origin)
        if log.exists:
            _forget_sealed(journal, world, log)
        rows = journal.outbox.waiting(world, most=BATCH)
        while rows or preface:
            log = _add(log, [*preface, *(row.record for row in rows)], key, origin)
            preface = []
            journal.outbox.sealed(rows)
            rows = journal.outbox.waiting(world, most=BATCH) if rows else []
        Memory(layout).remember(world, log.checkpoint)
        return log.checkpoint


def _current(layout: Layout, world: str, key: AuditKey) -> tuple[AuditLog, str]:
    """The log of this key that goes on, with its origin; a new one if it has none yet."""
    logs = world_logs(layout, world)
    for log in reversed(logs):
        origin = log.checkpoint.origin
        # a checkpoint of this key's name that it has not signed is a forgery, and an error
        if origin.startswith(f"{key.name}/"):
            log.open_by(key.of_log(origin))
            return log, origin
    prefix = f"{layout.audit(world)}/{len(logs) + 1}"
    return AuditLog(layout.store, prefix), f"{key.name}/{world}/{secrets.token_hex(4)}"


def _begin(journal: Journal, world: str, origin: str) -> list[str]:
    """A log's first record; what was committed before it waits in the journal from now on."""
    earlier = Memory(journal.layout).latest(world)
    if logs := world_logs(journal.layout, world):
        warnings.warn(
            f"{world}: a new audit log begins, as {key_folder(journal.layout.root)} does not hold "
            f"the key of {logs[-1].address}; if it was not replaced on purpose, restore a backup",
            SynthGridWarning,
            stacklevel=3,
        )
    facts = {"world": world, "origin": origin}
    if earlier is not None:
        facts |= {"after": earlier.origin, "after_root": earlier.root.hex()}
    waiting = {file_of(row.record) for row in _all_waiting(journal, world)}
    found = (tile_record(r) for r in journal.of_world(world) if r.path not in waiting)
    while group := list(islice(found, BATCH)):
        journal.outbox.note(world, group)
    return [decision_record("log", **facts)]


def _all_waiting(journal: Journal, world: str) -> Iterator[Waiting]:
    after = 0
    while rows := journal.outbox.waiting(world, after, BATCH):
        yield from rows
        after = rows[-1].sequence


def _forget_sealed(journal: Journal, world: str, log: AuditLog) -> None:
    """Take off what waits and is in the log: a process was killed between the two."""
    rows = list(_all_waiting(journal, world))
    last = log.record(log.size - 1).text
    if any(row.record == last for row in rows):
        there = {record.text for record in log.records(max(0, log.size - BATCH))}
        journal.outbox.sealed(row for row in rows if row.record in there)


def _add(log: AuditLog, records: Iterable[str], key: AuditKey, origin: str) -> AuditLog:
    index, previous = 0, START
    if log.exists:
        index, previous = log.size, log.record(log.size - 1).hash.hex()
    entries: list[bytes] = []
    for record in records:
        entry = placed(record, index + len(entries), previous)
        entries.append(entry)
        previous = leaf_hash(entry).hex()
    return log.append(entries, key, origin)


@contextlib.contextmanager
def _alone(journal: Journal) -> Iterator[None]:
    """Be the only process that seals for this journal."""
    if not journal.database.is_sqlite:
        with journal.database.reading() as connection:  # the lock ends with the transaction
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SERVER_LOCK})
            yield
        return
    path = journal.layout.private / _LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise AuditError(f"cannot open {path}: {error}; check rights") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
