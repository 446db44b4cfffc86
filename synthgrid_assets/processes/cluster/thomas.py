"""Thomas process: Poisson parents, each with a Poisson number of Gaussian offspring.

Belongs here: the law and the sampler of this one process. Not here: other cluster
shapes (`matern_cluster`), marks, thinning by a surface.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import chndtr, erf, erfc

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.exact_math import MAX_RAYLEIGH, cos_sin, poisson_table, rayleigh
from synthgrid_assets.lattice.pattern import PointPattern, canonical, inside
from synthgrid_assets.lattice.seeding import OFFSPRING, OFFSPRING_TAIL, Key, words
from synthgrid_assets.processes.cluster.brood import ClusterLaw, ClusterParameters, check_clusters
from synthgrid_assets.processes.cluster.generating_function import count_pmf
from synthgrid_assets.processes.cluster.parents import Parents, parents_within
from synthgrid_assets.processes.count_models import GaussianClusters
from synthgrid_assets.processes.distances import cluster_distances
from synthgrid_assets.processes.family import check_positive, quanta

ALGORITHM_VERSION = 1
CORE = 4.0  # offspring farther than CORE sigma from their parent come from the tail stream
_FARTHEST = 9.0  # sigma beyond which a displacement is neglected in integrals (1e-17)
_NEGLIGIBLE = 1e-9  # of a cell's own covariance: where `correlation_cells` ends


class ThomasParameters(ClusterParameters):
    """What a world file says of a Thomas process."""

    sigma: float = Field(
        gt=0, description="standard deviation of a point about its centre on each axis, metres"
    )


@dataclass(frozen=True)
class ThomasLaw(ClusterLaw):
    """The law of a stationary Thomas process; lengths in any one unit.

    Parameters
    ----------
    kappa : float
        Parents per unit area, > 0.
    mu : float
        Mean number of offspring per parent, > 0.
    sigma : float
        Standard deviation of an offspring's displacement along each axis, > 0.

    Notes
    -----
    Parents are not part of the pattern. The law is spatstat's ``rThomas``; the
    second-order formulas are in Illian et al. (2008), section 6.3.

    Examples
    --------
    >>> law = ThomasLaw(kappa=0.5, mu=8.0, sigma=0.7)
    >>> law.intensity
    4.0
    >>> law.pair_correlation(np.array([0.0, 99.0])).round(4).tolist()
    [1.3248, 1.0]
    """

    sigma: float

    def __post_init__(self) -> None:
        check_positive("thomas", kappa=self.kappa, mu=self.mu, sigma=self.sigma)

    @property
    def count_model(self) -> GaussianClusters:
        """Its own three numbers."""
        return GaussianClusters(self.kappa, self.mu, self.sigma)

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`; 1 for complete spatial randomness."""
        s2 = 4 * self.sigma**2
        return 1 + np.exp(-(r**2) / s2) / (math.pi * s2 * self.kappa)

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r), shape of `r`, in unit area."""
        return math.pi * r**2 - np.expm1(-(r**2) / (4 * self.sigma**2)) / self.kappa

    def count_variance(self, width: float, height: float) -> float:
        """Variance of the number of points in a `width` x `height` rectangle."""
        clustered = self.mu * self._overlap(width) * self._overlap(height)
        return self.intensity * (width * height + clustered)

    def count_pmf(self, width: float, height: float) -> NDArray[np.float64]:
        """Probability of 0, 1, 2 ... points in a rectangle, shape (n,); the rest is < 1e-17."""
        (across, over_x), (up, over_y) = self._catch(width), self._catch(height)
        return count_pmf(
            self.kappa, self.mu, np.outer(across, up).ravel(), np.outer(over_x, over_y).ravel()
        )

    def cell_covariance(self, lags: int) -> NDArray[np.float64]:
        """Covariance of two unit cells' counts beyond Poisson's, by lag.

        Shape (2 lags + 1, 2 lags + 1); lag (0, 0) in the middle.
        """
        # the displacement of two siblings is normal, so the two axes are independent
        side = self._excess(np.arange(lags + 2, dtype=float))
        axis = side[2:] - 2 * side[1:-1] + side[:-2]
        line = np.concatenate([axis[::-1], [self._overlap(1.0)], axis])
        return self.intensity * self.mu * np.outer(line, line)

    @property
    def correlation_cells(self) -> int:
        """Lag in cells beyond which `cell_covariance` is below 1e-9 of its peak."""
        return math.ceil(2 * self.sigma * math.sqrt(-math.log(_NEGLIGIBLE))) + 1

    def _distances(self, r: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """F and G; the share of a brood in a disc is a non-central chi-square's."""
        s, far = self.sigma, _FARTHEST * self.sigma

        def density(d: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(np.exp(-(d**2) / (2 * s * s)) / (2 * math.pi * s * s))

        return cluster_distances(
            r,
            self.kappa,
            self.mu,
            lambda d, radius: np.asarray(chndtr((radius / s) ** 2, 2.0, (d / s) ** 2)),
            density,
            lambda radius: sorted({3 * s, far, max(radius, s), radius + far}),
        )

    def _overlap(self, side: float) -> float:
        """Integral of the N(0, 2 sigma^2) density of u - v over u, v in [0, side]."""
        z = side / (2 * self.sigma)
        return side * float(erf(z)) + 2 * self.sigma / math.sqrt(math.pi) * math.expm1(-z * z)

    def _catch(self, side: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Quadrature over parents along one axis: P(offspring in [0, side]), weights."""
        far = 9 * self.sigma  # P(beyond) < 3e-19
        outer, inner = min(far, side / 2), max(side - 2 * far, 0.0)
        edges = np.concatenate([np.linspace(-far, 0, 4), np.linspace(0, outer, 4)[1:]])
        nodes, weights = np.polynomial.legendre.leggauss(12)
        middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
        y = (middle[:, None] + half[:, None] * nodes).ravel()
        root = self.sigma * math.sqrt(2)
        caught = (erf((side - y) / root) + erf(y / root)) / 2
        # the two ends are alike; between them every offspring is caught
        return np.append(caught, 1.0), np.append(2 * np.outer(half, weights).ravel(), inner)

    def _excess(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean of max(D - t, 0) for siblings' displacement D: its curvature is the density."""
        z = t / (2 * self.sigma)
        excess: NDArray[np.float64] = self.sigma / math.sqrt(math.pi) * np.exp(
            -z * z
        ) - t / 2 * erfc(z)
        return excess


class ThomasProcess:
    """Samples a Thomas process on the plane, any rectangle of atom cells at a time.

    A parent belongs to the cell it lies in and draws its offspring from that cell's
    streams, so a rectangle's points are the same whoever asks for them. Only parents
    that can reach the rectangle are expanded. Offspring beyond ``CORE`` sigma are a
    separate Poisson stream (rare, so its wide reach costs nothing): the Gaussian is
    complete up to 2**-64.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key of the layer's process (`lattice.seeding.stream_key`).
    parents_per_cell, mean_offspring : Fraction
        Exact means, so that the inversion tables are the same on every machine.
    sigma : int
        In quanta.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> process = ThomasProcess(stream_key("doctest"), Fraction(1), Fraction(8), CELL // 2)
    >>> len(process.points(Cells(0, 0, 10, 10)))
    835
    """

    def __init__(
        self, key: Key, parents_per_cell: Fraction, mean_offspring: Fraction, sigma: int
    ) -> None:
        self.law = ThomasLaw(float(parents_per_cell), float(mean_offspring), sigma / CELL)
        tail_words, tail = tail_mass()
        self._key = key
        self._sigma = float(sigma)
        self._tail_words = tail_words
        self._parents = poisson_table(parents_per_cell)
        self._core = poisson_table(mean_offspring * (1 - tail))
        self._tail = poisson_table(mean_offspring * tail)
        self._core_reach = math.ceil(CORE * sigma) + 1
        self.reach = math.ceil(math.hypot(CORE, MAX_RAYLEIGH) * sigma) + 1

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order."""
        parents = parents_within(
            cells,
            self._key,
            self._parents,
            (self._core_reach, self._core),
            (self.reach, self._tail),
        )
        x, y, birth = offspring(parents, self._key, self._sigma, self._tail_words)
        x, y, birth = inside(x, y, birth, cells.quanta())
        return canonical(x, y, birth, cells)


def build(parameters: ThomasParameters, key: Key, cell_metres: float) -> ThomasProcess:
    """The process that `parameters` describe, on cells of `cell_metres`."""
    means = parameters.means("thomas", cell_metres)
    sigma = quanta("thomas", "sigma", parameters.sigma, cell_metres)
    process = ThomasProcess(key, *means, sigma)
    check_clusters("thomas", means, process.law.count_variance(1, 1))
    return process


def tail_mass() -> tuple[np.uint64, Fraction]:
    """P(|Gaussian| > CORE) as a 64-bit word and as the exact fraction of that word."""
    with localcontext() as context:
        context.prec = 60
        word = int((-(Decimal(CORE) ** 2) / 2).exp() * 2**64)
    return np.uint64(word), Fraction(word, 2**64)


def offspring(
    parents: Parents, key: Key, sigma: float, tail_words: np.uint64
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Places and birth words of all offspring, those of the core first, then of the tail.

    Parameters
    ----------
    parents : Parents
        Their broods are counted already: `near` within `CORE` sigma, `far` beyond.
    key : tuple of two uint64
        Stream key.
    sigma : float
        In quanta.
    tail_words : uint64
        From `tail_mass`.
    """
    core = int(parents.near.sum())
    x, y, radius, angle, birth = _draw(parents, core, key, tail_words)
    _displace(x[:core], y[:core], radius[:core], angle[:core], 0.0, sigma)
    _displace(x[core:], y[core:], radius[core:], angle[core:], CORE, sigma)
    return x, y, birth


@njit(cache=True)
def _draw(parents, core, key, tail_words):
    """Their parents' places, and radius, angle and birth words of all offspring, core first."""
    ix, iy, number, px, py, near, far = parents
    n = core + far.sum()
    x, y = np.empty(n, np.int64), np.empty(n, np.int64)
    radius, angle, birth = np.empty(n, np.uint64), np.empty(n, np.uint64), np.empty(n, np.uint64)
    i, j = 0, core
    for p in range(px.size):
        role, tail_role = OFFSPRING + np.uint64(number[p]), OFFSPRING_TAIL + np.uint64(number[p])
        for child in range(near[p]):
            word, angle[i], birth[i], _ = words(child, ix[p], iy[p], role, key)
            attempt = 0
            while word < tail_words:  # the tail has its own stream
                attempt += 1
                block = np.uint64(child) | (np.uint64(attempt) << np.uint64(32))
                word, angle[i], birth[i], _ = words(block, ix[p], iy[p], role, key)
            radius[i], x[i], y[i] = word, px[p], py[p]
            i += 1
        for child in range(far[p]):
            radius[j], angle[j], birth[j], _ = words(child, ix[p], iy[p], tail_role, key)
            x[j], y[j] = px[p], py[p]
            j += 1
    return x, y, radius, angle, birth


@njit(cache=True)
def _displace(x, y, radius_words, angle_words, least, sigma):
    """Move offspring from their parents, by at least `least` sigma.

    A loop of arithmetic alone, which is compiled to vector instructions.
    """
    for i in range(x.size):
        radius = rayleigh(radius_words[i])
        if least > 0.0:
            radius = math.sqrt(least * least + radius * radius)
        radius *= sigma
        cosine, sine = cos_sin(angle_words[i])
        x[i] += np.int64(math.floor(radius * cosine + 0.5))
        y[i] += np.int64(math.floor(radius * sine + 0.5))
