"""Coordinate arrays to WKB: one pass from characters to little-endian doubles.

Belongs here: RFC 7946's seven coordinate shapes, ring rules (closed, four positions, the right
hand) and bounds, as kernels. Not here: members of geometry objects (`features`).

Every kernel returns the position behind what it read, or ``-1 - q`` where it stopped; what it
does not accept is judged again by `strict`. `FULL` says that the output had no room. WKB is
ISO's (type + 1000 with a third ordinate), which GeoParquet asks for.
"""

from __future__ import annotations

from synthgrid_assets.kernels import njit
from synthgrid_assets.services.gateway.geojson.kernels.numbers import number
from synthgrid_assets.services.gateway.geojson.kernels.values import skip_space
from synthgrid_assets.services.gateway.geojson.kernels.words import (
    byte_at,
    double_at,
    put_byte,
    put_double,
    put_word32,
)

FULL = -(1 << 62)
SLACK = 128  # bytes that may be written between two looks at the room

POINT, LINE, POLYGON, MULTIPOINT, MULTILINE, MULTIPOLYGON = 1, 2, 3, 4, 5, 6  # as in WKB

# flags of `Note` that kernels set
REWOUND, HAS_Z, LONG_EDGE = 1, 2, 4

_ROUNDING = 2.0**-53


@njit(forceinline=True)
def _position(b, p, w, wp, ordinates):
    """One position: (position, output position, ordinates of the geometry)."""
    if byte_at(b, p) != 91:
        return -1 - p, wp, ordinates
    p, x = number(b, skip_space(b, p + 1))
    if p < 0:
        return p, wp, ordinates
    p = skip_space(b, p)
    if byte_at(b, p) != 44:
        return -1 - p, wp, ordinates
    p, y = number(b, skip_space(b, p + 1))
    if p < 0:
        return p, wp, ordinates
    put_double(w, wp, x)
    put_double(w, wp + 8, y)
    p = skip_space(b, p)
    found = 2
    if byte_at(b, p) == 44:
        p, z = number(b, skip_space(b, p + 1))
        if p < 0:
            return p, wp, ordinates
        put_double(w, wp + 16, z)
        p = skip_space(b, p)
        found = 3
    if byte_at(b, p) != 93 or (ordinates != 0 and ordinates != found):
        return -1 - p, wp, ordinates
    return p + 1, wp + 8 * found, found


@njit(cache=True)
def _head(w, wp, kind, ordinates):
    put_byte(w, wp, 1)
    put_word32(w, wp + 1, kind + (1000 if ordinates == 3 else 0))


@njit(cache=True)
def _line(b, p, w, wp, ordinates):
    """An array of positions behind its count: (position, output, ordinates, count)."""
    if byte_at(b, p) != 91:
        return -1 - p, wp, ordinates, 0
    room = w.shape[0] - SLACK
    start = wp
    wp += 4
    count = 0
    p = skip_space(b, p + 1)
    while True:
        p, wp, ordinates = _position(b, p, w, wp, ordinates)
        if p < 0:
            return p, wp, ordinates, count
        if wp > room:
            return FULL, wp, ordinates, count
        count += 1
        p = skip_space(b, p)
        c = byte_at(b, p)
        if c == 44:
            p = skip_space(b, p + 1)
        elif c == 93:
            put_word32(w, start, count)
            return p + 1, wp, ordinates, count
        else:
            return -1 - p, wp, ordinates, count


@njit(cache=True)
def _measure(w, start, count, ordinates, box):
    """Extend `box` by the positions at start; whether one step is wider than 180."""
    step = 8 * ordinates
    x = double_at(w, start)
    y = double_at(w, start + 8)
    west, south, east, north = x, y, x, y
    long = False
    for k in range(1, count):
        last = x
        x = double_at(w, start + k * step)
        y = double_at(w, start + k * step + 8)
        west, east = min(west, x), max(east, x)
        south, north = min(south, y), max(north, y)
        long |= abs(x - last) > 180.0
    box[0], box[1] = min(box[0], west), min(box[1], south)
    box[2], box[3] = max(box[2], east), max(box[3], north)
    return long


