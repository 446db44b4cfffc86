"""The terms of a release: whose presence it hides, at what loss, and what a strategy does.

Belongs here: plain types that strategies, ledger and reports share. Not here: any strategy
(`strategies`), any charge (`budget`) or draw (`private_release`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.privacy.mechanism import MAX_EPSILON, MIN_EPSILON, PICO

Measure = Literal["epsilon", "rho"]


@dataclass(frozen=True)
class Unit:
    """Whose presence a release hides: one added or removed unit of the private data.

    Parameters
    ----------
    column : str
        The column that names the unit, as ``user_id``; empty where each row is one.
    max_cells : int
        Blocks in which one unit may count, >= 1.
    max_points_per_cell : int
        Points of one unit that a block may count, >= 1.

    Examples
    --------
    >>> unit = Unit("user_id", max_cells=8, max_points_per_cell=2)
    >>> unit.is_event, unit.l1_sensitivity
    (False, 16)
    """

    column: str = ""
    max_cells: int = 1
    max_points_per_cell: int = 1

    @property
    def is_event(self) -> bool:
        """Whether each row is a unit of its own."""
        return not self.column

    @property
    def l1_sensitivity(self) -> int:
        """Most that one unit changes a vector of counts of disjoint blocks, in the L1 norm."""
        return self.max_cells * self.max_points_per_cell

    @property
    def l2_sensitivity_squared(self) -> int:
        """Square of the most that one unit changes such a vector, in the L2 norm."""
        return self.max_cells * self.max_points_per_cell**2

    def as_json(self) -> dict[str, object]:
        """Its public fields, as they are recorded."""
        return {
            "column": self.column,
            "max_cells": self.max_cells,
            "max_points_per_cell": self.max_points_per_cell,
        }


@dataclass(frozen=True)
class Loss:
    """What a release may cost, exactly: pure epsilon, or rho of zero-concentrated privacy.

    Parameters
    ----------
    measure : {"epsilon", "rho"}
    pico : int
        In 1e-12 of it, as it is charged.

    Examples
    --------
    >>> Loss.declared("epsilon", "0.1"), Loss.declared("rho", "1e-13")
    (Loss(measure='epsilon', pico=100000000000), Loss(measure='rho', pico=1))
    """

    measure: Measure
    pico: int

    @classmethod
    def declared(cls, measure: Measure, value: str | int | float) -> Loss:
        """The loss that a decimal number stands for, rounded up: never to nothing.

        Raises
        ------
        SpecError
            If it is not a number above 0 and at most 10; less than 1e-6 of epsilon is noise.
        """
        exact = exact_decimal(measure, value)
        least = Fraction(0) if measure == "rho" else exact_decimal(measure, MIN_EPSILON)
        if not (exact > 0 and least <= exact <= Fraction(MAX_EPSILON)):
            raise SpecError(
                f"{measure} of a release must be a positive number"
                f"{f' from {MIN_EPSILON:g}' if least else ''} to {MAX_EPSILON:g}, got {value!r}; "
                "less is more private, 1 is a usual choice",
                measure,
            )
        return cls(measure, math.ceil(exact * PICO))

    @property
    def exact(self) -> Fraction:
        """The loss itself: noise must be at least as large as it asks for."""
        return Fraction(self.pico, PICO)

    @property
    def text(self) -> str:
        """Exact decimal text.

        Examples
        --------
        >>> Loss.declared("epsilon", 0.5).text
        '0.5'
        """
        whole, part = divmod(self.pico, PICO)
        return f"{whole}.{part:012d}".rstrip("0").rstrip(".")


@dataclass(frozen=True, eq=False)
class Estimates:
    """What is published of a release: a function of recorded noise and public terms.

    Parameters
    ----------
    estimate : ndarray of float64, shape (rows, columns)
        Unbiased estimate of each block's count.
    standard_deviation : ndarray of float64, shape (rows, columns)
        Of the noise in it, without the data's own variation.
    low, high : ndarray of float64, shape (rows, columns)
        A 95 % interval of each block's count, at least.
    expected : ndarray of float64, shape (rows, columns)
        Consistent estimate >= 0, for synthesis: biased, closer for ranges.
    """

    estimate: NDArray[np.float64]
    standard_deviation: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    expected: NDArray[np.float64]


class Strategy(Protocol):
    """Which linear questions are asked of a grid of counts, and how answers are put together.

    All noise of a release is drawn by one call of `measure`: a joint mechanism over the whole
    grid, whose loss is charged once.
    """

    @property
    def name(self) -> str:
        """As a world file names it."""
        ...

    @property
    def version(self) -> int:
        """Raised when the same parameters mean other questions or another noise."""
        ...

    def parameters(self) -> Mapping[str, object]:
        """Everything else that decides what is drawn, as JSON values: part of the key."""
        ...

    def mechanism(self, loss: Loss) -> str:
        """The noise that a loss stands for: ``discrete_laplace``, ``discrete_gaussian``."""
        ...

    def measure(self, counts: NDArray[np.int64], unit: Unit, loss: Loss) -> NDArray[np.int64]:
        """Answers with fresh noise from OpenDP, shape (n,): n follows from the grid alone.

        Parameters
        ----------
        counts : ndarray of int64, shape (rows, columns)
            True counts, bounded by the unit. No message may show them.
        """
        ...

    def estimates(
        self, measured: NDArray[np.int64], shape: tuple[int, int], unit: Unit, loss: Loss
    ) -> Estimates:
        """What follows from recorded answers; the same to the bit, whenever it is asked."""
        ...

    def range_deviation(
        self, shape: tuple[int, int], unit: Unit, loss: Loss, rows: int, columns: int
    ) -> float:
        """Standard deviation of the noise in a sum over rows x columns blocks, before any draw.

        Of a typical place, for previews; the largest or the root mean square over places.
        """
        ...


def exact_decimal(name: str, value: str | int | float) -> Fraction:
    """The number that a decimal text, or a float's shortest text, reads as.

    Raises
    ------
    SpecError
        If it is none.

    Examples
    --------
    >>> exact_decimal("epsilon", "0.1") == exact_decimal("epsilon", 0.1) == Fraction(1, 10)
    True
    """
    try:
        if isinstance(value, bool):
            raise ValueError
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise SpecError(
            f"{name} must be a positive decimal number, as '0.5', got {value!r}", name
        ) from None
