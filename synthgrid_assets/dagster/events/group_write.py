"""How a group of events about partitions is written: one transaction, each serialised once.

Belongs here: the rows. Not here: which events come in groups (`event_log`), when (`groups`).

The rows are those that Dagster's own storage writes for the same events one by one, but for
three: a check names the materialisation that it follows by `JUST_STORED`, which becomes its
storage id here; the index keeps no second copy of a check's metadata, as only
``asset_check_executions`` is ever asked for it; and the check of a `lean` event has there the
storage id of the materialisation beside it, and no row of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import dagster as dg
import sqlalchemy as db
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._record import replace
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection

from synthgrid_assets.dagster.keys import ASSET_JOB

JUST_STORED = -1  # stands for the id of the latest materialisation of the same partition
OUTPUT = dg.DagsterEventType.STEP_OUTPUT
MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION
EVALUATION = dg.DagsterEventType.ASSET_CHECK_EVALUATION
CHECK_OF_RUN = ("asset_key", "check_name", "run_id", "partition")  # one execution

Row = dict[str, Any]
Place = tuple[dg.AssetKey, str]


class Rows(Protocol):
    """What the storage knows to do with its tables (Dagster's own methods)."""

    def _event_to_row(self, event: EventLogEntry) -> Row: ...
    def _store_asset_event(self, conn: Connection, event: EventLogEntry, event_id: int) -> None: ...
    def _store_asset_event_tags(
        self, conn: Connection, events: Sequence[EventLogEntry], event_ids: Sequence[int]
    ) -> None: ...


class GroupWriter:
    """Writes groups into the index; keeps in mind what a group's first check may follow.

    Parameters
    ----------
    rows : Rows
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._last: tuple[Place, int] | None = None

    def write(self, index: Connection, group: list[EventLogEntry]) -> list[Row]:
        """Write a group into the index, in the caller's transaction.

        Returns
        -------
        list of dict
            The rows for the runs' own logs, in order.
        """
        begun = [self._begun(event) for event in group]
        free = _first_free_id(index)
        latest: dict[Place, int] = dict([self._last]) if self._last else {}
        wholes, rows, numbers, own_rows = [], [], [], []
        made_here: set[Place] = set()
        for event, row in zip(group, begun, strict=True):
            place = _place(event)
            whole, full = (event, row) if row is not None else self._pointing(event, latest)
            if is_lean(event) and _is_check(event) and place in made_here:
                number = latest[place]  # stored with it in one transaction, so as good as its own
            else:
                number, free = free, free + 1
                own_rows.append({"id": number, **(self._bare(whole) if _is_check(event) else full)})
            if not _is_check(event):
                latest[place] = number
                made_here.add(place)
                self._last = (place, number)
            wholes.append(whole)
            rows.append(full)
            numbers.append(number)
        index.execute(SqlEventLogStorageTable.insert(), own_rows)
        self._write_assets(index, wholes, numbers)
        _write_checks(index, wholes, rows, numbers)
        return rows

    def _begun(self, event: EventLogEntry) -> Row | None:
        """The row of an event that is whole; None of one whose target has no id yet."""
        return None if _is_pending(event) else self._rows._event_to_row(event)

    def _pointing(
        self, event: EventLogEntry, latest: dict[Place, int]
    ) -> tuple[EventLogEntry, Row]:
        """A check that names its target by storage id, and its row."""
        evaluation = event.get_dagster_event().asset_check_evaluation_data
        found = latest.get(_place(event))
        target = evaluation.target_materialization_data
        pointed = None if found is None or target is None else replace(target, storage_id=found)
        whole = with_data(event, replace(evaluation, target_materialization_data=pointed))
        return whole, self._rows._event_to_row(whole)

    def _bare(self, event: EventLogEntry) -> Row:
        return self._rows._event_to_row(bare(event))

    def _write_assets(
        self, index: Connection, group: Sequence[EventLogEntry], ids: Sequence[int]
    ) -> None:
        """Tags of materialisations, and each asset's latest one."""
        made = [
            (event, number)
            for event, number in zip(group, ids, strict=True)
            if not _is_check(event)
        ]
        if made:
            self._rows._store_asset_event_tags(
                index, [event for event, _ in made], [number for _, number in made]
            )
        latest = {_place(event)[0]: (event, number) for event, number in made}
        for event, number in latest.values():
            self._rows._store_asset_event(index, event, number)


def bare(event: EventLogEntry) -> EventLogEntry:
    """An evaluation of a check without its metadata, of which the index has another copy."""
    evaluation = event.get_dagster_event().asset_check_evaluation_data
    less = replace(evaluation, metadata={}, description=None, target_materialization_data=None)
    return with_data(event, less)


def _first_free_id(index: Connection) -> int:
    """The id the index would give next; this transaction is the only writer from here on."""
    table = SqlEventLogStorageTable
    # writes nothing, but takes the lock: a mere SELECT would let another process in between
    index.execute(table.delete().where(table.c.id == -1))
    return 1 + (index.execute(db.select(db.func.max(table.c.id))).scalar() or 0)


def _write_checks(
    index: Connection, group: Sequence[EventLogEntry], rows: Sequence[Row], ids: Sequence[int]
) -> None:
    """Evaluations, each in place of its plan or of an earlier one of its run."""
    values = [
        execution(event, row, number)
        for event, row, number in zip(group, rows, ids, strict=True)
        if _is_check(event)
    ]
    if not values:
        return
    statement = insert(AssetCheckExecutionsTable)
    changed = {name: statement.excluded[name] for name in values[0] if name not in CHECK_OF_RUN}
    renewed = statement.on_conflict_do_update(index_elements=CHECK_OF_RUN, set_=changed)
    index.execute(renewed, values)


def execution(event: EventLogEntry, row: Row, number: int | None) -> Row:
    """The row of a check's execution that an evaluation ends, told by its event's row and id."""
    evaluation = event.get_dagster_event().asset_check_evaluation_data
    target = evaluation.target_materialization_data
    return {
        "asset_key": evaluation.asset_key.to_string(),
        "check_name": evaluation.check_name,
        "run_id": event.run_id,
        "partition": evaluation.partition,
        "execution_status": "SUCCEEDED" if evaluation.passed else "FAILED",
        "evaluation_event": row["event"],
        "evaluation_event_timestamp": row["timestamp"],
        "evaluation_event_storage_id": number,
        "materialization_event_storage_id": target.storage_id if target else None,
    }


def _is_check(event: EventLogEntry) -> bool:
    return event.dagster_event_type == EVALUATION


def _is_pending(event: EventLogEntry) -> bool:
    if not _is_check(event):
        return False
    target = event.get_dagster_event().asset_check_evaluation_data.target_materialization_data
    return target is not None and target.storage_id == JUST_STORED


def _place(event: EventLogEntry) -> Place:
    told = event.get_dagster_event()
    if told.event_type == EVALUATION:
        evaluation = told.asset_check_evaluation_data
        return evaluation.asset_key, str(evaluation.partition)
    assert told.asset_key is not None  # events without one do not come in groups
    return told.asset_key, str(told.partition)


def with_data(event: EventLogEntry, data: Any) -> EventLogEntry:
    """An event with other data of its kind."""
    told = event.get_dagster_event()._replace(event_specific_data=data)
    return event._replace(dagster_event=told)


def without_pictures(event: EventLogEntry) -> EventLogEntry:
    """The output of an asset's step without pictures, which its materialisation shows as well."""
    told = event.dagster_event
    if told is None or told.event_type != OUTPUT or event.job_name != ASSET_JOB:
        return event
    output = told.step_output_data
    kept = {name: value for name, value in output.metadata.items() if not _is_picture(value)}
    return with_data(event, output._replace(metadata=kept))


def _is_picture(value: dg.MetadataValue[Any]) -> bool:
    return isinstance(value, dg.MarkdownMetadataValue) and "](data:image/" in str(value.value)


def in_groups(event: EventLogEntry) -> bool:
    """Whether an event is one of many alike: a step's about one partition of an asset."""
    told = event.dagster_event
    return told is not None and bool(event.run_id) and is_of_a_partition(told)


def is_of_a_partition(event: dg.DagsterEvent) -> bool:
    """Whether an event is a step's about one partition of an asset."""
    if not event.step_key:
        return False
    data: Any = event.event_specific_data  # asked for several times an event: by value, not by enum
    if event.event_type_value == MATERIALIZATION.value:
        return data.materialization.partition is not None
    return event.event_type_value == EVALUATION.value and data.partition is not None


def lean(event: EventLogEntry) -> EventLogEntry:
    """An event without what its row says too; for steps of very many partitions."""
    told = event.get_dagster_event()
    shorter = told._replace(
        step_handle=None,
        node_handle=None,
        logging_tags=None,
        message=None,
        pid=None,
        step_kind_value=None,
    )
    return event._replace(dagster_event=shorter, user_message="")


def is_lean(event: EventLogEntry) -> bool:
    """Whether `lean` gave this event."""
    return in_groups(event) and event.get_dagster_event().pid is None
