"""The audit log at the end of a run: what waits is sealed, and the run is told the root.

Belongs here: when a run seals, and where Dagster shows the root. Not here: sealing
(`audit.sealing`).
"""

from __future__ import annotations

import base64
from pathlib import Path

import dagster as dg

from synthgrid_assets.audit.sealing import seal_all
from synthgrid_assets.audit.signed_note import Checkpoint
from synthgrid_assets.errors import AuditError, StorageError
from synthgrid_assets.storage.layout import Layout

ROOT_TAG = "synthgrid/audit_root"
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
    told = ", ".join(root_text(world, roots[world]) for world in roots)
    if context.log is not None:
        context.log.info(f"audit log: {told}")
    context.instance.add_run_tags(context.run.run_id, {ROOT_TAG: told})


def root_text(world: str, checkpoint: Checkpoint) -> str:
    """A signed root in one line: world, records and root, as the checkpoint has them."""
    return f"{world} {checkpoint.size} {base64.b64encode(checkpoint.root).decode()}"
