"""Areas and numbers of neighbours of Voronoi cells against the law of a Poisson layer's.

Belongs here: the exact moments of the typical Poisson-Voronoi cell, and the region's test
against them. Not here: cells themselves (`tessellation`), reading them
(`reports.tile_joins`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, ndtr

from synthgrid_assets.statistics.multiple_testing import bonferroni
from synthgrid_assets.statistics.region.totals import REGION_ALPHA
from synthgrid_assets.verdict import Verdict

TEST = "cell_areas_follow_the_law"
SQUARE_AREA = 1.2801760409  # mean square area of the typical cell of unit intensity
DEGREE_VARIANCE = 1.7808116990  # variance of its number of neighbours, whose mean is 6
NO_SKEW = 1.6e-5  # below, the gamma law is the normal one in all digits
FEWEST_CELLS = 2000.0  # expected; the sums of fewer are further from normal than allowed for


@dataclass(frozen=True)
class _Score:
    """A score of cells whose mean is zero under the law, and how its sums vary.

    Parameters
    ----------
    name : str
    law : float
        The moment that the score compares with.
    variance, skewness : float
        Of the sum over n cells, divided by n and by the root of 1 / n. Measured on 7,500
        regions of 2,304 and 9,216 cells, and rounded up by twice their standard error.
    """

    name: str
    law: float
    variance: float
    skewness: float


_SCORES = (
    _Score("mean square area", SQUARE_AREA, 0.39, 10.0),
    _Score("variance of the number of neighbours", DEGREE_VARIANCE, 7.1, 5.0),
)


class CellAreas:
    """Sums of scores over a region's cells, and their test against the Poisson-Voronoi law.

    Parameters
    ----------
    intensity : float
        Sites per atom cell.

    Attributes
    ----------
    sites : int
        Cells that were added.

    Notes
    -----
    Let `a` be the area of a cell times the intensity, `n` its number of neighbours, c and v
    the two constants above. The scores are ``a**2 - 2 c a + c`` and ``(n - 6)**2 - v``. The
    typical cell has mean area 1, so both have mean zero; by Campbell's formula their sum
    over the sites in any set then has mean zero exactly: no cell is cut, no edge corrected.
    The linear term makes the first insensitive to the number of sites, which other tests
    judge.

    c is a double integral over two discs through the origin (Gilbert 1962, Random
    subdivisions of space into crystals, Ann. Math. Statist. 33), and so is v (Brakke 2005,
    Statistics of random plane Voronoi tessellations); a test evaluates both. The gamma laws
    in use for the distribution of areas are fits, too coarse to test against.

    Examples
    --------
    >>> areas, rng = CellAreas(4.0), np.random.default_rng(1)
    >>> areas.add(1000, rng.exponential(0.25, 4000), np.full(4000, 6))  # of no point process
    >>> areas.verdict().passed
    False
    """

    def __init__(self, intensity: float) -> None:
        self._intensity = intensity
        self._expected = 0.0
        self._sums = np.zeros(len(_SCORES))
        self.sites = 0

    def add(self, size: int, areas: NDArray[np.float64], neighbours: NDArray[np.int64]) -> None:
        """Add the cells of the sites of one tile.

        Parameters
        ----------
        size : int
            Atom cells in the tile.
        areas : ndarray of float64, shape (n,)
            In atom cells.
        neighbours : ndarray of int64, shape (n,)
            Number of neighbours of each.
        """
        a = self._intensity * areas
        self._expected += self._intensity * size
        self._sums[0] += float((a * a - 2 * SQUARE_AREA * a + SQUARE_AREA).sum())
        self._sums[1] += float(((neighbours - 6.0) ** 2 - DEGREE_VARIANCE).sum())
        self.sites += areas.size

    def verdict(self, alpha: float = REGION_ALPHA) -> Verdict:
        """The region's cells have the second moments of Poisson-Voronoi cells.

        Parameters
        ----------
        alpha : float
            Bound of the probability that a healthy region fails.

        Returns
        -------
        Verdict
            Null hypothesis: a homogeneous Poisson process of the intensity. Each sum is
            judged by the larger of its normal and its skewed tail (Pearson's type III);
            Bonferroni over the two. ``observed`` and ``expected`` are of the worse one,
            per cell.
        """
        if self._expected < FEWEST_CELLS:
            return Verdict.not_judged(TEST, f"{self.sites} cells, too few to be compared")
        n = self._expected
        errors = [math.sqrt(score.variance / n) for score in _SCORES]
        p_values = [
            _p_value(float(total) / n / error, score.skewness / math.sqrt(n))
            for total, error, score in zip(self._sums, errors, _SCORES, strict=True)
        ]
        worst = int(np.argmin(p_values))
        score, found = _SCORES[worst], _SCORES[worst].law + float(self._sums[worst]) / n
        return Verdict.significance(
            TEST,
            bonferroni(p_values),
            observed=found,
            expected=score.law,
            standard_error=errors[worst],
            alpha=alpha,
            detail=(
                f"{score.name} of {self.sites} cells, at unit intensity: {found:.4f}, "
                f"{score.law:.4f} +- {errors[worst]:.2g} expected"
            ),
        )


def _p_value(score: float, skewness: float) -> float:
    """Two-sided p-value of a standardised sum, by the normal law and by Pearson's type III."""
    return min(1.0, 2 * max(float(ndtr(-abs(score))), _gamma_tail(score, skewness)))


def _gamma_tail(score: float, skewness: float) -> float:
    """The smaller tail of a shifted gamma variable of mean 0, variance 1 and some skewness."""
    if abs(skewness) < NO_SKEW:
        return float(ndtr(-abs(score)))
    shape = 4 / skewness**2
    at = max(shape + 2 / skewness * score, 0.0)
    return min(float(gammainc(shape, at)), float(gammaincc(shape, at)))
