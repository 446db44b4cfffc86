"""Region checks of triangles, cells and neighbours, on files and with faults in the files."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets.reports.region_checks import check_names, region_checks
from synthgrid_assets.statistics.region.cell_areas import DEGREE_VARIANCE, SQUARE_AREA, TEST
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.store import file_facts
from synthgrid_assets_tests.reports.committed_world import commit, context_of

JOIN_TESTS = {
    "delaunay": "triangles_join_across_tiles",
    "voronoi": "cells_join_across_tiles",
    "cell_neighbours": "neighbours_agree_across_tiles",
}
PRODUCTS_JOINED = tuple(JOIN_TESTS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All 36 tiles, committed once; tests damage copies of the data root."""
    return commit(context_of(tmp_path_factory.mktemp("made")))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return commit(context_of(tmp_path_factory.mktemp("other"), seed="another world"))


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made.layout.root, tmp_path / "data")
    return context_of(tmp_path)


def path_of(context, name, column=2, row=3):
    tiling = context.spec.world.tiling
    tile = tiling.at(tiling.columns[column], tiling.rows[row])
    return tile.key, context.layout.root / context.layout.tile(context.dataset(name), tile)


def check(context, name):
    return region_checks(context, PRODUCTS[name])[JOIN_TESTS[name]]


@pytest.mark.parametrize("name", PRODUCTS_JOINED)
def test_healthy_tiles_join(made, name):
    found = check(made, name)
    assert found.verdict.passed, found.verdict.detail
    assert (found.tiles, found.failing, found.verdict.false_alarm_rate) == (36, (), 0.0)
    assert "36 tiles, faults: none" in found.verdict.detail


@pytest.mark.parametrize("name", PRODUCTS_JOINED)
def test_any_part_of_a_region_joins(tmp_path, name):
    """Holes, single tiles and touching corners are no faults."""
    tiles = list(context_of(tmp_path).spec.world.tiling)
    chosen = [tile for k, tile in enumerate(tiles) if k % 7 < 3 or k == 20]
    context = commit(context_of(tmp_path), [name], chosen)
    assert check(context, name).verdict.passed


def test_tiles_without_rows_join(tmp_path):
    text = ("points_per_km2 = 400.0", "points_per_km2 = 0.5")
    context = context_of(tmp_path, "trees", changes=[text], tile=2)
    tiles = list(context.spec.world.tiling)[:60]
    for name in PRODUCTS_JOINED:
        assert check(commit(context, [name], tiles), name).verdict.passed


def signed(context, name, key):
    """Sign for a tile's file as it is now, as a faulty version of the code would have done."""
    with Journal(context.layout) as journal:
        (receipt,) = (r for r in journal.of_asset("small", context.layer, name) if r.tile == key)
        path = context.layout.root / receipt.path
        facts = file_facts(context.layout.store, receipt.path)
        rows = pq.read_metadata(path).num_rows
        journal.record([replace(receipt, rows=rows, size=facts.size, sha256=facts.sha256)])
    return key


def rewritten(context, name, change, column=2, row=3):
    key, path = path_of(context, name, column, row)
    pq.write_table(change(pq.read_table(path)), path)
    return signed(context, name, key)


def of_another_seed(context, other, name):
    key, path = path_of(context, name)
    shutil.copy(path_of(other, name)[1], path)
    return signed(context, name, key)


def without_a_row(context, other, name):
    return rewritten(context, name, lambda rows: rows.slice(1))


def with_a_row_twice(context, other, name):
    return rewritten(context, name, lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]))


def without_most_rows(context, other, name):
    return rewritten(context, name, lambda rows: rows.slice(0, 3))


@pytest.mark.parametrize("name", PRODUCTS_JOINED)
@pytest.mark.parametrize(
    "fault",
    [of_another_seed, without_a_row, with_a_row_twice, without_most_rows],
)
def test_a_planted_fault_turns_the_region_red_and_names_the_tile(copy, other, name, fault):
    key = fault(copy, other, name)
    found = check(copy, name)
    assert not found.verdict.passed
    assert key in dict(found.failing)
    counts = [verdict.observed for _, verdict in found.failing]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == found.verdict.observed > 0


@pytest.mark.parametrize("name", ["delaunay", "voronoi"])
def test_a_shifted_tile_turns_the_region_red(copy, name):
    def shifted(rows):
        shapes = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
        moved = shapely.transform(shapes, lambda xy: np.add(xy, (0.001, 0.0)))
        at = rows.schema.get_field_index("geometry")
        return rows.set_column(at, "geometry", pa.array(shapely.to_wkb(moved)))

    key = rewritten(copy, name, shifted)
    found = check(copy, name)
    assert not found.verdict.passed
    assert key in dict(found.failing)


def test_cells_of_poisson_points_are_judged_and_others_have_no_such_check(made, tmp_path):
    trees = commit(context_of(tmp_path / "trees", "trees"), ["voronoi"])
    judged = region_checks(trees, PRODUCTS["voronoi"])[TEST].verdict
    assert judged.passed
    assert judged.expected in (SQUARE_AREA, DEGREE_VARIANCE)
    assert abs(judged.observed - judged.expected) < 5 * judged.standard_error
    assert TEST in check_names(PRODUCTS["voronoi"], trees.table)
    assert TEST not in check_names(PRODUCTS["voronoi"], made.table)
    assert TEST not in region_checks(made, PRODUCTS["voronoi"])


def test_cells_of_clusters_in_place_of_poisson_points_are_found(tmp_path):
    """Areas of trees exchanged for areas as uneven as those of clustered points."""
    trees = commit(context_of(tmp_path, "trees"), ["voronoi"])
    rng = np.random.default_rng(1)

    def uneven(rows):
        areas = rows["area_m2"].to_numpy() * rng.gamma(4.0, 0.25, rows.num_rows)
        at = rows.schema.get_field_index("area_m2")
        return rows.set_column(at, "area_m2", pa.array(areas))

    for column in range(6):
        for row in range(6):
            rewritten(trees, "voronoi", uneven, column, row)
    assert not region_checks(trees, PRODUCTS["voronoi"])[TEST].verdict.passed
