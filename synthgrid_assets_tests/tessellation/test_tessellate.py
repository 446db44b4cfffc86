"""Seamless: the union of the tiles is the tessellation of the plane, bit for bit."""

import hashlib
import os
import subprocess
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells, point_ids
from synthgrid_assets.tessellation.sites import Sites, distinct
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.tile import Tessellation, merge
from synthgrid_assets.tessellation.triangulation import delaunay
from synthgrid_assets_tests.tessellation.patterns import PATTERNS, World, finite_triangles, pattern
from synthgrid_assets_tests.tessellation.seams import seam_faults

AREA = Cells(-6, -5, 5, 6)


def assert_same_rows(one: Tessellation, other: Tessellation) -> None:
    for name, rows in one.rows().items():
        assert rows.dtype == other.rows()[name].dtype, name
        np.testing.assert_array_equal(rows, other.rows()[name], err_msg=name)


def digest(found: Tessellation) -> str:
    content = hashlib.sha256()
    for name, rows in found.rows().items():
        content.update(f"{name} {rows.shape} {rows.dtype}".encode() + rows.tobytes())
    return content.hexdigest()


@cache
def whole(name: str) -> Tessellation:
    return tessellate(pattern(name), AREA)


# SHA-256 of the rows of each pattern's `AREA`: speed may change, no bit of the output may
STORED = {
    "random": "85a009ce20350d241303b98daa8f63b2",
    "lattice": "772fe9509d10d1f3bd80a20634b08717",
    "broken lattice": "5beecb28ddfcd39d0e94df1011fb47bb",
    "columns": "60a868224151c71b5d0e791edf85e71f",
    "clustered": "6d53724106405332af31a32e9e69d849",
    "tight": "969b42a98975adb75c7e3a0502bec02a",
    "duplicated": "d4eca7be5ed53ea0543872639a59bc94",
    "void-ridden": "042dba6daad1a3cae667407629e0815e",
    "circles": "66a13c21fff3c21016a4136a2e63633c",
}


@pytest.mark.parametrize("name", PATTERNS)
def test_the_rows_are_the_stored_ones(name):
    assert digest(whole(name)).startswith(STORED[name])


@pytest.mark.parametrize("name", PATTERNS)
def test_the_triangles_are_those_of_all_sites_at_once(name):
    """Canonical triangles of one global triangulation whose smallest corner lies here."""
    sites = distinct(pattern(name).sites).sites
    corners = finite_triangles(delaunay(sites.x, sites.y), len(sites)).astype(np.int64)
    rank = np.argsort(np.lexsort((sites.y, sites.x)))
    turn = np.argmin(rank[corners], axis=1)[:, None]
    corners = np.take_along_axis(corners, (turn + np.arange(3)) % 3, axis=1)
    owned = corners[sites.inside(AREA)[corners[:, 0]]]
    expected = sorted(map(tuple, sites.id[owned].tolist()))
    assert sorted(map(tuple, whole(name).triangles.tolist())) == expected


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(PATTERNS),
    xs=st.sets(st.integers(-5, 4), max_size=4),
    ys=st.sets(st.integers(-4, 5), max_size=4),
    rng=st.randoms(use_true_random=False),
)
def test_any_tiling_gives_the_same_rows(name, xs, ys, rng):
    xs, ys = [AREA.ix0, *sorted(xs), AREA.ix1], [AREA.iy0, *sorted(ys), AREA.iy1]
    tiles = [Cells(a, c, b, d) for a, b in pairwise(xs) for c, d in pairwise(ys)]
    rng.shuffle(tiles)
    assert_same_rows(merge([tessellate(pattern(name), cells) for cells in tiles]), whole(name))


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("side", [2, 5])
def test_square_tiles_give_the_same_rows(name, side):
    tiles = [
        Cells(ix, iy, ix + side, iy + side).intersection(AREA)
        for iy in range(-10, 10, side)
        for ix in range(-10, 10, side)
    ]
    parts = [tessellate(pattern(name), cells) for cells in tiles if cells.area]
    assert_same_rows(merge(parts), whole(name))


@pytest.mark.parametrize("name", PATTERNS)
def test_neighbouring_tiles_agree_on_their_common_border(name):
    cut = Cells(AREA.ix0, AREA.iy0, 0, AREA.iy1), Cells(0, AREA.iy0, AREA.ix1, AREA.iy1)
    one, other = (tessellate(pattern(name), cells) for cells in cut)
    assert seam_faults(one, other) == (0, 0)
    # the ring vertices on the border are the same integers on both sides
    shared = set(map(tuple, one.ring.tolist())) & set(map(tuple, other.ring.tolist()))
    crossing = np.isin(one.neighbour, other.site_id) & (one.shared > 0)
    assert len(shared) > crossing.sum() > 0


@pytest.mark.parametrize("side", [1, 2, 3])
def test_tiles_with_anchors_agree_too(side):
    source = pattern("void-ridden")
    expected = tessellate(source, AREA, anchors=side)
    assert expected.anchor.any()
    tiles = [
        Cells(a, c, b, d) for a, b in pairwise((-6, -3, 1, 5)) for c, d in pairwise((-5, 0, 6))
    ]
    assert_same_rows(merge([tessellate(source, cells, anchors=side) for cells in tiles]), expected)


