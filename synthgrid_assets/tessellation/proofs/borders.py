"""What the rows of one tile leave open when they are joined among themselves: its border.

Belongs here: kernels over one tile's stored rows, whose tables fit in a near cache as those of a
row of tiles do not. Not here: what the borders of many tiles say (`joins`, `cell_join`).

Each says first whether it found no fault. If it did, or tiles contradict each other, all rows
are joined at once instead, which counts the faults.
"""

from __future__ import annotations

import numpy as np

from synthgrid_assets.kernels import njit
from synthgrid_assets.tessellation.proofs.coverage import home_of
from synthgrid_assets.tessellation.proofs.numbering import numbered_pairs
from synthgrid_assets.tessellation.proofs.opposites import edges_left


@njit(cache=True)
def triangle_border(tile, corners, xy, homes):
    """The sites of a tile's triangles that others may share, and edges that are left.

    Parameters
    ----------
    tile : int
        Its number.
    corners : ndarray of int64, shape (t, 3)
    xy : ndarray of float64, shape (t, 3, 2)
    homes : tuple
        `Coverage.homes`.

    Returns
    -------
    sound : bool
        Whether each triangle begins with its smallest corner, in the tile, and each site stands
        in one place.
    site : ndarray of int64, shape (k,)
        Ids by first appearance: all that are not of the tile, and those of the tile around which
        triangles are missing here.
    at : ndarray of float64, shape (k, 2)
    middle : ndarray of int64, shape (k,)
        Of how many triangles each is the middle corner.
    edge : ndarray of int64, shape (e, 2)
        Edges that none of the tile cancels: tail and head by their places in `site`.
    """
    n = corners.shape[0]
    ids = corners.ravel()
    place, count = numbered_pairs(ids, ids)
    site, at = np.empty(count, np.int64), np.empty((count, 2))
    middle, home = np.zeros(count, np.int64), np.empty(count, np.int64)
    head, sound, known = np.empty(3 * n, np.int64), True, 0
    for i in range(n):
        for k in range(3):
            p = place[3 * i + k]
            head[3 * i + k] = place[3 * i + (0 if k == 2 else k + 1)]
            if p == known:
                site[p], at[p, 0], at[p, 1] = corners[i, k], xy[i, k, 0], xy[i, k, 1]
                home[p], known = home_of(corners[i, k], homes), known + 1
            elif xy[i, k, 0] != at[p, 0] or xy[i, k, 1] != at[p, 1]:
                sound = False
        turned, second = middle_corner(xy[i])
        sound &= not turned and home[place[3 * i]] == tile
        middle[place[3 * i + second]] += 1
    left = np.flatnonzero(edges_left(place, head, np.zeros(3 * n, np.int64)))
    kept = (home != tile) | ((middle != 2) & (middle != 0))
    for e in left:
        kept[place[e]] = kept[head[e]] = True
    renumbered, edge = np.cumsum(kept) - 1, np.empty((left.size, 2), np.int64)
    for i, e in enumerate(left):
        edge[i, 0], edge[i, 1] = renumbered[place[e]], renumbered[head[e]]
    return sound, site[kept], at[kept], middle[kept], edge


@njit(inline="always")
def middle_corner(corners):
    """Whether a triangle does not begin with its smallest corner, and which one is the middle."""
    a, b, c = corners[0], corners[1], corners[2]
    ab, bc, ac = _follows(a, b), _follows(b, c), _follows(a, c)
    # each follows as many of the others as stand before it; the middle one follows one
    return ab or ac, 0 if ab != ac else 1 if ab == bc else 2


@njit(inline="always")
def _follows(one, other):
    """Whether a place comes after another: by x, then y; an equal one does not."""
    return one[0] > other[0] or (one[0] == other[0] and one[1] > other[1])


@njit(cache=True)
def cell_border(tile, site, offsets, place, homes):
    """The edges of a tile's cells that no cell of the tile has the other way round.

    Parameters
    ----------
    tile : int
    site : ndarray of int64, shape (n,)
    offsets : ndarray of int64, shape (n + 1,)
        Of the cells' rings.
    place : ndarray of int64, shape (m,)
        A number for each place of their vertices.
    homes : tuple

    Returns
    -------
    sound : bool
        Whether each site is of the tile and has one cell.
    row, start : ndarray of int64, shape (e,)
        The cell that each edge belongs to, and which vertex it begins at.
    """
    sound = numbered_pairs(site, site)[1] == site.size
    for i in range(site.size):
        sound &= home_of(site[i], homes) == tile
    row, start = ring_edges(offsets, place)
    left = np.flatnonzero(edges_left(place[start], place[start + 1], np.zeros(row.size, np.int64)))
    return sound, row[left], start[left]


@njit(cache=True)
def ring_edges(offsets, place):
    """The ring of each edge between two places, and where it starts."""
    row, start = np.empty(place.size, np.int64), np.empty(place.size, np.int64)
    count = 0
    for i in range(offsets.size - 1):
        for at in range(offsets[i], offsets[i + 1] - 1):
            if place[at] != place[at + 1]:
                row[count], start[count] = i, at
                count += 1
    return row[:count], start[:count]


@njit(cache=True)
def pair_border(tile, focal, neighbor, label, homes):
    """The pairs of a tile whose counterpart is not in it, though it is in a tile that is there.

    Parameters
    ----------
    tile : int
    focal, neighbor : ndarray of int64, shape (d,)
        Ids of sites.
    label : ndarray of int64, shape (d,)
        Bits of the pair's weight.
    homes : tuple

    Returns
    -------
    sound : bool
        Whether the pairs of each site stand together, each once, in the site's tile.
    left : ndarray of int64, shape (e,)
        Which pairs are left.
    """
    n = focal.size
    ids = np.concatenate((focal, neighbor))
    number, count = numbered_pairs(ids, ids)
    tail, head = number[:n], number[n:]
    begun, latest, sound = np.zeros(count, np.bool_), np.full(count, -1, np.int64), True
    for i in range(n):
        if i == 0 or tail[i] != tail[i - 1]:
            sound &= not begun[tail[i]] and home_of(focal[i], homes) == tile
            begun[tail[i]] = True
        sound &= latest[head[i]] != tail[i]
        latest[head[i]] = tail[i]
    left = edges_left(tail, head, label)
    for i in range(n):
        if left[i] and home_of(neighbor[i], homes) < 0:
            left[i] = False
    return sound, np.flatnonzero(left)
