"""Proofs that a file's record stands in a signed log: made from the log, checked without it.

Belongs here: the proof's form and its check, which needs neither world nor log nor network.
Not here: the log (`log`).

A proof is a JSON object: ``record`` (the log's entry, byte for byte), ``proof`` (a text of
C2SP's tlog-proof, which other tools verify) and ``key`` (the verifier key of the log).

References
----------
https://c2sp.org/tlog-proof
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from synthgrid_assets.audit.log import AuditLog, AuditRecord
from synthgrid_assets.audit.merkle import inclusion_path, root_by_path
from synthgrid_assets.audit.signed_note import Checkpoint, VerifierKey, open_checkpoint
from synthgrid_assets.errors import AuditError

HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,17})")
_LONGEST = 1_000_000  # bytes of a proof that are read


@dataclass(frozen=True)
class Proof:
    """A record and its way to a signed root.

    Parameters
    ----------
    record : AuditRecord
    path : tuple of bytes
        Hashes from its sibling up to the root's child.
    note : str
        The signed checkpoint.
    key : VerifierKey
        Of the log, as whoever made the proof says.
    """

    record: AuditRecord
    path: tuple[bytes, ...]
    note: str
    key: VerifierKey

    def tlog_proof(self) -> str:
        """The text that other tools of transparency logs read."""
        hashes = "".join(f"{base64.b64encode(value).decode()}\n" for value in self.path)
        return f"{HEADER}\nindex {self.record.index}\n{hashes}\n{self.note}"

    def to_json(self) -> str:
        """All that a check needs, in one object."""
        values = {"record": self.record.entry.decode(), "proof": self.tlog_proof()}
        return json.dumps({**values, "key": str(self.key)}, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Proof:
        """The proof that `to_json` wrote.

        Raises
        ------
        AuditError
            If it is none.
        """
        try:
            values = json.loads(text)
            record, proof, key = (values[name] for name in ("record", "proof", "key"))
            head, _, note = proof.partition("\n\n")
            header, index, *hashes = head.split("\n")
            found = _INDEX.fullmatch(index)
            if header != HEADER or found is None or not isinstance(record, str):
                raise ValueError(header)
            path = tuple(base64.b64decode(line, validate=True) for line in hashes)
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise AuditError(
                "this is no proof: an object with record, proof and key is needed, as `synthgrid "
                "audit prove` writes it"
            ) from error
        return cls(AuditRecord(int(found[1]), record.encode()), path, note, VerifierKey.parse(key))

    def check(self, key: VerifierKey | None = None) -> Checkpoint:
        """The signed root that holds the record.

        Parameters
        ----------
        key : VerifierKey, optional
            Whose log it must be; by default the one that the proof names, which shows only
            that somebody signed it.

        Raises
        ------
        AuditError
            If the signature, the path or the record's place is not right.
        """
        signer = self.key if key is None else VerifierKey(self.key.name, key.public)
        checkpoint = open_checkpoint(self.note, signer)
        index = self.record.index
        root = root_by_path(self.record.hash, index, checkpoint.size, self.path)
        if root != checkpoint.root:
            raise AuditError(
                f"the proof does not lead from record {index} to the root over {checkpoint.size} "
                "records that was signed: record or proof was changed"
            )
        if self.record.body.get("index") != index:
            raise AuditError(f"the record says that it is another one than record {index}")
        return checkpoint


def prove(log: AuditLog, key: VerifierKey, file: str) -> Proof:
    """The proof of a file's newest record.

    Parameters
    ----------
    log : AuditLog
    key : VerifierKey
        That signed it.
    file : str
        Key of the file in the store.

    Raises
    ------
    AuditError
        If no record is about the file, or the last one says that it was removed; or the log
        is not what was signed.
    """
    log.open_by(key)
    record = log.last_of(file)
    if record is None or record.kind != "tile":
        raise AuditError(f"{log.address} has no record of the file {file}")
    path = inclusion_path(record.index, log.size, log.tiles.subtree)
    proof = Proof(record, tuple(path), log.note, key)
    proof.check()
    return proof


def check_file(proof: Proof, path: Path, key: VerifierKey | None = None) -> Checkpoint:
    """The signed root that holds the record of a file as it lies here.

    Raises
    ------
    AuditError
        As `Proof.check`, or if the file is another one.
    """
    checkpoint = proof.check(key)
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise AuditError(f"cannot read {path}: {error}") from error
    body = proof.record.body
    if (digest.hexdigest(), size) != (body.get("sha256"), body.get("bytes")):
        raise AuditError(
            f"{path} is not the file that the proof is about: it has {size} bytes with SHA-256 "
            f"{digest.hexdigest()}, the record of {proof.record.file} says {body.get('bytes')} "
            f"with {body.get('sha256')}"
        )
    return checkpoint


def read_proof(path: Path) -> Proof:
    """The proof in a file.

    Raises
    ------
    AuditError
        If it cannot be read, or holds none.
    """
    try:
        if path.stat().st_size > _LONGEST:
            raise AuditError(f"{path} is too long for a proof")
        return Proof.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"cannot read {path}: {error}") from error
