"""The ranges strategy: one matrix for rows and one for columns, the best for all rectangles.

Belongs here: this strategy and its matrices. Not here: what all strategies share (`strategy`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.privacy.strategies import nonnegative as least
from synthgrid_assets.privacy.strategies.strategy import Strategy
from synthgrid_assets.privacy.strategies.tree_blocks import pad, padded_length, top_side

Matrix = NDArray[np.float64]
_FINENESS = 64  # the matrices are rounded to multiples of 1 / 64
_ITERATIONS = 400
_STEPS = 400
_BITS = 36  # of a number before it meets a matrix: 53 less the digits of a row's sum


@dataclass(frozen=True)
class Ranges(Strategy):
    """Measures ``R x C'``: of all square matrices the best for the ranges of each axis.

    Rows and columns are cut into pieces of up to 64 cells, measured piece by piece. Single
    cells cost about twice their error in flat counts, large rectangles a quarter of theirs.

    Raises
    ------
    SpecError
        Beside `Strategy`'s, for a loss in epsilon: where absolute sums are paid for, the matrix
        is three times as wrong as flat counts, on average over all ranges.

    Notes
    -----
    The best Gram matrix X with unit diagonal minimises ``trace(G X**-1)``, `G` the Gram matrix
    of all ranges; it is the fixed point of ``X = D**-1/2 (D**1/2 G D**1/2)**1/2 D**-1/2``, and
    the matrix is its root: Denisov, McMahan, Rush, Smith and Thakurta (2022), Improved
    differential privacy for SGD via optimal private linear operators on adaptive streams.
    Products over axes: McKenna, Miklau, Hay and Machanavajjhala (2018), Optimizing error of
    high-dimensional statistical queries under differential privacy.

    Examples
    --------
    >>> from synthgrid_assets.privacy.strategies.terms import Loss
    >>> ranges = Ranges((64, 64), Loss.of_rho("0.5"))
    >>> ranges.expected_rmse(32, 32) < 32 / 3  # of 32, for flat counts
    True
    """

    name: ClassVar[str] = "ranges"
    version: ClassVar[int] = 1
    measures: ClassVar[tuple[str, ...]] = ("rho",)

    @cached_property
    def _sides(self) -> tuple[int, int]:
        """Cells along a piece of rows, and of columns."""
        return top_side(self.shape[0]), top_side(self.shape[1])

    @cached_property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of whole pieces; what lies beyond the grid is empty."""
        rows, columns = (padded_length(n, s) for n, s in zip(self.shape, self._sides, strict=True))
        return rows, columns

    @property
    def _matrices(self) -> tuple[Matrix, Matrix]:
        return range_matrix(self._sides[0]), range_matrix(self._sides[1])

    @property
    def size(self) -> int:
        """As many integers as cells, those of the padding included."""
        return self.padded[0] * self.padded[1]

    def l1_sensitivity(self) -> int:
        """A unit's points, each times the largest absolute column sum of the product."""
        rows, columns = (int(np.abs(m).sum(axis=0).max()) for m in self._matrices)
        return self.unit.points * rows * columns

    def l2_sensitivity_squared(self) -> int:
        """Squares of a column of a product are products of squares."""
        rows, columns = (int((m.astype(np.int64) ** 2).sum(axis=0).max()) for m in self._matrices)
        return self.unit.points**2 * rows * columns

    def apply(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """``R x C'`` in 64-bit integers."""
        rows, columns = (m.astype(np.int64) for m in self._matrices)
        pieces = self._pieces(pad(counts, *self.padded))
        return np.asarray(rows @ pieces @ columns.T, np.int64).ravel()

    def unbiased(self, recorded: NDArray[np.int64]) -> NDArray[np.float64]:
        """``R**-1 y C'**-1``."""
        pieces = self.check_recorded(recorded).astype(float).reshape(self._piece_shape)
        rows, columns = (np.linalg.inv(m) for m in self._matrices)
        return self._grid(rows @ pieces @ columns.T)

    def rectangle_factor(self, row0: int, column0: int, row1: int, column1: int) -> float:
        """A product over the axes."""
        (rows, columns), (above, aside) = self.shape, self._sides
        return _interval_factor(rows, above, row0, row1) * _interval_factor(
            columns, aside, column0, column1
        )

    def cell_factors(self) -> NDArray[np.float64]:
        """Products of the axes' own."""
        factors = [
            np.tile(np.diag(_inverse_gram(side)), padded // side)[:length]
            for length, side, padded in zip(self.shape, self._sides, self.padded, strict=True)
        ]
        return np.outer(*factors)

    def mean_factor(self, height: int, width: int) -> float:
        """The mean of a product over independent places is the product of means."""
        means = [
            _mean_interval_factor(n, side, k)
            for n, side, k in zip(self.shape, self._sides, (height, width), strict=True)
        ]
        return means[0] * means[1]

    def nonnegative(
        self, recorded: NDArray[np.int64], support: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """Non-negative least squares against the recorded integers."""
        measured = self.check_recorded(recorded).astype(float).reshape(self._piece_shape)
        rows, columns = self._matrices
        row_gram, column_gram = rows.T @ rows, columns.T @ columns
        target = _product(rows.T, measured, columns)
        inside = np.ones(self.shape, bool) if support is None else support
        x = least.least_squares(
            lambda x: _product(row_gram, x, column_gram),
            target,
            np.zeros_like(target),
            # the largest row sum bounds all eigenvalues, and is a whole number
            float(np.abs(row_gram).sum(axis=1).max() * np.abs(column_gram).sum(axis=1).max()),
            _STEPS,
            np.asarray(self._pieces(pad(inside, *self.padded)), bool),
        )
        return least.rounded(self._grid(x))

    @property
    def _piece_shape(self) -> tuple[int, int, int, int]:
        (rows, columns), (above, aside) = self.padded, self._sides
        return rows // above, columns // aside, above, aside

    def _pieces(self, grid: NDArray[Any]) -> NDArray[Any]:
        """A padded grid as pieces, shape (rows of pieces, columns of pieces, side, side)."""
        down, across, above, aside = self._piece_shape
        return grid.reshape(down, above, across, aside).swapaxes(1, 2)

    def _grid(self, pieces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pieces as a grid of the release's shape."""
        grid = pieces.swapaxes(1, 2).reshape(self.padded)
        return grid[: self.shape[0], : self.shape[1]]


@lru_cache(maxsize=16)
def range_matrix(n: int) -> Matrix:
    """The strategy's matrix for `n` cells in a row: whole numbers, times 64.

    Parameters
    ----------
    n : int
        A power of two, up to 64.

    Returns
    -------
    ndarray of float64, shape (n, n)
        Holds integers. No entry lies nearer than 1e-4 to where its rounding would change, far
        from the 1e-12 that linear algebra differs by between machines.

    Examples
    --------
    >>> range_matrix(2)
    array([[63.,  9.],
           [ 9., 63.]])
    """
    at = np.arange(n)
    gram = np.minimum.outer(at + 1, at + 1) * (n - np.maximum.outer(at, at)).astype(float)
    weights = np.ones(n)
    for _ in range(_ITERATIONS):
        root = np.sqrt(weights)
        best = _square_root(root[:, None] * gram * root) / np.outer(root, root)
        weights = weights * np.diag(best)
    return np.rint(_square_root(best) * _FINENESS)


def _square_root(matrix: Matrix) -> Matrix:
    """The symmetric root of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)


@lru_cache(maxsize=16)
def _inverse_gram(side: int) -> Matrix:
    matrix = range_matrix(side)
    return np.asarray(np.linalg.inv(matrix.T @ matrix), float)


def _interval_factor(length: int, side: int, first: int, last: int) -> float:
    """``v' (M'M)**-1 v`` for the indicator of ``[first, last)``, piece by piece."""
    indicator = np.zeros(padded_length(length, side))
    indicator[first:last] = 1.0
    pieces = indicator.reshape(-1, side)
    return float(((pieces @ _inverse_gram(side)) * pieces).sum())


def _mean_interval_factor(length: int, side: int, width: int) -> float:
    """`_interval_factor` over all intervals of `width`: places a piece apart are alike."""
    places = length - width + 1
    first = np.arange(min(side, places))
    alike = -(-(places - first) // side)
    factors = [_interval_factor(int(i) + width, side, int(i), int(i) + width) for i in first]
    return float(np.dot(alike, factors)) / places


def _product(left: Matrix, x: NDArray[np.float64], right: Matrix) -> NDArray[np.float64]:
    """``left x right`` for matrices of whole numbers, exact in any order of summation."""
    return least.coarse(left @ least.coarse(x, _BITS), _BITS) @ right
