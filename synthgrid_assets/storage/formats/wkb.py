"""Well-known binary of rings in one pass over their coordinates, with their bounds, and back.

Belongs here: bytes and bounds of polygons. Not here: what a table makes of them
(`geoparquet`, `coordinates`), points and segments, whose records have one size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import llvmlite.ir as ir
import numpy as np
from numba import config, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.storage.formats.covering import Covering, no_covering, put_box

POLYGON = 3
_EMPTY, _HEAD, _VERTEX = 9, 13, 16  # bytes of an empty polygon, before a ring, of a vertex
FEWEST = 4  # coordinates of a ring that encloses anything
_MINUS_ZERO = -(1 << 63)


class RingRecords(NamedTuple):
    """Polygons of one ring each as WKB, and what was seen on the way.

    Attributes
    ----------
    data : ndarray of uint8, shape (ends[-1],)
        Little endian; a ring of fewer than four coordinates is ``POLYGON EMPTY``.
    covering : Covering
        Bounds of the polygons; empty ones miss theirs.
    infinite : int
        The first coordinate that is not finite, or -1.
    open_ring : int
        The first ring whose last coordinate is not its first one, or -1.
    """

    data: NDArray[np.uint8]
    covering: Covering
    infinite: int
    open_ring: int


def record_ends(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the records of rings end, shape (n + 1,), from 0; ring i as in `ring_records`."""
    return np.asarray(_ends(offsets))


def ring_records(
    xy: NDArray[np.float64], offsets: NDArray[np.int64], ends: NDArray[np.int64]
) -> RingRecords:
    """Polygons without holes.

    Parameters
    ----------
    xy : ndarray of float64, shape (m, 2)
        Coordinates of all rings; the sign of zero is lost.
    offsets : ndarray of int64, shape (n + 1,)
        Ring i is ``xy[offsets[i]:offsets[i + 1]]``.
    ends : ndarray of int64, shape (n + 1,)
        `record_ends`: polygon i becomes ``data[ends[i]:ends[i + 1]]``.

    Examples
    --------
    >>> ring, offsets = np.array([[0.0, 0], [1, 0], [0, 1], [0, 0]]), np.array([0, 4])
    >>> found = ring_records(ring, offsets, record_ends(offsets))
    >>> found.data[:13].tolist(), found.covering.whole.tolist()
    ([1, 3, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0], [0.0, 0.0, 1.0, 1.0])
    """
    data, sides, missing, whole, infinite, open_ring = _records(
        xy, xy.view(np.int64), offsets, ends
    )
    return RingRecords(data, Covering(sides, missing, whole), infinite, open_ring)


def vertices_of(data: NDArray[np.uint8], ends: NDArray[np.int32]) -> NDArray[np.int64] | None:
    """How many coordinates records have, if each is one of `ring_records`; None otherwise.

    Parameters
    ----------
    data : ndarray of uint8
    ends : ndarray of int32, shape (n + 1,)
        Record i is ``data[ends[i]:ends[i + 1]]``.
    """
    vertices, known = _vertices(data, ends)
    return vertices if known else None


