"""Random features as texts, and faults in them."""

from __future__ import annotations

import json
import math
import random

_NAMES = ("name", "a", "ü", "type", "id", "", "a b", 'q"', "geometry", "x" * 20, "x" * 19 + "y")
_VALUES = (1, -0.5, 1e300, 10**25, "text", "Ω≈ç", "😀", 'q"\\/\n', "", True, None, [], {}, [1, [2]])
_PIECES = (
    '"', "\\", "{", "}", "[", "]", ",", ":", "NaN", "1e400", "-", "0", "9", ".", "e", " ", "\n",
    "\0", "null", "true", '"id"', '"type":"Feature"', "\\ud800", "\\u0041", "\ufeff", "ü", "\x1e",
    "Infinity", "+1", "01", "-0", "1.", ".5", "1e5", "'", "/*x*/", "[[[[[[", '{"a":1,"a":2}',
)  # fmt: skip


def number(r: random.Random, low: float, high: float) -> str:
    """A number's text in one of the forms that writers use."""
    value = r.uniform(low, high)
    form = r.randrange(8)
    if form == 0:
        return str(round(value))
    if form == 1:
        return repr(value)
    if form == 2:
        return f"{value:.{r.randrange(1, 22)}f}"
    if form == 3:
        return f"{value:.{r.randrange(0, 19)}e}"
    if form == 4:
        return f"{value:.3E}".replace("E+0", "E+")
    return f"{value:.{r.randrange(1, 9)}f}"


def position(r: random.Random, ordinates: int) -> str:
    values = [number(r, -149, 149), number(r, -84, 84)]
    values += [number(r, -1e4, 1e4) for _ in range(ordinates - 2)]
    return "[" + ",".join(values) + "]"


def line(r: random.Random, ordinates: int, least: int = 2) -> list[str]:
    return [position(r, ordinates) for _ in range(r.randrange(least, 9))]


def ring(r: random.Random, ordinates: int) -> list[str]:
    """A star-shaped ring, which any rounding of its numbers keeps one-turning."""
    count = r.randrange(3, 9)
    x, y = r.uniform(-150, 150), r.uniform(-60, 60)
    turn = r.choice((-1, 1))
    found = []
    for k in range(count):
        angle = turn * 2 * math.pi * (k + r.uniform(0.05, 0.4)) / count
        size = r.uniform(8, 20)
        px, py = x + size * math.cos(angle), y + size * math.sin(angle)
        extra = [number(r, 0, 9) for _ in range(ordinates - 2)]
        digits = r.choice((3, 7, 15))
        found.append("[" + ",".join([f"{px:.{digits}f}", f"{py:.{digits}f}", *extra]) + "]")
    return [*found, found[0]]


def _array(parts: list[str]) -> str:
    return "[" + ",".join(parts) + "]"


def coordinates(r: random.Random, kind: str) -> str:
    ordinates = r.choice((2, 2, 2, 3, 4))
    few = range(r.randrange(1, 4))
    if kind == "Point":
        return position(r, ordinates)
    if kind in ("LineString", "MultiPoint"):
        return _array(line(r, ordinates))
    if kind == "MultiLineString":
        return _array([_array(line(r, ordinates)) for _ in few])
    if kind == "Polygon":
        return _array([_array(ring(r, ordinates)) for _ in few])
    return _array([_array([_array(ring(r, ordinates)) for _ in few]) for _ in few])


_KINDS = ("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon")


def geometry(r: random.Random, nested: int = 2) -> str:
    if nested and r.random() < 0.08:
        parts = [geometry(r, nested - 1) for _ in range(r.randrange(0, 3))]
        return _members(r, [("type", '"GeometryCollection"'), ("geometries", _array(parts))])
    kind = r.choice(_KINDS)
    content = "[]" if r.random() < 0.03 else coordinates(r, kind)
    members = [("type", f'"{kind}"'), ("coordinates", content)]
    if r.random() < 0.1:
        members.append(("bbox", "[1,2,3,4]"))
    return _members(r, members)


def _members(r: random.Random, members: list[tuple[str, str]]) -> str:
    if r.random() < 0.3:
        r.shuffle(members)
    space = r.choice(("", "", "", " ", "\t "))
    texts = [f'"{name}"{space}:{space}{value}' for name, value in members]
    return "{" + space + f",{space}".join(texts) + space + "}"


def feature(r: random.Random) -> bytes:
    """A sound feature's text, without line feeds."""
    members = [("type", '"Feature"'), ("geometry", geometry(r))]
    if r.random() < 0.05:
        members[1] = ("geometry", "null")
    if r.random() < 0.9:
        names = r.sample(_NAMES, r.randrange(0, 5))
        content = {name: r.choice(_VALUES) for name in names}
        text = json.dumps(content, ensure_ascii=r.random() < 0.5)
        members.append(("properties", text if r.random() < 0.95 else "null"))
    if r.random() < 0.6:
        members.append(("id", json.dumps(r.choice((7, "a", "ü\\", 1.50, -3, 10**20, None)))))
    text = _members(r, members)
    return (text[:-1] + ',"bbox":[1,2,3,4]}' if r.random() < 0.1 else text).encode()


def broken(r: random.Random, text: bytes) -> bytes:
    """The text with one to three places changed; it may still be sound."""
    for _ in range(r.choice((1, 1, 1, 2, 3))):
        p = r.randrange(len(text) + 1)
        q = min(len(text), p + r.choice((0, 1, 1, 2, 5)))
        form = r.randrange(6)
        if form == 0:
            text = text[:p] + text[q:]
        elif form == 1:
            text = text[:p] + r.choice(_PIECES).encode() + text[p:]
        elif form == 2:
            text = text[:p] + r.choice(_PIECES).encode() + text[q:]
        elif form == 3:
            text = text[:p] + bytes([r.randrange(256)]) + text[q:]
        elif form == 4:
            text = text[:p]
        else:
            start = r.randrange(len(text) + 1)
            text = text[:p] + text[start : start + r.randrange(12)] + text[p:]
        if not text:
            return b"{"
    return text
