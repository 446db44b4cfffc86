"""Metres to zones are those of a boundary walked in small steps."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import Geod, Transformer

from synthgrid_assets.services.gateway.geofence.distance import ZoneDistances, metres_between
from synthgrid_assets.services.gateway.geofence.zone_index import ZoneIndex, compile_zones
from synthgrid_assets_tests.services.gateway.geofence.zones import star

GEOD = Geod(ellps="WGS84")


def walked(shape, point, to_degrees, step):
    """The least geodesic distance to positions every step along the boundary."""
    xy = shapely.get_coordinates(shapely.segmentize(shape.boundary, step))
    if to_degrees is not None:
        xy = np.column_stack(to_degrees.transform(*xy.T))
    return GEOD.inv(np.full(len(xy), point[0]), np.full(len(xy), point[1]), *xy.T)[2].min()


@pytest.mark.parametrize("crs", ["OGC:CRS84", "EPSG:25832"])
def test_nearby_is_the_walked_distance(tmp_path, crs):
    r = np.random.default_rng(21)
    degrees = crs == "OGC:CRS84"
    middle = np.array([9.0, 62.0]) if degrees else np.array([5e5, 6.9e6])
    unit = 0.02 if degrees else 1500.0
    spread = r.uniform(-4, 4, (30, 2))
    shapes = np.array(
        [star(r, middle + unit * c, unit * r.uniform(0.2, 1), 9, False) for c in spread]
    )
    shapes = shapes[shapely.is_valid(shapes)]
    compile_zones(shapes, [""] * len(shapes), tmp_path, crs=crs)
    to_degrees = None if degrees else Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    plane = middle + unit * r.uniform(-5, 5, (12, 2))
    lonlat = plane if degrees else np.column_stack(to_degrees.transform(*plane.T))
    radius = 3000.0
    found = ZoneDistances(ZoneIndex(tmp_path)).nearby(lonlat, radius)
    seen = 0
    for k, point in enumerate(lonlat):
        own = slice(found.starts[k], found.starts[k + 1])
        metres = dict(zip(found.zones[own].tolist(), found.metres[own].tolist(), strict=True))
        for zone, shape in enumerate(shapes):
            expected = walked(shape, point, to_degrees, unit / 1000)
            if shape.intersects(shapely.Point(plane[k])):
                assert metres[zone] == 0
            elif expected < radius - 1:
                assert metres[zone] == pytest.approx(expected, abs=0.06)
                seen += 1
            elif expected > radius + 1:
                assert zone not in metres
    assert seen > 20


def test_across_the_antimeridian_and_near_a_pole(tmp_path):
    shapes = np.array([shapely.box(179, -1, 180, 1), shapely.box(-180, 88, 180, 89)])
    compile_zones(shapes, ["a", "b"], tmp_path, crs="OGC:CRS84")
    points = np.array([[-179.99, 0.0], [30.0, 89.99], [0.0, 0.0], [np.nan, 0.0]])
    found = ZoneDistances(ZoneIndex(tmp_path)).nearby(points, 120_000.0)
    assert found.starts.tolist() == [0, 1, 2, 2, 2]
    assert found.zones.tolist() == [0, 1]
    expected = metres_between(points[:2], np.array([[180.0, 0.0], [30.0, 89.0]]))
    assert found.metres == pytest.approx(expected, abs=0.02)
