"""Constraints: lines that triangles must not cross, as one planar network on the lattice.

Belongs here: polylines in quanta, the network of their nodes and edges, and what a tile
sees of it. Not here: how lines are cut (`noding`) and how edges enter a triangulation
(`constraint_insertion`).

A network is made once per world, never per tile, so neighbours cannot disagree on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import (
    CELL_BITS,
    MAX_POINTS_PER_CELL,
    SPECIAL_ID,
    Cells,
    point_ids,
)
from synthgrid_assets.tessellation.noding import noded, split_at_cells
from synthgrid_assets.tessellation.sites import Sites, SiteSource, canonical_order, checked

ALGORITHM_VERSION = 1  # raised when the same lines give another network
MAX_CUTS = 5_000_000  # at borders of cells: a minute on one core
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
    >>> cross = planar_network(np.array([[0, 0, 8, 8, 7], [0, 8, 8, 0, 9]]))
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


def planar_network(segments: NDArray[np.int64]) -> ConstraintNetwork:
    """The planar network of the segments of polylines.

    Lines are cut where they cross the borders of atom cells and where they meet one
    another; each cut is rounded once to whole quanta. Lines may cross, touch, overlap,
    repeat, close and end anywhere. The order of segments does not matter.

    Parameters
    ----------
    segments : ndarray of int64, shape (s, 5)
        Rows ``ax, ay, bx, by, id`` in quanta, a lexicographically before b, ids
        non-negative.

    Raises
    ------
    GeometryError
        If a cell holds more nodes than ids, cuts do not settle, or there would be more than
        `MAX_CUTS`.
    """
    _check_cuts(segments)
    segments = noded(split_at_cells(segments))
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


def _check_cuts(segments: NDArray[np.int64]) -> None:
    """Refuse lines that run across more cells than memory holds, before the work."""
    cell = segments[:, :4] >> CELL_BITS
    cuts = np.abs(cell[:, 2] - cell[:, 0]) + np.abs(cell[:, 3] - cell[:, 1])
    if cuts.sum() > MAX_CUTS:
        worst = int(segments[np.argmax(cuts), 4])
        raise GeometryError(
            f"constraints run across {int(cuts.sum()):,} borders of cells, {int(cuts.max()):,} of "
            f"them in one segment of constraint {worst}; at most {MAX_CUTS:,} are cut: clip the "
            "lines to the surroundings of the world, or use larger cells"
        )


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
