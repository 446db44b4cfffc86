"""Taking deliveries in: durable, and each key once.

Belongs here: the transaction behind every 202. Not here: grouping (`group_commit`) and
handing out (`work_queue`).
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.deliveries import Accepted, Delivery
from synthgrid_assets.services.gateway.inbox.tables import body, job, queue


class Intake:
    """The door of an inbox.

    Parameters
    ----------
    database : Database
        With the tables of `tables.INBOX`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, group: Sequence[Delivery]) -> list[Accepted]:
        """Take in a group in one synced transaction, and say of each what it was.

        Of one key the first wins, within the group too; a later one with the same bytes is
        a duplicate, with others a conflict.

        Raises
        ------
        StorageError
            If the record cannot be written; nothing of the group is in it then.
        """
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        first: dict[str, Delivery] = {}
        for delivery in group:
            first.setdefault(delivery.key, delivery)
        with self._database.writing(exclusive=False) as connection:
            rows = [job_row(delivery) for delivery in first.values()]
            connection.execute(insert(job).on_conflict_do_nothing(), rows)
            known = sa.select(job.c.key, job.c.id, job.c.sha256).where(job.c.key.in_(list(first)))
            kept = {key: (id_, sha256) for key, id_, sha256 in connection.execute(known)}
            enqueue(connection, [item for key, item in first.items() if kept[key][0] == item.id])
        return [_accepted(delivery, *kept[delivery.key]) for delivery in group]


def _accepted(delivery: Delivery, id_: str, sha256: str) -> Accepted:
    if id_ == delivery.id:
        return Accepted(id_, "new")
    return Accepted(id_, "duplicate" if sha256 == delivery.sha256 else "conflict")


def enqueue(connection: sa.Connection, deliveries: Sequence[Delivery]) -> None:
    """Give work to the queue, in the transaction that recorded its jobs."""
    if deliveries:
        connection.execute(queue.insert(), [_queue_row(delivery) for delivery in deliveries])
        connection.execute(body.insert(), [_body_row(delivery) for delivery in deliveries])


def job_row(delivery: Delivery) -> dict[str, object]:
    """A delivery as a row of the table `job`."""
    row = {name: value for name, value in vars(delivery).items() if name in job.c}
    return row | {"state": "accepted", "fence": 0}


def _queue_row(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "kind": delivery.kind,
        "size": delivery.size,
        "received": delivery.received,
        "due": delivery.received,
        "owner": "",
        "attempts": 0,
        "fence": 0,
    }


def _body_row(delivery: Delivery) -> dict[str, object]:
    return {"id": delivery.id, "data": delivery.data, "path": delivery.path}
