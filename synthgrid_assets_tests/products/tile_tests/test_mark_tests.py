"""The tile test of marks: healthy tiles pass, each kind of damage is found."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.points import POINTS
from synthgrid_assets.products.tile_tests.mark_tests import verify_marks
from synthgrid_assets.storage.formats.parquet_file import serialise
from synthgrid_assets_tests.products.tile_tests.marked_world import marked_spec


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A context, a tile and its rows as they were written."""
    folder = tmp_path_factory.mktemp("marked")
    dense = ("points_per_km2 = 1000.0", "points_per_km2 = 4000.0")
    sharp = ("sigma = 0.3", "sigma = 0.1")
    context = open_layer(marked_spec(folder, dense, sharp), "cafes", folder)
    tile = list(context.spec.world.tiling)[1]
    data = serialise(POINTS.rows(context, tile).table)
    return context, tile, pq.read_table(pa.BufferReader(data))


def with_column(rows, name, column):
    return rows.set_column(rows.schema.get_field_index(name), name, column)


def rolled(rows, name):
    """The column, each value moved to the next point: the same values, at wrong places."""
    column = rows[name].combine_chunks()
    return pa.concat_arrays([column.slice(1), column.slice(0, 1)])


DAMAGE = {
    "an undeclared label": ("kind", lambda rows: pc.replace_substring(texts(rows), "tea", "mate")),
    "swapped labels": ("kind", lambda rows: pc.if_else(is_tea(rows), "coffee", "tea")),
    "labels of other points": ("kind", lambda rows: rolled(rows, "kind")),
    "a missing value": ("price", lambda rows: pc.if_else(is_tea(rows), None, rows["price"])),
    "wrong prices of one label": (
        "price",
        lambda rows: pc.if_else(is_tea(rows), pc.multiply(rows["price"], 1.5), rows["price"]),
    ),
    "values of other points": ("queue", lambda rows: pc.add(rows["queue"], 2)),
    "a wrong year": (
        "opened",
        lambda rows: pc.add(rows["opened"], pa.scalar(40 * 86_400 * 10**6, pa.duration("us"))),
    ),
    "one area everywhere": ("area", lambda rows: pa.array(["edge"] * len(rows))),
    "values without their raster": (
        "value",
        lambda rows: pa.array(np.random.default_rng(1).normal(6, 1, len(rows))),
    ),
}


def texts(rows):
    return rows["kind"].cast(pa.string())


def is_tea(rows):
    return pc.equal(texts(rows), "tea")


def test_a_healthy_tile_passes_and_is_tested_once(made):
    verdicts = POINTS.verify(*made)
    assert tuple(verdict.test for verdict in verdicts) == POINTS.tests(made[0].table)
    assert all(verdict.passed for verdict in verdicts)
    assert verdicts[-1].p_value is not None


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(made, damage):
    context, tile, rows = made
    name, damaged = DAMAGE[damage]
    verdict = verify_marks(context, tile.cells, with_column(rows, name, damaged(rows)))
    assert not verdict.passed
    named = {"labels of other points": "price"}.get(damage, name)
    assert f"mark {named}" in verdict.detail


def test_a_layer_without_marks_claims_nothing_of_them(tmp_path):
    context = open_layer(marked_spec(tmp_path), "trees", tmp_path)
    tile = next(iter(context.spec.world.tiling))
    verdicts = POINTS.verify(context, tile, POINTS.rows(context, tile).table)
    assert tuple(verdict.test for verdict in verdicts) == POINTS.tests(context.table)
    assert "marks_follow_their_law" not in POINTS.tests(context.table)


def test_the_catalogue_names_the_columns_as_they_are_written(made):
    context, _, rows = made
    columns = POINTS.columns(context.table)
    assert [column.name for column in columns] == [n for n in rows.column_names if n != "bbox"]
    for name in context.table.marks:
        shown = next(column.type for column in columns if column.name == name)
        field = str(rows.schema.field(name).type).replace("tz=", "")
        assert shown == ("dictionary<string>" if field.startswith("dictionary") else field)
