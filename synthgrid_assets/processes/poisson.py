"""Homogeneous Poisson process: complete spatial randomness.

Belongs here: the law and the sampler, and the candidates that other processes thin.
Not here: thinning by a surface, marks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import poisson

from synthgrid_assets.errors import SpecError
from synthgrid_assets.processes.family import Parameters, check_density, per_cell
from synthgrid_assets.world.exact_math import poisson_table
from synthgrid_assets.world.lattice import CELL_BITS, Cells
from synthgrid_assets.world.pattern import PointPattern, sort_points
from synthgrid_assets.world.seeding import POINT, Key, lookup, words

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

    def __post_init__(self) -> None:
        if not (math.isfinite(self.intensity) and self.intensity > 0):
            raise SpecError(f"poisson: intensity must be a positive number, got {self.intensity!r}")

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
        pmf: NDArray[np.float64] = poisson.pmf(np.arange(int(poisson.isf(1e-16, mean)) + 2), mean)
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
        Stream key of the layer's process (`world.seeding.stream_key`).
    points_per_cell : Fraction
        Exact mean, so that the inversion table is the same on every machine.

    Examples
    --------
    >>> from synthgrid_assets.world.seeding import stream_key
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
        offsets = cell_offsets(cells, self._key, self._table)
        return PointPattern(*scatter(cells, self._key, offsets))


def build(parameters: PoissonParameters, key: Key, cell_metres: float) -> PoissonProcess:
    """The process that `parameters` describe, on cells of `cell_metres`."""
    mean = per_cell(parameters.points_per_km2, cell_metres)
    check_density("poisson", "points_per_km2", mean)
    return PoissonProcess(key, mean)


@njit(cache=True)
def cell_offsets(cells, key, table):
    """Where each cell's points start in canonical order, shape (cells + 1,)."""
    offsets = np.zeros((cells.ix1 - cells.ix0) * (cells.iy1 - cells.iy0) + 1, np.int64)
    c = 0
    for iy in range(cells.iy0, cells.iy1):
        for ix in range(cells.ix0, cells.ix1):
            offsets[c + 1] = offsets[c] + lookup(table, words(0, ix, iy, POINT, key)[0])
            c += 1
    return offsets


@njit(cache=True)
def scatter(cells, key, offsets):
    """The points whose numbers per cell `offsets` give: columns x, y, birth in order."""
    shift = np.uint64(64 - CELL_BITS)
    x = np.empty(offsets[-1], np.int64)
    y = np.empty(offsets[-1], np.int64)
    birth = np.empty(offsets[-1], np.uint64)
    c = 0
    for iy in range(cells.iy0, cells.iy1):
        for ix in range(cells.ix0, cells.ix1):
            for i in range(offsets[c], offsets[c + 1]):
                wx, wy, ident, _ = words(i - offsets[c] + 1, ix, iy, POINT, key)
                x[i] = (ix << CELL_BITS) | np.int64(wx >> shift)
                y[i] = (iy << CELL_BITS) | np.int64(wy >> shift)
                birth[i] = ident
            sort_points(x, y, birth, offsets[c], offsets[c + 1])
            c += 1
    return x, y, birth
