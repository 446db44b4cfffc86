"""The operation between two CRSs: the best one for the place, and said how good it is."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.masks import MaskSource
from synthgrid_assets.lattice.cells import CELL, Cells, Lattice
from synthgrid_assets.lattice.projection import Projection, area_of

PRAGUE = Lattice("EPSG:32633", (456000.0, 5548000.0), 100.0)
EXTENT = Cells(0, 0, 32, 32)


def test_a_mask_in_another_datum_lies_where_geopandas_has_it(tmp_path):
    """S-JTSK: ten metres between the operations for Czechia and for its neighbours."""
    square = shapely.box(-744000, -1043500, -743000, -1042500)
    frame = geopandas.GeoDataFrame(geometry=[square], crs=5514)
    frame.to_file(tmp_path / "m.gpkg")
    mask = MaskSource(tmp_path / "m.gpkg").load(PRAGUE, EXTENT)
    expected = np.array(frame.to_crs(32633).geometry[0].exterior.coords)
    found = np.stack(PRAGUE.coordinates(mask.x, mask.y), axis=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2 * PRAGUE.cell / CELL)


@pytest.mark.parametrize(
    ("source", "target", "area"),
    [
        (4267, 26918, (-74.2, 40.5, -73.7, 40.9)),
        (27572, 2154, (2.2, 48.7, 2.5, 49.0)),
        (4135, 26904, (-158.0, 21.2, -157.7, 21.5)),
    ],
    ids=["New York", "Paris", "Oahu"],
)
def test_where_a_grid_is_missing_the_way_over_a_third_datum_is_taken(source, target, area):
    """The direct operation needs a grid; pyproj goes over WGS 84, a ballpark is 36 to 450 m off."""
    operation = Projection(f"EPSG:{source}", f"EPSG:{target}", area)
    place = geopandas.GeoSeries([shapely.box(*area).centroid], crs=4326).to_crs(source)
    expected = place.to_crs(target)
    x, y = operation(place.x.to_numpy(), place.y.to_numpy())
    assert not operation.operation.ballpark
    np.testing.assert_allclose([x[0], y[0]], [expected.x[0], expected.y[0]], atol=0.5)


def test_a_ballpark_is_never_taken_in_silence():
    elsewhere = (14.9, 48.9, 15.1, 49.1)
    operation = Projection("EPSG:4267", "EPSG:26918", elsewhere).operation
    assert operation.ballpark == ("a ballpark" in str(operation))
    assert operation.ballpark or operation.accuracy is not None
    sphere = Projection("+proj=sinu +R=6371007.181", "EPSG:32633").operation
    assert sphere.ballpark
    assert sphere.lossy
    assert not Projection("EPSG:4326", "EPSG:32633").operation.lossy


def test_a_local_crs_has_no_operation():
    with pytest.raises(SpecError, match=r"from 'site' to .* lies nowhere on the earth"):
        Projection('LOCAL_CS["site",UNIT["metre",1]]', "EPSG:32633")


def test_areas_cross_the_date_line_or_are_unknown():
    west, _, east, _ = area_of(Lattice("EPSG:32601", (0.0, 0.0), 1e4), Cells(0, 0, 50, 50))
    assert west > 170
    assert east < -170
    assert area_of(Lattice("EPSG:32633", (1e12, 1e12), 64.0), Cells(0, 0, 4, 4)) is None


def test_world_check_tells_the_operation_and_the_share(tmp_path):
    """What layers read is right and incomplete: the person who checks the world should know."""
    frame = geopandas.GeoDataFrame(
        geometry=[shapely.box(-744000, -1043500, -743000, -1042500)], crs=5514
    )
    frame.to_file(tmp_path / "m.gpkg")
    half = rasterio.Affine(100, 0, 456000, 0, -100, 5548000 + 1600)
    with rasterio.open(
        tmp_path / "r.tif", "w", driver="GTiff", width=32, height=16, count=1, dtype="uint8",
        crs="EPSG:32633", transform=half,
    ) as target:  # fmt: skip
        target.write(np.ones((1, 16, 32), np.uint8))
    path = tmp_path / "prague.toml"
    path.write_text(
        '[world]\nname = "prague"\nseed = "s"\ncrs = "EPSG:32633"\n'
        "origin = [456000.0, 5548000.0]\ncell = 100.0\nextent = [0, 0, 32, 32]\ntile = 16\n"
        '[inputs.m]\nvector = "m.gpkg"\n[inputs.r]\nraster = "r.tif"\n'
        '[layers.p]\nprocess = "poisson"\npoints_per_km2 = 9.0\nwithin = "m"\nintensity = "r"\n'
    )
    told = CliRunner().invoke(app, ["world", "check", str(path)])
    assert told.exit_code == 0
    assert f"{path}: valid" in told.output
    assert "inputs.m:" in told.output
    assert "S-JTSK to WGS 84 (5)" in told.output
    assert "accuracy 1 m" in told.output
    assert "covers 50.1" in told.output or "covers 49.8" in told.output  # of 257 x 257 places
