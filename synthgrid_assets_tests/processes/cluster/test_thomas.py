"""The Thomas process: the whole Gaussian, wide reach, closed forms that agree."""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import dblquad

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.cluster import thomas
from synthgrid_assets.processes.cluster.parents import Parents
from synthgrid_assets.processes.cluster.thomas import CORE, ThomasLaw, ThomasProcess

SIGMA = 1e6  # quanta


@pytest.mark.parametrize("name", ["kappa", "mu", "sigma"])
@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_parameter_that_is_not_positive_is_refused_by_name(name, bad):
    with pytest.raises(SpecError, match=f"{name} must be a positive number"):
        ThomasLaw(**{"kappa": 1.0, "mu": 1.0, "sigma": 1.0, name: bad})


@functools.cache
def offspring():
    """Displacements in sigmas of 40,000 offspring of the core and as many of the tail."""
    n, place = 40_000, np.array([[3], [-5], [1], [7 * CELL], [-CELL]])
    parent = Parents(*place, np.array([n]), np.array([n]))
    x, y, birth = thomas.offspring(
        parent, stream_key("offspring"), float(SIGMA), thomas.tail_mass()[0]
    )
    assert np.unique(birth).size == 2 * n
    xy = np.column_stack([x - 7 * CELL, y + CELL]) / SIGMA
    return {"core": xy[:n], "tail": xy[n:]}


@pytest.mark.parametrize("part", ["core", "tail"])
def test_core_and_tail_are_the_two_parts_of_one_gaussian(part):
    """Half the squared length is exponential, cut at CORE; the angle uniform. KS at 1e-6."""
    xy = offspring()[part]
    half_square = CORE**2 / 2
    law = stats.truncexpon(b=half_square) if part == "core" else stats.expon(loc=half_square)
    assert stats.kstest((xy**2).sum(axis=1) / 2, law.cdf).pvalue > 1e-6
    angle = np.arctan2(xy[:, 1], xy[:, 0]) / (2 * math.pi) + 0.5
    assert stats.kstest(angle, "uniform").pvalue > 1e-6


def test_the_tail_has_the_mass_beyond_the_core():
    word, tail = thomas.tail_mass()
    assert tail == Fraction(int(word), 2**64)
    assert math.isclose(tail, stats.chi2.sf(CORE**2, 2), rel_tol=1e-12)


def test_points_of_parents_far_outside_the_window_are_not_lost():
    """A sigma of many cells: the mean of small windows, within 5 standard errors (1e-6)."""
    sigma, counts = 3 * CELL, []
    law = ThomasLaw(0.5, 8.0, 3.0)
    for twin in range(300):
        process = ThomasProcess(stream_key("wide", twin), Fraction(1, 2), Fraction(8), sigma)
        counts.append(len(process.points(Cells(7, -9, 9, -7))))
    error = math.sqrt(law.count_variance(2, 2) / 300)
    assert abs(np.mean(counts) - law.intensity * 4) < 5 * error


@pytest.mark.parametrize(("sigma", "lag"), [(0.2, (0, 0)), (0.7, (1, 0)), (0.7, (2, -1))])
def test_the_cell_covariance_is_the_integral_of_the_pair_correlation(sigma, lag):
    law = ThomasLaw(0.5, 8.0, sigma)

    def integrand(dy, dx):
        g = law.pair_correlation(np.array([math.hypot(dx, dy)]))[0]
        return (g - 1) * (1 - abs(dx - lag[0])) * (1 - abs(dy - lag[1]))

    parts = [
        dblquad(integrand, lag[0] + a, lag[0] + a + 1, lag[1] + b, lag[1] + b + 1)[0]
        for a in (-1, 0)
        for b in (-1, 0)
    ]
    ours = law.cell_covariance(2)[2 + lag[1], 2 + lag[0]]
    assert math.isclose(ours, law.intensity**2 * sum(parts), rel_tol=1e-9)
