"""What goes into the inbox and what comes out: deliveries, leases, outcomes, status.

Belongs here: the values that cross from HTTP to the queue and from there to workers. Not
here: how they are kept (`inbox`).
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Literal

Kind = Literal["geometries", "telemetry", "geofence"]
KINDS: tuple[Kind, ...] = ("geometries", "telemetry", "geofence")
Novelty = Literal["new", "duplicate", "conflict"]
_RANDOM_BYTES = 10


def new_id() -> str:
    """An id that sorts by time and that nobody guesses: 12 digits of ms, 20 of chance.

    Examples
    --------
    >>> first, second = new_id(), new_id()
    >>> len(first), first != second
    (32, True)
    """
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(_RANDOM_BYTES)}"


@dataclass(frozen=True)
class Delivery:
    """A body that was received whole and verified.

    Attributes
    ----------
    id : str
        From `new_id`; the address of its job.
    key : str
        What tells a repetition: the same key is the same delivery.
    kind : {"geometries", "telemetry", "geofence"}
        What is to be done with it.
    collection, client : str
        Where it goes and who sent it; the client may be empty.
    content_type, encoding : str
        As sent; the encoding is empty or ``gzip``.
    sha256 : str
        Of the bytes as sent.
    size : int
        Number of those bytes.
    data : bytes or None
        The body, or None if it lies in `path`.
    path : str
        Its file, synced; empty if it is in `data`.
    correlation : str
        Reappears in logs, landed files and Dagster's tags.
    callback : str
        Where to tell what became of it; may be empty.
    received : float
        Seconds since 1970.
    device : str
        Who sent telemetry, as far as the transport knows.
    """

    id: str
    key: str
    kind: Kind
    collection: str
    client: str
    content_type: str
    encoding: str
    sha256: str
    size: int
    data: bytes | None
    path: str
    correlation: str
    callback: str
    received: float
    device: str = ""


@dataclass(frozen=True)
class Accepted:
    """What the inbox says of a delivery.

    Attributes
    ----------
    id : str
        The job; for a duplicate the one that came first.
    novelty : {"new", "duplicate", "conflict"}
        A conflict is the same key with another body: nothing was taken in.
    """

    id: str
    novelty: Novelty


@dataclass(frozen=True)
class Lease:
    """A job that one worker has until a time.

    Attributes
    ----------
    id : str
        The job.
    fence : int
        Grows with every lease of a job: who has an older one cannot end the job any more.
    attempts : int
        How many leases there were, this one counted.
    kind, collection, client, content_type, encoding, correlation, callback, device
        As of the `Delivery`.
    size : int
        Bytes of the body.
    data : bytes or None
        The body if it lies in the record.
    path : str
        Else its file.
    received : float
        Seconds since 1970.
    """

    id: str
    fence: int
    attempts: int
    kind: Kind
    collection: str
    client: str
    content_type: str
    encoding: str
    correlation: str
    callback: str
    size: int
    data: bytes | None
    path: str
    received: float
    device: str = ""


@dataclass(frozen=True)
class Suspect:
    """Features that were in work when a worker had to be ended.

    Attributes
    ----------
    first, size : int
        Their places in the body.
    reason : str
        Why it had to be.
    strikes : int
        How often, for exactly these.
    """

    first: int
    size: int
    reason: str
    strikes: int


@dataclass(frozen=True)
class DeadLetter:
    """A feature, or with ordinal -1 a body, that did not land.

    Attributes
    ----------
    ordinal : int
        Place of the feature in its body, from 0.
    feature_id : str or None
        JSON text of its id.
    offset, length : int
        Its bytes in the body, after decompression.
    at : int
        Where the fault was found.
    reason, detail : str
        A fixed word, and a sentence.
    data : bytes
        Its bytes, the first 64 KiB.
    """

    ordinal: int
    feature_id: str | None
    offset: int
    length: int
    at: int
    reason: str
    detail: str
    data: bytes


@dataclass(frozen=True)
class StagedFile:
    """A file of landed rows, synced but not yet where readers look.

    Attributes
    ----------
    kind, collection, partition : str
        Where its rows belong.
    staged, path : str
        Where it lies and where it goes, below the data root.
    rows, size : int
        Rows and bytes.
    sha256 : str
        Of its bytes.
    """

    kind: str
    collection: str
    partition: str
    staged: str
    path: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes
    ----------
    lease : Lease
        The job and the right to end it.
    state : {"successful", "failed"}
        A job with rejected features is successful: the report names them.
    result : str
        JSON: counts, and the answer of a deferred question.
    error : str
        Why it failed, or empty.
    event : str
        CloudEvent for the callback, or empty.
    keep_body : bool
        Whether the body is still needed: a failed one, or one with dead letters whose bytes
        were cut.
    """

    lease: Lease
    state: Literal["successful", "failed"]
    result: str
    error: str = ""
    event: str = ""
    keep_body: bool = False


@dataclass(frozen=True)
class Depth:
    """How full the inbox is.

    Attributes
    ----------
    waiting, leased : int
        Jobs of the queue.
    oldest : float
        Seconds since the oldest of them was received; 0 for an empty queue.
    retries : int
        Jobs of the queue with an attempt behind them.
    """

    waiting: int
    leased: int
    oldest: float
    retries: int

    @property
    def total(self) -> int:
        """Jobs that are not ended."""
        return self.waiting + self.leased
