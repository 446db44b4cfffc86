"""Well-known binary of rings in one pass over their coordinates, with their bounds.

Belongs here: bytes and bounds of polygons. Not here: what a table makes of them
(`geoparquet`), points and segments, whose records have one size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

POLYGON = 3
_EMPTY, _HEAD, _VERTEX = 9, 13, 16  # bytes of an empty polygon, before a ring, of a vertex
FEWEST = 4  # coordinates of a ring that encloses anything


class RingRecords(NamedTuple):
    """Polygons of one ring each as WKB, and what was seen on the way.

    Attributes
    ----------
    data : ndarray of uint8, shape (ends[-1],)
        Little endian; a ring of fewer than four coordinates is ``POLYGON EMPTY``.
    ends : ndarray of int64, shape (n + 1,)
        Polygon i is ``data[ends[i]:ends[i + 1]]``.
    low, high : ndarray of float64, shape (n, 2)
        Bounds; NaN of empty polygons.
    infinite : int
        The first coordinate that is not finite, or -1.
    open_ring : int
        The first ring whose last coordinate is not its first one, or -1.
    """

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    infinite: int
    open_ring: int


def record_ends(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the records of rings of so many coordinates end, shape (n + 1,), from 0."""
    sizes = np.where(lengths < FEWEST, _EMPTY, _HEAD + _VERTEX * lengths)
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))


def ring_records(xy: NDArray[np.float64], offsets: NDArray[np.int64]) -> RingRecords:
    """Polygons without holes.

    Parameters
    ----------
    xy : ndarray of float64, shape (m, 2)
        Coordinates of all rings; the sign of zero is lost.
    offsets : ndarray of int64, shape (n + 1,)
        Ring i is ``xy[offsets[i]:offsets[i + 1]]``.

    Examples
    --------
    >>> ring = np.array([[0.0, 0], [1, 0], [0, 1], [0, 0]])
    >>> found = ring_records(ring, np.array([0, 4]))
    >>> found.data[:13].tolist(), found.high.tolist()
    ([1, 3, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0], [[1.0, 1.0]])
    """
    ends = record_ends(np.diff(offsets))
    plain = xy + 0.0  # turns -0.0 into 0.0
    return RingRecords(*_records(plain, plain.view(np.int64), offsets, ends))


@njit(cache=True)
def _records(xy, bits, offsets, ends):
    n = offsets.size - 1
    data = np.empty(ends[n], np.uint8)
    low, high = np.full((n, 2), np.nan), np.full((n, 2), np.nan)
    infinite, open_ring = -1, -1
    for i in range(n):
        start, end, at = offsets[i], offsets[i + 1], ends[i]
        real = end - start >= FEWEST
        data[at] = 1
        _put(data, at + 1, POLYGON, 4)
        _put(data, at + 5, 1 if real else 0, 4)
        if real:
            _put(data, at + 9, end - start, 4)
            at += _HEAD
            if open_ring < 0 and (xy[start, 0] != xy[end - 1, 0] or xy[start, 1] != xy[end - 1, 1]):
                open_ring = i
            west, south = xy[start, 0], xy[start, 1]
            east, north = west, south
            for k in range(start, end):
                x, y = xy[k, 0], xy[k, 1]
                west, east = min(west, x), max(east, x)
                south, north = min(south, y), max(north, y)
                _put(data, at, bits[k, 0], 8)
                _put(data, at + 8, bits[k, 1], 8)
                at += _VERTEX
            low[i, 0], low[i, 1], high[i, 0], high[i, 1] = west, south, east, north
    for k in range(xy.shape[0]):
        if infinite < 0 and not (np.isfinite(xy[k, 0]) and np.isfinite(xy[k, 1])):
            infinite = k
    return data, ends, low, high, infinite, open_ring


@njit(inline="always")
def _put(data, at, value, size):
    """Write the lowest bytes of an integer, little endian, wherever it begins."""
    for k in range(size):
        data[at + k] = (value >> (8 * k)) & 0xFF
