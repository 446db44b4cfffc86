"""Tiles of one tessellation join, whichever are missing; a fault in any of them shows."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthgrid_assets.lattice.cells import CELL, SPECIAL_ID, Cells, Lattice, point_ids
from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.tessellation.polygons import ring_metres
from synthgrid_assets.tessellation.proofs.cell_join import CellJoin, StoredCells
from synthgrid_assets.tessellation.proofs.coverage import Coverage
from synthgrid_assets.tessellation.proofs.joins import (
    NeighbourJoin,
    StoredPairs,
    StoredTriangles,
    TriangleJoin,
)
from synthgrid_assets.tessellation.proofs.opposites import left_over, repeated
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.tile import Tessellation
from synthgrid_assets_tests.tessellation.patterns import PATTERNS, World, pattern

LATTICE = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
EXTENT = Cells(-8, -7, 8, 8)


def stored(found: Tessellation, product: str, lattice: Lattice = LATTICE):
    """The rows of a tile as its file holds them: ids and floats."""
    if product == "delaunay":
        xy = np.stack(lattice.coordinates(*found.triangle_xy.reshape(-1, 2).T), axis=1)
        return [found.triangles, xy.reshape(-1, 3, 2)]
    if product == "voronoi":
        xy, offsets = ring_metres(found, lattice)
        sizes = np.where(np.diff(offsets) < 4, 0, np.diff(offsets))  # stored as POLYGON EMPTY
        kept = np.repeat(sizes > 0, np.diff(offsets))
        return [found.site_id, found.area(lattice), xy[kept], sizes]
    focal = np.repeat(found.site_id, np.diff(found.neighbour_offsets))
    return [focal, found.neighbour, found.shared * lattice.quantum]


def faults(tiles, rows, tiling, product, lattice=LATTICE):
    """Faults by kind, summed over tiles; `rows` are the tiles' stored rows."""
    coverage = Coverage(tiling, tiles)
    joins = {"delaunay": TriangleJoin, "voronoi": CellJoin, "cell_neighbours": NeighbourJoin}
    join = joins[product](coverage, *([lattice] if product == "voronoi" else []))
    for _, row in groupby(range(len(tiles)), lambda number: tiles[number].row):
        join.add([held(number, rows[number], product) for number in row])
    join.close()
    return {kind: int(found.sum()) for kind, found in join.faults.items()}


def held(number, rows, product):
    """A tile's stored rows as joins take them."""
    if product == "delaunay":
        return StoredTriangles(number, *rows)
    if product == "voronoi":
        *columns, sizes = rows
        return StoredCells(number, *columns, np.r_[0, np.cumsum(sizes)])
    return StoredPairs(number, *rows)


def region(name, tiling, product, tiles=None, lattice=LATTICE):
    tiles = list(tiling) if tiles is None else tiles
    source = name if isinstance(name, World) else pattern(name)
    return tiles, [stored(tessellate(source, tile.cells), product, lattice) for tile in tiles]


PRODUCTS = ("delaunay", "voronoi", "cell_neighbours")


@pytest.mark.parametrize("product", PRODUCTS)
@settings(max_examples=40)
@given(
    name=st.sampled_from(PATTERNS),
    side=st.sampled_from([1, 2, 3, 5, 16]),
    share=st.sampled_from([0.3, 0.7, 1.0]),
    seed=st.integers(0, 99),
)
def test_tiles_of_one_tessellation_join_whichever_are_there(product, name, side, share, seed):
    tiling = Tiling(Cells(-4, -3, 5, 4), side)
    chosen = np.random.default_rng(seed).random(len(tiling)) < share
    tiles = [tile for tile, there in zip(tiling, chosen, strict=True) if there]
    if tiles:
        assert not any(faults(*region(name, tiling, product, tiles), tiling, product).values())


@pytest.mark.parametrize(
    ("product", "cell"), [("delaunay", 0.01), ("voronoi", 0.01), ("voronoi", 0.0005)]
)
def test_coordinates_that_floats_hardly_tell_apart_are_no_fault(product, cell):
    """Tiny cells far from the origin: vertices, or sites too, are less than an ulp apart."""
    tiling, lattice = Tiling(EXTENT, 4), Lattice("EPSG:32633", (500000.0, 5400000.0), cell)
    for name in ("tight", "random", "columns"):
        tiles, rows = region(name, tiling, product, lattice=lattice)
        assert not any(faults(tiles, rows, tiling, product, lattice).values())


