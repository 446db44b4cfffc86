"""Constraints: lines that triangles must not cross, as one planar network on the lattice.

Belongs here: polylines in quanta, the network of their nodes and edges, and what a tile
sees of it. Not here: how lines are cut (`noding`) and how edges enter a triangulation
(`constraint_insertion`).

A network is made once per world, never per tile, so neighbours cannot disagree on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.tessellation.noding import noded, split_at_cells
from synthgrid_assets.tessellation.sites import Sites, SiteSource, canonical_order, checked
from synthgrid_assets.world.lattice import (
    CELL_BITS,
    MAX_POINTS_PER_CELL,
    SPECIAL_ID,
    Cells,
    Lattice,
    point_ids,
)

_ANCHOR_PLACE = MAX_POINTS_PER_CELL - 1  # no node may take an anchor's place


@dataclass(frozen=True)
class ConstraintNetwork:
    """Nodes and edges of constraints, in general position: edges meet in nodes only.

    Every edge lies within one closed atom cell, so a tile needs only what is near it.

    Parameters
    ----------
    x, y, node_id : ndarray of int64, shape (n,)
        Nodes in quanta, in canonical order, with ids that no sampled site has.
    tail, head : ndarray of int64, shape (e,)
        Numbers of the nodes that each edge joins; the tail is lexicographically smaller.
    id : ndarray of int64, shape (e,)
        The constraint of each edge; of several along one edge the smallest id.

    Examples
    --------
    >>> cross = constraint_network([[(0, 0), (8, 8)], [(0, 8), (8, 0)]], [7, 9])
    >>> list(zip(cross.x.tolist(), cross.y.tolist()))
    [(0, 0), (0, 8), (4, 4), (8, 0), (8, 8)]
    >>> cross.id.tolist()
    [7, 9, 9, 7]
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    node_id: NDArray[np.int64]
    tail: NDArray[np.int64]
    head: NDArray[np.int64]
    id: NDArray[np.int64]

    def within(self, cells: Cells) -> ConstraintNetwork:
        """The nodes in a rectangle of cells, and the edges between them."""
        inside = self.nodes().inside(cells)
        number = np.cumsum(inside) - 1
        edges = inside[self.tail] & inside[self.head]
        return ConstraintNetwork(
            self.x[inside],
            self.y[inside],
            self.node_id[inside],
            number[self.tail[edges]],
            number[self.head[edges]],
            self.id[edges],
        )

    def nodes(self) -> Sites:
        """The nodes as sites."""
        return Sites(self.x, self.y, self.node_id)


NetworkSource = Callable[[Cells], ConstraintNetwork]


def snapped(
    lines: Sequence[NDArray[np.float64]], ids: Sequence[int], lattice: Lattice
) -> list[list[tuple[int, int]]]:
    """Polylines in quanta of polylines in CRS coordinates.

    Parameters
    ----------
    lines : sequence of ndarray of float64, each of shape (k, 2)
    ids : sequence of int
        For messages only.
    lattice : Lattice

    Raises
    ------
    GeometryError
        If a coordinate is not finite or out of the lattice's range; names the constraint.
    """
    found = []
    for line, name in zip(lines, ids, strict=True):
        try:
            x, y = lattice.quanta(np.asarray(line)[:, 0], np.asarray(line)[:, 1])
        except GeometryError as error:
            raise GeometryError(f"constraint {name}: {error}") from error
        found.append(list(zip(x.tolist(), y.tolist(), strict=True)))
    return found


def constraint_network(
    lines: Sequence[Sequence[tuple[int, int]]], ids: Sequence[int]
) -> ConstraintNetwork:
    """The planar network of polylines.

    Lines are cut where they cross the borders of atom cells and where they meet one
    another; each cut is rounded once to whole quanta. Lines may cross, touch, overlap,
    repeat, close and end anywhere. The order of lines and their directions do not matter.

    Parameters
    ----------
    lines : sequence of sequences of (x, y)
        In quanta.
    ids : sequence of int
        The constraint that each line belongs to, non-negative; may repeat.

    Raises
    ------
    SpecError
        If a line has no length or an id is negative.
    GeometryError
        If a cell holds more nodes than ids, or cuts do not settle.
    """
    segments = split_at_cells(_segments(lines, ids))
    segments = noded(segments)
    ends = np.concatenate((segments[:, 0:2], segments[:, 2:4]))
    points, number = np.unique(ends, axis=0, return_inverse=True)
    order = canonical_order(points[:, 0], points[:, 1])
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    x, y = points[order].T
    tail, head = np.split(place[number.ravel()], 2)
    order = np.lexsort((segments[:, 4], head, tail))
    tail, head, name = tail[order], head[order], segments[order, 4]
    first = np.ones(tail.size, np.bool_)  # of several along one edge the smallest id
    first[1:] = (np.diff(tail) != 0) | (np.diff(head) != 0)
    return ConstraintNetwork(x, y, _node_ids(x, y), tail[first], head[first], name[first])


def _segments(lines: Sequence[Sequence[tuple[int, int]]], ids: Sequence[int]) -> NDArray[np.int64]:
    """Rows ``ax, ay, bx, by, id`` with a lexicographically before b."""
    rows = []
    for line, name in zip(lines, ids, strict=True):
        if name < 0:
            raise SpecError(f"constraint id {name} is negative; ids must be 0 or more")
        long = [(*min(step), *max(step), name) for step in pairwise(line) if step[0] != step[1]]
        if not long:
            raise SpecError(
                f"constraint {name} has no length: its {len(line)} vertices are "
                f"{sorted(set(line))} quanta; drop it or give it two different vertices"
            )
        rows += long
    return np.array(rows, np.int64).reshape(-1, 5)


def _node_ids(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ids by cell and place in it, with bit 62 set."""
    ix, iy = x >> CELL_BITS, y >> CELL_BITS
    new = np.ones(x.size, np.bool_)
    new[1:] = (np.diff(ix) != 0) | (np.diff(iy) != 0)
    starts = np.flatnonzero(new)
    place = np.arange(x.size) - np.repeat(starts, np.diff(np.append(starts, x.size)))
    crowded = np.flatnonzero(place >= _ANCHOR_PLACE)
    if crowded.size:
        at = int(crowded[0])
        raise GeometryError(
            f"constraints have {_ANCHOR_PLACE} nodes or more in cell ({int(ix[at])}, "
            f"{int(iy[at])}); simplify them or use smaller cells"
        )
    return SPECIAL_ID | point_ids(ix, iy, place)


def with_nodes(source: SiteSource, network: NetworkSource) -> SiteSource:
    """A source whose sites are another's and the nodes of a network.

    A site where a node stands keeps its place and its id; the node is merged into it.
    """

    def both(cells: Cells) -> Sites:
        sites, nodes = checked(source(cells), cells), network(cells).nodes()
        joined = Sites(
            np.concatenate((sites.x, nodes.x)),
            np.concatenate((sites.y, nodes.y)),
            np.concatenate((sites.id, nodes.id)),
        )
        return joined.take(canonical_order(joined.x, joined.y))

    return both


def is_constraint_node(ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which ids are those of nodes, shape of `ids`."""
    flagged: NDArray[np.bool_] = ((ids & SPECIAL_ID) != 0) & (
        (ids & _ANCHOR_PLACE) != _ANCHOR_PLACE
    )
    return flagged
