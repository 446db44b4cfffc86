"""What a release promises, in public terms: its privacy loss and whose presence it hides.

Belongs here: loss and unit, as exact numbers. Not here: noise (`noise`), and what a release
of some counts makes of these (`strategy`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import cached_property

from synthgrid_assets.errors import SpecError
from synthgrid_assets.privacy.mechanism import MAX_EPSILON, MIN_EPSILON, PICO

MIN_RHO, MAX_RHO = 1e-9, 50.0
MEASURES = ("epsilon", "rho")
MAX_CONTRIBUTION = 1 << 20  # cells of a unit, and points of it in a cell


@dataclass(frozen=True)
class Loss:
    """A declared privacy loss, exact.

    Parameters
    ----------
    measure : str
        ``"epsilon"`` (pure differential privacy) or ``"rho"`` (zero-concentrated).
    amount : str, int or float
        A decimal number, taken as it reads: epsilon in ``[1e-6, 10]``, rho in ``[1e-9, 50]``.

    Raises
    ------
    SpecError
        If either is out of range.

    Notes
    -----
    rho: Bun and Steinke (2016), Concentrated differential privacy.

    Examples
    --------
    >>> Loss.of_epsilon("0.30").pico, Loss.of_epsilon("0.30").text, Loss.of_rho(2e-9).text
    (300000000000, '0.3', '0.000000002')
    """

    measure: str
    amount: str | int | float

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise SpecError(f"a privacy loss is an epsilon or a rho, got {self.measure!r}")
        low, high = (MIN_EPSILON, MAX_EPSILON) if self.measure == "epsilon" else (MIN_RHO, MAX_RHO)
        try:
            number = not isinstance(self.amount, bool)
            in_range = number and Fraction(repr(low)) <= self.exact <= Fraction(repr(high))
        except (ValueError, InvalidOperation, OverflowError):
            in_range = False
        if not in_range:
            raise SpecError(
                f"{self.measure} must be a decimal number from {low:g} to {high:g}, got "
                f"{self.amount!r}",
                self.measure,
            )

    @classmethod
    def of_epsilon(cls, amount: str | int | float) -> Loss:
        """Pure differential privacy."""
        return cls("epsilon", amount)

    @classmethod
    def of_rho(cls, amount: str | int | float) -> Loss:
        """Zero-concentrated differential privacy."""
        return cls("rho", amount)

    @cached_property
    def exact(self) -> Fraction:
        """The amount, as its decimal text reads."""
        return Fraction(Decimal(str(self.amount)))

    @cached_property
    def text(self) -> str:
        """The amount in its one decimal form, for keys."""
        return format(Decimal(str(self.amount)).normalize(), "f")

    @cached_property
    def pico(self) -> int:
        """What is charged, in 1e-12 of the measure, rounded up."""
        return math.ceil(self.exact * PICO)


@dataclass(frozen=True)
class Unit:
    """Whose presence is hidden: all that one unit may add to the counts.

    Parameters
    ----------
    max_cells : int
        Cells that one unit's points may lie in, >= 1, once contributions are bounded.
    max_points_per_cell : int
        Points of one unit that count in a cell, >= 1.

    Raises
    ------
    SpecError
        If a bound is not a whole number in ``[1, 2**20]``.

    Examples
    --------
    >>> Unit(max_cells=8, max_points_per_cell=2).points, EVENT.points
    (16, 1)
    """

    max_cells: int = 1
    max_points_per_cell: int = 1

    def __post_init__(self) -> None:
        for key in ("max_cells", "max_points_per_cell"):
            value = getattr(self, key)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not (whole and 1 <= value <= MAX_CONTRIBUTION):
                raise SpecError(
                    f"{key} must be a whole number from 1 to {MAX_CONTRIBUTION}, got {value!r}", key
                )

    @property
    def points(self) -> int:
        """Most points of one unit that count at all."""
        return self.max_cells * self.max_points_per_cell


@dataclass(frozen=True)
class Threshold:
    """Which blocks of a release are shown: by their noisy numbers alone, so it costs nothing.

    Parameters
    ----------
    k : int
        Least true count that is meant to be shown, >= 1.
    beta : float
        Probability allowed for showing a block with fewer, in ``(0, 0.5]``, for each block.
    """

    k: int
    beta: float


EVENT = Unit()  # one point more or less
