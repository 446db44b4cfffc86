"""Joining tiles: only rectangles that tile a rectangle, and nothing lost on the way."""

import numpy as np
import pytest

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.tile import Tessellation, empty, merge
from synthgrid_assets_tests.tessellation.patterns import PATTERNS, doubled_area, pattern


def nothing(*cells: int):
    return empty(Cells(*cells), Cells(*cells))


def test_a_gap_between_rectangles_is_named():
    with pytest.raises(GeometryError, match=r"2 rectangles cover cell \(1, 0\) 0 times"):
        merge([nothing(0, 0, 1, 1), nothing(2, 0, 3, 1)])


def test_an_overlap_of_rectangles_is_named():
    with pytest.raises(GeometryError, match=r"2 rectangles cover cell \(1, 0\) 2 times"):
        merge([nothing(0, 0, 2, 1), nothing(1, 0, 3, 1)])


def test_empty_rectangles_join_full_ones():
    full = tessellate(pattern("random"), Cells(0, 0, 2, 2))
    joined = merge([nothing(2, 0, 3, 2), full])
    assert joined.cells == Cells(0, 0, 3, 2)
    for name, rows in full.rows().items():
        np.testing.assert_array_equal(joined.rows()[name], rows)


def test_a_rectangle_without_sites_has_the_columns_of_a_full_one():
    full = tessellate(pattern("random"), Cells(0, 0, 2, 2)).rows()
    for name, rows in nothing(0, 0, 1, 1).rows().items():
        assert rows.dtype == full[name].dtype, name
        assert rows.shape == (int(name.endswith("_offsets")), *full[name].shape[1:]), name


@pytest.mark.parametrize("name", PATTERNS)
def test_quarters_of_quarters_are_the_same_bytes_as_the_whole(name):
    """Work units inside a tile: a quadtree of uneven depth, joined from the leaves up."""

    def quartered(cells: Cells) -> Tessellation:
        if cells.width == 1 or (cells.area <= 4 and cells.ix0 % 3):
            return tessellate(pattern(name), cells)
        x, y = cells.ix0 + cells.width // 2, cells.iy0 + cells.height // 2
        quarters = [
            Cells(x0, y0, x1, y1)
            for x0, x1 in ((x, cells.ix1), (cells.ix0, x))
            for y0, y1 in ((cells.iy0, y), (y, cells.iy1))
        ]
        return merge([quartered(quarter) for quarter in quarters])

    tile = Cells(-3, 1, 5, 9)
    whole, joined = tessellate(pattern(name), tile).rows(), quartered(tile).rows()
    for field, rows in whole.items():
        assert rows.dtype == joined[field].dtype
        assert rows.tobytes() == joined[field].tobytes(), field


def test_the_joined_record_says_how_far_its_parts_looked():
    parts = [tessellate(pattern("random"), Cells(k, 0, k + 1, 1)) for k in range(3)]
    joined = merge(parts)
    assert joined.loaded.ix0 == min(part.loaded.ix0 for part in parts)
    assert joined.halo == max(
        -joined.loaded.ix0, -joined.loaded.iy0, joined.loaded.ix1 - 3, joined.loaded.iy1 - 1
    )


def test_areas_are_those_of_the_rings_in_metres():
    found = tessellate(pattern("clustered"), Cells(0, 0, 4, 4))
    lattice = Lattice("EPSG:32633", (5e5, 5e6), 64.0)
    areas = found.area(lattice)
    unit = 64.0 / 2**32
    for k in range(len(found)):
        ring = found.ring[found.ring_offsets[k] : found.ring_offsets[k + 1] - 1].tolist()
        assert areas[k] == pytest.approx(doubled_area(ring) / 2 * unit**2, rel=1e-15)
