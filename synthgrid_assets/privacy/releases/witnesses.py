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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from synthgrid_assets.errors import PrivacyError, StorageError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.records.hash_chain import Anchor, hashes_at
from synthgrid_assets.storage.commit import commit_bytes

SUFFIX = ".ledger.json"  # beside the private file or folder
ATTRIBUTE = "user.synthgrid.ledger"  # of the file or folder itself


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
    """The witness beside a private file or folder, whatever links lead to it.

    Examples
    --------
    >>> witness_path(Path("/data/visits.csv")).name
    'visits.csv.ledger.json'
    """
    place = source.resolve()
    return place.with_name(f"{place.name}{SUFFIX}")


def witnesses_beside(source: Path) -> list[Witness]:
    """What a private file or folder has seen: beside it, and in an attribute of its own.

    The attribute stays when the file is renamed, moved or has another hard link.

    Raises
    ------
    PrivacyError
        If one cannot be understood: it may have been all that missed a ledger.
    """
    found = [read_witness(witness_path(source)), _of_attribute(source)]
    return [witness for witness in found if witness is not None]


def read_witness(path: Path) -> Witness | None:
    """The witness in a file; None where there is none.

    Raises
    ------
    PrivacyError
        If the file cannot be understood: it may have been all that missed a ledger.
    """
    try:
        return _witness(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(str(path), error) from None


def keep_witness(source: Path, anchor: Anchor, ledger: str) -> bool:
    """Keep the newest head beside private data and in an attribute; False where neither can be."""
    fields = {"hash": anchor.hash, "ledger": ledger, "sequence": anchor.sequence}
    data = canonical_json(fields).encode() + b"\n"
    path, kept = witness_path(source), False
    # the folder is often mounted read-only
    with contextlib.suppress(OSError, StorageError), _alone_in(path.parent):
        if _is_newer(anchor, read_witness(path)):
            commit_bytes(path, data)
        kept = True
    # not every system has attributes
    with contextlib.suppress(OSError, AttributeError), _alone_in(source):
        if _is_newer(anchor, _of_attribute(source)):
            os.setxattr(source, ATTRIBUTE, data)
        kept = True
    return kept


def _is_newer(anchor: Anchor, known: Witness | None) -> bool:
    return known is None or known.anchor.sequence < anchor.sequence


def _of_attribute(source: Path) -> Witness | None:
    try:
        data = os.getxattr(source, ATTRIBUTE)
    except (OSError, AttributeError):  # there is none, or nothing has any here
        return None
    return _witness(data, f"{source} ({ATTRIBUTE})")


def _witness(data: bytes, seen_in: str) -> Witness:
    try:
        fields = json.loads(data)
        anchor = Anchor(int(fields["sequence"]), str(fields["hash"]))
        return Witness(anchor, seen_in, str(fields.get("ledger", "")))
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(seen_in, error) from None


def _unreadable(seen_in: str, error: Exception) -> PrivacyError:
    return PrivacyError(
        f"{seen_in} should say which entry of the ledger was last seen, and cannot be read "
        f"({type(error).__name__}); restore it from a backup. Nothing was drawn or charged"
    )


@contextlib.contextmanager
def _alone_in(place: Path) -> Iterator[None]:
    """One writer at a time: an older head never takes the place of a newer one."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def hashes_seen(connection: sa.Connection, witnesses: Iterable[Witness]) -> dict[int, str]:
    """What the ledger has at the places that witnesses have seen."""
    return hashes_at(connection, {witness.anchor.sequence for witness in witnesses})


def check_witnesses(hashes: Mapping[int, str], witnesses: Iterable[Witness], ledger: str) -> None:
    """Refuse a ledger that lacks what a witness has seen.

    Parameters
    ----------
    hashes : mapping of int to str
        What the ledger has at these places (`hashes_seen`); empty where there is none.
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
        found = hashes.get(sequence)
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
