"""What can be wrong with stored rows: one record of counts per kind of row.

Belongs here: the records. Not here: how the faults are counted (`verification`).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields


@dataclass(frozen=True)
class _Faults:
    @property
    def total(self) -> int:
        """All faults together; 0 for sound rows."""
        return sum(astuple(self))

    def describe(self) -> str:
        """The faults that were found, as ``2 overlapping, 1 not_delaunay``.

        Examples
        --------
        >>> CellFaults(0, wrong_area=2, overlapping=0, stray=0, unbalanced=1).describe()
        '2 wrong_area, 1 unbalanced'
        """
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return ", ".join(f"{count} {name}" for name, count in found.items() if count) or "none"


@dataclass(frozen=True)
class TriangleFaults(_Faults):
    """How many triangles of a rectangle break what its triangulation claims.

    Parameters
    ----------
    degenerate : int
        Triangles without area, clockwise, or wider than exact arithmetic reaches.
    misplaced : int
        Triangles that do not start at their smallest corner, are not owned by the
        rectangle, or stand out of canonical order.
    ambiguous : int
        Site ids at more than one place, places with more than one id, and edges with more
        than one constraint.
    overlapping : int
        Pairs of triangles with a common interior point.
    gaps : int
        Corners whose owned triangles do not hang together in one fan.
    not_delaunay : int
        Edges between two triangles that fail the exact predicate, canonical ties included,
        though no constraint holds them.
    """

    degenerate: int
    misplaced: int
    ambiguous: int
    overlapping: int
    gaps: int
    not_delaunay: int


@dataclass(frozen=True)
class ConstraintFaults(_Faults):
    """How many edges break what a constrained triangulation claims of its constraints.

    Parameters
    ----------
    crossed : int
        Pairs of a constraint's edge and a triangle through whose interior it runs.
    unnamed : int
        Edges of triangles along a constraint that don't carry its id.
    invented : int
        Edges of triangles that carry an id and lie along no constraint.
    absent : int
        Corners with triangles of their own at which a constraint goes on and none of these
        triangles has an edge along it.
    """

    crossed: int
    unnamed: int
    invented: int
    absent: int


@dataclass(frozen=True)
class CellFaults(_Faults):
    """How many Voronoi cells or edges break what the tessellation claims.

    Parameters
    ----------
    malformed : int
        Rings that are not closed, have fewer than three corners, repeat one, or do not
        start at the smallest.
    wrong_area : int
        Rings whose exact doubled area is not positive or not the recorded one.
    overlapping : int
        Edges run through more often in one direction than in the other, by two or more, and
        edges of more than two cells.
    stray : int
        Edges that are not on the bisector they claim: between two cells of the rectangle
        that of their sites, on the outer boundary that of the site and a lattice point
        outside the rectangle.
    unbalanced : int
        1 if the recorded areas do not sum to the area that the outer boundary encloses.
    """

    malformed: int
    wrong_area: int
    overlapping: int
    stray: int
    unbalanced: int
