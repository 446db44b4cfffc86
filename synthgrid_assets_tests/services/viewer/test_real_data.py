"""Deliveries and zones are shown where they lie, and nothing of them but their outlines."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest
import shapely

from synthgrid_assets.services.gateway.geofence.sources import compile_layer
from synthgrid_assets.services.viewer.real_data import DELIVERY, ZONE, real_data
from synthgrid_assets.services.viewer.watched import WatchedWorld
from synthgrid_assets_tests.small_world import write_small_world

EAST, NORTH = 500_000.0, 5_400_000.0  # origin of the small world
ORIGIN = np.array([EAST, NORTH])
INSIDE = [
    shapely.box(EAST + 100, NORTH + 100, EAST + 300, NORTH + 200),
    shapely.Point(EAST + 500, NORTH + 500),
    shapely.box(0, 0, 9, 9).difference(shapely.box(3, 3, 6, 6)),
]
INSIDE[2] = shapely.transform(INSIDE[2], lambda xy: xy + np.array([EAST + 700, NORTH + 700]))
ELSEWHERE = shapely.Point(EAST + 90_000, NORTH)


@pytest.fixture
def world(tmp_path):
    return WatchedWorld(write_small_world(tmp_path), tmp_path / "data")


def frame(geometry, **columns):
    """In degrees, as a gateway keeps what it took in."""
    found = geopandas.GeoDataFrame(columns, geometry=geometry, crs="EPSG:32633")
    return found.to_crs("OGC:CRS84")


def test_outlines_lie_where_the_features_do_and_carry_no_property(world):
    part = world.root / "landed" / "parcels" / "u33u"
    part.mkdir(parents=True)
    secret = ["a person's name"] * 4
    frame([*INSIDE, ELSEWHERE], properties=secret).to_parquet(part / "one.parquet")
    found = real_data(world)
    assert "person" not in json.dumps(found)
    assert {line["kind"] for line in found["lines"]} == {DELIVERY}
    shown = [np.reshape(line["xy"], (-1, 2)) + ORIGIN for line in found["lines"]]
    rings = [INSIDE[0].exterior, INSIDE[1], INSIDE[2].exterior, *INSIDE[2].interiors]
    assert len(shown) == len(rings)
    for drawn, stored in zip(shown, rings, strict=True):
        # there and back through PROJ, to a millimetre
        np.testing.assert_allclose(drawn, shapely.get_coordinates(stored), atol=2e-3)


def test_zones_are_shown_in_the_worlds_system(world):
    zones = frame(INSIDE[:1], name=["centre"])
    compile_layer(zones, world.root / "gateway" / "zones", name="name")
    (line,) = real_data(world)["lines"]
    assert line["kind"] == ZONE
    drawn = shapely.Polygon(np.reshape(line["xy"], (-1, 2)) + ORIGIN)
    assert drawn.symmetric_difference(INSIDE[0]).area < 1.0


def test_without_a_gateway_there_is_nothing(world):
    assert real_data(world) == {"lines": [], "left_out": 0}
