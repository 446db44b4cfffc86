"""Footprints that a world made are zones: a house's own point lies in it, and GEOS agrees."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from synthgrid_assets.api import World
from synthgrid_assets.errors import SpecError
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.services.gateway.geofence.sources import compile_source
from synthgrid_assets.services.gateway.geofence.zone_index import ZoneIndex
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.reports.committed_world import commit

WORLD = """
[world]
name = "houses"
seed = "zones"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [0, 0, 8, 8]
tile = 4

[layers.houses]
process = "matern_ii"
candidates_per_km2 = 300.0
radius = 30.0
footprint = { shape = "rectangle", width = 12.0, depth = 9.0, overlap = "none" }
"""


def test_footprints_of_a_world_are_zones(tmp_path):
    path, data = tmp_path / "houses.toml", tmp_path / "data"
    path.write_text(WORLD)
    with pytest.raises(Exception, match="footprints"):  # nothing is materialised yet
        compile_source(f"world:{path}/houses:footprints", tmp_path / "zones", data=data)
    commit(open_layer(load_spec(path), "houses", data), ["points", "footprints"])
    houses = World.load(path, data=data).layer("houses").committed("footprints")
    facts = compile_source(f"world:{path}/houses:footprints", tmp_path / "zones", data=data)
    assert facts.zones == len(houses) > 20
    index = ZoneIndex(tmp_path / "zones")
    assert sorted(index.names) == sorted(map(str, houses["id"]))
    places = shapely.get_coordinates(shapely.point_on_surface(houses.geometry.array))
    found = index.query(np.asarray(places))
    assert [index.names[zone] for zone in found.zones] == [str(one) for one in houses["id"]]
    with pytest.raises(SpecError, match="rooms"):
        compile_source(f"world:{path}/houses:rooms", tmp_path / "zones", data=data)
