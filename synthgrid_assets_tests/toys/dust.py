"""A process of one file, as a stranger would add it: Poisson points, so many for each cell."""

from __future__ import annotations

from fractions import Fraction

from pydantic import Field

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.exact_math import poisson_table
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.processes.family import Family, Parameters
from synthgrid_assets.processes.poisson import PoissonLaw, candidates


class DustParameters(Parameters):
    """What a world file says of dust."""

    points_per_cell: float = Field(gt=0, lt=100, description="expected points in a cell")


class DustProcess:
    """Independent cells."""

    reach = 0

    def __init__(self, key: Key, mean: Fraction) -> None:
        self.law = PoissonLaw(float(mean))
        self._key, self._table = key, poisson_table(mean)

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order."""
        return candidates(cells, self._key, self._table)


def build(parameters: DustParameters, key: Key, cell_metres: float) -> DustProcess:
    """Dust on cells of any size."""
    return DustProcess(key, Fraction(parameters.points_per_cell))


DUST = Family("dust", DustParameters, 1, build)
