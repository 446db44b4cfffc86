"""First worlds: any place on earth gets a valid file whose extent holds the box."""

from __future__ import annotations

import math

import pytest
from pyproj import Geod, Transformer
from typer.testing import CliRunner

from synthgrid_assets.api import World
from synthgrid_assets.cli import app
from synthgrid_assets.errors import SpecError
from synthgrid_assets.world.first_world import _TEMPLATES, first_world
from synthgrid_assets.world.validation import load_spec

BERLIN = (13.1, 52.35, 13.75, 52.65)
PLACES = {
    "a city": BERLIN,
    "south": (18.3, -34.1, 18.7, -33.8),
    "the antimeridian": (179.5, -17.5, -179.5, -16.5),
    "a continent": (-10.0, 35.0, 30.0, 60.0),
    "the pole": (0.0, 84.0, 60.0, 88.0),
    "a polar cap": (-180.0, 80.0, 180.0, 90.0),
    "antarctica": (-180.0, -90.0, 179.0, -70.0),
    "a field": (11.5, 48.1, 11.502, 48.101),
}


def spec_of(made, folder):
    path = folder / "first.toml"
    path.write_text(made.text)
    return load_spec(path)


@pytest.mark.parametrize("name", PLACES)
def test_the_extent_holds_the_box_of_any_place(name, tmp_path):
    west, south, east, north = box = PLACES[name]
    spec = spec_of(first_world("first", box), tmp_path)
    xmin, ymin, xmax, ymax = World(spec).bounds
    to_world = Transformer.from_crs("EPSG:4326", spec.world.crs, always_xy=True)
    for lon in (west, west + ((east - west) % 360) / 2, east):
        for lat in (south, (south + north) / 2, north):
            x, y = to_world.transform(lon, lat)
            assert xmin - 1e-6 <= x <= xmax + 1e-6, (lon, lat)
            assert ymin - 1e-6 <= y <= ymax + 1e-6, (lon, lat)
    assert 100 <= max(spec.world.extent) <= 240


@pytest.mark.parametrize(
    ("crs", "box"),
    [
        ("EPSG:2263", (-74.05, 40.6, -73.9, 40.8)),  # US survey feet
        ("EPSG:2053", (28.5, -26.5, 28.6, -26.4)),  # metres to the west and south
    ],
)
def test_a_crs_may_be_chosen_whatever_its_unit_and_axes(crs, box, tmp_path):
    made = first_world("first", box, crs=crs)
    spec = spec_of(made, tmp_path)
    assert spec.world.crs == crs
    west, south, east, north = box
    to_world = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    xmin, ymin, xmax, ymax = World(spec).bounds
    for lon, lat in ((west, south), (east, north), (west, north)):
        x, y = to_world.transform(lon, lat)
        assert xmin <= x <= xmax
        assert ymin <= y <= ymax
    across = Geod(ellps="WGS84").inv(west, south, west, north)[2]
    assert made.cells[1] * made.cell == pytest.approx(across, rel=0.05)  # metres


@pytest.mark.parametrize(
    ("crs", "found"),
    [
        ("EPSG:2263", "is for .*; choose another CRS"),
        ("EPSG:4326", "a geographic CRS"),
        ("nonsense", "not a CRS"),
    ],
)
def test_a_crs_of_another_place_or_kind_is_refused(crs, found):
    with pytest.raises(SpecError, match=found):
        first_world("first", (13.1, 52.35, 13.75, 52.65), crs=crs)


@pytest.mark.parametrize("process", _TEMPLATES)
def test_each_template_is_valid_and_has_about_the_points(process, tmp_path):
    spec = spec_of(first_world("first", BERLIN, process, 5000), tmp_path)
    law, cells = World(spec).layer("points").law.in_cells, spec.world.extent
    expected = law.intensity * cells[2] * cells[3]
    assert math.isnan(expected) or 3500 < expected < 6500  # Gibbs laws know no intensity


def test_a_box_that_goes_round_the_globe_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def said(name, box):
        given = ["world", "new", name, "--bbox", box, "--out", f"{name}.toml"]
        done = CliRunner().invoke(app, given)
        assert done.exit_code == 0, done.output
        return done.stderr

    assert "359.4 degrees wide" in said("turned", "13.7,52.3,13.1,52.7")
    assert "degrees wide" not in said("fiji", "177.0,-18.5,-179.5,-16.0")  # over the antimeridian


def test_the_command_writes_once_and_says_what_it_chose(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_WORLDS", str(tmp_path))
    given = ["world", "new", "berlin", "--bbox", ",".join(map(str, BERLIN))]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    assert "UTM zone 33N" in done.stdout
    text = (tmp_path / "berlin.toml").read_text()
    again = CliRunner().invoke(app, given)
    assert again.exit_code == 2
    assert "there already" in again.stderr.replace("\n", " ")
    assert (tmp_path / "berlin.toml").read_text() == text
    assert CliRunner().invoke(app, ["world", "check", "berlin"]).exit_code == 0


@pytest.mark.parametrize(
    ("box", "process", "points", "found"),
    [
        ((13.1, 52.6, 13.7, 52.3), "thomas", 10.0, "no box of degrees"),
        ((500000.0, 5400000.0, 501000.0, 5401000.0), "thomas", 10.0, "no box of degrees"),
        ((13.1, 52.3, 13.1, 52.6), "thomas", 10.0, "no width"),
        (BERLIN, "union", 10.0, "has no template"),
        (BERLIN, "thomas", 0.0, "between 1 and"),
        (BERLIN, "thomas", float("nan"), "between 1 and"),
    ],
)
def test_what_makes_no_world_is_refused(box, process, points, found):
    with pytest.raises(SpecError, match=found):
        first_world("first", box, process, points)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["Berlin!", "--bbox", "1,2,3,4"], "is no name"),
        (["berlin", "--bbox", "1,2,3"], "expected west,south,east,north"),
        (["berlin", "--bbox", "13,52,14,53", "--out", "nosuch/x.toml"], "no such folder"),
    ],
)
def test_what_is_wrong_is_told(given, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["world", "new", *given])
    assert done.exit_code == 2
    assert found in done.stderr.replace("\n", " ")
