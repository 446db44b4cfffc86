"""A world's audit log in its store: entries, hashes of its tree, and the signed root.

Belongs here: reading and adding. Not here: which records are added (`sealing`), whether what
lies there is true (`verification`).

Below the log's prefix lie ``checkpoint``, ``vkey``, ``tile/LEVEL/...`` and
``tile/entries/...``, as C2SP's tlog-tiles names them. A file of a full tile never changes
again; the checkpoint comes last, so what a killed writer leaves is outside of every tree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from synthgrid_assets.audit.hash_tiles import (
    WIDTH,
    HashTiles,
    bundle_names,
    grown,
    tile_name,
    tile_width,
)
from synthgrid_assets.audit.keys import AuditKey, public_pem
from synthgrid_assets.audit.merkle import leaf_hash
from synthgrid_assets.audit.signed_note import (
    Checkpoint,
    VerifierKey,
    open_checkpoint,
    parse_checkpoint,
    sign_note,
)
from synthgrid_assets.errors import AuditError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.store import Store

LONGEST = 65_535  # bytes of an entry, by the format
START = "0" * 64  # what the first record names as the one before
_PLACE = ("index", "previous")


@dataclass(frozen=True)
class AuditRecord:
    """A record as it stands in a log.

    Parameters
    ----------
    index : int
        Its place, from 0.
    entry : bytes
        The exact bytes that are hashed: canonical JSON.
    """

    index: int
    entry: bytes

    @cached_property
    def body(self) -> dict[str, Any]:
        """What it says.

        Raises
        ------
        AuditError
            If it is no JSON object.
        """
        try:
            body = json.loads(self.entry)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise AuditError(f"{self.name} is no record: {self.entry[:80]!r}")
        return body

    @property
    def kind(self) -> str:
        """``tile``, ``removed``, ``layer``, ``log``, ``failed`` or ``engine``."""
        return str(self.body.get("kind", ""))

    @property
    def file(self) -> str:
        """Key of the file that it is about; empty if it is about none."""
        return str(self.body.get("file", ""))

    @property
    def moment(self) -> str:
        """When what it tells was done, in UTC."""
        return next((str(self.body[n]) for n in ("ended", "at", "found") if n in self.body), "")

    @property
    def hash(self) -> bytes:
        """The hash in the tree."""
        return leaf_hash(self.entry)

    @property
    def name(self) -> str:
        """What a message calls it."""
        return f"record {self.index}"

    @property
    def text(self) -> str:
        """What it said before it had a place in the log (`commit_records.digest_of`)."""
        return canonical_json({k: v for k, v in self.body.items() if k not in _PLACE})


def placed(record: str, index: int, previous: str) -> bytes:
    """The entry of a record at a place in a log.

    Raises
    ------
    AuditError
        If it is longer than an entry may be.
    """
    body = {**json.loads(record), "index": index, "previous": previous}
    entry = canonical_json(body).encode()
    if len(entry) > LONGEST:
        raise AuditError(f"a record of {len(entry)} bytes is longer than the log's {LONGEST}")
    return entry


class AuditLog:
    """One log of a world.

    Parameters
    ----------
    store : Store
    prefix : str
        Of its files, without the slash at its end.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self.store, self.prefix = store, prefix

    @property
    def address(self) -> str:
        """Where others find it."""
        return self.store.address(self.prefix)

    @cached_property
    def note(self) -> str:
        """The signed checkpoint, as it lies there."""
        return self.read("checkpoint").decode("utf-8", "replace")

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """What the checkpoint says, whoever signed it (`open_by`)."""
        return parse_checkpoint(self.note)

    @property
    def size(self) -> int:
        """How many records it has."""
        return self.checkpoint.size

    @property
    def verifier(self) -> VerifierKey:
        """The key that lies beside the log: believe it only if you know it from elsewhere."""
        return VerifierKey.parse(self.read("vkey").decode("utf-8", "replace"))

    def open_by(self, key: VerifierKey) -> Checkpoint:
        """The checkpoint, if a key signed it.

        Raises
        ------
        AuditError
            If it did not.
        """
        return open_checkpoint(self.note, key)

    @cached_property
    def tiles(self) -> HashTiles:
        """The tree."""
        return HashTiles(self.read, self.size)

    def read(self, name: str) -> bytes:
        """A file of the log; a part of it is found in the full one too.

        Raises
        ------
        DamageError
            If it is missing.
        """
        full, partial, width = name.partition(".p/")
        key = f"{self.prefix}/{name}"
        if partial and self.store.stat(key) is None:
            whole = self.store.get(f"{self.prefix}/{full}")
            if not name.startswith("tile/entries/"):
                return whole[: int(width) * 32]
            return b"".join(framed(entry) for entry in _split(whole, full)[: int(width)])
        return self.store.get(key)

    def bundle(self, number: int) -> list[bytes]:
        """The entries of a bundle.

        Raises
        ------
        AuditError
            If its bytes are no entries.
        """
        name = tile_name("entries", number, tile_width(0, number, self.size))
        return _split(self.read(name), name)

    def record(self, index: int) -> AuditRecord:
        """The record at a place.

        Raises
        ------
        AuditError
            If the log has no such record.
        """
        if not 0 <= index < self.size:
            raise AuditError(f"{self.address} has {self.size} records, none is {index}")
        entries = self.bundle(index // WIDTH)
        if index % WIDTH >= len(entries):
            raise AuditError(f"record {index} was removed from {self.address}")
        return AuditRecord(index, entries[index % WIDTH])

    def records(self, first: int = 0) -> Iterator[AuditRecord]:
        """Stream the records from one on."""
        for number, _, _ in bundle_names(self.size, first):
            for at, entry in enumerate(self.bundle(number), start=number * WIDTH):
                if at >= first:
                    yield AuditRecord(at, entry)

    def last_of(self, file: str) -> AuditRecord | None:
        """The newest record about a file; None if there is none."""
        needle = f'"file":{canonical_json(file)}'.encode()
        for number in range(-(-self.size // WIDTH) - 1, -1, -1):
            entries = self.bundle(number)
            for at in range(len(entries) - 1, -1, -1):
                if needle in entries[at]:
                    record = AuditRecord(number * WIDTH + at, entries[at])
                    if record.file == file:
                        return record
        return None

    def append(self, entries: Sequence[bytes], key: AuditKey, origin: str) -> AuditLog:
        """Add entries and sign the new root; the log as it is then.

        A process that is killed meanwhile leaves the log as it was.

        Raises
        ------
        AuditError
            If the tree, or the last bundle, is not what was signed.
        """
        size = self.size if self.exists else 0
        tiles = HashTiles(self.read, size)
        if size and tiles.root() != self.checkpoint.root:
            raise AuditError(
                f"the hashes of {self.address} do not add up to the root that was signed; nothing "
                "was added. `synthgrid audit verify WORLD` tells more; restore a backup"
            )
        files = {
            **self._bundles(entries, size),
            **grown(tiles, [leaf_hash(entry) for entry in entries]),
        }
        for name, data in files.items():
            self.store.put(f"{self.prefix}/{name}", data, durability="batch")
        self.store.sync(f"{self.prefix}/{name}" for name in files)
        new = HashTiles(lambda name: files.get(name) or self.read(name), size + len(entries))
        verifier = key.of_log(origin)
        checkpoint = Checkpoint(origin, new.size, new.root())
        if size == 0:
            self.store.put(f"{self.prefix}/vkey", f"{verifier}\n".encode())
            self.store.put(f"{self.prefix}/key.pem", public_pem(verifier.public).encode())
        note = sign_note(checkpoint.text(), verifier, key.secret)
        self.store.put(f"{self.prefix}/checkpoint", note.encode())
        self._tidy(name for name in files if ".p/" not in name)
        return AuditLog(self.store, self.prefix)

    @property
    def exists(self) -> bool:
        """Whether anything was ever signed here."""
        return self.store.stat(f"{self.prefix}/checkpoint") is not None

    def _bundles(self, entries: Sequence[bytes], size: int) -> dict[str, bytes]:
        """The bundles that grow or are new."""
        number, held = divmod(size, WIDTH)
        old = self.bundle(number) if held else []
        if held and [leaf_hash(entry) for entry in old] != self.tiles.tile(0, number):
            raise AuditError(
                f"records {number * WIDTH} to {size - 1} of {self.address} were changed after they "
                "were signed; nothing was added. `synthgrid audit verify WORLD` names them"
            )
        row = [*old, *entries]
        return {
            tile_name("entries", number + at // WIDTH, len(row[at : at + WIDTH])): b"".join(
                framed(entry) for entry in row[at : at + WIDTH]
            )
            for at in range(0, len(row), WIDTH)
        }

    def _tidy(self, full: Iterable[str]) -> None:
        """Remove the parts of tiles that are full now."""
        for name in full:
            for key in list(self.store.list(f"{self.prefix}/{name}.p/")):
                self.store.delete(key)


def framed(entry: bytes) -> bytes:
    """An entry with its length before it, as bundles have them."""
    return len(entry).to_bytes(2, "big") + entry


def world_logs(layout: Layout, world: str) -> list[AuditLog]:
    """The logs of a world in the order in which they were begun; usually there is one.

    Another one is begun where the key of the last one is not at hand.
    """
    found = []
    for number in range(1, 1000):
        log = AuditLog(layout.store, f"{layout.audit(world)}/{number}")
        if not log.exists:
            break
        found.append(log)
    return found


def _split(data: bytes, name: str) -> list[bytes]:
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            raise AuditError(f"the log's {name} ends in the middle of record {len(entries)} of it")
        entries.append(data[at + 2 : end])
        at = end
    return entries
