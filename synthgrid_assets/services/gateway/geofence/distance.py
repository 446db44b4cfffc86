"""Distances on the ellipsoid: between points, and from points to zones.

Belongs here: metres. Not here: which zones hold a point (`zone_index`).

A zone's edges are straight in the plane of its reference system. They are cut into steps of at
most `_STEP_METRES`; distances and azimuths to the ends are geodesic, which places them exactly
in an azimuthal equidistant map around the point, and a step is taken as straight there. The
sag of so short a step is below a centimetre up to 80 degrees of latitude.

References
----------
Karney (2013), Algorithms for geodesics, J. Geod. 87: what PROJ computes with.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.services.gateway.geofence.zone_index import ZoneIndex

_CRS84 = "OGC:CRS84"
_STEP_METRES = 200.0
_STEP_DEGREES = 0.0018
_LATITUDE_METRES = 110_500.0  # of a degree of latitude, at least
_LONGITUDE_METRES = 111_300.0  # of a degree of longitude at the equator, at least
_KEPT_BOUNDARIES = 256


def metres_between(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Geodesic distances between longitudes and latitudes on WGS 84.

    Parameters
    ----------
    a, b : ndarray of float64, shape (n, 2)

    Returns
    -------
    ndarray of float64, shape (n,)

    Examples
    --------
    >>> metres_between(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])).round(3).tolist()
    [111319.491]
    """
    return _inverse(a, b)[1]


def _inverse(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Azimuths at a in radians, and distances."""
    from pyproj import Geod

    azimuth, _, metres = Geod(ellps="WGS84").inv(a[:, 0], a[:, 1], b[:, 0], b[:, 1])
    return np.radians(np.asarray(azimuth)), np.asarray(metres)


@dataclass(frozen=True)
class Nearby:
    """The zones within a radius of each of n points.

    Parameters
    ----------
    starts : ndarray of int64, shape (n + 1,)
    zones : ndarray of int64
        Zones of point k, ascending: ``zones[starts[k] : starts[k + 1]]``.
    metres : ndarray of float64
        How far each is; 0 inside.
    """

    starts: NDArray[np.int64]
    zones: NDArray[np.int64]
    metres: NDArray[np.float64]


class ZoneDistances:
    """Distances to the zones of one index.

    Parameters
    ----------
    index : ZoneIndex

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from synthgrid_assets.services.gateway.geofence.zone_index import compile_zones
    >>> folder = Path(tempfile.mkdtemp())
    >>> facts = compile_zones(
    ...     np.array([shapely.box(7, 46, 8, 47)]), ["a"], folder, crs="OGC:CRS84"
    ... )
    >>> found = ZoneDistances(ZoneIndex(folder)).nearby(np.array([[7.5, 47.01]]), 2000.0)
    >>> found.zones.tolist(), found.metres.round().tolist()
    ([0], [1112.0])
    """

    def __init__(self, index: ZoneIndex) -> None:
        self._index = index
        self._boundaries: OrderedDict[int, tuple[Any, Any]] = OrderedDict()
        self._to_plane = self._to_degrees = None
        if index.crs != _CRS84:
            from pyproj import Transformer

            self._to_plane = Transformer.from_crs(_CRS84, index.crs, always_xy=True)
            self._to_degrees = Transformer.from_crs(index.crs, _CRS84, always_xy=True)

    @cached_property
    def _boxes(self) -> NDArray[np.float64]:
        """Boxes of zones in degrees, 180 to -180 where one crosses the antimeridian."""
        boxes = self._index.boxes
        if self._to_degrees is None:
            return boxes
        found = np.array([self._to_degrees.transform_bounds(*box) for box in boxes.tolist()])
        around = found[:, 0] > found[:, 2]
        found[around, 0], found[around, 2] = -180.0, 180.0
        return found

    def nearby(self, lonlat: NDArray[np.float64], radius: float) -> Nearby:
        """Zones at most so many metres from points; those that hold them are 0 away.

        Parameters
        ----------
        lonlat : ndarray of float64, shape (n, 2)
        radius : float
            Metres.
        """
        xy = lonlat
        if self._to_plane is not None:
            xy = np.column_stack(self._to_plane.transform(lonlat[:, 0], lonlat[:, 1]))
        inside = self._index.query(xy)
        starts = np.zeros(len(lonlat) + 1, np.int64)
        zones: list[int] = []
        metres: list[float] = []
        for k, point in enumerate(lonlat):
            holding = set(inside.of(k).tolist())
            for zone in sorted(holding.union(self._candidates(point, radius))):
                away = 0.0 if zone in holding else self._to_zone(point, zone)
                if away <= radius:
                    zones.append(zone)
                    metres.append(away)
            starts[k + 1] = len(zones)
        return Nearby(starts, np.array(zones, np.int64), np.array(metres, np.float64))

    def _candidates(self, point: NDArray[np.float64], radius: float) -> list[int]:
        """Zones whose boxes, widened by the radius, hold the point."""
        if not np.isfinite(point).all():
            return []
        west, south, east, north = self._boxes.T
        up = radius / _LATITUDE_METRES
        near = (south - up <= point[1]) & (point[1] <= north + up)
        least = np.cos(np.radians(min(abs(point[1]) + up, 90.0)))
        beside = radius / (_LONGITUDE_METRES * least) if least > 1e-6 else 360.0
        across = np.zeros(len(near), bool)
        for turn in (-360.0, 0.0, 360.0):
            x = point[0] + turn
            across |= (west - beside <= x) & (x <= east + beside)
        return np.flatnonzero(near & across).tolist()

    def _to_zone(self, point: NDArray[np.float64], zone: int) -> float:
        """Metres from a point outside to a zone's boundary."""
        boundary, ring = self._boundary(zone)
        azimuth, away = _inverse(np.broadcast_to(point, boundary.shape), boundary)
        x, y = away * np.sin(azimuth), away * np.cos(azimuth)
        ax, ay, bx, by = x[:-1], y[:-1], x[1:], y[1:]
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        along = np.clip(-(ax * dx + ay * dy) / np.where(length > 0, length, 1.0), 0.0, 1.0)
        distance = np.hypot(ax + along * dx, ay + along * dy)
        return float(distance[ring[1:] == ring[:-1]].min())

    def _boundary(self, zone: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """A zone's boundary in small steps, in degrees, and which ring each position is of."""
        found = self._boundaries.pop(zone, None)
        if found is None:
            step = _STEP_DEGREES if self._to_degrees is None else _STEP_METRES
            shape = shapely.segmentize(self._index.geometry(zone), step)
            rings = shapely.get_rings(shapely.get_parts(shape))
            xy, ring = shapely.get_coordinates(rings, return_index=True)
            if self._to_degrees is not None:
                xy = np.column_stack(self._to_degrees.transform(xy[:, 0], xy[:, 1]))
            found = (xy, ring)
            while len(self._boundaries) >= _KEPT_BOUNDARIES:
                self._boundaries.popitem(last=False)
        self._boundaries[zone] = found
        return found
