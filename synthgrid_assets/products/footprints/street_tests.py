"""Footprints as they were written against the lines that they stand along, by GEOS.

Belongs here: nearest lines by another way than they were found by. Not here: the product.
"""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.lattice.cells import Lattice
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.processes.shapes.footprint_table import AnyFootprint
from synthgrid_assets.world.spec import LayerTable

_ALIKE = 1e-6  # of a distance: within it two lines are equally near, and either may be faced
_TOLERANCE = 1e-3  # of a footprint's size, as its vertices are lattice points


def away_from_streets(
    points: PointPattern,
    found: NDArray[np.object_],
    layer: LayerTable,
    lines: Paths,
    lattice: Lattice,
) -> int:
    """How many footprints are not turned along the nearest line, or stand off their setback.

    Parameters
    ----------
    points : PointPattern
    found : ndarray of shapely polygons, one for each point
    layer : LayerTable
        Whose footprints have a table `along`.
    lines : Paths
    lattice : Lattice
    """
    assert layer.footprint is not None
    along = layer.footprint.along
    assert along is not None
    if found.size != len(points) or found.size == 0:
        return abs(int(found.size) - len(points))
    unit = lattice.unit  # all in metres from here on
    if unit != 1:
        found = shapely.transform(found, lambda xy: xy * unit)
    ends = [np.column_stack(lattice.coordinates(*pair)) * unit for pair in _pairs(lines)]
    streets = shapely.linestrings(np.stack(ends, axis=1))
    streets = streets[shapely.length(streets) > 0]
    place = shapely.points(np.column_stack(lattice.coordinates(points.x, points.y)) * unit)
    index, street = shapely.STRtree(streets).query_nearest(
        place, max_distance=along.within * (1 + _ALIKE), all_matches=True
    )
    faced = np.zeros(found.size, np.bool_)
    bound = np.zeros(found.size, np.bool_)
    distance = shapely.distance(place[index], streets[street])
    bound[index[distance < along.within * (1 - _ALIKE)]] = True
    if index.size:
        faced[index[_faced(found[index], streets[street], layer.footprint)]] = True
    return int(np.count_nonzero(bound & ~faced))


def _pairs(lines: Paths) -> tuple[tuple[NDArray[np.int64], ...], ...]:
    x0, y0, x1, y1 = lines.segments
    return (x0, y0), (x1, y1)


def _faced(
    shapes: NDArray[np.object_], streets: NDArray[np.object_], table: AnyFootprint
) -> NDArray[np.bool_]:
    """Which shapes stand at the setback from their streets, and are turned along them."""
    rings = shapely.get_coordinates(shapes).reshape(shapes.size, -1, 2)
    ends = shapely.get_coordinates(streets).reshape(-1, 2, 2)
    along = (ends[:, 1] - ends[:, 0]) / shapely.length(streets)[:, None]
    slack = _TOLERANCE * np.sqrt(shapely.area(shapes))
    away = _cross(along[:, None], rings - ends[:, :1])  # to the left of the street
    setback = None if table.along is None else table.along.setback
    faced = np.ones(shapes.size, np.bool_)
    if setback is not None:
        front = np.maximum(away.min(axis=1), (-away).min(axis=1))
        faced &= np.abs(front - setback) <= slack
    turn = 0.0 if table.orientation == "random" else math.radians(table.orientation)
    left = away.mean(axis=1) >= 0
    axis = np.where(left[:, None], along, -along)
    cosine, sine = math.cos(turn), math.sin(turn)
    axis = np.stack(
        (axis[:, 0] * cosine - axis[:, 1] * sine, axis[:, 0] * sine + axis[:, 1] * cosine), axis=1
    )
    if table.shape == "rectangle":
        first = rings[:, 0] - rings[:, 1]
    else:
        first = rings[:, 0] - rings[:, :-1].mean(axis=1)
    straight = np.abs(_cross(axis, first)) <= slack
    faced &= straight & ((axis * first).sum(axis=1) > 0)
    return faced


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return found
