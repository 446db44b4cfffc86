"""What every law of a mark offers.

Belongs here: the base class. Not here: any law, and the numbers in it (`numbers`).

Values come from exact integers, IEEE operations and `lattice.exact_math` alone, so they have
the same bits on every machine; distribution functions serve tests and may differ in last bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.inputs.table_base import Model
from synthgrid_assets.processes.marks.numbers import AtPoints, By, Parameter, Span
from synthgrid_assets.storage.formats.columns import column_array, column_values

Blocks = Callable[[int], NDArray[np.uint64]]  # four words per point, by number of the block
Given = Mapping[str, AtPoints]
Ends = tuple[NDArray[np.float64], NDArray[np.float64]]


class Law(Model, ABC):
    """A mark: its law as the world file declares it."""

    algorithm_version: ClassVar[int] = 1  # raised when the same words give other values
    column_type: ClassVar[str] = "double"

    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The numbers of the law that may depend on something."""

    @abstractmethod
    def draw(self, blocks: Blocks, given: Given) -> NDArray[Any]:
        """A value for each point: float64, int64, or int64 codes of labels.

        Parameters
        ----------
        blocks : callable
            Four random words for each point, shape (4, n), by number of the block.
        given : mapping
            What the law's numbers depend on, at the points.
        """

    @abstractmethod
    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """``P(V < v)`` and ``P(V <= v)`` for each value, given what it depends on."""

    @abstractmethod
    def span(self, spans: Mapping[str, Span]) -> Span | None:
        """What the mark can be; None where no number can depend on it."""

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Names of the marks and rasters that decide the law's numbers."""
        numbers = (parameter.number for parameter in self.parameters())
        return tuple(dict.fromkeys(number.by for number in numbers if isinstance(number, By)))

    def mistakes(self, spans: Mapping[str, Span]) -> Iterator[tuple[str, str]]:
        """Key path and message of what is wrong between the law's numbers."""
        return iter(())

    def column(self, values: NDArray[Any]) -> pa.Array:
        """The values as the column that is stored."""
        return column_array(values)

    def values(self, column: pa.ChunkedArray) -> NDArray[Any]:
        """The values of a stored column, as `draw` gives them."""
        read: NDArray[Any] = column_values(column)
        return read

    def at_points(self, values: NDArray[Any]) -> AtPoints:
        """The values as other marks depend on them."""
        return values.astype(np.float64)


def unit_interval(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Multiples of 2**-53 in [0, 1)."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def both_ends(values: Any) -> Ends:
    """Both ends of a continuous distribution function."""
    array = np.asarray(values, np.float64)
    return array, array
