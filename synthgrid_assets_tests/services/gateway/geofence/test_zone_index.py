"""Answers are GEOS's own, on every kind of point; versions change whole.

Seeds are fixed: nothing here is left to chance.
"""

from __future__ import annotations

import threading

import geopandas
import numpy as np
import pytest
import shapely

from synthgrid_assets.errors import GeometryError, SpecError, StorageError
from synthgrid_assets.services.gateway.geofence.compiling import compile_cells
from synthgrid_assets.services.gateway.geofence.lookup import look_up
from synthgrid_assets.services.gateway.geofence.sources import compile_file, compile_layer
from synthgrid_assets.services.gateway.geofence.zone_index import ZoneIndex, compile_zones
from synthgrid_assets.services.gateway.geofence.zone_store import ZoneStore
from synthgrid_assets_tests.services.gateway.geofence.zones import (
    as_numbers,
    by_geos,
    hard_points,
    random_zones,
)


def compiled(shapes, folder, crs="OGC:CRS84"):
    names = [f"z{k}" for k in range(len(shapes))]
    compile_zones(shapes, names, folder, crs=crs)
    return ZoneIndex(folder), ZoneIndex(folder, compiled=True)


# degrees, metres far from the origin, and units so small that rounding limits the grid
@pytest.mark.parametrize(
    ("scale", "offset"), [(1.0, (0, 0)), (1000.0, (5e5, 5.3e6)), (1e-7, (151.0, -33.0))]
)
def test_answers_are_those_of_geos(tmp_path, scale, offset):
    r = np.random.default_rng(11)
    shapes = random_zones(r, 120, scale, offset)
    xy = hard_points(r, shapes, 1500)
    expected = by_geos(shapes, xy)
    for index in compiled(shapes, tmp_path):
        matches = index.query(xy)
        assert np.array_equal(as_numbers(matches, len(shapes)), expected)
        superset = as_numbers(index.query_boxes(xy), len(shapes))
        assert np.isin(expected, superset).all()
        part = matches.between(10, 50)
        assert [part.of(k).tolist() for k in range(40)] == [
            matches.of(k + 10).tolist() for k in range(40)
        ]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_points_over_ten_thousand_zones(tmp_path):
    r = np.random.default_rng(12)
    shapes = random_zones(r, 10_000, largest=-0.5)
    xy = hard_points(r, shapes, 145_000)
    expected = by_geos(shapes, xy)
    for index in compiled(shapes, tmp_path):
        assert np.array_equal(as_numbers(index.query(xy), len(shapes)), expected)


def test_geos_is_asked_about_little():
    """The filter abstains near boundaries only; else it would be no filter."""
    r = np.random.default_rng(13)
    shapes = random_zones(r, 200)
    grid, arrays = compile_cells(shapes)
    pairs = look_up(r.uniform(-10, 10, (20_000, 2)), grid, arrays)
    assert pairs.open_point.size < 40
    assert pairs.point.size > 20_000


def test_a_single_zone_and_one_point(tmp_path):
    for index in compiled(np.array([shapely.box(7, 47, 8, 48)]), tmp_path):
        assert index.query(np.array([[7.5, 47.5]])).of(0).tolist() == [0]
        assert index.query(np.empty((0, 2))).zones.size == 0
        assert index.query(np.array([[8.0, 48.0], [8.1, 47.5]])).zones.tolist() == [0]


def test_what_is_no_zone(tmp_path):
    square = shapely.box(0, 0, 1, 1)
    bow_tie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    for shapes in ([], [square, shapely.Point(1, 1)], [square, bow_tie], [shapely.Polygon()]):
        with pytest.raises(GeometryError):
            compile_zones(np.array(shapes, object), ["a"] * len(shapes), tmp_path, crs="OGC:CRS84")
    with pytest.raises(GeometryError):
        compile_zones(np.array([square]), ["a", "b"], tmp_path, crs="OGC:CRS84")
    with pytest.raises(StorageError):
        ZoneIndex(tmp_path)


def test_damage_is_seen(tmp_path):
    facts = compile_zones(np.array([shapely.box(0, 0, 1, 1)]), ["a"], tmp_path, crs="OGC:CRS84")
    edges = tmp_path / "versions" / facts.version / "edges.npy"
    edges.write_bytes(edges.read_bytes()[:-4])
    with pytest.raises(StorageError, match="cut off"):
        ZoneIndex(tmp_path)


def test_versions_are_taken_up_while_serving(tmp_path):
    """Each answer is of one version, and the last version wins."""
    point = np.array([[0.5, 0.5]])

    def write(k):
        shapes = np.array([shapely.box(0, 0, 1, 1)] * (k + 1))
        return compile_zones(shapes, [f"v{k}"] * (k + 1), tmp_path, crs="OGC:CRS84").version

    write(0)
    store = ZoneStore(tmp_path)
    done, seen, wrong = threading.Event(), set(), []

    def ask():
        while not done.is_set():
            index = store.current()
            names = {index.names[zone] for zone in index.query(point).of(0)}
            count = index.query(point).zones.size
            seen.add(count)
            if names != {f"v{count - 1}"}:
                wrong.append((names, count))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    old = store.current()
    last = [write(k) for k in range(12)][-1]
    while store.current().version != last:
        pass
    done.set()
    for asker in askers:
        asker.join()
    assert not wrong
    assert len(seen) > 1
    assert store.current().query(point).zones.size == 12
    assert old.query(point).zones.size == 1
    assert write(11) == last


def test_layers(tmp_path):
    shapes = [shapely.box(5e5, 5.2e6, 6e5, 5.3e6), shapely.Point(1, 1), None]
    bow_tie = shapely.Polygon([(0, 0), (9, 9), (9, 0), (0, 9)])
    frame = geopandas.GeoDataFrame({"label": list("abcd")}, geometry=[*shapes, bow_tie], crs=25832)
    facts = compile_layer(frame, tmp_path / "a", name="label")
    store = ZoneStore(tmp_path / "a")
    index = store.current()
    assert (facts.zones, facts.crs, index.names) == (2, "EPSG:25832", ["a", "d"])
    inside = store.in_plane(index, np.array([[9.5, 47.5], [9.5, 40.0]]))
    assert index.query(inside).starts.tolist() == [0, 1, 1]
    frame.to_parquet(tmp_path / "zones.parquet")
    assert compile_file(tmp_path / "zones.parquet", tmp_path / "b").zones == 2
    frame.iloc[:1].to_file(tmp_path / "zones.gpkg")
    assert compile_file(tmp_path / "zones.gpkg", tmp_path / "c").version != facts.version
    with pytest.raises(SpecError, match="label"):
        compile_layer(frame, tmp_path, name="nothing")
    with pytest.raises(SpecError, match="no polygon"):
        compile_layer(frame.iloc[1:2], tmp_path)
    with pytest.raises(SpecError):
        compile_file(tmp_path / "missing.gpkg", tmp_path)
