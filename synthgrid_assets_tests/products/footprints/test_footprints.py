"""Footprints: shapely's shapes, sizes and angles by their laws, and never an overlap if refused."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
import shapely
from scipy.stats import kstest

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.shapes.footprint_table import (
    CircleTable,
    PolygonTable,
    RectangleTable,
)
from synthgrid_assets.processes.shapes.footprints import rings_about
from synthgrid_assets.products.footprints.footprints import APART_TEST, FOOTPRINTS
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.small_world import SMALL
from synthgrid_assets_tests.without_numba import printed_without_numba

METRES, KEY, N = 64.0, stream_key("footprints"), 4000
SHAPES = [
    RectangleTable(shape="rectangle", width=(8.0, 14.0), depth=9.0),
    RectangleTable(shape="rectangle", width=3.0, depth=(1.0, 40.0), orientation=30.0),
    PolygonTable(shape="polygon", sides=3, radius=(2.0, 5.0)),
    PolygonTable(shape="polygon", sides=6, radius=5.0, orientation=-15.0),
    CircleTable(shape="circle", radius=(2.0, 6.0)),
]


def points(n: int = N) -> PointPattern:
    rng = np.random.default_rng(3)
    x, y = rng.integers(-(2**40), 2**40, (2, n))
    return PointPattern(x, y, rng.integers(0, 2**64, n, np.uint64))


def in_metres(table) -> np.ndarray:
    """Polygons about the points, moved to 0."""
    made, pattern = rings_about(points(), table, KEY, METRES), points()
    xy = np.stack((made.x - pattern.x[:, None], made.y - pattern.y[:, None]), axis=2)
    return shapely.polygons(xy * METRES / CELL)


@pytest.mark.parametrize("table", SHAPES)
def test_polygons_are_valid_counterclockwise_and_have_their_exact_area(table):
    found, made = in_metres(table), rings_about(points(), table, KEY, METRES)
    assert shapely.is_valid(found).all()
    assert shapely.is_ccw(shapely.get_exterior_ring(found)).all()
    area = made.doubled_area * (METRES / CELL) ** 2 / 2
    np.testing.assert_allclose(shapely.area(found), area, rtol=1e-9)
    far = shapely.get_coordinates(found)
    assert np.hypot(*far.T).max() <= table.reach + 1e-4


@pytest.mark.parametrize("table", SHAPES[:2])
def test_rectangles_have_their_sides_and_right_angles(table):
    ring = shapely.get_coordinates(in_metres(table)).reshape(N, 5, 2)
    sides = np.diff(ring, axis=1)
    along, across = (np.hypot(*sides[:, k].T) for k in (0, 1))
    for length, size in ((along, table.width), (across, table.depth)):
        low, high = size if isinstance(size, tuple) else (size, size)
        assert (length > low - 1e-4).all()
        assert (length < high + 1e-4).all()
        if low < high:
            assert kstest(length, "uniform", (low, high - low)).pvalue > 1e-6
    assert np.abs((sides[:, 0] * sides[:, 1]).sum(axis=1)).max() < 1e-2


def test_angles_are_uniform_and_declared_ones_are_kept():
    ring = shapely.get_coordinates(in_metres(SHAPES[0])).reshape(N, 5, 2)
    front = ring[:, 0] - ring[:, 1]
    angle = np.arctan2(front[:, 1], front[:, 0]) / (2 * np.pi) % 1
    assert kstest(angle, "uniform").pvalue > 1e-6
    ring = shapely.get_coordinates(in_metres(SHAPES[1])).reshape(N, 5, 2)
    front = ring[:, 0] - ring[:, 1]
    np.testing.assert_allclose(np.degrees(np.arctan2(front[:, 1], front[:, 0])), 30.0, atol=1e-3)
    first = shapely.get_coordinates(in_metres(SHAPES[3])).reshape(N, 7, 2)[:, 0]
    np.testing.assert_allclose(np.degrees(np.arctan2(first[:, 1], first[:, 0])), -15.0, atol=1e-3)


def some_vertices() -> list[list[int]]:
    return [
        [int(v) for v in rings_about(points(20), table, KEY, METRES).x.ravel()] for table in SHAPES
    ]


def test_vertices_are_those_that_are_stored():
    """Others for the same world need a higher version of the product."""
    found = hashlib.blake2b(str(some_vertices()).encode(), digest_size=16).hexdigest()
    assert found == "3004fd7269766b5222d6512a66250f4e"


def test_vertices_are_the_same_without_numba():
    code = f"from {__name__} import some_vertices; print(some_vertices())"
    assert printed_without_numba(code).strip() == str(some_vertices())


HOUSES = (
    SMALL
    + """
[layers.houses]
process = "matern_ii"
candidates_per_km2 = 2500.0
radius = 15.0

[layers.houses.footprint]
shape = "rectangle"
width = [6.0, 11.0]
depth = 9.0
overlap = "none"
"""
)


def test_no_two_of_a_world_overlap_across_tiles_either_and_a_planted_one_is_found(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(HOUSES)
    context = open_layer(load_spec(path), "houses", tmp_path / "data")
    tiles = list(context.spec.world.tiling)
    tables = {tile: FOOTPRINTS.rows(context, tile).table for tile in tiles}
    every = shapely.from_wkb(pa.concat_tables(tables.values())["geometry"].to_numpy())
    first, second = shapely.STRtree(every).query(every, predicate="overlaps")
    assert len(every) > 1000
    assert first.size == second.size == 0
    tile = tiles[7]
    assert all(verdict.passed for verdict in FOOTPRINTS.verify(context, tile, tables[tile]))
    doubled = pa.concat_tables([tables[tile], tables[tile].slice(0, 1)])
    failed = {v.test for v in FOOTPRINTS.verify(context, tile, doubled) if not v.passed}
    assert APART_TEST in failed


@pytest.mark.parametrize(
    ("old", "new", "key", "found"),
    [
        ("radius = 15.0", "radius = 14.0", "footprint.overlap", "more than 14.2127 m apart"),
        ("[6.0, 11.0]", "[11.0, 6.0]", "footprint.width", "must not be above"),
        ("depth = 9.0", "depth = 0.0", "footprint.depth", "greater than 0"),
        ("depth = 9.0", "sides = 4", "footprint.sides", "unknown key"),
        ('"rectangle"', '"square"', "footprint", "'rectangle', 'polygon', 'circle'"),
        ("depth = 9.0", "depth = 90000.0", "houses.footprint", "at most 100 cells"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(tmp_path, old, new, key, found):
    path = tmp_path / "small.toml"
    head, tail = HOUSES.split("[layers.houses]")
    path.write_text(head + "[layers.houses]" + tail.replace(old, new))
    with pytest.raises(SpecError, match=key) as raised:
        load_spec(path)
    assert found in str(raised.value)


def test_a_process_that_keeps_no_distance_may_only_have_overlaps(tmp_path):
    path = tmp_path / "small.toml"
    table = '\n[layers.trees.footprint]\nshape = "circle"\nradius = 2.0\noverlap = "none"\n'
    path.write_text(SMALL + table)
    with pytest.raises(SpecError, match="keeps no distance"):
        load_spec(path)
