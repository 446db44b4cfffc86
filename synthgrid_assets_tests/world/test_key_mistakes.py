"""A wrong value is one mistake, under its key as the file has it, with what is allowed."""

from __future__ import annotations

import json

import pytest

from synthgrid_assets.world.validation import check_world

WORLD = """
[world]
name = "keys"
seed = "s"
crs = "EPSG:32633"
cell = 64.0
extent = [0, 0, 8, 8]
tile = 4

[inputs.hill]
gradient = { kind = "gaussian", centre = [256, 256], sd = 100.0 }

[layers.houses]
process = "poisson"
points_per_km2 = 30.0
near = { layer = "bits", within = 90.0 }
marks = { height = { uniform = [1.0, 2.0] } }
footprint = { shape = "rectangle", width = [8.0, 14.0], depth = 9.0, orientation = 0.0 }
parcels = { block = 2, area = 900.0 }

[layers.houses.contract]
envelope = [0.0, 0.0, 512.0, 512.0]

[layers.houses.tracks]
start = 2026-05-04T08:00:00Z
duration = 600.0
every = 30.0
range = 300.0
speed = [0.8, 1.6]
gaps = { share = 0.05, length = 60.0 }
visits = true

[layers.houses.reference]
file = "keys.toml"
marks = ["height"]

[layers.bits]
process = "cascade"
points_per_km2 = 20.0
levels = 3
shares = [0.4, 0.3, 0.2, 0.1]
"""
FOOTPRINT, TRACKS = "layers.houses.footprint", "layers.houses.tracks"
WRONG = [
    (
        "[8.0, 14.0]",
        '"8 m"',
        f"{FOOTPRINT}.width",
        "'8 m': input should be a valid number, or a list",
    ),
    ("[8.0, 14.0]", "[-8.0, 14.0]", f"{FOOTPRINT}.width.0", "-8.0: input should be greater than 0"),
    ('"rectangle"', '"oval"', f"{FOOTPRINT}.shape", "'oval': input should be 'rectangle', 'poly"),
    ('shape = "rectangle", ', "", f"{FOOTPRINT}.shape", "missing"),
    ("depth = 9.0", 'depth = "1e5"', f"{FOOTPRINT}.depth", "'1e5': input should be a valid number"),
    ("depth =", "dept =", f"{FOOTPRINT}.dept", "did you mean depth? allowed: along, depth"),
    ("orientation = 0.0", 'orientation = "north"', f"{FOOTPRINT}.orientation", "or 'random'"),
    ("{ block = 2, area = 900.0 }", "4", "layers.houses.parcels", "4: input should be a table"),
    ("block = 2", "block = {}", "layers.houses.parcels.block", "a table: input should be a valid"),
    (
        "512.0, 512.0]",
        "512.0]",
        "layers.houses.contract.envelope",
        "512.0]: input should have more",
    ),
    ("[0.8, 1.6]", '[0.8, "x"]', f"{TRACKS}.speed.1", "'x': input should be a valid number"),
    ("share =", "shar =", f"{TRACKS}.gaps.shar", "did you mean share? allowed: length, share"),
    ("sd = 100.0", "sd = 0.0", "inputs.hill.gradient.sd", "0.0: input should be greater than 0"),
    ('"gaussian"', '"bell"', "inputs.hill.gradient.kind", "'bell': input should be 'linear', 'ra"),
    ("sd = 100.0", "sdd = 9.0", "inputs.hill.gradient.sdd", "did you mean sd? allowed: centre"),
    ("[256, 256]", "256", "inputs.hill.gradient.centre", "256: input should be a list"),
    (
        "duration = 600.0",
        "duration = true",
        f"{TRACKS}.duration",
        "true: input should be a valid number",
    ),
    (
        "duration = 600.0",
        'duration = "600"',
        f"{TRACKS}.duration",
        "'600': input should be a valid",
    ),
    ("[0.8, 1.6]", "[true, 1.6]", f"{TRACKS}.speed", "true: input should be a valid number"),
    ("range = 300.0", "range = 1e-300", f"{TRACKS}.range", "give 1e-06 to 1e+12"),
    ("length = 60.0", "length = 1e300", f"{TRACKS}.gaps.length", "give 1e-06 to 1e+12"),
    ("0.2, 0.1]", "0.2, 0.2]", "layers.bits.shares", "sum to 1, not to 1.1"),
    (
        "within = 90.0",
        "within = true",
        "layers.houses.near.within",
        "true: input should",
    ),
    ("within = 90.0", "within = -9.0", "layers.houses.near.within", "greater than 0"),
    ('{ layer = "bits", within = 90.0 }', "4", "layers.houses.near", "4: input should be a table"),
    ("{ height = { uniform = [1.0, 2.0] } }", "4", "layers.houses.marks", "should be a table"),
    ("[1.0, 2.0]", '["a"]', "layers.houses.marks.height.uniform.0", "'a': input should be a valid"),
    ("[0, 0, 8, 8]", "[0, 0, 8, true]", "world.extent.3", "true: input should be a valid integer"),
    ("visits = true", "visits = 1", f"{TRACKS}.visits", "1: input should be true or false"),
    ("visits = true", 'visits = "yes"', f"{TRACKS}.visits", "'yes': input should be true or false"),
    ("[1.0, 2.0]", '[1.0, "2"]', "layers.houses.marks.height.uniform.1", "'2': input should be"),
    ("[1.0, 2.0]", "[true, 2.0]", "layers.houses.marks.height.uniform.0", "true: input should be"),
    ("0.2, 0.1]", "0.3]", "layers.bits.shares", "at least 4 items, not 3"),
    ("[0.8, 1.6]", "[1.6, 0.8]", f"{TRACKS}.speed", "[1.6, 0.8]: the first number must not"),
    ("512.0, 512.0]", "512.0, 0.0]", "layers.houses.contract.envelope", "512.0, 0.0]: give [xmin"),
    ("within = 90.0", "within = 9, beyond = 9", "layers.houses.near.beyond", "9: keeps nothing"),
    (
        "within = 90.0",
        "falloff = 1",
        "layers.houses.near",
        "{ layer = 'bits', falloff = 1 }: needs a distance",
    ),
    ('process = "poisson"', 'proces = "poisson"', "layers.houses.proces", "did you mean process?"),
    ("within = 90.0", "within = true, beyond = 9", "layers.houses.near.within", "true: input"),
    ('seed = "s"', r'seed = "a\u0000b"', "world.seed", "holds the character NUL"),
    (
        "{ uniform = [1.0, 2.0] }",
        '{ choice = { "" = 1 } }',
        "layers.houses.marks.height.choice",
        "{ '' = 1 }: '' is no label",
    ),
    (
        "{ uniform = [1.0, 2.0] }",
        r'{ choice = { a = 1, "\n" = 1 } }',
        "layers.houses.marks.height.choice",
        r"'\n' is no label",
    ),
    (
        'gradient = { kind = "gaussian", centre = [256, 256], sd = 100.0 }',
        'vector = ""',
        "inputs.hill.vector",
        "'': no path",
    ),
    (
        'gradient = { kind = "gaussian", centre = [256, 256], sd = 100.0 }',
        'raster = " "',
        "inputs.hill.raster",
        "' ': no path",
    ),
    ("0.2, 0.1]", '0.2, "x"]', "layers.bits.shares.3", "'x': input should be a valid number"),
]


