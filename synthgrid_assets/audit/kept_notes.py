"""Signed checkpoints that others have kept, as Dagster's runs do, against the key of the log.

Belongs here: telling a note that was changed where it was kept from one that a log contradicts.
Not here: who keeps notes (`dagster.audit_roots`), the log itself (`log_check`).

Only a note whose signature holds says anything of the log. So whoever changes what a run holds,
without the secret key, is told of as such, and the log is not accused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from synthgrid_assets.audit.log_check import AuditFault
from synthgrid_assets.audit.signed_note import (
    Checkpoint,
    VerifierKey,
    open_checkpoint,
    parse_checkpoint,
)
from synthgrid_assets.errors import AuditError


class KeptNote(NamedTuple):
    """A signed checkpoint that somebody has kept.

    Attributes
    ----------
    where : str
        Who keeps it, for messages.
    note : str
        As it was signed.
    told : str
        Lines of roots for a person that are kept beside it; empty if there are none.
    """

    where: str
    note: str
    told: str = ""


def open_kept(
    world: str, kept: Iterable[KeptNote], keys: Mapping[str, VerifierKey], own: VerifierKey | None
) -> tuple[list[Checkpoint], list[AuditFault]]:
    """The checkpoints that were kept as they were signed, and what is wrong with the others.

    Parameters
    ----------
    world : str
    kept : iterable of KeptNote
    keys : mapping of str to VerifierKey
        Of the logs that there are, by their origins.
    own : VerifierKey or None
        That of the data root, which has signed logs that may be gone.
    """
    roots, faults = [], []
    for one in kept:
        try:
            origin = parse_checkpoint(one.note).origin
            key = keys.get(origin)
            if key is None and own is not None and origin.startswith(f"{own.name}/"):
                key = VerifierKey(origin, own.public)
            if key is None:
                continue  # another data root's, of a world of the same name
            root = open_checkpoint(one.note, key)
            if one.told and root.line(world) not in one.told.split(", "):
                raise AuditError(f"the root that it tells is not {root.line(world)}")
        except AuditError as error:
            faults.append(AuditFault(None, "", _changed(one.where, error)))
        else:
            roots.append(replace(root, where=one.where))
    return roots, faults


def _changed(where: str, error: AuditError) -> str:
    return (
        f"what {where} holds of the audit log is not what was signed: {error}; this says nothing "
        "of the log, restore what was changed there from a backup"
    )
