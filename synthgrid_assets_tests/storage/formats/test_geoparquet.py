"""GeoParquet: what readers nobody here wrote make of the files."""

import io
import json

import duckdb
import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.storage.formats.geoparquet import (
    bbox_column,
    geo_metadata,
    plain_table,
    point_table,
    polygon_table,
    table_bbox,
)
from synthgrid_assets.storage.formats.parquet_file import serialise

CRS = "EPSG:32633"
XY = np.random.default_rng(3).uniform((5e5, 54e5), (5.1e5, 54.1e5), (500, 2))
COLUMNS = {
    "id": np.arange(500),
    "kind": np.where(np.arange(500) % 3, "tea", "coffee"),
    "weight": np.linspace(0, 1, 500),
    "open": np.arange(500) % 2 == 0,
    "since": np.datetime64("2026-01-01", "us") + np.arange(500).astype("timedelta64[s]"),
}
BOX = (5.02e5, 54.01e5, 5.05e5, 54.06e5)


def points(columns=COLUMNS, xy=XY, **facts):
    return point_table(columns, xy[:, 0], xy[:, 1], crs=CRS, facts=facts)


def polygons():
    """Regular polygons of 3 to 9 vertices; row 5 is a ring that has collapsed."""
    angles = [np.arange(3 + k % 7 + 1) % (3 + k % 7) / (3 + k % 7) * 2 * np.pi for k in range(100)]
    rings = [np.c_[np.cos(a), np.sin(a)] * 40 + XY[k] for k, a in enumerate(angles)]
    rings[5] = rings[5][:3]
    return rings, np.cumsum([0, *map(len, rings)])


def saved(table, tmp_path):
    path = tmp_path / "tile.parquet"
    path.write_bytes(serialise(table))
    return path


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_coordinate_that_is_not_finite_is_refused_with_its_number(bad):
    xy = XY.copy()
    xy[7, 1] = bad
    with pytest.raises(GeometryError, match="coordinate 7 is"):
        points(xy=xy)
    with pytest.raises(GeometryError, match="coordinate 7 is"):
        polygon_table({}, xy, np.array([0, 500]), crs=CRS, facts={})


def test_open_rings_rows_that_differ_and_objects_are_refused():
    closed = [[0.0, 0], [1, 0], [1, 1], [0, 0]]
    coords = np.array([*closed, *closed[:3], [0, 1]])
    with pytest.raises(GeometryError, match="the ring of row 1 is open"):
        polygon_table({}, coords, np.array([0, 4, 8]), crs=CRS, facts={})
    with pytest.raises(GeometryError, match="column 'id' has 499 rows, its geometry 500"):
        points({"id": np.arange(499)})
    with pytest.raises(GeometryError, match="Python objects"):
        points({"id": np.array([None] * 500)})


def test_geopandas_reads_points_with_their_crs_and_columns(tmp_path):
    frame = geopandas.read_parquet(saved(points(), tmp_path))
    assert frame.crs == pyproj.CRS(CRS)
    np.testing.assert_array_equal(shapely.get_coordinates(frame.geometry), XY)
    for name, values in COLUMNS.items():
        np.testing.assert_array_equal(frame[name].to_numpy(), values)
    assert tuple(frame.total_bounds) == table_bbox(points())


def test_geopandas_filters_points_and_polygons_by_bbox(tmp_path):
    rings, offsets = polygons()
    shapes = polygon_table(
        {"id": np.arange(100)}, np.concatenate(rings), offsets, crs=CRS, facts={}
    )
    for table in (points(), shapes):
        path = saved(table, tmp_path)
        frame = geopandas.read_parquet(path)
        exact = frame[shapely.intersects(frame.geometry.to_numpy(), shapely.box(*BOX))]
        found = geopandas.read_parquet(path, bbox=BOX)
        assert 0 < len(exact) < len(frame)
        assert set(exact.id) <= set(found.id)
        # bounds are float32: up to a metre of slack at these coordinates
        grown = shapely.box(BOX[0] - 1, BOX[1] - 1, BOX[2] + 1, BOX[3] + 1)
        near = frame[shapely.intersects(shapely.envelope(frame.geometry.to_numpy()), grown)]
        assert set(found.id) <= set(near.id)


def test_duckdb_reads_the_geometry_as_geometry_and_filters_by_the_covering(tmp_path):
    path = saved(points(), tmp_path)
    query = f"SELECT typeof(geometry), count(*) FROM '{path}' GROUP BY ALL"
    ((kind, rows),) = duckdb.sql(query).fetchall()
    assert kind.startswith("GEOMETRY")
    assert rows == 500
    inside = ((BOX[:2] <= XY) & (BOX[2:] >= XY)).all(axis=1)
    ((found,),) = duckdb.sql(
        f"SELECT list(id ORDER BY id) FROM '{path}' WHERE bbox.xmin <= {BOX[2]} "
        f"AND bbox.xmax >= {BOX[0]} AND bbox.ymin <= {BOX[3]} AND bbox.ymax >= {BOX[1]}"
    ).fetchall()
    assert set(np.flatnonzero(inside)) <= set(found)
    assert len(found) <= inside.sum() + 3


