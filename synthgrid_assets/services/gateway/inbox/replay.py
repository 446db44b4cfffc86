"""Replay: dead letters as a new delivery, after what was wrong has been put right.

Belongs here: gathering their bytes, and the transaction that moves them on. Not here: who
asks for it (`cli`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import sqlalchemy as sa

from synthgrid_assets.errors import GatewayError
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.bodies import Bodies, open_body
from synthgrid_assets.services.gateway.inbox.deliveries import (
    DeadLetter,
    Delivery,
    Lease,
    new_id,
)
from synthgrid_assets.services.gateway.inbox.intake import enqueue, job_row
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.inbox.tables import body, job, rejection

_SEQUENCE = "application/geo+json-seq"
_SEPARATOR, _END = b"\x1e", b"\n"  # RFC 8142
_PAGE = 1000
_BLOCK = 1 << 20
_MOST = 1 << 46  # a body that was taken in once is read to its end


class Replays:
    """Sends dead letters of an inbox on their way again.

    Parameters
    ----------
    database : Database
        The inbox.
    bodies : Bodies
        Its large bodies.
    """

    def __init__(self, database: Database, bodies: Bodies) -> None:
        self._database = database
        self._bodies = bodies
        self._ledger = Ledger(database)

    def replay(self, job_id: str) -> str:
        """Replay all dead letters of a job, as one new job; its id.

        A body that failed as a whole, or of telemetry (equal fixes are one), is sent as it
        was; rejected features are sent together as a sequence. Each is replayed once: a
        second call finds only what failed again.

        Raises
        ------
        GatewayError
            If the job has no dead letters, or bytes of them are not kept any more.
        """
        letters = list(self._letters(job_id))
        if not letters:
            raise GatewayError(f"job {job_id} has no dead letters that were not replayed")
        lease = self._lease(job_id)
        new = new_id()
        file = self._bodies.start(new)
        try:
            digest, size = hashlib.sha256(), 0
            whole = letters[0].ordinal < 0 or lease.kind != "geometries"
            for part in _copied(lease) if whole else _sequence(lease, letters):
                digest.update(part)
                size += len(part)
                file.write(part)
            file.commit()
            delivery = Delivery(
                id=new,
                key=f"replay|{new}",
                kind=lease.kind,
                collection=lease.collection,
                client=lease.client,
                content_type=lease.content_type if whole else _SEQUENCE,
                encoding=lease.encoding if whole else "",
                sha256=digest.hexdigest(),
                size=size,
                data=None,
                path=str(file.path),
                correlation=lease.correlation,
                callback=lease.callback,
                received=time.time(),
                device=lease.device,
            )
            self._move(job_id, delivery)
        finally:
            file.close()
        return new

    def _letters(self, job_id: str) -> Iterator[DeadLetter]:
        after = (job_id, -2)
        while page := self._ledger.dead_letters(job_id, after=after, most=_PAGE):
            yield from (letter for _, letter in page)
            after = (job_id, page[-1][1].ordinal)

    def _lease(self, job_id: str) -> Lease:
        columns = [job.c.id, job.c.fence, job.c.kind, job.c.collection, job.c.client]
        columns += [job.c.content_type, job.c.encoding, job.c.correlation, job.c.callback]
        columns += [job.c.size, job.c.received, job.c.device, body.c.data, body.c.path]
        query = sa.select(*columns).outerjoin(body, body.c.id == job.c.id)
        with self._database.reading() as connection:
            row = connection.execute(query.where(job.c.id == job_id)).one()._asdict()
        return Lease(attempts=0, **(row | {"path": row["path"] or ""}))

    def _move(self, job_id: str, delivery: Delivery) -> None:
        with self._database.writing() as connection:
            moved = connection.execute(
                sa.update(rejection)
                .where(rejection.c.job == job_id, rejection.c.replayed.is_(None))
                .values(replayed=delivery.id)
            )
            if not moved.rowcount:
                raise GatewayError(f"the dead letters of job {job_id} were replayed meanwhile")
            connection.execute(job.insert(), [job_row(delivery)])
            enqueue(connection, [delivery])


def _copied(lease: Lease) -> Iterator[bytes]:
    """The body as it was sent."""
    if lease.data is None and not lease.path:
        raise GatewayError(f"the body of job {lease.id} is not kept any more; have it sent again")
    if lease.data is not None:
        yield lease.data
        return
    with open(lease.path, "rb") as stream:  # noqa: PTH123
        while part := stream.read(_BLOCK):
            yield part


def _sequence(lease: Lease, letters: Sequence[DeadLetter]) -> Iterator[bytes]:
    """Features as a text sequence: kept bytes, or those of the body where they were cut."""
    kept = lease.data is not None or lease.path
    if not kept or all(len(letter.data) == letter.length for letter in letters):
        for letter in letters:
            if len(letter.data) != letter.length:
                raise GatewayError(
                    f"the bytes of feature {letter.ordinal} of job {lease.id} are not kept any "
                    "more; have it sent again"
                )
            yield _SEPARATOR + letter.data + _END
        return
    with open_body(lease, most=_MOST) as stream:
        place = 0
        for letter in sorted(letters, key=lambda letter: letter.offset):
            _skip(stream, letter.offset - place)
            yield _SEPARATOR + stream.read(letter.length) + _END
            place = letter.offset + letter.length


def _skip(stream: BinaryIO, size: int) -> None:
    while size > 0:
        part = stream.read(min(size, _BLOCK))
        if not part:
            raise GatewayError("the body ends before a feature that it held")
        size -= len(part)
