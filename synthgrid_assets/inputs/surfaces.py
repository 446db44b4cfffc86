"""Intensity surfaces: an integer threshold for each pixel of a fixed lattice grid.

Belongs here: the pixel grid, the threshold rule and surfaces that are computed by blocks.
Not here: what they are computed from (`source_surfaces`, `declared_surfaces`), stored surfaces
(`surface_store`) and what thinning does with them (`processes.thinning.thinned`).

A surface has ``s`` x ``s`` pixels in each atom cell, ``s`` a power of two. Its threshold T is a
uint32: a point stays iff the top 32 bits of its random word are below T, and always where T
is 2**32 - 1, so that the maximum keeps every point exactly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells, Lattice
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.lattice.projection import Operation

BLOCK = 256  # pixels along the side of a block; blocks are aligned to lattice point (0, 0)
ALWAYS = np.uint32(2**32 - 1)  # the threshold that keeps every point
_CACHED_BLOCKS = 64  # 16 MiB


class Surface(Protocol):
    """Thresholds on the lattice's pixel grid, any rectangle of cells at a time."""

    @property
    def pixels_per_cell(self) -> int:
        """Pixels along a cell's side, a power of two."""
        ...

    def thresholds(self, cells: Cells) -> NDArray[np.uint32]:
        """Thresholds by pixel, south to north, west to east: shape (h * s, w * s)."""
        ...

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Probability to be kept, by pixel: exactly what the thresholds do."""
        ...


def thresholds_of(values: NDArray[np.float64], maximum: float) -> NDArray[np.uint32]:
    """``floor(value / maximum * 2**32)``, at most 2**32 - 1.

    Parameters
    ----------
    values : ndarray of float64
        Between 0 and `maximum`.
    maximum : float
        The value that keeps every point.

    Examples
    --------
    >>> thresholds_of(np.array([0.0, 0.5, 1.0]), 1.0).tolist()
    [0, 2147483648, 4294967295]
    """
    return np.minimum(np.floor(values / maximum * 2.0**32), float(ALWAYS)).astype(np.uint32)


def retention_of(thresholds: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Probability that a uniform word is kept: T / 2**32, and 1 for the largest T.

    Examples
    --------
    >>> retention_of(np.array([0, 2**31, 2**32 - 1], np.uint32)).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.where(thresholds == ALWAYS, 1.0, thresholds / 2.0**32)


def keeps(
    surface: Surface,
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    words: NDArray[np.uint64],
    cells: Cells,
) -> NDArray[np.bool_]:
    """Which points a surface keeps.

    Parameters
    ----------
    surface : Surface
    x, y : ndarray of int64, shape (n,)
        Points inside `cells`, in quanta.
    words : ndarray of uint64, shape (n,)
        One uniform random word for each point.
    cells : Cells
        Rectangle to look at.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    at_points = thresholds_at(surface, x, y, cells)
    kept: NDArray[np.bool_] = ((words >> np.uint64(32)) < at_points) | (at_points == ALWAYS)
    return kept


def retention_at(
    surface: Surface, x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells
) -> NDArray[np.float64]:
    """A surface's value in [0, 1] at points inside `cells`: that of their pixel, shape (n,)."""
    return retention_of(thresholds_at(surface, x, y, cells))


def thresholds_at(
    surface: Surface, x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells
) -> NDArray[np.uint32]:
    """The surface's thresholds at places inside `cells`, in quanta."""
    thresholds = surface.thresholds(cells)
    s = surface.pixels_per_cell
    shift = CELL_BITS - (s.bit_length() - 1)
    at_points: NDArray[np.uint32] = thresholds[
        (y >> shift) - cells.iy0 * s, (x >> shift) - cells.ix0 * s
    ]
    return at_points


class BlockSurface(ABC):
    """A surface made of fixed blocks of 256 x 256 pixels, the last few kept in memory.

    Block (i, j) covers pixel columns ``[256 i, 256 i + 256)`` and rows alike, counted from
    lattice point (0, 0), whatever rectangle is asked for.
    """

    def __init__(self, pixels_per_cell: int) -> None:
        self._pixels_per_cell = pixels_per_cell
        self._blocks: OrderedDict[tuple[int, int], NDArray[np.uint32]] = OrderedDict()

    @property
    def pixels_per_cell(self) -> int:
        """Pixels along a cell's side, a power of two."""
        return self._pixels_per_cell

    @abstractmethod
    def make_block(self, column: int, row: int) -> NDArray[np.uint32]:
        """Thresholds of one block, south to north: shape (256, 256)."""

    def thresholds(self, cells: Cells) -> NDArray[np.uint32]:
        """Thresholds by pixel, south to north, west to east: shape (h * s, w * s).

        Raises
        ------
        GeometryError
            If the cells lie outside the lattice's range.
        SpecError
            If a value of the source cannot be used.
        """
        x0, y0, x1, y1 = (side * self._pixels_per_cell for side in cells.check())
        out = np.empty((y1 - y0, x1 - x0), np.uint32)
        for row in range(y0 // BLOCK, -(-y1 // BLOCK)):
            for column in range(x0 // BLOCK, -(-x1 // BLOCK)):
                left, low = max(column * BLOCK, x0), max(row * BLOCK, y0)
                right, high = min((column + 1) * BLOCK, x1), min((row + 1) * BLOCK, y1)
                block = self._block(column, row)
                out[low - y0 : high - y0, left - x0 : right - x0] = block[
                    low - row * BLOCK : high - row * BLOCK,
                    left - column * BLOCK : right - column * BLOCK,
                ]
        return out

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Probability to be kept, by pixel: shape (h * s, w * s)."""
        return retention_of(self.thresholds(cells))

    def _block(self, column: int, row: int) -> NDArray[np.uint32]:
        if (column, row) in self._blocks:
            self._blocks.move_to_end((column, row))
        else:
            self._blocks[column, row] = self.make_block(column, row)
            if len(self._blocks) > _CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        return self._blocks[column, row]


class ComputedSurface(BlockSurface):
    """A surface that is computed from what its world declares, block by block."""

    lattice: Lattice

    @property
    @abstractmethod
    def label(self) -> str:
        """What messages call it: its file, or its kind."""

    @property
    @abstractmethod
    def maximum(self) -> float:
        """The value that keeps every point."""

    @property
    def operation(self) -> Operation | None:
        """How coordinates come to the source's CRS; None where there is none."""
        return None

    @property
    def covered(self) -> float:
        """Share of the world's extent that the source covers; refused where it covers nothing."""
        return 1.0

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Everything that decides the thresholds, as JSON values."""

    @property
    def code_version(self) -> str:
        """Hash of `describe`: equal versions have equal thresholds."""
        return version_hash(["surface", self.describe()])

    def centres(self, column: int, row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """CRS coordinates of the centres of a block's pixels, each of shape (256, 256)."""
        side = CELL // self.pixels_per_cell
        x, y = (
            (start * BLOCK + np.arange(BLOCK, dtype=np.int64)) * side + side // 2
            for start in (column, row)
        )
        return self.lattice.coordinates(*np.meshgrid(x, y))
