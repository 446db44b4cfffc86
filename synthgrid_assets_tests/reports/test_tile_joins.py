"""Region checks of triangles, cells and neighbours, on files and with faults in the files."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from synthgrid_assets.products.product import PRODUCTS
from synthgrid_assets.reports.region_checks import check_names, region_checks
from synthgrid_assets.reports.tile_joins import JOIN_TESTS
from synthgrid_assets.statistics.region.cell_areas import DEGREE_VARIANCE, SQUARE_AREA, TEST
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.local_store import file_facts
from synthgrid_assets_tests.reports.committed_world import commit, workshop_of

PRODUCTS_JOINED = tuple(JOIN_TESTS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All 36 tiles, committed once; tests damage copies of the data root."""
    return commit(workshop_of(tmp_path_factory.mktemp("made")))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return commit(workshop_of(tmp_path_factory.mktemp("other"), seed="another world"))


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made.layout.root, tmp_path / "data")
    return workshop_of(tmp_path)


def path_of(workshop, noun, column=2, row=3):
    tiling = workshop.spec.world.tiling
    tile = tiling.at(tiling.columns[column], tiling.rows[row])
    return tile.key, workshop.layout.tile(workshop.dataset(noun), tile)


def check(workshop, noun):
    return region_checks(workshop, PRODUCTS[noun])[JOIN_TESTS[noun]]


@pytest.mark.parametrize("noun", PRODUCTS_JOINED)
def test_healthy_tiles_join(made, noun):
    found = check(made, noun)
    assert found.verdict.passed, found.verdict.detail
    assert (found.tiles, found.failing, found.verdict.false_alarm_rate) == (36, (), 0.0)
    assert "36 tiles, faults: none" in found.verdict.detail


@pytest.mark.parametrize("noun", PRODUCTS_JOINED)
def test_any_part_of_a_region_joins(tmp_path, noun):
    """Holes, single tiles and touching corners are no faults."""
    tiles = list(workshop_of(tmp_path).spec.world.tiling)
    chosen = [tile for k, tile in enumerate(tiles) if k % 7 < 3 or k == 20]
    workshop = commit(workshop_of(tmp_path), [noun], chosen)
    assert check(workshop, noun).verdict.passed


def test_tiles_without_rows_join(tmp_path):
    text = ("points_per_km2 = 400.0", "points_per_km2 = 0.5")
    workshop = workshop_of(tmp_path, "trees", changes=[text], tile=2)
    tiles = list(workshop.spec.world.tiling)[:60]
    for noun in PRODUCTS_JOINED:
        assert check(commit(workshop, [noun], tiles), noun).verdict.passed


def test_cells_too_small_for_coordinates_are_not_judged(tmp_path):
    fine = [("sigma = 60.0", "sigma = 0.001")]
    workshop = workshop_of(tmp_path, changes=fine, cell=0.0005)
    verdict = check(workshop, "delaunay").verdict
    assert verdict.passed
    assert "not judged" in verdict.detail


def signed(workshop, noun, key):
    """Sign for a tile's file as it is now, as a faulty version of the code would have done."""
    with Journal(workshop.layout) as journal:
        (receipt,) = (r for r in journal.of_asset("small", workshop.layer, noun) if r.tile == key)
        path = workshop.layout.root / receipt.path
        facts = file_facts(path)
        rows = pq.read_metadata(path).num_rows
        journal.record([replace(receipt, rows=rows, size=facts.size, sha256=facts.sha256)])
    return key


def rewritten(workshop, noun, change, column=2, row=3):
    key, path = path_of(workshop, noun, column, row)
    pq.write_table(change(pq.read_table(path)), path)
    return signed(workshop, noun, key)


def of_another_seed(workshop, other, noun):
    key, path = path_of(workshop, noun)
    shutil.copy(path_of(other, noun)[1], path)
    return signed(workshop, noun, key)


def without_a_row(workshop, other, noun):
    return rewritten(workshop, noun, lambda rows: rows.slice(1))


def with_a_row_twice(workshop, other, noun):
    return rewritten(workshop, noun, lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]))


def without_most_rows(workshop, other, noun):
    return rewritten(workshop, noun, lambda rows: rows.slice(0, 3))


@pytest.mark.parametrize("noun", PRODUCTS_JOINED)
@pytest.mark.parametrize(
    "fault",
    [of_another_seed, without_a_row, with_a_row_twice, without_most_rows],
)
def test_a_planted_fault_turns_the_region_red_and_names_the_tile(copy, other, noun, fault):
    key = fault(copy, other, noun)
    found = check(copy, noun)
    assert not found.verdict.passed
    assert key in dict(found.failing)
    counts = [verdict.observed for _, verdict in found.failing]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == found.verdict.observed > 0


@pytest.mark.parametrize("noun", ["delaunay", "voronoi"])
def test_a_shifted_tile_turns_the_region_red(copy, noun):
    def shifted(rows):
        shapes = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
        moved = shapely.transform(shapes, lambda xy: np.add(xy, (0.001, 0.0)))
        at = rows.schema.get_field_index("geometry")
        return rows.set_column(at, "geometry", pa.array(shapely.to_wkb(moved)))

    key = rewritten(copy, noun, shifted)
    found = check(copy, noun)
    assert not found.verdict.passed
    assert key in dict(found.failing)


def test_cells_of_poisson_points_are_judged_and_others_have_no_such_check(made, tmp_path):
    trees = commit(workshop_of(tmp_path / "trees", "trees"), ["voronoi"])
    judged = region_checks(trees, PRODUCTS["voronoi"])[TEST].verdict
    assert judged.passed
    assert judged.expected in (SQUARE_AREA, DEGREE_VARIANCE)
    assert abs(judged.observed - judged.expected) < 5 * judged.standard_error
    assert TEST in check_names(PRODUCTS["voronoi"], trees.table)
    assert TEST not in check_names(PRODUCTS["voronoi"], made.table)
    assert TEST not in region_checks(made, PRODUCTS["voronoi"])


def test_cells_of_clusters_in_place_of_poisson_points_are_found(tmp_path):
    """Areas of trees exchanged for areas as uneven as those of clustered points."""
    trees = commit(workshop_of(tmp_path, "trees"), ["voronoi"])
    rng = np.random.default_rng(1)

    def uneven(rows):
        areas = rows["area_m2"].to_numpy() * rng.gamma(4.0, 0.25, rows.num_rows)
        at = rows.schema.get_field_index("area_m2")
        return rows.set_column(at, "area_m2", pa.array(areas))

    for column in range(6):
        for row in range(6):
            rewritten(trees, "voronoi", uneven, column, row)
    assert not region_checks(trees, PRODUCTS["voronoi"])[TEST].verdict.passed
