"""What others ask of an audit log: the record of a file, what it refers to, the signed root.

Belongs here: the small face for viewers and reports. Not here: verification, which reads all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from synthgrid_assets.audit.log import AuditLog, AuditRecord, world_logs
from synthgrid_assets.audit.proof import Proof, prove
from synthgrid_assets.audit.signed_note import Checkpoint, VerifierKey
from synthgrid_assets.errors import AuditError
from synthgrid_assets.storage.commit_records import digest_of
from synthgrid_assets.storage.layout import Layout


@dataclass(frozen=True)
class FileRecord:
    """What the log says of a file.

    Parameters
    ----------
    index : int
        The record's place.
    body : dict
        What it says.
    context : dict or None
        The record of the layer that it refers to: versions, seeds, inputs.
    log : str
        The log's address.
    """

    index: int
    body: dict[str, Any]
    context: dict[str, Any] | None
    log: str


@dataclass(frozen=True)
class Root:
    """A world's signed root, and how others verify it.

    Parameters
    ----------
    checkpoint : Checkpoint
    key : VerifierKey
        As it lies beside the log.
    note : str
        The signed text itself.
    address : str
        Of the log.
    """

    checkpoint: Checkpoint
    key: VerifierKey
    note: str
    address: str

    @property
    def how_to_verify(self) -> str:
        """The command that verifies all of it."""
        return f"synthgrid audit verify {self.checkpoint.origin.split('/')[-2]}"


def record_of(layout: Layout, file: str) -> FileRecord | None:
    """The newest record of a file; None if no log has one.

    Parameters
    ----------
    layout : Layout
    file : str
        Key of the file in the store, as a receipt's `path`.
    """
    found = _newest(layout, file)
    if found is None:
        return None
    log, record = found
    context = _context(log, record.index, str(record.body.get("context", "")))
    return FileRecord(record.index, record.body, context, log.address)


def signed_root(layout: Layout, world: str) -> Root | None:
    """The root of the log that goes on; None if the world has no log."""
    logs = world_logs(layout, world)
    if not logs:
        return None
    log = logs[-1]
    return Root(log.checkpoint, log.verifier, log.note, log.address)


def proof_of(layout: Layout, file: str) -> Proof:
    """The proof of a file's newest record.

    Raises
    ------
    AuditError
        If no log has one.
    """
    found = _newest(layout, file)
    if found is not None:
        return prove(found[0], found[0].verifier, file)
    raise AuditError(
        f"no audit log in {layout.store.url} has a record of {file}; `synthgrid audit verify "
        "WORLD` tells whether records wait for the next run"
    )


def _newest(layout: Layout, file: str) -> tuple[AuditLog, AuditRecord] | None:
    """The newest record of a file, and its log."""
    found = [(log, log.last_of(file)) for log in world_logs(layout, file.partition("/")[0])]
    there = [(log, record) for log, record in found if record is not None]
    return max(there, key=lambda one: one[1].moment, default=None)


def _context(log: AuditLog, index: int, digest: str) -> dict[str, Any] | None:
    """The record before a place that a digest names."""
    if not digest:
        return None
    for number in range(index // 256, -1, -1):
        for at, entry in reversed(list(enumerate(log.bundle(number), start=number * 256))):
            if at < index and b'"kind":"layer"' in entry:
                found = log.record(at)
                if digest_of(found.text) == digest:
                    return found.body
    return None
