"""Files give back the tables they were made of, and say no more than readers need."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.storage.formats.geoparquet import SIDES, point_table
from synthgrid_assets.storage.formats.parquet_file import (
    ROW_GROUP,
    read_bytes,
    row_groups_near,
    serialise,
)

COLUMNS = {
    "id": pa.array([1, 2], pa.uint64()),
    "name": pa.array(["a", None]),
    "seen": pa.array([1, 2], pa.timestamp("us", "UTC")),
    "near": pa.array([[1], [2, 3]], pa.list_(pa.field("element", pa.int64()))),
    "small": pa.array([True, None]),
}
DICTIONARY = {"kind": pa.array(["tea", "coffee"]).dictionary_encode()}


def points(rows):
    draw = np.random.default_rng(rows)
    x, y = draw.uniform(0, 1e4, (2, rows))
    return point_table({"id": np.arange(rows)}, x, y, crs="EPSG:32633", facts={"layer": "a"})


@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS | DICTIONARY, {}])
def test_types_and_metadata_come_back(columns):
    table = pa.table(columns).replace_schema_metadata({"geo": "{}", "synthgrid:layer": "a"})
    assert read_bytes(serialise(table)).equals(table, check_metadata=True)


@pytest.mark.parametrize("rows", [0, 1, 1023, 1024, ROW_GROUP + 1])
def test_tables_of_any_length_come_back(rows):
    table = points(rows)
    assert read_bytes(serialise(table)).equals(table, check_metadata=True)


def test_metadata_stand_in_a_file_once_unless_arrow_needs_them():
    keys = [
        pq.read_metadata(pa.BufferReader(serialise(pa.table(columns)))).metadata or {}
        for columns in (COLUMNS, DICTIONARY)
    ]
    assert [b"ARROW:schema" in found for found in keys] == [False, True]


def test_every_column_but_the_geometry_has_statistics():
    table = points(10).append_column("near", pa.array([[1]] * 10))
    group = pq.read_metadata(pa.BufferReader(serialise(table))).row_group(0)
    columns = [group.column(at) for at in range(group.num_columns)]
    assert [c.path_in_schema for c in columns if c.statistics is None] == ["geometry"]


@pytest.mark.parametrize("rows", [1000, 5000])
def test_geometry_is_compressed_as_readers_advise(rows):
    group = pq.read_metadata(pa.BufferReader(serialise(points(rows)))).row_group(0)
    columns = [group.column(at) for at in range(group.num_columns)]
    assert [c.compression for c in columns if c.path_in_schema == "geometry"] == ["ZSTD"]


def test_row_groups_that_hold_rows_in_a_box_are_named():
    """Against the rows themselves; about a third of the groups are ruled out."""
    draw = np.random.default_rng(3)
    low = draw.uniform(0, 90, (1000, 2))
    low[:, 1] = np.sort(low[:, 1])
    sides = dict(zip(SIDES, [*low.T, *(low + draw.uniform(0, 10, low.shape)).T], strict=True))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(sides), sink, row_group_size=50)
    metadata, left_out = pq.read_metadata(pa.BufferReader(sink.getvalue())), 0
    for _ in range(50):
        west, south = draw.uniform(0, 80, 2)
        box = Box(west, south, west + 20, south + 20)
        meets = (
            (sides["xmin"] <= box.xmax)
            & (sides["xmax"] >= box.xmin)
            & (sides["ymin"] <= box.ymax)
            & (sides["ymax"] >= box.ymin)
        )
        named = row_groups_near(metadata, box)
        assert {int(at) // 50 for at in np.flatnonzero(meets)} <= set(named)
        left_out += 20 - len(named)
    assert left_out > 300
    assert row_groups_near(metadata, box, "bbox") == list(range(20))  # no such columns
