"""A mistake in a world file gives one message: the file, the key path, what is allowed."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from shapely import LineString, Point, Polygon

from synthgrid_assets.errors import SpecError
from synthgrid_assets.world.validation import check_world, load_spec
from synthgrid_assets.world.world_file import parse_override
from synthgrid_assets_tests.street_world import at, write_lines

GOOD = """
[world]
name = "planted"
seed = "s"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [0, 0, 32, 32]
tile = 8

[inputs.land]
vector = "land.geojson"

[inputs.people]
raster = "people.tif"

[layers.trees]
process = "poisson"
points_per_km2 = 100.0
within = "land"
intensity = "people"

[layers.trees.marks]
species = { choice = { oak = 1.0, lime = 2.0 } }

[layers.cafes]
process = "thomas"
parents_per_km2 = 4.0
mean_offspring = 12.0
sigma = 40.0

[layers.cafes.tessellation]
anchors = 16

[layers.cafes.release]
epsilon = 1.0
"""

# what stands in the good file, what is written instead, the key path, a word of the message
PLANTED = {
    "unknown key": ("tile = 8", "tile = 8\ntyle = 9", "world.tyle", "did you mean tile?"),
    "unknown table": ("[layers.trees.marks]", "[layer.x]\n[layers.trees.marks]", "layer", "layers"),
    "missing key": ("cell = 64.0\n", "", "world.cell", "required"),
    "wrong type": ("tile = 8", 'tile = "8"', "world.tile", "integer"),
    "geographic crs": ("EPSG:32633", "EPSG:4326", "world.crs", "projected"),
    "unknown crs": ("EPSG:32633", "EPSG:1", "world.crs", "not a CRS"),
    "geocentric crs": ("EPSG:32633", "EPSG:4978", "world.crs", "projected"),
    "tile 0": ("tile = 8", "tile = 0", "world.tile", "greater than or equal to 1"),
    "too many tiles": ("[0, 0, 32, 32]", "[0, 0, 3200, 3200]", "world.tile", "world.tile = 32"),
    "too wide": ("[0, 0, 32, 32]", "[0, 0, 999999, 999999]", "world.tile", "a smaller extent"),
    "empty extent": ("[0, 0, 32, 32]", "[0, 0, 0, 32]", "world.extent", "empty"),
    "beyond the lattice": ("[0, 0, 32, 32]", "[0, 0, 9999999, 1]", "world.extent.2", "4194304"),
    "bad name": ('"planted"', '"../x"', "world.name", "lower-case"),
    "missing input": ("people.tif", "gone.tif", "inputs.people", "gone.tif"),
    "raster without crs": ("people.tif", "nocrs.tif", "inputs.people", "reference system"),
    "both kinds": (
        'raster = "people.tif"',
        'raster = "people.tif"\nvector = "land.geojson"',
        "inputs.people",
        "exactly one",
    ),
    "unknown input": ('within = "land"', 'within = "sea"', "layers.trees.within", "['land']"),
    "input of the wrong kind": (
        'intensity = "people"',
        'intensity = "land"',
        "layers.trees.intensity",
        "raster",
    ),
    "unknown process": ('"thomas"', '"tomas"', "layers.cafes.process", "did you mean thomas?"),
    "unknown parameter": (
        "sigma = 40.0",
        "sigma = 40.0\nsigna = 1",
        "layers.cafes.signa",
        "sigma?",
    ),
    "negative parameter": ("sigma = 40.0", "sigma = -4.0", "layers.cafes.sigma", "greater than 0"),
    "not a number": ("sigma = 40.0", "sigma = nan", "layers.cafes.sigma", "finite"),
    "missing parameter": ("sigma = 40.0\n", "", "layers.cafes.sigma", "required"),
    "mark of no kind": ("{ choice =", "{ choise =", "layers.trees.marks.species", "exactly one"),
    "weight 0": ("oak = 1.0", "oak = 0.0", "layers.trees.marks.species.choice.oak", "greater"),
    "mark by an unknown name": (
        "lime = 2.0 } }",
        'lime = 2.0 } }\nage = { normal = { mean = { by = "specie", oak = 9 }, sd = 1 } }',
        "layers.trees.marks.age.normal.mean",
        "did you mean species?",
    ),
    "mark without a label's value": (
        "lime = 2.0 } }",
        'lime = 2.0 } }\nage = { poisson = { mean = { by = "species", oak = 9 } } }',
        "layers.trees.marks.age.poisson.mean",
        "no value for lime",
    ),
    "mark by a mask": (
        "lime = 2.0 } }",
        'lime = 2.0 } }\nage = { normal = { mean = { by = "land" }, sd = 1 } }',
        "layers.trees.marks.age.normal.mean",
        "raster",
    ),
    "scale that is no number": (
        "lime = 2.0 } }",
        'lime = 2.0 } }\nage = { normal = { mean = { by = "people", scale = "x" }, sd = 1 } }',
        "layers.trees.marks.age.normal.mean.scale",
        "valid number",
    ),
    "unknown key of a law": (
        "lime = 2.0 } }",
        "lime = 2.0 } }\nage = { normal = { mean = 9, sd = 1, sdd = 2 } }",
        "layers.trees.marks.age.normal.sdd",
        "did you mean sd?",
    ),
    "marks in a circle": (
        "species = { choice = { oak = 1.0, lime = 2.0 } }",
        'a = { normal = { mean = { by = "b" }, sd = 1 } }\n'
        'b = { normal = { mean = { by = "a" }, sd = 1 } }',
        "layers.trees.marks",
        "circle",
    ),
    "times that end before they start": (
        "lime = 2.0 } }",
        "lime = 2.0 } }\nborn = { timestamp = { start = 2026-01-01, end = 2025-01-01 } }",
        "layers.trees.marks.born.timestamp.end",
        "before end",
    ),
    "negative copy": (
        "points_per_km2 = 100.0",
        "points_per_km2 = 100.0\nimplicate = -1",
        "layers.trees.implicate",
        "greater than or equal to 0",
    ),
    "mark on a column": ("species =", "geometry =", "layers.trees.marks.geometry", "collides"),
    "mask without anchors": (
        "[layers.trees.marks]",
        "[layers.trees.tessellation]\n[layers.trees.marks]",
        "layers.trees.tessellation.anchors",
        "anchors",
    ),
    "anchors too wide": (
        "anchors = 16",
        "anchors = 44",
        "layers.cafes.tessellation.anchors",
        "256",
    ),
    "unknown constraints": (
        "anchors = 16",
        'anchors = 16\nconstraints = "roads"',
        "layers.cafes.tessellation.constraints",
        "'roads' is no input of this world; constraints are lines",
    ),
    "constraints of the wrong kind": (
        "anchors = 16",
        'anchors = 16\nconstraints = "people"',
        "layers.cafes.tessellation.constraints",
        "vector inputs: ['land']",
    ),
    "constraints without triangles": (
        "anchors = 16",
        'anchors = 16\nconstraints = "land"\ndelaunay = false',
        "layers.cafes.tessellation.constraints",
        "no triangles to keep them",
    ),
    "layer with the name of networks": (
        "[layers.trees]",
        '[layers.constraints]\nprocess = "poisson"\npoints_per_km2 = 1\n[layers.trees]',
        "layers.constraints",
        "reserved",
    ),
    "missing vector": ("land.geojson", "gone.geojson", "inputs.land", "no such vector file"),
    "epsilon 0": ("epsilon = 1.0", "epsilon = 0", "layers.cafes.release.epsilon", "0.000001"),
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "land.geojson").write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, '
        '"geometry": {"type": "Polygon", "coordinates": '
        "[[[14.9, 48.7], [15.1, 48.7], [15.1, 48.8], [14.9, 48.8], [14.9, 48.7]]]}}]}"
    )
    for name, crs in (("people.tif", "EPSG:32633"), ("nocrs.tif", None)):
        with rasterio.open(
            tmp_path / name,
            "w",
            driver="GTiff",
            width=4,
            height=4,
            count=1,
            dtype="float32",
            crs=crs,
            transform=rasterio.Affine(600, 0, 500000, 0, -600, 5402400),
        ) as raster:
            raster.write(np.arange(16, dtype="float32").reshape(1, 4, 4))
    return tmp_path


def written(folder, text):
    path = folder / "planted.toml"
    path.write_text(text)
    return path


def test_the_good_file_is_valid(folder):
    assert check_world(written(folder, GOOD))[1] == []


@pytest.mark.parametrize("mistake", PLANTED)
def test_each_mistake_gives_one_message_with_file_and_key_path(folder, mistake):
    found, planted, key, word = PLANTED[mistake]
    assert found in GOOD
    path = written(folder, GOOD.replace(found, planted, 1))
    _, problems = check_world(path)
    assert [problem.path for problem in problems] == [key], problems
    assert problems[0].file == str(path)
    assert word in problems[0].message


CONSTRAINED = GOOD.replace("anchors = 16", 'anchors = 16\nconstraints = "roads"').replace(
    "[inputs.people]", '[inputs.roads]\nvector = "roads.gpkg"\n\n[inputs.people]'
)
STREET = LineString(at((0, 0), (3, 4)))
BAD_ROADS = {
    "points": ([Point(at((1, 1))), Point(at((2, 2)))], "EPSG:32633", ["feature 0 is a Point", "1"]),
    "no crs": ([STREET], None, ["no coordinate reference system"]),
    "no length": ([STREET, LineString(at((1, 1), (1, 1)))], "EPSG:32633", ["feature 1 has a line"]),
    "out of range": ([LineString(at((0, 0), (2**23, 4)))], "EPSG:32633", ["feature 0: a vertex"]),
    "all at once": (
        [LineString(at((1, 1), (1, 1))), STREET, LineString(at((0, 0), (2**23, 4))), Point(0, 0)],
        "EPSG:32633",
        ["feature 0 has a line", "feature 2: a vertex", "feature 3 is a Point"],
    ),
}


@pytest.mark.parametrize("mistake", BAD_ROADS)
def test_each_mistake_in_a_file_of_constraints_is_told_by_feature(folder, mistake):
    shapes, crs, words = BAD_ROADS[mistake]
    write_lines(folder / "roads.gpkg", shapes, crs)
    _, problems = check_world(written(folder, CONSTRAINED))
    assert [problem.path for problem in problems] == ["inputs.roads"] * len(words)
    for problem, word in zip(problems, words, strict=True):
        assert "roads.gpkg: " in problem.message
        assert word in problem.message


def test_a_file_of_constraints_is_named_once_however_many_layers_have_it(folder):
    both = CONSTRAINED.replace(
        "[layers.trees.marks]",
        '[layers.trees.tessellation]\nanchors = 16\nconstraints = "roads"\n[layers.trees.marks]',
    )
    _, problems = check_world(written(folder, both))
    assert len(problems) == 1
    assert "no such vector file" in problems[0].message


@pytest.mark.parametrize("shape", [STREET, Polygon(at((0, 0), (3, 4), (0, 4)))])
def test_lines_and_polygons_are_constraints(folder, shape):
    write_lines(folder / "roads.gpkg", [shape, STREET], "EPSG:4326")
    assert check_world(written(folder, CONSTRAINED))[1] == []


def test_all_mistakes_are_told_in_one_pass(folder):
    text = GOOD.replace("sigma = 40.0", "sigma = -1").replace("people.tif", "gone.tif")
    with pytest.raises(SpecError) as raised:
        load_spec(written(folder, text))
    assert len(str(raised.value).splitlines()) == 2


def test_a_mistake_in_one_table_hides_none_in_another(folder):
    text = GOOD.replace("tile = 8", "tile = 0").replace("sigma = 40.0", "sigma = -1")
    _, problems = check_world(written(folder, text))
    assert {problem.path for problem in problems} == {"world.tile", "layers.cafes.sigma"}


@pytest.mark.parametrize("content", ["[world", "\x00", ""])
def test_a_file_that_is_no_world_is_refused_by_name(folder, content):
    path = written(folder, content)
    _, problems = check_world(path)
    assert problems
    assert all(problem.file == str(path) for problem in problems)


def test_a_mask_that_cannot_be_read_is_told_once(folder):
    """It declares a line; that a mask takes polygons is not its mistake."""
    line = '{"type": "LineString", "coordinates": [[15.0, 48.7]]}'
    (folder / "land.geojson").write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, '
        f'"geometry": {line}}}]}}'
    )
    _, problems = check_world(written(folder, GOOD), contents=True)
    assert [problem.path for problem in problems] == ["inputs.land"]


def test_a_missing_file_is_refused_by_name(folder):
    _, problems = check_world(folder / "gone.toml")
    assert "no such world file" in str(problems[0])


def test_overrides_reach_into_tables(folder):
    spec = load_spec(written(folder, GOOD), {"world.tile": 16, "layers.cafes.sigma": 50.0})
    assert spec.world.tile == 16
    assert spec.layers["cafes"].parameters["sigma"] == 50.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("world.tile=" + "9" * 5000, "an integer of more than"),
        ("world.seed=-" + "1" * 5000, "an integer of more than"),
        ("world.extent=" + "[" * 300, "brackets"),
        ("world.extent=[0, 0, 8", "not valid TOML"),
        ("world.seed='abc", "not valid TOML"),
        ("world.tile=8\n[layers.p]\nsigma = 3", "several lines"),
        ("world.seed=\udcff", "UTF-8"),
        ("world..tile=8", "expected key=value"),
        ("world.\x1b[31mtile=8", r"'world\.\\x1b\[31mtile=8': expected"),
        ("=8", "expected key=value"),
        ("world.tile", "expected key=value"),
    ],
    ids=range(11),
)
def test_an_override_that_is_no_value_is_refused_in_one_short_line(text, said):
    with pytest.raises(SpecError, match=said) as refused:
        parse_override(text)
    assert str(refused.value).startswith("--set ")
    assert len(str(refused.value)) < 400
    assert str(refused.value).isprintable()


def test_an_override_of_words_is_text():
    for words in ("abc", "Riverton 2026", "", "a = b", "8 # not TOML: two words", "é"):
        value = parse_override(f"world.seed={words}")[1]
        assert value == (8 if words.startswith("8") else words)


def test_an_override_through_a_value_is_refused(folder):
    with pytest.raises(SpecError, match="not a table"):
        load_spec(written(folder, GOOD), {"world.tile.x": 16})
