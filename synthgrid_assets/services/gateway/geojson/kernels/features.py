"""Feature objects in bytes: one pass to WKB and the places of `id` and `properties`.

Belongs here: the kernels that know GeoJSON's member names, and the loops over the features of
a collection or of a sequence. Not here: what is done with a feature they do not accept
(`strict`, `reader`).
"""

from __future__ import annotations

import numpy as np

from synthgrid_assets.kernels import njit
from synthgrid_assets.services.gateway.geojson.kernels.coordinates import FULL, SLACK, geometry
from synthgrid_assets.services.gateway.geojson.kernels.names import (
    COORDINATES,
    CRS,
    FEATURE_TEXT,
    GEOMETRIES,
    GEOMETRY,
    ID_MEMBER,
    OTHER,
    PROPERTIES_MEMBER,
    TYPE,
    kind_at,
    name_at,
)
from synthgrid_assets.services.gateway.geojson.kernels.values import skip_space, value_end
from synthgrid_assets.services.gateway.geojson.kernels.words import byte_at, word_at

# columns of a feature's row: places in the buffer (0, 0 for an absent member), then figures
START, END, ID, ID_END, PROPERTIES, PROPERTIES_END, NOTES, ORDINAL = range(8)
COLUMNS = 8

# how a loop over features ended
MORE, CHUNK, UNUSUAL, CLOSED, SEPARATOR, NO_ROOM = range(6)
# what a collection's array expects next
FIRST, AFTER, NEXT = range(3)


@njit(cache=True)
def _geometry_object(b, p, w, wp, box, stack, names, outer):
    """The geometry object at p: (position, output position, notes)."""
    p = skip_space(b, p + 1)
    kind = used = seen = notes = 0
    waiting = 0  # where the coordinates stand, when they come before the type
    done = False
    while True:
        start = p
        p, member, used = name_at(b, p, outer, used)
        if p < 0:
            return p, wp, notes
        if member in (CRS, GEOMETRIES) or (seen >> member & 1 and member != OTHER):
            return -1 - start, wp, notes
        seen |= 1 << member
        if member == TYPE:
            kind, p = kind_at(b, p)
            if kind == 0:
                return -1 - p, wp, notes
        elif member == COORDINATES and kind > 0:
            p, wp, notes = geometry(b, p, kind, w, wp, box)
            done = True
        else:
            if member == COORDINATES:
                waiting = p
            p = value_end(b, p, stack, names)
        if p < 0:
            return p, wp, notes
        p = skip_space(b, p)
        c = byte_at(b, p)
        p += 1
        if c == 125:
            break
        if c != 44:
            return -p, wp, notes
        p = skip_space(b, p)
    if not done:
        if kind == 0 or waiting == 0:
            return -p, wp, notes
        q, wp, notes = geometry(b, waiting, kind, w, wp, box)
        if q < 0:
            return q, wp, notes
    return p, wp, notes


@njit(cache=True)
def _feature(b, p, w, wp, row, box, allowed, stack, names, outer, geometry_outer):
    """The feature at p: (position behind or -1 - q, output position); `row`, `box` are filled."""
    row[:] = 0
    row[START] = p
    box[0] = box[1] = np.inf
    box[2] = box[3] = -np.inf
    if byte_at(b, p) != 123:
        return -1 - p, wp
    p = skip_space(b, p + 1)
    used = seen = 0
    while True:
        start = p
        p, member, used = name_at(b, p, outer, used)
        if p < 0:
            return p, wp
        if member == CRS or (seen >> member & 1 and member != OTHER):
            return -1 - start, wp
        seen |= 1 << member
        first = byte_at(b, p)
        start = p
        if member == TYPE:
            if first != 34 or word_at(b, p + 1) != FEATURE_TEXT:
                return -1 - p, wp
            p += 9
        elif member == GEOMETRY and first == 123:
            p, wp, notes = _geometry_object(b, p, w, wp, box, stack, names, geometry_outer)
            row[NOTES] = notes
        else:
            p = value_end(b, p, stack, names)
        if p < 0:
            return p, wp
        if member == ID_MEMBER:
            if first != 34 and first != 45 and not 48 <= first <= 57:
                return -1 - start, wp
            row[ID], row[ID_END] = start, p
        elif member == PROPERTIES_MEMBER:
            if first == 123:
                row[PROPERTIES], row[PROPERTIES_END] = start, p
            elif first != 110:
                return -1 - start, wp
        elif member == GEOMETRY and first != 123 and first != 110:
            return -1 - start, wp
        p = skip_space(b, p)
        c = byte_at(b, p)
        p += 1
        if c == 125:
            break
        if c != 44:
            return -p, wp
        p = skip_space(b, p)
    if not (seen >> TYPE & 1 and seen >> GEOMETRY & 1):
        return -p, wp
    if box[0] < allowed[0] or box[1] < allowed[1] or box[2] > allowed[2] or box[3] > allowed[3]:
        return -p, wp
    row[END] = p
    return p, wp


