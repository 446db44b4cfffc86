"""One log against its signed root, and against roots that are known from elsewhere.

Belongs here: which record is not the one that was signed, and what became of it. Not here:
the data that records are about (`verification`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synthgrid_assets.audit.hash_tiles import WIDTH, HashTiles, bundle_names, grown
from synthgrid_assets.audit.log import START, AuditLog, AuditRecord
from synthgrid_assets.audit.merkle import root_of
from synthgrid_assets.audit.signed_note import Checkpoint
from synthgrid_assets.errors import AuditError, DamageError


@dataclass(frozen=True)
class AuditFault:
    """Something that is not as it was recorded.

    Parameters
    ----------
    record : int or None
        Index of the record at fault, where it is one.
    file : str
        Key of the file that it is about; empty if it is about none.
    problem : str
        What was found, where, and what to do.
    """

    record: int | None
    file: str
    problem: str


class LogCheck:
    """Reads a log once; `faults` tells what is wrong with it.

    Parameters
    ----------
    log : AuditLog
    first : int
        Records before the bundle of this one are not read; their hashes are.

    Attributes
    ----------
    latest : dict of str to AuditRecord
        The last record about each file, among those that were read.
    read : int
        Records read.
    """

    def __init__(self, log: AuditLog, first: int = 0) -> None:
        self.latest: dict[str, AuditRecord] = {}
        self.read = 0
        self._log, self._first = log, min(first, log.size) // WIDTH * WIDTH
        self._broken: list[AuditFault] = []  # bundles that are no entries, and broken links
        self._signed = self._leaves_of_tiles()
        self._leaves = self._leaves_of_entries()

    def faults(self, known: Sequence[Checkpoint] = ()) -> Iterator[AuditFault]:
        """What is wrong.

        Parameters
        ----------
        known : sequence of Checkpoint
            Roots known from elsewhere; those of other logs are passed over.
        """
        log, checkpoint = self._log, self._log.checkpoint
        flat = [leaf for row in self._leaves for leaf in row]
        of_log = [root for root in known if root.origin == checkpoint.origin]
        yield from self._taken_back(of_log)
        if len(flat) == checkpoint.size and root_of(flat) == checkpoint.root:
            yield from self._tile_faults(flat)
            yield from self._broken
            yield from self._rewritten(of_log, flat)
            return
        signed = [leaf for row in self._signed for leaf in row]
        if len(signed) == checkpoint.size and root_of(signed) == checkpoint.root:
            known_leaves = set(signed)
            for number, (row, leaves) in enumerate(zip(self._signed, self._leaves, strict=True)):
                if row != leaves:
                    yield from self._differences(number, row, leaves, known_leaves)
            yield from self._rewritten(of_log, signed)
            return
        good = max((root.size for root in of_log if _agrees(flat, root)), default=0)
        yield AuditFault(
            good,
            "",
            f"neither records nor hashes of {log.address} add up to the root that was signed: "
            f"records from {good} to {checkpoint.size - 1} may have been written anew; restore a "
            "backup",
        )
        yield from self._broken

    def _leaves_of_tiles(self) -> list[list[bytes]]:
        """Hashes of entries as they are stored, by bundle; of a broken tile none."""
        tiles = HashTiles(self._log.read, self._log.size)
        rows = []
        for number, _, _ in bundle_names(self._log.size):
            try:
                rows.append(tiles.tile(0, number))
            except (AuditError, DamageError):
                rows.append([])
        return rows

    def _leaves_of_entries(self) -> list[list[bytes]]:
        """Hashes of entries as they lie there; before `first` those that are stored."""
        done = self._first // WIDTH
        rows = self._signed[:done]
        previous = rows[-1][-1].hex() if rows and rows[-1] else START
        for number, name, _ in bundle_names(self._log.size, self._first):
            start, entries = number * WIDTH, []
            try:
                entries = self._log.bundle(number)
            except (AuditError, DamageError) as error:
                self._broken.append(AuditFault(start, "", f"{name}: {error}; restore a backup"))
            records = [AuditRecord(start + at, entry) for at, entry in enumerate(entries)]
            self.read += len(records)
            previous = self._follow(records, previous)
            rows.append([record.hash for record in records])
        return rows

    def _follow(self, records: list[AuditRecord], previous: str) -> str:
        """Note records that do not continue the one before, and the last about each file."""
        for record in records:
            try:
                body = record.body
            except AuditError as error:
                self._broken.append(AuditFault(record.index, "", f"{error}; restore a backup"))
                body = {}
            if body and (body.get("index") != record.index or body.get("previous") != previous):
                problem = f"record {record.index} does not follow record {record.index - 1}"
                self._broken.append(
                    AuditFault(record.index, record.file, f"{problem} in {self._log.address}")
                )
            if body.get("file"):
                self.latest[record.file] = record
            previous = record.hash.hex()
        return previous

    def _taken_back(self, known: list[Checkpoint]) -> Iterator[AuditFault]:
        size = self._log.size
        longest = max(known, key=lambda root: root.size, default=None)
        if longest is not None and longest.size > size:
            yield AuditFault(
                size,
                "",
                f"the log was taken back: its checkpoint ends before record {size}, but a root "
                f"over {longest.size} records was signed{_kept_by(longest)}; restore "
                f"{self._log.address} from a backup",
            )

    def _rewritten(self, known: list[Checkpoint], leaves: Sequence[bytes]) -> Iterator[AuditFault]:
        for root in sorted(known, key=lambda root: root.size):
            if root.size <= len(leaves) and not _agrees(leaves, root):
                yield AuditFault(
                    None,
                    "",
                    f"the first {root.size} records of {self._log.address} are not those whose "
                    f"root {root.root.hex()} was signed{_kept_by(root)}: the log was written anew; "
                    "restore a backup",
                )
                return

    def _tile_faults(self, leaves: list[bytes]) -> Iterator[AuditFault]:
        """Stored hashes that are not those of the records, which are as they were signed."""
        for name, data in grown(HashTiles(self._log.read, 0), leaves).items():
            try:
                found = self._log.read(name)
            except DamageError:
                found = b""
            if found != data:
                problem = f"the hashes in {name} are not those of the records, which are whole"
                yield AuditFault(None, "", f"{problem}; restore {self._log.address}/{name}")

    def _differences(
        self, number: int, signed: list[bytes], found: list[bytes], expected: set[bytes]
    ) -> Iterator[AuditFault]:
        """Each record of a bundle that is not the one that was signed, and what became of it."""
        start, places = number * WIDTH, {value: at for at, value in enumerate(found)}
        for at, value in enumerate(signed):
            index, where = start + at, places.get(value)
            if found[at : at + 1] == [value]:
                continue
            if where is None and (at >= len(found) or found[at] in expected):
                yield self._fault(index, f"record {index} was removed")
            elif where is None:
                yield self._fault(index, f"record {index} was changed after it was signed", at)
            elif len(found) == len(signed):
                text = f"record {index} was moved to the place of record {start + where}"
                yield self._fault(index, text, where)
        if len(found) > len(signed):
            for at, value in enumerate(found):
                if value not in expected:
                    text = f"a record was put in at the place of record {start + at}"
                    yield self._fault(start + at, text, at)

    def _fault(self, index: int, problem: str, at: int | None = None) -> AuditFault:
        """A fault, with the file that the record at a place of its bundle names."""
        file = ""
        if at is not None:
            entries = self._log.bundle(index // WIDTH)
            try:
                file = AuditRecord(index, entries[at]).file
            except AuditError:  # what was written over it is no record
                file = ""
        return AuditFault(index, file, f"{problem}, in {self._log.address}; restore a backup")


def _kept_by(root: Checkpoint) -> str:
    return f" and is kept by {root.where}" if root.where else ""


def _agrees(leaves: Sequence[bytes], root: Checkpoint) -> bool:
    return root.size <= len(leaves) and root_of(leaves[: root.size]) == root.root
