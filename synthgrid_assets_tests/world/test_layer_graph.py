"""Layers made of layers: mistakes by key path, what becomes stale, one world on any tiling."""

from __future__ import annotations

import json

import numpy as np
import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import TileMade, make_tiles
from synthgrid_assets.products.density import DENSITY
from synthgrid_assets.products.drawn_points import draw
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.points import POINTS, seed_record
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.products.voronoi import VORONOI
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.reports.region_checks import region_checks
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets.world.validation import check_world, load_spec
from synthgrid_assets.world.versions import asset_version, input_names, realisation

WORLD = """
[world]
name = "composed"
seed = "layers of layers"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [-4, 0, 28, 32]
tile = 8

[inputs.slope]
maximum = 1.0
gradient = { kind = "linear", from = [500000, 5400000], to = [501500, 5401000], low = 0.2, high = 1}

[inputs.half]
constant = 0.5

[inputs.roads]
vector = "roads.geojson"

[layers.stations]
process = "matern_ii"
candidates_per_km2 = 8.0
radius = 100.0

[layers.cafes]
process = "thomas"
parents_per_km2 = 30.0
mean_offspring = 10.0
sigma = 60.0
intensity = "slope"
near = { layer = "stations", within = 250 }

[layers.cafes.tessellation]
anchors = 4

[layers.trees]
process = "poisson"
points_per_km2 = 600.0
near = { input = "roads", beyond = 20.0, within = 300.0 }

[layers.benches]
process = "poisson"
points_per_km2 = 200.0
intensity = "half"

[layers.things]
process = "union"
layers = ["cafes", "trees", "benches"]
source = true

[layers.things.marks]
size = { uniform = [0.0, 1.0] }

[layers.things.tessellation]
anchors = 4

[layers.cats]
process = "poisson"
points_per_km2 = 100.0
near = { layer = "things", beyond = 30.0 }
"""
ROADS = {
    "type": "FeatureCollection",
    "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}},
    "features": [
        {
            "type": "Feature",
            "properties": {},
            "geometry": {
                "type": "LineString",
                "coordinates": [[499000, 5400100], [501000, 5401500], [502500, 5401500]],
            },
        },
        {
            "type": "Feature",
            "properties": {},
            "geometry": {"type": "Point", "coordinates": [501700, 5400300]},
        },
    ],
}

# what stands in the good file, what is written instead, the key path, a word of the message
PLANTED = {
    "falloff without an end": (
        'near = { layer = "things", beyond = 30.0 }',
        'near = { layer = "things", beyond = 30.0, falloff = 9.0 }',
        "layers.cats.near.falloff",
        "give within",
    ),
    "falloff of nothing": (
        "beyond = 20.0, within = 300.0",
        "beyond = 20.0, within = 300.0, falloff = 0.0",
        "layers.trees.near.falloff",
        "greater than 0",
    ),
    "falloff beyond the lattice": (
        "beyond = 20.0, within = 300.0",
        "beyond = 20.0, within = 300.0, falloff = 1e7",
        "layers.trees.near.falloff",
        "is longer than 200 atom cells",
    ),
    "constant 0": ("constant = 0.5", "constant = 0.0", "inputs.half.constant", "greater than 0"),
    "constant above maximum": ("constant = 0.5", "constant = 1.5", "inputs.half", "everywhere"),
    "gradient above maximum": ("high = 1}", "high = 2}", "inputs.slope", "x = 501500.0"),
    "gradient to nowhere": (
        "to = [501500, 5401000]",
        "to = [500000, 5400000]",
        "inputs.slope.gradient",
        "same place",
    ),
    "gradient key": ("low = 0.2", "lo = 0.2, low = 0", "inputs.slope.gradient.lo", "mean low?"),
    "gradient without spread": (
        'kind = "linear", from',
        'kind = "ridge", sd = 0.0, from',
        "inputs.slope.gradient.sd",
        "greater than 0",
    ),
    "gradient kind": ('"linear"', '"spiral"', "inputs.slope.gradient.kind", "'linear', 'radial'"),
    "zarr gone": ("constant = 0.5", 'zarr = "x"\nvariable = "v"', "inputs.half", "no such Zarr"),
    "near nothing": (
        'layer = "stations", ',
        "",
        "layers.cafes.near",
        "exactly one of the keys layer, input",
    ),
    "near at no distance": (", within = 250", "", "layers.cafes.near", "within, beyond or both"),
    "near distance 0": ("within = 250", "within = 0", "layers.cafes.near.within", "greater than 0"),
    "near too far": (
        "within = 250",
        "within = 25000",
        "layers.cafes.near.within",
        "200 atom cells",
    ),
    "near in an empty ring": (
        "beyond = 20.0",
        "beyond = 300.0",
        "layers.trees.near.beyond",
        "nothing",
    ),
    "near an unknown layer": ('"stations"', '"station"', "layers.cafes.near.layer", "stations?"),
    "near an unknown input": (
        'input = "roads"',
        'input = "rails"',
        "layers.trees.near.input",
        "['roads']",
    ),
    "near a surface": (
        'input = "roads"',
        'input = "half"',
        "layers.trees.near.input",
        "not a vector input",
    ),
    "within lines": (
        'near = { input = "roads", beyond = 20.0, within = 300.0 }',
        'within = "roads"',
        "layers.trees.within",
        "points or lines",
    ),
    "near itself": (
        'layer = "stations"',
        'layer = "cafes"',
        "layers.cafes.near.layer",
        "cafes -> cafes",
    ),
    "cycle": (
        'layer = "stations"',
        'layer = "cats"',
        "layers.cafes.near.layer",
        "cafes -> cats -> things -> cafes",
    ),
    "union of one": ('"cafes", "trees", "benches"]', '"cafes"]', "layers.things.layers", "2 items"),
    "union of unknown": ('"trees", "bench', '"tree", "bench', "layers.things.layers", "trees?"),
    "union with itself": (
        '"trees", "benches"]',
        '"trees", "things"]',
        "layers.things.layers",
        "things -> things",
    ),
    "union of twice the same": (
        '"trees", "benches"]',
        '"trees", "trees"]',
        "layers.things.layers",
        "'trees' 2 times",
    ),
    "thinned union": (
        "source = true",
        'source = true\nintensity = "half"',
        "layers.things.intensity",
        "thin the layers",
    ),
    "unknown key of a union": ("source = true", "sauce = 1", "layers.things.sauce", "mean source?"),
    "mark on the source": ("size = {", "source = {", "layers.things.marks.source", "collides"),
    "near without anchors": (
        "anchors = 4\n\n[layers.trees]",
        "\n[layers.trees]",
        "layers.cafes.tessellation.anchors",
        "intensity and near",
    ),
    "union of thinned layers without anchors": (
        "anchors = 4\n\n[layers.cats]",
        "\n[layers.cats]",
        "layers.things.tessellation.anchors",
        "all that it holds",
    ),
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "roads.geojson").write_text(json.dumps(ROADS))
    return tmp_path


