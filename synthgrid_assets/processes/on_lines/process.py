"""The process `on_lines`: points on the lines of an input, alone or in clusters along them.

Belongs here: its parameters, its law and its sampler. Not here: places on lines (`stations`),
walks along them (`walk`), distances between points (`statistics.curves.network_pairs`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.exact_math import poisson_table
from synthgrid_assets.lattice.pattern import PointPattern, canonical
from synthgrid_assets.lattice.seeding import PARENT, POINT, Key
from synthgrid_assets.processes.count_models import LineClusters, LinePoisson
from synthgrid_assets.processes.family import Parameters, check_density, exact, quanta
from synthgrid_assets.processes.on_lines.network import Ints, LineNetwork, network_of
from synthgrid_assets.processes.on_lines.stations import stations
from synthgrid_assets.processes.on_lines.walk import catches, offspring, reach_of

ALGORITHM_VERSION = 1
ON_LINES = "on_lines"


class LineClusterParameters(Parameters):
    """``clusters = { mean_offspring = 8, sigma = 60 }``: points about parents on the lines."""

    mean_offspring: float = Field(gt=0, description="expected points of a cluster")
    sigma: float = Field(
        gt=0, description="standard deviation of a point's way from its centre, metres of line"
    )


class OnLinesParameters(Parameters):
    """What a world file says of points on lines."""

    lines: str = Field(min_length=1, description="name of a vector input of lines")
    points_per_km: float = Field(gt=0, description="expected points per kilometre of line")
    clusters: LineClusterParameters | None = Field(
        default=None, description="{ mean_offspring, sigma }: clusters along the lines"
    )


class OnNetwork(NamedTuple):
    """Points, with their places on a network.

    Attributes
    ----------
    segment, offset : ndarray of int64, shape (n,)
        Segment of the network, and quanta along it.
    x, y : ndarray of int64, shape (n,)
    birth : ndarray of uint64, shape (n,)
    """

    segment: Ints
    offset: Ints
    x: Ints
    y: Ints
    birth: NDArray[np.uint64]


@dataclass(frozen=True)
class OnLinesLaw:
    """The law of points on lines as statistics of cells see it, before `ByLength` thins it.

    Parameters
    ----------
    intensity : float
        Expected points of the cell that holds most line.
    clusters : LineClusters or None
        None for a Poisson process, whose counts in cells are independent and Poisson.

    Notes
    -----
    Points on lines have no pair correlation in the plane (it is NaN here): pairs are looked at
    along the network. The intensity per length of line is the same everywhere, also of
    clusters, at nodes and at dead ends: a walk leads from uniform places to uniform places.
    """

    intensity: float
    clusters: LineClusters | None = None
    correlation_cells: ClassVar[int] = 0
    hard_core: ClassVar[float] = 0.0

    @property
    def count_model(self) -> LinePoisson | LineClusters:
        """Poisson, or clusters whose shares in a tile `LineRetention` tells."""
        return LinePoisson() if self.clusters is None else self.clusters

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """NaN: points lie on lines."""
        return np.full(np.shape(r), math.nan)

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """NaN: points lie on lines."""
        return np.full(np.shape(r), math.nan)

    def count_variance(self, width: float, height: float) -> float:
        """As if all cells held as much line as the fullest; NaN for clusters."""
        return self.intensity * width * height if self.clusters is None else math.nan

    def cell_covariance(self, lags: int) -> NDArray[np.float64]:
        """Zeros, as disjoint cells are independent; NaN for clusters."""
        between = 0.0 if self.clusters is None else math.nan
        return np.full((2 * lags + 1, 2 * lags + 1), between)


class OnLinesProcess:
    """Samples points on lines, any rectangle of atom cells at a time.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key of the layer's process (`lattice.seeding.stream_key`).
    network : LineNetwork
    points_per_side : Fraction
        Exact mean of a length of line of a cell's side.
    clusters : tuple of Fraction and int, optional
        Expected points of a cluster, and the standard deviation of ways in quanta.

    Notes
    -----
    Without clusters a Poisson process on the network. With clusters its parents are, and each
    of a Poisson number of offspring walks a half-normal distance along the network: Okabe and
    Sugihara (2012), Spatial Analysis along Networks, chapter 9, call the density of such walks
    the equal-split discontinuous kernel. Ways turn back at dead ends.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> line = Paths(np.array([0, 100 * CELL]), np.array([0, 75 * CELL]), np.array([0, 2]))
    >>> process = OnLinesProcess(stream_key("doctest"), LineNetwork.of(line), Fraction(4))
    >>> len(process.points(Cells(0, 0, 100, 100)))  # 500 expected on 125 sides of a cell
    495
    """

    def __init__(
        self,
        key: Key,
        network: LineNetwork,
        points_per_side: Fraction,
        clusters: tuple[Fraction, int] | None = None,
    ) -> None:
        most, model = float(points_per_side) * network.most_in_a_cell, None
        self.network = network
        self._key = key
        self._clusters = clusters
        self.reach, mean = 0, points_per_side
        if clusters is not None:
            brood, sigma = clusters
            self.reach, mean = reach_of(sigma), points_per_side / brood
            self._brood = poisson_table(brood)
            model = LineClusters(float(mean) / CELL, float(brood))
        self._table = poisson_table(mean)
        self.law = OnLinesLaw(most, model)

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order."""
        drawn = self.on_network(cells)
        return canonical(drawn.x, drawn.y, drawn.birth, cells)

    def places(self, points: PointPattern, cells: Cells) -> tuple[Ints, Ints]:
        """Line of each of the points in `cells`, and how far along it they lie, in quanta."""
        drawn, row = self.on_network(cells), np.empty(len(points), np.int64)
        row[_order(points)] = _order(drawn)
        segment = drawn.segment[row]
        return self.network.line[segment], self.network.arc[segment] + drawn.offset[row]

    def catches(self, cells: Cells) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Share of each cluster that lies in `cells`, and its weight; None without clusters."""
        return None if self._clusters is None else catches(self.network, cells, self._clusters[1])

    def on_network(self, cells: Cells) -> OnNetwork:
        """The points in a rectangle of cells, in any order, with their places on the network."""
        segment, offset, birth = self._drawn(cells.check())
        x, y = self.network.place(segment, offset)
        x0, y0, x1, y1 = cells.quanta()
        here = np.flatnonzero((x >= x0) & (x < x1) & (y >= y0) & (y < y1))
        return OnNetwork(segment[here], offset[here], x[here], y[here], birth[here])

    def _drawn(self, cells: Cells) -> tuple[Ints, Ints, NDArray[np.uint64]]:
        if self._clusters is None:
            alone = stations(self.network, cells, POINT, self._table, self._key)
            return alone.segment, alone.offset, alone.birth
        around = cells.grown(-(-self.reach // CELL))
        parents = stations(self.network, around, PARENT, self._table, self._key)
        return offspring(self.network, parents, self._brood, self._clusters[1], self._key, cells)


def _order(points: OnNetwork | PointPattern) -> Ints:
    """Indices that sort points by birth and place, however they are ordered now."""
    order: Ints = np.lexsort((points.y, points.x, points.birth))
    return order


@dataclass(frozen=True)
class ByLength:
    """The length of line as a thinning that keeps every point: what a cell may hold of them.

    Parameters
    ----------
    process : OnLinesProcess
    """

    reach: ClassVar[int] = 0
    process: OnLinesProcess

    def kept(self, points: PointPattern, cells: Cells) -> NDArray[np.bool_]:
        """All of the points, shape (n,): they lie on the lines already."""
        return np.ones(len(points), bool)

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Length of line in each cell, as a share of the most that any holds."""
        network = self.process.network
        share: NDArray[np.float64] = network.length_by_cell(cells) / network.most_in_a_cell
        return np.minimum(share, 1.0)


