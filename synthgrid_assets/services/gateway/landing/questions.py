"""Deferred geofence questions: answered exactly, when there is time.

Belongs here: jobs of the kind ``geofence``. Not here: questions that are answered at once
(`endpoints`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synthgrid_assets.services.gateway.endpoints.geofence import names_of, question
from synthgrid_assets.services.gateway.geofence.nearby import NearbyZones
from synthgrid_assets.services.gateway.geofence.zone_store import ZoneStore
from synthgrid_assets.services.gateway.inbox.deliveries import DeadLetter, Lease, Outcome
from synthgrid_assets.services.gateway.landing.reports import Report

_MOST = 1 << 30  # the gateway has counted already


class Questions:
    """Answers questions with the zones of a folder.

    Parameters
    ----------
    folder : Path or None
        As the gateway's; without one each question is a dead letter.
    """

    def __init__(self, folder: Path | None) -> None:
        self._store = None if folder is None else ZoneStore(folder)
        self._distances = NearbyZones()

    def answer(self, lease: Lease) -> tuple[Outcome, list[DeadLetter]]:
        """The end of a question's job."""
        if self._store is None:
            detail = "this worker was started without zones; replay it where there are some"
            letter = DeadLetter(-1, None, 0, lease.size, 0, "no_zones", detail, lease.data or b"")
            return Report(rejected=1).outcome(lease, detail), [letter]
        points, radius = question(lease.data or b"", _MOST)
        index = self._store.current()
        matches = index.query(self._store.in_plane(index, np.ascontiguousarray(points)))
        report = Report(landed=len(points))
        report.more = {
            "tier": "exact",
            "version": index.version,
            "zones": names_of(index, matches, len(points)),
        }
        if radius is not None:
            report.more["nearby"] = self._distances.nearby(index, points, radius)
        return report.outcome(lease), []
