"""Deliveries for tests of the inbox."""

from __future__ import annotations

import hashlib
import time

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.deliveries import Delivery, new_id
from synthgrid_assets.services.gateway.inbox.intake import Intake
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets.services.gateway.inbox.work_queue import RetryPolicy, WorkQueue


def delivery(key: str, data: bytes | None = b"{}", **changes) -> Delivery:
    fields = {
        "id": new_id(),
        "key": key,
        "kind": "geometries",
        "collection": "parcels",
        "client": "",
        "content_type": "application/geo+json",
        "encoding": "",
        "sha256": hashlib.sha256(data or b"").hexdigest(),
        "size": len(data or b""),
        "data": data,
        "path": "",
        "correlation": key,
        "callback": "",
        "received": time.time(),
    }
    return Delivery(**(fields | changes))


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class OpenInbox:
    """All parts of one inbox, on a clock."""

    def __init__(self, address, policy: RetryPolicy | None = None) -> None:
        self.clock = Clock()
        self.database = Database(address, INBOX)
        self.intake = Intake(self.database)
        self.queue = WorkQueue(self.database, policy or RetryPolicy(), self.clock)
        self.ledger = Ledger(self.database, self.clock)

    def put(self, *deliveries: Delivery):
        return self.intake.put(deliveries)

    def claim(self, owner="w", seconds=10.0, most=64, kinds=("geometries",)):
        return self.queue.claim(owner, kinds, seconds=seconds, most=most)
