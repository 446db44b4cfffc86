"""Rings in metres, as ragged arrays that geometry libraries take whole, and as polygons.

Belongs here: the step from exact integers to CRS coordinates and to geometry objects, all
in one call. Not here: how rows are encoded in files (`storage`).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import Lattice
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.tessellation.tile import Tessellation


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
    >>> from synthgrid_assets.tessellation.tile import empty
    >>> from synthgrid_assets.lattice.cells import Cells
    >>> nothing = empty(Cells(0, 0, 1, 1), Cells(0, 0, 1, 1))
    >>> rings, offsets = ring_metres(nothing, Lattice("EPSG:32633", (0.0, 0.0), 64.0))
    >>> polygons(rings, offsets).size
    0
    """
    xy = _metres(tessellation.ring, float(VERTEX_SCALE), lattice.origin, lattice.step)
    return xy, tessellation.ring_offsets


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
    rings = _triangle_metres(triangle_xy, lattice.origin, lattice.step)
    return rings, np.arange(len(triangle_xy) + 1) * 4


@njit(cache=True)
def _metres(xy, scale, origin, step):
    """`Lattice.coordinates` of positions in parts of a quantum."""
    out = np.empty(xy.shape)
    for i in range(xy.shape[0]):
        for axis in range(2):
            out[i, axis] = origin[axis] + xy[i, axis] / scale * step
    return out


@njit(cache=True)
def _triangle_metres(triangle_xy, origin, step):
    """`Lattice.coordinates` of the corners of triangles, the first one again after the others."""
    out = np.empty((4 * triangle_xy.shape[0], 2))
    for i in range(triangle_xy.shape[0]):
        for k in range(4):
            for axis in range(2):
                corner = triangle_xy[i, 2 * (k % 3) + axis]
                out[4 * i + k, axis] = origin[axis] + corner * step
    return out


def polygons(coordinates: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[Any]:
    """Polygons of one ring each, from what `ring_metres` or `triangle_metres` returns.

    Returns
    -------
    ndarray of shapely.Polygon, shape (n,)

    Examples
    --------
    >>> square = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)])
    >>> polygons(square, np.array([0, 5]))[0].area
    1.0
    """
    with _collector_paused():
        found: NDArray[Any] = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, coordinates, (offsets, np.arange(offsets.size))
        )
    return found


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No search for reference cycles: geometries form none, and are searched over and over.

    Each is an object that the collector tracks, so a hundred thousand new ones make it walk
    through all objects alive a hundred times; that takes five times as long as making them.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
