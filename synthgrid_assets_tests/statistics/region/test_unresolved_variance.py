"""Retention that varies inside cells: the variance that cell means lose has a bound."""

from fractions import Fraction

import numpy as np
import pytest

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.poisson import PoissonLaw, PoissonProcess
from synthgrid_assets.processes.superposition import SuperpositionLaw
from synthgrid_assets.processes.thinning.proximity import ByProximity, LayerTargets
from synthgrid_assets.processes.thinning.thinned import ThinnedProcess
from synthgrid_assets.statistics.laws.moments import count_moments, unresolved_variance
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets_tests.processes.examples import example

HALF = Retention(np.tile([1.0, 0.0], (8, 4)), 2)


def test_nothing_is_lost_where_retention_is_constant_in_cells_or_points_are_independent():
    law = ThomasLaw(0.5, 8.0, 0.7)
    assert unresolved_variance(law, Retention.full(4, 4)) == 0
    assert unresolved_variance(law, Retention(np.full((8, 8), 0.3), 2)) == pytest.approx(0)
    assert unresolved_variance(PoissonLaw(9.0), HALF) == 0
    assert unresolved_variance(example("matern_ii").law, HALF) == 0


def test_the_bound_is_reached_by_clusters_finer_than_the_pixels():
    """Clusters that are points: the whole brood stays or goes, so the variance is exact."""
    law = ThomasLaw(0.5, 8.0, 1e-3)
    moments = count_moments(law, HALF)
    exact = moments.mean * (1 + 8.0)
    assert moments.variance + unresolved_variance(law, HALF) == pytest.approx(exact, rel=0.01)
    assert moments.variance < 0.7 * exact


def test_a_superposition_adds_its_members_bounds():
    law = ThomasLaw(0.5, 8.0, 0.2)
    both = SuperpositionLaw((law, PoissonLaw(3.0)))
    assert unresolved_variance(both, HALF) == unresolved_variance(law, HALF) > 0


@pytest.mark.parametrize("name", ["thomas", "matern_cluster", "lgcp"])
def test_the_bound_covers_counts_near_points_closer_than_a_cell(name):
    """400 windows; the mean square stays below its bound by chance less than 1e-6."""
    stations = PoissonProcess(stream_key("stations", name), Fraction(1, 3))
    near = ByProximity(LayerTargets(stations), within=CELL // 2)
    layer = ThinnedProcess(example(name), (near,))
    squares = []
    for i in range(400):
        cells = Cells(20 * i - 4000, 7, 20 * i - 3992, 15)
        retention = Retention.over(cells, layer.retention(cells))
        moments = count_moments(layer.law, retention)
        bound = moments.variance + unresolved_variance(layer.law, retention)
        squares.append((len(layer.points(cells)) - moments.mean) ** 2 / bound)
    squares = np.array(squares)
    assert squares.mean() < 1 + 5.5 * squares.std() / 20
    assert squares.mean() > 0.3  # a bound, and still one that can fail
