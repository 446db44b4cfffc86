"""Points of a released surface: exact totals, exact multinomial counts, uniform in a block."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.released_surface import ReleasedSurface
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.lattice.pattern import canonical
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.registry import process
from synthgrid_assets.processes.released import (
    ALGORITHM_VERSION,
    ByRelease,
    ReleasedParameters,
    ReleasedProcess,
)
from synthgrid_assets.processes.splitting import SplitCounts
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.tile.counts import counts_match_the_process

ALPHA = 1e-6
AREA = Cells(-6, 9, 9, 21)
EXPECTED = np.array(
    [
        [0.0, 20.5, 3.25, 0.0, 7.0],
        [90.0, 0.5, 1.0, 2.0, 4.0],
        [5.0, 6.0, 0.0, 11.0, 40.5],
        [1.0] * 5,
    ]
)


class HalfPlane:
    """The places left of a line, as a mask."""

    def __init__(self, x):
        self.x = x

    def contains(self, x, y):
        return x < self.x * CELL

    def coverage(self, cells):
        columns = np.clip(self.x - np.arange(cells.ix0, cells.ix1), 0, 1)
        return np.tile(columns, (cells.height, 1)).astype(float)

    def is_empty(self, cells):
        return cells.ix0 >= self.x


def drawn(number=0, mask=None):
    return ReleasedProcess(stream_key("released", number), ReleasedSurface(AREA, 3, EXPECTED), mask)


def block_counts(points):
    column, row = (
        ((points.x >> CELL_BITS) - AREA.ix0) // 3,
        ((points.y >> CELL_BITS) - AREA.iy0) // 3,
    )
    return np.bincount(row * 5 + column, minlength=20).reshape(4, 5)


@pytest.mark.parametrize("mask", [None, HalfPlane(1.3)])
@pytest.mark.parametrize("cuts", [(1, 5), (2, 3, 11, 17)])
def test_any_tiling_gives_the_same_points_and_their_number_is_the_surfaces(mask, cuts):
    whole = drawn(mask=mask).points(AREA)
    if mask is None:
        assert len(whole) == drawn().total == round(EXPECTED.sum())
    around = AREA.grown(3)
    pairs = list(pairwise([0, *cuts, around.width]))
    tiles = [
        Cells(around.ix0 + a, around.iy0 + c, around.ix0 + b, around.iy0 + d)
        for a, b in pairs
        for c, d in pairs
    ]
    parts = [drawn(mask=mask).points(tile) for tile in reversed(tiles)]
    x, y, birth = (np.concatenate([part[i] for part in parts]) for i in range(3))
    for ours, one in zip(canonical(x, y, birth, around), whole, strict=True):
        np.testing.assert_array_equal(ours, one)


def digests():
    """BLAKE2b-128 of the example's points, without and with a mask."""
    found = []
    for mask in (None, HalfPlane(1.3)):
        summary = hashlib.blake2b(digest_size=16)
        for column in drawn(mask=mask).points(AREA):
            summary.update(column.astype(column.dtype.newbyteorder("<")).tobytes())
        found.append(summary.hexdigest())
    return found


STORED = {1: ["7ec3ac27096c0c99eb4b9b0c31fcc16b", "91f67884a77ce768c7cdabe276a91cd1"]}  # by version


def test_the_realisation_is_the_stored_one():  # without numba too: `test_stored_digests`
    assert digests() == STORED[ALGORITHM_VERSION]


def test_counts_follow_the_multinomial_law():
    """Each block's share, pairs of blocks, and the spread of each: 20 + 1 tests at 1e-6."""
    runs, total, p = 600, drawn().total, EXPECTED.ravel() / EXPECTED.sum()
    counts = np.array([block_counts(drawn(k).points(AREA)).ravel() for k in range(runs)])
    assert not counts[:, p == 0].any()
    some = p > 0
    summed = counts.sum(axis=0)
    assert stats.chisquare(summed[some], runs * total * p[some]).pvalue > ALPHA
    for at in np.flatnonzero(some):  # a binomial's index of dispersion, two-sided
        spread = ((counts[:, at] - total * p[at]) ** 2).sum() / (total * p[at] * (1 - p[at]))
        deviation = (spread - runs) / np.sqrt(runs * (2 + 1 / (total * p[at])))
        assert abs(deviation) < 7, at
    heavy = np.argsort(p)[-2:]
    expected = -total * p[heavy].prod()
    found = np.cov(counts[:, heavy].T)[0, 1]
    scale = np.prod(np.sqrt(total * p[heavy] * (1 - p[heavy]))) / np.sqrt(runs)
    assert abs(found - expected) < 6 * scale


