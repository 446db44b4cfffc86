"""RFC 7946's geometry rules on decoded JSON, and WKB from it.

Belongs here: the shapes of coordinates, closed rings, the right hand, bounds, collections of
geometries; the same rules as the kernels of `coordinates`, in plain Python. Not here: JSON
itself (`strict_json`), topology (`normalize`).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.reasons import Note, Reason

Position = tuple[float, ...]
Box = tuple[float, float, float, float]

KINDS = {
    "Point": 1,
    "LineString": 2,
    "Polygon": 3,
    "MultiPoint": 4,
    "MultiLineString": 5,
    "MultiPolygon": 6,
    "GeometryCollection": 7,
}
_COLLECTION = 7
_PART = {4: 1, 5: 2, 6: 3}
_NO_BOX: Box = (math.inf, math.inf, -math.inf, -math.inf)


@dataclass(frozen=True)
class Shape:
    """A geometry whose rules hold: its kind and its positions, or its parts."""

    kind: int
    positions: tuple[Position, ...] = ()  # of a point or a line
    parts: tuple[Shape, ...] = ()  # rings (kind 2) of a polygon, parts of a multi-geometry


@dataclass
class GeometryReader:
    """Reads one geometry object and gathers what is remarkable about it.

    Parameters
    ----------
    allowed : tuple of float
        West, south, east, north of coordinates.
    """

    allowed: Box
    notes: Note = field(default_factory=lambda: Note(0))
    box: Box = _NO_BOX
    _lengths: set[int] = field(default_factory=set)

    def read(self, value: Any) -> bytes | None:
        """WKB of a decoded geometry object; None for null and for empty coordinates.

        Raises
        ------
        FeatureError
            With the path of the member or position at fault.
        """
        if value is None:
            return None
        shape = self._object(value, "geometry")
        if shape is None:
            self.notes |= Note.EMPTY
            return None
        solid = max(self._lengths) == 3
        if solid:
            self.notes |= Note.HAS_Z
        if len(self._lengths) > 1:
            self.notes |= Note.MIXED_DIMENSIONS
        return b"".join(_wkb(shape, solid))

    def _object(self, value: Any, path: str) -> Shape | None:
        if not isinstance(value, dict):
            raise FeatureError(Reason.BAD_GEOMETRY, f"{path} is {_say(value)}, not an object")
        name = value.get("type")
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise FeatureError(Reason.UNKNOWN_TYPE, f"{path}.type is {_say(name)}")
        member = "geometries" if kind == _COLLECTION else "coordinates"
        if member not in value:
            raise FeatureError(Reason.MEMBER_MISSING, f"{path} has no `{member}`")
        content, path = value[member], f"{path}.{member}"
        if not isinstance(content, list):
            raise FeatureError(Reason.BAD_GEOMETRY, f"{path} is {_say(content)}, not an array")
        if not content:
            return None
        if kind == _COLLECTION:
            found = [self._object(part, f"{path}[{k}]") for k, part in enumerate(content)]
            parts = tuple(part for part in found if part is not None)
            return Shape(kind, parts=parts) if parts else None
        return self._shape(kind, content, path)

    def _shape(self, kind: int, content: Any, path: str) -> Shape:
        if kind == 1:
            return Shape(1, (self._position(content, path),))
        if kind == 2:
            return Shape(2, self._line(content, path, 2, Reason.LINE_TOO_SHORT))
        parts = self._array(content, path)
        if kind == 3:
            rings = [self._ring(ring, f"{path}[{k}]", k == 0) for k, ring in enumerate(parts)]
            return Shape(3, parts=tuple(rings))
        named = [self._shape(_PART[kind], part, f"{path}[{k}]") for k, part in enumerate(parts)]
        return Shape(kind, parts=tuple(named))

    def _array(self, value: Any, path: str) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise FeatureError(Reason.BAD_GEOMETRY, f"{path} is {_say(value)}, not a filled array")
        return value

    def _position(self, value: Any, path: str) -> Position:
        if not isinstance(value, list) or len(value) < 2 or not all(map(_is_number, value)):
            detail = f"{path} is {_say(value)}, not two or three numbers"
            raise FeatureError(Reason.BAD_POSITION, detail)
        if len(value) > 3:
            self.notes |= Note.EXTRA_ORDINATES
        try:
            position = tuple(float(ordinate) for ordinate in value[:3])
        except OverflowError:
            position = (math.inf,)
        if math.inf in position or -math.inf in position:
            raise FeatureError(Reason.NUMBER_OUT_OF_RANGE, f"no double holds {path}")
        x, y = position[:2]
        west, south, east, north = self.allowed
        if not (west <= x <= east and south <= y <= north):
            detail = f"{path} = ({x!r}, {y!r}) lies outside of {self.allowed}"
            raise FeatureError(Reason.OUT_OF_BOUNDS, detail)
        box = self.box
        self.box = (min(box[0], x), min(box[1], y), max(box[2], x), max(box[3], y))
        self._lengths.add(len(position))
        return position

    def _line(self, value: Any, path: str, least: int, short: Reason) -> tuple[Position, ...]:
        content = self._array(value, path)
        line = tuple(self._position(place, f"{path}[{k}]") for k, place in enumerate(content))
        if len(line) < least:
            detail = f"{path} has {len(line)} positions; {least} are needed"
            raise FeatureError(short, detail)
        if any(abs(a[0] - b[0]) > 180.0 for a, b in pairwise(line)):
            self.notes |= Note.LONG_EDGE
        return line

    def _ring(self, value: Any, path: str, outer: bool) -> Shape:
        ring = self._line(value, path, 4, Reason.RING_TOO_SHORT)
        if ring[0] != ring[-1]:
            detail = f"{path} starts at {ring[0]} and ends at {ring[-1]}"
            raise FeatureError(Reason.RING_NOT_CLOSED, detail)
        area = signed_area(ring)
        if area != 0 and (area > 0) != outer:
            self.notes |= Note.REWOUND
            ring = ring[::-1]
        return Shape(2, ring)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _say(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def signed_area(ring: tuple[Position, ...]) -> float | Fraction:
    """Twice a closed ring's signed area, exact where rounding could change its sign.

    Examples
    --------
    >>> signed_area(((0, 0), (1, 0), (1, 1), (0, 0)))
    1.0
    """
    x0, y0 = ring[0][:2]
    area = size = 0.0
    for a, b in pairwise(ring[1:]):
        left, right = (a[0] - x0) * (b[1] - y0), (a[1] - y0) * (b[0] - x0)
        area += left - right
        size += abs(left) + abs(right)
    if abs(area) > (len(ring) + 8) * 2.0**-53 * size:
        return float(area)
    exact = [(Fraction(p[0]), Fraction(p[1])) for p in ring]
    return sum((a[0] * b[1] - a[1] * b[0] for a, b in pairwise(exact)), Fraction(0))


def _wkb(shape: Shape, solid: bool) -> list[bytes]:
    """ISO WKB, little-endian, in pieces."""
    pieces = [struct.pack("<BI", 1, shape.kind + (1000 if solid else 0))]
    if shape.kind == 1:
        pieces.append(_points(shape.positions, solid))
    elif shape.kind == 2:
        pieces.append(struct.pack("<I", len(shape.positions)))
        pieces.append(_points(shape.positions, solid))
    else:
        pieces.append(struct.pack("<I", len(shape.parts)))
        for part in shape.parts:
            body = _wkb(part, solid)
            pieces.extend(body[1:] if shape.kind == 3 else body)  # rings have no head
    return pieces


def _points(positions: tuple[Position, ...], solid: bool) -> bytes:
    if not solid:
        return b"".join(struct.pack("<2d", *position[:2]) for position in positions)
    filled = (position if len(position) == 3 else (*position, math.nan) for position in positions)
    return b"".join(struct.pack("<3d", *position) for position in filled)
