"""Callbacks: each ended job is told to its sender at least once, signed, until it is heard.

Belongs here: the courier's loop. Not here: what is told (`reports`).
"""

from __future__ import annotations

import http.client
import signal
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from synthgrid_assets.errors import StorageError
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.tables import INBOX, notice
from synthgrid_assets.services.gateway.inbox.work_queue import RetryPolicy
from synthgrid_assets.services.gateway.landing.processes.process_limits import die_with_parent
from synthgrid_assets.services.gateway.log import tell
from synthgrid_assets.services.gateway.options import GatewayOptions
from synthgrid_assets.services.gateway.receiving.clients import Clients
from synthgrid_assets.services.gateway.receiving.signatures import sign

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
POLICY = RetryPolicy(attempts=16, first=1.0, limit=3600.0)
_SECONDS = 15.0  # for one answer
_IDLE = 0.25
_GROUP = 20


class Courier:
    """Delivers callbacks that are due.

    Parameters
    ----------
    database : Database
        The inbox.
    clients : Clients
        Whose secrets sign, and where each may be told.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self, database: Database, clients: Clients, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._clients = clients
        self._clock = clock

    def deliver_due(self) -> int:
        """Try every callback that is due, once; how many there were."""
        query = (
            sa.select(notice)
            .where(notice.c.state == "waiting", notice.c.due <= self._clock())
            .order_by(notice.c.due)
            .limit(_GROUP)
        )
        with self._database.reading() as connection:
            due = [row._asdict() for row in connection.execute(query)]
        for row in due:
            self._record(row, self._deliver(row))
        return len(due)

    def _deliver(self, row: dict[str, Any]) -> str:
        """What went wrong, or nothing."""
        if not self._clients.may_call_back(row["client"], row["url"]):
            return "the client may not be told there any more"
        body = row["event"].encode()
        headers = {"content-type": CONTENT_TYPE, "user-agent": "synthgrid-gateway"}
        key = self._clients.secret_of(row["client"])
        if key is not None:
            now = int(self._clock())  # of this attempt, so that it lies in the replay window
            headers["webhook-id"] = row["id"]
            headers["webhook-timestamp"] = str(now)
            headers["webhook-signature"] = sign(key, row["id"], now, body)
        try:
            status = post(row["url"], body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"{type(error).__name__}: {error}"[:500]
        return "" if 200 <= status < 300 else f"status {status}"

    def _record(self, row: dict[str, Any], error: str) -> None:
        attempts = row["attempts"] + 1
        state = "waiting" if error else "delivered"
        if error and attempts >= POLICY.attempts:
            state = "failed"
        wait = POLICY.wait(attempts) if error else 0.0
        with self._database.writing(exclusive=False) as connection:
            connection.execute(
                sa.update(notice)
                .where(notice.c.id == row["id"])
                .values(attempts=attempts, state=state, error=error, due=self._clock() + wait)
            )
        tell("callback", job=row["job"], state=state, attempts=attempts, error=error)


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Send a body and return the status; redirections are not followed.

    Raises
    ------
    OSError, http.client.HTTPException, ValueError
        If nobody answers.
    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=_SECONDS, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        target = parts.path or "/"
        connection.request(
            "POST", f"{target}?{parts.query}" if parts.query else target, body, headers
        )
        return connection.getresponse().status
    finally:
        connection.close()


def run_courier(options: GatewayOptions, parent: int) -> None:
    """Deliver in this process until SIGTERM."""
    die_with_parent(parent)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    courier = Courier(Database(options.database, INBOX, private=True), Clients(options.keys))
    while not asked:
        try:
            if not courier.deliver_due():
                time.sleep(_IDLE)
        except StorageError as error:
            tell("courier cannot read", error=str(error))
            time.sleep(4 * _IDLE)
