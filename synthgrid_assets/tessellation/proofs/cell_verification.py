"""What must hold of stored Voronoi rows, checked from the rows alone.

Belongs here: counts of broken rings and edges. Not here: triangles
(`verification`), verdicts and where they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.tessellation.predicates import AREA_BITS, precedes
from synthgrid_assets.tessellation.proofs.faults import CellFaults
from synthgrid_assets.tessellation.proofs.verification import distinct, numbered, pair_key
from synthgrid_assets.tessellation.voronoi import doubled_area_of

_FAR = 1 << 42  # no certified ring reaches farther from its site, in 2**-10 quanta
_ROUNDING = 0.71  # rounding moves a vertex of a ring by less, in 2**-10 quanta
_DECIDABLE = VERTEX_SCALE / 4  # an edge that is known this well names its lattice point
_OUTSIDE, _UNKNOWN = -1, -2  # what lies beyond an edge when it is no cell of the rectangle


def cell_faults(
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    ring: NDArray[np.int64],
    ring_offsets: NDArray[np.int64],
    doubled_area: NDArray[np.int64],
    cells: Cells,
) -> CellFaults:
    """Check the rows of the Voronoi cells of a rectangle.

    Directed edges of neighbouring cells cancel. What is left is exactly the outer boundary:
    each edge of it lies halfway between its site and a lattice point outside the rectangle,
    and it encloses the sum of the cells' areas.

    Parameters
    ----------
    x, y : ndarray of int64, shape (n,)
        Sites in quanta.
    ring, ring_offsets, doubled_area
        As in `Tessellation`.
    cells : Cells
        The rectangle that holds the sites.

    Returns
    -------
    CellFaults
        All zero for the rows of `tessellate`. Whether an edge is on a bisector is decided
        in floating point within the bound that rounding sets; all else is exact.
    """
    sizes = np.diff(ring_offsets)
    if sizes.size != x.size or (sizes < 0).any() or ring_offsets[-1] != len(ring):
        return CellFaults(max(x.size, 1), 0, 0, 0, 0)
    site = np.stack((x, y), axis=1) * VERTEX_SCALE
    sound, true_area = _measured(ring, ring_offsets, site)
    wrong = (true_area != doubled_area).any(axis=1) | (true_area[:, 0] < 0) | ~true_area.any(axis=1)
    edges = _edges(ring, ring_offsets, sound)
    return CellFaults(
        malformed=int((~sound).sum()),
        wrong_area=int((sound & wrong).sum()),
        overlapping=edges.overlapping,
        stray=_stray(edges, site, cells),
        unbalanced=int(_total(doubled_area[sound]) != edges.enclosed()),
    )


@njit(cache=True)
def _measured(ring, ring_offsets, site):
    """Which rings are well formed, and the doubled areas of those."""
    n = site.shape[0]
    sound = np.zeros(n, np.bool_)
    doubled_area = np.zeros((n, 2), np.int64)
    for i in range(n):
        start, end = ring_offsets[i], ring_offsets[i + 1]
        x, y = ring[start:end, 0], ring[start:end, 1]
        if end - start < 4 or x[0] != x[-1] or y[0] != y[-1]:
            continue
        good = True
        for k in range(x.size - 1):
            dx, dy = x[k] - site[i, 0], y[k] - site[i, 1]
            near = -_FAR < dx < _FAR and -_FAR < dy < _FAR
            repeated = x[k] == x[k + 1] and y[k] == y[k + 1]
            good = good and near and not repeated and not precedes(x[k], y[k], x[0], y[0])
        sound[i] = good
        if good:
            area = doubled_area_of(x - site[i, 0], y - site[i, 1])
            doubled_area[i, 0], doubled_area[i, 1] = area
    return sound, doubled_area


def _total(doubled_area: NDArray[np.int64]) -> int:
    """Sum of doubled areas as one Python integer."""
    return (int(doubled_area[:, 0].sum()) << AREA_BITS) + int(doubled_area[:, 1].sum())


@dataclass(frozen=True)
class _Edges:
    """The directed edges of the sound rings, and how they pair up.

    Parameters
    ----------
    tail, head : ndarray of int64, shape (e, 2)
        Ends of each edge in 2**-10 quanta.
    owner, beyond : ndarray of int64, shape (e,)
        The cell, and the cell on the other side; `_OUTSIDE` on the outer boundary and
        `_UNKNOWN` where rounding has made several Voronoi edges into one.
    surplus : ndarray of int64, shape (e,)
        How often an edge is left over after edges in opposite directions cancelled; of the
        edges along one segment the first stands for all.
    crowded : ndarray of int64, shape (s,)
        Of each segment, the edges beyond two, unless rounding folded a ring onto itself.
    """

    tail: NDArray[np.int64]
    head: NDArray[np.int64]
    owner: NDArray[np.int64]
    beyond: NDArray[np.int64]
    surplus: NDArray[np.int64]
    crowded: NDArray[np.int64]

    @property
    def overlapping(self) -> int:
        """Edges that are left over more than once, or that more than two cells have."""
        return int(np.maximum(np.abs(self.surplus) - 1, 0).sum() + self.crowded.sum())

    def enclosed(self) -> int:
        """Twice the area within the outer boundary, exact."""
        left = self.surplus != 0
        tail, head = (ends[left].astype(object) for ends in (self.tail, self.head))
        twice = (tail[:, 0] * head[:, 1] - tail[:, 1] * head[:, 0]) * self.surplus[left]
        return int(twice.sum())


def _edges(
    ring: NDArray[np.int64], ring_offsets: NDArray[np.int64], sound: NDArray[np.bool_]
) -> _Edges:
    owner = np.repeat(np.arange(sound.size), np.diff(ring_offsets))
    starts = np.flatnonzero(np.append(owner[1:] == owner[:-1], False) & sound[owner])
    tail, head, owner = ring[starts], ring[starts + 1], owner[starts]
    number = numbered(ring)
    u, v = number[starts], number[starts + 1]
    way = np.where(u < v, 1, -1)
    segment, group, count = np.unique(
        pair_key(np.minimum(u, v), np.maximum(u, v)), return_inverse=True, return_counts=True
    )
    order = np.argsort(group, kind="stable")
    first = order[np.cumsum(count) - count]
    last = order[np.cumsum(count) - 1]
    net = np.bincount(group, way, minlength=segment.size).astype(np.int64)
    surplus = np.zeros(owner.size, np.int64)
    surplus[first] = net * way[first]
    beyond = np.full(owner.size, _UNKNOWN)
    beyond[first[count == 1]] = _OUTSIDE
    pair = (count == 2) & (net == 0) & (owner[first] != owner[last])
    beyond[first[pair]], beyond[last[pair]] = owner[last[pair]], owner[first[pair]]
    owners = np.bincount(distinct(pair_key(group, owner)) >> 32, minlength=segment.size)
    crowded = np.where(owners == count, np.maximum(count - 2, 0), 0)
    return _Edges(tail, head, owner, beyond, surplus, crowded)


def _stray(edges: _Edges, site: NDArray[np.int64], cells: Cells) -> int:
    """Edges that are not on the bisector of their site and of what lies beyond.

    The mirror image of a site in an edge's line is the site beyond it. Rounding moves both
    ends of the edge, hence the image by at most `tolerance` (twice the first-order bound).
    """
    here = site[edges.owner]
    p, q = ((ends - here).astype(np.float64) for ends in (edges.tail, edges.head))
    along = q - p
    length = np.sqrt((along**2).sum(axis=1))
    distance = (p[:, 0] * along[:, 1] - p[:, 1] * along[:, 0]) / length
    foot = np.stack((along[:, 1], -along[:, 0]), axis=1) * (distance / length)[:, None]
    farthest = np.sqrt(np.maximum(((p - foot) ** 2).sum(axis=1), ((q - foot) ** 2).sum(axis=1)))
    tolerance = 4 * _ROUNDING * (1 + 2 * (farthest + np.abs(distance)) / length)
    image = 2 * foot
    other = np.where((edges.beyond >= 0)[:, None], site[edges.beyond] - here, 0)
    off_cell = np.sqrt(((image - other) ** 2).sum(axis=1)) > tolerance
    nearest = np.rint(image / VERTEX_SCALE)
    off_lattice = np.sqrt(((image - nearest * VERTEX_SCALE) ** 2).sum(axis=1)) > tolerance
    mirrored = here // VERTEX_SCALE + nearest.astype(np.int64)
    x0, y0, x1, y1 = cells.quanta()
    within = ((mirrored >= (x0, y0)) & (mirrored < (x1, y1))).all(axis=1)
    outer = (edges.beyond == _OUTSIDE) & (tolerance < _DECIDABLE)
    return int((((edges.beyond >= 0) & off_cell) | (outer & (off_lattice | within))).sum())
