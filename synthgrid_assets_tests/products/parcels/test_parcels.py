"""Parcels: a coverage by GEOS's judgement, exact areas, uniform cuts, numbers by their law."""

from __future__ import annotations

import hashlib
import json
import re

import geopandas
import numpy as np
import pyarrow as pa
import pytest
import shapely
from scipy.stats import kstest

from synthgrid_assets.api import World
from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.processes.shapes.parcels_table import ParcelsTable
from synthgrid_assets.processes.shapes.subdivision import Cuts, Parcels
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.parcels.number_law import (
    TEST,
    parcels_are_as_many,
    parcels_of_a_block,
)
from synthgrid_assets.products.parcels.parcels import COVER_TEST, CUT_TEST, PARCELS
from synthgrid_assets.reports.region_checks import region_checks
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.inputs import world_notes
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.small_world import SMALL
from synthgrid_assets_tests.without_numba import printed_without_numba

KEY, METRES = stream_key("parcels"), 64.0
NOBODY = PointPattern(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))
BY_AREA = {"block": 3, "area": 900.0}
TABLES = [BY_AREA, {"block": 16, "points": 10}, {"block": 4, "side": 60.0, "split": 0.5}]


def points(n: int, cells: Cells) -> PointPattern:
    rng = np.random.default_rng(5)
    x0, y0, x1, y1 = cells.quanta()
    return PointPattern(
        rng.integers(x0, x1, n), rng.integers(y0, y1, n), rng.integers(0, 2**64, n, np.uint64)
    )


def cut(table: dict, cells: Cells, pattern: PointPattern = NOBODY, key=KEY) -> Parcels:
    return Cuts.of(ParcelsTable(**table), key, METRES).parcels(cells, pattern)


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_no_parcel_exceeds_its_limits_and_blocks_are_tiled_exactly(table):
    cells = Cells(-48, 0, 48, 48)
    pattern = points(3000, cells)
    found = cut(table, cells, pattern)
    width, height = found.x1 - found.x0, found.y1 - found.y0
    assert int((width * height).sum()) == cells.area * CELL**2
    assert int(found.points.sum()) == 3000
    assert (width * height * (METRES / CELL) ** 2).max() <= table.get("area", 1e12)
    assert max(width.max(), height.max()) * METRES / CELL <= table.get("side", 1e12)
    assert found.points.max() <= table.get("points", 1e12)
    inside = [
        np.count_nonzero((pattern.x >= a) & (pattern.x < c) & (pattern.y >= b) & (pattern.y < d))
        for a, b, c, d in zip(*(column[:40] for column in found[:4]), strict=True)
    ]
    np.testing.assert_array_equal(inside, found.points[:40])
    assert np.unique(found.id).size == found.id.size


def test_the_first_cut_of_blocks_has_a_uniform_share_across_either_side():
    """Blocks of one cut: as Spider's parcels, but that any block can be cut by itself."""
    found = cut({"block": 1, "area": 64.0 * 64.0 * 0.7}, Cells(0, 0, 60, 60))
    whole = np.stack((found.x1 - found.x0, found.y1 - found.y0)) / CELL
    low = (found.x0 % CELL == 0) & (found.y0 % CELL == 0)
    assert np.count_nonzero(low) == 3600
    across = whole[0, low] < 1
    assert abs(across.mean() - 0.5) < 5 * 0.5 / 60
    assert kstest(whole[:, low].min(axis=0), "uniform", (0.3, 0.4)).pvalue > 1e-6


@pytest.mark.parametrize("split", [0.1, 0.3, 0.45])
def test_blocks_have_as_many_parcels_as_the_law_says(split):
    table = {"block": 2, "area": 1000.0, "split": split}
    found = cut(table, Cells(0, 0, 80, 80))
    block = found.y0 // (2 * CELL) * 40 + found.x0 // (2 * CELL)
    counts = np.bincount(block)
    mean, variance = parcels_of_a_block(128.0**2 / 1000, split)
    assert abs(counts.mean() - mean) < 5 * np.sqrt(variance / counts.size)
    spread = ((counts - mean) ** 2).std() / np.sqrt(counts.size)
    assert abs(((counts - mean) ** 2).mean() - variance) < 5 * spread
    assert parcels_are_as_many(found.id.size, 1600, 128.0**2 / 1000, split).passed
    more = int(found.id.size + 8 * np.sqrt(1600 * variance))
    assert not parcels_are_as_many(more, 1600, 128.0**2 / 1000, split).passed


