"""Coordinates that are read without GEOS are those that GEOS reads."""

import numpy as np
import pyarrow as pa
import pytest
import shapely

from synthgrid_assets.storage.formats.coordinates import ring_coordinates
from synthgrid_assets.storage.formats.geoparquet import polygon_table

RING = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4], [0, 0]])
SQUARE = shapely.polygons(RING)
OTHERS = {
    "hole": shapely.polygons(RING, holes=[[[1, 1], [2, 1], [2, 2], [1, 1]]]),
    "height": shapely.force_3d(SQUARE, 7.0),
    "multipolygon": shapely.multipolygons([SQUARE, shapely.affinity.translate(SQUARE, 9)]),
    "line": shapely.linestrings(RING),
}


def ours(rows, rng):
    """Polygons of 3 to 12 vertices, every seventh of which is empty."""
    sizes = rng.integers(3, 13, rows) * (np.arange(rows) % 7 != 3)
    rings = [rng.normal(5e5, 1e3, (size, 2)) for size in sizes]
    closed = [np.concatenate((ring, ring[:1])) for ring in rings if len(ring)]
    offsets = np.concatenate(([0], np.cumsum(np.where(sizes > 0, sizes + 1, 0))))
    return polygon_table({}, np.concatenate(closed), offsets, crs="EPSG:32633", facts={})


def read_by_geos(table):
    geometry = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    sizes = shapely.get_num_coordinates(geometry)
    return shapely.get_coordinates(geometry), np.concatenate(([0], np.cumsum(sizes)))


def assert_as_geos(table):
    for found, expected in zip(ring_coordinates(table), read_by_geos(table), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_polygons_are_read_in_whatever_pieces_a_table_has():
    rng = np.random.default_rng(11)
    tables = [ours(rows, rng) for rows in (1, 40, 300)]
    for table in (*tables, tables[1].slice(5, 20), tables[1].slice(3, 0), tables[0].slice(0, 0)):
        assert_as_geos(table)
    assert_as_geos(pa.concat_tables([tables[2].slice(7), tables[0], tables[1].slice(0, 9)]))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("byte_order", [0, 1])
def test_shapes_that_are_not_written_here_are_left_to_geos(name, byte_order):
    wkb = shapely.to_wkb([SQUARE, OTHERS[name], SQUARE], byte_order=byte_order)
    for kind in (pa.binary(), pa.large_binary()):
        assert_as_geos(pa.table({"geometry": pa.array(wkb, kind)}))
