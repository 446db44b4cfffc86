"""Matern cluster process: Poisson parents, each with offspring uniform in a disc.

Belongs here: the law and the sampler of this one process. Not here: other cluster
shapes (`thomas`), what all clusters share (`parents`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.exact_math import poisson_table
from synthgrid_assets.lattice.pattern import PointPattern, canonical, inside
from synthgrid_assets.lattice.seeding import OFFSPRING, Key, words
from synthgrid_assets.processes.cluster.brood import ClusterLaw, ClusterParameters, check_clusters
from synthgrid_assets.processes.cluster.generating_function import count_pmf
from synthgrid_assets.processes.cluster.parents import parents_within
from synthgrid_assets.processes.count_models import DiscClusters
from synthgrid_assets.processes.distances import cluster_distances, lens_of_two
from synthgrid_assets.processes.family import check_positive, quanta
from synthgrid_assets.processes.isotropic import IsotropicLaw, lens

ALGORITHM_VERSION = 1


class MaternClusterParameters(ClusterParameters):
    """What a world file says of a Matern cluster process."""

    radius: float = Field(gt=0, description="radius of a cluster's disc, metres")


@dataclass(frozen=True)
class MaternClusterLaw(ClusterLaw, IsotropicLaw):
    """The law of a stationary Matern cluster process; lengths in any one unit.

    Parameters
    ----------
    kappa : float
        Parents per unit area, > 0.
    mu : float
        Mean number of offspring per parent, > 0.
    radius : float
        Radius of a cluster, > 0.

    Notes
    -----
    The law is spatstat's ``rMatClust``; Illian et al. (2008), section 6.3.

    Examples
    --------
    >>> law = MaternClusterLaw(kappa=0.5, mu=8.0, radius=1.0)
    >>> law.pair_correlation(np.array([0.0, 2.0])).round(4).tolist()
    [1.6366, 1.0]
    """

    radius: float

    def __post_init__(self) -> None:
        check_positive("matern_cluster", kappa=self.kappa, mu=self.mu, radius=self.radius)

    @property
    def count_model(self) -> DiscClusters:
        """Its own three numbers."""
        return DiscClusters(self.kappa, self.mu, self.radius)

    @property
    def kinks(self) -> tuple[float, ...]:
        """The diameter of a cluster."""
        return (2 * self.radius,)

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`; 1 for complete spatial randomness."""
        disc = math.pi * self.radius**2
        g: NDArray[np.float64] = 1 + lens(r, self.radius) / (disc**2 * self.kappa)
        return g

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r), shape of `r`, in unit area."""
        z = np.minimum(np.asarray(r, float) / (2 * self.radius), 1.0)
        root = np.sqrt(1 - z * z)
        siblings = (
            2
            + ((8 * z * z - 4) * np.arccos(z) - 2 * np.arcsin(z) + 4 * z * root**3 - 6 * z * root)
            / math.pi
        )
        k: NDArray[np.float64] = math.pi * np.asarray(r, float) ** 2 + siblings / self.kappa
        return k

    def _distances(self, r: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """F and G; the share of a brood in a disc is that of the discs' overlap."""
        own, core = self.radius, math.pi * self.radius**2
        return cluster_distances(
            r,
            self.kappa,
            self.mu,
            lambda d, radius: lens_of_two(d, own, radius) / core,
            lambda d: np.where(d < own, 1 / core, 0.0),
            lambda radius: sorted({abs(own - radius), own, own + radius} - {0.0}),
        )

    def count_pmf(self, width: float, height: float) -> NDArray[np.float64]:
        """Probability of 0, 1, 2 ... points in a rectangle, shape (n,); the rest is < 1e-17."""
        (x, over_x), (y, over_y) = (_axis_nodes(side, self.radius) for side in (width, height))
        left, right = (-x / self.radius)[:, None], ((width - x) / self.radius)[:, None]
        below, above = (-y / self.radius)[None, :], ((height - y) / self.radius)[None, :]
        caught = (
            _disc_corner(right, above)
            - _disc_corner(left, above)
            - _disc_corner(right, below)
            + _disc_corner(left, below)
        ) / math.pi
        area = np.outer(over_x, over_y)
        area *= width * height / np.vdot(area, caught)  # every window's mean count is exact
        return count_pmf(self.kappa, self.mu, np.clip(caught, 0.0, 1.0).ravel(), area.ravel())


