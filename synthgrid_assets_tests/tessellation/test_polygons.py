"""Metres: the same corners as the integers, in rings that GEOS takes whole."""

import gc

import numpy as np
import pytest
import shapely

from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.tessellation.polygons import polygons, ring_metres, triangle_metres
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets_tests.tessellation.patterns import pattern

LATTICE = Lattice("EPSG:32633", (500_000.0, 5_400_000.0), 64.0)
FOUND = tessellate(pattern("clustered"), Cells(0, 0, 5, 5))


def test_cells_have_their_areas_and_hold_their_sites():
    cells = polygons(*ring_metres(FOUND, LATTICE))
    x, y = LATTICE.coordinates(FOUND.x, FOUND.y)
    assert shapely.contains_xy(cells, x, y).all()
    # coordinates of seven digits before the point leave nine behind it
    np.testing.assert_allclose(shapely.area(cells), FOUND.area(LATTICE), atol=1e-6)
    assert shapely.is_ccw(shapely.get_exterior_ring(cells)).all()


def test_triangles_have_their_sites_as_corners():
    triangles = polygons(*triangle_metres(FOUND.triangle_xy, LATTICE))
    assert len(triangles) == len(FOUND.triangles)
    corners = shapely.get_coordinates(triangles).reshape(-1, 4, 2)
    np.testing.assert_array_equal(corners[:, 3], corners[:, 0])
    quanta = FOUND.triangle_xy.reshape(-1, 3, 2)
    expected = np.stack(LATTICE.coordinates(quanta[..., 0], quanta[..., 1]), axis=2)
    np.testing.assert_array_equal(corners[:, :3], expected)
    assert shapely.is_ccw(shapely.get_exterior_ring(triangles)).all()


def test_vertices_shared_by_cells_have_the_same_bits():
    coordinates, _ = ring_metres(FOUND, LATTICE)
    rows = np.unique(FOUND.ring, axis=0).shape[0]
    assert np.unique(coordinates, axis=0).shape[0] <= rows
    same = np.unique(FOUND.ring, axis=0, return_inverse=True)[1]
    first = np.unique(same, return_index=True)[1]
    np.testing.assert_array_equal(coordinates, coordinates[first[same]])


@pytest.mark.parametrize("running", [True, False])
def test_the_garbage_collector_is_left_as_it_was(running):
    before = gc.isenabled()
    try:
        (gc.enable if running else gc.disable)()
        assert len(polygons(*ring_metres(FOUND, LATTICE))) == len(FOUND)
        assert gc.isenabled() == running
        with pytest.raises(ValueError, match="at least 4 coordinates"):
            polygons(np.array([(0.0, 0.0), (1.0, 0.0)]), np.array([0, 2]))
        assert gc.isenabled() == running
    finally:
        (gc.enable if before else gc.disable)()
