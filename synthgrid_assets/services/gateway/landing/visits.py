"""Visits of landed fixes: states and events in the transaction that ends their jobs.

Belongs here: the tables of visits. Not here: what makes a visit (`geofence.visits`).

A fix counts once: its job ends, its device's state changes and its events are written
together, or none of it happens.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql, sqlite

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.geofence.visits import VisitRules, VisitTracker, ZoneEvent
from synthgrid_assets.services.gateway.geofence.zone_store import ZoneStore
from synthgrid_assets.services.gateway.inbox.tables import visit, visit_state
from synthgrid_assets.services.gateway.telemetry import Fixes

_GROUP = 500


class Visits:
    """Follows devices through the zones of a folder.

    Parameters
    ----------
    folder : Path
        Of compiled zones.
    rules : VisitRules
        What makes a visit; by default fixes may come 300 s late.
    """

    def __init__(self, folder: Path, rules: VisitRules | None = None) -> None:
        self._store = ZoneStore(folder)
        self._rules = rules or VisitRules()

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
        devices = sorted(set(fixes.device.tolist()))
        for start in range(0, len(devices), _GROUP):
            known = sa.select(visit_state.c.device, visit_state.c.state).where(
                visit_state.c.client == client,
                visit_state.c.device.in_(devices[start : start + _GROUP]),
            )
            for device, state in connection.execute(known).all():
                tracker.restore(device, bytes(state))
        events = tracker.add(fixes, now=time.time())
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        states = [
            {"client": client, "device": device, "state": state}
            for device, state in tracker.take_changed().items()
        ]
        if states:
            statement = insert(visit_state)
            kept = {"state": statement.excluded.state}
            keys = [visit_state.c.client, visit_state.c.device]
            connection.execute(
                statement.on_conflict_do_update(index_elements=keys, set_=kept), states
            )
        if events:
            rows = [_row(client, event) for event in events]
            connection.execute(insert(visit).on_conflict_do_nothing(), rows)
        return len(events)

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


def _row(client: str, event: ZoneEvent) -> dict[str, Any]:
    return {"id": f"{client}|{event.id}", "client": client, **vars(event)}
