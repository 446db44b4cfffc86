"""The process `released`: points drawn from a released surface, never from private data.

Belongs here: its parameters, its sampler and the retention that stands for its surface. Not
here: releases (`privacy`, above this floor), sharing out the total (`splitting`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.masks import MaskLike
from synthgrid_assets.inputs.released_surface import ReleasedSurface
from synthgrid_assets.inputs.table_base import Decimal
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL_BITS, MAX_POINTS_PER_CELL, Cells
from synthgrid_assets.lattice.pattern import PointPattern, canonical, inside
from synthgrid_assets.lattice.seeding import POINT, Key, words
from synthgrid_assets.processes.family import SPREAD, Parameters
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.processes.splitting import SplitCounts

ALGORITHM_VERSION = 1
UNIT = 2.0**-16  # of a point: what a surface's expectations count in
MAX_SIDE = 1 << 10  # cells along a block
ATTEMPTS = 512  # places that a point tries, until one lies inside the mask
_ATTEMPT_BITS = 40


class ThresholdTable(Parameters):
    """``threshold = { k = 10, beta = 0.001 }``: which blocks of a release are shown.

    Parameters
    ----------
    k : int
        Least true count that is meant to be shown.
    beta : float
        Probability allowed for showing a block with fewer, for each block.
    """

    k: int = Field(strict=True, ge=1, le=1 << 20, description="least count that is meant")
    beta: float = Field(default=1e-3, gt=0, le=0.5, description="probability of failure")


class ReleasedParameters(Parameters):
    """What a world file says of a layer that is drawn from a release."""

    source: str = Field(min_length=1, description="name of the private input")
    epsilon: Annotated[str | float | None, Decimal] = Field(
        default=None, description="privacy loss of the release, pure"
    )
    rho: Annotated[str | float | None, Decimal] = Field(
        default=None, description="privacy loss of the release, zero-concentrated, in its place"
    )
    strategy: Literal["flat", "quadtree", "ranges"] = Field(
        default="flat", description="what is measured: flat, quadtree or ranges"
    )

    threshold: ThresholdTable | None = Field(
        default=None, description="blocks to show: { k = 10, beta = 0.001 }"
    )

    @model_validator(mode="after")
    def _one_loss(self) -> ReleasedParameters:
        if (self.epsilon is None) == (self.rho is None):
            raise ValueError("give one of epsilon and rho: what the release costs")
        return self


class ReleasedProcess:
    """Points of a released surface: their number is the surface's, their places are drawn.

    The total is shared out over the surface's blocks by a multinomial draw; within a block
    points are independent and uniform. Conditional on its count a rectangle's pattern is that
    of a Poisson process of the surface's intensity, and so are all tests that look at one.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key of the layer's process: public, as everything here.
    surface : ReleasedSurface
        Expected points per block, which are rounded to multiples of 2**-16.
    mask : MaskLike, optional
        Where points may lie. A block's points are uniform on its part inside, none is lost,
        except where the mask leaves out the block, or all but a 500th: expect none there.

    Raises
    ------
    SpecError
        If an atom cell could hold 2**16 points, or blocks are too large.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> surface = ReleasedSurface(Cells(0, 0, 8, 4), 4, np.array([[2.25, 9.5]]))
    >>> process = ReleasedProcess(stream_key("doctest"), surface)
    >>> len(process.points(Cells(-9, -9, 99, 99))), len(process.points(Cells(8, 0, 99, 9)))
    (12, 0)
    """

    reach = 0

    def __init__(self, key: Key, surface: ReleasedSurface, mask: MaskLike | None = None) -> None:
        expected = np.rint(surface.expected / UNIT)
        densest = float(expected.max(initial=0.0)) * UNIT / surface.side**2
        if densest + SPREAD * densest**0.5 >= MAX_POINTS_PER_CELL:
            raise SpecError(
                f"released: a block expects {densest:.6g} points per atom cell, with their spread "
                f"too near the limit of {MAX_POINTS_PER_CELL}; use a smaller `world.cell`"
            )
        if surface.side > MAX_SIDE:
            raise SpecError(
                f"released: blocks of {surface.side} cells a side are larger than {MAX_SIDE}; use "
                "a larger `world.cell`"
            )
        self._key = key
        self._surface = surface
        self._mask = mask
        weights = expected.astype(np.int64)
        total = round(Fraction(int(weights.sum()), 1 << 16))
        self._counts = SplitCounts(total, weights, key)
        self._expected = expected * UNIT

    @property
    def total(self) -> int:
        """Points in the whole plane: the surface's total, rounded."""
        return self._counts.total

    @cached_property
    def law(self) -> PoissonLaw:
        """A Poisson law of the densest cell's intensity; `ByRelease` thins it to the surface.

        Counts of disjoint rectangles vary a little less than under it, as they add up to a
        fixed total: by the share of the total that is expected in them.
        """
        return PoissonLaw(max(float(self._per_area.max(initial=0.0)), UNIT))

    @property
    def _per_area(self) -> NDArray[np.float64]:
        """Expected points per cell of allowed area, by block."""
        return self._expected / np.where(self._allowed > 0, self._allowed, np.inf)

    @cached_property
    def _allowed(self) -> NDArray[np.float64]:
        """Area of each block where points may lie, in cells."""
        side, shape = self._surface.side, self._expected.shape
        if self._mask is None:
            return np.full(shape, float(side**2))
        rows = []
        for row in range(shape[0]):  # a row of blocks at a time
            south = self._surface.cells.iy0 + row * side
            strip = self._surface.cells._replace(iy0=south, iy1=south + side)
            covered = self._mask.coverage(strip).reshape(side, shape[1], side)
            rows.append(covered.sum(axis=(0, 2)))
        return np.array(rows)

    def intensity(self, cells: Cells) -> NDArray[np.float64]:
        """Expected points of each cell, south to north: shape (h, w)."""
        out = np.zeros((cells.height, cells.width))
        part = cells.intersection(self._surface.cells)
        if part.area == 0:
            return out
        row0, column0, row1, column1 = self._blocks(part)
        side, origin = self._surface.side, self._surface.cells
        by_cell = np.kron(self._per_area[row0:row1, column0:column1], np.ones((side, side)))
        south, west = origin.iy0 + row0 * side, origin.ix0 + column0 * side
        density = by_cell[part.iy0 - south : part.iy1 - south, part.ix0 - west : part.ix1 - west]
        if self._mask is not None:
            density = density * self._mask.coverage(part)
        out[
            part.iy0 - cells.iy0 : part.iy1 - cells.iy0, part.ix0 - cells.ix0 : part.ix1 - cells.ix0
        ] = density
        return out

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order."""
        part = cells.intersection(self._surface.cells)
        if part.area == 0:
            empty = np.empty(0, np.int64)
            return PointPattern(empty, empty, np.empty(0, np.uint64))
        row0, column0, row1, column1 = self._blocks(part)
        counts = self._counts.over(row0, column0, row1, column1)
        row = np.repeat(np.repeat(np.arange(row0, row1), column1 - column0), counts.ravel())
        column = np.repeat(np.tile(np.arange(column0, column1), row1 - row0), counts.ravel())
        number = _numbered(counts.ravel())
        x, y, birth = self._places(row, column, number)
        x, y, birth = inside(x, y, birth, part.quanta())
        return canonical(x, y, birth, part)

    def _places(
        self, row: NDArray[np.int64], column: NDArray[np.int64], number: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
        """Where points lie: the first of their places that is inside the mask, if there is one."""
        origin, side = self._surface.cells, self._surface.side
        corner = origin.ix0, origin.iy0
        x, y, birth = _uniform(row, column, number, 0, corner, side, self._key)
        left = np.empty(0, np.int64)
        if self._mask is not None:
            left = np.flatnonzero(~self._mask.contains(x, y))
        for attempt in range(1, ATTEMPTS):
            if not left.size:
                break
            assert self._mask is not None
            again = _uniform(
                row[left], column[left], number[left], attempt, corner, side, self._key
            )
            x[left], y[left], birth[left] = again
            left = left[~self._mask.contains(x[left], y[left])]
        return np.delete(x, left), np.delete(y, left), np.delete(birth, left)

    def _blocks(self, part: Cells) -> tuple[int, int, int, int]:
        """The blocks that meet some cells: rows and columns, half-open."""
        origin, side = self._surface.cells, self._surface.side
        return (
            (part.iy0 - origin.iy0) // side,
            (part.ix0 - origin.ix0) // side,
            -(-(part.iy1 - origin.iy0) // side),
            -(-(part.ix1 - origin.ix0) // side),
        )


@dataclass(frozen=True)
class ByRelease:
    """The surface as a thinning that keeps every point: what the law expects of each cell.

    Parameters
    ----------
    process : ReleasedProcess
    """

    reach: ClassVar[int] = 0
    process: ReleasedProcess

    def kept(self, points: PointPattern, cells: Cells) -> NDArray[np.bool_]:
        """All of the points, shape (n,): they are drawn from the surface already."""
        return np.ones(len(points), bool)

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Share of the densest cell's expectation, by cell."""
        share: NDArray[np.float64] = self.process.intensity(cells) / self.process.law.intensity
        return share


