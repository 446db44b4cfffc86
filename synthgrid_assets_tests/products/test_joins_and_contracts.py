"""Zones hold the share of points that a layer declares, on any tiling; contracts are kept."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import shapely
from scipy.stats import kstest

from synthgrid_assets.api import World
from synthgrid_assets.errors import SpecError
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.region_tests.contract_tests import (
    CONTRACT_TEST,
    JOIN_TEST,
    judge_contract,
)
from synthgrid_assets.products.region_tests.region_evidence import RegionEvidence
from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets.reports.region_checks import region_checks
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.validation import check_world, load_spec
from synthgrid_assets_tests.reports.committed_world import commit

WORLD = """
[world]
name = "joined"
seed = "a join"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 50.0
extent = [0, 0, 48, 48]
tile = 16

[inputs.zones]
vector = "zones.geojson"
[inputs.land]
vector = "land.geojson"
[inputs.slope]
gradient = { kind = "linear", from = [500000.0, 0.0], to = [502400.0, 0.0], low = 0.2, high = 1.0 }

[layers.people]
process = "poisson"
points_per_km2 = 60000.0
join = { zones = "zones", selectivity = 0.02 }

[layers.cafes]
process = "thomas"
parents_per_km2 = 80.0
mean_offspring = 12.0
sigma = 40.0
within = "land"
intensity = "slope"
join = { zones = "zones", selectivity = 0.3 }

[layers.cafes.contract]
points_per_km2 = { least = 10.0, most = 900.0 }
tile_points_per_km2 = { most = 3000.0 }
envelope = [500000.0, 5400000.0, 502400.0, 5402400.0]
share_in_zones = { zones = "zones", most = 0.6 }
"""


def write(folder, text=WORLD, **replaced):
    """The world's file with zones: 40 discs of 15 to 60 m, and land: half of the extent."""
    rng = np.random.default_rng(16)
    places = rng.uniform((500000, 5400000), (502400, 5402400), (40, 2))
    discs = shapely.buffer(shapely.points(places), rng.uniform(15, 60, 40), quad_segs=4)
    land = shapely.box(500000, 5400000, 502400, 5401900)
    for name, shapes in (("zones", discs), ("land", [land])):
        frame = geopandas.GeoDataFrame(geometry=list(shapes), crs="EPSG:32633")
        frame.to_file(folder / f"{name}.geojson")
    for key, value in replaced.items():
        assert key in text
        text = text.replace(key, value)
    path = folder / "joined.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("joined")
    write(made)
    return made


def held(folder, points):
    zones = geopandas.read_file(folder / "zones.geojson").to_crs("EPSG:32633").union_all()
    return float(shapely.contains_xy(zones, points.geometry.x, points.geometry.y).mean())


def test_two_percent_wanted_are_two_percent_obtained(folder):
    """The standard error of 345,000 points' share is 0.00024: 0.001 is four of them."""
    world = World(load_spec(folder / "joined.toml"))
    points = world.layer("people").points(world.bounds)
    assert 0.019 < held(folder, points) < 0.021


@pytest.mark.parametrize("wanted", [0.001, 0.2, 0.9])
def test_any_share_is_obtained_whatever_else_thins_the_layer(wanted, tmp_path):
    """Zones' places are seen by the other thinnings too; five standard errors."""
    changes = {"selectivity = 0.3": f"selectivity = {wanted}", "parents_per_km2 = 80.0": PARENTS}
    write(tmp_path, WORLD, **changes)
    world = World(load_spec(tmp_path / "joined.toml"))
    points = world.layer("cafes").points(world.bounds)
    clusters = 13  # points that come together, at most
    error = np.sqrt(wanted * (1 - wanted) * clusters / len(points))
    assert abs(held(tmp_path, points) - wanted) < 5 * error


PARENTS = "parents_per_km2 = 3000.0"


def test_points_are_the_same_on_any_tiling_and_another_window_is_another_layer(folder):
    spec = load_spec(folder / "joined.toml")
    whole = World(spec).layer("cafes").points_table(World(spec).bounds)
    for tile in (5, 48):
        other = World(load_spec(folder / "joined.toml", {"world.tile": tile})).layer("cafes")
        west, south, east, north = World(spec).bounds
        middle = (west + east) / 2 + 7.0
        parts = [(west, south, middle, north), (middle, south, east, north)]
        ids = np.concatenate([other.points_table(part)["id"].to_numpy() for part in parts])
        assert sorted(ids.tolist()) == sorted(whole["id"].to_pylist())
    wider = load_spec(folder / "joined.toml", {"world.extent": [0, 0, 48, 40]})
    same = load_spec(
        folder / "joined.toml",
        {"world.extent": [0, 0, 48, 40], "layers.cafes.join.window": [0, 0, 48, 48]},
    )
    versions = [
        open_layer(one, "cafes", folder / "data").assets["points"].code_version
        for one in (spec, wider, same)
    ]
    assert versions[0] == versions[2] != versions[1]


