"""Rings in metres, as ragged arrays that geometry libraries take whole.

Belongs here: the step from exact integers to CRS coordinates. Not here: geometry objects;
``shapely.from_ragged_array`` and geoarrow writers build all of them in one call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.tessellation.tile import Tessellation
from synthgrid_assets.world.lattice import Lattice


def ring_metres(
    tessellation: Tessellation, lattice: Lattice
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Voronoi cells as closed rings in CRS coordinates.

    Returns
    -------
    coordinates : ndarray of float64, shape (m, 2)
    offsets : ndarray of int64, shape (n + 1,)
        Ring i is ``coordinates[offsets[i]:offsets[i + 1]]``.

    Examples
    --------
    >>> import shapely
    >>> from synthgrid_assets.tessellation.tile import empty
    >>> from synthgrid_assets.world.lattice import Cells
    >>> nothing = empty(Cells(0, 0, 1, 1), Cells(0, 0, 1, 1))
    >>> rings, offsets = ring_metres(nothing, Lattice("EPSG:32633", (0.0, 0.0), 64.0))
    >>> cells = np.arange(offsets.size)  # each polygon has one ring
    >>> shapely.from_ragged_array(shapely.GeometryType.POLYGON, rings, (offsets, cells)).size
    0
    """
    x, y = tessellation.ring.T / VERTEX_SCALE
    return np.stack(lattice.metres(x, y), axis=1), tessellation.ring_offsets


def triangle_metres(
    triangle_xy: NDArray[np.int64], lattice: Lattice
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Triangles as closed rings in CRS coordinates.

    Parameters
    ----------
    triangle_xy : ndarray of int64, shape (t, 6)
        Corners in quanta.
    lattice : Lattice

    Returns
    -------
    coordinates : ndarray of float64, shape (4 t, 2)
    offsets : ndarray of int64, shape (t + 1,)
    """
    corners = triangle_xy.reshape(-1, 3, 2)[:, [0, 1, 2, 0]].reshape(-1, 2)
    x, y = lattice.metres(corners[:, 0], corners[:, 1])
    return np.stack((x, y), axis=1), np.arange(len(triangle_xy) + 1) * 4
