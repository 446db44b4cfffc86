"""A landing worker: a process that claims, lands and ends jobs until it is told to stop.

Belongs here: its loop. Not here: what is done with a batch (`batch`) and who watches
(`supervisor`).
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from synthgrid_assets.errors import StorageError
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.bodies import Bodies
from synthgrid_assets.services.gateway.inbox.deliveries import Kind, Lease
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets.services.gateway.inbox.work_queue import WorkQueue, owner_name
from synthgrid_assets.services.gateway.landing.batch import (
    Workshop,
    answer_questions,
    land_geometries,
    land_telemetry,
)
from synthgrid_assets.services.gateway.landing.collections import Collections
from synthgrid_assets.services.gateway.landing.processes.chunk_size import AdaptiveChunk
from synthgrid_assets.services.gateway.landing.processes.process_limits import (
    die_with_parent,
    limit_memory,
)
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.visits import Visits
from synthgrid_assets.services.gateway.log import tell
from synthgrid_assets.services.gateway.options import GatewayOptions
from synthgrid_assets.services.gateway.receiving.clients import Clients
from synthgrid_assets.storage.store import open_store

OUT_OF_MEMORY = 75  # exit code of a worker that says so itself
_IDLE = 0.1  # seconds between two looks at an empty queue, on average
Handler = Callable[[Workshop, Sequence[Lease]], None]
HANDLERS: Mapping[Kind, Handler] = {
    "geometries": land_geometries,
    "telemetry": land_telemetry,
    "geofence": answer_questions,
}


def run_worker(options: GatewayOptions, progress: Progress, parent: int) -> None:
    """Work in this process, forked for it, until SIGTERM or the last job of its life."""
    die_with_parent(parent)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_memory(options.worker_limits.memory)
    workshop = open_workshop(options, progress)
    owner = owner_name()
    jobs = 0
    while not asked and jobs < options.worker_limits.jobs:
        try:
            jobs += work_once(workshop, owner, options.worker_limits.lease)
            advance_visits(workshop)
        except StorageError as error:
            tell("worker cannot claim", error=str(error))
            time.sleep(random.uniform(0.5, 2.0))
        except MemoryError:
            tell("worker out of memory", pid=os.getpid())
            sys.exit(OUT_OF_MEMORY)


def advance_visits(workshop: Workshop) -> None:
    """Tell what has become certain of silent devices; a fault there holds no landing up."""
    if workshop.visits is None:
        return
    try:
        workshop.visits.advance(workshop.queue.database)
    except Exception as error:  # one state that cannot be read must not end every worker
        tell("visits not advanced", error=repr(error))


def open_workshop(options: GatewayOptions, progress: Progress) -> Workshop:
    """What a worker needs, opened in its own process."""
    database = Database(options.database, INBOX, private=True)
    return Workshop(
        store=open_store(options.data),
        collections=Collections(options.collections),
        queue=WorkQueue(database),
        ledger=Ledger(database),
        bodies=Bodies(options.bodies, database),
        progress=progress,
        chunk=AdaptiveChunk(),
        lease=options.worker_limits.lease,
        expanded=options.limits.expanded,
        zones=options.zones,
        visits=None
        if options.zones is None
        else Visits(options.zones, options.visits, Clients(options.keys)),
    )


def work_once(workshop: Workshop, owner: str, lease: float) -> int:
    """Claim and land once; how many jobs there were."""
    workshop.progress.rest()
    kinds = list(HANDLERS)
    leases: list[Lease] = []
    if workshop.queue.has_due(kinds):
        leases = workshop.queue.claim(owner, kinds, seconds=lease)
    if not leases:
        time.sleep(random.uniform(0.5 * _IDLE, 1.5 * _IDLE))
        return 0
    workshop.progress.begin(leases[0].id, -1, 0)
    HANDLERS[leases[0].kind](workshop, leases)
    return len(leases)