def take(rows, kept, product):
    """Some rows of a tile."""
    if product != "voronoi":
        return [column[kept] for column in rows]
    site, area, xy, sizes = rows
    ends = np.cumsum(sizes)
    index = [np.arange(ends[k] - sizes[k], ends[k]) for k in kept]
    return [site[kept], area[kept], xy[np.concatenate(index)], sizes[kept]]


def without_a_row(rows, product, rng):
    kept = np.delete(np.arange(len(rows[0])), rng.integers(len(rows[0])))
    return take(rows, kept, product)


def with_a_row_twice(rows, product, rng):
    return take(rows, np.sort(np.r_[np.arange(len(rows[0])), rng.integers(len(rows[0]))]), product)


def without_all_rows(rows, product, rng):
    return take(rows, np.arange(1), product)


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("damage", [without_a_row, with_a_row_twice, without_all_rows])
@pytest.mark.parametrize("name", ["random", "lattice", "clustered", "void-ridden"])
def test_a_row_that_is_missing_or_there_twice_is_found(product, damage, name):
    tiling = Tiling(EXTENT, 4)
    tiles, rows = region(name, tiling, product)
    for number in (5, 6, 9, 10):  # at the rim a missing row may be one of a tile not there
        if len(rows[number][0]) > 1:
            broken = [*rows]
            broken[number] = damage(rows[number], product, np.random.default_rng(number))
            assert any(faults(tiles, broken, tiling, product).values()), number


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("name", ["random", "broken lattice", "clustered"])
def test_a_tile_of_another_world_is_found_and_named(product, name):
    tiling = Tiling(EXTENT, 4)
    other = "random" if name != "random" else "void-ridden"
    tiles, rows = region(name, tiling, product)
    _, others = region(other, tiling, product)
    for number in (0, 6):  # in a corner of the region, and amid its tiles
        broken = [*rows]
        broken[number] = others[number]
        assert any(faults(tiles, broken, tiling, product).values())


@pytest.mark.parametrize("product", ["delaunay", "voronoi"])
def test_a_tile_that_is_shifted_by_a_quantum_is_found(product):
    """Ids and shapes are right: only coordinates tell."""
    tiling = Tiling(EXTENT, 4)
    tiles, rows = region("random", tiling, product)
    place = 1 if product == "delaunay" else 2
    for number in (0, 6):
        broken = [*rows]
        broken[number] = [*rows[number]]
        broken[number][place] = rows[number][place] + [LATTICE.quantum, 0.0]
        assert any(faults(tiles, broken, tiling, product).values())


@pytest.mark.parametrize("product", PRODUCTS)
def test_rows_of_another_tile_are_found(product):
    """Two files exchanged: every row is sound, and in the wrong place."""
    tiling = Tiling(EXTENT, 4)
    tiles, rows = region("random", tiling, product)
    rows[5], rows[10] = rows[10], rows[5]
    found = faults(tiles, rows, tiling, product)
    assert found["misplaced"] == len(rows[5][0]) + len(rows[10][0])


def test_a_weight_that_differs_in_one_bit_is_found():
    tiling = Tiling(EXTENT, 4)
    tiles, rows = region("random", tiling, "cell_neighbours")
    weight = rows[6][2].copy()
    weight[0] = np.nextafter(weight[0], np.inf)
    rows[6] = [*rows[6][:2], weight]
    assert faults(tiles, rows, tiling, "cell_neighbours")["one_sided"] == 2


def test_an_area_that_is_not_its_rings_is_found():
    tiling = Tiling(EXTENT, 4)
    tiles, rows = region("random", tiling, "voronoi")
    area = rows[6][1].copy()
    area[0] *= 1 + 1e-7
    rows[6] = [rows[6][0], area, *rows[6][2:]]
    assert faults(tiles, rows, tiling, "voronoi") == {
        "misplaced": 0,
        "repeated": 0,
        "wrong_area": 1,
        "open_edges": 0,
    }