@pytest.mark.parametrize(("found", "planted", "key", "words"), WRONG)
def test_a_wrong_value_is_told_by_its_key(tmp_path, found, planted, key, words):
    assert WORLD.count(found) == 1
    path = tmp_path / "keys.toml"
    path.write_text(WORLD.replace(found, planted))
    told = check_world(path)[1]
    told = [one for one in told if "missing" not in one.message] or told
    assert [problem.path for problem in told] == [key], told
    assert words in told[0].message
    assert str(path) in str(told[0])


def test_the_world_is_right_otherwise(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(WORLD)
    assert check_world(path)[1] == []


@pytest.mark.parametrize(
    ("planted", "key", "words"),
    [
        ('within = "houses"', "within", "did you mean 'houses/occupied_parcels'"),
        ('within = "stations"', "within", "it is a layer, whose zones"),
        ('join = { zones = "homes", selectivity = 0.5 }', "join.zones", "mean 'homes/footprints'?"),
        ('near = { input = "houses/parcels", within = 3 }', "near.input", "stand in near.layer"),
        ('near = { input = "stations", within = 3 }', "near.input", "stand in near.layer"),
        ('within = "walks/footprints"', "within", "no table [layers.walks.footprint]"),
    ],
)
def test_what_stands_in_another_key_is_said(tmp_path, planted, key, words):
    head = WORLD.partition("[inputs.hill]")[0]
    layers = {"houses": "parcels = { block = 2, area = 900.0 }", "stations": "", "walks": planted}
    layers["homes"] = 'footprint = { shape = "circle", radius = 3.0 }'
    path = tmp_path / "keys.toml"
    path.write_text(
        head
        + "".join(
            f'[layers.{name}]\nprocess = "poisson"\npoints_per_km2 = 30.0\n{own}\n'
            for name, own in layers.items()
        )
    )
    (told,) = check_world(path)[1]
    assert told.path == f"layers.walks.{key}"
    assert words in told.message


def test_a_reader_says_why_without_the_name_of_its_class(tmp_path):
    text = WORLD.replace('gradient = { kind = "gaussian", centre = [256, 256], sd = 100.0 }', "%s")
    path = tmp_path / "keys.toml"
    for kind in ("vector", "raster"):
        path.write_text(text % f'{kind} = "keys.toml"')
        (told,) = check_world(path)[1]
        assert told.path == "inputs.hill"
        assert "not recognized as being in a supported file format" in told.message
        assert "Error" not in told.message


@pytest.mark.filterwarnings("error")
def test_a_cell_of_no_size_hides_no_parameter_and_warns_of_nothing(tmp_path):
    path = tmp_path / "keys.toml"
    lines = {"type": "LineString", "coordinates": [[0.0, 0.0], [0.01, 0.01]]}
    (tmp_path / "lines.geojson").write_text(json.dumps(lines))
    text = WORLD.replace("cell = 64.0", "cell = 1e-320").replace("km2 = 30.0", "km2 = -3.0")
    path.write_text(text + '[inputs.lines]\nvector = "lines.geojson"\n')
    assert [one.path for one in check_world(path)[1]] == [
        "world.cell",
        "layers.houses.points_per_km2",
    ]
