"""Quadrats: a partition, a valid p-value, and holes that show."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.count_models import BoundedModel
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.statistics.laws.count_distribution import count_distribution, two_sided
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.tile.quadrats import Quadrats, quadrats_follow_the_surface
from synthgrid_assets_tests.processes.examples import PARAMETERS, example


def cell_counts(points, cells):
    at = ((points.y >> CELL_BITS) - cells.iy0) * cells.width + (points.x >> CELL_BITS) - cells.ix0
    return np.bincount(at, minlength=cells.area).reshape(cells.height, cells.width)


def test_counts_of_another_tile_are_refused():
    with pytest.raises(GeometryError, match="do not cover the same tile"):
        quadrats_follow_the_surface(np.ones((3, 4), int), PoissonLaw(1.0), Retention.full(3, 4))


@given(side=st.integers(1, 30), width=st.integers(1, 40), height=st.integers(1, 40))
def test_quadrats_cover_every_cell_once(side, width, height):
    quadrats = Quadrats.of_side(side, width, height)
    covered = np.zeros((height, width), int)
    for row in range(quadrats.rows.size - 1):
        for column in range(quadrats.columns.size - 1):
            ix0, iy0, ix1, iy1 = quadrats.cells(row, column)
            covered[iy0:iy1, ix0:ix1] += 1
            assert min(ix1 - ix0, width) >= min(side, width)
            assert min(iy1 - iy0, height) >= min(side, height)
    assert (covered == 1).all()
    grid = np.arange(width * height).reshape(height, width)
    assert quadrats.sums(grid).sum() == grid.sum()
    assert quadrats.areas().sum() == width * height


@pytest.mark.parametrize("name", sorted(set(PARAMETERS) & set(REGISTRY)))
def test_healthy_tiles_of_every_process_are_green(name):
    process, window = example(name), Retention.full(24, 24)
    for column in range(4):
        cells = Cells(24 * column, 0, 24 * column + 24, 24)
        counts = cell_counts(process.points(cells), cells)
        assert quadrats_follow_the_surface(counts, process.law, window).passed


@pytest.mark.parametrize(
    "law", [PoissonLaw(3.0), ThomasLaw(0.5, 6.0, 0.7)], ids=["poisson", "thomas"]
)
def test_a_quadrat_without_points_is_red_where_a_surface_leaves_enough(law):
    rows, columns = np.indices((48 * 2, 48 * 2)) / 96
    retention = Retention(0.3 + 0.7 * rows * (1 - columns), 2)
    rng = np.random.default_rng(4)
    counts = rng.poisson(law.intensity * retention.by_cell)
    assert quadrats_follow_the_surface(counts, law, retention).passed
    counts[36:, :12] = 0
    verdict = quadrats_follow_the_surface(counts, law, retention)
    assert not verdict.passed
    assert verdict.observed < verdict.expected / 2


def test_the_p_value_is_that_of_the_worst_quadrat_times_their_number():
    law, window = ThomasLaw(2.0, 2.0, 0.3), Retention.full(24, 24)
    counts = np.full((24, 24), 4)
    counts[:8, :8] = 15
    verdict = quadrats_follow_the_surface(counts, law, window)
    (ix0, iy0, ix1, iy1) = map(int, verdict.detail.split("(")[1].split(")")[0].split(","))
    number = int(verdict.detail.split()[2])
    part = count_distribution(law, Retention.full(ix1 - ix0, iy1 - iy0))
    alone = float(two_sided(part, int(verdict.observed)))
    assert verdict.p_value == pytest.approx(number * alone)


def test_p_values_are_conservative():
    """400 healthy tiles: 5 % or fewer below 0.05, with probability 1e-6 of chance excess."""
    law, window = PoissonLaw(2.0), Retention(np.linspace(0.2, 1.0, 144).reshape(12, 12))
    rng = np.random.default_rng(6)
    low = sum(
        quadrats_follow_the_surface(rng.poisson(2.0 * window.probability), law, window).p_value
        < 0.05
        for _ in range(400)
    )
    assert low <= 44  # binomial(400, 0.05) exceeds it with probability 6e-7


def test_without_a_known_law_the_bounds_of_its_intensity_decide():
    class GibbsLaw:
        intensity = math.nan
        count_model = BoundedModel(3.0, 4.0)

    window = Retention.full(12, 12)
    counts = np.full((12, 12), 3)
    assert quadrats_follow_the_surface(counts, GibbsLaw(), window).passed
    counts[:6, :6] = 0
    assert not quadrats_follow_the_surface(counts, GibbsLaw(), window).passed
