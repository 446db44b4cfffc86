"""Whether a world's logs, the journal and the files still agree; each fault names its record.

Belongs here: the comparison. Not here: a log by itself (`log_check`), proofs of single files
(`proof`), mending (`reports.upkeep`).

What can be shown depends on what one knows from elsewhere. The signed root binds every
record; the roots remembered beside the key, or a checkpoint that somebody kept, bind the
root; the records bind the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from synthgrid_assets.audit.kept_notes import KeptNote, open_kept
from synthgrid_assets.audit.keys import find_key
from synthgrid_assets.audit.log import AuditLog, AuditRecord, world_logs
from synthgrid_assets.audit.log_check import AuditFault, LogCheck
from synthgrid_assets.audit.memory import Memory
from synthgrid_assets.audit.signed_note import Checkpoint, VerifierKey
from synthgrid_assets.errors import AuditError, DamageError
from synthgrid_assets.storage.commit_records import file_of
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.store import FileFacts, Store, file_facts

_READERS = 4
_GROUP = 512


@dataclass
class AuditReport:
    """What a verification found.

    Attributes
    ----------
    world : str
    faults : list of AuditFault
    checkpoint : Checkpoint or None
        Of the log that goes on; None without a log.
    key : VerifierKey or None
        That signed it.
    records, files : int
        How many were read and compared.
    waiting : int
        Records that are in no log yet: the next run puts them there.
    told : list of str
        What is no fault and should be known.
    """

    world: str
    faults: list[AuditFault] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    key: VerifierKey | None = None
    records: int = 0
    files: int = 0
    waiting: int = 0
    told: list[str] = field(default_factory=list)


def verify_world(
    layout: Layout,
    world: str,
    *,
    key: VerifierKey | None = None,
    known: Iterable[Checkpoint] = (),
    kept: Iterable[KeptNote] = (),
    first: int = 0,
) -> AuditReport:
    """Verify a world's logs, and the data against them.

    Parameters
    ----------
    layout : Layout
    world : str
    key : VerifierKey, optional
        Whose log it must be; by default the data root's own key, or without one what lies
        beside the log, which proves less and is told.
    known : iterable of Checkpoint
        Roots known from elsewhere, which the logs must continue.
    kept : iterable of KeptNote
        Signed roots that others hold, who may have been tampered with themselves.
    first : int
        Records before this one of the latest log are not read, nor their files: the root
        still binds them.
    """
    report = AuditReport(world)
    logs = world_logs(layout, world)
    opened, changed = _open_kept(layout, world, logs, kept)
    report.faults += changed
    roots = [*Memory(layout).roots(world), *known, *opened]
    latest: dict[str, AuditRecord] = {}
    present: set[str] = set()
    for log in logs:
        is_last = log is logs[-1]
        try:
            signer = _signer(layout, log, key if is_last else None, report)
            report.checkpoint, report.key = log.open_by(signer), signer
            present.add(report.checkpoint.origin)
            check = LogCheck(log, first if is_last else 0)
            report.faults += check.faults(roots)
        except (AuditError, DamageError) as error:
            report.faults.append(AuditFault(None, "", f"{log.address}: {error}"))
        else:
            report.records += check.read
            for file, record in check.latest.items():  # hosts may each have a key and a log
                if file not in latest or latest[file].moment <= record.moment:
                    latest[file] = record
    _tell_lost(report, roots, present)
    if layout.may_have_records:
        with Journal(layout) as journal:
            _compare_journal(report, journal, latest, whole=first == 0)
    report.faults += _file_faults(layout.store, latest, report)
    return report


def _open_kept(
    layout: Layout, world: str, logs: Sequence[AuditLog], kept: Iterable[KeptNote]
) -> tuple[list[Checkpoint], list[AuditFault]]:
    """Roots that others hold, by the keys that must have signed them."""
    own, keys = find_key(layout.root), {}
    for log in logs:
        with suppress(AuditError, DamageError):  # which is told where the log is read
            keys[log.checkpoint.origin] = _signer(layout, log, None, AuditReport(world))
    return open_kept(world, kept, keys, own.of_log(own.name) if own else None)


def _signer(
    layout: Layout, log: AuditLog, asked: VerifierKey | None, report: AuditReport
) -> VerifierKey:
    """The key that must have signed a log."""
    own = find_key(layout.root)
    origin = log.checkpoint.origin
    if asked is not None:
        return VerifierKey(origin, asked.public)
    if own is not None and origin.startswith(f"{own.name}/"):
        return own.of_log(origin)
    found = log.verifier
    report.told.append(
        f"{log.address} is signed by {found}, which is not this data root's key: compare it with "
        "what its owner has published"
    )
    return found


def _tell_lost(report: AuditReport, roots: Sequence[Checkpoint], present: set[str]) -> None:
    """Logs that were signed here and are not there any more."""
    for origin, root in {root.origin: root for root in roots}.items():
        if origin in present:
            continue
        text = f"the log {origin} with {root.size} records is gone"
        if report.checkpoint is None and not report.faults:
            report.faults.append(AuditFault(0, "", f"{text}; restore it from a backup"))
        else:
            report.told.append(f"{text}; whoever has a copy or a proof of it can tell")


def _compare_journal(
    report: AuditReport, journal: Journal, latest: dict[str, AuditRecord], *, whole: bool
) -> None:
    """Committed tiles without a record, or with another one; records that still wait."""
    waiting: set[str] = set()
    after = 0
    while rows := journal.outbox.waiting(report.world, after):
        waiting.update(file_of(row.record) for row in rows)
        report.waiting += len(rows)
        after = rows[-1].sequence
    for receipt in journal.of_world(report.world):
        record = latest.get(receipt.path)
        if receipt.path in waiting:
            latest.pop(receipt.path, None)  # its record is older than its file
        elif record is None and whole and report.checkpoint is not None:
            problem = f"{receipt.path} is committed, and no record of the log is about it"
            report.faults.append(AuditFault(None, receipt.path, f"{problem}; restore a backup"))
        elif record is not None and _told(record) != (receipt.sha256, receipt.digest):
            problem = f"{record.name} and the journal differ on what {receipt.path} holds"
            report.faults.append(AuditFault(record.index, receipt.path, problem))


def _told(record: AuditRecord) -> tuple[str, str]:
    return str(record.body.get("sha256")), str(record.body.get("digest"))


def _file_faults(
    store: Store, latest: dict[str, AuditRecord], report: AuditReport
) -> Iterator[AuditFault]:
    """Files that are not what their last record says; read some at a time."""
    rest = (record for record in latest.values() if record.kind == "tile")
    with ThreadPoolExecutor(_READERS) as readers:  # hashing lets go of the interpreter
        while group := list(islice(rest, _GROUP)):
            report.files += len(group)
            found = readers.map(lambda record: _facts(store, record.file), group)
            for record, facts in zip(group, found, strict=True):
                if problem := _problem(store, record, facts):
                    yield AuditFault(record.index, record.file, problem)


def _facts(store: Store, key: str) -> FileFacts | None:
    try:
        return file_facts(store, key)
    except DamageError:
        return None


def _problem(store: Store, record: AuditRecord, found: FileFacts | None) -> str:
    address, body = store.address(record.file), record.body
    if found is None:
        return f"{record.name}: {address} is missing; materialise the tile again"
    if (found.sha256, found.size) == (body.get("sha256"), body.get("bytes")):
        return ""
    return (
        f"{record.name}: {address} has {found.size} bytes with SHA-256 {found.sha256}, recorded "
        f"are {body.get('bytes')} with {body.get('sha256')}; materialise the tile again"
    )
