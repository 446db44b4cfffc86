"""Feature objects in bytes: one pass to WKB and the places of `id` and `properties`.

Belongs here: the kernels that know GeoJSON's member names, and the loops over the features of
a collection or of a sequence. Not here: what is done with a feature they do not accept
(`strict`, `reader`).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from synthgrid_assets.services.gateway.geojson.kernels.coordinates import (
    FULL,
    LINE,
    MULTILINE,
    MULTIPOINT,
    MULTIPOLYGON,
    POINT,
    POLYGON,
    SLACK,
    geometry,
)
from synthgrid_assets.services.gateway.geojson.kernels.values import (
    new_name,
    skip_space,
    string_end,
    value_end,
)
from synthgrid_assets.services.gateway.geojson.kernels.words import byte_at, word_at

# columns of a feature's row: places in the buffer (0, 0 for an absent member), then figures
START, END, ID, ID_END, PROPERTIES, PROPERTIES_END, NOTES, ORDINAL = range(8)
COLUMNS = 8
OUTER_SHAPE = (16, 2)  # names of foreign members of one feature or geometry

# how a loop over features ended
MORE, CHUNK, UNUSUAL, CLOSED, SEPARATOR, NO_ROOM = range(6)
# what a collection's array expects next
FIRST, AFTER, NEXT = range(3)


def _text(text):
    return np.uint64(int.from_bytes(text.encode(), "little"))


_OTHER, _TYPE, _ID, _GEOMETRY, _PROPERTIES, _COORDINATES, _CRS, _GEOMETRIES = range(8)
_T_TYPE, _T_ID, _T_CRS = _text('type"'), _text('id"'), _text('crs"')
_T_GEOMETRY, _T_PROPERTI, _T_COORDINA = _text("geometry"), _text("properti"), _text("coordina")
_T_ES, _T_TES, _T_GEOMETRI = _text('es"'), _text('tes"'), _text("geometri")
_T_FEATURE, _T_POINT, _T_POLYGON = _text('Feature"'), _text('Point"'), _text('Polygon"')
_T_LINESTRI, _T_NG, _T_MULTIPOI = _text("LineStri"), _text('ng"'), _text("MultiPoi")
_T_NT, _T_MULTIPOL, _T_YGON = _text('nt"'), _text("MultiPol"), _text('ygon"')
_T_MULTILIN, _T_ESTRING = _text("MultiLin"), _text('eString"')


@njit(forceinline=True)
def _low(word, count):
    return word & ((np.uint64(1) << np.uint64(8 * count)) - np.uint64(1))


@njit(cache=True)
def _member(b, p):
    """Which member's name stands behind the quote at p, and its length with both quotes."""
    word = word_at(b, p + 1)
    if _low(word, 5) == _T_TYPE:
        return _TYPE, 6
    if _low(word, 3) == _T_ID:
        return _ID, 4
    if word == _T_GEOMETRY and byte_at(b, p + 9) == 34:
        return _GEOMETRY, 10
    if word == _T_PROPERTI and _low(word_at(b, p + 9), 3) == _T_ES:
        return _PROPERTIES, 12
    if word == _T_COORDINA and _low(word_at(b, p + 9), 4) == _T_TES:
        return _COORDINATES, 13
    if _low(word, 4) == _T_CRS:
        return _CRS, 5
    if word == _T_GEOMETRI and _low(word_at(b, p + 9), 3) == _T_ES:
        return _GEOMETRIES, 12
    return _OTHER, 0


@njit(cache=True)
def _kind(b, p):
    """The geometry type whose name's quote is at p: (kind or 0, position behind)."""
    if byte_at(b, p) != 34:
        return 0, p
    word, rest = word_at(b, p + 1), word_at(b, p + 9)
    if _low(word, 6) == _T_POINT:
        return POINT, p + 7
    if word == _T_POLYGON:
        return POLYGON, p + 9
    if word == _T_LINESTRI and _low(rest, 3) == _T_NG:
        return LINE, p + 12
    if word == _T_MULTIPOL and _low(rest, 5) == _T_YGON:
        return MULTIPOLYGON, p + 14
    if word == _T_MULTILIN and rest == _T_ESTRING:
        return MULTILINE, p + 17
    if word == _T_MULTIPOI and _low(rest, 3) == _T_NT:
        return MULTIPOINT, p + 12
    return 0, p


@njit(cache=True)
def _name(b, p, outer, used):
    """The member name at p: (position of its value, member, foreign names so far)."""
    if byte_at(b, p) != 34:
        return -1 - p, _OTHER, used
    member, length = _member(b, p)
    q = p + length
    if member == _OTHER:
        q = string_end(b, p)
        if q < 0:
            return q, _OTHER, used
        if used == OUTER_SHAPE[0] or not new_name(b, p, q, outer, 0, used):
            return -1 - p, _OTHER, used
        used += 1
    q = skip_space(b, q)
    if byte_at(b, q) != 58:
        return -1 - q, _OTHER, used
    return skip_space(b, q + 1), member, used


@njit(cache=True)
def _geometry_object(b, p, w, wp, box, stack, names, outer):
    """The geometry object at p: (position, output position, notes)."""
    p = skip_space(b, p + 1)
    kind = used = seen = notes = 0
    waiting = 0  # where the coordinates stand, when they come before the type
    done = False
    while True:
        start = p
        p, member, used = _name(b, p, outer, used)
        if p < 0:
            return p, wp, notes
        if member in (_CRS, _GEOMETRIES) or (seen >> member & 1 and member != _OTHER):
            return -1 - start, wp, notes
        seen |= 1 << member
        if member == _TYPE:
            kind, p = _kind(b, p)
            if kind == 0:
                return -1 - p, wp, notes
        elif member == _COORDINATES and kind > 0:
            p, wp, notes = geometry(b, p, kind, w, wp, box)
            done = True
        else:
            if member == _COORDINATES:
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
        p, member, used = _name(b, p, outer, used)
        if p < 0:
            return p, wp
        if member == _CRS or (seen >> member & 1 and member != _OTHER):
            return -1 - start, wp
        seen |= 1 << member
        first = byte_at(b, p)
        start = p
        if member == _TYPE:
            if first != 34 or word_at(b, p + 1) != _T_FEATURE:
                return -1 - p, wp
            p += 9
        elif member == _GEOMETRY and first == 123:
            p, wp, notes = _geometry_object(b, p, w, wp, box, stack, names, geometry_outer)
            row[NOTES] = notes
        else:
            p = value_end(b, p, stack, names)
        if p < 0:
            return p, wp
        if member == _ID:
            if first != 34 and first != 45 and not 48 <= first <= 57:
                return -1 - start, wp
            row[ID], row[ID_END] = start, p
        elif member == _PROPERTIES:
            if first == 123:
                row[PROPERTIES], row[PROPERTIES_END] = start, p
            elif first != 110:
                return -1 - start, wp
        elif member == _GEOMETRY and first != 123 and first != 110:
            return -1 - start, wp
        p = skip_space(b, p)
        c = byte_at(b, p)
        p += 1
        if c == 125:
            break
        if c != 44:
            return -p, wp
        p = skip_space(b, p)
    if not (seen >> _TYPE & 1 and seen >> _GEOMETRY & 1):
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
