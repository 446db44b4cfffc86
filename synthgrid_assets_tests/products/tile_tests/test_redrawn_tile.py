"""A tile among its neighbours: damage is found wherever it is, healthy tiles are only ranked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgrid_assets.errors import StorageError
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.points import POINTS
from synthgrid_assets.products.tile_tests.redrawn_tile import verify_curves
from synthgrid_assets.products.tile_tests.replicates import (
    baseline_key,
    baseline_of,
    curve_window,
    make_baseline,
    read_baseline,
    why_no_replicates,
)
from synthgrid_assets.reports.region_checks import region_checks
from synthgrid_assets.reports.region_maps import l_function_picture, neighbours_picture
from synthgrid_assets.reports.replicate_curves import TESTS, compare_with_replicates
from synthgrid_assets.reports.test_results import SCHEMA, moments_table
from synthgrid_assets.statistics.region.neighbours import NEIGHBOURS, PAIRS
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.small_world import SMALL, write_small_world

WORLD = (
    SMALL
    + """
[inputs.shade]
gradient = { kind = "linear", from = [499000, 0], to = [503000, 0], low = 0.3, high = 1 }

[layers.shaded]
process = "matern_ii"
candidates_per_km2 = 2000.0
radius = 12.0
intensity = "shade"

[layers.gibbs]
process = "strauss"
beta_per_km2 = 700.0
gamma = 0.5
radius = 18.0
"""
)
SAME = "points_do_not_depend_on_the_tile"


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return load_spec(write_small_world(tmp_path_factory.mktemp("world"), WORLD))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def made(spec, root):
    """A context of trees, a tile inside and its rows."""
    context = open_layer(spec, "trees", root)
    tile = list(spec.world.tiling)[8]
    return context, tile, POINTS.rows(context, tile).table


def by_test(verdicts):
    return {verdict.test: verdict for verdict in verdicts}


def without(rows, keep):
    return rows.filter(pa.array(keep))


def cells_of(rows):
    x, y = (rows[name].to_numpy() for name in ("x_q", "y_q"))
    return (y >> 22) * 4096 + (x >> 22)


def last_of_its_cell(rows):
    cells = cells_of(rows)
    last = np.r_[cells[1:] != cells[:-1], True]
    keep = np.ones(len(rows), bool)
    keep[np.flatnonzero(last)[len(rows) // 50]] = False
    return without(rows, keep)


def moved(rows):
    column = rows["x_q"].to_numpy().copy()
    column[3] += 1
    return rows.set_column(rows.schema.get_field_index("x_q"), "x_q", pa.array(column))


DAMAGE = {
    "the last point of a cell is lost": last_of_its_cell,
    "a whole cell is lost": lambda rows: without(rows, cells_of(rows) != cells_of(rows)[40]),
    "the file is truncated": lambda rows: rows.slice(0, len(rows) - 1),
    "all is lost": lambda rows: rows.slice(0, 0),
    "rows are doubled": lambda rows: pa.concat_tables([rows, rows.slice(len(rows) - 1)]),
    "a coordinate is off by a quantum": moved,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_wherever_it_is(made, damage):
    context, tile, rows = made
    assert all(verdict.passed for verdict in POINTS.verify(context, tile, rows))
    verdict = by_test(POINTS.verify(context, tile, DAMAGE[damage](rows)))[SAME]
    assert not verdict.passed
    assert (verdict.p_value, verdict.false_alarm_rate) == (None, 0.0)


def test_rows_that_were_seeded_by_their_tile_are_found(spec, root, made):
    context, tile, _ = made
    world = spec.world.model_copy(update={"seed": f"{spec.world.seed} {tile.key}"})
    other = open_layer(spec.model_copy(update={"world": world}), "trees", root)
    verdicts = by_test(POINTS.verify(context, tile, POINTS.rows(other, tile).table))
    assert not verdicts[SAME].passed
    assert verdicts["points_are_canonical"].passed
    assert verdicts["counts_match_the_process"].passed


def test_a_tile_is_ranked_among_replicates_and_keeps_what_it_counted(made):
    context, tile, rows = made
    verdicts = by_test(POINTS.verify(context, tile, rows))
    baseline = baseline_of(context.job)
    for test in (PAIRS, NEIGHBOURS):
        assert 1 / 200 <= verdicts[test].p_value <= 1
        assert verdicts[test].false_alarm_rate == 0.0
    counts = verdicts[NEIGHBOURS].counts
    assert len(counts) == 2 + 3 * baseline.distances.r.size
    assert counts[0] == len(rows)


def test_replicates_are_made_once_and_are_the_same_again(made):
    context, _, _ = made
    first, again = baseline_of(context.job), make_baseline(context, 5)
    for ours, theirs in zip(
        vars(first.replicates).values(), vars(again.replicates).values(), strict=True
    ):
        np.testing.assert_array_equal(ours[:5], theirs)
    kept = read_baseline(context)
    np.testing.assert_array_equal(kept.distances.r, first.distances.r)
    np.testing.assert_array_equal(kept.replicates.pairs, first.replicates.pairs)
    columns = pq.read_table(context.layout.root / baseline_key(context)).column_names
    assert columns[:2] == ["points", "places"]


def test_without_replicates_a_file_is_asked_for(spec, tmp_path):
    with pytest.raises(StorageError, match="materialise trees/baseline"):
        read_baseline(open_layer(spec, "trees", tmp_path))


def test_a_clipped_tile_and_a_thinned_layer_say_why_they_have_no_replicates(spec, root, tmp_path):
    text = WORLD.replace("extent = [-8, 0, 40, 48]", "extent = [-8, 0, 37, 48]")
    clipped = open_layer(load_spec(write_small_world(tmp_path, text)), "trees", root)
    narrow = next(t for t in clipped.spec.world.tiling if t.cells.width == 5)
    shaded = open_layer(spec, "shaded", root)
    inner = list(spec.world.tiling)[8]
    for context, tile, reason in (
        (clipped, narrow, "clipped"),
        (shaded, inner, "thinned by a surface"),
    ):
        verdicts = by_test(POINTS.verify(context, tile, POINTS.rows(context, tile).table))
        assert all(verdict.passed for verdict in verdicts.values())
        assert reason in why_no_replicates(context, tile.cells)
        for test in (PAIRS, NEIGHBOURS):
            assert (verdicts[test].outcome, verdicts[test].counts) == ("not tested", ())
            assert reason in verdicts[test].detail


def test_a_hard_core_is_kept_under_a_surface_as_well(spec, root):
    """Two points of one cell, brought together: their ids stay their own."""
    context = open_layer(spec, "shaded", root)
    cells = list(spec.world.tiling)[9].cells
    points = context.sampler.points(cells)
    rows = points.x.copy(), points.y.copy(), points.ids()
    rows[0][7], rows[1][7] = rows[0][6] + 1, rows[1][6]
    neighbours = verify_curves(context, cells, rows, None)[2]
    assert not neighbours.passed
    assert neighbours.observed >= 2


def test_the_middle_of_a_crowded_tile_is_its_window(spec, root, monkeypatch):
    context = open_layer(spec, "trees", root)
    cells = list(spec.world.tiling)[8].cells
    assert curve_window(context, cells) == cells
    monkeypatch.setattr("synthgrid_assets.products.tile_tests.replicates.MOST_POINTS", 30.0)
    window = curve_window(context, cells)
    assert window.width == window.height == 4
    assert window.ix0 - cells.ix0 == cells.ix1 - window.ix1 == 2


def test_a_gross_fault_turns_a_tile_without_moments_red(spec, root):
    context = open_layer(spec, "gibbs", root)
    tile = list(spec.world.tiling)[8]
    rows = POINTS.rows(context, tile).table
    count = by_test(POINTS.verify(context, tile, rows))["counts_match_the_process"]
    assert count.passed
    assert "replicate tiles" in count.detail
    half = without(rows, np.arange(len(rows)) % 2 == 0)
    count = by_test(POINTS.verify(context, tile, half))["counts_match_the_process"]
    assert not count.passed


@pytest.fixture(scope="module")
def region(spec, root):
    """All tiles of trees, committed."""
    context = open_layer(spec, "trees", root)
    receipts = [make_tile(context.job, (POINTS,), t.key)[0] for t in spec.world.tiling]
    with Journal(context.layout) as journal:
        journal.record(receipts)
    return context, receipts


def test_receipts_keep_the_counts(region):
    _, receipts = region
    assert Receipt.from_json(receipts[0].to_json()) == receipts[0]


def test_a_region_is_judged_by_what_its_tiles_counted(region):
    context, receipts = region
    check = region_checks(context, POINTS)[NEIGHBOURS]
    assert check.verdict.passed
    assert f"from {len(receipts)} tiles" in check.verdict.detail
    moments = moments_table(context)
    assert moments.schema == SCHEMA
    assert moments["suspicious"].to_pylist().count(True) == sum(
        verdict.suspicious for receipt in receipts for verdict in receipt.verdicts
    )


def test_suspicious_tiles_are_listed_and_failing_ones_fail_the_region(region):
    context, receipts = region
    changed = []
    for receipt, flag in zip(receipts[:2], ("suspicious", "passed"), strict=True):
        verdicts = tuple(
            replace(v, **{flag: flag == "suspicious"}) if v.test == NEIGHBOURS else v
            for v in receipt.verdicts
        )
        changed.append(replace(receipt, verdicts=verdicts))
    try:
        with Journal(context.layout) as journal:
            journal.record(changed)
        check = region_checks(context, POINTS)[NEIGHBOURS]
    finally:
        with Journal(context.layout) as journal:
            journal.record(receipts)
    assert [tile for tile, _ in check.failing] == [receipts[1].tile]
    assert receipts[0].tile in [tile for tile, _ in check.suspicious]
    assert not check.verdict.passed


def test_the_quality_report_shows_all_four_functions(region):
    context, _ = region
    found = compare_with_replicates(context, baseline_of(context.job))
    assert found.curves.keys() == {"L", "G", "F", "J"}
    assert tuple(verdict.test for verdict in found.verdicts) == tuple(TESTS.values())
    for curve in found.curves.values():
        assert curve.r.shape == curve.observed.shape == curve.envelope.low.shape
    for picture in (l_function_picture, neighbours_picture):
        assert picture(found, context).startswith(b"\x89PNG")
