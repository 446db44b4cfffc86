"""The Poisson process: exact counts, uniform places, cells that know nothing of each other."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.poisson import PoissonLaw, PoissonProcess

SIDE = 100
MEAN = Fraction(7, 2)


@pytest.fixture(scope="module")
def pattern():
    return PoissonProcess(stream_key("test", "poisson"), MEAN).points(Cells(0, 0, SIDE, SIDE))


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_an_intensity_that_is_not_positive_is_refused(bad):
    with pytest.raises(SpecError, match="intensity must be a positive number"):
        PoissonLaw(bad)


def test_cell_counts_are_poisson(pattern):
    """Chi-square of 10,000 cells against SciPy's law; false alarm 1e-6."""
    cell = (pattern.y >> CELL_BITS) * SIDE + (pattern.x >> CELL_BITS)
    counts = np.bincount(cell, minlength=SIDE**2)
    observed = np.bincount(np.minimum(counts, 10), minlength=11)
    expected = stats.poisson.pmf(np.arange(11), float(MEAN)) * SIDE**2
    expected[10] = SIDE**2 - expected[:10].sum()
    assert stats.chisquare(observed, expected).pvalue > 1e-6


@pytest.mark.parametrize("axis", ["x", "y"])
def test_places_are_uniform_in_their_cell(pattern, axis):
    """Kolmogorov-Smirnov at 1e-6, for the whole cell and for the low bits alone."""
    place = getattr(pattern, axis) & (CELL - 1)
    assert stats.kstest(place / CELL, "uniform").pvalue > 1e-6
    assert stats.kstest((place & 0xFFF) / 0x1000, "uniform").pvalue > 1e-6


def test_coordinates_and_births_are_uncorrelated(pattern):
    """Spearman at 1e-6: no word serves two uses."""
    x, y = pattern.x & (CELL - 1), pattern.y & (CELL - 1)
    for a, b in [(x, y), (x, pattern.birth), (y, pattern.birth)]:
        assert stats.spearmanr(a, b).pvalue > 1e-6


def test_a_cell_of_many_points_is_sorted():
    x, y, _ = PoissonProcess(stream_key("dense"), Fraction(20_000)).points(Cells(-1, 2, 0, 3))
    assert 19_000 < x.size < 21_000
    assert (np.diff(x) >= 0).all()
    assert ((x >> CELL_BITS == -1) & (y >> CELL_BITS == 2)).all()


def test_the_count_distribution_has_the_moments_of_the_law():
    law = PoissonLaw(3.5)
    pmf = law.count_pmf(4, 5)
    n = np.arange(pmf.size)
    assert abs(pmf.sum() - 1) < 1e-12
    assert abs((n * pmf).sum() - 70) < 1e-9
    assert abs((n * n * pmf).sum() - 70**2 - law.count_variance(4, 5)) < 1e-6
