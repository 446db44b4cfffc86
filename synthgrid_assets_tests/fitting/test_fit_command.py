"""``synthgrid fit``: its block is a world's, and everything wrong is told in one line."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets.fitting.bootstrap import simulate
from synthgrid_assets.fitting.windows import Window
from synthgrid_assets.world.validation import load_spec

BOX = (500000.0, 5400000.0, 502000.0, 5401500.0)
THOMAS = {"parents_per_km2": 40.0, "mean_offspring": 8.0, "sigma": 25.0}
WORLD = """
[world]
name = "fitted"
seed = "a fit"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [0, 0, 16, 16]
tile = 8

"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    xy = simulate("thomas", THOMAS, Window.rectangle(*BOX), (21, 0))
    np.savetxt(folder / "points.csv", xy, delimiter=",", header="x,y", comments="")
    points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(*xy.T), crs="EPSG:32633")
    points.to_crs("EPSG:4326").to_file(folder / "points.gpkg")
    box = Window.rectangle(*BOX).polygon
    geopandas.GeoDataFrame(geometry=[box], crs="EPSG:32633").to_file(folder / "box.gpkg")
    (folder / "words.csv").write_text("x,y\none,two\n")
    return folder


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["fit", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


CSV = ("points.csv", "--crs", "EPSG:32633", "--bbox", ",".join(map(str, BOX)))


def block(text):
    return text[text.index("[") :]


def test_the_block_is_a_layer_of_a_world(folder):
    found = run(folder / CSV[0], *CSV[1:], "--simulations", 39, "--picture", folder / "fit.png")
    path = folder / "fitted.toml"
    path.write_text(WORLD + block(found.stdout[found.stdout.index("[layers") :]))
    assert load_spec(path).layers["fitted"].process == "thomas"
    assert (folder / "fit.png").read_bytes().startswith(b"\x89PNG")


def test_any_format_and_reference_system_gives_the_same_fit(folder):
    told = [
        json.loads(run(*given, "--simulations", 0, "--json").stdout)["parameters"]
        for given in (
            (folder / CSV[0], *CSV[1:]),
            (folder / "points.gpkg", "--to", "EPSG:32633", "--window", folder / "box.gpkg"),
        )
    ]
    for name, value in told[0].items():
        assert told[1][name] == pytest.approx(value, rel=1e-4)


FEET = "+proj=utm +zone=33 +datum=WGS84 +units=us-ft"


def test_points_in_feet_give_the_fit_of_metres(folder):
    """Parameters stay in metres and per km2; the window is in the points' units."""
    flags = ("--simulations", 0, "--json")
    metres = json.loads(run(folder / CSV[0], *CSV[1:], *flags).stdout)["parameters"]
    foot = 1200 / 3937
    box = ",".join(repr(edge / foot) for edge in BOX)
    feet = np.loadtxt(folder / "points.csv", delimiter=",", skiprows=1) / foot
    np.savetxt(folder / "feet.csv", feet, delimiter=",", header="x,y", comments="")
    for given in (
        (folder / "feet.csv", "--crs", FEET, "--bbox", box),
        (folder / "feet.csv", "--crs", FEET, "--window", folder / "box.gpkg"),
    ):
        found = json.loads(run(*given, *flags).stdout)["parameters"]
        assert found == pytest.approx(metres, rel=1e-4)


def test_json_has_parameters_and_errors_in_the_world_files_units(folder):
    found = json.loads(run(folder / CSV[0], *CSV[1:], "--simulations", 39, "--json").stdout)
    assert found["parameters"].keys() == found["standard_errors"].keys() == THOMAS.keys()
    assert found["parameters"]["sigma"] == pytest.approx(25.0, rel=0.4)


def test_a_surface_comes_with_the_block_that_reads_it(folder, monkeypatch):
    with rasterio.open(
        folder / "flat.tif", "w", driver="GTiff", dtype="float32", count=1, crs="EPSG:32633",
        width=20, height=15, transform=from_origin(BOX[0], BOX[3], 100.0, 100.0),
    ) as made:  # fmt: skip
        made.write(np.tile(np.arange(20, dtype="f4"), (15, 1)), 1)
    target = folder / "intensity.tif"
    found = run(folder / CSV[0], *CSV[1:], "--on", folder / "flat.tif", "--surface", target)
    path = folder / "surface.toml"
    path.write_text(WORLD + block(found.stdout[found.stdout.index("[inputs") :]))
    assert load_spec(path).layers["fitted"].intensity == "fitted_intensity"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (("nosuch.csv", "--crs", "EPSG:32633"), "no such file"),
        (("points.csv",), "add --crs"),
        (("points.csv", "--crs", "EPSG:nothing"), "no CRS that PROJ knows"),
        (("points.csv", "--crs", "EPSG:32633", "--columns", "a,b"), "no column 'a'"),
        (("points.csv", "--crs", "EPSG:32633", "--columns", "a"), "expected two names"),
        (("points.csv", "--crs", "EPSG:32633", "--bbox", "1,2,3"), "expected four numbers"),
        (("words.csv", "--crs", "EPSG:32633"), "are no numbers"),
        (("points.gpkg",), "add --to EPSG:32633"),
        (("box.gpkg",), "give points alone"),
        ((*CSV, "--window", "box.gpkg"), "give one of them"),
        ((*CSV, "--process", "pois"), "cannot be fitted"),
        ((*CSV, "--surface", "x.tif"), "belongs to --on"),
        ((*CSV, "--on", "nosuch.tif"), "no such raster"),
    ],
)
def test_what_is_wrong_is_told(folder, monkeypatch, given, found):
    monkeypatch.chdir(folder)
    assert found in run(*given, code=2).stderr.replace("\n", " ")


def test_what_a_world_declares_private_is_not_fitted(folder, monkeypatch):
    worlds = folder / "worlds"
    worlds.mkdir()
    monkeypatch.setenv("SYNTHGRID_WORLDS", str(worlds))
    (worlds / "w.toml").write_text('[inputs.visits]\nprivate = "../points.csv"\n')
    assert "declares it private" in run(folder / CSV[0], *CSV[1:], code=1).stderr
