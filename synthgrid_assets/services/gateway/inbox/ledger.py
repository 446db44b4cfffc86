"""How work ends: landed files, dead letters, reports and callbacks, all at once or not.

Belongs here: the transaction that ends jobs, and what can be asked afterwards. Not here:
leases (`work_queue`) and where files lie (`landing`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.deliveries import (
    DeadLetter,
    Lease,
    Outcome,
    StagedFile,
    new_id,
)
from synthgrid_assets.services.gateway.inbox.tables import (
    body,
    fragment,
    job,
    notice,
    queue,
    rejection,
    suspect,
    tally,
)

_GROUP = 500  # rejections of one transaction


@dataclass(frozen=True)
class JobStatus:
    """What is known of a job.

    Attributes
    ----------
    id, kind, collection, client, correlation : str
        As of its delivery.
    state : {"accepted", "running", "successful", "failed"}
        In the words of OGC API Processes.
    received : float
        Seconds since 1970.
    finished : float or None
        When it ended.
    attempts : int
        Leases so far, of a job in work.
    result : dict
        Counts; empty before its end.
    error : str
        Why it failed, or empty.
    """

    id: str
    kind: str
    collection: str
    client: str
    correlation: str
    state: str
    received: float
    finished: float | None
    attempts: int
    result: dict[str, Any]
    error: str


class Ledger:
    """Ended jobs of an inbox and what became of them.

    Parameters
    ----------
    database : Database
        With the tables of `tables.INBOX`.
    clock : callable
        Seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def reject(self, lease: Lease, letters: Iterable[DeadLetter]) -> None:
        """Record dead letters of an attempt; they count when the attempt ends its job."""
        rows = [
            {"job": lease.id, "fence": lease.fence} | vars(letter) | {"replayed": None}
            for letter in letters
        ]
        for start in range(0, len(rows), _GROUP):
            with self._database.writing(exclusive=False) as connection:
                connection.execute(rejection.insert(), rows[start : start + _GROUP])

    def forget(self, lease: Lease) -> None:
        """Take back the dead letters of an attempt that begins anew."""
        mine = (rejection.c.job == lease.id) & (rejection.c.fence == lease.fence)
        with self._database.writing(exclusive=False) as connection:
            connection.execute(sa.delete(rejection).where(mine))

    def finish(
        self,
        outcomes: Sequence[Outcome],
        files: Sequence[StagedFile],
        batch: str,
        also: Callable[[sa.Connection], None] | None = None,
    ) -> bool:
        """End jobs and record the files of their rows, if all leases are still held.

        Parameters
        ----------
        outcomes : sequence of Outcome
            How they ended.
        files : sequence of StagedFile
            Synced files of their rows.
        batch : str
            Id of all of it.
        also : callable, optional
            More to be written in the same transaction.

        Returns
        -------
        bool
            False if a lease was lost: then nothing was written, and the files are nobody's.
        """
        now = self._clock()
        correlations = json.dumps([outcome.lease.correlation for outcome in outcomes])
        # alone: sequence numbers then come in the order of commits, which readers rely on
        with self._database.writing() as connection:
            for outcome in outcomes:
                held = (queue.c.id == outcome.lease.id) & (queue.c.fence == outcome.lease.fence)
                if connection.execute(sa.delete(queue).where(held)).rowcount != 1:
                    connection.rollback()
                    return False
                _end(connection, outcome, now)
            rows = [
                vars(file)
                | {"batch": batch, "correlations": correlations, "recorded": now}
                | {"published": None}
                for file in files
            ]
            if rows:
                connection.execute(fragment.insert(), rows)
            if also is not None:
                also(connection)
            notices = [_notice(outcome, now) for outcome in outcomes if outcome.event]
            if notices:
                connection.execute(notice.insert(), notices)
        return True

    def unpublished(self) -> list[tuple[int, str, str]]:
        """``(sequence, staged, path)`` of recorded files that may not be in place yet."""
        query = (
            sa.select(fragment.c.sequence, fragment.c.staged, fragment.c.path)
            .where(fragment.c.published.is_(None))
            .order_by(fragment.c.sequence)
        )
        with self._database.reading() as connection:
            return [
                (sequence, staged, path) for sequence, staged, path in connection.execute(query)
            ]

    def published(self, sequences: Sequence[int]) -> None:
        """Record that files are where readers look."""
        with self._database.writing(exclusive=False) as connection:
            connection.execute(
                sa.update(fragment)
                .where(fragment.c.sequence.in_(list(sequences)))
                .values(published=self._clock())
            )

    def fragments(self, after: int = 0, most: int = 10_000) -> list[dict[str, Any]]:
        """Files in place with a higher sequence number, up to the first that is not.

        A reader that keeps the last number it saw misses none, in whatever order files
        came into their places.
        """
        columns = [column for column in fragment.c if column.name != "staged"]
        query = sa.select(*columns).where(fragment.c.sequence > after)
        query = query.order_by(fragment.c.sequence).limit(most)
        found = []
        with self._database.reading() as connection:
            for row in connection.execute(query):
                if row.published is None:
                    break
                found.append(row._asdict() | {"correlations": json.loads(row.correlations)})
        return found

    def collections(self) -> list[str]:
        """Names of the collections that hold something."""
        query = sa.select(fragment.c.collection).where(fragment.c.kind == "geometries").distinct()
        with self._database.reading() as connection:
            return sorted(connection.execute(query).scalars())

    def status(self, job_id: str) -> JobStatus | None:
        """What is known of a job, or None if there is none of that id."""
        query = (
            sa.select(job, queue.c.owner, queue.c.attempts)
            .outerjoin(queue, queue.c.id == job.c.id)
            .where(job.c.id == job_id)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        names = ("id", "kind", "collection", "client", "correlation", "received", "finished")
        return JobStatus(
            **{name: getattr(row, name) for name in names},
            state="running" if row.owner else row.state,
            attempts=row.attempts or 0,
            result=json.loads(row.result) if row.result else {},
            error=row.error or "",
        )

    def dead_letters(
        self, job_id: str | None = None, *, after: tuple[str, int] = ("", -2), most: int = 1000
    ) -> list[tuple[str, DeadLetter]]:
        """Jobs and features that did not land and were not replayed, by job and ordinal."""
        query = (
            sa.select(rejection)
            .join(job, (job.c.id == rejection.c.job) & (job.c.fence == rejection.c.fence))
            .where(rejection.c.replayed.is_(None), job.c.state != "accepted")
            .where(sa.tuple_(rejection.c.job, rejection.c.ordinal) > sa.tuple_(*after))
            .order_by(rejection.c.job, rejection.c.ordinal)
            .limit(most)
        )
        if job_id is not None:
            query = query.where(rejection.c.job == job_id)
        names = ("ordinal", "feature_id", "offset", "length", "at", "reason", "detail", "data")
        with self._database.reading() as connection:
            return [
                (row.job, DeadLetter(**{name: getattr(row, name) for name in names}))
                for row in connection.execute(query)
            ]

    def counts(self) -> dict[str, int]:
        """Jobs by state, dead letters, callbacks, and files not yet in place, for metrics."""
        with self._database.reading() as connection:
            states = connection.execute(
                sa.select(job.c.state, sa.func.count()).group_by(job.c.state)
            )
            found = {f"jobs_{state}": int(n) for state, n in states}
            found["dead_letters"] = connection.execute(
                sa.select(sa.func.count())
                .select_from(rejection)
                .join(job, (job.c.id == rejection.c.job) & (job.c.fence == rejection.c.fence))
                .where(rejection.c.replayed.is_(None), job.c.state != "accepted")
            ).scalar_one()
            for state, n in connection.execute(
                sa.select(notice.c.state, sa.func.count()).group_by(notice.c.state)
            ):
                found[f"callbacks_{state}"] = int(n)
            waiting = sa.select(sa.func.count()).where(fragment.c.published.is_(None))
            found["files_waiting"] = int(connection.execute(waiting).scalar_one())
            gone = sa.select(sa.func.coalesce(sa.func.sum(tally.c.amount), 0))
            gone = gone.where(tally.c.name.like("removed%jobs"))
            found["jobs_removed"] = int(connection.execute(gone).scalar_one())
        return found


def _end(connection: sa.Connection, outcome: Outcome, now: float) -> None:
    lease = outcome.lease
    connection.execute(
        sa.update(job)
        .where(job.c.id == lease.id)
        .values(
            state=outcome.state,
            finished=now,
            fence=lease.fence,
            result=outcome.result,
            error=outcome.error or None,
        )
    )
    connection.execute(sa.delete(suspect).where(suspect.c.job == lease.id))
    connection.execute(
        sa.delete(rejection).where(rejection.c.job == lease.id, rejection.c.fence != lease.fence)
    )
    if not outcome.keep_body:
        connection.execute(sa.delete(body).where(body.c.id == lease.id))


def _notice(outcome: Outcome, now: float) -> dict[str, object]:
    return {
        "id": new_id(),
        "job": outcome.lease.id,
        "client": outcome.lease.client,
        "url": outcome.lease.callback,
        "event": outcome.event,
        "due": now,
        "attempts": 0,
        "state": "waiting",
    }