@pytest.mark.parametrize("product", PRODUCTS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_borders_join_as_all_rows_do_at_once(monkeypatch, product, data):
    """Tiles joined in themselves first show the same faults, and as many of each kind."""
    tiling = Tiling(EXTENT, data.draw(st.sampled_from([3, 4, 16])))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    tiles, rows = region(data.draw(st.sampled_from(["random", "clustered"])), tiling, product)
    for _ in range(data.draw(st.integers(0, 3))):
        number, other = rng.integers(len(rows), size=2)
        damage = data.draw(st.sampled_from([without_a_row, with_a_row_twice, "added", "changed"]))
        if len(rows[number][0]) < 2:
            continue
        if damage == "added" and len(rows[other][0]):  # a row of any other tile as well
            row = take(rows[other], rng.integers(len(rows[other][0]), size=1), product)
            rows[number] = [np.concatenate(both) for both in zip(rows[number], row, strict=True)]
        elif damage == "changed":
            column = rng.integers(min(len(rows[number]), 3))
            changed = rows[number][column].copy()
            changed[rng.integers(len(changed))] = changed[rng.integers(len(changed))]
            rows[number] = [*rows[number][:column], changed, *rows[number][column + 1 :]]
        elif damage != "added":
            rows[number] = damage(rows[number], product, rng)
    found = faults(tiles, rows, tiling, product)
    with monkeypatch.context() as patched:
        for join in (TriangleJoin, CellJoin, NeighbourJoin):
            patched.setattr(join, "_join_borders", lambda *_: False)
        at_once = faults(tiles, rows, tiling, product)
    assert found == at_once


def test_each_site_is_the_middle_corner_of_two_triangles():
    """The identity behind `torn_sites`, counted in one whole triangulation."""
    for name in PATTERNS:
        found = tessellate(pattern(name), Cells(-12, -12, 12, 12))
        corners = found.triangle_xy.reshape(-1, 3, 2)
        order = np.lexsort((corners[..., 1], corners[..., 0]), axis=1)
        middle = np.take_along_axis(found.triangles, order[:, 1:2], axis=1).ravel()
        site, times = np.unique(middle, return_counts=True)
        deep = (np.abs(found.x) < 2 * CELL) & (np.abs(found.y) < 2 * CELL)
        assert (times[np.isin(site, found.site_id[deep])] == 2).all(), name
        assert np.isin(found.site_id[deep], site).all(), name


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 2, st.integers(0, 1)), max_size=60))
def test_opposites_cancel_one_by_one(items):
    tail, head, label = np.array(items, np.int64).reshape(-1, 3).T
    left = left_over(tail, head, label)
    again = [items[:i].count(item) > 0 for i, item in enumerate(items)]
    assert repeated(tail * 2 + label, head.copy()).tolist() == again
    for u, v, one in {*items}:
        forth, back = ((tail == a) & (head == b) & (label == one) for a, b in ((u, v), (v, u)))
        net = int(forth.sum()) if u == v else int(forth.sum()) - int(back.sum())
        assert int((left & forth).sum()) == max(net, 0)


@given(st.integers(1, 6), st.integers(0, 99))
def test_coverage_is_what_a_look_at_each_cell_says(side, seed):
    rng = np.random.default_rng(seed)
    tiling = Tiling(EXTENT, side)
    tiles = [tile for tile in tiling if rng.random() < 0.7]
    coverage = Coverage(tiling, tiles)
    held = np.full((24, 24), -1)  # cells from -12 to 11
    for number, (x0, y0, x1, y1) in enumerate(tile.cells for tile in tiles):
        held[y0 + 12 : y1 + 12, x0 + 12 : x1 + 12] = number
    iy, ix = np.indices(held.shape) - 12
    np.testing.assert_array_equal(coverage.number(ix, iy), held)
    ids = point_ids(ix, iy, rng.integers(0, 9, ix.shape)).ravel()
    ids |= SPECIAL_ID * rng.integers(0, 2, ids.size)
    np.testing.assert_array_equal(coverage.number_of_ids(ids), held.ravel())
    low = rng.integers(-12, 12, (200, 2))
    high = np.minimum(low + rng.integers(0, 8, (200, 2)), 11)
    whole = [
        (held[y0 + 12 : y1 + 13, x0 + 12 : x1 + 13] >= 0).all()
        for (x0, y0), (x1, y1) in zip(low, high, strict=True)
    ]
    np.testing.assert_array_equal(coverage.holds(low, high), whole)
