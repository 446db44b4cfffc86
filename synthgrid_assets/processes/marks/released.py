"""Marks drawn from released marginals of private data: labels, and numbers by bins.

Belongs here: these laws and their public domains. Not here: how a marginal is counted, charged
and released (`privacy`), which no law may know: a layer opens a law with its weights (`opened`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from synthgrid_assets.errors import StorageError
from synthgrid_assets.inputs.table_base import Decimal, Model
from synthgrid_assets.processes.marks.choice import codes_of, labels_column
from synthgrid_assets.processes.marks.law import (
    Blocks,
    Ends,
    Given,
    Law,
    both_ends,
    unit_interval,
)
from synthgrid_assets.processes.marks.numbers import (
    LARGEST,
    Coded,
    Interval,
    Labels,
    Parameter,
    Span,
)

MOST_BINS = 4096
Text = Annotated[str, Field(min_length=1, max_length=200)]
Edge = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


def _distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    """By text: the order of labels is no part of a question."""
    if len(set(labels)) < len(labels):
        raise ValueError("a label stands twice; name each once")
    return tuple(sorted(labels))


def _ordered(edges: tuple[float, ...]) -> tuple[float, ...]:
    if any(not low < high for low, high in pairwise(edges)):
        raise ValueError("edges must rise, as [0, 5, 20]")
    return tuple(edge + 0.0 for edge in edges)  # no negative zeros


class MarginalTable(Model):
    """What is common to released marginals: the private column, and what its release costs."""

    column: Text = Field(description="column of the private file")
    epsilon: Annotated[str | float | None, Decimal] = Field(
        default=None, description="privacy loss, pure"
    )
    rho: Annotated[str | float | None, Decimal] = Field(
        default=None, description="zero-concentrated, in its place"
    )

    @model_validator(mode="after")
    def _one_loss(self) -> MarginalTable:
        if (self.epsilon is None) == (self.rho is None):
            raise ValueError("give one of epsilon and rho: what the marginal costs")
        return self


class LabelsTable(MarginalTable):
    """``{ column = "kind", labels = ["cafe", "bar"], epsilon = "0.1" }``; sorted."""

    labels: Annotated[
        tuple[Text, ...], Field(min_length=1, max_length=MOST_BINS), AfterValidator(_distinct)
    ]


class EdgesTable(MarginalTable):
    """``{ column = "spend", edges = [0, 5, 20, 100], epsilon = "0.1" }``: half-open bins."""

    edges: Annotated[
        tuple[Edge, ...], Field(min_length=2, max_length=MOST_BINS + 1), AfterValidator(_ordered)
    ]


class Released(Law):
    """A law whose shares are those of a release."""

    _weights: tuple[int, ...] | None = PrivateAttr(None)

    @property
    @abstractmethod
    def marginal(self) -> MarginalTable:
        """What is released, over which public domain, at which loss."""

    @property
    def cost(self) -> tuple[str, str | float]:
        """The measure of its loss, and the loss."""
        asked = self.marginal
        if asked.epsilon is not None:
            return "epsilon", asked.epsilon
        assert asked.rho is not None  # one of both is given
        return "rho", asked.rho

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that are counted; none where numbers are."""
        return ()

    @property
    def edges(self) -> tuple[float, ...]:
        """The edges of the bins that are counted; none where labels are."""
        return ()

    @property
    def bins(self) -> int:
        """How many counts the marginal has."""
        return len(self.labels) or len(self.edges) - 1

    def opened(self, weights: tuple[int, ...]) -> Released:
        """The same law, with whole weights >= 0 for its bins; all equal where none is positive."""
        assert len(weights) == self.bins
        made = self.model_copy()
        made._weights = weights if any(weights) else (1,) * self.bins
        return made

    @property
    def weights(self) -> tuple[int, ...]:
        """Weight of each bin.

        Raises
        ------
        StorageError
            If the law was not opened: its marginal is not released yet.
        """
        if self._weights is None:
            raise StorageError(
                f"the marginal of {self.marginal.column!r} is not released yet; materialise "
                "counts_release first"
            )
        return self._weights

    def parameters(self) -> tuple[Parameter, ...]:
        """None that could depend on anything."""
        return ()

    def _drawn_bins(self, words: NDArray[np.uint64]) -> NDArray[np.int64]:
        """A bin for each word, in exact proportion but for 2**-64."""
        total, sums = sum(self.weights), np.cumsum(np.array(self.weights, object))
        # the last bin with a weight takes all that is left, so its bound is never needed
        bounds = [min(int(2**64 * part // total), 2**64 - 1) for part in sums]
        last = max(at for at, weight in enumerate(self.weights) if weight)
        by_word: NDArray[np.int64] = np.searchsorted(
            np.array(bounds[:last], np.uint64), words, side="right"
        )
        return by_word

    def _shares(self) -> NDArray[np.float64]:
        """Cumulative shares: 0, then up to and with each bin."""
        sums = np.cumsum((0, *self.weights)).astype(float)
        return np.asarray(sums / sums[-1])


class ReleasedLabels(Released):
    """``{ released_labels = { column = "kind", labels = ["cafe", "bar"], epsilon = "0.1" } }``.

    Parameters
    ----------
    released_labels : LabelsTable
    """

    column_type: ClassVar[str] = "dictionary<string>"

    released_labels: LabelsTable

    @property
    def marginal(self) -> LabelsTable:
        """Counts of the labels."""
        return self.released_labels

    @property
    def labels(self) -> tuple[str, ...]:
        """Sorted."""
        return self.released_labels.labels

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.int64]:
        """Places of the labels."""
        return self._drawn_bins(blocks(0)[0])

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """Cumulative shares below and up to each label."""
        shares = self._shares()
        return shares[values], shares[values + 1]

    def span(self, spans: Mapping[str, Span]) -> Labels:
        """The labels."""
        return Labels(self.labels)

    def column(self, values: NDArray[Any]) -> pa.Array:
        """A dictionary of labels."""
        return labels_column(self.labels, values)

    def values(self, column: pa.ChunkedArray) -> NDArray[np.int64]:
        """Places of the labels; -1 for one that is not declared."""
        return codes_of(self.labels, column)

    def at_points(self, values: NDArray[Any]) -> Coded:
        """The labels' places."""
        return Coded(self.labels, values)


class ReleasedNumbers(Released):
    """``{ released_numbers = { column = "spend", edges = [0, 5, 20], epsilon = "0.1" } }``.

    Uniform within each bin.

    Parameters
    ----------
    released_numbers : EdgesTable
    """

    released_numbers: EdgesTable

    @property
    def marginal(self) -> EdgesTable:
        """Counts of the bins."""
        return self.released_numbers

    @property
    def edges(self) -> tuple[float, ...]:
        """Rising."""
        return self.released_numbers.edges

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.float64]:
        """The bin from one word, the place in it from the 53 high bits of another."""
        words = blocks(0)
        edges, at = np.array(self.edges), self._drawn_bins(words[0])
        low, high = edges[at], edges[at + 1]
        drawn = low + (high - low) * unit_interval(words[1])
        below_the_end: NDArray[np.float64] = np.minimum(drawn, np.nextafter(high, low))
        return below_the_end

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """Continuous: linear within each bin."""
        return both_ends(np.interp(values, self.edges, self._shares()))

    def span(self, spans: Mapping[str, Span]) -> Interval:
        """From the first to the last edge."""
        return Interval(self.edges[0], self.edges[-1])