def build_on_lines(
    parameters: OnLinesParameters, key: Key, cell_metres: float, paths: Paths
) -> OnLinesProcess:
    """The process that `parameters` describe, on the lines of an input.

    Raises
    ------
    SpecError
        If the input holds no lines, or the density or sigma does not fit the lattice.
    """
    network = network_of(paths)
    if network.length.size == 0:
        raise SpecError(
            f"{ON_LINES}: input {parameters.lines!r} holds points and no lines; give a vector "
            "input of lines",
            "lines",
        )
    density = exact(parameters.points_per_km) * exact(cell_metres) / 1000
    fullest = density * Fraction(network.most_in_a_cell)
    check_density(ON_LINES, "points_per_km", fullest)
    if parameters.clusters is None:
        return OnLinesProcess(key, network, density)
    brood = exact(parameters.clusters.mean_offspring)
    check_density(ON_LINES, "clusters.mean_offspring", brood)
    spread = float(fullest) * (1 + float(brood))
    check_density(ON_LINES, "clusters.mean_offspring", fullest, spread)
    check_density(ON_LINES, "points_per_km", density)
    check_density(ON_LINES, "clusters.mean_offspring (clusters so small)", density / brood)
    sigma = quanta(ON_LINES, "clusters.sigma", parameters.clusters.sigma, cell_metres)
    return OnLinesProcess(key, network, density, (brood, sigma))
