"""Handing work out: leases with a fencing token, retries with full jitter.

Belongs here: who may work on what until when. Not here: how work ends (`ledger`).
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.deliveries import (
    Depth,
    Kind,
    Lease,
    Suspect,
)
from synthgrid_assets.services.gateway.inbox.tables import body, job, queue, suspect

SMALL = 1 << 20  # bytes of a delivery that may be landed together with others
TOGETHER = 8 << 20  # bytes of all of them


@dataclass(frozen=True)
class RetryPolicy:
    """When a failed job is tried again.

    Parameters
    ----------
    attempts : int
        Leases of a job before it is a dead letter.
    first, limit : float
        Seconds that the first wait and any wait take at most; each is drawn from zero.
    """

    attempts: int = 8
    first: float = 0.5
    limit: float = 60.0

    def wait(self, attempts: int) -> float:
        """Seconds until the next try, uniform on ``[0, min(limit, first * 2**attempts)]``."""
        return random.uniform(0.0, min(self.limit, self.first * 2.0 ** min(attempts, 32)))


class WorkQueue:
    """Leases of an inbox.

    Parameters
    ----------
    database : Database
        With the tables of `tables.INBOX`.
    policy : RetryPolicy
        Of failed jobs.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        policy: RetryPolicy = RetryPolicy(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database = database
        self.policy = policy
        self._clock = clock

    def claim(
        self, owner: str, kinds: Sequence[Kind], *, seconds: float, most: int = 64
    ) -> list[Lease]:
        """Take what is due, oldest first.

        A large job, or one that failed before, comes alone: it takes no other one down.

        Parameters
        ----------
        owner : str
            Name of the worker, from `owner_name`.
        kinds : sequence of str
            What it can do.
        seconds : float
            How long the lease lasts; then the job is due again.
        most : int
            Jobs at once, all of one kind.
        """
        now = self._clock()
        with self.database.writing(exclusive=False) as connection:
            chosen = _together(connection, kinds, now, most)
            if not chosen:
                return []
            connection.execute(
                sa.update(queue)
                .where(queue.c.id.in_(chosen))
                .values(
                    owner=owner,
                    due=now + seconds,
                    attempts=queue.c.attempts + 1,
                    fence=queue.c.fence + 1,
                )
            )
            return _leases(connection, chosen)

    def extend(self, leases: Sequence[Lease], seconds: float) -> bool:
        """Prolong leases; False if one of them is not held any more."""
        with self.database.writing(exclusive=False) as connection:
            now = self._clock()
            held = [
                connection.execute(
                    sa.update(queue).where(_held(lease)).values(due=now + seconds)
                ).rowcount
                for lease in leases
            ]
        return all(held)

    def retry(self, leases: Sequence[Lease], *, soon: bool = False) -> None:
        """Give jobs back to be tried again: after a jittered wait, or at once."""
        with self.database.writing(exclusive=False) as connection:
            for lease in leases:
                wait = 0.0 if soon else self.policy.wait(lease.attempts)
                connection.execute(
                    sa.update(queue).where(_held(lease)).values(owner="", due=self._clock() + wait)
                )

    def release_owner(self, owner: str) -> int:
        """Make the leases of a worker that ended due at once; how many there were."""
        with self.database.writing(exclusive=False) as connection:
            return connection.execute(
                sa.update(queue).where(queue.c.owner == owner).values(owner="", due=self._clock())
            ).rowcount

    def release_dead_owners(self) -> int:
        """Do that for the workers of this machine that live no more."""
        with self.database.reading() as connection:
            owners = set(connection.execute(sa.select(queue.c.owner).distinct()).scalars())
        return sum(self.release_owner(owner) for owner in owners if _is_dead(owner))

    def has_due(self, kinds: Sequence[Kind]) -> bool:
        """Whether a claim would find something, at less than its cost."""
        due = sa.select(queue.c.id).where(queue.c.kind.in_(kinds), queue.c.due <= self._clock())
        with self.database.reading() as connection:
            return connection.execute(due.limit(1)).first() is not None

    def suspects(self, job_id: str) -> list[Suspect]:
        """Features of a job that were in work when a worker had to be ended, in order."""
        query = sa.select(
            suspect.c.first, suspect.c.count, suspect.c.reason, suspect.c.strikes
        ).where(suspect.c.job == job_id)
        with self.database.reading() as connection:
            return [Suspect(*row) for row in connection.execute(query.order_by(suspect.c.first))]

    def accuse(self, job_id: str, first: int, size: int, reason: str) -> None:
        """Remember that a worker had to be ended while it worked on some features.

        What was narrowed down gives the job its attempts back: only a job that fails
        without getting anywhere runs out of them.
        """
        overlapping = (
            (suspect.c.job == job_id)
            & (suspect.c.first < first + size)
            & (suspect.c.first + suspect.c.count > first)
        )
        columns = suspect.c.first, suspect.c.count, suspect.c.strikes
        with self.database.writing(exclusive=False) as connection:
            known = connection.execute(sa.select(*columns).where(overlapping)).all()
            strikes = max((row[2] for row in known if tuple(row[:2]) == (first, size)), default=0)
            connection.execute(sa.delete(suspect).where(overlapping))
            connection.execute(
                suspect.insert().values(
                    job=job_id, first=first, count=size, reason=reason, strikes=strikes + 1
                )
            )
            if not strikes:
                connection.execute(sa.update(queue).where(queue.c.id == job_id).values(attempts=1))

    def depth(self) -> Depth:
        """How full the queue is."""
        leased = sa.func.coalesce(sa.func.sum(sa.case((queue.c.owner != "", 1), else_=0)), 0)
        retries = sa.func.coalesce(sa.func.sum(sa.case((queue.c.attempts > 0, 1), else_=0)), 0)
        query = sa.select(sa.func.count(), leased, sa.func.min(queue.c.received), retries)
        with self.database.reading() as connection:
            n, held, oldest, again = connection.execute(query.select_from(queue)).one()
        age = max(self._clock() - oldest, 0.0) if n else 0.0
        return Depth(int(n - held), int(held), age, int(again))


def owner_name() -> str:
    """Name of this process that no later process of the machine has.

    Examples
    --------
    >>> owner_name() == owner_name()
    True
    """
    return owner_name_of(os.getpid())


def owner_name_of(pid: int) -> str:
    """Name of a living process of this machine."""
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def _is_dead(owner: str) -> bool:
    host, _, rest = owner.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or not rest.isdigit():
        return False
    return _started(int(rest)) != owner.rpartition(":")[2]


def _started(pid: int) -> str:
    """When a process began, in ticks since the machine did; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _held(lease: Lease) -> sa.ColumnElement[bool]:
    return (queue.c.id == lease.id) & (queue.c.fence == lease.fence)


def _together(connection: sa.Connection, kinds: Sequence[Kind], now: float, most: int) -> list[str]:
    query = (
        sa.select(queue.c.id, queue.c.kind, queue.c.size, queue.c.attempts)
        .where(queue.c.kind.in_(kinds), queue.c.due <= now)
        .order_by(queue.c.due, queue.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    chosen: list[str] = []
    kind, size = "", 0
    for row in connection.execute(query):
        alone = row.attempts > 0 or row.size > SMALL
        if chosen and (alone or row.kind != kind or size + row.size > TOGETHER):
            continue
        chosen.append(row.id)
        kind, size = row.kind, size + row.size
        if alone:
            break
    return chosen


def _leases(connection: sa.Connection, chosen: list[str]) -> list[Lease]:
    columns = [job.c.id, queue.c.fence, queue.c.attempts, job.c.kind, job.c.collection]
    columns += [job.c.client, job.c.content_type, job.c.encoding, job.c.correlation]
    columns += [job.c.callback, job.c.size, body.c.data, body.c.path, job.c.received]
    columns += [job.c.device]
    query = (
        sa.select(*columns)
        .join(queue, queue.c.id == job.c.id)
        .join(body, body.c.id == job.c.id)
        .where(job.c.id.in_(chosen))
        .order_by(job.c.received, job.c.id)
    )
    return [Lease(**row._asdict()) for row in connection.execute(query)]
