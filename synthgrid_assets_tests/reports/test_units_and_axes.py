"""Worlds in feet, and on axes to the west or south: metres inside, true places in every file.

The oracle of each is another reference system of the same map, in metres to the east and north, in
which PROJ places what the files hold.
"""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import rioxarray  # noqa: F401  (registers the accessor)
import xarray
from pyproj import CRS, Transformer

from synthgrid_assets.api import World
from synthgrid_assets.lattice.axes import axes_of
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets.reports.exports import committed_rows, export_asset
from synthgrid_assets.reports.region_checks import region_checks
from synthgrid_assets.services.replay import read_track
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.reports.committed_world import commit

SURVEY = 1200 / 3937
LO = "+proj=tmerc +lat_0=0 +lon_0=29 +k=1 +ellps=WGS84 +units=m +type=crs"
# a CRS: a place in it, its unit, its metric twin, and how its x and y get there in metres
PLACES = {
    "EPSG:2225": ((6_000_000.0, 2_000_000.0), SURVEY, "EPSG:26941", lambda x, y: (x, y)),
    "EPSG:2263": ((990_000.0, 200_000.0), SURVEY, "EPSG:32118", lambda x, y: (x, y)),
    "EPSG:2222": ((700_000.0, 1_000_000.0), 0.3048, "EPSG:26948", lambda x, y: (x, y)),
    "EPSG:2193": ((1_600_000.0, 5_400_000.0), 1.0, "EPSG:2193", lambda x, y: (x, y)),
    "EPSG:2053": ((20_000.0, 2_900_000.0), 1.0, LO, lambda x, y: (-x, -y)),
    "EPSG:2065": ((1_050_000.0, 740_000.0), 1.0, "EPSG:5221", lambda x, y: (-y, -x)),
    "EPSG:5041": ((2_100_000.0, 1_900_000.0), 1.0, "EPSG:32661", lambda x, y: (x, y)),
}
PLAIN = ("EPSG:2193", "EPSG:2263")
WORLD = """
[world]
name = "there"
seed = "any unit, any axis"
crs = "{crs}"
origin = {origin}
cell = 100.0
extent = [0, 0, 8, 8]
tile = 8

[inputs.hill]
gradient = {{ kind = "gaussian", centre = {centre}, sd = 250.0, low = 0.2, high = 1.0 }}

[layers.people]
process = "poisson"
points_per_km2 = 500.0
intensity = "hill"

[layers.people.tessellation]
anchors = 4

[layers.people.tracks]
start = 2026-01-05T08:00:00Z
duration = 100
every = 50
range = 150
noise = {{ white = 3.0 }}
"""
NAMES = ("points", "voronoi", "density", "tracks")


def made(folder, crs):
    origin, unit, _, _ = PLACES[crs]
    middle = [edge + 100.0 * half / unit for edge, half in zip(origin, (4, 4), strict=True)]
    path = folder / "there.toml"
    path.write_text(WORLD.format(crs=crs, origin=list(origin), centre=middle))
    spec = load_spec(path)
    context = open_layer(spec, "people", folder / "data")
    return spec, commit(context, NAMES)


def degrees(crs, x, y):
    """Longitudes and latitudes of coordinates of a world, by way of the metric twin."""
    _, unit, twin, turned = PLACES[crs]
    geographic = CRS(twin).geodetic_crs
    to_degrees = Transformer.from_crs(twin, geographic, always_xy=True)
    return to_degrees.transform(*turned(np.asarray(x) * unit, np.asarray(y) * unit))


