"""Nothing lost, everything valid, and the same places as pyproj and geopandas give."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest
import shapely

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson import FeatureReader
from synthgrid_assets.services.gateway.geometry import Normalizer
from synthgrid_assets.services.gateway.geometry.antimeridian import cut_at_antimeridian
from synthgrid_assets.services.gateway.geometry.normalizer import _valid


def batch_of(*geometries, crs=None):
    texts = [
        json.dumps({"type": "Feature", "id": k, "geometry": g, "properties": {}})
        for k, g in enumerate(geometries)
    ]
    [batch] = FeatureReader(["\n".join(texts).encode()], sequence=True, crs=crs)
    assert not batch.rejections
    return batch


def polygon(*xy):
    return {"type": "Polygon", "coordinates": [[*xy, xy[0]]]}


SQUARE = polygon((8, 47), (9, 47), (9, 48), (8, 48))
BOW_TIE = polygon((0, 0), (2, 2), (2, 0), (0, 1))
FLAT = {"type": "LineString", "coordinates": [[1, 1], [1, 1]]}


def test_every_feature_is_in_one_place():
    geometries = [SQUARE, None, BOW_TIE, FLAT, {"type": "Point", "coordinates": [1, 2, 3]}]
    landed = Normalizer("OGC:CRS84")(batch_of(*geometries))
    assert landed.rows.tolist() == [0, 2, 4]
    assert landed.unlocated.tolist() == [1]
    assert [(r.ordinal, r.feature_id, r.reason) for r in landed.rejections] == [
        (3, "3", "collapsed")
    ]
    assert shapely.is_valid(landed.geometry).all()
    assert [reason and reason.split("[")[0] for reason in landed.repaired] == [
        None,
        "Self-intersection",
        None,
    ]
    assert landed.geometry[2].wkt == "POINT Z (1 2 3)"
    refused = Normalizer("OGC:CRS84", repair=False)(batch_of(*geometries))
    assert [(r.ordinal, r.reason) for r in refused.rejections] == [
        (2, "bad_geometry"),
        (3, "bad_geometry"),
    ]


def test_an_empty_batch():
    landed = Normalizer("OGC:CRS84", "EPSG:3857", antimeridian="cut")(batch_of(None))
    assert (landed.rows.size, landed.unlocated.size, landed.rejections) == (0, 1, ())


def test_reprojection_is_geopandas_own():
    r = np.random.default_rng(4)
    points = [
        {"type": "Point", "coordinates": xy}
        for xy in r.uniform((6, 45), (12, 55), (50, 2)).tolist()
    ]
    solid = {"type": "LineString", "coordinates": [[8, 47, 100], [9, 48, 200]]}
    landed = Normalizer("EPSG:4326", "EPSG:25832")(batch_of(*points, SQUARE, solid))
    frame = geopandas.GeoSeries(
        [shapely.geometry.shape(g) for g in (*points, SQUARE, solid)], crs="EPSG:4326"
    ).to_crs(25832)
    assert shapely.equals_exact(landed.geometry, shapely.orient_polygons(frame.array), 1e-9).all()
    assert shapely.get_coordinates(landed.geometry[-1], include_z=True)[:, 2].tolist() == [100, 200]
    back = Normalizer("EPSG:25832")(
        batch_of({"type": "Point", "coordinates": [500000, 5300000]}, crs="EPSG:25832")
    )
    assert shapely.get_x(back.geometry[0]) == pytest.approx(9.0, abs=1e-12)


def test_areas_of_use():
    to_utm = Normalizer("OGC:CRS84", "EPSG:25832")
    far = to_utm(batch_of(SQUARE, {"type": "Point", "coordinates": [100, 47]}, SQUARE))
    assert far.rows.tolist() == [0, 2]
    assert far.rejections[0].reason == "outside_area_of_use"
    # an area across the antimeridian: the Chatham Islands, and what is far from them
    both = Normalizer("OGC:CRS84", "EPSG:3793")(
        batch_of(*[{"type": "Point", "coordinates": [x, -44]} for x in (-176.5, 179.9, 0.0)])
    )
    assert both.rows.tolist() == [0]
    swapped = Normalizer("EPSG:25832")(
        batch_of({"type": "Point", "coordinates": [5300000, 500000]}, crs="EPSG:25832")
    )
    assert swapped.rejections[0].reason == "outside_area_of_use"
    with pytest.raises(FeatureError):
        Normalizer("OGC:CRS84", "EPSG:999999")


CROSSING = polygon((170, 0), (-170, 0), (-170, 10), (170, 10))


def test_antimeridian():
    wide = polygon((-180, -90), (180, -90), (180, 90), (-180, 90))
    kept = Normalizer("OGC:CRS84")(batch_of(CROSSING)).geometry[0]
    assert kept.area == 3400
    cut = Normalizer("OGC:CRS84", antimeridian="cut")(batch_of(CROSSING, SQUARE, wide))
    assert [g.area for g in cut.geometry] == pytest.approx([200, 1, 64800])
    assert cut.geometry[0].bounds == (-180, 0, 180, 10)
    assert len(cut.geometry[0].geoms) == 2
    refused = Normalizer("OGC:CRS84", antimeridian="reject")(batch_of(CROSSING, SQUARE))
    assert refused.rows.tolist() == [1]
    around = polygon((0, 60), (120, 60), (-120, 60))
    pole = Normalizer("OGC:CRS84", antimeridian="cut")(batch_of(around))
    assert pole.rejections[0].reason == "encloses_a_pole"


def test_what_was_repaired_or_cut_is_wound_by_the_right_hand():
    """RFC 7946, 3.1.6: outer rings run against the clock, inner ones with it."""
    r = np.random.default_rng(4)
    tangles = [polygon(*r.uniform((5, 45), (9, 49), (7, 2)).tolist()) for _ in range(40)]
    holed = polygon((0, 0), (9, 0), (9, 9), (0, 9))
    holed["coordinates"].append([[1, 1], [8, 8], [8, 1], [1, 8], [1, 1]])
    nested = {
        "type": "GeometryCollection",
        "geometries": [BOW_TIE, {"type": "Point", "coordinates": [0, 1]}],
    }
    sent = batch_of(*tangles, holed, nested, BOW_TIE, CROSSING)
    for target in ("OGC:CRS84", "EPSG:32632"):
        landed = Normalizer("OGC:CRS84", target, antimeridian="cut")(sent)
        parts = shapely.get_parts(landed.geometry)
        parts = parts[shapely.get_type_id(parts) == 3]
        assert len(parts) > 60
        assert shapely.is_ccw(shapely.get_exterior_ring(parts)).all()
        inner = [ring for part in parts for ring in part.interiors]
        assert inner
        assert not shapely.is_ccw(inner).any()


def test_cutting_equals_clipping_on_a_shifted_map():
    """Law: in a frame where the crossing is inland, the pieces join to the whole."""
    r = np.random.default_rng(9)
    for _ in range(40):
        hull = shapely.MultiPoint(r.uniform((-20, -60), (20, 60), (8, 2))).convex_hull
        shape = hull.difference(shapely.Point(hull.centroid).buffer(r.uniform(0.1, 2)))
        if shape.geom_type != "Polygon":
            continue
        drawn = shapely.transform(
            shape, lambda xy: np.column_stack([_wrapped(xy[:, 0] + 180), xy[:, 1]])
        )
        cut = cut_at_antimeridian(drawn)
        assert cut.is_valid
        moved = [
            shapely.transform(part, lambda xy: np.column_stack([(xy[:, 0] % 360) - 180, xy[:, 1]]))
            if part.bounds[2] < 180
            else shapely.transform(part, lambda xy: xy - [180, 0])
            for part in shapely.get_parts(cut)
        ]
        assert shapely.union_all(moved).symmetric_difference(shape).area < 1e-9


def _wrapped(x):
    return np.where(x > 180, x - 360, x)


def test_collections_of_one_polygon_are_repaired_as_geos_repairs_them():
    r = np.random.default_rng(8)
    for k in range(120):
        rings = [r.uniform(0, 10, (r.integers(4, 25), 2)).round(r.integers(0, 4)) for _ in range(2)]
        closed = [np.vstack([ring, ring[:1]]).tolist() for ring in rings]
        broken = shapely.MultiPolygon(
            [shapely.Polygon(closed[0], closed[1:] if k % 3 == 0 else [])]
        )
        if broken.is_valid:
            continue
        expected = shapely.make_valid(broken, method="structure", keep_collapsed=False)
        found = _valid(broken)
        assert found.is_valid
        assert found.geom_type == expected.geom_type
        assert shapely.symmetric_difference(found, expected).area == 0.0
        assert found.area == pytest.approx(expected.area, rel=1e-12)