def test_a_pattern_that_ends_is_tessellated_with_anchors():
    everything = pattern("random").sites
    half = World(everything.take(everything.x + everything.y // 3 < 0))
    with pytest.raises(GeometryError):
        tessellate(half, Cells(-3, -3, 3, 3), max_halo=20)
    expected = tessellate(half, Cells(-3, -3, 3, 3), anchors=4)
    tiles = [Cells(ix, iy, ix + 3, iy + 3) for ix in (-3, 0) for iy in (-3, 0)]
    assert_same_rows(merge([tessellate(half, cells, anchors=4) for cells in tiles]), expected)


def test_a_large_rectangle_is_cut_without_a_trace():
    source = pattern("broken lattice")
    cells = Cells(-11, -9, 10, 12)
    assert_same_rows(tessellate(source, cells, max_halo=120), tessellate(source, cells))


@pytest.mark.parametrize("shift", [(2**21, -(2**21)), (-(2**22) + 100, 2**22 - 100)])
def test_far_from_the_origin_the_world_looks_the_same(shift):
    dx, dy = (cells << CELL_BITS for cells in shift)

    def moved(cells: Cells) -> Sites:
        back = Cells(
            cells[0] - shift[0], cells[1] - shift[1], cells[2] - shift[0], cells[3] - shift[1]
        )
        here = pattern("clustered")(back)
        return Sites(here.x + dx, here.y + dy, here.id)

    far = tessellate(
        moved, Cells(AREA[0] + shift[0], AREA[1] + shift[1], AREA[2] + shift[0], AREA[3] + shift[1])
    )
    near = whole("clustered")
    np.testing.assert_array_equal(far.ring - np.array([dx, dy]) * 1024, near.ring)
    np.testing.assert_array_equal(far.triangle_xy - [dx, dy, dx, dy, dx, dy], near.triangle_xy)
    for name in ("triangles", "neighbour", "shared", "doubled_area", "valid"):
        np.testing.assert_array_equal(far.rows()[name], near.rows()[name])


@pytest.mark.parametrize("name", PATTERNS)
def test_degrees_follow_eulers_formula(name):
    """Triangles seen by tile sites, counted by corners, are the sum of the degrees."""
    found = tessellate(pattern(name), AREA.grown(9))
    inner = pattern(name)(AREA)
    owned = np.isin(found.site_id, inner.id)
    seen = np.isin(found.triangles, found.site_id[owned]).sum()
    assert found.n_neighbours[owned].sum() == seen
    assert (found.n_neighbours >= 3).all()
    # for all sites of a plane the mean degree is six; here the border may tip it a little
    assert abs(found.n_neighbours.mean() - 6) < 0.3


def test_rows_are_in_canonical_order_and_own_what_they_should():
    found = whole("clustered")
    here = pattern("clustered")(AREA)
    np.testing.assert_array_equal(found.site_id, here.id)
    first = found.triangle_xy.reshape(-1, 3, 2)
    smallest = np.array([sorted(map(tuple, corners))[0] for corners in first.tolist()])
    np.testing.assert_array_equal(first[:, 0], smallest)
    place = {site: k for k, site in enumerate(found.site_id.tolist())}
    keys = [
        (place[t[0]], *c[1]) for t, c in zip(found.triangles.tolist(), first.tolist(), strict=True)
    ]
    assert keys == sorted(set(keys))


def test_merged_sites_are_listed_with_the_first():
    found = whole("duplicated")
    source = pattern("duplicated")(AREA)
    listed = np.split(found.merged, found.merged_offsets[1:-1])
    assert sorted([*found.site_id, *found.merged]) == sorted(source.id)
    where = {
        int(i): (int(x), int(y)) for i, x, y in zip(source.id, source.x, source.y, strict=True)
    }
    for site, others in zip(found.site_id.tolist(), listed, strict=True):
        assert all(where[int(other)] == where[site] and other > site for other in others)


def few_sites(cells: Cells) -> Sites:
    """Two sites in each fourth cell, by arithmetic alone; some cocircular."""
    iy, ix = (v.ravel() for v in np.mgrid[cells.iy0 : cells.iy1, cells.ix0 : cells.ix1])
    ix, iy = (v[(ix + 2 * iy) % 4 != 0] for v in (ix, iy))
    x, y = ix * CELL + (ix * ix + 3 * iy) % 7 * 1000, iy * CELL + (5 * iy + ix) % 3 * CELL // 4
    return Sites(x, y, point_ids(ix, iy, np.zeros(ix.size, np.int64)))


def test_python_without_the_compiler_computes_the_same_bytes():
    """NUMBA_DISABLE_JIT=1 in a process of its own."""
    script = (
        "from synthgrid_assets_tests.tessellation.test_tessellate import *\n"
        "print(digest(tessellate(few_sites, Cells(0, 0, 3, 2))))\n"
        "print(digest(tessellate(few_sites, Cells(0, 0, 1, 1), anchors=1)))\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert output == [
        digest(tessellate(few_sites, Cells(0, 0, 3, 2))),
        digest(tessellate(few_sites, Cells(0, 0, 1, 1), anchors=1)),
    ]