def build_released(
    parameters: ReleasedParameters,
    key: Key,
    cell_metres: float,
    surface: ReleasedSurface,
    mask: MaskLike | None = None,
) -> ReleasedProcess:
    """The process that `parameters` describe, drawing from the release that they ask for."""
    return ReleasedProcess(key, surface, mask)


def _numbered(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """1, 2, 3 ... within each block."""
    starts = np.cumsum(counts) - counts
    return np.arange(1, int(counts.sum()) + 1) - np.repeat(starts, counts)


@njit(cache=True)
def _uniform(row, column, number, attempt, corner, side, key):
    """A place in each point's block, uniform on its quanta, and the word of its birth."""
    n = row.size
    x, y, birth = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.uint64)
    span, half = np.uint64(side) << np.uint64(CELL_BITS), np.uint64(32)
    low = np.uint64(0xFFFFFFFF)
    for i in range(n):
        block = number[i] + (np.int64(attempt) << _ATTEMPT_BITS)
        wx, wy, birth[i], _ = words(block, column[i], row[i], POINT, key)
        # the high half of a product: uniform on span values
        dx = ((wx >> half) * span + (((wx & low) * span) >> half)) >> half
        dy = ((wy >> half) * span + (((wy & low) * span) >> half)) >> half
        x[i] = ((corner[0] + column[i] * side) << CELL_BITS) + np.int64(dx)
        y[i] = ((corner[1] + row[i] * side) << CELL_BITS) + np.int64(dy)
    return x, y, birth