@pytest.mark.parametrize(("n", "a", "b"), [(1, 1, 2), (7, 3, 5), (40, 1, 1), (300, 1, 10**12)])
def test_a_split_is_an_exact_binomial_draw(n, a, b):
    runs = 2000
    weights = np.array([[a, b]], np.int64)
    low = [SplitCounts(n, weights, stream_key("split", k)).over(0, 0, 1, 1) for k in range(runs)]
    found = np.bincount(np.concatenate(low).ravel(), minlength=n + 1)
    expected = runs * stats.binom.pmf(np.arange(n + 1), n, a / (a + b))
    many = expected > 10
    table = np.array([np.append(c[many], c[~many].sum()) for c in (found, expected)])
    table = table[:, table[1] > 1e-3]
    assert found.sum() == runs
    if table.shape[1] > 1:
        assert stats.chisquare(*table).pvalue > ALPHA
    else:
        assert found[0] == runs


def test_points_are_uniform_in_their_block_and_births_are_uniform():
    surface = ReleasedSurface(Cells(0, 0, 5, 5), 5, np.array([[40_000.0]]))
    points = ReleasedProcess(stream_key("uniform"), surface).points(Cells(0, 0, 5, 5))
    for values, span in ((points.x, 5 * CELL), (points.y, 5 * CELL), (points.birth, 2.0**64)):
        assert stats.kstest(values / span, "uniform").pvalue > ALPHA
    table = np.histogram2d(points.x, points.y, bins=8)[0]
    assert stats.chisquare(table.ravel()).pvalue > ALPHA
    assert stats.chisquare(np.bincount(points.x & 7)).pvalue > ALPHA  # down to the quanta


def test_a_masks_points_are_all_kept_and_uniform_on_the_part_inside():
    mask = HalfPlane(1.3)  # through the third column of blocks: 1.3 of its 3 cells
    points = drawn(mask=mask).points(AREA)
    inside = block_counts(points)[:, :3]
    np.testing.assert_array_equal(inside, block_counts(drawn().points(AREA))[:, :3])
    assert mask.contains(points.x, points.y).all()
    surface = ReleasedSurface(Cells(0, 0, 4, 4), 4, np.array([[20_000.0]]))
    x = ReleasedProcess(stream_key("m"), surface, mask).points(Cells(0, 0, 4, 4)).x
    assert x.size == 20_000
    assert stats.kstest(x / (1.3 * CELL), "uniform").pvalue > ALPHA


@pytest.mark.parametrize("mask", [None, HalfPlane(1.3)])
def test_retention_says_what_each_cell_expects(mask):
    whole = drawn(mask=mask)
    thinning = ByRelease(whole)
    retention, density = thinning.retention(AREA.grown(2)), whole.intensity(AREA)
    assert retention.max() == pytest.approx(1.0)
    np.testing.assert_allclose(retention[2:-2, 2:-2] * whole.law.intensity, density)
    blocks = density.reshape(4, 3, 5, 3).sum(axis=(1, 3))
    kept = slice(None) if mask is None else slice(0, 3)
    np.testing.assert_allclose(blocks[:, kept], EXPECTED[:, kept], rtol=1e-12)
    for cells in (AREA, Cells(-6, 9, 0, 18), Cells(-20, 0, -6, 5)):
        verdict = counts_match_the_process(
            len(drawn(mask=mask).points(cells)),
            whole.law,
            Retention.over(cells, thinning.retention(cells)),
        )
        assert verdict.passed


def test_an_empty_surface_has_no_points():
    surface = ReleasedSurface(Cells(0, 0, 4, 4), 2, np.zeros((2, 2)))
    empty = ReleasedProcess(stream_key("none"), surface)
    assert len(empty.points(Cells(0, 0, 4, 4))) == 0
    assert not ByRelease(empty).retention(Cells(0, 0, 4, 4)).any()


@pytest.mark.parametrize(
    ("side", "value", "found"),
    [(1, 65_000.0, "smaller `world.cell`"), (2048, 1.0, "larger `world.cell`")],
)
def test_what_the_lattice_cannot_hold_is_refused(side, value, found):
    surface = ReleasedSurface(Cells(0, 0, side, side), side, np.array([[value]]))
    with pytest.raises(SpecError, match=found):
        ReleasedProcess(stream_key("x"), surface)


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, "one of epsilon and rho"),
        ({"epsilon": "1", "rho": "0.5"}, "one of epsilon and rho"),
        ({"epsilon": "1", "strategy": "wavelet"}, "'strategy' = 'wavelet'"),
        ({"epsilon": "1", "points": 3}, "'points' is not known"),
    ],
)
def test_parameters_name_one_loss(parameters, found):
    from synthgrid_assets.processes.family import Family

    family = Family("released", ReleasedParameters, 1, lambda *_: None)
    with pytest.raises(SpecError, match=found):
        process("released", {"source": "visits", **parameters}, {"released": family})


@pytest.mark.parametrize(
    ("total", "weights"), [(-1, [[1]]), (1 << 40, [[1]]), (1, [[0, 0]]), (1, [[1 << 60, 1 << 60]])]
)
def test_shares_out_of_range_are_refused(total, weights):
    with pytest.raises(SpecError, match="cannot be shared out"):
        SplitCounts(total, np.array(weights, np.int64), stream_key("x"))
