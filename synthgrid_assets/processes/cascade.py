"""Multiplicative cascade: an intensity that is split unevenly, block by block, down to the cell.

Belongs here: the law and the sampler, and Sierpinski's triangle as a cascade. Not here:
smooth random intensities (`lgcp`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, permutations
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.exact_math import poisson_table
from synthgrid_assets.lattice.pattern import PointPattern, canonical
from synthgrid_assets.lattice.seeding import POINT, SPLIT, Key, lookup, words
from synthgrid_assets.processes.count_models import BlockModel, CountModel
from synthgrid_assets.processes.family import (
    Parameters,
    check_density,
    check_positive,
    exact,
    per_cell,
)
from synthgrid_assets.processes.isotropic import quadrature, set_covariance
from synthgrid_assets.processes.poisson import scatter

ALGORITHM_VERSION = 1
MAX_LEVELS = 12
_THIRDS = (Fraction(1, 3),) * 3 + (Fraction(0),)
# every order of four quarters, as the place of the share that each of them takes
_ORDERS = np.array(list(permutations(range(4))))


class SierpinskiParameters(Parameters):
    """What a world file says of a random Sierpinski triangle."""

    points_per_km2: float = Field(gt=0, description="expected points per square kilometre")
    levels: int = Field(
        ge=1, le=MAX_LEVELS, description="splits; the largest block has 2**levels cells a side"
    )


class CascadeParameters(SierpinskiParameters):
    """What a world file says of a multiplicative cascade."""

    shares: Annotated[tuple[float, ...], Field(strict=False)] = Field(
        min_length=4,
        max_length=4,
        description="what each quarter of a block gets of its points, four numbers that sum to 1",
    )

    @field_validator("shares")
    @classmethod
    def _shares_are_all(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        total = sum(exact(share) for share in shares)
        if total != 1 or min(shares) < 0:
            raise ValueError(f"must be 0 or more and sum to 1, not to {float(total)!r}")
        return shares


@dataclass(frozen=True)
class CascadeLaw:
    """The law of a multiplicative cascade on the lattice; lengths in cells.

    The plane is cut into blocks of ``2**levels`` cells a side, at a place that the key decides.
    Each is split into quarters, which take the shares in an order of their own, and so on down
    to cells, in which points are Poisson. Windows are taken to consist of whole cells.

    Parameters
    ----------
    intensity : float
        Expected points per cell, > 0.
    shares : tuple of four floats
        They sum to 1.
    levels : int
        Splits, >= 1.

    Notes
    -----
    Two places whose smallest common block has a side of ``2**k`` cells have a mean product of
    intensities ``intensity**2 * a**(levels - k) * b``, with ``a = 4 sum(p**2)`` and
    ``b = (16 - 4 a) / 12`` (for one cell, k = 0 and ``b = 1``), and they have a common block of
    side s with probability ``(1 - |x| / s)(1 - |y| / s)``. Hence g - 1 is a sum of such products,
    averaged over directions. Mandelbrot (1974), J. Fluid Mech. 62; with shares (p, 1 - p)
    applied to each axis it is the *bit* distribution of the generator Spider.

    Examples
    --------
    >>> law = CascadeLaw(2.0, (0.4, 0.3, 0.2, 0.1), 3)
    >>> law.pair_correlation(np.array([0.0, 12.0])).round(4).tolist()
    [1.728, 1.0]
    """

    intensity: float
    shares: tuple[float, float, float, float]
    levels: int
    count_model: ClassVar[CountModel] = BlockModel()
    hard_core: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        check_positive("cascade", intensity=self.intensity, levels=self.levels)

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`, averaged over places and directions."""
        radii = np.maximum(np.asarray(r, float), 1e-12)
        excess: NDArray[np.float64] = np.zeros_like(radii)
        for side, weight in self._blocks():
            near = np.minimum(radii, 2 * side)
            excess += weight * set_covariance(near, side, side) / side**2
        return 1 + excess

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r) in cells, shape of `r`, averaged over places and directions."""
        radii = np.asarray(r, float)
        kinks = sorted({end for side, _ in self._blocks() for end in (side, side * math.sqrt(2))})
        excess = np.empty(radii.size)
        for i, radius in enumerate(radii.ravel()):
            nodes, weights = quadrature([k for k in kinks if k < radius] + [radius])
            rate = 2 * math.pi * nodes * (self.pair_correlation(nodes) - 1)
            excess[i] = np.dot(weights, rate)
        k: NDArray[np.float64] = math.pi * radii**2 + excess.reshape(radii.shape)
        return k

    def count_variance(self, width: float, height: float) -> float:
        """Variance of the number of points in a rectangle of whole cells."""
        across, up = (np.arange(1 - math.ceil(s), math.ceil(s)) for s in (width, height))
        pairs = sum(
            weight
            * float(((width - abs(across)) * _share(across, side)).sum())
            * float(((height - abs(up)) * _share(up, side)).sum())
            for side, weight in self._blocks()
        )
        return self.intensity * width * height + self.intensity**2 * pairs

    def cell_covariance(self, lags: int) -> NDArray[np.float64]:
        """Covariance of two unit cells' counts beyond Poisson's, by lag.

        Shape (2 lags + 1, 2 lags + 1); lag (0, 0) in the middle.
        """
        apart = np.arange(-lags, lags + 1)
        covariance = np.zeros((apart.size, apart.size))
        for side, weight in self._blocks():
            axis = _share(apart, side)
            covariance += weight * np.outer(axis, axis)
        return self.intensity**2 * covariance

    @property
    def correlation_cells(self) -> int:
        """Lag in cells beyond which `cell_covariance` is 0: the largest block's side."""
        return 1 << self.levels

    def _blocks(self) -> list[tuple[int, float]]:
        """Side of the blocks of each level, and what a common one adds to the mean product."""
        same = 4 * sum(share**2 for share in self.shares)
        other = (16 - 4 * same) / 12
        common = [same**self.levels]
        common += [other * same ** (self.levels - k) for k in range(1, self.levels + 1)]
        steps = pairwise([*common, 1.0])
        return [(1 << k, mean - wider) for k, (mean, wider) in enumerate(steps)]


