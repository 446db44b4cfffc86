"""Zones within a radius, by name: the answer to questions in metres.

Belongs here: distances kept for the index in use, safe among threads. Not here: how they are
measured (`distance`).
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.services.gateway.geofence.zone_index import ZoneIndex

Near = list[dict[str, Any]]


class NearbyZones:
    """Answers questions with a radius; one at a time, as boundaries are kept between them.

    Attributes
    ----------
    asked : int
        Questions that are being answered or wait for that.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._lock = threading.Lock()
        self._of: ZoneIndex | None = None
        self._distances: Any = None

    def nearby(self, index: ZoneIndex, lonlat: NDArray[np.float64], radius: float) -> list[Near]:
        """Names and metres of the zones within a radius of each point, nearest first.

        Parameters
        ----------
        index : ZoneIndex
            The version that answers.
        lonlat : ndarray of float64, shape (n, 2)
        radius : float
            In metres.
        """
        self.asked += 1
        try:
            found = self._found(index, lonlat, radius)
        finally:
            self.asked -= 1
        return [
            sorted(
                (
                    {"zone": str(index.names[zone]), "metres": round(float(metres), 3)}
                    for zone, metres in zip(
                        found.zones[first:last], found.metres[first:last], strict=True
                    )
                ),
                key=lambda item: float(item["metres"]),
            )
            for first, last in zip(found.starts[:-1], found.starts[1:], strict=True)
        ]

    def _found(self, index: ZoneIndex, lonlat: NDArray[np.float64], radius: float) -> Any:
        # shapely and PROJ come only to those who measure
        from synthgrid_assets.services.gateway.geofence.distance import ZoneDistances

        with self._lock:
            if self._of is not index:
                self._of, self._distances = index, ZoneDistances(index)
            return self._distances.nearby(lonlat, radius)
