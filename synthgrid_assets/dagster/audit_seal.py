"""The audit log at the end of a run: what waits is sealed, and the run is told the root.

Belongs here: when a run seals, and where Dagster shows the root. Not here: sealing
(`audit.sealing`).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterRunNotFoundError

from synthgrid_assets.audit.log import world_logs
from synthgrid_assets.audit.sealing import seal_all
from synthgrid_assets.audit.signed_note import Checkpoint
from synthgrid_assets.errors import AuditError, StorageError
from synthgrid_assets.storage.layout import Layout

ROOT_TAG = "synthgrid/audit_root"  # lines for a person
NOTE_TAG = "synthgrid/audit_note"  # and the signed checkpoint of each world, after a slash
EVERY = 16_384  # tiles of a step after which it seals, so that the journal stays small


def seal_waiting(log: dg.DagsterLogManager | None, root: Path) -> dict[str, Checkpoint]:
    """Seal what waits in a data root; a failure is told, and the records wait on.

    Parameters
    ----------
    log : DagsterLogManager or None
    root : Path
    """
    try:
        return seal_all(Layout(root))
    except (AuditError, StorageError) as error:
        if log is not None:
            log.warning(f"the audit log could not be written, its records wait: {error}")
        return {}


def seal_run(context: dg.InitResourceContext, root: Path) -> None:
    """Seal at the end of a run, however it ended, and tag the run with the roots."""
    roots = seal_waiting(context.log, root)
    if not roots or context.run is None or context.instance is None:
        return
    told = ", ".join(roots[world].line(world) for world in roots)
    if context.log is not None:
        context.log.info(f"audit log: {told}")
    notes = {f"{NOTE_TAG}/{world}": _note(Layout(root), world, roots[world]) for world in roots}
    tags = {ROOT_TAG: told, **{tag: note for tag, note in notes.items() if note}}
    with contextlib.suppress(DagsterRunNotFoundError):  # it was deleted while it ran
        context.instance.add_run_tags(context.run.run_id, tags)


def _note(layout: Layout, world: str, checkpoint: Checkpoint) -> str:
    """The signed checkpoint of a world's log; empty if another run has gone on meanwhile."""
    for log in reversed(world_logs(layout, world)):
        if log.checkpoint == checkpoint:
            return log.note
    return ""