class CascadeProcess:
    """Samples a multiplicative cascade, any rectangle of atom cells at a time.

    A cell's intensity is a product of one share of each block that holds it, so it needs no
    other cell; its count is drawn from the exact table of that product.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key of the layer's process (`lattice.seeding.stream_key`).
    points_per_cell : Fraction
        Exact mean over the plane.
    shares : sequence of four Fraction
    levels : int

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> shares = [Fraction(n, 10) for n in (7, 1, 1, 1)]
    >>> process = CascadeProcess(stream_key("doctest"), Fraction(3), shares, 4)
    >>> len(process.points(Cells(0, 0, 16, 16)))
    853
    """

    reach = 0

    def __init__(
        self, key: Key, points_per_cell: Fraction, shares: Sequence[Fraction], levels: int
    ) -> None:
        first, second, third, fourth = (float(share) for share in shares)
        self.law = CascadeLaw(float(points_per_cell), (first, second, third, fourth), levels)
        self._key = key
        self._levels = levels
        self._mean = points_per_cell
        self._shares = sorted(set(shares))
        self._kind = np.array([self._shares.index(share) for share in shares])

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order."""
        classes = _classes(cells, self._key, self._levels, self._kind, _ORDERS)
        counts = np.zeros(classes.size, np.int64)
        for name in np.unique(classes):
            found = np.flatnonzero(classes == name)
            counts[found] = _counts(found, cells, self._key, self._table(int(name)))
        x, y, birth = scatter(cells, self._key, counts)
        return canonical(x, y, birth, cells)

    def _table(self, name: int) -> NDArray[np.uint64]:
        """Table of a cell that took each of the shares as often as its class says."""
        mean = self._mean * 4**self._levels
        for share in self._shares:
            name, times = divmod(name, MAX_LEVELS + 1)
            mean *= share**times
        return _poisson_table(mean)


def build(parameters: CascadeParameters, key: Key, cell_metres: float) -> CascadeProcess:
    """The cascade that `parameters` describe, on cells of `cell_metres`."""
    shares = [exact(share) for share in parameters.shares]
    return _built("cascade", parameters, shares, key, cell_metres)


def build_sierpinski(
    parameters: SierpinskiParameters, key: Key, cell_metres: float
) -> CascadeProcess:
    """A cascade that leaves one quarter of each block empty, whichever."""
    return _built("sierpinski", parameters, _THIRDS, key, cell_metres)


def _built(
    name: str,
    parameters: SierpinskiParameters,
    shares: Sequence[Fraction],
    key: Key,
    cell_metres: float,
) -> CascadeProcess:
    mean = per_cell(parameters.points_per_km2, cell_metres)
    check_density(name, "points_per_km2", mean)
    check_density(
        name,
        "points_per_km2 * (4 max(shares))**levels",
        mean * (4 * max(shares)) ** parameters.levels,
    )
    return CascadeProcess(key, mean, shares, parameters.levels)


@lru_cache(maxsize=4096)
def _poisson_table(mean: Fraction) -> NDArray[np.uint64]:
    return poisson_table(mean)


def _share(lag: NDArray[np.int64], side: int) -> NDArray[np.float64]:
    """Probability that cells at a lag along an axis lie in one block of a side."""
    shares: NDArray[np.float64] = np.maximum(1 - abs(lag) / side, 0.0)
    return shares


@njit(cache=True)
def _classes(cells, key, levels, kind, orders):
    """How often each cell took each share: its class, row by row.

    Digits to the base `MAX_LEVELS + 1`, one for each different share.
    """
    mask = np.uint64((1 << levels) - 1)
    across, up, _, _ = words(0, 0, 0, SPLIT, key)
    dx, dy = np.int64(across & mask), np.int64(up & mask)
    classes = np.empty((cells.ix1 - cells.ix0) * (cells.iy1 - cells.iy0), np.int64)
    c = 0
    for iy in range(cells.iy0, cells.iy1):
        for ix in range(cells.ix0, cells.ix1):
            x, y, name = ix + dx, iy + dy, 0
            for level in range(levels):
                quarter = (x & 1) | ((y & 1) << 1)
                x >>= 1
                y >>= 1
                role = SPLIT + np.uint64(level + 1)
                order = np.int64(words(0, x, y, role, key)[0] % np.uint64(24))
                name += (MAX_LEVELS + 1) ** kind[orders[order, quarter]]
            classes[c] = name
            c += 1
    return classes


@njit(cache=True)
def _counts(found, cells, key, table):
    """Points of the cells with given numbers, row by row."""
    counts = np.empty(found.size, np.int64)
    width = cells.ix1 - cells.ix0
    for i in range(found.size):
        ix, iy = cells.ix0 + found[i] % width, cells.iy0 + found[i] // width
        counts[i] = lookup(table, words(0, ix, iy, POINT, key)[0])
    return counts
