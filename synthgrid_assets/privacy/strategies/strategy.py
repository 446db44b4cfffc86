"""What every strategy offers: integers to be recorded, their cost, and estimates made of them.

Belongs here: the base of all strategies, and the estimate of a rectangle. Not here: which
integers are measured (one module per strategy), non-negative surfaces (`nonnegative`).

A strategy measures ``A x + noise``: `x` are the counts of the grid's cells, `A` is a public
matrix of integers, and every number gets noise of one scale. `measure` is called once, by the
record of draws; everything else is a function of the recorded integers and of public terms.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import AuditError, PrivacyError, SpecError
from synthgrid_assets.privacy.strategies.noise import Noise, calibrated
from synthgrid_assets.privacy.strategies.terms import EVENT, MEASURES, Loss, Unit

MAX_SIDE, MAX_CELLS = 4096, 1 << 22
MAX_COUNT = 1 << 36  # of a cell: no sum or product below leaves 64 bits
ALPHA = 0.05  # of the intervals


@dataclass(frozen=True)
class Estimate:
    """An unbiased estimate of the number of points in a rectangle, with its error.

    Attributes
    ----------
    value : float
        May be negative.
    sd : float
        Standard deviation of the noise in it.
    low, high : float
        The true number lies between these with a probability of 0.95.
    """

    value: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Strategy(ABC):
    """How a grid of counts is measured; an instance is public and never holds counts.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the grid, each in ``[1, 4096]``, and at most ``2**22`` cells.
    loss : Loss
        What releasing the whole grid once costs.
    unit : Unit
        What one protected unit adds to the counts at most.

    Raises
    ------
    SpecError
        If the shape is out of range, or the noise would leave 64-bit integers.

    Notes
    -----
    Matrix mechanism: Li, Miklau, Hay, McGregor and Rastogi (2015), The matrix mechanism:
    optimizing linear counting queries under differential privacy.
    """

    shape: tuple[int, int]
    loss: Loss
    unit: Unit = field(default=EVENT)

    name: ClassVar[str]
    version: ClassVar[int]  # raised when the same terms would mean other integers
    measures: ClassVar[tuple[str, ...]] = MEASURES  # losses that it is made for

    def __post_init__(self) -> None:
        rows, columns = self.shape
        if not (0 < rows <= MAX_SIDE and 0 < columns <= MAX_SIDE and rows * columns <= MAX_CELLS):
            raise SpecError(
                f"a grid of {rows} x {columns} release cells is out of range: 1 to {MAX_SIDE} "
                f"rows and columns, and at most {MAX_CELLS} cells; use larger release cells"
            )
        if self.loss.measure not in self.measures:
            raise SpecError(
                f"strategy {self.name!r} is made for a loss in {' or '.join(self.measures)}, not "
                f"in {self.loss.measure}; use strategy = 'flat' or 'quadtree', or declare a rho",
                "strategy",
            )

    # -- what a strategy says of itself ------------------------------------------------------

    @property
    @abstractmethod
    def size(self) -> int:
        """How many integers are recorded."""

    @abstractmethod
    def l1_sensitivity(self) -> int:
        """Most that one unit changes all measured integers together, in absolute value."""

    @abstractmethod
    def l2_sensitivity_squared(self) -> int:
        """Most that one unit changes them, as a sum of squares."""

    @abstractmethod
    def apply(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """``A x``: the integers without noise, shape (size,)."""

    @abstractmethod
    def unbiased(self, recorded: NDArray[np.int64]) -> NDArray[np.float64]:
        """Least-squares estimates of all cells, shape `shape`: consistent, and often negative."""

    @abstractmethod
    def rectangle_factor(self, row0: int, column0: int, row1: int, column1: int) -> float:
        """Variance of a half-open rectangle's estimate, for noise of variance 1."""

    @abstractmethod
    def cell_factors(self) -> NDArray[np.float64]:
        """`rectangle_factor` of every cell alone, shape `shape`."""

    @abstractmethod
    def mean_factor(self, height: int, width: int) -> float:
        """`rectangle_factor`, averaged over all places of a rectangle of that size."""

    @abstractmethod
    def nonnegative(
        self, recorded: NDArray[np.int64], support: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """The counts >= 0 that explain the recorded integers best.

        Parameters
        ----------
        recorded : ndarray of int64, shape (size,)
        support : ndarray of bool, shape `shape`, optional
            Public knowledge: False where no point can lie.

        Returns
        -------
        ndarray of float64, shape `shape`
            Multiples of 2**-16, with the same bits on every machine. Biased, as all
            non-negative estimates are: for synthesis, while `estimate` is for analysts.
        """

    # -- what follows from it ----------------------------------------------------------------

    @property
    def cost_pico(self) -> int:
        """What one release of the grid is charged, in 1e-12 of the loss's measure."""
        return self.loss.pico

    @property
    def public(self) -> dict[str, object]:
        """All that decides the meaning of the recorded integers, for keys in the record."""
        return {
            "strategy": self.name,
            "strategy_version": self.version,
            "shape": list(self.shape),
            "measure": self.loss.measure,
            "amount": self.loss.text,
            "max_cells": self.unit.max_cells,
            "max_points_per_cell": self.unit.max_points_per_cell,
        }

    @cached_property
    def noise(self) -> Noise:
        """The noise of each recorded integer."""
        if self.loss.measure == "epsilon":
            return calibrated(self.loss, self.l1_sensitivity())
        return calibrated(self.loss, self.l2_sensitivity_squared())

    def measure(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Integers to be recorded: a fresh draw per call, so called once for a key.

        Parameters
        ----------
        counts : ndarray of int64, shape `shape`
            True counts, each in ``[0, 2**36]``; contributions are bounded already. No error
            message shows them.

        Returns
        -------
        ndarray of int64, shape (size,)

        Raises
        ------
        PrivacyError
            If the counts have another form; nothing is drawn.
        """
        fits = isinstance(counts, np.ndarray) and counts.dtype == np.int64
        if not fits or counts.shape != tuple(self.shape):
            form = getattr(counts, "dtype", type(counts).__name__)
            raise PrivacyError(
                f"counts to be measured must be an int64 array of shape {tuple(self.shape)}, got "
                f"{form} of shape {np.shape(counts)}; nothing was drawn"
            )
        # out-of-range counts are cut off, not refused: a refusal would tell of one record
        return self.noise.add(self.apply(np.clip(counts, 0, MAX_COUNT)))

    def check_recorded(self, recorded: NDArray[np.int64]) -> NDArray[np.int64]:
        """The recorded integers themselves.

        Raises
        ------
        AuditError
            If they cannot be those of this strategy.
        """
        values = np.asarray(recorded)
        if values.dtype != np.int64 or values.shape != (self.size,):
            raise AuditError(
                f"a release by strategy {self.name!r} over {self.shape[0]} x {self.shape[1]} "
                f"cells has {self.size} recorded integers, the record gives {values.size} of "
                f"{values.dtype}; restore the record from a backup that verifies"
            )
        return values

    def estimate_of(self, row0: int, column0: int, row1: int, column1: int) -> Estimate:
        """The error of a half-open rectangle's estimate, before anything is drawn; value 0."""
        self._check_rectangle(row0, column0, row1, column1)
        sd = (self.noise.variance * self.rectangle_factor(row0, column0, row1, column1)) ** 0.5
        half = self.noise.quantile(ALPHA) * sd
        return Estimate(0.0, sd, -half, half)

    def estimate(
        self, recorded: NDArray[np.int64], row0: int, column0: int, row1: int, column1: int
    ) -> Estimate:
        """Points in a half-open rectangle of cells, with the standard deviation and interval.

        Raises
        ------
        SpecError
            If the rectangle is empty or leaves the grid.
        """
        error = self.estimate_of(row0, column0, row1, column1)
        value = float(self.unbiased(recorded)[row0:row1, column0:column1].sum())
        return Estimate(value, error.sd, value + error.low, value + error.high)

    def cell_deviations(self) -> NDArray[np.float64]:
        """Standard deviation of every cell's unbiased estimate, shape `shape`."""
        return np.sqrt(self.noise.variance * self.cell_factors())

    def interval_half_width(self, sd: NDArray[np.float64]) -> NDArray[np.float64]:
        """Half-widths of the 95 % intervals of estimates with these standard deviations."""
        return np.asarray(self.noise.quantile(ALPHA) * sd)

    def expected_rmse(self, height: int, width: int) -> float:
        """Root-mean-square error over all rectangles of a size: known before the release.

        Raises
        ------
        SpecError
            If the size does not fit into the grid.
        """
        self._check_rectangle(0, 0, height, width)
        return math.sqrt(self.noise.variance * self.mean_factor(height, width))

    def threshold(self, k: int, beta: float) -> float:
        """Least unbiased estimate of a cell that is published.

        The rule sees noisy numbers alone and costs nothing: a cell with fewer than `k` points
        is shown with a probability of at most `beta`.

        Raises
        ------
        SpecError
            If `k` is not a whole number of at least 1, or `beta` not in (0, 0.5].
        """
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise SpecError(f"k must be a whole number of at least 1, got {k!r}", "k")
        if not 0 < beta <= 0.5:
            raise SpecError(f"beta must be positive and at most 0.5, got {beta!r}", "beta")
        return k - 1 + self.excess(beta)

    def excess(self, beta: float) -> float:
        """h with ``P(error of a cell >= h) <= beta`` for every cell."""
        return self.noise.certain_excess(float(self.cell_deviations().max()), beta)

    def _check_rectangle(self, row0: int, column0: int, row1: int, column1: int) -> None:
        rows, columns = self.shape
        if not (0 <= row0 < row1 <= rows and 0 <= column0 < column1 <= columns):
            raise SpecError(
                f"rectangle of rows {row0}:{row1} and columns {column0}:{column1} is empty or "
                f"leaves the release's grid of {rows} x {columns} cells"
            )
