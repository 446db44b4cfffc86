"""What a worker keeps of the tiles it makes: products of one tile share what they are made of.

Belongs here: computing what several products need, once. Not here: what is given and never
changes (`layer_context`), rows (one module per product).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.processes.superposition import Sampler, Superposition
from synthgrid_assets.statistics.laws.line_retention import LineRetention
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.laws.superposed import MemberRetention
from synthgrid_assets.tessellation.constrained import (
    ConstrainedTriangles,
    merge_constrained,
    tessellate_constrained,
)
from synthgrid_assets.tessellation.constraints import NetworkSource
from synthgrid_assets.tessellation.sites import Sites
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.tile import Tessellation, merge
from synthgrid_assets.world.samplers import on_lines


class Given(Protocol):
    """What is given to all tiles of a layer (`layer_context.LayerContext` gives it)."""

    @property
    def sampler(self) -> Sampler:
        """The layer's thinned process or union."""
        ...

    @property
    def network(self) -> NetworkSource | None:
        """The constraints that the layer's triangles keep."""
        ...

    @property
    def anchors(self) -> int | None:
        """Squares of so many cells hold a guard point where they are empty."""
        ...

    def units(self, cells: Cells) -> list[Cells]:
        """The rectangles that a tile is tessellated in."""
        ...


class TileCache:
    """Points, retention and tessellations of the rectangles asked for last.

    Parameters
    ----------
    context : Given
        The layer.
    """

    def __init__(self, context: Given) -> None:
        self._context = context
        self._pattern: tuple[Cells, PointPattern] | None = None
        self._retention: tuple[Cells, Retention] | None = None
        self._tessellations: list[Tessellation] = []
        self._triangles: list[ConstrainedTriangles] = []

    def pattern(self, cells: Cells) -> PointPattern:
        """The layer's points in `cells`, without marks; the last answer is kept."""
        if self._pattern is None or self._pattern[0] != cells:
            self._pattern = cells, self._context.sampler.points(cells)
        return self._pattern[1]

    def retention(self, cells: Cells) -> Retention:
        """What thinning leaves in `cells`; the last answer is kept, as a tile asks twice."""
        if self._retention is None or self._retention[0] != cells:
            self._retention = cells, self._retained(cells)
        return self._retention[1]

    def _retained(self, cells: Cells) -> Retention:
        sampler = self._context.sampler
        whole = sampler.retention(cells)
        if not isinstance(sampler, Superposition):
            process = on_lines(sampler)
            catches = None if process is None else process.catches(cells)
            if catches is not None:
                return LineRetention.of(cells, whole, catches)
            return Retention.over(cells, whole)
        members = [retention for _, retention in sampler.parts(cells)]
        return MemberRetention.of(cells, whole, members)

    def tessellation(self, cells: Cells) -> Tessellation:
        """The exact tessellation of `cells`, which knows no constraints.

        The last two are kept: products share their tile's, and what their pictures show.
        """
        return _recalled(self._tessellations, cells, self._tessellated)

    def triangles(self, cells: Cells) -> Tessellation | ConstrainedTriangles:
        """The triangles that `cells` own: with the layer's constraints, where it has some."""
        if self._context.network is None:
            return self.tessellation(cells)
        return _recalled(self._triangles, cells, self._constrained)

    def keep(self, made: Tessellation, triangles: ConstrainedTriangles | None) -> None:
        """Have what was made of a tile elsewhere answer for it."""
        self._tessellations = [made]
        self._triangles = [] if triangles is None else [triangles]

    def forget(self) -> None:
        """Let go of every tessellation."""
        self._tessellations, self._triangles = [], []

    def tessellate_unit(self, unit: Cells) -> Tessellation:
        """The exact tessellation of one unit of work; nothing of it is kept."""
        return tessellate(self._sites, unit, anchors=self._context.anchors)

    def constrain_unit(self, unit: Cells) -> ConstrainedTriangles:
        """The constrained triangles of one unit of work; the layer has constraints."""
        network, anchors = self._context.network, self._context.anchors
        assert network is not None
        return tessellate_constrained(self._sites, network, unit, anchors=anchors)

    def _tessellated(self, cells: Cells) -> Tessellation:
        parts = [self.tessellate_unit(unit) for unit in self._context.units(cells)]
        return parts[0] if len(parts) == 1 else merge(parts)

    def _constrained(self, cells: Cells) -> ConstrainedTriangles:
        parts = [self.constrain_unit(unit) for unit in self._context.units(cells)]
        return parts[0] if len(parts) == 1 else merge_constrained(parts)

    def _sites(self, cells: Cells) -> Sites:
        pattern = self._context.sampler.points(cells)
        return Sites(pattern.x, pattern.y, pattern.ids())


class _OfCells(Protocol):
    @property
    def cells(self) -> Cells: ...


Made = TypeVar("Made", bound=_OfCells)


def _recalled(kept: list[Made], cells: Cells, make: Callable[[Cells], Made]) -> Made:
    """What was made of `cells`, if it is among the last two kept; else made and kept."""
    again = [one for one in kept if one.cells == cells]
    found = again[0] if again else make(cells)
    kept[:] = [*[one for one in kept if one is not found][-1:], found]
    return found
