"""The judge that the reader must agree with: Python's json and shapely, one text at a time.

Written from RFC 7946 and 7493 without the package's own parsers.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import shapely

GEOMETRIES = {
    "Point": 1,
    "LineString": 2,
    "Polygon": 3,
    "MultiPoint": 2,
    "MultiLineString": 3,
    "MultiPolygon": 4,
}

MISSING = 7.25e300  # a third ordinate that was not sent; a NaN would keep rings open for shapely


class RefusedError(Exception):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise RefusedError("duplicate name")
    return dict(pairs)


def _constant(name: str) -> Any:
    raise RefusedError(name)


def _float(text: str) -> float:
    if math.isinf(float(text)):
        raise RefusedError("out of range")
    return float(text)


def _depth(value: Any) -> int:
    if isinstance(value, dict | list):
        content = value.values() if isinstance(value, dict) else value
        return 1 + max(map(_depth, content), default=0)
    return 0


def loads(text: bytes) -> Any:
    """The value of a strict JSON text, or RefusedError."""
    try:
        value = json.loads(
            text.decode(), object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float
        )
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise RefusedError(str(error)) from error
    if _depth(value) > 64:
        raise RefusedError("depth")
    return value


def _positions(value: Any, level: int) -> None:
    """RefusedError unless arrays nest `level` deep above positions of two or more numbers."""
    if not isinstance(value, list) or not value:
        raise RefusedError("no array")
    if level > 1:
        for part in value:
            _positions(part, level - 1)
        return
    numbers = [v for v in value if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < max(2, len(value)):
        raise RefusedError("position")
    x, y = numbers[:2]
    if not (-180 <= x <= 180 and -90 <= y <= 90) or abs(numbers[-1]) > 1.7e308:
        raise RefusedError("bounds")


def _lengths(value: Any) -> set[int]:
    if isinstance(value[0], list):
        return set().union(*map(_lengths, value))
    return {min(3, len(value))}


def _even(value: Any, length: int) -> Any:
    """Positions of one length: further ordinates left out, missing ones `MISSING`."""
    if isinstance(value[0], list):
        return [_even(part, length) for part in value]
    return [*map(float, value[:length]), *[MISSING] * (length - len(value))]


def _rings(kind: str, coordinates: Any) -> list[Any]:
    if kind == "Polygon":
        return list(coordinates)
    return [ring for part in coordinates for ring in part] if kind == "MultiPolygon" else []


def geometry(value: Any) -> shapely.Geometry | None:
    """A geometry by shapely, its rings turned by shapely; None for none or an empty one."""
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise RefusedError("geometry")
    kind = value["type"]
    if kind == "GeometryCollection":
        if not isinstance(value.get("geometries"), list):
            raise RefusedError("geometries")
        parts = [geometry(part) for part in value["geometries"] if part is not None or _refuse()]
        found = [part for part in parts if part is not None]
        return shapely.geometrycollections(found) if found else None
    if kind not in GEOMETRIES or not isinstance(value.get("coordinates"), list):
        raise RefusedError("type")
    coordinates = value["coordinates"]
    if not coordinates:
        return None
    _positions(coordinates, GEOMETRIES[kind])
    lines = [coordinates] if kind == "LineString" else []
    lines = coordinates if kind == "MultiLineString" else lines
    if any(len(line) < 2 for line in lines):
        raise RefusedError("short line")
    for ring in _rings(kind, coordinates):
        if len(ring) < 4 or ring[0][:3] != ring[-1][:3]:
            raise RefusedError("ring")
    for part in (
        [coordinates] if kind == "Polygon" else coordinates if kind == "MultiPolygon" else []
    ):
        for k, ring in enumerate(part):
            if _area(ring) != 0 and (_area(ring) > 0) != (k == 0):
                ring.reverse()
    coordinates = _even(coordinates, max(_lengths(coordinates)))
    try:
        shape = shapely.geometry.shape({"type": kind, "coordinates": coordinates})
    except Exception as error:
        raise RefusedError(str(error)) from error
    if shapely.is_valid(shapely.polygons(shapely.get_rings(shapely.get_parts(shape)))).all():
        assert shapely.orient_polygons(shape).equals_exact(shape)  # the same turn by GEOS
    return shape


def _area(ring: list[list[float]]) -> Fraction:
    exact = [(Fraction(p[0]), Fraction(p[1])) for p in ring]
    return sum((a[0] * b[1] - a[1] * b[0] for a, b in pairwise(exact)), Fraction(0))


def _refuse() -> bool:
    raise RefusedError("null in a collection")


def feature(text: bytes, *, bare: bool = True) -> tuple[bytes | None, str | None, Any]:
    """(WKB, id as JSON, properties) of a feature's text, or RefusedError."""
    value = loads(text)
    if not isinstance(value, dict):
        raise RefusedError("no object")
    kind = value.get("type")
    if bare and isinstance(kind, str) and (kind in GEOMETRIES or kind == "GeometryCollection"):
        return wkb(geometry(value)), None, None
    identity, properties = value.get("id"), value.get("properties")
    if kind != "Feature" or "geometry" not in value or "crs" in value:
        raise RefusedError("feature")
    if isinstance(identity, bool) or not isinstance(identity, str | int | float | None):
        raise RefusedError("id")
    if not isinstance(properties, dict | None):
        raise RefusedError("properties")
    shape = geometry(value["geometry"])
    return wkb(shape), None if identity is None else json.dumps(identity), properties


def wkb(shape: shapely.Geometry | None) -> bytes | None:
    """ISO WKB, little-endian."""
    if shape is None:
        return None
    found: bytes = shapely.to_wkb(shape, byte_order=1, flavor="iso")
    return found


def same_wkb(ours: bytes | None, theirs: bytes | None) -> bool:
    """The same parts, rings and ordinates.

    Byte for byte, but for the sign of zero (JSON's -0 is an integer) and a third ordinate of
    NaN, which stands for none where parts of a collection differ in their dimension.
    """
    if ours is None or theirs is None or ours == theirs:
        return ours == theirs
    a, b = shapely.from_wkb(ours), shapely.from_wkb(theirs)
    expected = shapely.get_coordinates(b, include_z=True)
    expected[expected == MISSING] = np.nan
    found = shapely.get_coordinates(a, include_z=True)
    return _parts(a) == _parts(b) and np.array_equal(found, expected, equal_nan=True)


def _parts(shape: shapely.Geometry) -> list[Any]:
    if shape.geom_type == "Polygon":
        return [len(ring.coords) for ring in shapely.get_rings(shape)]
    if hasattr(shape, "geoms"):
        return [shape.geom_type, *map(_parts, shape.geoms)]
    return [shape.geom_type, len(shape.coords)]