# one of each kind: more would take long and show no more
@pytest.fixture(scope="module", params=[name for name in PLACES if name not in PLAIN])
def there(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("there")
    return request.param, folder, *made(folder, request.param)


def test_points_lie_where_their_quanta_say_in_metres(there):
    crs, folder, spec, _ = there
    origin, unit, _, _ = PLACES[crs]
    rows = committed_rows(spec, folder / "data", "people", "points", None)
    shapes = geopandas.GeoSeries.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    for axis, at, start in (("x_q", shapes.x, origin[0]), ("y_q", shapes.y, origin[1])):
        metres = rows[axis].to_numpy() * (100.0 / 2**22)
        np.testing.assert_allclose((at - start) * unit, metres, rtol=0, atol=1e-8)


def test_every_file_places_them_there(there):
    crs, folder, spec, _ = there
    for name in ("there.parquet", "there.gpkg", "there.csv", "there.geojson"):
        export_asset(spec, folder / "data", "people", "points", folder / name)
    own = geopandas.read_parquet(folder / "there.parquet").sort_values("id")
    lon, lat = degrees(crs, own.geometry.x, own.geometry.y)
    geographic = CRS(crs).geodetic_crs
    package = geopandas.read_file(folder / "there.gpkg").sort_values("id")
    for frame in (own, package):  # through the file's own CRS
        assert CRS(frame.crs) == CRS(crs)
        found = frame.to_crs(geographic).geometry
        np.testing.assert_allclose(np.stack((found.x, found.y)), (lon, lat), rtol=0, atol=1e-8)
    table = pd.read_csv(folder / "there.csv").sort_values("id")
    np.testing.assert_allclose(table[["x", "y"]].T, (own.geometry.x, own.geometry.y), atol=1e-6)
    features = json.loads((folder / "there.geojson").read_text())["features"]
    told = np.array([one["geometry"]["coordinates"] for one in features])
    to_84 = Transformer.from_crs(geographic, "EPSG:4326", always_xy=True)
    expected = np.column_stack(to_84.transform(lon, lat))
    near = np.abs(np.sort(told, axis=0) - np.sort(expected, axis=0))
    assert near.max() < 1e-4  # datums differ by metres, and PROJ chooses


def test_rasters_count_the_points_that_lie_in_each_pixel(there):
    crs, folder, spec, _ = there
    own = World(spec).layer("people").points(World(spec).bounds)
    density = World(spec).layer("people").density(World(spec).bounds)
    np.testing.assert_allclose(np.diff(density.x), 100.0 / PLACES[crs][1])
    (store,) = (folder / "data").glob("there/people/density-*/*/*.zarr")
    stored = xarray.open_zarr(store, decode_coords="all")["density"]
    assert CRS(stored.rio.crs) == CRS(crs)
    stored.rio.to_raster(folder / "there.tif")
    with rasterio.open(folder / "there.tif") as raster:
        assert axes_of(raster.crs.to_wkt()).unit == pytest.approx(PLACES[crs][1], rel=1e-14)
        rows, columns = rasterio.transform.rowcol(raster.transform, own.geometry.x, own.geometry.y)
        counted = np.zeros(raster.shape, int)
        np.add.at(counted, (np.asarray(rows, int), np.asarray(columns, int)), 1)
        assert (counted == raster.read(1)).all()


def test_areas_lengths_and_speeds_are_metres(there):
    crs, folder, spec, context = there
    unit = PLACES[crs][1]
    cells = committed_rows(spec, folder / "data", "people", "voronoi", None)
    shapes = geopandas.GeoSeries.from_wkb(cells["geometry"].to_numpy(zero_copy_only=False))
    np.testing.assert_allclose(shapes.area * unit**2, cells["area_m2"], rtol=1e-6)
    for name in NAMES:
        for test, check in region_checks(context, PRODUCTS[name]).items():
            assert check.verdict.passed, (name, test, check)


def test_replayed_fixes_are_where_the_devices_report(there):
    crs, folder, spec, _ = there
    rows = committed_rows(spec, folder / "data", "people", "tracks", None)
    track = read_track(spec, folder / "data", "people")
    shapes = geopandas.GeoSeries.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    lon, lat = degrees(crs, shapes.x, shapes.y)
    to_84 = Transformer.from_crs(CRS(crs).geodetic_crs, "EPSG:4326", always_xy=True)
    expected = np.column_stack(to_84.transform(lon, lat))
    told = np.column_stack((track.lon, track.lat))
    assert np.abs(np.sort(told, axis=0) - np.sort(expected, axis=0)).max() < 1e-4


def test_the_same_lattice_in_another_unit_has_the_same_points(tmp_path):
    """The surface too: its bell is as wide in metres, wherever it is declared."""
    found = []
    for crs in ("EPSG:2263", "EPSG:2193", "EPSG:2053"):
        (folder := tmp_path / crs[5:]).mkdir()
        path = folder / "there.toml"
        origin, unit, _, _ = PLACES[crs]
        middle = [edge + 100.0 * half / unit for edge, half in zip(origin, (4, 4), strict=True)]
        path.write_text(WORLD.format(crs=crs, origin=list(origin), centre=middle))
        world = World(load_spec(path))
        own = world.layer("people").points_table(world.bounds)
        found.append((own["x_q"].to_numpy(), own["y_q"].to_numpy()))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_axes_that_differ_in_unit_are_refused_by_name():
    text = CRS("EPSG:2263").to_json_dict()
    text["coordinate_system"]["axis"][1]["unit"] = "metre"
    with pytest.raises(ValueError, match="one unit"):
        axes_of(json.dumps(text))