def written(folder, text=WORLD):
    path = folder / "composed.toml"
    path.write_text(text)
    return path


def spec_of(folder, *changes, **world):
    text = WORLD
    for found, planted in changes:
        assert found in text
        text = text.replace(found, planted, 1)
    return load_spec(written(folder, text), {f"world.{key}": value for key, value in world.items()})


def test_the_good_file_is_valid(folder):
    assert check_world(written(folder))[1] == []


@pytest.mark.parametrize("mistake", PLANTED)
def test_each_mistake_gives_one_message_with_its_key_path(folder, mistake):
    found, planted, key, word = PLANTED[mistake]
    assert found in WORLD
    _, problems = check_world(written(folder, WORLD.replace(found, planted, 1)))
    assert [problem.path for problem in problems] == [key], problems
    assert word in problems[0].message


def test_a_union_with_one_whole_layer_needs_no_anchors(folder):
    text = WORLD.replace('intensity = "half"\n', "")
    text = text.replace("anchors = 4\n\n[layers.cats]", "\n[layers.cats]")
    assert check_world(written(folder, text))[1] == []


def test_a_declared_surface_and_paths_are_assets_like_rasters(folder):
    spec, layout = spec_of(folder), Layout(folder / "data")
    slope = make_input(spec, "slope", layout)
    assert (slope.facts["maximum"], slope.facts["largest_retention"]) == (1.0, 1.0)
    assert make_input(spec, "half", layout).facts["mean_retention"] == 0.5
    roads = make_input(spec, "roads", layout)
    assert roads.facts.items() >= {"points": 1, "lines": 1, "vertices": 4}.items()
    assert make_input(spec, "roads", layout).data_version == roads.data_version
    before = draw(open_layer(spec, "cafes", folder / "elsewhere"), Cells(-4, 0, 28, 32))
    after = draw(open_layer(spec, "cafes", folder / "data"), Cells(-4, 0, 28, 32))
    np.testing.assert_array_equal(before.pattern.x, after.pattern.x)


def versions(spec):
    return {name: asset_version(spec, name, POINTS).code_version for name in spec.layers}


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        (("radius = 100.0", "radius = 90.0"), {"stations", "cafes", "things", "cats"}),
        (("within = 250", "within = 251"), {"cafes", "things", "cats"}),
        (("per_km2 = 600.0", "per_km2 = 601.0"), {"trees", "things", "cats"}),
        (('"cafes", "trees"', '"trees", "cafes"'), {"things", "cats"}),
        (("source = true", "source = false"), {"things"}),
        (("[0.0, 1.0]", "[0.0, 2.0]"), {"things"}),
        (("beyond = 30.0", "beyond = 31.0"), {"cats"}),
        (("tile = 8", "tile = 16"), set()),
    ],
)
def test_a_change_makes_stale_what_depends_on_it_and_nothing_else(folder, change, stale):
    before, after = versions(spec_of(folder)), versions(spec_of(folder, change))
    assert {name for name in before if before[name] != after[name]} == stale