def judged(folder, seed, shift=0, layer="cafes", **overrides):
    changes = {"world.seed": seed, "world.tile": 48, **overrides}
    spec = load_spec(folder / "joined.toml", changes)
    context = commit(open_layer(spec, layer, folder / f"data-{seed}"), ["points"])
    with Journal(context.layout) as journal:
        evidence = RegionEvidence.read(journal, context)
        read = evidence.coordinates
        evidence.coordinates = lambda row: tuple(axis + shift for axis in read(row))
        return judge_contract(evidence, context)


def test_the_check_has_the_level_that_it_states(folder):
    """Exact for Poisson points; of clusters smaller than cells the variance is a bound."""
    few = {"layers.people.points_per_km2": 4000.0}
    exact = [judged(folder, f"{k}", layer="people", **few)[JOIN_TEST] for k in range(12)]
    assert kstest([one.verdict.p_value for one in exact], "uniform").pvalue > 1e-6
    bound = [judged(folder, f"{k}")[JOIN_TEST].verdict.p_value for k in range(4)]
    assert kstest(bound, "uniform", alternative="greater").pvalue > 1e-6


def test_the_check_fails_where_another_share_lies_in_zones(folder):
    few = {"layers.people.points_per_km2": 4000.0}
    found = judged(folder, "shifted", shift=3 << 22, layer="people", **few)
    assert not found[JOIN_TEST].verdict.passed
    assert "2.0000% declared" in found[JOIN_TEST].verdict.detail


def test_a_kept_contract_passes_and_each_broken_cap_is_told(tmp_path):
    checks = judged(write(tmp_path).parent, "a")
    assert checks[CONTRACT_TEST].verdict.passed, checks[CONTRACT_TEST].verdict.detail
    broken = {
        "points_per_km2 = { least = 10.0, most = 900.0 }": "points_per_km2 = { most = 1.0 }",
        "tile_points_per_km2 = { most = 3000.0 }": "tile_points_per_km2 = { least = 1e6 }",
        "5402400.0]\nshare": "5401000.0]\nshare",
        "most = 0.6": "most = 0.01",
    }
    words = ("of all tiles", "least 1e+06", "beyond the envelope", "lie in zones")
    for (found, written), word in zip(broken.items(), words, strict=True):
        write(tmp_path, WORLD, **{found: written})
        context = commit(
            open_layer(load_spec(tmp_path / "joined.toml"), "cafes", tmp_path / "data"), ["points"]
        )
        check = region_checks(context, PRODUCTS["points"])[CONTRACT_TEST]
        assert not check.verdict.passed
        assert word in check.verdict.detail
        assert check.verdict.false_alarm_rate == 0


MISTAKES = {
    "selectivity = 0.02": ("selectivity = 1.2", "layers.people.join.selectivity", "less than 1"),
    'zones = "zones", selectivity = 0.02': (
        'zones = "slope", selectivity = 0.02',
        "layers.people.join.zones",
        "not a vector input",
    ),
    "selectivity = 0.02 }": (
        "selectivity = 0.02, window = [9, 0, 3, 5] }",
        "layers.people.join.window",
        "empty",
    ),
    'share_in_zones = { zones = "zones"': (
        'share_in_zones = { zones = "people"',
        "layers.cafes.contract.share_in_zones.zones",
        "is no input",
    ),
    "points_per_km2 = { least = 10.0, most = 900.0 }": (
        "points_per_km2 = { least = 10.0, most = 9.0 }",
        "layers.cafes.contract.points_per_km2.least",
        "least <= most",
    ),
    "tile_points_per_km2 = { most = 3000.0 }": (
        "tile_points_per_km2 = {}",
        "layers.cafes.contract.tile_points_per_km2",
        "bounds nothing",
    ),
    "envelope = [500000.0, ": (
        "envelope = [600000.0, ",
        "layers.cafes.contract.envelope",
        "xmin < xmax",
    ),
}


@pytest.mark.parametrize("planted", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(planted, tmp_path):
    written, key, word = MISTAKES[planted]
    _, problems = check_world(write(tmp_path, WORLD, **{planted: written}))
    assert [problem.path for problem in problems] == [key]
    assert word in problems[0].message


def test_zones_that_hold_nothing_of_the_layer_are_refused(tmp_path):
    write(
        tmp_path, WORLD, **{"selectivity = 0.02": "selectivity = 0.02, window = [900, 0, 909, 9]"}
    )
    world = World(load_spec(tmp_path / "joined.toml"))
    with pytest.raises(SpecError, match="none of the layer lies in its zones"):
        world.layer("people").points(world.bounds)
