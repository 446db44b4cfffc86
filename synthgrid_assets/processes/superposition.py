"""Superposition: the points of several layers together, as one pattern.

Belongs here: the sampler of a union and the law of independent processes added up. Not here:
which layers a union has (`world.samplers`), counts under member-wise thinning (`statistics`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.pattern import PointPattern, canonical
from synthgrid_assets.processes.count_models import CountModel, MomentsOnly
from synthgrid_assets.processes.distances import DistanceLaw
from synthgrid_assets.processes.family import Parameters
from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.processes.thinning.thinned import ThinnedProcess, Thinning

ALGORITHM_VERSION = 1
UNION = "union"  # the name of the process in a world file


class UnionParameters(Parameters):
    """What a world file says of a union."""

    layers: tuple[str, ...] = Field(
        min_length=2, strict=False, description="names of the layers whose points it holds"
    )
    source: bool = Field(default=False, description="whether a column names each point's layer")


@dataclass(frozen=True)
class SuperpositionLaw:
    """The law of independent stationary processes together; lengths in cells.

    Parameters
    ----------
    members : tuple of Law
        Before thinning.
    coupling : str
        Why the members are not independent, so that the moments are not known (NaN);
        empty where they are.

    Notes
    -----
    Intensities, count variances and covariances of independent processes add up, so with
    shares w_i = lambda_i / lambda the pair correlation is 1 + sum of w_i**2 (g_i - 1)
    (Illian et al. 2008, section 6.2.2).

    Examples
    --------
    >>> from synthgrid_assets.processes.poisson import PoissonLaw
    >>> both = SuperpositionLaw((PoissonLaw(1.0), PoissonLaw(3.0)))
    >>> both.intensity, both.count_variance(2.0, 2.0)
    (4.0, 16.0)
    """

    members: tuple[Law, ...]
    coupling: str = ""
    count_model: ClassVar[CountModel] = MomentsOnly()  # statistics ask the members
    hard_core: ClassVar[float] = 0.0

    @property
    def intensity(self) -> float:
        """Expected points per cell; NaN where that of a member is, or members are coupled."""
        return math.nan if self.coupling else math.fsum(m.intensity for m in self.members)

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`."""
        excess = (self._share(m) ** 2 * (m.pair_correlation(r) - 1.0) for m in self.members)
        return np.asarray(1.0 + sum(excess), np.float64)

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r) in cells, shape of `r`."""
        disc = math.pi * np.asarray(r, float) ** 2
        excess = (self._share(m) ** 2 * (m.k_function(r) - disc) for m in self.members)
        return np.asarray(disc + sum(excess), np.float64)

    def empty_space(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """F(r), shape of `r`; NaN where that of a member is not known."""
        return np.asarray(1.0 - math.prod(1.0 - f for f, _ in self._distances(r)))

    def nearest_neighbour(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """G(r), shape of `r`; NaN where that of a member is not known.

        A typical point belongs to member i with its share w_i and then sees that member from
        within, the others from a fixed place: ``1 - G = sum of w_i (1 - G_i) times the
        product over j != i of (1 - F_j)``.
        """
        distances = self._distances(r)
        alone = np.zeros(np.shape(r))
        for i, (member, (_, g)) in enumerate(zip(self.members, distances, strict=True)):
            others = math.prod(1.0 - f for j, (f, _) in enumerate(distances) if j != i)
            alone = alone + self._share(member) * (1.0 - g) * others
        return np.asarray(1.0 - alone)

    def count_variance(self, width: float, height: float) -> float:
        """Variance of the number of points in a rectangle."""
        if self.coupling:
            return math.nan
        return math.fsum(m.count_variance(width, height) for m in self.members)

    def cell_covariance(self, lags: int) -> NDArray[np.float64]:
        """Covariance of the counts of two unit cells beyond Poisson's, by lag."""
        total = np.zeros((2 * lags + 1, 2 * lags + 1))
        for member in self.members:
            total += member.cell_covariance(lags)
        return total

    @property
    def correlation_cells(self) -> int:
        """The longest of the members' correlations, in cells."""
        return max(m.correlation_cells for m in self.members)

    def _distances(
        self, r: NDArray[np.float64]
    ) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """F and G of each member."""
        unknown = np.full(np.shape(r), math.nan)
        return [
            (m.empty_space(r), m.nearest_neighbour(r))
            if isinstance(m, DistanceLaw) and not self.coupling
            else (unknown, unknown)
            for m in self.members
        ]

    def _share(self, member: Law) -> float:
        return member.intensity / self.intensity


