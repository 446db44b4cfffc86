"""Entries of the event log for a step's events, as Dagster makes them of what a step yields.

Belongs here: the anatomy of such an entry. Not here: which events a tile has (`tile_events`), how
entries are written (`event_log`).
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.events.log import EventLogEntry

from synthgrid_assets.dagster.events.group_write import EVALUATION, MATERIALIZATION

if TYPE_CHECKING:
    from dagster._core.execution.context.system import StepExecutionContext


class StepEntries:
    """Makes the entries of one step.

    Parameters
    ----------
    step : StepExecutionContext
    brief : bool
        Leave out what the entry's row says too (as `group_write.lean`).

    Attributes
    ----------
    step_key : str
    """

    def __init__(self, step: StepExecutionContext, *, brief: bool) -> None:
        self.step_key = step.step.key
        self._job_name, self._run_id = step.job_name, step.run_id
        self._brief = brief
        self._details: dict[str, Any] = {}
        if not brief:
            self._details = {
                "step_handle": step.step.handle,
                "node_handle": step.step.node_handle,
                "step_kind_value": step.step.kind.value,
                "logging_tags": step.event_tags,
                "pid": os.getpid(),
            }

    def materialization(self, made: dg.AssetMaterialization) -> EventLogEntry:
        """The entry of a materialisation."""
        told = f"Materialized value {made.label}."
        return self._entry(MATERIALIZATION, StepMaterializationData(made), told)

    def evaluation(self, found: dg.AssetCheckEvaluation) -> EventLogEntry:
        """The entry of a check's evaluation."""
        verdict = "passed." if found.passed else "did not pass."
        told = f"Asset check '{found.check_name}' on '{found.asset_key.to_user_string()}' {verdict}"
        return self._entry(EVALUATION, found, told)

    def _entry(self, kind: dg.DagsterEventType, data: Any, told: str) -> EventLogEntry:
        named: dict[str, Any] = {"step_key": self.step_key}
        if not self._brief:
            named = {**self._details, "message": told}
        event = DagsterEvent(kind.value, self._job_name, event_specific_data=data, **named)
        return EventLogEntry(  # type: ignore[no-untyped-call]
            error_info=None,
            level=logging.DEBUG,
            user_message="" if self._brief else told,
            run_id=self._run_id,
            timestamp=time.time(),
            step_key=self.step_key,
            job_name=self._job_name,
            dagster_event=event,
        )
