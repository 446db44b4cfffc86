"""Geometries that cross the 180th meridian, cut in two as RFC 7946 asks.

Belongs here: unwrapping and cutting of lines and polygons in degrees. Not here: whether that
is wanted (`normalizer`).

A step of more than 180 degrees is taken for the short way round. RFC 7946 itself draws it
straight across the map (3.1.1) and expects senders to have cut (3.1.9), so cutting is the
receiver's choice. A step of 360 degrees, from edge to edge of the map, is never unwrapped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.reasons import Reason

_TURN = 360.0


def cut_at_antimeridian(geometry: Any) -> Any:
    """A line or polygon whose long steps are crossings, in parts that each keep to one side.

    Parameters
    ----------
    geometry : shapely.Geometry
        In degrees, longitudes within -180 and 180.

    Returns
    -------
    shapely.Geometry
        Of the same dimension, multi where it was cut; unchanged without a crossing.

    Raises
    ------
    FeatureError
        `Reason.ENCLOSES_A_POLE` for a ring that goes once around.

    Examples
    --------
    >>> line = shapely.LineString([(179, 0), (-179, 2)])
    >>> cut_at_antimeridian(line).wkt
    'MULTILINESTRING ((179 0, 180 1), (-180 1, -179 2))'
    """
    if geometry.geom_type == "GeometryCollection":
        return shapely.GeometryCollection([cut_at_antimeridian(g) for g in geometry.geoms])
    parts = [_unwrapped(part) for part in shapely.get_parts(geometry)]
    if not any(crosses for _, crosses in parts):
        return geometry
    cut = [piece for part, crosses in parts for piece in (_pieces(part) if crosses else [part])]
    join: Any = {0: shapely.multipoints, 1: shapely.multilinestrings, 2: shapely.multipolygons}
    return join[shapely.get_dimensions(geometry)](cut)


def _unwrapped(part: Any) -> tuple[Any, bool]:
    """A simple part with longitudes that run on beyond 180, and whether any do."""
    dimension = shapely.get_dimensions(part)
    if dimension == 0:
        return part, False
    if dimension == 1:
        line = _run_on(shapely.get_coordinates(part, include_z=part.has_z))
        return (part, False) if line is None else (shapely.linestrings(line), True)
    rings = [_ring(ring) for ring in shapely.get_rings(part)]
    if not any(crosses for _, crosses in rings):
        return part, False
    shell = rings[0][0]
    holes = [shapely.linearrings(_into(shell, ring)) for ring, _ in rings[1:]]
    polygon = shapely.Polygon(shell, holes)
    return shapely.make_valid(polygon, method="structure", keep_collapsed=False), True


def _ring(ring: Any) -> tuple[NDArray[np.float64], bool]:
    xyz = shapely.get_coordinates(ring, include_z=ring.has_z)
    found = _run_on(xyz)
    if found is None:
        return xyz, False
    if abs(found[0, 0] - found[-1, 0]) > _TURN / 2:
        detail = f"a ring through {tuple(xyz[0, :2])} goes once around the globe"
        raise FeatureError(Reason.ENCLOSES_A_POLE, detail)
    return found, True


def _run_on(xyz: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Positions whose longitudes are continuous; None when they were."""
    steps = np.diff(xyz[:, 0])
    crossings = (np.abs(steps) > _TURN / 2) & (np.abs(steps) < _TURN)
    if not crossings.any():
        return None
    found = xyz.copy()
    found[1:, 0] -= _TURN * np.cumsum(np.where(crossings, np.sign(steps), 0.0))
    return found


def _into(shell: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """A hole moved by whole turns to where its shell is."""
    offset = (shell[:, 0].min() + shell[:, 0].max() - hole[:, 0].min() - hole[:, 0].max()) / 2
    moved = hole.copy()
    moved[:, 0] += _TURN * np.round(offset / _TURN)
    return moved


def _pieces(part: Any) -> list[Any]:
    """Its parts on each lap around the globe, moved back onto the map."""
    west, _, east, _ = part.bounds
    laps = range(int(np.floor((west + 180) / _TURN)), int(np.ceil((east + 180) / _TURN)))
    found: list[Any] = []
    for lap in laps:
        window = shapely.box(-180 + lap * _TURN, -90, 180 + lap * _TURN, 90)
        pieces = shapely.get_parts(shapely.intersection(part, window))
        whole = pieces[shapely.get_dimensions(pieces) == shapely.get_dimensions(part)]
        found.extend(_shifted(piece, -lap * _TURN) for piece in whole)
    return found


def _shifted(piece: Any, by: float) -> Any:
    return shapely.transform(piece, lambda xy: xy + np.array([by, 0.0]))
