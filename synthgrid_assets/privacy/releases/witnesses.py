"""Witnesses of the ledger: its head as it stands beside private data and in published files.

Belongs here: keeping a head outside of the ledger, and missing what it saw. Not here: where
published files lie (the caller).

A ledger that was lost, emptied, rolled back or replaced by a copy that went its own way lacks an
entry that a witness has seen. Nothing is drawn then: a second draw would average noise away.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from synthgrid_assets.errors import PrivacyError, StorageError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.records.hash_chain import Anchor, hash_at
from synthgrid_assets.storage.commit import commit_bytes

SUFFIX = ".ledger.json"  # beside the private file or folder


@dataclass(frozen=True)
class Witness:
    """An entry of the ledger that somebody outside of it has seen.

    Parameters
    ----------
    anchor : Anchor
    seen_in : str
        The file that says so.
    ledger : str
        Address of the ledger that it was seen in, without a password.
    """

    anchor: Anchor
    seen_in: str
    ledger: str = ""


def witness_path(source: Path) -> Path:
    """The witness beside a private file or folder.

    Examples
    --------
    >>> witness_path(Path("/data/visits.csv")).name
    'visits.csv.ledger.json'
    """
    return source.with_name(f"{source.name}{SUFFIX}")


def read_witness(path: Path) -> Witness | None:
    """The witness in a file; None where there is none.

    Raises
    ------
    PrivacyError
        If the file cannot be understood: it may have been all that missed a ledger.
    """
    try:
        fields = json.loads(path.read_text())
        anchor = Anchor(int(fields["sequence"]), str(fields["hash"]))
        return Witness(anchor, str(path), str(fields.get("ledger", "")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PrivacyError(
            f"{path} should say which entry of the ledger was last seen, and cannot be read "
            f"({type(error).__name__}); restore it from a backup. Nothing was drawn or charged"
        ) from None


def keep_witness(source: Path, anchor: Anchor, ledger: str) -> bool:
    """Keep the newest head beside private data; False where that folder cannot be written."""
    path = witness_path(source)
    fields = {"hash": anchor.hash, "ledger": ledger, "sequence": anchor.sequence}
    try:
        with _alone_in(path.parent):
            known = read_witness(path)
            if known is None or known.anchor.sequence < anchor.sequence:
                commit_bytes(path, canonical_json(fields).encode() + b"\n")
    except (OSError, StorageError):  # often mounted read-only; published files see it too
        return False
    return True


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One writer at a time: an older head never takes the place of a newer one."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def check_witnesses(
    connection: sa.Connection | None, witnesses: Iterable[Witness], ledger: str
) -> None:
    """Refuse a ledger that lacks what a witness has seen.

    Parameters
    ----------
    connection : sqlalchemy.Connection or None
        None for a ledger that does not exist.
    witnesses : iterable of Witness
    ledger : str
        Its address, for the message.

    Raises
    ------
    PrivacyError
        Saying what was seen where, and what to do.
    """
    for witness in witnesses:
        sequence, known = witness.anchor
        found = None if connection is None else hash_at(connection, sequence)
        if found == known:
            continue
        lacks = "has another entry" if found is not None else "has no entry"
        elsewhere = (
            f" It was seen in {witness.ledger}: name that one in SYNTHGRID_LEDGER, or restore it."
            if witness.ledger and witness.ledger != ledger
            else " Restore the ledger's latest backup, or name the right one in SYNTHGRID_LEDGER."
        )
        raise PrivacyError(
            f"the ledger {ledger} {lacks} {sequence} that {witness.seen_in} has seen: it was lost, "
            f"emptied, rolled back or copied.{elsewhere} Nothing was drawn or charged: a second "
            "draw of the same counts would average the noise away"
        )
