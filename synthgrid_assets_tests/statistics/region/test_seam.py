"""Seams: counts equal an independent count, healthy worlds pass, planted seams do not."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.cluster.thomas import ThomasProcess
from synthgrid_assets.statistics.region.line_contrast import compare
from synthgrid_assets.statistics.region.seam import SeamCounter, seam_reach
from synthgrid_assets_tests.processes.examples import example

SIDE = 24


def counter_over(strips, side, tiles, reach, correlation, extent=None, held=None):
    """A counter that has read `tiles` x `tiles` tiles; `strips(cells)` gives x and y."""
    extent = extent or Cells(0, 0, side * tiles, side * tiles)
    counter = SeamCounter(side, reach, correlation)
    for row in range(extent.iy0 // side, -(-extent.iy1 // side)):
        cells = Cells(extent.ix0, row * side, extent.ix1, row * side + side).intersection(extent)
        retention = np.ones((cells.height, cells.width))
        if held is not None:
            columns = np.arange(cells.ix0, cells.ix1) // side
            retention *= np.array([held(column, row) for column in columns])
        counter.add(cells, *strips(cells), retention)
    return counter


@pytest.mark.parametrize("reach", [0.0, -1.0, 24.5, float("nan")])
def test_a_reach_beyond_the_tile_is_refused(reach):
    with pytest.raises(GeometryError, match="reach"):
        SeamCounter(24, reach, 0)


def test_rows_in_the_wrong_order_or_of_another_tiling_are_refused():
    nothing = np.empty(0, np.int64)
    counter = SeamCounter(24, 0.5, 0)
    with pytest.raises(GeometryError, match="one row of tiles"):
        counter.add(Cells(0, 12, 48, 36), nothing, nothing, np.ones((24, 48)))
    with pytest.raises(GeometryError, match="does not cover"):
        counter.add(Cells(0, 0, 48, 24), nothing, nothing, np.ones((24, 24)))
    counter.add(Cells(0, 24, 48, 48), nothing, nothing, np.ones((24, 48)))
    with pytest.raises(GeometryError, match="south to north"):
        counter.add(Cells(0, 0, 48, 24), nothing, nothing, np.ones((24, 48)))


def pairs_by_tree(x, y, reach, side, extent, held, vertical):
    """Independent count: all close pairs from a k-d tree, then the rules one by one."""
    if not vertical:
        x, y = y, x
        extent = Cells(extent.iy0, extent.ix0, extent.iy1, extent.ix1)
        swapped, held = held, lambda column, row: swapped(row, column)
    depth = math.ceil(reach)
    counts = np.zeros(side, int)

    def deep(line, row):
        return all(
            extent.ix0 <= cell < extent.ix1 and held(cell // side, row)
            for cell in range(line - depth, line + depth)
        )

    for i, j in cKDTree(np.c_[x, y]).query_pairs(math.floor(reach * CELL) + 1e-6):
        if x[i] > x[j]:
            i, j = j, i
        row = y[i] // (side * CELL)
        if row != y[j] // (side * CELL):
            continue
        for line in range(x[i] // CELL + 1, x[j] // CELL + 1):
            border = (line + side // 2) // side * side
            if deep(line, row) and deep(border, row):
                counts[line % side] += 1
    return counts


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    reach=st.sampled_from([0.4, 1.0, 1.7, 3.0]),
    side=st.sampled_from([6, 7]),
    missing=st.sets(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), max_size=4),
)
def test_pairs_are_those_of_an_independent_count(seed, reach, side, missing):
    """Clipped tiles, missing tiles, negative coordinates, both directions."""
    rng = np.random.default_rng(seed)
    extent = Cells(-side, -3, 2 * side + 4, 2 * side + 1)

    def held(column, row):
        return (column, row) not in missing

    x0, y0, x1, y1 = extent.quanta()
    x, y = rng.integers(x0, x1, 400), rng.integers(y0, y1, 400)
    kept = [held(*place) for place in zip(x // (side * CELL), y // (side * CELL), strict=True)]
    x, y = x[kept], y[kept]

    def strips(cells):
        inside = (y >= cells.iy0 * CELL) & (y < cells.iy1 * CELL)
        return x[inside], y[inside]

    counter = counter_over(strips, side, 0, reach, 0, extent, held)
    for lines, vertical in ((counter.vertical, True), (counter.horizontal, False)):
        ours = sum((block.pairs for block in lines.values()), np.zeros(side, np.int64))
        expected = pairs_by_tree(x, y, reach, side, extent, held, vertical)
        np.testing.assert_array_equal(ours, expected)


def test_exposure_is_the_length_of_the_lines_times_the_retention_beside_them():
    nothing = np.empty(0, np.int64)
    counter = SeamCounter(8, 1.0, 0)
    gradient = np.tile(np.linspace(0.1, 1.0, 24), (8, 1))
    counter.add(Cells(0, 0, 24, 8), nothing, nothing, gradient)
    exposure = counter.vertical[0].exposure
    for offset in range(8):
        lines = [offset + 8 * k for k in range(3)]
        counted = [c for c in lines if 4 <= c < 20]  # those nearest to one of the two borders
        expected = sum(8 * gradient[0, c - 1] * gradient[0, c] for c in counted)
        assert exposure[offset] == pytest.approx(expected)


@pytest.mark.parametrize(("name", "tiles"), [("poisson", 3), ("thomas", 4), ("matern_ii", 3)])
def test_healthy_regions_fail_at_their_rate(name, tiles):
    """150 regions: at 1 %, at most 10 (a chance excess has probability 1e-6 or less)."""
    low = 0
    for replicate in range(150):
        process = example(name, replicate)
        law = process.law

        def strips(cells, process=process):
            return process.points(cells)[:2]

        counter = counter_over(
            strips, 16, tiles, seam_reach(law.intensity, 16), law.correlation_cells
        )
        low += counter.verdict().p_value < 0.01
    assert low <= 10


def tight_thomas(*key):
    return ThomasProcess(stream_key("seam", *key), Fraction(1, 2), Fraction(8), CELL * 3 // 10)


def healthy(cells):
    return tight_thomas().points(cells)[:2]


def a_cell_missing_along_borders(cells):
    x, y = healthy(cells)
    kept = ((x >> CELL_BITS) % SIDE != 0) & ((y >> CELL_BITS) % SIDE != 0)
    return x[kept], y[kept]


def tiles_shifted_by_half_a_cell(cells):
    x, y = healthy(cells)
    tile, moved = x // (SIDE * CELL), x + CELL // 2
    kept = moved // (SIDE * CELL) == tile
    return moved[kept], y[kept]


def tiles_of_their_own_seeds(cells):
    parts = [
        tight_thomas(column, cells.iy0).points(Cells(column, cells.iy0, column + SIDE, cells.iy1))
        for column in range(cells.ix0, cells.ix1, SIDE)
    ]
    return np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts])


@pytest.mark.parametrize(
    "fault",
    [a_cell_missing_along_borders, tiles_shifted_by_half_a_cell, tiles_of_their_own_seeds],
)
def test_a_planted_seam_is_found(fault):
    law = tight_thomas().law
    reach = seam_reach(law.intensity, SIDE)
    sound = counter_over(healthy, SIDE, 6, reach, law.correlation_cells).verdict()
    assert sound.passed
    broken = counter_over(fault, SIDE, 6, reach, law.correlation_cells).verdict()
    assert not broken.passed
    assert broken.observed < 0.7 * broken.expected


def test_too_few_lines_or_tiles_judge_nothing():
    nothing = np.empty(0, np.int64)
    small = SeamCounter(4, 0.5, 0)
    small.add(Cells(0, 0, 16, 4), nothing, nothing, np.ones((4, 16)))
    assert small.verdict().outcome == "not tested"
    assert SeamCounter(24, 0.5, 0).verdict().outcome == "not tested"
    assert compare(np.zeros((0, 24), np.int64), np.zeros((0, 24)), 1) is None


def test_pairs_only_across_borders_are_found():
    """Where a process forbids close pairs, any number of them at the borders is a seam."""
    counts = np.zeros((3, 24), np.int64)
    counts[:, 0] = 12
    contrast = compare(counts, np.full((3, 24), 100.0), 1)
    assert contrast.p_value < 1e-6
    assert contrast.expected == 0.0


def test_equal_large_scale_differences_between_blocks_cancel():
    rng = np.random.default_rng(8)
    level = np.array([[30], [300], [3000]])
    counts = rng.poisson(np.broadcast_to(level, (3, 24)))
    contrast = compare(counts, np.ones((3, 24)), 1)
    assert contrast.p_value > 1e-3
    assert contrast.standard_error < 3 * math.sqrt(level.sum())
