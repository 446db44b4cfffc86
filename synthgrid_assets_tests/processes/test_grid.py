"""Grid and jittered grid: exactly one point in each stratum."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import dblquad

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.grid import (
    JitteredLaw,
    JitteredProcess,
    RegularLaw,
    RegularProcess,
)
from synthgrid_assets.processes.registry import process

CELLS = Cells(-2, 3, 10, 11)


@pytest.mark.parametrize("bad", [0, -4, 2, 8, 4**8, 4.0, True, "4"])
@pytest.mark.parametrize("name", ["grid", "jittered"])
def test_points_per_cell_that_make_no_square_strata_are_refused(name, bad):
    with pytest.raises(SpecError, match="'points_per_cell'"):
        process(name, {"points_per_cell": bad})


@pytest.mark.parametrize("law", [RegularLaw, JitteredLaw])
@pytest.mark.parametrize("bad", [0.0, 2.0, 5.0, 0.25])
def test_a_law_of_no_square_strata_is_refused(law, bad):
    with pytest.raises(SpecError, match="power of 4"):
        law(bad)


@pytest.mark.parametrize("make", [RegularProcess, JitteredProcess])
@pytest.mark.parametrize("number", [1, 4, 64])
def test_each_stratum_holds_exactly_one_point(make, number):
    x, y, _ = make(stream_key("strata"), number).points(CELLS)
    side = CELL // math.isqrt(number)
    strata = np.unique(np.column_stack([x // side, y // side]), axis=0)
    assert len(strata) == x.size == number * CELLS.area


def test_a_grid_is_square():
    x, y, _ = RegularProcess(stream_key("grid"), 16).points(CELLS)
    assert set(np.unique(x % (CELL // 4))) == set(np.unique(y % (CELL // 4))) == {CELL // 8}


def test_jitter_is_uniform_in_the_stratum():
    """Kolmogorov-Smirnov at 1e-6 on each axis."""
    x, y, _ = JitteredProcess(stream_key("jitter"), 16).points(Cells(0, 0, 40, 40))
    side = CELL // 4
    for place in (x, y):
        assert stats.kstest(place % side / side, "uniform").pvalue > 1e-6


@pytest.mark.parametrize("s", [0.0, 0.3, 0.9, 1.0, 1.2, 1.5])
def test_jittered_pairs_avoid_their_own_stratum(s):
    """g is 1 minus the share of directions and places in which a pair shares a stratum."""
    angles = (np.arange(20_000) + 0.5) * math.pi / 40_000
    shared = np.maximum(1 - s * np.cos(angles), 0) * np.maximum(1 - s * np.sin(angles), 0)
    ours = JitteredLaw(4.0).pair_correlation(np.array([s / 2]))[0]
    assert math.isclose(ours, 1 - shared.mean(), abs_tol=1e-6)


def test_the_jittered_k_falls_short_by_one_stratum():
    law = JitteredLaw(16.0)
    far = np.array([0.5, 2.0])
    np.testing.assert_allclose(law.k_function(far), math.pi * far**2 - 1 / 16, rtol=1e-9)
    near = dblquad(
        lambda y, x: 1 - (1 - x) * (1 - y), 0, 0.5, 0, lambda x: math.sqrt(0.25 - x * x)
    )[0]
    ours = law.k_function(np.array([0.125]))[0]
    assert math.isclose(ours, 4 * near / 16, rel_tol=1e-8)


@pytest.mark.parametrize(("width", "height"), [(0.25, 0.25), (0.3, 1.0), (1.7, 0.6)])
def test_counts_of_cut_strata_have_the_binomial_variance(width, height):
    """2,000 twins; each bound is missed with probability below 1e-6."""
    law, counts = JitteredLaw(4.0), []
    for twin in range(2000):
        x, y, _ = JitteredProcess(stream_key("cut", twin), 4).points(Cells(0, 0, 2, 2))
        counts.append(np.count_nonzero((x < width * CELL) & (y < height * CELL)))
    mean, variance = 4 * width * height, law.count_variance(width, height)
    assert abs(np.mean(counts) - mean) < 5 * math.sqrt(variance / 2000)
    squares = (np.array(counts) - mean) ** 2
    assert abs(squares.mean() - variance) < 5 * squares.std() / math.sqrt(2000)
