"""Landing telemetry: messages of many devices to files by day, each fix once.

Belongs here: deliveries of telemetry. Not here: their formats (`telemetry`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from synthgrid_assets.errors import GatewayError
from synthgrid_assets.services.gateway.inbox.bodies import open_body
from synthgrid_assets.services.gateway.inbox.deliveries import DeadLetter, Lease, Outcome
from synthgrid_assets.services.gateway.landing.reports import Report, dead_letter
from synthgrid_assets.services.gateway.landing.staging import Staging
from synthgrid_assets.services.gateway.telemetry import Decoded, Fixes, decode
from synthgrid_assets.storage.formats.geoparquet import point_table

TELEMETRY = "telemetry"
CRS84 = "OGC:CRS84"
_DAY = 86_400.0
_MOST = 1_000_000  # fixes of one Arrow stream


class TelemetryBatch:
    """Fixes of several deliveries on their way into files by day.

    Parameters
    ----------
    most : int
        Bytes of a decompressed body.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._fixes: list[Fixes] = []
        self._jobs: list[str] = []
        self._clients: list[str] = []
        self._received: list[float] = []

    def land(self, lease: Lease) -> tuple[Outcome, list[DeadLetter]]:
        """Decode a delivery; its end and its dead letters."""
        try:
            with open_body(lease, most=self._most) as stream:
                found = decode(stream.read(), lease.content_type, device=lease.device, limit=_MOST)
        except GatewayError as error:
            letter = DeadLetter(-1, None, 0, lease.size, 0, "unreadable_body", str(error), b"")
            return Report(rejected=1).outcome(lease, str(error)), [letter]
        letters = [dead_letter(rejection) for rejection in found.rejections]
        whole = next((letter for letter in letters if letter.ordinal < 0), None)
        report = _report(found, letters)
        if whole is not None:
            return report.outcome(lease, f"{whole.reason}: {whole.detail}"), letters
        self._take(lease, found.fixes)
        return report.outcome(lease), letters

    def _take(self, lease: Lease, fixes: Fixes) -> None:
        if len(fixes):
            self._fixes.append(fixes)
            self._jobs += [lease.id] * len(fixes)
            self._clients += [lease.client] * len(fixes)
            self._received += [lease.received] * len(fixes)

    def write(self, staging: Staging, leases: Sequence[Lease]) -> Fixes:
        """Write one file for each day in UTC; all fixes of the batch."""
        fixes = Fixes.joined(self._fixes)
        facts = {
            "batch": staging.batch,
            "correlations": json.dumps([lease.correlation for lease in leases]),
        }
        days = np.floor(fixes.time / _DAY).astype(np.int64)
        for day in np.unique(days).tolist():
            rows = np.flatnonzero(days == day)
            # by device and time: readers of one device skip most of a file
            rows = rows[np.lexsort((fixes.time[rows], fixes.device[rows].astype(str)))]
            staging.write(TELEMETRY, "", day_name(day * _DAY), self._table(fixes, rows, facts))
        return fixes

    def by_client(self, fixes: Fixes) -> dict[str, Fixes]:
        """All fixes of the batch, as `write` gave them, by who sent them."""
        clients = np.array(self._clients, object)
        return {name: fixes.take(clients == name) for name in sorted(set(self._clients))}

    def _table(self, fixes: Fixes, rows: Any, facts: dict[str, str]) -> pa.Table:
        chosen = fixes.take(rows)
        columns: dict[str, Any] = {
            name: column.combine_chunks()
            for name, column in zip(
                chosen.to_arrow().column_names, chosen.to_arrow().columns, strict=True
            )
        }
        columns["job"] = pa.array([self._jobs[row] for row in rows], pa.string())
        columns["client"] = pa.array([self._clients[row] for row in rows], pa.string())
        ticks = np.round(np.array(self._received)[rows] * 1e6).astype(np.int64)
        columns["received"] = pa.array(ticks).cast(pa.timestamp("us", "UTC"))
        return point_table(columns, chosen.lon, chosen.lat, crs=CRS84, facts=facts)


def day_name(seconds: float) -> str:
    """The day in UTC of a time, as a partition.

    Examples
    --------
    >>> day_name(1_700_000_000.0)
    '2023-11-14'
    """
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _report(found: Decoded, letters: list[DeadLetter]) -> Report:
    report = Report(landed=len(found.fixes), rejected=len(letters))
    days = np.floor(found.fixes.time / _DAY) * _DAY
    report.partitions = Counter(day_name(day) for day in days.tolist())
    report.more["ignored"] = found.ignored
    report.cut = any(letter.length > len(letter.data) for letter in letters)
    return report
