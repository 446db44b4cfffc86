"""Retention: ended jobs are forgotten after a time, or beyond a number; nothing else is.

Belongs here: which jobs may go, and taking their sums along. Not here: landed files, visits and
dead letters, which stay until somebody decides.

What is never removed: a job that has not ended, one with a dead letter that was not replayed,
and one whose callback is still to be heard. With a job its idempotency key goes: the same body
sent again after that time is a new delivery.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.tables import body, job, notice, rejection
from synthgrid_assets.services.gateway.inbox.totals import add_totals, totals

REMOVED = "removed"  # begins the sums of removed jobs
_GROUP = 500  # jobs of one transaction
_SECONDS = 1.0  # of one call, so that its caller can look after other things


@dataclass(frozen=True)
class RetentionPolicy:
    """How long ended jobs are kept.

    Parameters
    ----------
    seconds : float
        Since their end.
    jobs : int
        Beyond so many, those that ended first go earlier.
    """

    seconds: float = 30 * 86_400.0
    jobs: int = 1_000_000


class Retention:
    """Removes ended jobs of an inbox.

    Parameters
    ----------
    database : Database
        The inbox.
    policy : RetentionPolicy
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        policy: RetentionPolicy,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._policy = policy
        self._clock = clock

    def remove_old(self) -> int:
        """Remove what may go, for a second at most; how many jobs went."""
        latest, removed = time.monotonic() + _SECONDS, 0
        before, tied = self._limit()
        while time.monotonic() < latest:
            found = self._candidates(before, tied)
            if not found:
                break
            removed += self._remove(found)
        self._remove_told(before)
        return removed

    def _limit(self) -> tuple[float, str]:
        """Jobs that ended before a time may go, and of those that ended then, up to an id.

        The jobs of a batch end at one time, and only some of them may be too many.
        """
        ended = sa.select(job.c.finished, job.c.id).where(job.c.finished.is_not(None))
        latest = ended.order_by(job.c.finished.desc(), job.c.id.desc())
        with self._database.reading() as connection:
            last = connection.execute(latest.offset(self._policy.jobs).limit(1)).first()
        old = self._clock() - self._policy.seconds
        return (old, "") if last is None or last.finished < old else (last.finished, last.id)

    def _candidates(self, before: float, tied: str) -> list[str]:
        open_letter = sa.exists().where(
            rejection.c.job == job.c.id,
            rejection.c.fence == job.c.fence,
            rejection.c.replayed.is_(None),
        )
        unheard = sa.exists().where(notice.c.job == job.c.id, notice.c.state == "waiting")
        beyond = (job.c.finished < before) | ((job.c.finished == before) & (job.c.id <= tied))
        query = sa.select(job.c.id).where(beyond, ~open_letter, ~unheard)
        with self._database.reading() as connection:
            return list(connection.execute(query.order_by(job.c.finished).limit(_GROUP)).scalars())

    def _remove(self, ids: list[str]) -> int:
        sums: Counter[str] = Counter()
        with self._database.writing() as connection:
            chosen = sa.select(job.c.kind, job.c.result).where(job.c.id.in_(ids))
            for kind, text in connection.execute(chosen).all():
                sums[f"{REMOVED}_{kind}_jobs"] += 1
                for name, count in json.loads(text or "{}").get("counts", {}).items():
                    sums[f"{REMOVED}_{kind}_{name}"] += count
            for table, column in (
                (rejection, rejection.c.job),
                (notice, notice.c.job),
                (body, body.c.id),
                (job, job.c.id),
            ):
                connection.execute(sa.delete(table).where(column.in_(ids)))
            add_totals(connection, sums)
        return len(ids)

    def _remove_told(self, before: float) -> None:
        """Callbacks about visits that were heard long ago: they belong to no job."""
        told = (notice.c.job == "") & (notice.c.state == "delivered") & (notice.c.due < before)
        with self._database.reading() as connection:
            if connection.execute(sa.select(notice.c.id).where(told).limit(1)).first() is None:
                return
        with self._database.writing(exclusive=False) as connection:
            connection.execute(sa.delete(notice).where(told))


def removed_counts(database: Database, kind: str) -> dict[str, int]:
    """Sums over the removed jobs of a kind: ``jobs``, ``features``, ``landed`` and so on."""
    start = f"{REMOVED}_{kind}_"
    return {
        name.removeprefix(start): amount
        for name, amount in totals(database).items()
        if name.startswith(start)
    }