def read_rings(
    data: NDArray[np.uint8], ends: NDArray[np.int32], vertices: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The coordinates of records, shape (m, 2); parameters as of `vertices_of`, and its result.

    Examples
    --------
    >>> ring, offsets = np.array([[0.0, 0], [1, 0], [0, 1], [0, 0]]), np.array([0, 4])
    >>> ends = record_ends(offsets)
    >>> data = ring_records(ring, offsets, ends).data
    >>> read_rings(data, ends, vertices_of(data, ends)).tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    """
    found: NDArray[np.float64] = _coordinates(data, ends, vertices).view(np.float64)
    return found.reshape(-1, 2)


@njit(cache=True)
def _vertices(data, ends):
    found = np.zeros(ends.size - 1, np.int64)
    for i in range(ends.size - 1):
        at, size = ends[i], ends[i + 1] - ends[i]
        if size < _EMPTY or data[at] != 1 or _half(data, at + 1) != POLYGON:
            return found, False
        rings = _half(data, at + 5)
        if rings == 1 and size >= _HEAD:
            found[i] = _half(data, at + 9)
            if size != _HEAD + _VERTEX * found[i]:
                return found, False
        elif rings != 0 or size != _EMPTY:
            return found, False
    return found, True


@njit(inline="always")
def _half(data, at):
    """Four bytes as an integer, little endian."""
    low = np.int64(data[at]) | np.int64(data[at + 1]) << 8
    return low | np.int64(data[at + 2]) << 16 | np.int64(data[at + 3]) << 24


@njit(cache=True)
def _coordinates(data, ends, vertices):
    found, count = np.empty(_VERTEX * vertices.sum() // 8, np.int64), 0
    for i in range(vertices.size):
        first = ends[i + 1] - _VERTEX * vertices[i]
        for at in range(first, ends[i + 1], 8):
            found[count] = _word(data, at)
            count += 1
    return found


@njit(cache=True)
def _ends(offsets):
    ends = np.zeros(offsets.size, np.int64)
    for i in range(offsets.size - 1):
        vertices = offsets[i + 1] - offsets[i]
        ends[i + 1] = ends[i] + (_EMPTY if vertices < FEWEST else _HEAD + _VERTEX * vertices)
    return ends


@njit(cache=True)
def _records(xy, bits, offsets, ends):
    n = offsets.size - 1
    data = np.empty(ends[n], np.uint8)
    sides, missing, whole = no_covering(n)
    infinite, open_ring = -1, -1
    for i in range(n):
        start, end, at = offsets[i], offsets[i + 1], ends[i]
        real = end - start >= FEWEST
        data[at] = 1  # byte order; type and number of rings follow
        _put_word(data, at + 1, POLYGON | (1 << 32 if real else 0))
        if not real:
            infinite = _first_infinite(xy, start, end) if infinite < 0 else infinite
            continue
        _put_half(data, at + 9, end - start)
        at += _HEAD
        if open_ring < 0 and (xy[start, 0] != xy[end - 1, 0] or xy[start, 1] != xy[end - 1, 1]):
            open_ring = i
        west, south = xy[start, 0], xy[start, 1]
        east, north = west, south
        for k in range(start, end):
            x, y = xy[k, 0], xy[k, 1]
            if infinite < 0 and not (np.isfinite(x) and np.isfinite(y)):
                infinite = k
            west, east = min(west, x), max(east, x)
            south, north = min(south, y), max(north, y)
            _put_word(data, at, 0 if bits[k, 0] == _MINUS_ZERO else bits[k, 0])
            _put_word(data, at + 8, 0 if bits[k, 1] == _MINUS_ZERO else bits[k, 1])
            at += _VERTEX
        put_box(sides, missing, whole, i, west + 0.0, south + 0.0, east + 0.0, north + 0.0)
    return data, sides, missing, whole, infinite, open_ring


@njit(cache=True)
def _first_infinite(xy, start, end):
    for k in range(start, end):
        if not (np.isfinite(xy[k, 0]) and np.isfinite(xy[k, 1])):
            return k
    return -1


def _store(context, builder, signature, args, width):
    """Write the lowest bits of an integer at any byte, little endian."""
    data, at, value = args
    kind = ir.IntType(width)
    start = context.make_array(signature.args[0])(context, builder, data).data
    place = builder.bitcast(builder.gep(start, [at]), kind.as_pointer())
    stored = builder.store(value if width == 64 else builder.trunc(value, kind), place)
    stored.align = 1
    return context.get_dummy_value()


@intrinsic
def _put_word_native(typing_context, data, at, value):
    def generate(context, builder, signature, args):
        return _store(context, builder, signature, args, 64)

    return types.void(data, types.int64, types.int64), generate


@intrinsic
def _put_half_native(typing_context, data, at, value):
    def generate(context, builder, signature, args):
        return _store(context, builder, signature, args, 32)

    return types.void(data, types.int64, types.int64), generate


@intrinsic
def _word_native(typing_context, data, at):
    def generate(context, builder, signature, args):
        start = context.make_array(signature.args[0])(context, builder, args[0]).data
        kind = ir.IntType(64)
        place = builder.bitcast(builder.gep(start, [args[1]]), kind.as_pointer())
        loaded = builder.load(place)
        loaded.align = 1
        return loaded

    return types.int64(data, types.int64), generate


def _word_python(data, at):
    return data[at : at + 8].view(np.int64)[0]


def _put_word_python(data, at, value):
    data[at : at + 8] = np.array([value], np.int64).view(np.uint8)


def _put_half_python(data, at, value):
    data[at : at + 4] = np.array([value], np.int32).view(np.uint8)


if TYPE_CHECKING or config.DISABLE_JIT:
    _put_word, _put_half, _word = _put_word_python, _put_half_python, _word_python
else:
    _put_word, _put_half, _word = _put_word_native, _put_half_native, _word_native
