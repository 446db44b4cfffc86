"""One feature by the strict Python parser: the second judge, and the one that gives reasons.

Belongs here: the rules of Feature and geometry objects as whole texts. Not here: where a
feature's bytes are (`structure`, `reader`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.geometry_rules import KINDS, Box, GeometryReader
from synthgrid_assets.services.gateway.geojson.reasons import Note, Reason
from synthgrid_assets.services.gateway.geojson.strict_json import Member, decode, members

_NO_SPAN = (0, 0)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_ID = re.compile(rb'[ \t\n\r]*:[ \t\n\r]*("(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*)', re.DOTALL)


@dataclass(frozen=True)
class StrictFeature:
    """A feature that was accepted.

    Parameters
    ----------
    wkb : bytes or None
    notes : Note
    box : tuple of float
        West, south, east, north; of infinities without a geometry.
    identity, properties : tuple of int
        The bytes from and to which the members' texts stand; (0, 0) when absent or null.
    end : int
        The byte behind the object.
    crs : JSON value
        An old-style `crs` member, `ABSENT` without one.
    """

    wkb: bytes | None
    notes: Note
    box: Box
    identity: tuple[int, int]
    properties: tuple[int, int]
    end: int
    crs: Any


ABSENT: Any = object()


def parse_feature(data: bytes, allowed: Box, depth: int, bare: bool) -> StrictFeature:
    """Judge one feature.

    Parameters
    ----------
    data : bytes
        The whole text of the feature; more may follow it.
    allowed : tuple of float
        West, south, east, north of coordinates.
    depth : int
        Of nested arrays and objects.
    bare : bool
        Whether a geometry object may stand for a feature without properties.

    Raises
    ------
    FeatureError
        With a `Reason` and the byte.

    Examples
    --------
    >>> text = b'{"type": "Feature", "id": 7, "geometry": null, "properties": null}'
    >>> found = parse_feature(text, (-180, -90, 180, 90), 64, False)
    >>> found.wkb, text[slice(*found.identity)]
    (None, b'7')
    """
    text = decode(data, depth)
    found, end = members(text)
    reader = GeometryReader(allowed)
    identity = properties = _NO_SPAN
    kind = found["type"].value if "type" in found else None
    if bare and isinstance(kind, str) and kind in KINDS:
        wkb = reader.read({name: member.value for name, member in found.items()})
    else:
        _is_feature(found, kind, bare)
        identity = _identity(found.get("id"))
        properties = _properties(found.get("properties"))
        wkb = reader.read(found["geometry"].value)
    crs = found["crs"].value if "crs" in found else ABSENT
    in_bytes = [(text.byte(a), text.byte(b)) for a, b in (identity, properties)]
    return StrictFeature(
        wkb, reader.notes, reader.box, in_bytes[0], in_bytes[1], text.byte(end), crs
    )


def _is_feature(found: dict[str, Member], kind: Any, bare: bool) -> None:
    if kind is None and "type" not in found:
        raise FeatureError(Reason.MEMBER_MISSING, "the object has no `type`")
    if kind == "FeatureCollection":
        detail = "a FeatureCollection stands where one feature should"
        raise FeatureError(Reason.COLLECTION_IN_SEQUENCE, detail)
    if kind != "Feature":
        wanted = "Feature or a geometry type" if bare else "Feature"
        raise FeatureError(Reason.UNKNOWN_TYPE, f"type is {str(kind)[:60]!r}, not {wanted}")
    if "geometry" not in found:
        raise FeatureError(Reason.MEMBER_MISSING, "the feature has no `geometry` (null is one)")


def _identity(member: Member | None) -> tuple[int, int]:
    if member is None or member.value is None:
        return _NO_SPAN
    if isinstance(member.value, bool) or not isinstance(member.value, str | int | float):
        kind = type(member.value).__name__
        raise FeatureError(Reason.BAD_ID, f"id is a {kind}, not a text or a number")
    return member.start, member.end


def _properties(member: Member | None) -> tuple[int, int]:
    if member is None or member.value is None:
        return _NO_SPAN
    if not isinstance(member.value, dict):
        kind = type(member.value).__name__
        raise FeatureError(Reason.BAD_PROPERTIES, f"properties is a {kind}, not an object")
    return member.start, member.end


def find_id(data: bytes) -> str | None:
    """The text of a broken feature's `id`, where it can be seen at the first level.

    Examples
    --------
    >>> find_id(b'{"properties": {"id": 1}, "id": "a", "geometry": [[')
    '"a"'
    """
    depth = 0
    for token in _TOKEN.finditer(data):
        if token[0] in (b"{", b"["):
            depth += 1
        elif token[0] in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and token[0] == b'"id"':
            found = _ID.match(data, token.end())
            if found:
                return found[1].decode(errors="replace")
    return None
