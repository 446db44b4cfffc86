"""Retention of superposed processes, each thinned in its own way.

Belongs here: the members' retentions over the same cells. Not here: the superposition's law
(`processes.superposition`) and its counts (`count_distribution`, `moments`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.processes.superposition import SuperpositionLaw
from synthgrid_assets.statistics.laws.retention import Retention


@dataclass(frozen=True, eq=False)
class MemberRetention(Retention):
    """The retention of any point of a superposition, and that of each member.

    Parameters
    ----------
    probability : ndarray of float64, shape (h * s, w * s)
        Weighted with the members' intensities.
    pixels_per_cell : int
    members : tuple of Retention
        In the order of `SuperpositionLaw.members`, over the same cells.
    """

    members: tuple[Retention, ...] = ()

    @classmethod
    def of(
        cls, cells: Cells, probability: NDArray[np.float64], members: Sequence[NDArray[np.float64]]
    ) -> MemberRetention:
        """The retentions on pixel grids that cover `cells`."""
        whole = Retention.over(cells, probability)
        parts = tuple(Retention.over(cells, grid) for grid in members)
        return cls(whole.probability, whole.pixels_per_cell, parts)

    def part(self, cells: Cells) -> MemberRetention:
        """The retentions in a rectangle of cells counted from this one's south-west corner."""
        whole = super().part(cells)
        members = tuple(member.part(cells) for member in self.members)
        return MemberRetention(whole.probability, whole.pixels_per_cell, members)


def parts_of(law: SuperpositionLaw, retention: Retention) -> list[tuple[Law, Retention]]:
    """Each member's law with its retention; one retention for all unless they differ.

    Examples
    --------
    >>> from synthgrid_assets.processes.poisson import PoissonLaw
    >>> law = SuperpositionLaw((PoissonLaw(1.0), PoissonLaw(2.0)))
    >>> len(parts_of(law, Retention.full(3, 2)))
    2
    """
    if isinstance(retention, MemberRetention):
        return list(zip(law.members, retention.members, strict=True))
    return [(member, retention) for member in law.members]
