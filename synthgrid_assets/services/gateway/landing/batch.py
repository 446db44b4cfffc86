"""One batch: leased jobs, their files, their dead letters, ended together or not at all.

Belongs here: what happens between a claim and its end, whatever goes wrong. Not here: what
is done with a body (`geometries`) and the loop (`worker`).
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from synthgrid_assets.errors import GatewayError, StorageError
from synthgrid_assets.services.gateway.inbox.bodies import Bodies
from synthgrid_assets.services.gateway.inbox.deliveries import DeadLetter, Lease, Outcome
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.inbox.work_queue import WorkQueue
from synthgrid_assets.services.gateway.landing.collections import Collection, Collections
from synthgrid_assets.services.gateway.landing.geometries import GeometryLanding, Sink
from synthgrid_assets.services.gateway.landing.positions import TelemetryBatch
from synthgrid_assets.services.gateway.landing.processes.chunks import ChunkSize
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.questions import Questions
from synthgrid_assets.services.gateway.landing.reports import Report
from synthgrid_assets.services.gateway.landing.rows import FeatureRows, PartitionBuffer
from synthgrid_assets.services.gateway.landing.staging import Staging, publish
from synthgrid_assets.services.gateway.landing.visits import Visits
from synthgrid_assets.services.gateway.log import tell
from synthgrid_assets.services.gateway.telemetry import Fixes
from synthgrid_assets.storage.store import Store

OUT_OF_MEMORY, ERROR, GAVE_UP = "out_of_memory", "error", "gave_up"
UNREADABLE = "unreadable_body"


class LeaseLostError(GatewayError):
    """Somebody else has the job by now: what was done for it is nobody's."""


@dataclass(frozen=True)
class Workshop:
    """What a worker works with.

    Attributes
    ----------
    store : Store
        Of the data root.
    collections : Collections
        How what lands.
    queue, ledger, bodies
        Parts of the inbox.
    progress : Progress
        Told what is worked on.
    chunk : ChunkSize
        How many features at once.
    lease : float
        Seconds of a lease.
    expanded : int
        Bytes of a decompressed body.
    zones : Path or None
        Folder of compiled zones.
    visits : Visits or None
        What follows devices through them.
    """

    store: Store
    collections: Collections
    queue: WorkQueue
    ledger: Ledger
    bodies: Bodies
    progress: Progress
    chunk: ChunkSize
    lease: float
    expanded: int
    zones: Path | None
    visits: Visits | None


def land_geometries(workshop: Workshop, leases: Sequence[Lease]) -> None:
    """Land deliveries of geometries and end their jobs.

    Raises
    ------
    MemoryError
        After the chunk was accused and the jobs were given back: the worker should end.
    """

    def land(staging: Staging) -> list[Outcome]:
        batch = _GeometryBatch(workshop, leases, staging)
        outcomes = [batch.land(lease) for lease in leases]
        batch.buffer.flush()
        return outcomes

    in_one_batch(workshop, leases, land)


def land_telemetry(workshop: Workshop, leases: Sequence[Lease]) -> None:
    """Land deliveries of telemetry and end their jobs; raises as `land_geometries`."""

    def land(staging: Staging) -> list[Outcome]:
        batch, outcomes = TelemetryBatch(most=workshop.expanded), []
        for lease in leases:
            workshop.progress.begin(lease.id, 0, 1)
            if lease.attempts > workshop.queue.policy.attempts:
                outcomes.append(give_up(workshop, lease))
                continue
            outcome, letters = batch.land(lease)
            workshop.ledger.reject(lease, letters)
            outcomes.append(outcome)
        fixes.update(batch.by_client(batch.write(staging, leases)))
        return outcomes

    def visit(connection: sa.Connection) -> None:
        if workshop.visits is not None:
            for client, own in fixes.items():
                workshop.visits.record(connection, client, own)

    fixes: dict[str, Fixes] = {}
    in_one_batch(workshop, leases, land, visit)


def answer_questions(workshop: Workshop, leases: Sequence[Lease]) -> None:
    """Answer deferred questions and end their jobs; raises as `land_geometries`."""

    def land(staging: Staging) -> list[Outcome]:
        questions, outcomes = Questions(workshop.zones), []
        for lease in leases:
            workshop.progress.begin(lease.id, 0, 1)
            if lease.attempts > workshop.queue.policy.attempts:
                outcomes.append(give_up(workshop, lease))
                continue
            outcome, letters = questions.answer(lease)
            workshop.ledger.reject(lease, letters)
            outcomes.append(outcome)
        return outcomes

    in_one_batch(workshop, leases, land)


def in_one_batch(
    workshop: Workshop,
    leases: Sequence[Lease],
    land: Callable[[Staging], list[Outcome]],
    also: Callable[[sa.Connection], None] | None = None,
) -> None:
    """Do work whose files and outcomes are recorded together, whatever goes wrong."""
    staging = Staging(workshop.store)
    try:
        end_batch(workshop, land(staging), staging, also)
    except LeaseLostError:
        staging.clear()
        tell("lease lost", jobs=[lease.id for lease in leases])
    except StorageError as error:
        staging.clear()
        workshop.queue.retry(leases)
        tell("batch failed", jobs=[lease.id for lease in leases], error=str(error))
    except MemoryError:
        staging.clear()
        accuse(workshop, OUT_OF_MEMORY)
        workshop.queue.retry(leases, soon=True)
        raise
    except Exception as error:  # what nobody foresaw must not take the neighbours down
        staging.clear()
        accuse(workshop, ERROR)
        workshop.queue.retry(leases)
        tell(
            "batch failed",
            jobs=[lease.id for lease in leases],
            error=repr(error),
            where=traceback.format_exc(limit=-3),
        )