def test_inputs_of_the_other_layer_are_read_and_enter_the_realisation(folder):
    spec = spec_of(folder)
    assert input_names(spec, "stations") == ()
    assert input_names(spec, "trees") == ("roads",)
    assert set(input_names(spec, "cats")) == {"slope", "roads", "half"}
    data = dict.fromkeys(spec.inputs, "first")
    changed = {**data, "roads": "second"}
    stale = {
        name
        for name in spec.layers
        if realisation(spec, name, DENSITY, data) != realisation(spec, name, DENSITY, changed)
    }
    assert stale == {"trees", "things", "cats"}


def test_the_seed_record_names_what_the_layer_depends_on(folder):
    spec = spec_of(folder)
    record = json.loads(
        seed_record(open_layer(spec, "cafes", folder), next(iter(spec.world.tiling)))
    )
    assert set(record["components"]) == {"process", "thin/slope", "near", "layer/stations"}


@pytest.mark.parametrize(("process", "pooled"), [("poisson", True), ("matern_ii", False)])
def test_only_exact_counts_of_near_layers_are_pooled_over_tiles(folder, process, pooled):
    change = (
        'process = "poisson"\npoints_per_km2 = 100.0\nnear = { layer',
        f"{LAW[process]}near = {{ layer",
    )
    spec = spec_of(folder, change)
    tile = next(iter(spec.world.tiling))
    rows = POINTS.rows(open_layer(spec, "cats", folder), tile)
    assert rows.expected is not None
    assert np.isfinite(rows.expected)
    facts = dict(rows.facts)
    assert [np.isfinite(facts[key]) for key in ("count_variance", "p_randomised")] == [pooled] * 2


LAW = {
    "poisson": 'process = "poisson"\npoints_per_km2 = 100.0\n',
    "matern_ii": 'process = "matern_ii"\ncandidates_per_km2 = 100.0\nradius = 20.0\n',
}


def test_every_cafe_is_near_a_station_and_nothing_near_was_lost(folder):
    """Oracle: all pairs in metres, from the layers' own tables."""
    spec, cells = spec_of(folder), Cells(-4, 0, 28, 32)
    whole = spec_of(folder, ('near = { layer = "stations", within = 250 }\n', ""))
    place = {
        name: open_layer(of, name, folder).sampler.points(area)
        for name, of, area in (
            ("cafes", spec, cells),
            ("stations", spec, cells.grown(4)),
        )
    }
    every = open_layer(whole, "cafes", folder).sampler.points(cells)
    metres = spec.world.lattice.quantum
    stations = place["stations"]
    away = np.hypot(every.x[:, None] - stations.x, every.y[:, None] - stations.y).min(axis=1)
    expected = every.take(away * metres <= 250)
    np.testing.assert_array_equal(place["cafes"].birth, expected.birth)
    assert 0 < len(expected) < len(every)


def test_the_source_column_names_the_member(folder):
    spec, cells = spec_of(folder), Cells(0, 0, 16, 16)
    things = draw(open_layer(spec, "things", folder), cells)
    source = np.array(things.marks["source"].to_pylist())
    for name in ("cafes", "trees", "benches"):
        alone = open_layer(spec, name, folder).sampler.points(cells)
        np.testing.assert_array_equal(things.pattern.birth[source == name], alone.birth)
        assert len(alone) > 0
    columns = [column.name for column in POINTS.columns(spec.layers["things"])]
    assert columns == ["id", "x_q", "y_q", "source", "size", "geometry"]


@pytest.fixture(scope="module")
def session():
    with EngineSession(Settings(workers=2), preload=PRELOAD) as engine:
        yield engine


def made(session, spec, root, layer, steps):
    context = open_layer(spec, layer, root)
    with Journal(context.layout) as journal:
        for names in steps:
            for outcome in make_tiles(
                session, journal, context, products_named(*names), list(spec.world.tiling)
            ):
                assert isinstance(outcome, TileMade), outcome
                yield from outcome.receipts


def test_two_tile_sides_give_the_same_digests_and_healthy_tiles_pass(session, folder):
    """Points, Voronoi cells with anchors, of a near layer and of a union of near layers."""
    digests = []
    for side in (8, 16):
        spec, root = spec_of(folder, tile=side), folder / f"data-{side}"
        for layer in ("cafes", "things", "cats"):
            steps = [("points",)] + [("voronoi",)] * (layer != "cats")
            for receipt in made(session, spec, root, layer, steps):
                assert receipt.passed, receipt.verdicts
        digests.append(
            [
                region_digest(spec, root, layer, product.name)
                for layer in ("cafes", "things")
                for product in (POINTS, VORONOI)
            ]
            + [region_digest(spec, root, "cats", "points")]
        )
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == 5
    spec = spec_of(folder)
    checks = region_checks(open_layer(spec, "things", folder / "data-8"), POINTS)
    for name, check in checks.items():
        assert check.verdict.passed, (name, check.verdict)
    assert abs(checks["mean_variance_hold"].verdict.expected - 1700) < 900
