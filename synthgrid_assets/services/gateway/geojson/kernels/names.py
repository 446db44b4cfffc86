"""Names in GeoJSON, told by their first eight characters.

Belongs here: members of features and geometries, and geometry types. Not here: what stands
behind the names (`features`, `coordinates`).
"""

from __future__ import annotations

import numpy as np

from synthgrid_assets.kernels import njit
from synthgrid_assets.services.gateway.geojson.kernels.coordinates import (
    LINE,
    MULTILINE,
    MULTIPOINT,
    MULTIPOLYGON,
    POINT,
    POLYGON,
)
from synthgrid_assets.services.gateway.geojson.kernels.values import (
    new_name,
    skip_space,
    string_end,
)
from synthgrid_assets.services.gateway.geojson.kernels.words import byte_at, word_at

OUTER_SHAPE = (16, 2)  # names of foreign members of one feature or geometry


def _text(text):
    return np.uint64(int.from_bytes(text.encode(), "little"))


OTHER, TYPE, ID_MEMBER, GEOMETRY, PROPERTIES_MEMBER, COORDINATES, CRS, GEOMETRIES = range(8)
_T_TYPE, _T_ID, _T_CRS = _text('type"'), _text('id"'), _text('crs"')
_T_GEOMETRY, _T_PROPERTI, _T_COORDINA = _text("geometry"), _text("properti"), _text("coordina")
_T_ES, _T_TES, _T_GEOMETRI = _text('es"'), _text('tes"'), _text("geometri")
FEATURE_TEXT, _T_POINT, _T_POLYGON = _text('Feature"'), _text('Point"'), _text('Polygon"')
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
        return TYPE, 6
    if _low(word, 3) == _T_ID:
        return ID_MEMBER, 4
    if word == _T_GEOMETRY and byte_at(b, p + 9) == 34:
        return GEOMETRY, 10
    if word == _T_PROPERTI and _low(word_at(b, p + 9), 3) == _T_ES:
        return PROPERTIES_MEMBER, 12
    if word == _T_COORDINA and _low(word_at(b, p + 9), 4) == _T_TES:
        return COORDINATES, 13
    if _low(word, 4) == _T_CRS:
        return CRS, 5
    if word == _T_GEOMETRI and _low(word_at(b, p + 9), 3) == _T_ES:
        return GEOMETRIES, 12
    return OTHER, 0


@njit(cache=True)
def kind_at(b, p):
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
def name_at(b, p, outer, used):
    """The member name at p: (position of its value, member, foreign names so far)."""
    if byte_at(b, p) != 34:
        return -1 - p, OTHER, used
    member, length = _member(b, p)
    q = p + length
    if member == OTHER:
        q = string_end(b, p)
        if q < 0:
            return q, OTHER, used
        if used == OUTER_SHAPE[0] or not new_name(b, p, q, outer, 0, used):
            return -1 - p, OTHER, used
        used += 1
    q = skip_space(b, q)
    if byte_at(b, q) != 58:
        return -1 - q, OTHER, used
    return skip_space(b, q + 1), member, used
