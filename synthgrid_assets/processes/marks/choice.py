"""Marks that are one of several labels.

Belongs here: the law ``choice``. Not here: what depends on a label (`numbers`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import accumulate
from typing import Annotated, Any, ClassVar
from unicodedata import category

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from synthgrid_assets.processes.marks.law import Blocks, Ends, Given, Law, unit_interval
from synthgrid_assets.processes.marks.numbers import (
    NOT_NEGATIVE,
    By,
    Coded,
    Labels,
    Parameter,
    Positive,
    Span,
    at_points,
    interval_of,
)
from synthgrid_assets.storage.formats.columns import column_values, labelled_array, text_array


def _sorted(weights: dict[str, float | By]) -> dict[str, float | By]:
    """By label: a TOML table has no order, and versions see none.

    Raises
    ------
    ValueError
        If a label is blank or holds control characters.
    """
    for label in weights:
        if not label.strip() or any(category(one) == "Cc" for one in label):
            raise ValueError(f"{label!r} is no label; give letters, digits or signs")
    return dict(sorted(weights.items()))


class Choice(Law):
    """``{ choice = { coffee = 0.7, tea = 0.3 } }``: one of several labels.

    Parameters
    ----------
    choice : dict of str to number
        Weights > 0; they are normalised to sum to 1. One that depends may be 0 somewhere,
        as long as not all of them can be.
    """

    algorithm_version: ClassVar[int] = 2
    column_type: ClassVar[str] = "dictionary<string>"

    choice: Annotated[dict[str, Positive], Field(min_length=1), AfterValidator(_sorted)]

    def parameters(self) -> tuple[Parameter, ...]:
        """The weights."""
        return tuple(
            Parameter(f"choice.{label}", weight, NOT_NEGATIVE)
            for label, weight in self.choice.items()
        )

    def mistakes(self, spans: Mapping[str, Span]) -> Iterator[tuple[str, str]]:
        """All weights could be 0 together."""
        if not any(interval_of(weight, spans).low > 0 for weight in self.choice.values()):
            yield "choice", "every weight could be 0; give one of them an offset above 0"

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.int64]:
        """Places of the labels."""
        words = blocks(0)[0]
        if not self.depends_on:
            by_word: NDArray[np.int64] = np.searchsorted(self._bounds(), words, side="right")
            return by_word
        cumulative = self._cumulative(given, words.size)
        total = cumulative[-1]
        # the product may round up to the total, which no label's share contains
        drawn = np.minimum(unit_interval(words) * total, np.nextafter(total, 0.0))
        codes: NDArray[np.int64] = (cumulative <= drawn).sum(axis=0)
        return codes

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """Cumulative shares below and up to each label."""
        cumulative = self._cumulative(given, values.size)
        shares = np.vstack((np.zeros(values.size), cumulative / cumulative[-1]))
        points = np.arange(values.size)
        return shares[values, points], shares[values + 1, points]

    def span(self, spans: Mapping[str, Span]) -> Labels:
        """The labels."""
        return Labels(tuple(self.choice))

    def column(self, values: NDArray[Any]) -> pa.Array:
        """A dictionary of labels."""
        return labels_column(self.choice, values)

    def values(self, column: pa.ChunkedArray) -> NDArray[np.int64]:
        """Places of the labels; -1 for one that is not declared."""
        return codes_of(self.choice, column)

    def at_points(self, values: NDArray[Any]) -> Coded:
        """The labels' places."""
        return Coded(tuple(self.choice), values)

    def _bounds(self) -> NDArray[np.uint64]:
        """Words at which the next label begins, exactly."""
        weights = [Fraction(repr(weight)) for weight in self.choice.values()]
        # the last label takes all that is left, so its bound is never needed
        bounds = [int(2**64 * part / sum(weights)) for part in accumulate(weights)][:-1]
        return np.array(bounds, np.uint64)

    def _cumulative(self, given: Given, n: int) -> NDArray[np.float64]:
        """Sums of weights at each point, shape (labels, n), added in the labels' order."""
        weights = [np.broadcast_to(at_points(w, given), n) for w in self.choice.values()]
        return np.array(list(accumulate(weights)))


def labels_column(labels: Iterable[str], codes: NDArray[Any]) -> pa.Array:
    """A dictionary of labels, from their places."""
    return labelled_array(labels, codes.astype(np.int32))


def codes_of(labels: Iterable[str], column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Places of the labels in a column; -1 for one that is not declared."""
    codes = pc.index_in(column.cast(pa.string()), value_set=text_array(labels))
    return column_values(codes, null=-1).astype(np.int64)
