"""Tracks: landed fixes of one device in a span of time.

Belongs here: reading landed telemetry. Not here: writing it (`positions`).
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthgrid_assets.services.gateway.landing.positions import TELEMETRY, day_name
from synthgrid_assets.services.gateway.telemetry import FIX_SCHEMA, Fixes
from synthgrid_assets.storage.store import Store

_DAY = 86_400.0


def read_track(store: Store, client: str, device: str, start: float, end: float) -> Fixes:
    """Fixes of a client's device from `start` to `end`, by time.

    Parameters
    ----------
    store : Store
        Of the data root.
    client, device : str
        Whose.
    start, end : float
        Seconds since 1970, both included.
    """
    first, last = (
        pa.scalar(datetime.fromtimestamp(value, UTC), pa.timestamp("us", "UTC"))
        for value in (start, end)
    )
    wanted = (
        (pc.field("device") == device)
        & (pc.field("client") == client)
        & (pc.field("time") >= first)
        & (pc.field("time") <= last)
    )
    tables = []
    for day in range(int(start // _DAY), int(end // _DAY) + 1):
        for key in store.list(f"{TELEMETRY}/{day_name(day * _DAY)}/"):
            with store.open(key) as file:
                tables.append(
                    pq.read_table(file, columns=[*FIX_SCHEMA.names, "client"], filters=wanted)
                )
    if not tables:
        return Fixes.of([])
    fixes = Fixes.from_arrow(pa.concat_tables(tables).drop_columns(["client"]))
    return fixes.take(np.argsort(fixes.time, kind="stable"))
