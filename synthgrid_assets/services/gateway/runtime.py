"""What a running gateway holds: inbox, clients, quotas, metrics, and how full it is.

Belongs here: opening and closing them, and the decision to take a request at all. Not
here: what an endpoint does (`endpoints`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Literal

from synthgrid_assets.errors import StorageError
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.geofence.batching import MicroBatcher
from synthgrid_assets.services.gateway.geofence.nearby import NearbyZones
from synthgrid_assets.services.gateway.geofence.tiers import TierController
from synthgrid_assets.services.gateway.geofence.zone_store import ZoneStore
from synthgrid_assets.services.gateway.inbox.bodies import Bodies
from synthgrid_assets.services.gateway.inbox.deliveries import Depth
from synthgrid_assets.services.gateway.inbox.group_commit import GroupCommit
from synthgrid_assets.services.gateway.inbox.intake import Intake
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets.services.gateway.inbox.totals import visit_totals
from synthgrid_assets.services.gateway.inbox.work_queue import WorkQueue
from synthgrid_assets.services.gateway.landing.collections import Collections
from synthgrid_assets.services.gateway.log import tell
from synthgrid_assets.services.gateway.loop_watch import LoopWatch
from synthgrid_assets.services.gateway.metrics import Metrics
from synthgrid_assets.services.gateway.options import GatewayOptions
from synthgrid_assets.services.gateway.receiving.clients import Clients
from synthgrid_assets.services.gateway.receiving.places import Hold, Places
from synthgrid_assets.services.gateway.receiving.quotas import Quotas
from synthgrid_assets.services.gateway.receiving.refusals import busy, too_often
from synthgrid_assets.storage.store import open_store

_LOOK = 0.25  # seconds between two looks at the queue
_DEFERRALS = 8  # at once: a deferred answer costs more than an exact one, so under load few are
Landing = Literal["elsewhere", "starting", "ready"]


class Gateway:
    """One gateway's state.

    Parameters
    ----------
    options : GatewayOptions
        Where things lie and what the limits are.

    Raises
    ------
    StorageError
        If the inbox cannot be opened.
    SpecError
        If the file of keys or of collections is wrong.
    """

    def __init__(self, options: GatewayOptions) -> None:
        self.options = options
        self.store = open_store(options.data)
        self.clients = Clients(options.keys)
        self.collections = Collections(options.collections)
        self.database = Database(options.database, INBOX, private=True)
        self.bodies = Bodies(options.bodies, self.database)
        self.ledger = Ledger(self.database)
        self.queue = WorkQueue(self.database)
        self.quotas = Quotas()
        self.metrics = Metrics()
        self.tiers = TierController()
        self.batcher: MicroBatcher | None = None
        if options.zones is not None:
            self.batcher = MicroBatcher(ZoneStore(options.zones), self.tiers)
        self.distances = NearbyZones()
        self.watch = LoopWatch(self.tiers.observe_lag)
        self.uploads = Places(options.limits.uploads, "bodies are being received")
        self.questions = Places(options.limits.questions, "questions are being answered")
        self.deferrals = Places(_DEFERRALS, "questions are being deferred")
        self.hold = Hold()
        self.depth = Depth(0, 0, 0.0, 0)
        self.ready = False
        self.landing: Landing = "starting" if options.workers else "elsewhere"
        self.group: GroupCommit | None = None
        self._counts: Mapping[str, int] = {}
        self._visits: Mapping[str, int] = {}
        self._taken = 0  # since the last look
        self._look: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, in the running loop."""
        self.group = GroupCommit(Intake(self.database), self._committed)
        self.watch.start()
        self.bodies.sweep()
        self.depth = self.queue.depth()
        self._register_gauges()
        self._look = asyncio.get_running_loop().create_task(self._look_at_queue())
        self.ready = True

    async def stop(self) -> None:
        """End: what was accepted is on disk, and no thread is left."""
        self.ready = False
        if self._look is not None:
            self._look.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._look
        await self.watch.stop()
        if self.group is not None:
            await asyncio.to_thread(self.group.close)
        self.database.close()

    def tell_landing(self, state: Landing) -> None:
        """Take note of how far the landing workers beside this process are."""
        self.landing = state

    @property
    def fill(self) -> float:
        """Share of the queue that is taken; above 1 nothing more is."""
        return (self.depth.total + self._taken) / self.options.limits.queue

    @contextlib.contextmanager
    def upload(self) -> Iterator[None]:
        """A place among the uploads.

        Raises
        ------
        RefusedError
            503, if the queue or all places are full.
        """
        self.check_queue()
        with self.uploads.one():
            yield

    def check_queue(self) -> None:
        """Refuse with 503 while the queue is full."""
        if self.fill >= 1.0:
            raise busy(
                f"{self.depth.total} jobs wait, no more than {self.options.limits.queue} may", 5.0
            )

    def check_quota(self, client: str, cost: float = 1.0) -> None:
        """Refuse with 429 what passes a client's quota."""
        entry = self.clients.all().get(client)
        if entry is None:
            return
        wait = self.quotas.wait(
            client, rate=entry.requests_per_second, burst=entry.burst, cost=cost
        )
        if wait:
            raise too_often(
                f"client {client} may send {entry.requests_per_second:g} requests a second, "
                f"{entry.burst:g} at once",
                wait,
            )

    def _committed(self, size: int) -> None:
        self._taken += size
        self.metrics.count("deliveries_total", "Deliveries given to the inbox.", size)
        self.metrics.count("commits_total", "Transactions that wrote them.")

    async def _look_at_queue(self) -> None:
        slow = 0.0
        while True:
            await asyncio.sleep(_LOOK)
            try:
                self._taken = 0
                self.depth = await asyncio.to_thread(self.queue.depth)
                self.tiers.observe_fill(self.fill, "inbox")
                if time.monotonic() > slow:  # these are counted row by row
                    self._counts = await asyncio.to_thread(self.ledger.counts)
                    self._visits = await asyncio.to_thread(visit_totals, self.database)
                    slow = time.monotonic() + 10 * _LOOK
            except StorageError as error:
                tell("inbox unreadable", error=str(error))

    def _register_gauges(self) -> None:
        gauge = self.metrics.gauge
        gauge("queue_jobs", "Jobs that are not ended.", self._queue_states)
        gauge("queue_oldest_seconds", "Age of the oldest of them.", lambda: self.depth.oldest)
        gauge("queue_fill", "Share of the queue's limit.", lambda: self.fill)
        gauge("queue_retries", "Jobs with a failed attempt.", lambda: self.depth.retries)
        gauge("ledger", "Ended jobs, dead letters and callbacks.", lambda: self._counts)
        gauge("visits", "Fixes and zone events by what became of them.", lambda: self._visits)
        gauge("loop_lag_seconds", "Delay of the event loop.", lambda: self.watch.lag)
        gauge("slow_callbacks", "Callbacks above 50 ms.", lambda: self.watch.stalls)
        gauge("geofence_batches", "Batches of questions by tier.", self._tier_counts)
        gauge("uploads", "Bodies that are being received.", lambda: self.uploads.taken)
        gauge("questions", "Geofence questions in hand.", lambda: self.questions.taken)

    def _tier_counts(self) -> dict[str, float]:
        return {str(tier): float(count) for tier, count in self.tiers.counts.items()}

    def _queue_states(self) -> dict[str, float]:
        return {"waiting": self.depth.waiting, "leased": self.depth.leased}
