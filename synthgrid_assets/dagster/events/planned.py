"""What a run intends to do: partitions stand in the log once, not in a row for each.

Belongs here: planned events in the index and what is derived from them. Not here: when a
step knows its plan (`tile_events`).

Dagster writes a planned materialisation per partition, and for a check of a partitioned
asset the set of all partitions into the row of every partition: the square of their number.
Here a run's intention is one event per asset with its set of partitions, which the step
narrows to those it really makes, and forgets when they are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg
import sqlalchemy as db
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.base import PlannedMaterializationInfo
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._record import replace
from dagster._serdes import deserialize_value, serialize_value
from sqlalchemy.engine import Connection

from synthgrid_assets.dagster.events.group_write import Row, Rows, with_data

PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
CHECK_PLANNED = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
_events = SqlEventLogStorageTable.c
_HAS_PARTITIONS = ('"partitions_subset":{', '"partitions_subset": {')  # as we write, and Dagster


def write_planned_materialization(rows: Rows, index: Connection, event: EventLogEntry) -> Row:
    """Write a planned event with its set of partitions into the index.

    Returns
    -------
    dict
        The row for the run's own log, which needs no list of partitions.
    """
    number = _insert(index, rows._event_to_row(event))
    rows._store_asset_event(index, event, number)
    planned = event.get_dagster_event().asset_materialization_planned_data
    return rows._event_to_row(with_data(event, planned._replace(partitions_subset=None)))


def write_planned_check(
    rows: Rows, index: Connection, event: EventLogEntry, *, per_partition: bool
) -> Row:
    """Write a planned check into the index, with a small row for each partition if wanted.

    Parameters
    ----------
    per_partition : bool
        Whether each partition waits visibly for its evaluation.

    Returns
    -------
    dict
        The row for the run's own log.
    """
    planned = event.get_dagster_event().asset_check_planned_data
    row = rows._event_to_row(with_data(event, replace(planned, partitions_subset=None)))
    number = _insert(index, row)
    if per_partition:
        values = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": "PLANNED",
            "evaluation_event": row["event"],
            "evaluation_event_timestamp": row["timestamp"],
            "evaluation_event_storage_id": number,
        }
        keys = (
            planned.partitions_subset.get_partition_keys() if planned.partitions_subset else [None]
        )
        index.execute(
            AssetCheckExecutionsTable.insert(), [{**values, "partition": key} for key in keys]
        )
    return row


def narrow(index: Connection, run_id: str, asset: dg.AssetKey, partitions: Iterable[str]) -> None:
    """Let a run's intention for an asset be these partitions only; none forgets them all."""
    mine = db.and_(_is_plan_of(asset), _events.run_id == run_id)
    for number, text in index.execute(db.select(_events.id, _events.event).where(mine)).all():
        event = deserialize_value(text, EventLogEntry)
        keys = set(partitions)
        planned = event.get_dagster_event().asset_materialization_planned_data._replace(
            partitions_subset=DefaultPartitionsSubset(keys) if keys else None
        )
        index.execute(
            SqlEventLogStorageTable.update()
            .where(_events.id == number)
            .values(event=serialize_value(with_data(event, planned)))
        )


def unfinished(
    index: Connection,
    asset: dg.AssetKey,
    made: Mapping[str, int],
    after_storage_id: int | None,
) -> dict[str, tuple[str, int]]:
    """Partitions whose latest plan was not followed by a materialisation.

    Parameters
    ----------
    made : mapping of str to int
        Storage id of each partition's latest materialisation.
    after_storage_id : int or None
        Only plans stored later.

    Returns
    -------
    dict of str to (str, int)
        Run and storage id of the plan.
    """
    found: dict[str, tuple[str, int]] = {}
    for number, run_id, partitions in _plans(index, asset, after_storage_id):
        for partition in partitions:
            found.setdefault(partition, (run_id, number))  # the newest plan comes first
    return {
        partition: (run_id, number)
        for partition, (run_id, number) in found.items()
        if made.get(partition, 0) < number
    }


def latest_plan(
    index: Connection, asset: dg.AssetKey, partition: str
) -> PlannedMaterializationInfo | None:
    """The latest run that intends, or intended and failed, to make a partition."""
    for number, run_id, partitions in _plans(index, asset, None):
        if partition in partitions:
            return PlannedMaterializationInfo(storage_id=number, run_id=run_id)
    return None


def _plans(
    index: Connection, asset: dg.AssetKey, after: int | None
) -> Iterator[tuple[int, str, set[str]]]:
    """Plans with partitions, the newest first."""
    query = db.select(_events.id, _events.run_id, _events.event).where(
        _is_plan_of(asset),
        _events.id > (after or 0),
        db.or_(*map(_events.event.contains, _HAS_PARTITIONS)),
    )
    for number, run_id, text in index.execute(query.order_by(_events.id.desc())):
        event = deserialize_value(text, EventLogEntry)
        subset = event.get_dagster_event().asset_materialization_planned_data.partitions_subset
        if subset is not None:
            yield number, run_id, set(subset.get_partition_keys())


def _insert(index: Connection, row: Row) -> int:
    """Insert an event; its storage id."""
    key = index.execute(SqlEventLogStorageTable.insert(), row).inserted_primary_key
    assert key is not None  # of one row
    return int(key[0])


def _is_plan_of(asset: dg.AssetKey) -> db.ColumnElement[bool]:
    return db.and_(
        _events.asset_key == asset.to_string(),
        _events.dagster_event_type == PLANNED.value,
        _events.partition.is_(None),
    )