def end_batch(
    workshop: Workshop,
    outcomes: Sequence[Outcome],
    staging: Staging,
    also: Callable[[sa.Connection], None] | None = None,
) -> None:
    """Record the end of jobs with their files, then put the files in place."""
    began = time.perf_counter()
    workshop.progress.begin(outcomes[0].lease.id, -1, 0)
    staging.sync()
    if not workshop.ledger.finish(outcomes, staging.files, staging.batch, also):
        raise LeaseLostError("a lease of the batch was lost")
    publish(workshop.store, workshop.ledger, only=staging.files)
    workshop.progress.done(jobs=len(outcomes))
    for outcome in outcomes:
        lease = outcome.lease
        if lease.path and not outcome.keep_body:
            workshop.bodies.remove(lease.path)
        tell(
            "job ended",
            correlation=lease.correlation,
            job=lease.id,
            state=outcome.state,
            attempts=lease.attempts,
            error=outcome.error,
            counts=json.loads(outcome.result).get("counts", {}),
            age_seconds=round(time.time() - lease.received, 3),
            commit_seconds=round(time.perf_counter() - began, 4),
        )


def accuse(workshop: Workshop, reason: str) -> None:
    """Remember the chunk that was in work."""
    now = workshop.progress.read()
    if now.job and now.size:
        workshop.queue.accuse(now.job, now.first, now.size, reason)


def give_up(workshop: Workshop, lease: Lease) -> Outcome:
    """The end of a job that got nowhere in all its attempts: its body is a dead letter."""
    detail = f"given up after {lease.attempts - 1} attempts; replay it after a fix"
    workshop.ledger.reject(lease, [_body_letter(lease, GAVE_UP, detail)])
    return Report(rejected=1).outcome(lease, detail)


class _GeometryBatch:
    """Rows of several jobs on their way into common files."""

    def __init__(self, workshop: Workshop, leases: Sequence[Lease], staging: Staging) -> None:
        self._workshop = workshop
        self._leases = leases
        self._extended = time.monotonic()
        self._landings: dict[str, GeometryLanding] = {}
        facts = {
            "batch": staging.batch,
            "correlations": json.dumps([lease.correlation for lease in leases]),
        }
        self.buffer = PartitionBuffer(staging, facts)

    def land(self, lease: Lease) -> Outcome:
        """Land one of them; its rows are common only when they are all there."""
        workshop = self._workshop
        if lease.attempts > workshop.queue.policy.attempts:
            return give_up(workshop, lease)
        collection = workshop.collections.find(lease.collection)
        if collection is None:
            detail = f"the collection {lease.collection} is not declared any more"
            workshop.ledger.reject(lease, [_body_letter(lease, UNREADABLE, detail)])
            return Report(rejected=1).outcome(lease, detail)
        alone = len(self._leases) == 1
        held: list[tuple[str, list[str], FeatureRows]] = []

        def add(crs: str, partitions: list[str], rows: FeatureRows) -> None:
            if alone:
                self.buffer.add(lease.collection, crs, partitions, rows)
            else:
                held.append((crs, partitions, rows))

        def restart() -> None:
            held.clear()
            if alone:
                self.buffer.clear()
            workshop.ledger.forget(lease)

        sink = Sink(
            add, lambda letters: workshop.ledger.reject(lease, letters), restart, self._alive
        )
        suspects = workshop.queue.suspects(lease.id) if lease.attempts > 1 else []
        try:
            report, fault = self._landing(lease.collection, collection).land(lease, suspects, sink)
        except LeaseLostError:
            raise
        except GatewayError as error:
            restart()
            workshop.ledger.reject(lease, [_body_letter(lease, UNREADABLE, str(error))])
            report, fault = Report(rejected=1), str(error)
        for crs, partitions, rows in held:
            self.buffer.add(lease.collection, crs, partitions, rows)
        return report.outcome(lease, fault)

    def _landing(self, name: str, collection: Collection) -> GeometryLanding:
        if name not in self._landings:
            self._landings[name] = GeometryLanding(
                collection,
                self._workshop.progress,
                self._workshop.chunk,
                most=self._workshop.expanded,
            )
        return self._landings[name]

    def _alive(self) -> None:
        now = time.monotonic()
        if now - self._extended > self._workshop.lease / 3:
            self._extended = now
            if not self._workshop.queue.extend(self._leases, self._workshop.lease):
                raise LeaseLostError("a lease ran out")


def _body_letter(lease: Lease, reason: str, detail: str) -> DeadLetter:
    data = (lease.data or b"")[: 64 << 10]
    return DeadLetter(-1, None, 0, lease.size, 0, reason, detail.replace("\0", "\\0"), data)
