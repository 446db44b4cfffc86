"""Hierarchical Thomas process: clusters of points about centres that are clustered themselves.

Belongs here: the law and the sampler of this one process. Not here: clusters about centres
that are not (`thomas`), the sizes (`size_classes`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.lattice.exact_math import MAX_RAYLEIGH, cos_sin, poisson_table, rayleigh
from synthgrid_assets.lattice.pattern import PointPattern, canonical, inside
from synthgrid_assets.lattice.seeding import OFFSPRING, PARENT, Key, lookup, words
from synthgrid_assets.processes.cluster.brood import ClusterParameters, check_clusters
from synthgrid_assets.processes.cluster.parents import Parents
from synthgrid_assets.processes.cluster.size_classes import MAX_DOUBLINGS, SizeClasses
from synthgrid_assets.processes.cluster.thomas import CORE, ThomasLaw, offspring, tail_mass
from synthgrid_assets.processes.count_models import CountModel, MomentsOnly
from synthgrid_assets.processes.family import check_density, check_positive, exact, quanta

ALGORITHM_VERSION = 1
_NUMBER_BITS = 20  # of a parent's number within its cell, below a cluster's in one address


class HierarchicalThomasParameters(ClusterParameters):
    """What a world file says of a hierarchical Thomas process."""

    mean_clusters: float = Field(gt=0, description="expected clusters of points per centre")
    spread: float = Field(
        gt=0, description="standard deviation of a cluster about its centre on each axis, metres"
    )
    sigma: float = Field(
        gt=0, description="standard deviation of a point about its cluster on each axis, metres"
    )
    pareto: float = Field(
        default=1.0, gt=0, le=64, description="exponent of Pareto's law of the sizes"
    )
    doublings: int = Field(
        default=0,
        ge=0,
        le=MAX_DOUBLINGS,
        description="how often the largest size doubles the smallest; 0 for equal sizes",
    )

    @model_validator(mode="after")
    def _pareto_has_classes(self) -> Self:
        if "pareto" in self.model_fields_set and self.doublings == 0:
            raise ValueError("`pareto` needs `doublings` of 1 or more: how far sizes go")
        return self


@dataclass(frozen=True)
class HierarchicalThomasLaw:
    """The law of a stationary hierarchical Thomas process; lengths in any one unit.

    Poisson centres, each with a Poisson number of clusters at normal displacements, each of
    these with a Poisson number of points at normal displacements. The two Poisson means are
    ``mean * size``, with independent sizes of mean 1.

    Parameters
    ----------
    kappa : float
        Centres per unit area, > 0.
    clusters, mu : float
        Mean clusters of a centre and mean points of a cluster, > 0.
    spread, sigma : float
        Standard deviations of a cluster's and of a point's displacement along each axis.
    second_moment : float, optional
        Mean of the squared size, >= 1; 1 where all sizes are equal.

    Notes
    -----
    Two points of one cluster are siblings as in a Thomas process of ``kappa * clusters``
    centres; two of one centre but of different clusters as in one of ``kappa`` centres and a
    displacement of variance ``spread**2 + sigma**2``. So g - 1, K - pi r^2 and all excess
    variances are sums of two Thomas terms, each times the sizes' second moment; with equal
    sizes this is the generalised Neyman-Scott process of Wiegand et al. (2007), Ecology 88.

    Examples
    --------
    >>> law = HierarchicalThomasLaw(0.1, 4.0, 5.0, 3.0, 0.5)
    >>> round(law.intensity, 12), law.pair_correlation(np.array([0.0, 99.0])).round(4).tolist()
    (2.0, [1.8818, 1.0])
    """

    kappa: float
    clusters: float
    mu: float
    spread: float
    sigma: float
    second_moment: float = 1.0
    count_model: ClassVar[CountModel] = MomentsOnly()
    hard_core: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        check_positive(
            "hierarchical_thomas",
            kappa=self.kappa,
            clusters=self.clusters,
            mu=self.mu,
            spread=self.spread,
            sigma=self.sigma,
        )

    @property
    def intensity(self) -> float:
        """Expected points per unit area."""
        return self.kappa * self.clusters * self.mu

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`; 1 for complete spatial randomness."""
        within, between = self._terms
        return within.pair_correlation(r) + between.pair_correlation(r) - 1

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r), shape of `r`, in unit area."""
        within, between = self._terms
        return within.k_function(r) + between.k_function(r) - math.pi * np.asarray(r, float) ** 2

    def count_variance(self, width: float, height: float) -> float:
        """Variance of the number of points in a `width` x `height` rectangle."""
        within, between = (term.count_variance(width, height) for term in self._terms)
        return within + between - self.intensity * width * height

    def cell_covariance(self, lags: int) -> NDArray[np.float64]:
        """Covariance of two unit cells' counts beyond Poisson's, by lag.

        Shape (2 lags + 1, 2 lags + 1); lag (0, 0) in the middle.
        """
        within, between = self._terms
        return within.cell_covariance(lags) + between.cell_covariance(lags)

    @property
    def correlation_cells(self) -> int:
        """Lag in cells beyond which `cell_covariance` is below 1e-9 of its peak."""
        return max(term.correlation_cells for term in self._terms)

    @cached_property
    def _terms(self) -> tuple[ThomasLaw, ThomasLaw]:
        """Thomas laws of this intensity: siblings of a cluster, and those of a centre."""
        within = self.kappa * self.clusters / self.second_moment
        between = self.kappa / self.second_moment
        return (
            ThomasLaw(within, self.intensity / within, self.sigma),
            ThomasLaw(between, self.intensity / between, math.hypot(self.spread, self.sigma)),
        )


class HierarchicalThomasProcess:
    """Samples a hierarchical Thomas process, any rectangle of atom cells at a time.

    A cluster is addressed by its centre's cell, the centre's number there and its own number,
    so it is the same whoever asks for its points. Clusters are drawn for all centres that can
    reach the rectangle, points for all clusters that can.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key of the layer's process (`lattice.seeding.stream_key`).
    parents_per_cell, mean_clusters, mean_offspring : Fraction
        Exact means.
    spread, sigma : int
        In quanta.
    sizes : SizeClasses
        Of centres, in clusters, and of clusters, in points.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> means = Fraction(1, 8), Fraction(8), Fraction(8)
    >>> equal = SizeClasses(1.0, 0)
    >>> process = HierarchicalThomasProcess(stream_key("doc"), *means, 2 * CELL, CELL // 4, equal)
    >>> len(process.points(Cells(0, 0, 10, 10)))
    1202
    """

    def __init__(
        self,
        key: Key,
        parents_per_cell: Fraction,
        mean_clusters: Fraction,
        mean_offspring: Fraction,
        spread: int,
        sigma: int,
        sizes: SizeClasses,
    ) -> None:
        self.law = HierarchicalThomasLaw(
            float(parents_per_cell),
            float(mean_clusters),
            float(mean_offspring),
            spread / CELL,
            sigma / CELL,
            float(sizes.second_moment),
        )
        self._tail_words, tail = tail_mass()
        self._key = key
        self._spread, self._sigma = float(spread), float(sigma)
        self._parents = poisson_table(parents_per_cell)
        self._classes = sizes.table
        self._clusters = _joined([mean_clusters * size for size in sizes.sizes])
        self._near = _joined([mean_offspring * size * (1 - tail) for size in sizes.sizes])
        self._far = _joined([mean_offspring * size * tail for size in sizes.sizes])
        self._near_reach = math.ceil(CORE * sigma) + 1
        self._far_reach = math.ceil(math.hypot(CORE, MAX_RAYLEIGH) * sigma) + 1
        self.reach = self._far_reach + math.ceil(MAX_RAYLEIGH * spread) + 1

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order."""
        around, window = cells.grown(-(-self.reach // CELL)), cells.quanta()
        tables = self._parents, self._classes, *self._clusters
        centres = _centres(around, window, self.reach, self._key, *tables)
        near = self._near_reach, *self._near
        far = self._far_reach, *self._far
        columns = np.empty((7, int(centres[5].sum())), np.int64)
        n = _place_clusters(
            centres, window, self._key, self._spread, self._classes, near, far, columns
        )
        clusters = Parents(*columns[:, :n])
        x, y, birth = offspring(clusters, self._key, self._sigma, self._tail_words)
        x, y, birth = inside(x, y, birth, window)
        return canonical(x, y, birth, cells)


def build(
    parameters: HierarchicalThomasParameters, key: Key, cell_metres: float
) -> HierarchicalThomasProcess:
    """The process that `parameters` describe, on cells of `cell_metres`."""
    name = "hierarchical_thomas"
    parents, points = parameters.means(name, cell_metres)
    clusters = exact(parameters.mean_clusters)
    sizes = SizeClasses(parameters.pareto, parameters.doublings)
    check_density(name, "mean_offspring of the largest size", points * sizes.sizes[-1])
    check_density(name, "mean_clusters of the largest size", clusters * sizes.sizes[-1])
    spread = quanta(name, "spread", parameters.spread, cell_metres)
    sigma = quanta(name, "sigma", parameters.sigma, cell_metres)
    process = HierarchicalThomasProcess(key, parents, clusters, points, spread, sigma, sizes)
    check_clusters(name, (parents * clusters, points), process.law.count_variance(1, 1))
    return process


def _joined(means: list[Fraction]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Poisson tables one after the other, and where each starts and the last ends."""
    tables = [poisson_table(mean) for mean in means]
    return np.concatenate(tables), np.cumsum([0, *(table.size for table in tables)])


@njit(cache=True)
def _drawn(table, starts, size, word):
    """A draw of the table of one size class."""
    return lookup(table[starts[size] : starts[size + 1]], word)


@njit(cache=True)
def _centres(around, window, reach, key, parents, classes, clusters, starts):
    """Centres that can reach a window: columns ix, iy, number, x, y and number of clusters."""
    shift = np.uint64(64 - CELL_BITS)
    room = 0
    for iy in range(around.iy0, around.iy1):
        for ix in range(around.ix0, around.ix1):
            room += lookup(parents, words(0, ix, iy, PARENT, key)[0])
    columns = np.empty((6, room), np.int64)
    n = 0
    for iy in range(around.iy0, around.iy1):
        for ix in range(around.ix0, around.ix1):
            for number in range(lookup(parents, words(0, ix, iy, PARENT, key)[0])):
                wx, wy, size, brood = words(number + 1, ix, iy, PARENT, key)
                x = (ix << CELL_BITS) | np.int64(wx >> shift)
                y = (iy << CELL_BITS) | np.int64(wy >> shift)
                if max(window[0] - x, x - window[2], window[1] - y, y - window[3]) <= reach:
                    columns[0, n], columns[1, n], columns[2, n] = ix, iy, number
                    columns[3, n], columns[4, n] = x, y
                    columns[5, n] = _drawn(clusters, starts, lookup(classes, size), brood)
                    n += 1
    return columns[:, :n]


@njit(cache=True)
def _place_clusters(centres, window, key, spread, classes, near, far, columns):
    """Fill the columns of `Parents` with clusters that can reach a window; their number."""
    n = 0
    for p in range(centres.shape[1]):
        ix, iy, number = centres[0, p], centres[1, p], centres[2, p]
        role = OFFSPRING + np.uint64(number)
        for cluster in range(centres[5, p]):
            length, angle, near_word, far_word = words(cluster, ix, iy, role, key)
            radius = rayleigh(length) * spread
            cosine, sine = cos_sin(angle)
            x = centres[3, p] + np.int64(math.floor(radius * cosine + 0.5))
            y = centres[4, p] + np.int64(math.floor(radius * sine + 0.5))
            away = max(window[0] - x, x - window[2], window[1] - y, y - window[3])
            if away > far[0]:
                continue
            size = lookup(classes, words((1 << 32) | cluster, ix, iy, role, key)[0])
            some = _drawn(near[1], near[2], size, near_word) if away <= near[0] else 0
            rare = _drawn(far[1], far[2], size, far_word)
            if some + rare > 0:
                columns[0, n], columns[1, n] = ix, iy
                # no centre's own number is as large, so no address serves twice
                columns[2, n] = ((cluster + 1) << _NUMBER_BITS) | number
                columns[3, n], columns[4, n] = x, y
                columns[5, n], columns[6, n] = some, rare
                n += 1
    return n
