"""The cascade: what a block gets is split, never made or lost, and Sierpinski's holes are empty."""

from fractions import Fraction

import numpy as np
import pytest

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.seeding import SPLIT, stream_key, words
from synthgrid_assets.processes.cascade import CascadeLaw, CascadeProcess
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.statistics.laws.moments import region_moments
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.region.totals import TileCounts, mean_variance_hold
from synthgrid_assets.statistics.tile.counts import tile_count
from synthgrid_assets_tests.processes.examples import example

SHARES = tuple(Fraction(n, 10) for n in (4, 3, 2, 1))
LEVELS = 5
SIDE = 1 << LEVELS


def first_block(key):
    """Cells of the block that holds cell (0, 0)."""
    x, y = (int(word) % SIDE for word in words(0, 0, 0, SPLIT, key)[:2])
    return Cells(-x, -y, SIDE - x, SIDE - y)


def sums(image):
    """Of the quarters of each 2 x 2 square, shape (n, 4)."""
    height, width = image.shape
    quarters = image.reshape(height // 2, 2, width // 2, 2).transpose(0, 2, 1, 3)
    return quarters.reshape(-1, 4)


@pytest.mark.parametrize("seed", range(5))
def test_the_cells_of_a_block_share_what_it_has_at_every_level(seed):
    """With so many points that each cell's count tells its intensity within a twentieth."""
    key = stream_key("shares", seed)
    # the poorest of 1,024 cells expects 12,600 * 0.4**5 = 129 points, 4.5 sd are 40 %
    pattern = CascadeProcess(key, Fraction(500), SHARES, 3).points(Cells(0, 0, 64, 64))
    counts, _, _ = np.histogram2d(
        pattern.y >> CELL_BITS, pattern.x >> CELL_BITS, bins=64, range=[[0, 64], [0, 64]]
    )
    x, y = (int(word) % 8 for word in words(0, 0, 0, SPLIT, key)[:2])
    blocks = counts[(8 - y) % 8 :, (8 - x) % 8 :][:56, :56]
    for _ in range(3):
        parts = sums(blocks)
        found = np.sort(parts / parts.sum(axis=1, keepdims=True), axis=1)
        error = 6 * np.sqrt(0.25 / parts.sum(axis=1, keepdims=True))
        assert (abs(found - [0.1, 0.2, 0.3, 0.4]) < error).all()
        blocks = parts.sum(axis=1).reshape(blocks.shape[0] // 2, -1)


def test_orders_of_a_share_are_all_as_likely():
    """Which quarter takes the largest share: chi-square with 3 degrees of freedom at 1e-6."""
    n, found = 2000, np.zeros(4)
    for seed in range(n):
        key = stream_key("orders", seed)
        pattern = CascadeProcess(key, Fraction(1), (Fraction(1), *[Fraction(0)] * 3), 1)
        x, y = (int(word) % 2 for word in words(0, 0, 0, SPLIT, key)[:2])
        cells = Cells(-x, -y, 2 - x, 2 - y)
        places = pattern.points(cells)
        if len(places):
            column, row = (places.x[0] >> CELL_BITS) + x, (places.y[0] >> CELL_BITS) + y
            assert (places.x >> CELL_BITS == column - x).all()
            found[2 * row + column] += 1
    expected = found.sum() / 4
    assert ((found - expected) ** 2 / expected).sum() < 30.7


def test_a_sierpinski_block_has_three_to_the_levels_of_its_cells():
    key = stream_key("holes")
    thirds = (Fraction(1, 3),) * 3 + (Fraction(0),)
    pattern = CascadeProcess(key, Fraction(40), thirds, LEVELS).points(first_block(key))
    occupied = np.unique(np.column_stack([pattern.x, pattern.y]) >> CELL_BITS, axis=0)
    # a cell that is not a hole expects 40 (4/3)**5 = 169 points
    assert len(occupied) == 3**LEVELS


def test_equal_shares_are_a_poisson_process():
    law = CascadeLaw(2.0, (0.25,) * 4, 4)
    np.testing.assert_allclose(law.pair_correlation(np.array([0.0, 0.5, 7.0])), 1.0)
    assert law.count_variance(5, 3) == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("shares", "found"),
    [
        ([0.5, 0.5, 0.1, 0.1], "sum to 1"),
        ([1.2, -0.2, 0.0, 0.0], "0 or more"),
        ([1.0], "at least 4"),
    ],
)
def test_shares_that_are_no_shares_are_refused(shares, found):
    parameters = {"points_per_km2": 9.0, "levels": 2, "shares": shares}
    with pytest.raises(SpecError, match=found):
        process("cascade", parameters)


def test_a_cell_that_would_hold_too_many_points_is_refused():
    parameters = {"points_per_km2": 500.0, "levels": 12, "shares": [1.0, 0.0, 0.0, 0.0]}
    with pytest.raises(SpecError, match=r"cascade: points_per_km2 \* \(4 max\(shares\)\)"):
        REGISTRY["cascade"].build(process("cascade", parameters), stream_key("x"), 64.0)


def test_healthy_worlds_whose_tiles_lie_alike_in_blocks_are_not_called_unhealthy():
    """Their spread is that of one place of the blocks, not the law's average over all places."""
    side, n, law = 4, 60, example("sierpinski").law
    window, region = Retention.full(side, side), region_moments(law, [np.ones((4, 240))] * n)
    unhealthy = []
    for replicate in range(6):
        x, y, _ = example("sierpinski", replicate).points(Cells(0, 0, side * n, side * n))
        tile = (y >> CELL_BITS) // side * n + (x >> CELL_BITS) // side
        counts = np.bincount(tile, minlength=n * n)
        records = {k: tile_count(int(k), law, window, 0.5) for k in np.unique(counts)}
        tiles = TileCounts.of(records[k] for k in counts)
        assert mean_variance_hold(tiles, region, alike=False).passed
        unhealthy.append(not mean_variance_hold(tiles, region).passed)
    assert any(unhealthy)
