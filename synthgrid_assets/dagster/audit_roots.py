"""The audit log's roots that Dagster's runs hold, for whoever verifies the log.

Belongs here: reading them from an instance. Not here: who puts them there (`audit_seal`), what they
prove (`audit.kept_notes`).
"""

from __future__ import annotations

import dagster as dg

from synthgrid_assets.audit.kept_notes import KeptNote
from synthgrid_assets.dagster.audit_seal import NOTE_TAG, ROOT_TAG
from synthgrid_assets.dagster.runs.instance import open_instance


def notes_at_hand(world: str) -> list[KeptNote]:
    """Those of the project's instance.

    Raises
    ------
    StorageError
        If it cannot be opened.
    """
    with open_instance() as instance:
        return notes_of_runs(instance, world)


def notes_of_runs(instance: dg.DagsterInstance, world: str) -> list[KeptNote]:
    """The signed checkpoint of a world's log that each run holds, with what it tells beside it."""
    tag = f"{NOTE_TAG}/{world}"
    notes = [value for _, values in instance.get_run_tags(tag_keys=[tag]) for value in values]
    return [
        KeptNote(f"Dagster's run {run.run_id}", note, run.tags.get(ROOT_TAG, ""))
        for note in sorted(notes)
        for run in instance.get_runs(dg.RunsFilter(tags={tag: note}))
    ]
