"""Joining tiles: only rectangles that tile a rectangle, and nothing lost on the way."""

import tracemalloc

import numpy as np
import pytest

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.tile import (
    NEIGHBOUR_ARRAYS,
    RING_ARRAYS,
    TRIANGLE_ARRAYS,
    Tessellation,
    empty,
    merge,
    merge_rows,
)
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


class Read(dict):
    """A part whose arrays are new ones each time, as those that are read from a file."""

    def __getitem__(self, name):
        return super().__getitem__(name).copy()


@pytest.mark.parametrize("left_out", [(), TRIANGLE_ARRAYS, (*RING_ARRAYS, *NEIGHBOUR_ARRAYS)])
def test_parts_are_joined_one_array_after_the_other(left_out):
    """What is there at once is the whole, the parts of one of its arrays, and what is wanted."""
    cells = [Cells(x, 0, x + 8, 24) for x in (0, 8, 16)]
    parts = [tessellate(pattern("random"), part) for part in cells]
    whole, rows = merge(parts).rows(), [Read(part.rows()) for part in parts]
    tracemalloc.start()
    found = merge_rows(cells, [part.loaded for part in parts], rows, left_out).rows()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for name, array in whole.items():
        np.testing.assert_array_equal(found[name], array[:0] if name in left_out else array)
        assert found[name].dtype == array.dtype
    wanted = [array.nbytes for name, array in whole.items() if name not in left_out]
    assert peak < sum(wanted) + 2 * max(wanted)
    assert sum(wanted) + 2 * max(wanted) < 2 * sum(array.nbytes for array in whole.values())


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