def test_polygons_are_those_that_geos_makes_and_a_collapsed_ring_is_empty(tmp_path):
    rings, offsets = polygons()
    table = polygon_table({"id": np.arange(100)}, np.concatenate(rings), offsets, crs=CRS, facts={})
    frame = geopandas.read_parquet(saved(table, tmp_path))
    expected = [shapely.Polygon(r) if len(r) > 3 else shapely.Polygon() for r in rings]
    assert list(frame.geometry) == expected
    assert frame.geometry[5].is_empty
    assert table["bbox"][5].as_py() is None
    assert shapely.to_wkb(expected).tolist() == table["geometry"].to_pylist()
    assert table_bbox(table) == tuple(frame.total_bounds)


@given(st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 9]), max_size=12))
def test_rows_of_any_ring_lengths_get_their_own_bounds(lengths):
    rings = [np.random.default_rng(k).normal(size=(n, 2)) for k, n in enumerate(lengths)]
    for ring in rings:
        ring[-1:] = ring[:1]
    coords = np.concatenate([np.empty((0, 2)), *rings])
    table = polygon_table({}, coords, np.cumsum([0, *lengths]), crs=CRS, facts={})
    for n, ring, box in zip(lengths, rings, table["bbox"].to_pylist(), strict=True):
        if n < 4:
            assert box is None
        else:
            np.testing.assert_allclose(
                [*box.values()], [*ring.min(axis=0), *ring.max(axis=0)], rtol=1e-6
            )


@given(st.lists(st.tuples(*[st.floats(-1e30, 1e30)] * 2), min_size=1))
def test_the_covering_always_covers(xy):
    xy = np.array(xy)
    box = bbox_column(xy, xy)
    assert all((box.field(k).to_numpy().astype(float) <= xy[:, k]).all() for k in (0, 1))
    assert all((box.field(k + 2).to_numpy().astype(float) >= xy[:, k]).all() for k in (0, 1))


def test_an_empty_tile_has_the_schema_of_a_full_one(tmp_path):
    none = {name: values[:0] for name, values in COLUMNS.items()}
    empty, full = points(none, XY[:0]), points()
    assert empty.schema.equals(full.schema)
    assert table_bbox(empty) is None
    frame = geopandas.read_parquet(saved(empty, tmp_path))
    assert len(frame) == 0
    assert frame.crs == pyproj.CRS(CRS)
    rings, offsets = polygons()
    shapes = polygon_table({}, np.concatenate(rings), offsets, crs=CRS, facts={})
    none = polygon_table({}, np.empty((0, 2)), np.array([0]), crs=CRS, facts={})
    assert none.schema.equals(shapes.schema)


def test_the_same_rows_give_the_same_bytes_however_they_came_together():
    whole = points(layer="cafes", world="riverton")
    pieces = pa.concat_tables([whole.slice(0, 123), whole.slice(123)])
    assert serialise(pieces) == serialise(whole)
    assert serialise(points(world="riverton", layer="cafes")) == serialise(whole)


def test_the_sign_of_zero_and_the_payload_of_nan_are_no_content():
    odd_nan = np.array([0x7FF8000000000123], "u8").view("f8")
    plain = {"a": np.array([0.0, np.nan])}
    odd = {"a": np.concatenate([[-0.0], odd_nan])}
    assert serialise(points(odd, np.array([[-0.0, 1], [2, 3]]))) == serialise(
        points(plain, np.array([[0.0, 1], [2, 3]]))
    )
    assert serialise(plain_table(odd, {})) == serialise(plain_table(plain, {}))


def test_facts_and_the_format_version_stand_in_the_file():
    metadata = pq.read_metadata(io.BytesIO(serialise(points(layer="cafes")))).metadata
    assert metadata[b"synthgrid:layer"] == b"cafes"
    geo = json.loads(metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]


@pytest.mark.parametrize("rows", [0, 3])
def test_the_metadata_are_canonical_whatever_the_box(rows):
    """Only the box is put together for each table; readers may have written them otherwise."""
    table = points({}, XY[:rows])
    box = table_bbox(table)
    assert (box is None) == (rows == 0)
    geo = table.schema.metadata[b"geo"]
    assert geo.decode() == canonical_json(geo_metadata(CRS, "Point", box))
    loose = json.dumps(dict(reversed(json.loads(geo).items())), indent=1)
    assert table_bbox(table.replace_schema_metadata({"geo": loose})) == box
