"""Numbers that ask for work without end are refused, with what is possible; others are not."""

from __future__ import annotations

import re

import numpy as np
import pytest
import shapely

from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.processes.shapes.parcels_table import widest_parcel
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.world.validation import check_world, load_spec

WORLD = """
[world]
name = "work"
seed = "work of zones"
crs = "EPSG:32633"
cell = 64.0
extent = [0, 0, 16, 16]
tile = 8

[inputs.half]
constant = 0.5

[layers.houses]
process = "matern_ii"
candidates_per_km2 = 900.0
radius = 30.0
footprint = { shape = "rectangle", width = [8.0, 24.0], depth = 15.0 }
parcels = { block = 5, points = 3 }

[layers.trips]
process = "poisson"
points_per_km2 = 300.0
"""
JOIN = 'join = { zones = "houses/footprints", selectivity = 0.2, window = [0, 0, %d, %d] }\n'
SIDES = 'near = { layer = "houses/parcels", %s }\n'
REFUSED = [
    (JOIN % (4_000_000, 4_000_000), {}, "join.window", "at most 4,194,304 are possible"),
    (JOIN % (2_049, 2_048), {}, "join.window", "give a window of 2,048 x 2,048 cells"),
    (JOIN % (2_000, 2_000), {"points": 1e4}, "join.window", "points of ['houses']"),
    (
        JOIN.replace(", window = [0, 0, %d, %d]", ""),
        {"world.extent": [0, 0, 4000, 4000], "world.tile": 40},
        "join.window",
        "world.extent, which is its window, has 16,000,000 cells",
    ),
    (SIDES % "beyond = 160.0", {}, "near.beyond", "keeps nothing: no place is farther than 160 m"),
    (SIDES % "beyond = 12000", {}, "near.beyond", "keeps nothing"),
    (SIDES % "within = 160.0", {}, "near.within", "keeps everything"),
    (
        SIDES % "beyond = 10.0",
        {"layers.houses.parcels": {"block": 5, "side": 20.0}},
        "near.beyond",
        "farther than 10 m",
    ),
    (
        'near = { layer = "houses/occupied_parcels", within = 12800 }\n',
        {},
        "near.within",
        "every tile draws them; at most 20,000",
    ),
    (
        'near = { layer = "houses", within = 12800 }\n',
        {"points": 3e4},
        "near.within",
        "points of 'houses' lie so near",
    ),
]


def checked(tmp_path, table, changes):
    path = tmp_path / "work.toml"
    changes = dict(changes)
    dense = changes.pop("points", None)
    if dense is not None:
        changes |= {"layers.houses.candidates_per_km2": dense, "layers.houses.radius": 0.1}
    path.write_text(WORLD + table)
    return path, check_world(path, changes)[1]


@pytest.mark.parametrize(("table", "changes", "key", "words"), REFUSED)
def test_work_without_end_is_refused_with_what_is_possible(tmp_path, table, changes, key, words):
    _, told = checked(tmp_path, table, changes)
    assert [one.path for one in told] == [f"layers.trips.{key}"], told
    assert words in told[0].message


@pytest.mark.parametrize(
    "table",
    [
        JOIN % (2_048, 2_048),
        SIDES % "beyond = 159.9",
        SIDES % "within = 159.9",
        SIDES % "within = 400.0, falloff = 20.0",
        SIDES % "within = 400.0, beyond = 20.0",
        'near = { layer = "houses/occupied_parcels", within = 2000 }\n',
        'near = { layer = "houses", within = 12800 }\n',
    ],
)
def test_what_is_possible_is_not_refused(tmp_path, table):
    assert checked(tmp_path, table, {})[1] == []


def test_the_distance_that_a_refusal_names_is_possible(tmp_path):
    near = 'near = { layer = "houses/footprints", within = %s }\n'
    _, told = checked(tmp_path, near % 12800.0, {})
    most = float(re.search(r"up to ([\d.e+]+) m", told[0].message)[1])
    assert checked(tmp_path, near % (0.99 * most), {})[1] == []


@pytest.mark.parametrize(
    "parcels",
    [{"block": 5, "points": 1000}, {"block": 5, "area": 4000.0}, {"block": 5, "side": 90.0}],
)
def test_no_place_is_farther_from_a_side_than_what_is_refused(tmp_path, parcels):
    path, told = checked(tmp_path, SIDES % "within = 9.0", {"layers.houses.parcels": parcels})
    assert told == []
    spec = load_spec(path, {"layers.houses.parcels": parcels})
    cells = spec.world.tiling.extent
    targets = open_layer(spec, "trips", tmp_path).sampler.thinnings[0].targets
    ends = np.stack(targets.segments(cells), axis=1).reshape(-1, 2, 2) / CELL * spec.world.cell
    places = shapely.points(np.random.default_rng(1).uniform(0, 16 * 64.0, (20_000, 2)))
    sides = shapely.STRtree(shapely.linestrings(ends))
    distances = sides.query_nearest(places, all_matches=False, return_distance=True)[1]
    most = widest_parcel(spec.layers["houses"].parcels, spec.world.cell) / 2
    assert most / 3 < distances.max() <= most