class MaternClusterProcess:
    """Samples a Matern cluster process on the plane, any rectangle of cells at a time.

    A parent belongs to the cell it lies in and draws its offspring from that cell's
    streams; only parents within one radius of the rectangle are expanded.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key of the layer's process (`lattice.seeding.stream_key`).
    parents_per_cell, mean_offspring : Fraction
        Exact means, so that the inversion tables are the same on every machine.
    radius : int
        In quanta, at most `family.MAX_REACH_CELLS` cells.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> process = MaternClusterProcess(stream_key("doctest"), Fraction(1), Fraction(8), CELL // 2)
    >>> len(process.points(Cells(0, 0, 10, 10)))
    837
    """

    def __init__(
        self, key: Key, parents_per_cell: Fraction, mean_offspring: Fraction, radius: int
    ) -> None:
        self.law = MaternClusterLaw(float(parents_per_cell), float(mean_offspring), radius / CELL)
        self.reach = radius + 1
        self._key = key
        self._radius = radius
        self._parents = poisson_table(parents_per_cell)
        self._offspring = poisson_table(mean_offspring)

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order."""
        disc, none = (self.reach, self._offspring), (0, np.empty(0, np.uint64))
        parents = parents_within(cells, self._key, self._parents, disc, none)
        x, y, birth = _scatter(parents, self._key, self._radius)
        x, y, birth = inside(x, y, birth, cells.quanta())
        return canonical(x, y, birth, cells)


def build(
    parameters: MaternClusterParameters, key: Key, cell_metres: float
) -> MaternClusterProcess:
    """The process that `parameters` describe, on cells of `cell_metres`."""
    means = parameters.means("matern_cluster", cell_metres)
    radius = quanta("matern_cluster", "radius", parameters.radius, cell_metres)
    process = MaternClusterProcess(key, *means, radius)
    check_clusters("matern_cluster", means, process.law.count_variance(1, 1))
    return process


def _axis_nodes(side: float, radius: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights over parents along one axis, dense where a disc meets the border."""
    x, w = np.polynomial.legendre.leggauss(32)
    t = (x + 1) / 2
    place, slope = t**2 * (3 - 2 * t), 3 * t * (1 - t) * w
    edges = np.unique([-radius, 0.0, radius, side - radius, side, side + radius])
    lengths = np.diff(edges)
    return (edges[:-1, None] + lengths[:, None] * place).ravel(), np.outer(lengths, slope).ravel()


def _disc_corner(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of the unit disc where u <= x and v <= y."""
    x, y = np.clip(x, -1, 1), np.clip(y, -1, 1)
    chord = np.sqrt(1 - y * y)
    inside = _half_cap(x) + np.sign(y) * _half_cap(-chord) + y * (x + chord)
    outside = np.where(
        (x >= 0) & (y >= 0),
        2 * _half_cap(x) + 2 * _half_cap(y) - math.pi,
        np.where((x < 0) & (y < 0), 0.0, 2 * _half_cap(np.minimum(x, y))),
    )
    return np.where(x * x + y * y < 1, inside, outside)


def _half_cap(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of the upper half of the unit disc left of x."""
    area: NDArray[np.float64] = (x * np.sqrt(1 - x * x) + np.arcsin(x) + math.pi / 2) / 2
    return area


@njit(cache=True)
def _scatter(parents, key, radius):
    """All offspring of the parents."""
    ix, iy, number, px, py, near, _ = parents
    room = near.sum()
    x, y, birth = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.uint64)
    n = 0
    for p in range(px.size):
        role = OFFSPRING + np.uint64(number[p])
        for child in range(near[p]):
            dx, dy, ident = _offspring(ix[p], iy[p], role, child, key, radius)
            x[n], y[n], birth[n] = px[p] + dx, py[p] + dy, ident
            n += 1
    return x, y, birth


@njit(cache=True)
def _offspring(ix, iy, role, child, key, radius):
    """Displacement in quanta, uniform in the disc, and birth word of one child."""
    half, attempt = 1 << 30, 0
    while True:
        block = np.uint64(child) | (np.uint64(attempt) << np.uint64(32))
        first, second, ident, _ = words(block, ix, iy, role, key)
        a, b, hit = _in_disc(first)
        # one in five first tries fails: to choose costs less than a branch mispredicted
        c, d, again = _in_disc(second)
        if hit | again:
            a, b = (a if hit else c), (b if hit else d)
            return (a * radius + half) >> 31, (b * radius + half) >> 31, ident
        attempt += 1


@njit(cache=True)
def _in_disc(word):
    """A point of the square from the halves of a word, and whether it is in the disc."""
    a, b = _odd(word >> np.uint64(33)), _odd(word & np.uint64(0x7FFFFFFF))
    return a, b, a * a + b * b <= 1 << 62


@njit(cache=True)
def _odd(bits):
    """A 31-bit word as an odd number of (-2**31, 2**31): symmetric about 0."""
    return 2 * np.int64(bits) - ((1 << 31) - 1)
