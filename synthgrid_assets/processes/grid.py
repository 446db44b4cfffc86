"""Grid and jittered grid: exactly one point in each square stratum.

Belongs here: the laws and samplers of both. Not here: random counts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from synthgrid_assets.errors import SpecError
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.pattern import PointPattern, canonical
from synthgrid_assets.lattice.seeding import POINT, Key, words
from synthgrid_assets.processes.count_models import CountModel, MomentsOnly, RegularModel
from synthgrid_assets.processes.family import Parameters

ALGORITHM_VERSION = 1
MAX_POINTS_PER_CELL = 4**7
_NODES = 64


class GridParameters(Parameters):
    """What a world file says of a grid or a jittered grid."""

    points_per_cell: int = Field(
        ge=1, le=MAX_POINTS_PER_CELL, description="points in an atom cell, a power of 4"
    )

    @field_validator("points_per_cell")
    @classmethod
    def _is_a_power_of_4(cls, value: int) -> int:
        if 4 ** _log4(value) != value:
            raise ValueError("must be a power of 4: 1, 4, 16, 64, ...")
        return value


@dataclass(frozen=True)
class GridLaw(ABC):
    """What the laws of both have in common: fixed counts; lengths in cells.

    Windows are taken to start at a cell's corner; over whole cells the count is certain.

    Parameters
    ----------
    intensity : float
        Points per cell, a power of 4.
    """

    intensity: float
    correlation_cells: int = 0
    count_model: ClassVar[CountModel] = MomentsOnly()
    hard_core: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        if self.intensity < 1 or 4 ** _log4(int(self.intensity)) != self.intensity:
            raise SpecError(f"grid: points per cell must be a power of 4, got {self.intensity!r}")

    @property
    def stratum(self) -> float:
        """Side of a stratum."""
        return 1 / math.sqrt(self.intensity)

    @abstractmethod
    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`."""

    @abstractmethod
    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r) in cells, shape of `r`."""

    @abstractmethod
    def count_variance(self, width: float, height: float) -> float:
        """Variance of the number of points in a rectangle at a cell's corner."""

    def cell_covariance(self, lags: int) -> NDArray[np.float64]:
        """Minus the intensity at lag (0, 0): it cancels the Poisson term, counts are certain."""
        covariance = np.zeros((2 * lags + 1, 2 * lags + 1))
        covariance[lags, lags] = -self.intensity
        return covariance


class RegularLaw(GridLaw):
    """The law of a square grid of points at the strata's centres.

    Examples
    --------
    >>> law = RegularLaw(4.0)
    >>> law.k_function(np.array([0.4, 0.5])).tolist()  # the four nearest neighbours
    [0.0, 1.0]
    """

    count_model: ClassVar[CountModel] = RegularModel()

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """NaN, shape of `r`: distances are discrete, so they have no density."""
        return np.full(np.shape(r), math.nan)

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r) in cells, shape of `r`: grid points within r, over the intensity."""
        radii = np.asarray(r, float) / self.stratum
        top = int(radii.max(initial=0.0)) + 1
        axis = np.arange(-top, top + 1)
        lengths = np.sort(np.hypot(*np.meshgrid(axis, axis)).ravel())
        others = np.searchsorted(lengths, radii * (1 + 1e-12), side="right") - 1
        k: NDArray[np.float64] = others / self.intensity
        return k

    def count_variance(self, width: float, height: float) -> float:
        """0: the number of points in a rectangle at a cell's corner is certain."""
        return 0.0