@njit(cache=True)
def _turn(w, start, count, ordinates):
    """Sign of a ring's signed area; 0 when rounding could have decided it.

    Each of the 2n products of differences is off by at most three roundings of its size, and
    a sum of n terms by n roundings of the sum of sizes (Higham 2002, section 3.1).
    """
    step = 8 * ordinates
    x0, y0 = double_at(w, start), double_at(w, start + 8)
    area = size = 0.0
    ax, ay = 0.0, 0.0
    for k in range(1, count - 1):
        bx = double_at(w, start + k * step) - x0
        by = double_at(w, start + k * step + 8) - y0
        left, right = ax * by, ay * bx
        area += left - right
        size += abs(left) + abs(right)
        ax, ay = bx, by
    if abs(area) <= (count + 8) * _ROUNDING * size:
        return 0
    return 1 if area > 0 else -1


@njit(cache=True)
def _reverse(w, start, count, ordinates):
    step = 8 * ordinates
    for k in range(count // 2):
        first, last = start + k * step, start + (count - 1 - k) * step
        for o in range(0, step, 8):
            other = double_at(w, first + o)
            put_double(w, first + o, double_at(w, last + o))
            put_double(w, last + o, other)


@njit(cache=True)
def _rings(b, p, w, wp, ordinates, box):
    """A polygon's rings behind their count: (position, output, ordinates, notes)."""
    notes = 0
    if byte_at(b, p) != 91:
        return -1 - p, wp, ordinates, notes
    start = wp
    wp += 4
    rings = 0
    p = skip_space(b, p + 1)
    while True:
        ring = p
        first = wp + 4
        p, wp, ordinates, count = _line(b, p, w, wp, ordinates)
        if p < 0:
            return p, wp, ordinates, notes
        last = wp - 8 * ordinates
        closed = count >= 4
        for o in range(0, 8 * ordinates, 8):
            closed &= double_at(w, first + o) == double_at(w, last + o)
        turn = _turn(w, first, count, ordinates) if closed else 0
        if turn == 0:
            return -1 - ring, wp, ordinates, notes
        if (turn > 0) != (rings == 0):
            _reverse(w, first, count, ordinates)
            notes |= REWOUND
        if _measure(w, first, count, ordinates, box):
            notes |= LONG_EDGE
        rings += 1
        p = skip_space(b, p)
        c = byte_at(b, p)
        if c == 44:
            p = skip_space(b, p + 1)
        elif c == 93:
            put_word32(w, start, rings)
            return p + 1, wp, ordinates, notes
        else:
            return -1 - p, wp, ordinates, notes


@njit(cache=True)
def _part(b, p, kind, w, wp, ordinates, box):
    """One part of a multi-geometry with its own head: (position, output, ordinates, notes)."""
    start = wp
    wp += 5
    notes = 0
    if kind == POINT:
        p, wp, ordinates = _position(b, p, w, wp, ordinates)
        if p >= 0:
            _measure(w, start + 5, 1, ordinates, box)
    elif kind == LINE:
        p, wp, ordinates, count = _line(b, p, w, wp, ordinates)
        if p >= 0:
            if count < 2:
                return -1 - p, wp, ordinates, notes
            if _measure(w, start + 9, count, ordinates, box):
                notes = LONG_EDGE
    else:
        p, wp, ordinates, notes = _rings(b, p, w, wp, ordinates, box)
    if p >= 0:
        _head(w, start, kind, ordinates)
        if wp > w.shape[0] - SLACK:
            p = FULL
    return p, wp, ordinates, notes


@njit(cache=True)
def geometry(b, p, kind, w, wp, box):
    """Write the coordinate array at p as WKB of a kind.

    Parameters
    ----------
    b : ndarray of uint8
    p : int64
        At the array's bracket.
    kind : int64
        `POINT` ... `MULTIPOLYGON`.
    w : ndarray of uint8
        Output, with `SLACK` bytes of room behind wp.
    wp : int64
    box : ndarray of float64, shape (4,)
        Extended by every position.

    Returns
    -------
    position, output position, notes : int64
        The first as in the module's text.
    """
    if kind <= POLYGON:
        p, wp, ordinates, notes = _part(b, p, kind, w, wp, 0, box)
    else:
        start = wp
        wp += 9
        parts = notes = ordinates = 0
        if byte_at(b, p) != 91:
            return -1 - p, wp, 0
        p = skip_space(b, p + 1)
        while True:
            p, wp, ordinates, more = _part(b, p, kind - 3, w, wp, ordinates, box)
            if p < 0:
                return p, wp, 0
            notes |= more
            parts += 1
            p = skip_space(b, p)
            c = byte_at(b, p)
            p += 1
            if c == 93:
                break
            if c != 44:
                return -p, wp, 0
            p = skip_space(b, p)
        _head(w, start, kind, ordinates)
        put_word32(w, start + 5, parts)
    if ordinates == 3:
        notes |= HAS_Z
    return p, wp, notes