class Superposition:
    """The points of several layers in one canonical order, with ids of its own.

    Parameters
    ----------
    members : tuple of ThinnedProcess or Superposition
        Their points as they are after thinning.
    coupling : str
        Why the members are not independent given what they were thinned by; empty where
        they are.

    Raises
    ------
    SpecError
        If there are fewer than two members.

    Notes
    -----
    A point keeps its birth word, so that marks of the union are drawn at the point's birth,
    under the union's own keys. Two members' points at one place stay two points.
    """

    def __init__(self, members: tuple[Sampler, ...], coupling: str = "") -> None:
        if len(members) < 2:
            raise SpecError(f"union: {len(members)} layer; give at least two")
        self.members, self.coupling = members, coupling

    @property
    def law(self) -> SuperpositionLaw:
        """The law of all members before thinning; combine it with `parts`."""
        laws: list[Law] = []
        for member in self.members:
            laws += member.law.members if isinstance(member, Superposition) else [member.law]
        return SuperpositionLaw(tuple(laws), self.coupling)

    @property
    def thinnings(self) -> tuple[Thinning, ...]:
        """All thinnings of all members."""
        return tuple(thinning for member in self.members for thinning in member.thinnings)

    @property
    def reach(self) -> int:
        """The longest of the members' dependence radii, in quanta."""
        return max(member.reach for member in self.members)

    def points(self, cells: Cells) -> PointPattern:
        """All points in a rectangle of cells, in canonical order."""
        return _merged([member.points(cells) for member in self.members], cells)

    def points_with_source(self, cells: Cells) -> tuple[PointPattern, NDArray[np.int32]]:
        """The same points, and the number of the member that each comes from, shape (n,)."""
        patterns = [member.points(cells) for member in self.members]
        merged = _merged(patterns, cells)
        order = _order_of(merged)
        place = np.empty(order.size, np.int64)
        place[_order_of(_joined(patterns))] = order
        source = np.empty(order.size, np.int32)
        sizes = [len(pattern) for pattern in patterns]
        source[place] = np.repeat(np.arange(len(patterns), dtype=np.int32), sizes)
        return merged, source

    def parts(self, cells: Cells) -> tuple[tuple[Law, NDArray[np.float64]], ...]:
        """Law and retention of every process that is superposed, as `law` lists them."""
        return tuple(part for member in self.members for part in member.parts(cells))

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Probability to stay of a point of any member, by pixel: shape (h * s, w * s)."""
        parts = self.parts(cells)
        finest = max(grid.shape[0] for _, grid in parts)
        weights = np.array([law.intensity for law, _ in parts])
        weights = np.ones(len(parts)) if np.isnan(weights).any() else weights
        total = np.zeros((finest, finest // cells.height * cells.width))
        for weight, (_, grid) in zip(weights / weights.sum(), parts, strict=True):
            s = finest // grid.shape[0]
            total += weight * grid.repeat(s, axis=0).repeat(s, axis=1)
        return np.minimum(total, 1.0)

    def expected_count(self, cells: Cells) -> float:
        """Expected number of points in a rectangle of cells."""
        return math.fsum(member.expected_count(cells) for member in self.members)


Sampler = ThinnedProcess | Superposition


def _joined(patterns: list[PointPattern]) -> PointPattern:
    return PointPattern(*map(np.concatenate, zip(*patterns, strict=True)))


def _merged(patterns: list[PointPattern], cells: Cells) -> PointPattern:
    return canonical(*_joined(patterns), cells)


def _order_of(points: PointPattern) -> NDArray[np.int64]:
    """Indices that sort points by birth and place, however they are ordered now."""
    order: NDArray[np.int64] = np.lexsort((points.y, points.x, points.birth))
    return order