class JitteredLaw(GridLaw):
    """The law of one uniform point in each stratum.

    Examples
    --------
    >>> law = JitteredLaw(4.0)
    >>> law.count_variance(3.0, 2.0), law.count_variance(0.25, 0.5)
    (0.0, 0.25)
    """

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`, averaged over places and directions."""
        return 1 - self._same_stratum(np.asarray(r, float) / self.stratum)

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r) in cells, shape of `r`, averaged over places."""
        radii = np.asarray(r, float)
        x, w = np.polynomial.legendre.leggauss(_NODES)
        lost = np.zeros(radii.shape)
        for low, high in ((0.0, 1.0), (1.0, math.sqrt(2))):  # in strata
            end = np.clip(radii / self.stratum, low, high)
            half = (end - low) / 2
            s = low + half[..., None] * (x + 1)
            lost += half * np.sum(w * 2 * math.pi * s * self._same_stratum(s), axis=-1)
        k: NDArray[np.float64] = math.pi * radii**2 - lost * self.stratum**2
        return k

    def count_variance(self, width: float, height: float) -> float:
        """Variance of the number of points in a rectangle at a cell's corner."""
        across, up = width / self.stratum, height / self.stratum
        full_x, part_x = math.floor(across), across % 1
        full_y, part_y = math.floor(up), up % 1
        corner = part_x * part_y
        return (
            full_y * part_x * (1 - part_x) + full_x * part_y * (1 - part_y) + corner * (1 - corner)
        )

    @staticmethod
    def _same_stratum(s: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(two places `s` sides apart share a stratum), averaged over directions."""
        first = np.arccos(np.minimum(1 / np.maximum(s, 1e-300), 1.0))
        last = np.maximum(math.pi / 2 - first, first)
        shared: NDArray[np.float64] = (
            (last - first)
            - s * (np.sin(last) - np.sin(first) - np.cos(last) + np.cos(first))
            + s**2 / 2 * (np.sin(last) ** 2 - np.sin(first) ** 2)
        ) / (math.pi / 2)
        return shared


class RegularProcess:
    """A grid with one point at the centre of each of a cell's strata.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key; it decides the points' births only.
    points_per_cell : int
        A power of 4, at most 4**7.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> process = JitteredProcess(stream_key("doctest"), 16)
    >>> len(process.points(Cells(0, 0, 10, 10)))
    1600
    """

    reach = 0
    model: ClassVar[type[GridLaw]] = RegularLaw
    jittered: ClassVar[bool] = False

    def __init__(self, key: Key, points_per_cell: int) -> None:
        self.law = self.model(float(points_per_cell))
        self._key = key
        self._bits = _log4(points_per_cell)

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order."""
        x, y, birth = _strata(cells, self._key, self._bits, self.jittered)
        return canonical(x, y, birth, cells)


class JitteredProcess(RegularProcess):
    """A grid with one uniform point in each of a cell's strata; see `RegularProcess`."""

    model, jittered = JitteredLaw, True


def build_grid(parameters: GridParameters, key: Key, cell_metres: float) -> RegularProcess:
    """The grid that `parameters` describe."""
    return RegularProcess(key, parameters.points_per_cell)


def build_jittered(parameters: GridParameters, key: Key, cell_metres: float) -> JitteredProcess:
    """The jittered grid that `parameters` describe."""
    return JitteredProcess(key, parameters.points_per_cell)


def _log4(number: int) -> int:
    return (number.bit_length() - 1) // 2


@njit(cache=True)
def _strata(cells, key, bits, jittered):
    """One point in each of the ``2**bits x 2**bits`` strata of each cell."""
    side = CELL_BITS - bits
    shift = np.uint64(64 - side)
    half = np.int64(1) << (side - 1)
    n = (cells.ix1 - cells.ix0) * (cells.iy1 - cells.iy0) << (2 * bits)
    x = np.empty(n, np.int64)
    y = np.empty(n, np.int64)
    birth = np.empty(n, np.uint64)
    i = 0
    for iy in range(cells.iy0, cells.iy1):
        for ix in range(cells.ix0, cells.ix1):
            for stratum in range(1 << (2 * bits)):
                wx, wy, ident, _ = words(stratum, ix, iy, POINT, key)
                dx = np.int64(wx >> shift) if jittered else half
                dy = np.int64(wy >> shift) if jittered else half
                column, row = stratum & ((1 << bits) - 1), stratum >> bits
                x[i] = (ix << CELL_BITS) | (column << side) | dx
                y[i] = (iy << CELL_BITS) | (row << side) | dy
                birth[i] = ident
                i += 1
    return x, y, birth
