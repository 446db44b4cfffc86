"""Every kind of mistake in one file: one pass tells all of them, each by its key path."""

from __future__ import annotations

import json

import pytest

from synthgrid_assets.errors import SpecError
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets.world.validation import check_world, load_spec
from synthgrid_assets_tests.inputs.test_zarr_rasters import tiff
from synthgrid_assets_tests.world.every_composition import CORNER, every_spec

WRONG = """
[world]
name = "wrong"
seed = "s"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [0, 0, 32, 32]
tile = 8

[inputs]
nocrs = { raster = "nocrs.tif" }
above = { raster = "above.tif", maximum = 3.5 }
far = { vector = "far.geojson" }
gone = { vector = "gone.geojson" }
land = { vector = "land.geojson" }

[layers.unknown_process]
process = "tomas"
sigma = 3.0

[layers.clusters]
process = "thomas"
parents_per_km2 = nan
mean_offspring = -1.0
sgma = 40.0

[layers.zero]
process = "poisson"
points_per_km2 = 0

[layers.wide]
process = "matern_ii"
candidates_per_km2 = 1.0
radius = 20000.0

[layers.full]
process = "matern_cluster"
parents_per_km2 = 1e5
mean_offspring = 1e5
radius = 20.0

[layers.bound]
process = "strauss"
beta_per_km2 = 700.0
gamma = 0.1
radius = 200.0

[layers.masked]
process = "poisson"
points_per_km2 = 50.0
within = "far"
intensity = "above"
[layers.masked.marks]
geometry = { uniform = [0.0, 1.0] }
one = { normal = { mean = { by = "nothing" }, sd = 1 } }
two = { normal = { mean = { by = "one" }, sd = 1 } }
three = { poisson = { mean = { by = "land" } } }
[layers.masked.tessellation]

[layers.a]
process = "poisson"
points_per_km2 = 50.0
near = { layer = "b", within = 100 }

[layers.b]
process = "union"
layers = ["a", "zero"]

[layers.far_away]
process = "poisson"
points_per_km2 = 50.0
near = { layer = "zero", within = 1e6 }
"""
TOLD = {
    "inputs.nocrs": "no coordinate reference system",
    "inputs.above": "x = ",
    "inputs.far": "no polygon meets the world's extent",
    "inputs.gone": "no such vector file",
    "layers.unknown_process.process": "'tomas'; did you mean thomas?",
    "layers.clusters.parents_per_km2": "nan: input should be a finite number",
    "layers.clusters.mean_offspring": "-1.0: input should be greater than 0",
    "layers.clusters.sigma": "required (standard deviation",
    "layers.clusters.sgma": "did you mean sigma?",
    "layers.zero.points_per_km2": "0: input should be greater than 0",
    "layers.wide.radius": "at most 12800 m",
    "layers.full.mean_offspring": "65536",
    "layers.bound": "79.17 must be below 1",
    "layers.masked.marks.geometry": "collides",
    "layers.masked.marks.one.normal.mean": "'nothing'",
    "layers.masked.marks.three.poisson.mean": "'land'",
    "layers.masked.tessellation.anchors": "set anchors",
    "layers.a.near.layer": "a -> b -> a",
    "layers.far_away.near.within": "at most 12800 m",
}
# mistakes in the structure, which leave no spec: what is written, and the key paths told besides
STRUCTURE = {
    "tile = 8": ("tyle = 8", {"world.tile", "world.tyle"}),
    'seed = "s"': ("seed = 1", {"world.seed"}),
    'land = { vector = "land.geojson" }': ('land = { vektor = "x" }', {"inputs.land"}),
    "two = { normal =": ("two = { normol =", {"layers.masked.marks.two"}),
    "[layers.masked.tessellation]": (
        "[layers.masked.tessellation]\nanchor = 4",
        {"layers.masked.tessellation.anchor"},
    ),
    "points_per_km2 = 0\n": ("points_per_km2 = 0\nimplicate = -1\n", {"layers.zero.implicate"}),
    "[layers.a]\n": ("[layers.none]\n[layers.a]\n", {"layers.none.process"}),
    "[layers.b]\n": ("[layer.b]\n[layers.b]\n", {"layer"}),
}
# what cannot be told where that table is wrong: it follows from it
HIDDEN = {
    'land = { vector = "land.geojson" }': {"layers.masked.marks.three.poisson.mean"},
    "[layers.masked.tessellation]": {"layers.masked.tessellation.anchors"},
}


def polygon(x, y):
    ring = [[x, y], [x + 900, y], [x, y + 900], [x, y]]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    feature = {"type": "Feature", "properties": {}}
    feature["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    return json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]})


@pytest.fixture
def written(tmp_path):
    def write(text):
        tiff(tmp_path / "nocrs.tif", crs=None)
        tiff(tmp_path / "above.tif")
        (tmp_path / "far.geojson").write_text(polygon(900_000, CORNER[1]))
        (tmp_path / "land.geojson").write_text(polygon(*CORNER))
        (tmp_path / "wrong.toml").write_text(text)
        return tmp_path / "wrong.toml"

    return write


def assert_told(problems, expected):
    assert [p.path for p in problems if p.path not in expected] == []
    assert sorted(p.path for p in problems) == sorted(expected)
    for problem in problems:
        assert TOLD.get(problem.path, "") in problem.message, str(problem)


def test_all_mistakes_are_told_each_once(written):
    _, problems = check_world(written(WRONG), contents=True)
    assert_told(problems, {*TOLD})


@pytest.mark.parametrize("found", STRUCTURE)
def test_a_mistake_in_the_structure_hides_no_other(written, found):
    planted, more = STRUCTURE[found]
    assert found in WRONG
    spec, problems = check_world(written(WRONG.replace(found, planted, 1)), contents=True)
    assert spec is None
    assert_told(problems, {*TOLD} - HIDDEN.get(found, set()) | more)


def test_mistakes_stand_in_the_files_order(written):
    text = WRONG.replace("tile = 8", "tile = 0").replace("points_per_km2 = 0\n", "points = 1\n")
    tables = [p.path.split(".")[:2] for p in check_world(written(text), contents=True)[1]]
    first = [tables.index(table) for table in tables]
    assert first == sorted(first)
    names = [table[1] for table in tables if table[0] == "layers"]
    assert names[0] == "unknown_process"
    assert names[-1] == "far_away"


@pytest.mark.parametrize("key", ["crs", "cell", "extent"])
def test_without_a_lattice_parameters_are_still_judged(written, key):
    text = "\n".join(line for line in WRONG.splitlines() if not line.startswith(f"{key} ="))
    paths = {problem.path for problem in check_world(written(text))[1]}
    assert paths >= {f"world.{key}", "layers.unknown_process.process", "layers.clusters.sgma"}


def test_a_mask_that_is_empty_in_the_extent_is_refused_also_where_it_is_stored(tmp_path):
    spec, layout = every_spec(tmp_path), Layout(tmp_path / "data")
    assert make_input(spec, "land", layout).facts["polygons"] == 1
    shift = {"extent": (-900, 0, -836, 64), "origin": CORNER}
    far = spec.model_copy(update={"world": spec.world.model_copy(update=shift)})
    refused = r"land\.geojson: no polygon meets .* in EPSG:32633"
    with pytest.raises(SpecError, match=refused):
        make_input(far, "land", layout)
    with pytest.raises(SpecError, match=refused):
        load_spec(tmp_path / "every.toml", {f"world.{k}": list(v) for k, v in shift.items()})
