"""Footprints that face streets: turned along the nearest line, at their setback, on any tiling."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
import shapely

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.processes.shapes.facing import facing
from synthgrid_assets.products.footprints.footprints import FACE_TEST, FOOTPRINTS
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.storage.digest import add_digests
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.small_world import SMALL
from synthgrid_assets_tests.street_world import at, write_lines
from synthgrid_assets_tests.without_numba import printed_without_numba

STREETS = [
    shapely.LineString(at((-9, 5), (12, 9), (20, 30), (39, 33))),
    shapely.LineString(at((12, 9), (14, -3))),
    shapely.LineString(at((8, 20), (8, 48))),  # along a border of tiles
]
HOUSES = (
    SMALL.replace("extent = [-8, 0, 40, 48]", "extent = [-8, 0, 24, 32]")
    + """
[inputs.streets]
vector = "streets.gpkg"

[inputs.park]
vector = "park.gpkg"

[layers.houses]
process = "poisson"
points_per_km2 = 900.0

[layers.houses.footprint]
shape = "rectangle"
width = [8.0, 14.0]
depth = 9.0
along = { input = "streets", within = 60.0, setback = 5.0 }

[layers.shops]
process = "on_lines"
lines = "streets"
points_per_km = 30.0

[layers.shops.footprint]
shape = "rectangle"
width = 10.0
depth = [6.0, 9.0]
along = { input = "streets", within = 1.0, setback = 3.0 }

[layers.trees.footprint]
shape = "polygon"
sides = 5
radius = 4.0
orientation = 18.0
along = { input = "streets", within = 90.0 }
"""
)


@pytest.fixture
def world(tmp_path):
    write_lines(tmp_path / "streets.gpkg", STREETS)
    write_lines(tmp_path / "park.gpkg", [shapely.box(*at((1, 1))[0], *at((9, 9))[0])])

    def write(old: str = "", new: str = ""):
        path = tmp_path / "small.toml"
        head, tail = HOUSES.split("[layers.houses]")
        assert old in tail
        path.write_text(head + "[layers.houses]" + (tail.replace(old, new, 1) if old else tail))
        return path

    return write


@pytest.mark.parametrize("layer", ["houses", "shops", "trees"])
def test_any_tiling_gives_the_same_and_each_tile_is_judged(world, tmp_path, layer):
    digests = []
    for side in (8, 16, 5):
        context = open_layer(load_spec(world(), {"world.tile": side}), layer, tmp_path / "data")
        tiles = list(context.spec.world.tiling)
        made = {tile: FOOTPRINTS.rows(context, tile) for tile in tiles}
        digests.append(add_digests([rows.digest for rows in made.values()]))
        tile = max(tiles, key=lambda tile: made[tile].table.num_rows)
        assert made[tile].table.num_rows > 10
        verdicts = {v.test: v for v in FOOTPRINTS.verify(context, tile, made[tile].table)}
        assert FACE_TEST in verdicts
        assert all(verdict.passed for verdict in verdicts.values()), verdicts
    assert digests == [digests[0]] * 3


def test_fronts_stand_at_their_setback_by_geos_and_a_turned_one_is_found(world, tmp_path):
    context = open_layer(load_spec(world()), "shops", tmp_path / "data")
    tiles = list(context.spec.world.tiling)
    table = pa.concat_tables([FOOTPRINTS.rows(context, tile).table for tile in tiles])
    found = shapely.from_wkb(table["geometry"].to_numpy())
    straight = shapely.distance(found, shapely.union_all(STREETS))
    assert found.size > 60
    assert np.median(straight) == pytest.approx(3.0, abs=1e-3)
    assert straight.max() < 3.001  # at a bend another segment may be nearer
    assert np.mean(straight > 2.999) > 0.9
    tile = next(t for t in tiles if FOOTPRINTS.rows(context, t).table.num_rows > 3)
    rows = FOOTPRINTS.rows(context, tile).table
    geometry = rows["geometry"].to_numpy(zero_copy_only=False).copy()
    geometry[1] = shapely.to_wkb(shapely.affinity.rotate(shapely.from_wkb(geometry[1]), 5.0))
    turned = rows.set_column(rows.column_names.index("geometry"), "geometry", pa.array(geometry))
    failed = {v.test for v in FOOTPRINTS.verify(context, tile, turned) if not v.passed}
    assert FACE_TEST in failed


def test_houses_far_from_streets_keep_their_own_angle_and_place(world, tmp_path):
    near = open_layer(load_spec(world()), "houses", tmp_path / "data")
    plain = open_layer(
        load_spec(world('along = { input = "streets", within = 60.0, setback = 5.0 }', "")),
        "houses",
        tmp_path / "data",
    )
    street = shapely.union_all(STREETS)
    for tile in list(near.spec.world.tiling)[5:7]:
        ours, theirs = (
            shapely.from_wkb(FOOTPRINTS.rows(context, tile).table["geometry"].to_numpy())
            for context in (near, plain)
        )
        points = near.cache.pattern(tile.cells)
        xy = np.column_stack(near.lattice.coordinates(points.x, points.y))
        far = shapely.distance(shapely.points(xy), street) > 60.0
        same = shapely.equals_exact(ours, theirs, 0.0)
        np.testing.assert_array_equal(same, far)
        np.testing.assert_allclose(shapely.area(ours), shapely.area(theirs), rtol=1e-5)


def some_directions() -> list[str]:
    rng = np.random.default_rng(8)
    x, y = rng.integers(-9 * CELL, 9 * CELL, (2, 40))
    lines = Paths(*rng.integers(-9 * CELL, 9 * CELL, (2, 12)), np.array([0, 4, 5, 12]))
    found = facing(x, y, rng.random(40) < 0.5, lines, 2 * CELL)
    return [column.tobytes().hex() for column in found]


def test_directions_are_those_that_are_stored_and_the_same_without_numba():
    found = hashlib.blake2b(str(some_directions()).encode(), digest_size=16).hexdigest()
    assert found == "5407416a8293ca2a2660843b28637b98"
    code = f"from {__name__} import some_directions; print(some_directions())"
    assert printed_without_numba(code).strip() == str(some_directions())


@pytest.mark.parametrize(
    ("old", "new", "key", "found"),
    [
        ('input = "streets"', 'input = "street"', "along.input", "no input of this world"),
        ('input = "streets"', 'input = "park"', "along.input", "holds polygons; give lines"),
        ("within = 60.0", "within = 0.0", "along.within", "greater than 0"),
        ("within = 60.0", "within = 60000.0", "along.within", "more than 100 cells"),
        ("setback = 5.0", "setback = -5.0", "along.setback", "greater than or equal to 0"),
        ("setback = 5.0", "setback = 50000.0", "along.setback", "more than 100 cells"),
        ("setback = 5.0", "set_back = 5.0", "along.set_back", "unknown key"),
        ("depth = 9.0", 'depth = 9.0\noverlap = "none"', "overlap", "come to lie upon each other"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(world, old, new, key, found):
    with pytest.raises(SpecError) as raised:
        load_spec(world(old, new))
    line = str(raised.value).splitlines()[0]
    assert "layers.houses.footprint" in line
    assert key in line
    assert found in line
