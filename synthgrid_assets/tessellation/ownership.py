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
from synthgrid_assets.tessellation.halo import MAX_SPAN, Neighbourhood
from synthgrid_assets.tessellation.predicates import EXTENT_BITS
from synthgrid_assets.world.lattice import Cells


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
    corners = found.mesh.vertices[found.touching].astype(np.int64)
    rank = (found.x << EXTENT_BITS) | found.y  # lexicographic order as one number
    turn = np.argmin(rank[corners], axis=1)
    corners = np.take_along_axis(corners, (turn[:, None] + np.arange(3)) % 3, axis=1)
    inside = np.zeros(found.x.size, np.bool_)
    inside[found.inside] = True
    owned = np.flatnonzero(inside[corners[:, 0]])
    owned = owned[np.lexsort((rank[corners[owned, 1]], corners[owned, 0]))]
    return OwnedTriangles(corners[owned], found.touching[owned], turn[owned])


def triangle_xy(found: Neighbourhood, owned: OwnedTriangles) -> NDArray[np.int64]:
    """Corners of owned triangles in quanta, shape (t, 6)."""
    sites = found.known.sites
    return np.stack((sites.x[owned.corners], sites.y[owned.corners]), axis=2).reshape(-1, 6)
