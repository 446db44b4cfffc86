"""What must hold of stored Voronoi rows, checked from the rows alone.

Belongs here: counts of broken rings and edges. Not here: triangles
(`verification`), verdicts and where they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.tessellation.predicates import AREA_BITS, cross_split, precedes
from synthgrid_assets.tessellation.proofs.faults import CellFaults
from synthgrid_assets.tessellation.proofs.numbering import numbered_pairs
from synthgrid_assets.tessellation.proofs.opposites import EDGE, edges_by_end
from synthgrid_assets.tessellation.proofs.verification import distinct, numbered, pair_key

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
    sound, wrong, high, low = _measured(ring, ring_offsets, site, doubled_area)
    overlapping, stray, enclosed = _judged_edges(ring, ring_offsets, sound, site, cells)
    return CellFaults(
        malformed=int((~sound).sum()),
        wrong_area=int(wrong),
        overlapping=overlapping,
        stray=stray,
        unbalanced=int((int(high) << AREA_BITS) + int(low) != enclosed),
    )


@njit(cache=True)
def _measured(ring, ring_offsets, site, doubled_area):
    """Which rings are well formed; of those, wrong areas, and the sum of all as (high, low)."""
    n = site.shape[0]
    sound = np.zeros(n, np.bool_)
    wrong, sum_high, sum_low = 0, 0, 0
    for i in range(n):
        start, end = ring_offsets[i], ring_offsets[i + 1]
        last = end - 1
        if end - start < 4 or ring[start, 0] != ring[last, 0] or ring[start, 1] != ring[last, 1]:
            continue
        good, high, low = True, 0, 0
        for k in range(start, last):
            x, y = ring[k, 0], ring[k, 1]
            dx, dy = x - site[i, 0], y - site[i, 1]
            near = -_FAR < dx < _FAR and -_FAR < dy < _FAR
            repeated = x == ring[k + 1, 0] and y == ring[k + 1, 1]
            if not near or repeated or precedes(x, y, ring[start, 0], ring[start, 1]):
                good = False
                break
            more_high, more_low = cross_split(
                dx, dy, ring[k + 1, 0] - site[i, 0], ring[k + 1, 1] - site[i, 1]
            )
            high, low = high + more_high, low + more_low
        sound[i] = good
        if good:
            high, low = high + (low >> AREA_BITS), low & ((1 << AREA_BITS) - 1)
            is_true = high == doubled_area[i, 0] and low == doubled_area[i, 1]
            wrong += not is_true or high < 0 or (high == 0 and low == 0)
            sum_high, sum_low = sum_high + doubled_area[i, 0], sum_low + doubled_area[i, 1]
    return sound, wrong, sum_high, sum_low


def _judged_edges(
    ring: NDArray[np.int64],
    ring_offsets: NDArray[np.int64],
    sound: NDArray[np.bool_],
    site: NDArray[np.int64],
    cells: Cells,
) -> tuple[int, int, int]:
    """Overlapping and stray edges, and twice the area within the outer boundary."""
    number, _ = numbered_pairs(ring[:, 0], ring[:, 1])
    beyond, regular = _paired(number, ring_offsets, sound)
    if not regular:  # who has which edge takes the counts of all of them
        edges = _edges(ring, ring_offsets, sound)
        return edges.overlapping, _stray(edges, site, cells), edges.enclosed()
    stray, high, low = _followed(ring, ring_offsets, sound, site, beyond, cells.quanta())
    return 0, int(stray), (int(high) << AREA_BITS) + int(low)


@njit(cache=True)
def _paired(number, ring_offsets, sound):
    """The cell beyond the edge that begins at each corner of the rings, as `_Edges` has it.

    The second value is false if an edge is one of three, or runs twice in one direction: then
    the first says nothing.
    """
    beyond, owner = np.full(number.size, _UNKNOWN), np.empty(number.size, np.int32)
    head = np.full(number.size, -1, np.int32)
    for i in range(sound.size):
        if sound[i]:
            for e in range(ring_offsets[i], ring_offsets[i + 1] - 1):
                owner[e], beyond[e], head[e] = i, _OUTSIDE, number[e + 1]
    edges, stops = edges_by_end(number, head)
    seen, first = np.full(stops.size, -1, np.int32), np.empty(stops.size, np.int64)
    begin = 0
    for end in range(stops.size):
        for which in edges[begin : stops[end]]:
            other = which >> 33
            if seen[other] != end:
                seen[other], first[other] = end, which
                continue
            e, twin = which & EDGE, first[other] & EDGE
            if beyond[twin] != _OUTSIDE or which >> 32 == first[other] >> 32:
                return beyond, False
            folded = owner[e] == owner[twin]  # by rounding
            beyond[e] = _UNKNOWN if folded else owner[twin]
            beyond[twin] = _UNKNOWN if folded else owner[e]
        begin = stops[end]
    return beyond, True


@njit(cache=True)
def _followed(ring, ring_offsets, sound, site, beyond, window):
    """Stray edges, and twice the area within those that have nothing beyond, as (high, low).

    What `_stray` and `_Edges.enclosed` say, edge by edge.
    """
    stray, high, low = 0, 0, 0
    x0, y0 = window[0] * VERTEX_SCALE, window[1] * VERTEX_SCALE
    for i in range(sound.size):
        if not sound[i]:
            continue
        x, y = site[i, 0], site[i, 1]
        for e in range(ring_offsets[i], ring_offsets[i + 1] - 1):
            if beyond[e] == _OUTSIDE:  # measured from a corner of the rectangle: less to add up
                more_high, more_low = cross_split(
                    ring[e, 0] - x0, ring[e, 1] - y0, ring[e + 1, 0] - x0, ring[e + 1, 1] - y0
                )
                high, low = high + more_high, low + more_low
            elif beyond[e] == _UNKNOWN:
                continue
            px, py = float(ring[e, 0] - x), float(ring[e, 1] - y)
            qx, qy = float(ring[e + 1, 0] - x), float(ring[e + 1, 1] - y)
            image_x, image_y, tolerance = _mirrored(px, py, qx, qy)
            if beyond[e] >= 0:
                j = beyond[e]
                dx, dy = image_x - float(site[j, 0] - x), image_y - float(site[j, 1] - y)
                stray += dx * dx + dy * dy > tolerance * tolerance
            elif tolerance < _DECIDABLE:
                near_x, near_y = np.rint(image_x / VERTEX_SCALE), np.rint(image_y / VERTEX_SCALE)
                dx, dy = image_x - near_x * VERTEX_SCALE, image_y - near_y * VERTEX_SCALE
                at_x, at_y = x // VERTEX_SCALE + int(near_x), y // VERTEX_SCALE + int(near_y)
                within = window[0] <= at_x < window[2] and window[1] <= at_y < window[3]
                stray += within or dx * dx + dy * dy > tolerance * tolerance
    return stray, high, low


@njit(inline="always")
def _mirrored(px, py, qx, qy):
    """The mirror image of the origin in the line through p and q, and how far rounding moves it."""
    along_x, along_y = qx - px, qy - py
    inverse = 1 / np.sqrt(along_x * along_x + along_y * along_y)
    distance = (px * along_y - py * along_x) * inverse
    scaled = distance * inverse
    foot_x, foot_y = along_y * scaled, -along_x * scaled
    to_p = (px - foot_x) ** 2 + (py - foot_y) ** 2
    to_q = (qx - foot_x) ** 2 + (qy - foot_y) ** 2
    farthest = np.sqrt(max(to_p, to_q))
    tolerance = 4 * _ROUNDING * (1 + 2 * (farthest + abs(distance)) * inverse)
    return 2 * foot_x, 2 * foot_y, tolerance


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
