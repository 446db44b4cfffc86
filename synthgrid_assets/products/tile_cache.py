"""What a worker keeps of the tiles it makes: products of one tile share what they are made of.

Belongs here: computing what several products need, once. Not here: what is given and never
changes (`layer_context`), rows (one module per product).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

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
from synthgrid_assets.tessellation.halo import Neighbourhood
from synthgrid_assets.tessellation.sites import Sites
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.tile import Tessellation, merge
from synthgrid_assets.world.samplers import on_lines

MOST_SEEN = 1 << 15  # sites of neighbourhoods that are kept: about five megabytes
MOST_WINDOWS = 4  # halos of a tile that grow until they are wide enough
_See = Callable[[Neighbourhood], object]


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


class _Seen:
    """The neighbourhoods that a rectangle's rows were made from, unless it is very full."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.found: list[Neighbourhood] = []
        self._sites = 0

    def add(self, one: Neighbourhood) -> None:
        self._sites += one.x.size
        self.found = [*self.found, one] if self._sites <= MOST_SEEN else []


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
        self._made: Tessellation | None = None
        self._triangles: ConstrainedTriangles | None = None
        self._seen = self._seen_constrained = _Seen(Cells(0, 0, 0, 0))
        self._windows: dict[Cells, Sites] = {}  # asked for last; the last one at the end

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
        """The exact tessellation of `cells`, which knows no constraints; the last one is kept."""
        if self._made is None or self._made.cells != cells:
            self._made = self._tessellated(cells)
        return self._made

    def triangles(self, cells: Cells) -> Tessellation | ConstrainedTriangles:
        """The triangles that `cells` own: with the layer's constraints, where it has some."""
        if self._context.network is None:
            return self.tessellation(cells)
        if self._triangles is None or self._triangles.cells != cells:
            self._triangles = self._constrained(cells)
        return self._triangles

    def neighbourhoods(self, cells: Cells, *, triangles: bool) -> list[Neighbourhood]:
        """What `tessellation`, or `triangles`, of `cells` was made from, as far as it is at hand.

        That of the rectangle made last is, unless it is very full or was made in units.
        """
        constrained = triangles and self._context.network is not None
        seen = self._seen_constrained if constrained else self._seen
        return seen.found if seen.cells == cells else []

    def look(self, cells: Cells, *, triangles: bool) -> list[Neighbourhood]:
        """The same of any rectangle, made for this question; what is kept stays."""
        seen = _Seen(cells)
        if triangles and self._context.network is not None:
            self._constrain(cells, seen.add)
        else:
            self._tessellate(cells, seen.add)
        return seen.found

    def keep(self, made: Tessellation, triangles: ConstrainedTriangles | None) -> None:
        """Have what was made of a tile elsewhere answer for it."""
        self.forget()
        self._made, self._triangles = made, triangles

    def forget(self) -> None:
        """Let go of every tessellation."""
        self._made = self._triangles = None
        self._windows.clear()
        self._seen = self._seen_constrained = _Seen(Cells(0, 0, 0, 0))

    def tessellate_unit(self, unit: Cells) -> Tessellation:
        """The exact tessellation of one unit of work; nothing of it is kept."""
        return self._tessellate(unit)

    def constrain_unit(self, unit: Cells) -> ConstrainedTriangles:
        """The constrained triangles of one unit of work; the layer has constraints."""
        return self._constrain(unit)

    def _tessellated(self, cells: Cells) -> Tessellation:
        units = self._context.units(cells)
        if len(units) > 1:
            return merge([self.tessellate_unit(unit) for unit in units])
        self._seen = _Seen(cells)
        return self._tessellate(cells, self._seen.add)

    def _constrained(self, cells: Cells) -> ConstrainedTriangles:
        units = self._context.units(cells)
        if len(units) > 1:
            return merge_constrained([self.constrain_unit(unit) for unit in units])
        self._seen_constrained = _Seen(cells)
        return self._constrain(cells, self._seen_constrained.add)

    def _tessellate(self, cells: Cells, seen: _See | None = None) -> Tessellation:
        return tessellate(self._sites, cells, anchors=self._context.anchors, seen=seen)

    def _constrain(self, cells: Cells, seen: _See | None = None) -> ConstrainedTriangles:
        network, anchors = self._context.network, self._context.anchors
        assert network is not None
        return tessellate_constrained(self._sites, network, cells, anchors=anchors, seen=seen)

    def _sites(self, cells: Cells) -> Sites:
        """The points of a window. Cells and constrained triangles mostly ask for the same ones."""
        if (found := self._windows.pop(cells, None)) is None:
            pattern = self._context.sampler.points(cells)
            found = Sites(pattern.x, pattern.y, pattern.ids())
        if self._context.network is not None:
            self._windows[cells] = found
            if len(self._windows) > MOST_WINDOWS:
                del self._windows[next(iter(self._windows))]
        return found
