"""Marginals of private rows: counts of a column's values over a public domain.

Belongs here: the domain, which bin a value falls into, and when one domain follows from another.
Not here: how rows are read and bounded (`source`), noise (`strategies`), charges (`releases`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Marginal:
    """A column and the bins that its values are counted in; a value in none counts nowhere.

    Parameters
    ----------
    column : str
    labels : tuple of str
        Sorted; empty where numbers are counted.
    edges : tuple of float
        Rising, of half-open bins; empty where labels are counted.

    Examples
    --------
    >>> spend = Marginal("spend", edges=(0.0, 5.0, 20.0))
    >>> spend.bins, spend.bins_of_numbers(np.array([0.0, 4.9, 5.0, 20.0, np.nan])).tolist()
    (2, [0, 0, 1, -1, -1])
    """

    column: str
    labels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()

    @property
    def bins(self) -> int:
        """How many counts it has."""
        return len(self.labels) or len(self.edges) - 1

    @property
    def names(self) -> list[str]:
        """Its bins for a person."""
        ends = pairwise(self.edges)
        return [*self.labels] or [f"[{low:g}, {high:g})" for low, high in ends]

    def as_json(self) -> dict[str, Any]:
        """Its public fields, as they are recorded."""
        domain = {"labels": list(self.labels)} if self.labels else {"edges": list(self.edges)}
        return {"column": self.column, **domain}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Marginal:
        """The marginal that `as_json` described."""
        return cls(
            fields["column"],
            tuple(fields.get("labels", ())),
            tuple(float(edge) for edge in fields.get("edges", ())),
        )

    def bins_of_labels(self, values: Sequence[str | None] | NDArray[Any]) -> NDArray[np.int64]:
        """Bin of each text; -1 for one in none."""
        places = {label: at for at, label in enumerate(self.labels)}
        return np.array([places.get(value, -1) for value in values], np.int64)  # type: ignore[arg-type]

    def bins_of_numbers(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Bin of each number; -1 for one in none."""
        at = np.searchsorted(np.array(self.edges), values, side="right") - 1
        return np.where((at >= 0) & (at < self.bins), at, -1).astype(np.int64)

    def taken_from(self, other: Marginal) -> list[list[int]] | None:
        """The bins of another marginal that add up to each of these; None where none do.

        Examples
        --------
        >>> fine = Marginal("spend", edges=(0.0, 5.0, 20.0, 100.0))
        >>> Marginal("spend", edges=(0.0, 20.0)).taken_from(fine)
        [[0, 1]]
        >>> Marginal("spend", edges=(0.0, 10.0)).taken_from(fine) is None
        True
        """
        if self.column != other.column or bool(self.labels) != bool(other.labels):
            return None
        if not {*self.labels, *self.edges} <= {*other.labels, *other.edges}:
            return None
        if self.labels:
            return [[other.labels.index(label)] for label in self.labels]
        at = [other.edges.index(edge) for edge in self.edges]
        return [list(range(low, high)) for low, high in pairwise(at)]
