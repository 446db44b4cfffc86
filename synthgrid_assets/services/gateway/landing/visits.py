"""Visits of landed fixes: states and events in the transaction that ends their jobs.

Belongs here: the tables of visits, and telling clients. Not here: what makes a visit
(`visits.tracker`), delivering callbacks (`callbacks`).

A fix counts once: its job ends, its device's state changes, its events are written, and those
who want to be told of them are put on the courier's list together, or none of it happens. The
sums in `visit_total` are written with them: what was received is what was used, waits, came
late, again or from the future.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql, sqlite

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.geofence.zone_store import ZoneStore
from synthgrid_assets.services.gateway.inbox.deliveries import new_id
from synthgrid_assets.services.gateway.inbox.tables import (
    notice,
    visit,
    visit_due,
    visit_state,
)
from synthgrid_assets.services.gateway.inbox.totals import add_totals
from synthgrid_assets.services.gateway.landing.reports import visits_event
from synthgrid_assets.services.gateway.receiving.clients import Clients
from synthgrid_assets.services.gateway.telemetry import Fixes
from synthgrid_assets.services.gateway.visits.rules import VisitRules
from synthgrid_assets.services.gateway.visits.tracker import VisitTracker, ZoneEvent

_GROUP = 500  # devices of one statement
_TOLD = 200  # events of one callback
_LOOK = 5.0  # seconds between two looks for devices that have fallen silent


class Visits:
    """Follows devices through the zones of a folder.

    Parameters
    ----------
    folder : Path
        Of compiled zones.
    rules : VisitRules
        What makes a visit.
    clients : Clients
        Who is told of events, and where.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        rules: VisitRules,
        clients: Clients,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = ZoneStore(folder)
        self._rules = rules
        self._clients = clients
        self._clock = clock
        self._looked = 0.0

    def record(self, connection: sa.Connection, client: str, fixes: Fixes) -> int:
        """Take a client's fixes in and write what became certain; how many events.

        Parameters
        ----------
        connection : Connection
            Of the transaction that ends the fixes' jobs, alone among writers.
        client : str
            Whose devices.
        fixes : Fixes
            In any order.
        """
        tracker = VisitTracker(self._rules, self._zones_of)
        self._restore(connection, tracker, client, sorted(set(fixes.device.tolist())))
        return self._write(connection, tracker, client, tracker.add(fixes, now=self._clock()))

    def advance(self, database: Database) -> int:
        """Write what has become certain of devices that fell silent; how many events.

        Looks every few seconds at most; any number of workers may ask.
        """
        if time.monotonic() - self._looked < _LOOK:
            return 0
        self._looked = time.monotonic()
        return self.advance_now(database)

    def advance_now(self, database: Database) -> int:
        """As `advance`, at once."""
        until, events = self._clock() - self._rules.patience, 0
        due = sa.select(visit_due.c.client, visit_due.c.device).where(visit_due.c.due < until)
        due = due.order_by(visit_due.c.due).limit(_GROUP)
        while True:
            with database.reading() as connection:  # most looks end here, and hold nobody up
                if connection.execute(due.limit(1)).first() is None:
                    return events
            with database.writing() as connection:
                found: dict[str, list[str]] = {}
                for client, device in connection.execute(due).all():
                    found.setdefault(client, []).append(device)
                for client, devices in found.items():
                    tracker = VisitTracker(self._rules, self._zones_of)
                    self._restore(connection, tracker, client, devices)
                    told = tracker.advance(until)
                    events += self._write(connection, tracker, client, told, looked_at=devices)

    def _restore(
        self, connection: sa.Connection, tracker: VisitTracker, client: str, devices: list[str]
    ) -> None:
        for start in range(0, len(devices), _GROUP):
            known = sa.select(visit_state.c.device, visit_state.c.state).where(
                visit_state.c.client == client,
                visit_state.c.device.in_(devices[start : start + _GROUP]),
            )
            for device, state in connection.execute(known).all():
                tracker.restore(device, bytes(state))

    def _write(
        self,
        connection: sa.Connection,
        tracker: VisitTracker,
        client: str,
        events: list[ZoneEvent],
        looked_at: Iterable[str] = (),
    ) -> int:
        insert = _insert(connection)
        states = tracker.take_changed()
        if states:
            rows = [
                {"client": client, "device": device, "state": state}
                for device, state in states.items()
            ]
            statement = insert(visit_state)
            kept = {"state": statement.excluded.state}
            keys = [visit_state.c.client, visit_state.c.device]
            connection.execute(
                statement.on_conflict_do_update(index_elements=keys, set_=kept), rows
            )
        self._write_due(connection, tracker, client, sorted({*states, *looked_at}))
        if events:
            rows = [_row(client, event) for event in events]
            connection.execute(insert(visit).on_conflict_do_nothing(), rows)
        hook = self._clients.hook_of(client)
        if hook and events:
            connection.execute(notice.insert(), _notices(client, hook, events, self._clock()))
        sums = Counter({f"fixes_{name}": n for name, n in vars(tracker.counts).items()})
        sums.update(f"events_{event.kind}" for event in events)
        sums["events_hooked"] = len(events) if hook else 0
        add_totals(connection, sums)
        return len(events)

    def _write_due(
        self, connection: sa.Connection, tracker: VisitTracker, client: str, devices: list[str]
    ) -> None:
        due = {device: tracker.due(device) for device in devices if tracker.known(device)}
        for start in range(0, len(devices), _GROUP):
            chosen = visit_due.c.device.in_(devices[start : start + _GROUP])
            connection.execute(sa.delete(visit_due).where(visit_due.c.client == client, chosen))
        rows = [
            {"client": client, "device": device, "due": at}
            for device, at in due.items()
            if np.isfinite(at)
        ]
        if rows:
            connection.execute(visit_due.insert(), rows)

    def _zones_of(self, lonlat: NDArray[np.float64]) -> Sequence[Sequence[str]]:
        index = self._store.current()
        points = np.ascontiguousarray(lonlat, np.float64).reshape(-1, 2)
        matches = index.query(self._store.in_plane(index, points))
        return [[str(index.names[zone]) for zone in matches.of(k)] for k in range(len(points))]


def visits_after(database: Database, client: str, sequence: int, most: int) -> list[dict[str, Any]]:
    """Events of a client's devices with a higher sequence number, in its order."""
    columns = [column for column in visit.c if column.name not in ("client", "id")]
    query = sa.select(*columns).where(visit.c.client == client, visit.c.sequence > sequence)
    with database.reading() as connection:
        found = connection.execute(query.order_by(visit.c.sequence).limit(most))
        return [row._asdict() for row in found]


def _insert(connection: sa.Connection) -> Any:
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


def _row(client: str, event: ZoneEvent) -> dict[str, Any]:
    return {"id": f"{client}|{event.id}", "client": client, **vars(event)}


def _notices(client: str, url: str, events: list[ZoneEvent], now: float) -> list[dict[str, Any]]:
    told = [{"id": event.id, **vars(event)} for event in events]
    return [
        {
            "id": new_id(),
            "job": "",
            "client": client,
            "url": url,
            "event": visits_event(client, told[start : start + _TOLD]),
            "due": now,
            "attempts": 0,
            "state": "waiting",
        }
        for start in range(0, len(told), _TOLD)
    ]


def fixes_waiting(database: Database) -> int:
    """Fixes that the states of all devices hold, counted one by one."""
    with database.reading() as connection:
        states = connection.execute(sa.select(visit_state.c.state)).scalars()
        return sum(len(json.loads(bytes(state))["waiting"]) for state in states)
