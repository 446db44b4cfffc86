"""Layers as thinned processes: a process, and what keeps or drops each of its points.

Belongs here: thinning by a surface and by a mask, and the retention that laws need. Not
here: how surfaces and masks get their values (`world`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.inputs.masks import MaskLike
from synthgrid_assets.inputs.surfaces import ALWAYS, Surface, keeps, thresholds_at
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.point_words import words_at
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.processes.protocol import Law, Process

ALGORITHM_VERSION = 1
_BLOCK = 64  # cells along a side


class Thinning(Protocol):
    """Decides for each point of a pattern, independently of the others, whether it stays."""

    @property
    def reach(self) -> int:
        """Dependence radius in quanta: how far the decision looks beyond the point."""
        ...

    def kept(self, points: PointPattern, cells: Cells) -> NDArray[np.bool_]:
        """Which of the points in `cells` stay, shape (n,)."""
        ...

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Probability to stay, by pixel, south to north: shape (h * s, w * s)."""
        ...


@runtime_checkable
class Chancy(Protocol):
    """A thinning that draws: whether a point stays is no function of its place alone."""

    def chances(
        self, x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells
    ) -> NDArray[np.int64]:
        """Probability to stay at places in `cells`, in 2**-32, shape (n,)."""
        ...


@dataclass(frozen=True)
class BySurface:
    """Keeps a point with the probability that a surface has at its pixel.

    Parameters
    ----------
    surface : Surface
        Integer thresholds on the lattice's pixel grid.
    key : tuple of two uint64
        Stream key of this thinning.
    """

    reach: ClassVar[int] = 0
    surface: Surface
    key: Key

    def kept(self, points: PointPattern, cells: Cells) -> NDArray[np.bool_]:
        """Which of the points in `cells` stay, shape (n,)."""
        return keeps(self.surface, points.x, points.y, words_at(points, self.key), cells)

    def chances(
        self, x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells
    ) -> NDArray[np.int64]:
        """Probability to stay at places in `cells`, in 2**-32, shape (n,)."""
        threshold = thresholds_at(self.surface, x, y, cells)
        return np.where(threshold == ALWAYS, np.int64(1) << 32, threshold.astype(np.int64))

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Probability to stay, by pixel of the surface."""
        return self.surface.retention(cells)


@dataclass(frozen=True)
class ByMask:
    """Keeps the points inside a mask, exactly.

    Parameters
    ----------
    mask : MaskLike
        Polygons on the lattice.
    """

    mask: MaskLike

    @property
    def reach(self) -> int:
        """The mask's own: 0 unless it is drawn from seeds."""
        return self.mask.reach

    def kept(self, points: PointPattern, cells: Cells) -> NDArray[np.bool_]:
        """Which of the points in `cells` lie inside, shape (n,)."""
        return self.mask.contains(points.x, points.y)

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Area fraction of each pixel inside the mask, shape (h * s, w * s)."""
        return self.mask.retention(cells)


@dataclass(frozen=True)
class ThinnedProcess:
    """A process and the thinnings that act on it, one after the other.

    Parameters
    ----------
    process : Process
    thinnings : tuple of Thinning

    Notes
    -----
    Independent thinning keeps the pair correlation of the process and multiplies its
    intensity by the retention (Illian et al. 2008, section 6.2.1).
    """

    process: Process
    thinnings: tuple[Thinning, ...] = ()

    @property
    def law(self) -> Law:
        """The law before thinning; combine it with `retention`."""
        return self.process.law

    @property
    def reach(self) -> int:
        """Dependence radius in quanta, of the process and of all its thinnings."""
        return max(self.process.reach, *(thinning.reach for thinning in self.thinnings), 0)

    def points(self, cells: Cells) -> PointPattern:
        """The points that stay in a rectangle of cells, in canonical order."""
        points = self.process.points(cells.check())
        for thinning in self.thinnings:
            points = points.take(thinning.kept(points, cells))
        return points

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Probability to stay by pixel, shape (h * s, w * s), s the finest pixels per cell."""
        product = np.ones((cells.height, cells.width))
        for thinning in self.thinnings:
            product = _multiply(product, thinning.retention(cells))
        return product

    def parts(self, cells: Cells) -> tuple[tuple[Law, NDArray[np.float64]], ...]:
        """Law and retention of each independent process in it: this one alone."""
        return ((self.law, self.retention(cells)),)

    def expected_count(self, cells: Cells) -> float:
        """Expected number of points in a rectangle of cells."""
        return self.law.intensity * self.kept_area(cells)

    def kept_area(self, cells: Cells) -> float:
        """The integral of the retention over a rectangle of cells, in cells."""
        return math.fsum(
            float(self.retention(block).mean()) * block.area for block in _blocks(cells)
        )


def _blocks(cells: Cells) -> Iterator[Cells]:
    """The rectangle in parts of bounded size, whose pixels fit in memory."""
    for iy in range(cells.iy0, cells.iy1, _BLOCK):
        for ix in range(cells.ix0, cells.ix1, _BLOCK):
            yield Cells(ix, iy, ix + _BLOCK, iy + _BLOCK).intersection(cells)


def _multiply(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The product of two pixel grids over the same cells, on the finer grid."""
    coarse, fine = sorted((a, b), key=lambda grid: grid.shape[0])
    factor = fine.shape[0] // coarse.shape[0]
    product: NDArray[np.float64] = np.kron(coarse, np.ones((factor, factor))) * fine
    return product
