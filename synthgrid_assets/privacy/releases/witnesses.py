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
    data_sets : tuple of (str, str)
        Names in the ledger by layer of the file, which is mostly the empty one.
    """

    anchor: Anchor
    seen_in: str
    ledger: str = ""
    data_sets: tuple[tuple[str, str], ...] = ()


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


def keep_witness(
    source: Path, anchor: Anchor, ledger: str, *, data_set: str = "", layer: str = ""
) -> bool:
    """Keep the newest head beside private data and in an attribute; False where neither can be.

    Parameters
    ----------
    source : Path
    anchor : Anchor
    ledger : str
        Its address, without a password.
    data_set, layer : str
        Name in the ledger of what stands in that layer of the file.
    """
    named = {layer: data_set} if data_set else {}
    path, kept = witness_path(source), False
    # the folder is often mounted read-only
    with contextlib.suppress(OSError, StorageError), _alone_in(path.parent):
        data = _renewed(read_witness(path), anchor, ledger, named)
        if data is not None:
            commit_bytes(path, data)
        kept = True
    # not every system has attributes
    with contextlib.suppress(OSError, AttributeError), _alone_in(source):
        data = _renewed(_of_attribute(source), anchor, ledger, named)
        if data is not None:
            os.setxattr(source, ATTRIBUTE, data)
        kept = True
    return kept


def _renewed(
    known: Witness | None, anchor: Anchor, ledger: str, named: dict[str, str]
) -> bytes | None:
    """What is to be kept; None where that is kept already. No name is ever taken back."""
    if known is not None:
        before = dict(known.data_sets)
        named = {**named, **before}
        if known.anchor.sequence >= anchor.sequence:
            if named == before:
                return None
            anchor, ledger = known.anchor, known.ledger
    fields = {"hash": anchor.hash, "ledger": ledger, "sequence": anchor.sequence}
    return canonical_json({**fields, "data_sets": named}).encode() + b"\n"


def refuse_other_names(witnesses: Iterable[Witness], data_set: str, layer: str) -> None:
    """Refuse to draw from a file that was released as another data set, whatever it holds now.

    A file that grows would have a new budget by every new name, for rows that were released
    before.

    Raises
    ------
    PrivacyError
        With the name to write.
    """
    for witness in witnesses:
        known = dict(witness.data_sets).get(layer, data_set)
        if known != data_set:
            raise PrivacyError(
                f"this private file is registered already, as data set {known!r}, as "
                f"{witness.seen_in} says: write `dataset = {known!r}`, and a `snapshot` of its own "
                "if it has changed, so that all its releases share one budget. Other data belong "
                "into a file of another name. Nothing was drawn or charged"
            )


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
        named = tuple(
            sorted((str(key), str(name)) for key, name in fields.get("data_sets", {}).items())
        )
        return Witness(anchor, seen_in, str(fields.get("ledger", "")), named)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
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