@njit(cache=True, nogil=True)
def collection(
    b, p, end, n, most, largest, w, wp, offsets, rows, boxes, allowed, expected, scratch
):
    """Parse features of a collection's array from p on.

    Parameters
    ----------
    b : ndarray of uint8
    p, end : int64
        From where, and where the data end (zeros follow).
    n, most : int64
        Features that `rows` holds already, and may hold.
    largest : int64
        Bytes of one feature, at most.
    w, wp, offsets : ndarray of uint8, int64, ndarray of int32
        Output, its end, and the end of each feature's WKB.
    rows, boxes : ndarray of int64 and float64
        One line a feature.
    allowed : ndarray of float64, shape (4,)
        West, south, east, north of coordinates.
    expected : int64
        `FIRST`, `AFTER` or `NEXT`.
    scratch : tuple of ndarrays
        `value_end`'s stack and names, and two of `OUTER_SHAPE`.

    Returns
    -------
    p, n, wp, expected, how, at : int64
        How it ended: `MORE` bytes are needed, the `CHUNK` is full, the feature at p is
        `UNUSUAL` at `at`, the array is `CLOSED`, a `SEPARATOR` is wrong, the output has
        `NO_ROOM`.
    """
    stack, names, outer, inner = scratch
    while True:
        p = skip_space(b, p)
        c = byte_at(b, p)
        if p >= end:
            return p, n, wp, expected, MORE, p
        if expected == AFTER:
            if c == 93:
                return p + 1, n, wp, expected, CLOSED, p
            if c != 44:
                return p, n, wp, expected, SEPARATOR, p
            p += 1
            expected = NEXT
            continue
        if c == 93 and expected == FIRST:
            return p + 1, n, wp, expected, CLOSED, p
        if n >= most:
            return p, n, wp, expected, CHUNK, p
        if w.shape[0] - wp < 2 * SLACK:
            return p, n, wp, expected, NO_ROOM, p
        q, after = _feature(b, p, w, wp, rows[n], boxes[n], allowed, stack, names, outer, inner)
        if q == FULL:
            return p, n, wp, expected, NO_ROOM, p
        if q < 0 or q - p > largest:
            return p, n, wp, expected, UNUSUAL, -1 - q if q < 0 else p
        wp = after
        n += 1
        offsets[n] = wp
        p = q
        expected = AFTER


@njit(cache=True, nogil=True)
def records(b, starts, ends, first, n, most, w, wp, offsets, rows, boxes, allowed, scratch):
    """Parse the features of a sequence, one in each of the ranges starts..ends from `first` on.

    Returns
    -------
    record, n, wp, how, at : int64
        As `collection`; the record that it stopped at. `MORE` when all are done.
    """
    stack, names, outer, inner = scratch
    for k in range(first, starts.shape[0]):
        p = skip_space(b, starts[k])
        if p >= ends[k]:
            continue  # nothing but white space
        if n >= most:
            return k, n, wp, CHUNK, p
        if w.shape[0] - wp < 2 * SLACK:
            return k, n, wp, NO_ROOM, p
        q, after = _feature(b, p, w, wp, rows[n], boxes[n], allowed, stack, names, outer, inner)
        if q == FULL:
            return k, n, wp, NO_ROOM, p
        if q < 0 or skip_space(b, q) < ends[k] or q > ends[k]:
            return k, n, wp, UNUSUAL, -1 - q if q < 0 else q
        wp = after
        n += 1
        offsets[n] = wp
    return starts.shape[0], n, wp, MORE, 0
