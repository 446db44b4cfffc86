"""Marks that are counts.

Belongs here: the law ``poisson``. Not here: its tables (`lattice.exact_math`).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator
from scipy.special import pdtr

from synthgrid_assets.inputs.table_base import Model
from synthgrid_assets.lattice.exact_math import MAX_POISSON_MEAN, poisson_table
from synthgrid_assets.processes.marks.law import Blocks, Ends, Given, Law
from synthgrid_assets.processes.marks.numbers import (
    Bounds,
    By,
    Interval,
    Number,
    Parameter,
    Span,
    at_points,
    interval_of,
)

POISSON_MEAN = Bounds(0.0, float(MAX_POISSON_MEAN))
_UNIT_BITS = 40  # a mean that depends is rounded down to a multiple of 2**-40
_TOP_BIT = _UNIT_BITS + 16  # of the largest mean


class PoissonTable(Model):
    """``mean`` between 0 and 65536."""

    mean: Annotated[Number, AfterValidator(POISSON_MEAN.check)]


class Poisson(Law):
    """``{ poisson = { mean = 3.5 } }``: a count.

    Parameters
    ----------
    poisson : PoissonTable

    Notes
    -----
    A mean that depends is a sum of powers of two, rounded down to a multiple of 2**-40;
    the count is the sum of independent Poisson counts, each by its power's exact table.
    """

    column_type: ClassVar[str] = "int64"

    poisson: PoissonTable

    def parameters(self) -> tuple[Parameter, ...]:
        """The mean."""
        return (Parameter("poisson.mean", self.poisson.mean, POISSON_MEAN),)

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.int64]:
        """By inversion of exact tables."""
        mean = self.poisson.mean
        if isinstance(mean, By):
            return _sum_of_powers(np.asarray(at_points(mean, given)), blocks)
        table = poisson_table(Fraction(repr(mean)))
        counts: NDArray[np.int64] = np.searchsorted(table, blocks(0)[0], side="right")
        return counts

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """A step at each count."""
        mean = at_points(self.poisson.mean, given)
        below = np.where(values > 0, pdtr(np.maximum(values - 1, 0), mean), 0.0)
        return below, np.asarray(pdtr(values, mean), np.float64)

    def span(self, spans: Mapping[str, Span]) -> Interval:
        """Up to the largest count that words can reach."""
        mean = self.poisson.mean
        if not isinstance(mean, By):
            return Interval(0.0, float(poisson_table(Fraction(repr(mean))).size))
        units = int(interval_of(mean, spans).high * 2.0**_UNIT_BITS)
        tables = (power_table(bit) for bit in range(units.bit_length()))
        return Interval(0.0, float(sum(table.size for table in tables)))


@cache
def power_table(bit: int) -> NDArray[np.uint64]:
    """`poisson_table` of the mean ``2**(bit - 40)``."""
    return poisson_table(Fraction(1 << bit, 1 << _UNIT_BITS))


def _sum_of_powers(mean: NDArray[np.float64], blocks: Blocks) -> NDArray[np.int64]:
    """Poisson counts of given means: one word for each power of two, whether it is used or not."""
    units = np.floor(mean * 2.0**_UNIT_BITS).astype(np.int64)
    used = int(np.bitwise_or.reduce(units, initial=0))
    counts = np.zeros(units.size, np.int64)
    for block in range(_TOP_BIT // 4 + 1):
        bits = [bit for bit in range(4 * block, 4 * block + 4) if used >> bit & 1]
        words = blocks(block) if bits else None
        for bit in bits:
            assert words is not None  # there is a bit
            chosen = (units >> bit & 1).astype(bool)
            drawn = np.searchsorted(power_table(bit), words[bit % 4][chosen], side="right")
            counts[chosen] += drawn
    return counts
