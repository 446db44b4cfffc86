"""Marks: columns drawn independently for each point, each from its own stream.

Belongs here: a mark's declaration, its sampler and its law's parameters. Not here:
coordinates (`processes`) and tests of marks (`statistics`).
"""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from typing import Annotated

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, Tag, field_validator

from synthgrid_assets.world.addressing import words_at
from synthgrid_assets.world.pattern import PointPattern
from synthgrid_assets.world.seeding import Key
from synthgrid_assets.world.tables import Model, one_key_of

ALGORITHM_VERSION = 1
RESERVED_COLUMNS = frozenset({"id", "x_q", "y_q", "geometry", "bbox"})


class ChoiceMark(Model):
    """``{ choice = { coffee = 0.7, tea = 0.3 } }``: one of several labels.

    Parameters
    ----------
    choice : dict of str to float
        Weights > 0; they are normalised to sum to 1.
    """

    choice: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]

    def column(self, words: NDArray[np.uint64]) -> pa.Array:
        """A dictionary column of labels, one per word."""
        weights = [Fraction(repr(weight)) for weight in self.choice.values()]
        # the last label takes all that is left, so its bound is never needed
        bounds = [int(2**64 * part / sum(weights)) for part in accumulate(weights)][:-1]
        codes = np.searchsorted(np.array(bounds, np.uint64), words, side="right")
        return pa.DictionaryArray.from_arrays(
            pa.array(codes.astype(np.int32)), pa.array(list(self.choice), pa.string())
        )


class UniformMark(Model):
    """``{ uniform = [2.0, 30.0] }``: uniform on the half-open interval.

    Parameters
    ----------
    uniform : tuple of two floats
        Lower and upper end.
    """

    uniform: tuple[float, float]

    @field_validator("uniform")
    @classmethod
    def _ordered(cls, ends: tuple[float, float]) -> tuple[float, float]:
        if not ends[0] < ends[1]:
            raise ValueError("empty interval; give [low, high] with low < high")
        return ends

    def column(self, words: NDArray[np.uint64]) -> pa.Array:
        """A float64 column, one value per word, from the word's 53 high bits."""
        low, high = self.uniform
        unit = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return pa.array(np.minimum(low + (high - low) * unit, np.nextafter(high, low)))


MarkTable = Annotated[
    Annotated[ChoiceMark, Tag("choice")] | Annotated[UniformMark, Tag("uniform")],
    one_key_of("choice", "uniform"),
]


def mark_column(mark: ChoiceMark | UniformMark, points: PointPattern, key: Key) -> pa.Array:
    """The mark's column for `points`, each value drawn at the point's birth.

    Parameters
    ----------
    mark : ChoiceMark or UniformMark
    points : PointPattern
    key : tuple of two uint64
        Stream key of the mark's own component.

    Returns
    -------
    pyarrow.Array
        One value per point; the same for a point on any tiling.
    """
    return mark.column(words_at(points, key))
