"""Which triangles a rectangle owns, and the pieces in which a rectangle is worked on.

Belongs here: what plain and constrained triangulations share once halos are certified. Not
here: the certificates (`halo`) and the records (`tile`, `constrained`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.tessellation.halo import MAX_SPAN, Neighbourhood
from synthgrid_assets.tessellation.predicates import EXTENT_BITS


def pieces(cells: Cells, max_halo: int) -> list[Cells]:
    """A rectangle cut into nearly equal ones that leave room for their halos.

    Raises
    ------
    GeometryError
        If `max_halo` leaves no room for any cell, or is below 1.

    Examples
    --------
    >>> pieces(Cells(0, 0, 30, 5), max_halo=120)
    [Cells(ix0=0, iy0=0, ix1=15, iy1=5), Cells(ix0=15, iy0=0, ix1=30, iy1=5)]
    """
    if not 1 <= max_halo < MAX_SPAN // 2:
        raise GeometryError(
            f"max_halo = {max_halo}: a halo has between 1 and {MAX_SPAN // 2 - 1} cells"
        )
    side = MAX_SPAN - 2 * max_halo
    xs, ys = (
        [first + (last - first) * k // count for k in range(count + 1)]
        for first, last in ((cells.ix0, cells.ix1), (cells.iy0, cells.iy1))
        for count in (-(-(last - first) // side),)
    )
    return [Cells(x0, y0, x1, y1) for y0, y1 in pairwise(ys) for x0, x1 in pairwise(xs)]


@dataclass(frozen=True)
class OwnedTriangles:
    """The triangles whose lexicographically smallest corner lies in the rectangle.

    Parameters
    ----------
    corners : ndarray of int64, shape (t, 3)
        Numbers of sites, counter-clockwise from the smallest corner, in canonical order.
    row : ndarray of int64, shape (t,)
        Numbers of the triangles in the mesh.
    turn : ndarray of int64, shape (t,)
        Place in the mesh's triangle of the corner that comes first here.
    """

    corners: NDArray[np.int64]
    row: NDArray[np.int64]
    turn: NDArray[np.int64]


def owned_triangles(found: Neighbourhood) -> OwnedTriangles:
    """The triangles that a certified neighbourhood's rectangle owns."""
    inside = np.zeros(found.x.size, np.bool_)
    inside[found.inside] = True
    rank = (found.x << EXTENT_BITS) | found.y  # lexicographic order as one number
    return OwnedTriangles(*_owned(found.mesh.vertices, found.touching, rank, inside))


@njit(cache=True)
def _owned(vertices, touching, rank, inside):
    """The arrays of `OwnedTriangles`: put beside their first corner's, by the second there."""
    turns = np.full(touching.size, -1, np.int64)
    begin = np.zeros(rank.size + 1, np.int64)  # of the triangles of each first corner
    for i in range(touching.size):
        turn = _smallest_corner(vertices, touching[i], rank)
        first = vertices[touching[i], turn]
        if inside[first]:
            turns[i] = turn
            begin[first + 1] += 1
    begin = np.cumsum(begin)
    end = begin[:-1].copy()  # of those found so far
    row, turn_of = np.empty(begin[-1], np.int64), np.empty(begin[-1], np.int64)
    corners = np.empty((begin[-1], 3), np.int64)
    for i in range(touching.size):
        t, turn = touching[i], turns[i]
        if turn < 0:
            continue
        a, b, c = vertices[t, turn], vertices[t, (turn + 1) % 3], vertices[t, (turn + 2) % 3]
        place = end[a]
        end[a] += 1
        while place > begin[a] and rank[b] < rank[corners[place - 1, 1]]:
            for k in range(3):
                corners[place, k] = corners[place - 1, k]
            row[place], turn_of[place] = row[place - 1], turn_of[place - 1]
            place -= 1
        corners[place, 0], corners[place, 1], corners[place, 2] = a, b, c
        row[place], turn_of[place] = t, turn
    return corners, row, turn_of


@njit(forceinline=True)
def _smallest_corner(vertices, t, rank):
    """Place of the lexicographically smallest corner of a triangle."""
    a, b, c = rank[vertices[t, 0]], rank[vertices[t, 1]], rank[vertices[t, 2]]
    if b < min(a, c):
        return 1
    return 2 if c < a else 0


def triangle_xy(found: Neighbourhood, owned: OwnedTriangles) -> NDArray[np.int64]:
    """Corners of owned triangles in quanta, shape (t, 6)."""
    sites = found.known.sites
    return np.asarray(_corner_places(owned.corners, sites.x, sites.y))


@njit(cache=True)
def _corner_places(corners, x, y):
    places = np.empty((corners.shape[0], 6), np.int64)
    for i in range(corners.shape[0]):
        for k in range(3):
            places[i, 2 * k], places[i, 2 * k + 1] = x[corners[i, k]], y[corners[i, k]]
    return places
