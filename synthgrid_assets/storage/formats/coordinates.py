"""Coordinates of stored geometry, straight from its WKB.

Belongs here: points and polygons as `geoparquet` writes them. Not here: writing, and geometry of
others, which GEOS reads.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from synthgrid_assets.storage.formats.wkb import read_rings, vertices_of

POINT_WKB = np.dtype([("order", "u1"), ("type", "<u4"), ("xy", "<f8", 2)])


def point_coordinates(table: pa.Table) -> NDArray[np.float64]:
    """Coordinates of a table of points, shape (n, 2), straight from their WKB.

    Examples
    --------
    >>> from synthgrid_assets.storage.formats.geoparquet import point_table
    >>> x = np.array([1.0, 2.0])
    >>> point_coordinates(point_table({}, x, x, crs="EPSG:32633", facts={})).tolist()
    [[1.0, 1.0], [2.0, 2.0]]
    """
    found = [np.empty((0, 2))]
    for chunk in table["geometry"].chunks:
        size = POINT_WKB.itemsize
        # a chunk may be a slice of a longer array; records of one size need no offsets but one
        first = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset]
        data = np.frombuffer(chunk.buffers()[2] or b"", np.uint8, len(chunk) * size, first)
        found.append(data.view(POINT_WKB)["xy"])
    return np.concatenate(found)


def ring_coordinates(table: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Coordinates of a table of polygons.

    Returns
    -------
    xy : ndarray of float64, shape (m, 2)
        Of all polygons, each ring closed.
    offsets : ndarray of int64, shape (n + 1,)
        Row i is ``xy[offsets[i]:offsets[i + 1]]``, with the rings of its holes after the first.

    Examples
    --------
    >>> from synthgrid_assets.storage.formats.geoparquet import polygon_table
    >>> ring = np.array([[0.0, 0], [1, 0], [0, 1], [0, 0]])
    >>> table = polygon_table({}, ring, np.array([0, 4, 4]), crs="EPSG:32633", facts={})
    >>> xy, offsets = ring_coordinates(table)
    >>> xy.tolist(), offsets.tolist()
    ([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0, 4, 4])
    """
    parts = [_rings(chunk) for chunk in table["geometry"].chunks]
    if len(parts) == 1:  # nothing to join
        xy, sizes = parts[0]
    else:
        xy = np.concatenate([np.empty((0, 2)), *(xy for xy, _ in parts)])
        sizes = np.concatenate([np.empty(0, np.int64), *(sizes for _, sizes in parts)])
    return xy, np.concatenate(([0], np.cumsum(sizes)))


def _rings(chunk: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Coordinates of polygons, and how many each has."""
    if chunk.type == pa.binary() and chunk.null_count == 0 and len(chunk):
        _, ends, data = chunk.buffers()
        records = np.frombuffer(ends, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        held = np.frombuffer(data or b"", np.uint8)
        sizes = vertices_of(held, records)
        if sizes is not None:
            return read_rings(held, records, sizes), sizes
    geometry = shapely.from_wkb(chunk.to_numpy(zero_copy_only=False))
    sizes = np.asarray(shapely.get_num_coordinates(geometry), np.int64)
    return np.asarray(shapely.get_coordinates(geometry)), sizes
