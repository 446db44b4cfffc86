"""Homogeneous Poisson process: complete spatial randomness.

Belongs here: the law and the sampler, and the candidates that other processes thin.
Not here: thinning by a surface, marks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import Field

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.exact_math import poisson_table
from synthgrid_assets.lattice.pattern import PointPattern, canonical
from synthgrid_assets.lattice.seeding import POINT, Key, lookup, words
from synthgrid_assets.processes.count_models import CountModel, PoissonModel
from synthgrid_assets.processes.family import Parameters, check_density, check_positive, per_cell

ALGORITHM_VERSION = 1


class PoissonParameters(Parameters):
    """What a world file says of a Poisson process."""

    points_per_km2: float = Field(gt=0, description="expected points per square kilometre")


@dataclass(frozen=True)
class PoissonLaw:
    """The law of a homogeneous Poisson process; lengths in any one unit.

    Parameters
    ----------
    intensity : float
        Expected points per unit area, > 0.

    Notes
    -----
    Illian et al. (2008), Statistical Analysis and Modelling of Spatial Point Patterns,
    section 2.3.

    Examples
    --------
    >>> PoissonLaw(4.0).count_variance(2.0, 3.0)
    24.0
    """

    intensity: float
    correlation_cells: int = 0
    count_model: ClassVar[CountModel] = PoissonModel()
    hard_core: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        check_positive("poisson", intensity=self.intensity)

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`: 1 everywhere."""
        return np.ones_like(np.asarray(r, float))

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r), shape of `r`, in unit area."""
        return math.pi * np.asarray(r, float) ** 2

    def empty_space(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """F(r), shape of `r`: probability of a point within r of a fixed place."""
        return np.asarray(-np.expm1(-self.intensity * self.k_function(r)))

    def nearest_neighbour(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """G(r), shape of `r`: as F, by Slivnyak's theorem."""
        return self.empty_space(r)

    def count_variance(self, width: float, height: float) -> float:
        """Variance of the number of points in a `width` x `height` rectangle."""
        return self.intensity * width * height

    def count_pmf(self, width: float, height: float) -> NDArray[np.float64]:
        """Probability of 0, 1, 2 ... points in a rectangle, shape (n,); the rest is < 1e-15."""
        mean = self.intensity * width * height
        pmf: NDArray[np.float64] = scipy.stats.poisson.pmf(
            np.arange(int(scipy.stats.poisson.isf(1e-16, mean)) + 2), mean
        )
        return pmf

    def cell_covariance(self, lags: int) -> NDArray[np.float64]:
        """Zeros, shape (2 lags + 1, 2 lags + 1): disjoint cells are independent."""
        return np.zeros((2 * lags + 1, 2 * lags + 1))


class PoissonProcess:
    """Samples a homogeneous Poisson process, any rectangle of atom cells at a time.

    Each cell draws its count by inversion of an exact table and its points uniformly on
    the cell's quanta, so cells are independent and the reach is 0.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key of the layer's process (`lattice.seeding.stream_key`).
    points_per_cell : Fraction
        Exact mean, so that the inversion table is the same on every machine.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> process = PoissonProcess(stream_key("doctest"), Fraction(3))
    >>> len(process.points(Cells(0, 0, 10, 10)))
    285
    """

    reach = 0

    def __init__(self, key: Key, points_per_cell: Fraction) -> None:
        self.law = PoissonLaw(float(points_per_cell))
        self._key = key
        self._table = poisson_table(points_per_cell)

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order."""
        return candidates(cells, self._key, self._table)


def build(parameters: PoissonParameters, key: Key, cell_metres: float) -> PoissonProcess:
    """The process that `parameters` describe, on cells of `cell_metres`."""
    mean = per_cell(parameters.points_per_km2, cell_metres)
    check_density("poisson", "points_per_km2", mean)
    return PoissonProcess(key, mean)


def candidates(cells: Cells, key: Key, table: NDArray[np.uint64]) -> PointPattern:
    """Poisson points of a rectangle of cells in canonical order, for this and other processes.

    Parameters
    ----------
    cells : Cells
        The rectangle.
    key : tuple of two uint64
        Stream key.
    table : ndarray of uint64
        Inversion table of the number of points in a cell.
    """
    x, y, birth = scatter(cells, key, _counts(cells, key, table))
    return canonical(x, y, birth, cells)


@njit(cache=True)
def _counts(cells, key, table):
    """Points of each cell, row by row."""
    counts = np.empty((cells.ix1 - cells.ix0) * (cells.iy1 - cells.iy0), np.int64)
    c = 0
    for iy in range(cells.iy0, cells.iy1):
        for ix in range(cells.ix0, cells.ix1):
            counts[c] = lookup(table, words(0, ix, iy, POINT, key)[0])
            c += 1
    return counts


@njit(cache=True)
def scatter(cells, key, counts):
    """Columns x, y, birth of `counts` points uniform in each cell, row by row of cells."""
    shift, n = np.uint64(64 - CELL_BITS), counts.sum()
    x, y, birth = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.uint64)
    i, c = 0, 0
    for iy in range(cells.iy0, cells.iy1):
        for ix in range(cells.ix0, cells.ix1):
            for number in range(counts[c]):
                wx, wy, birth[i], _ = words(number + 1, ix, iy, POINT, key)
                x[i] = (ix << CELL_BITS) | np.int64(wx >> shift)
                y[i] = (iy << CELL_BITS) | np.int64(wy >> shift)
                i += 1
            c += 1
    return x, y, birth
