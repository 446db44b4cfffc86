"""Matern's hard-core processes I and II: Poisson candidates that keep their distance.

Belongs here: the laws and the sampler of both models. Not here: the Gibbs hard-core
process (`strauss`), which packs more densely.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cell_list import bin_grid, bin_of, binned
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.exact_math import poisson_table
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.seeding import PRIORITY, Key, words
from synthgrid_assets.processes.count_models import CountModel, MomentsOnly
from synthgrid_assets.processes.family import (
    Parameters,
    check_density,
    check_positive,
    per_cell,
    quanta,
)
from synthgrid_assets.processes.isotropic import IsotropicLaw, lens
from synthgrid_assets.processes.poisson import candidates

ALGORITHM_VERSION = 1


class MaternHardCoreParameters(Parameters):
    """What a world file says of a Matern hard-core process, of either model."""

    candidates_per_km2: float = Field(
        gt=0, description="expected candidates per square kilometre, before any is removed"
    )
    radius: float = Field(gt=0, description="least distance between two points, metres")


@dataclass(frozen=True)
class MaternHardCoreLaw(IsotropicLaw):
    """What the laws of both models share; lengths in any one unit.

    Parameters
    ----------
    beta : float
        Candidates per unit area, > 0.
    radius : float
        Least distance between two points, > 0.
    """

    beta: float
    radius: float
    count_model: ClassVar[CountModel] = MomentsOnly()

    def __post_init__(self) -> None:
        check_positive("matern hard core", beta=self.beta, radius=self.radius)

    @property
    def hard_core(self) -> float:
        """The radius; thinning only removes points, so a thinned process keeps it."""
        return self.radius

    @property
    def kinks(self) -> tuple[float, ...]:
        """The hard core, and where two cores no longer meet."""
        return self.radius, 2 * self.radius

    @property
    def _core(self) -> float:
        return math.pi * self.radius**2


class MaternILaw(MaternHardCoreLaw):
    """The law of Matern's model I: a candidate with any other in its core is removed.

    Parameters
    ----------
    beta, radius : float
        Candidates per unit area, and least distance; > 0.

    Notes
    -----
    The law is spatstat's ``rMaternI``; Illian et al. (2008), section 6.5.2.

    Examples
    --------
    >>> law = MaternILaw(beta=8.0, radius=0.15)
    >>> round(law.intensity, 4)
    4.5447
    >>> law.pair_correlation(np.array([0.1, 0.3])).tolist()
    [0.0, 1.0]
    """

    @property
    def intensity(self) -> float:
        """Expected points per unit area: ``beta exp(-beta pi R^2)``."""
        return self.beta * math.exp(-self.beta * self._core)

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`; 0 within the hard core."""
        return np.where(r <= self.radius, 0.0, np.exp(self.beta * lens(r, self.radius)))


