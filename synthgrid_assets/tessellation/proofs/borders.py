"""What the rows of one tile leave open when they are joined among themselves: its border.

Belongs here: one tile's stored rows, whose tables fit in a near cache as those of a row of tiles
do not. Not here: what the borders of many tiles say (`joins`, `cell_join`).

Each says first whether it found no fault. If it did, or tiles contradict each other, all rows
are joined at once instead, which counts the faults.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.tessellation.predicates import precedes
from synthgrid_assets.tessellation.proofs.coverage import Homes, home_of
from synthgrid_assets.tessellation.proofs.numbering import numbered_pairs
from synthgrid_assets.tessellation.proofs.opposites import edges_left

Triangles = tuple[
    bool, NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]
]
Edges = tuple[bool, NDArray[np.int64], NDArray[np.int64]]


def triangle_border(
    tile: int, corners: NDArray[np.int64], xy: NDArray[np.float64], homes: Homes
) -> Triangles:
    """The sites of a tile's triangles that others may share, and edges that are left.

    Parameters
    ----------
    tile : int
        Its number.
    corners : ndarray of int64, shape (t, 3)
    xy : ndarray of float64, shape (t, 3, 2) or (t, 4, 2)
        The first three of each are its corners'.
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
    ids = corners.ravel()
    place, count = numbered_pairs(ids, ids)
    sound, site, at, middle, home, head = _sites_of(tile, corners, xy, place, count, homes)
    left = np.flatnonzero(edges_left(place, head, np.zeros(ids.size, np.int64)))
    edge = np.column_stack((place[left], head[left]))
    kept = (home != tile) | ((middle != 2) & (middle != 0))
    kept[edge] = True
    return sound, site[kept], at[kept], middle[kept], (np.cumsum(kept) - 1)[edge]


@njit(cache=True)
def _sites_of(tile, corners, xy, place, count, homes):
    """Sites by their places, whether triangles are sound, and the place each edge leads to."""
    n = corners.shape[0]
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
        turned, second = middle_corner(xy, i)
        sound &= not turned and home[place[3 * i]] == tile
        middle[place[3 * i + second]] += 1
    return sound, site, at, middle, home, head


@njit(inline="always")
def middle_corner(xy, i):
    """Whether a triangle does not begin with its smallest corner, and which one is the middle."""
    ab, bc, ac = _follows(xy, i, 0, 1), _follows(xy, i, 1, 2), _follows(xy, i, 0, 2)
    # each follows as many of the others as stand before it; the middle one follows one
    return ab or ac, 0 if ab != ac else 1 if ab == bc else 2


@njit(inline="always")
def _follows(xy, i, one, other):
    """Whether a corner comes after another: by x, then y; an equal one does not."""
    return precedes(xy[i, other, 0], xy[i, other, 1], xy[i, one, 0], xy[i, one, 1])


def cell_border(
    tile: int,
    site: NDArray[np.int64],
    offsets: NDArray[np.int64],
    place: NDArray[np.int64],
    homes: Homes,
) -> Edges:
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
    sound = numbered_pairs(site, site)[1] == site.size and _are_at_home(tile, site, homes)
    row, start = ring_edges(offsets, place)
    left = edges_left(place[start], place[start + 1], np.zeros(row.size, np.int64))
    return sound, row[left], start[left]


@njit(cache=True)
def _are_at_home(tile, site, homes):
    """Whether all sites are of the tile."""
    found = True
    for i in range(site.size):
        found &= home_of(site[i], homes) == tile
    return found


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


def pair_border(
    tile: int,
    focal: NDArray[np.int64],
    neighbor: NDArray[np.int64],
    label: NDArray[np.int64],
    homes: Homes,
) -> tuple[bool, NDArray[np.int64]]:
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
    sound = _stand_together(tile, focal, tail, head, count, homes)
    left = np.flatnonzero(edges_left(tail, head, label))
    return sound, left[_have_homes(neighbor[left], homes)]


@njit(cache=True)
def _stand_together(tile, focal, tail, head, count, homes):
    """Whether the pairs of each site stand together, each once, in the site's tile."""
    begun, latest, sound = np.zeros(count, np.bool_), np.full(count, -1, np.int64), True
    for i in range(tail.size):
        if i == 0 or tail[i] != tail[i - 1]:
            sound &= not begun[tail[i]] and home_of(focal[i], homes) == tile
            begun[tail[i]] = True
        sound &= latest[head[i]] != tail[i]
        latest[head[i]] = tail[i]
    return sound


@njit(cache=True)
def _have_homes(site, homes):
    """Which sites lie in a tile that is there."""
    found = np.empty(site.size, np.bool_)
    for i in range(site.size):
        found[i] = home_of(site[i], homes) >= 0
    return found