@pytest.mark.parametrize(("area", "split"), [(7.3, 0.1), (40.0, 0.3), (16.384, 0.45)])
def test_the_law_of_numbers_is_that_of_plain_recursion(area, split):
    rng = np.random.default_rng(6)
    left, counts, blocks = np.full(40_000, area), np.zeros(40_000), np.arange(40_000)
    while left.size:
        small = left <= 1
        np.add.at(counts, blocks[small], 1)
        left, blocks = left[~small], blocks[~small]
        share = rng.uniform(split, 1 - split, left.size)
        left, blocks = np.concatenate((left * share, left * (1 - share))), np.tile(blocks, 2)
    mean, variance = parcels_of_a_block(area, split)
    assert abs(counts.mean() - mean) < 5.2 * np.sqrt(variance / counts.size)
    squares = (counts - mean) ** 2
    assert abs(squares.mean() - variance) < 5.2 * squares.std() / np.sqrt(counts.size)


def test_points_at_one_place_end_the_cuts():
    n = 30
    place = np.full(n, CELL // 3)
    one = PointPattern(place, place, np.arange(n, dtype=np.uint64))
    found = cut({"block": 1, "points": 5}, Cells(0, 0, 1, 1), one)
    assert found.points.max() == n
    assert int(((found.x1 - found.x0) * (found.y1 - found.y0)).sum()) == CELL**2


def some() -> list[list[int]]:
    cells = Cells(-16, 0, 16, 16)
    return [[int(v) for column in cut(t, cells if t["block"] != 3 else Cells(-3, 0, 3, 3),
             points(60, cells) if t["block"] != 3 else NOBODY) for v in column]
            for t in TABLES]  # fmt: skip


def test_cuts_are_those_that_are_stored():
    """Others for the same world need a higher version of the product."""
    found = hashlib.blake2b(str(some()).encode(), digest_size=16).hexdigest()
    assert found == "71e185ffc169d9f9860f5a07eb95a611"


def test_cuts_are_the_same_without_numba():
    code = f"import json; from {__name__} import some; print(json.dumps(some()))"
    assert json.loads(printed_without_numba(code)) == some()


WORLD = SMALL.replace(
    "points_per_km2 = 400.0", "points_per_km2 = 400.0\nparcels = { block = 3, area = 900.0 }"
).replace("sigma = 60.0", "sigma = 60.0\nparcels = { block = 5, points = 4 }")


@pytest.mark.parametrize("layer", ["trees", "cafes"])
def test_parcels_of_all_tiles_are_one_coverage(tmp_path, layer):
    """By GEOS: no gap, no overlap, and each side's corners are its neighbours' too."""
    path = tmp_path / "small.toml"
    path.write_text(WORLD)
    context = open_layer(load_spec(path), layer, tmp_path / "data")
    tiles = list(context.spec.world.tiling)[:12]  # two rows
    tables = [PARCELS.rows(context, tile).table for tile in tiles]
    every = shapely.from_wkb(pa.concat_tables(tables)["geometry"].to_numpy())
    assert every.size > 100
    assert shapely.is_valid(every).all()
    assert shapely.coverage_is_valid(every)
    union = shapely.coverage_union_all(every)
    assert union.geom_type == "Polygon"
    assert not union.interiors
    whole = tables[3]
    assert all(verdict.passed for verdict in PARCELS.verify(context, tiles[3], whole))
    missing = PARCELS.verify(context, tiles[3], whole.slice(1))
    assert {v.test for v in missing if not v.passed} >= {CUT_TEST}
    geometry = whole["geometry"].to_numpy(zero_copy_only=False).copy()
    geometry[4] = shapely.to_wkb(shapely.affinity.translate(shapely.from_wkb(geometry[4]), 0.5))
    moved = whole.set_column(whole.column_names.index("geometry"), "geometry", pa.array(geometry))
    failed = {v.test for v in PARCELS.verify(context, tiles[3], moved) if not v.passed}
    assert failed == {CUT_TEST, COVER_TEST}


@pytest.mark.parametrize(
    ("extent", "covered"),
    [([-8, -8, 13, 12], False), ([-10, -5, 13, 12], True), ([-9, -5, 13, 12], False)],
)
def test_an_extent_is_covered_unless_the_check_says_where_it_is_not(tmp_path, extent, covered):
    """By GEOS: what is left lies in the rows and columns that the note names; none without."""
    path = tmp_path / "small.toml"
    path.write_text(WORLD)
    spec = load_spec(path, {"world.extent": extent, "world.tile": 24})
    context = open_layer(spec, "cafes", tmp_path / "data")
    tables = [PARCELS.rows(context, tile).table for tile in spec.world.tiling]
    found = shapely.from_wkb(pa.concat_tables(tables)["geometry"].to_numpy())
    lattice = spec.world.lattice
    whole = shapely.box(*lattice.bounds(Cells(*extent)))
    left = whole.difference(shapely.coverage_union_all(found))
    notes = [note for note in world_notes(spec) if note.startswith("layers.cafes.parcels: ")]
    assert bool(notes) != covered
    if not notes:
        assert left.area < 1e-6
        return
    begins = [-(-first // 5) * 5 for first in extent[:2]]
    inner = shapely.box(*lattice.bounds(Cells(*begins, *extent[2:])))
    assert left.area > 1
    assert left.intersection(inner).area < 1e-6
    named = re.search(r"world.extent = (\[.*?\])", notes[0])[1]
    larger = load_spec(path, {"world.extent": json.loads(named), "world.tile": 24})
    assert not [note for note in world_notes(larger) if "layers.cafes" in note]
    assert Cells(*json.loads(named)).area > Cells(*extent).area


def test_parcels_within_voronoi_cells_add_up_to_them(tmp_path):
    """What the documentation says of plots that end at cells, by geopandas."""
    path = tmp_path / "small.toml"
    path.write_text(WORLD + "\n[layers.trees.tessellation]\n")
    cells = World(load_spec(path)).layer("trees").voronoi((500000, 5400000, 500300, 5400300))
    context = open_layer(
        load_spec(path, {"world.extent": [-8, -8, 16, 16], "world.tile": 24}), "trees", tmp_path
    )
    rows = [PARCELS.rows(context, tile).table for tile in context.spec.world.tiling]
    table = pa.concat_tables(rows)
    shapes = shapely.from_wkb(table["geometry"].to_numpy())
    parcels = geopandas.GeoDataFrame({"id": table["id"].to_numpy()}, geometry=shapes, crs=cells.crs)
    plots = geopandas.overlay(parcels, cells[["site_id", "geometry"]])
    assert len(plots) > 3 * len(cells) > 60
    area = plots.geometry.area.groupby(plots["site_id"]).sum()
    np.testing.assert_allclose(area[cells["site_id"]], cells["area_m2"], rtol=1e-9)
    assert set(plots["id"]) <= set(parcels["id"])


def test_a_region_is_judged_by_the_number_of_its_parcels(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(WORLD)
    spec = load_spec(path, {"world.extent": [0, 0, 24, 24]})
    context = open_layer(spec, "trees", tmp_path / "data")
    with Journal(context.layout) as journal:
        for tile in spec.world.tiling:
            journal.record(make_tile(context.job, (PARCELS,), tile.key))
    verdict = region_checks(context, PARCELS)[TEST].verdict
    assert verdict.judged
    assert verdict.passed


@pytest.mark.parametrize(
    ("old", "new", "key", "found"),
    [
        (", area = 900.0", "", "parcels", "needs a limit: area, side or points"),
        ("block = 3", "block = 0", "parcels.block", "greater than or equal to 1"),
        ("block = 3", "block = 100", "parcels.block", "less than or equal to 64"),
        ("area = 900.0", "area = -1.0", "parcels.area", "greater than 0"),
        ("area = 900.0", "area = 1e-3", "parcels.area", "use a smaller block or a larger area"),
        ("area = 900.0", "side = 1e-3", "parcels.side", "use a smaller block or a larger side"),
        ("area = 900.0", "points = 0", "parcels.points", "greater than or equal to 1"),
        ("area = 900.0", "area = 9.0, split = 0.6", "parcels.split", "less than or equal to 0.5"),
        ("area = 900.0", "area = 9.0, ratio = 0.6", "parcels.ratio", "unknown key"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(tmp_path, old, new, key, found):
    path = tmp_path / "small.toml"
    path.write_text(WORLD.replace(old, new, 1))
    with pytest.raises(SpecError) as raised:
        load_spec(path)
    line = str(raised.value).splitlines()[0]
    assert line.startswith(str(path))
    assert f"layers.trees.{key}" in line
    assert found in line