class MaternIILaw(MaternHardCoreLaw):
    """The law of model II: a candidate with an older one in its core is removed.

    Parameters
    ----------
    beta, radius : float
        Candidates per unit area, and least distance; > 0.

    Notes
    -----
    The law is spatstat's ``rMaternII`` (stationary); Illian et al. (2008), section 6.5.2.

    Examples
    --------
    >>> law = MaternIILaw(beta=8.0, radius=0.15)
    >>> round(law.intensity, 4)
    6.1104
    >>> law.pair_correlation(np.array([0.1, 0.3])).round(12).tolist()
    [0.0, 1.0]
    """

    @property
    def intensity(self) -> float:
        """Expected points per unit area: ``(1 - exp(-beta pi R^2)) / (pi R^2)``."""
        return -math.expm1(-self.beta * self._core) / self._core

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`; 0 within the hard core."""
        core, beyond = self._core, np.maximum(r, self.radius)
        union = 2 * core - lens(beyond, self.radius)
        both = core * np.expm1(-self.beta * union) - union * np.expm1(-self.beta * core)
        density = 2 * both / (core * union * (union - core))
        return np.where(r <= self.radius, 0.0, density / self.intensity**2)


class MaternHardCoreProcess:
    """Samples model I or II on the plane, any rectangle of atom cells at a time.

    Candidates are a Poisson process of cells, and a candidate's fate depends only on
    those within one radius, so it is the same whoever asks for it.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key of the layer's process (`lattice.seeding.stream_key`).
    candidates_per_cell : Fraction
        Exact mean, so that the inversion table is the same on every machine.
    radius : int
        In quanta, at most `family.MAX_REACH_CELLS` cells.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> process = MaternIIProcess(stream_key("doctest"), Fraction(8), CELL // 5)
    >>> len(process.points(Cells(0, 0, 10, 10)))
    500
    """

    model: ClassVar[type[MaternHardCoreLaw]]
    oldest_stays: ClassVar[bool]

    def __init__(self, key: Key, candidates_per_cell: Fraction, radius: int) -> None:
        self.law = self.model(float(candidates_per_cell), radius / CELL)
        self.reach = radius
        self._key = key
        self._table = poisson_table(candidates_per_cell)

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order."""
        around = cells.grown(-(-self.reach // CELL))
        x, y, birth = candidates(around, self._key, self._table)
        priority = _priorities(x, y, birth, self._key) if self.oldest_stays else np.empty(0, "u8")
        keep = _survivors(x, y, birth, priority, cells.quanta(), self.reach)
        return PointPattern(x, y, birth).take(keep)


class MaternIProcess(MaternHardCoreProcess):
    """Samples Matern's model I; see `MaternHardCoreProcess`."""

    model, oldest_stays = MaternILaw, False


class MaternIIProcess(MaternHardCoreProcess):
    """Samples Matern's model II; see `MaternHardCoreProcess`."""

    model, oldest_stays = MaternIILaw, True


def build_i(parameters: MaternHardCoreParameters, key: Key, cell_metres: float) -> MaternIProcess:
    """Model I as `parameters` describe it, on cells of `cell_metres`."""
    return MaternIProcess(key, *_on_cells("matern_i", parameters, cell_metres))


def build_ii(parameters: MaternHardCoreParameters, key: Key, cell_metres: float) -> MaternIIProcess:
    """Model II as `parameters` describe it, on cells of `cell_metres`."""
    return MaternIIProcess(key, *_on_cells("matern_ii", parameters, cell_metres))


def _on_cells(
    name: str, parameters: MaternHardCoreParameters, cell_metres: float
) -> tuple[Fraction, int]:
    candidates = per_cell(parameters.candidates_per_km2, cell_metres)
    check_density(name, "candidates_per_km2", candidates)
    return candidates, quanta(name, "radius", parameters.radius, cell_metres)


@njit(cache=True)
def _priorities(x, y, birth, key):
    """The age that decides which of two candidates stays: a word of its own for each."""
    priority = np.empty(x.size, np.uint64)
    for i in range(x.size):
        priority[i] = words(birth[i], x[i], y[i], PRIORITY, key)[0]
    return priority


@njit(cache=True)
def _survivors(x, y, birth, priority, window, radius):
    """Which candidates of the window stay: numbers, in the candidates' order."""
    grid = bin_grid(x.size, window, radius)
    start, member = binned(x, y, grid)
    keep = np.empty(x.size, np.int64)
    n = 0
    for i in range(x.size):
        inside = window[0] <= x[i] < window[2] and window[1] <= y[i] < window[3]
        if inside and _stays(i, x, y, birth, priority, start, member, grid, radius):
            keep[n] = i
            n += 1
    return keep[:n]


@njit(cache=True)
def _stays(i, x, y, birth, priority, start, member, grid, radius):
    """Whether no candidate that counts is within the radius of candidate i."""
    columns, middle = grid[1], bin_of(x[i], y[i], grid)
    for row in range(middle - columns, middle + columns + 1, columns):
        for m in range(start[row - 1], start[row + 2]):
            j = member[m]
            dx, dy = x[j] - x[i], y[j] - y[i]
            if dx * dx + dy * dy > radius * radius or j == i:
                continue
            if priority.size == 0 or _older(j, i, priority, birth):
                return False
    return True


@njit(cache=True)
def _older(j, i, priority, birth):
    return priority[j] < priority[i] or (priority[j] == priority[i] and birth[j] < birth[i])
