"""The hierarchical Thomas process: sizes by Pareto's law, and limits that are Thomas processes."""

from fractions import Fraction

import numpy as np
import pytest

from synthgrid_assets.errors import SpecError
from synthgrid_assets.processes.cluster.hierarchical_thomas import HierarchicalThomasLaw
from synthgrid_assets.processes.cluster.size_classes import SizeClasses
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.registry import process

RADII = np.array([0.0, 0.3, 1.0, 4.0])
PARAMETERS = {
    "parents_per_km2": 4.0,
    "mean_clusters": 5.0,
    "spread": 90.0,
    "mean_offspring": 6.0,
    "sigma": 20.0,
}


@pytest.mark.parametrize(("pareto", "doublings"), [(0.5, 1), (1.0, 6), (2.5, 12)])
def test_sizes_have_mean_1_and_fall_by_paretos_law(pareto, doublings):
    classes = SizeClasses(pareto, doublings)
    assert sum(classes.chances) == 1
    assert sum(p * s for p, s in zip(classes.chances, classes.sizes, strict=True)) == 1
    squares = sum(p * s * s for p, s in zip(classes.chances, classes.sizes, strict=True))
    assert classes.second_moment == squares >= 1
    falls = np.diff(np.log2([float(chance) for chance in classes.chances]))
    np.testing.assert_allclose(falls, -pareto, rtol=1e-9)


def test_without_doublings_all_sizes_are_1():
    assert SizeClasses(1.0, 0).sizes == (Fraction(1),)


def test_a_spread_far_beyond_all_distances_leaves_a_thomas_process():
    law = HierarchicalThomasLaw(0.01, 50.0, 4.0, 1e6, 0.5)
    thomas = ThomasLaw(0.5, 4.0, 0.5)
    np.testing.assert_allclose(law.pair_correlation(RADII), thomas.pair_correlation(RADII))
    np.testing.assert_allclose(law.k_function(RADII), thomas.k_function(RADII))


def test_clusters_of_hardly_any_point_leave_the_centres_own_thomas_process():
    law = HierarchicalThomasLaw(0.2, 4e6, 1e-6, 0.6, 0.8)
    thomas = ThomasLaw(0.2, 4.0, 1.0)
    np.testing.assert_allclose(law.k_function(RADII), thomas.k_function(RADII), rtol=1e-5)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"pareto": 1.2}, "needs `doublings`"),
        ({"doublings": 13}, "doublings"),
        ({"spread": 0.0}, "spread"),
    ],
)
def test_parameters_that_say_nothing_are_refused(changed, found):
    with pytest.raises(SpecError, match=found):
        process("hierarchical_thomas", PARAMETERS | changed)
