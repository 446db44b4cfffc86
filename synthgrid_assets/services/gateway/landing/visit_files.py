"""Visits as rows, a file a day: from entering to leaving, out of the record of events.

Belongs here: rows, files and what can be wrong with them. Not here: events (`visits`), Dagster.

A visit is of the day in UTC on which it began. A day's file is written anew, whole, when one of
its visits has changed: the same events give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.tables import visit
from synthgrid_assets.services.gateway.landing.positions import CRS84, day_name
from synthgrid_assets.storage.formats.geoparquet import point_table
from synthgrid_assets.storage.formats.parquet_file import serialise
from synthgrid_assets.storage.store import FileFacts, Store

PLACE = "zone_visits"  # below the data root
_DAY = 86_400.0
_TIME = pa.timestamp("us", "UTC")


@dataclass
class ZoneVisit:
    """One stay of a device in a zone.

    Attributes
    ----------
    client, device, zone : str
        Who, and where.
    entered : float
        Seconds since 1970, as all times.
    left, dwelt : float or None
        When it ended, and when it had lasted for the declared dwell; None if not yet.
    lon, lat : float
        Of the first fix inside.
    events : int
        How many there are of it.
    """

    client: str
    device: str
    zone: str
    entered: float
    left: float | None = None
    dwelt: float | None = None
    lon: float = float("nan")
    lat: float = float("nan")
    events: int = 0


def newest_event(database: Database) -> int:
    """Sequence number of the last event, 0 before the first."""
    with database.reading() as connection:
        return int(connection.execute(sa.select(sa.func.max(visit.c.sequence))).scalar() or 0)


def days_of_events(database: Database, after: int, upto: int) -> list[str]:
    """Days of the visits that events with these sequence numbers belong to."""
    query = sa.select(visit.c.entered).distinct()
    query = query.where(visit.c.sequence > after, visit.c.sequence <= upto)
    with database.reading() as connection:
        return sorted({day_name(entered) for entered in connection.execute(query).scalars()})


def visits_of_day(database: Database, day: str) -> list[ZoneVisit]:
    """The visits that began on a day, by client, device, zone and time."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    query = sa.select(visit).where(visit.c.entered >= start, visit.c.entered < start + _DAY)
    found: dict[tuple[str, str, str, float], ZoneVisit] = {}
    with database.reading() as connection:
        for row in connection.execute(query.order_by(visit.c.sequence)):
            key = row.client, row.device, row.zone, row.entered
            one = found.setdefault(key, ZoneVisit(*key))
            one.events += 1
            if row.kind == "enter":
                one.lon, one.lat = row.lon, row.lat
            elif row.kind == "dwell":
                one.dwelt = row.time
            else:
                one.left = row.time
    return [found[key] for key in sorted(found)]


def write_day(store: Store, day: str, visits: Sequence[ZoneVisit]) -> FileFacts:
    """Write a day's file, whole; readers see the old one or the new one."""
    return store.put(day_key(day), serialise(visit_table(visits)))


def day_key(day: str) -> str:
    """Where a day's file lies.

    Examples
    --------
    >>> day_key("2026-11-28")
    'zone_visits/2026-11-28/visits.parquet'
    """
    return f"{PLACE}/{day}/visits.parquet"


def visit_table(visits: Sequence[ZoneVisit]) -> pa.Table:
    """Rows of visits as GeoParquet: points where they began."""
    columns = {
        name: pa.array([getattr(one, name) for one in visits], pa.string())
        for name in ("client", "device", "zone")
    }
    for name in ("entered", "dwelt", "left"):
        values = [getattr(one, name) for one in visits]
        ticks = [None if value is None else round(value * 1e6) for value in values]
        columns[name] = pa.array(ticks, pa.int64()).cast(_TIME)
    places = np.array([(one.lon, one.lat) for one in visits], np.float64).reshape(-1, 2)
    return point_table(columns, places[:, 0], places[:, 1], crs=CRS84, facts={"of": PLACE})


def visit_problems(visits: Iterable[ZoneVisit]) -> list[str]:
    """What cannot be: visits without a beginning, that end before it, or that overlap.

    Parameters
    ----------
    visits : iterable of ZoneVisit
        As `visits_of_day` orders them.
    """
    ordered = list(visits)
    found = []
    for one in ordered:
        name = f"visit of {one.device} to {one.zone} at {one.entered}"
        if np.isnan(one.lon):
            found.append(f"{name} has no enter event")
        if one.left is not None and one.left < one.entered:
            found.append(f"{name} ends before it begins")
        if one.dwelt is not None and one.left is not None and one.dwelt > one.left:
            found.append(f"{name} lasted long enough only after its end")
    for one, other in pairwise(ordered):
        same = (one.client, one.device, one.zone) == (other.client, other.device, other.zone)
        if same and (one.left is None or one.left > other.entered):
            found.append(f"visits of {one.device} to {one.zone} overlap at {other.entered}")
    return found


def totals_problem(totals: Mapping[str, int], waiting: int) -> str:
    """What the sums of fixes lack, or nothing.

    Parameters
    ----------
    totals : mapping
        As `inbox.totals.visit_totals` gives them.
    waiting : int
        Fixes in the states of devices.
    """
    names = ("used", "waiting", "late", "repeated", "from_the_future")
    parts = {name: totals.get(f"fixes_{name}", 0) for name in names}
    received = totals.get("fixes_received", 0)
    if received != sum(parts.values()):
        return f"{received} fixes were received, and {parts} add up to another number"
    if parts["waiting"] != waiting:
        return f"{parts['waiting']} fixes should wait, the devices' states hold {waiting}"
    return ""
