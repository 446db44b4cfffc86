"""Sizes that differ by powers of two, each doubling rarer than the one before: Pareto's law.

Belongs here: the classes, their exact chances and moments. Not here: what has a size
(`hierarchical_thomas`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError

MAX_DOUBLINGS = 12
_DIGITS = 60


@dataclass(frozen=True)
class SizeClasses:
    """Relative sizes ``1, 2, 4, ... 2**doublings``, scaled so that their mean is 1.

    ``P(size >= 2**j)`` falls like ``2**(-j pareto)``: Pareto's law read at powers of two, with
    a largest size, so that every moment is finite and every chance an exact fraction.

    Parameters
    ----------
    pareto : float
        Exponent of the tail, > 0; smaller is more uneven.
    doublings : int
        Classes above the smallest, 0 to `MAX_DOUBLINGS`; with 0 all sizes are equal.

    Raises
    ------
    SpecError
        If one of the two is out of range.

    Examples
    --------
    >>> sizes = SizeClasses(pareto=1.0, doublings=3)
    >>> [round(float(size), 3) for size in sizes.sizes]
    [0.469, 0.938, 1.875, 3.75]
    >>> round(float(sizes.second_moment), 3)
    1.758
    """

    pareto: float
    doublings: int

    def __post_init__(self) -> None:
        if not 0 < self.pareto <= 64:
            raise SpecError(f"pareto must be a number above 0, at most 64, got {self.pareto!r}")
        if not 0 <= self.doublings <= MAX_DOUBLINGS:
            raise SpecError(f"doublings must lie between 0 and {MAX_DOUBLINGS}")

    @cached_property
    def table(self) -> NDArray[np.uint64]:
        """Inversion table of the class of a uniform word, as `lattice.seeding.lookup` reads it.

        Shape (doublings,): an entry for each class but the last.
        """
        with localcontext() as context:
            context.prec = _DIGITS
            fall = (-Decimal(repr(float(self.pareto))) * Decimal(2).ln()).exp()
            shares = [fall**j for j in range(self.doublings + 1)]
            steps = [sum(shares[: j + 1]) / sum(shares) for j in range(self.doublings)]
            entries = [int(step * 2**64) for step in steps]
        return np.array(entries, np.uint64)

    @cached_property
    def chances(self) -> tuple[Fraction, ...]:
        """Exact probability of each class, as the table gives it."""
        ends = [0, *(int(entry) for entry in self.table), 1 << 64]
        return tuple(Fraction(high - low, 1 << 64) for low, high in pairwise(ends))

    @cached_property
    def sizes(self) -> tuple[Fraction, ...]:
        """Size of each class; their mean is exactly 1."""
        mean = sum(chance * 2**j for j, chance in enumerate(self.chances))
        return tuple(Fraction(2**j) / mean for j in range(self.doublings + 1))

    @cached_property
    def second_moment(self) -> Fraction:
        """Mean of the squared size, 1 where all are equal."""
        squares = [chance * s * s for chance, s in zip(self.chances, self.sizes, strict=True)]
        return sum(squares, Fraction(0))
