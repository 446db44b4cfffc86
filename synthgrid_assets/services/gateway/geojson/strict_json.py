"""Strict JSON in Python: the slow judge that names what is wrong, and where.

Belongs here: UTF-8, RFC 8259's grammar, duplicate names, numbers no double can hold, lone
surrogates, nesting. Not here: GeoJSON's rules (`strict`).
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed lacks it
from typing import Any, NoReturn

import numpy as np

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.reasons import Reason
from synthgrid_assets.services.gateway.geojson.structure import Scan

_SPACE = re.compile(r"[ \t\n\r]*")
_CUT_WORD = re.compile(r"(|t|tr|tru|f|fa|fal|fals|n|nu|nul|-?[0-9.eE+-]*)[ \t\n\r]*")
_ESCAPES = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_MOST_DIGITS = 309  # an integer with more is beyond every double
_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Member:
    """One member of an object: its value and where the value's text stands."""

    value: Any
    start: int
    end: int


@dataclass(frozen=True)
class Text:
    """Decoded text that can say at which byte a character stood."""

    characters: str
    ascii: bool

    def byte(self, position: int) -> int:
        """Bytes in front of the character at `position`."""
        return position if self.ascii else len(self.characters[:position].encode())


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise FeatureError(Reason.DUPLICATE_KEY, f"the name {twice!r} stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise FeatureError(Reason.NOT_A_NUMBER, f"{name} is not a number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise FeatureError(Reason.NUMBER_OUT_OF_RANGE, f"no double holds {text[:40]}")
    return value


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _MOST_DIGITS else math.inf


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer
)


def decode(data: bytes, depth: int) -> Text:
    """The characters of a JSON text, after the tests that need no parse.

    Raises
    ------
    FeatureError
        For NUL bytes, text that is not UTF-8, a byte-order mark, nesting beyond `depth` or
        nothing at all.
    """
    nul = data.find(b"\0")
    if nul >= 0:
        raise FeatureError(Reason.NUL_BYTE, _of_nul(data), nul)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise FeatureError(Reason.NOT_UTF8, f"not UTF-8: {error.reason}", error.start) from None
    if text.startswith(_BYTE_ORDER_MARK):
        raise FeatureError(Reason.BYTE_ORDER_MARK, "a byte-order mark stands in front of it")
    scan = Scan()
    scan.feed(np.frombuffer(data, np.uint8), 0, len(data))
    if scan.deepest > depth:
        detail = f"arrays and objects nest {scan.deepest} deep; {depth} are allowed"
        raise FeatureError(Reason.NESTING_TOO_DEEP, detail)
    return Text(text, text.isascii())


def _space(text: str, p: int) -> int:
    found = _SPACE.match(text, p)
    return found.end() if found else p


def _syntax(text: Text, error: json.JSONDecodeError) -> FeatureError:
    """Cut off when nothing, or part of a word or string, stands where it stopped."""
    rest = text.characters[error.pos :]
    cut = error.msg.startswith("Unterminated string") or bool(_CUT_WORD.fullmatch(rest))
    reason = Reason.TRUNCATED if cut else Reason.SYNTAX
    return FeatureError(reason, error.msg, text.byte(error.pos))


def _locate(text: Text, error: FeatureError, token: str) -> FeatureError:
    """The same error at the first place at which `token` stands outside of strings."""
    pattern = re.compile(r'"(?:[^"\\]|\\.)*"|(' + token + ")", re.DOTALL)
    found = next((m for m in pattern.finditer(text.characters) if m[1]), None)
    at = text.byte(found.start(1)) if found else 0
    return FeatureError(error.reason, error.detail, at)


def _value(text: Text, p: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text.characters, p)
    except json.JSONDecodeError as error:
        raise _syntax(text, error) from None
    except FeatureError as error:
        if error.reason == Reason.NOT_A_NUMBER:
            raise _locate(text, error, "NaN|-?Infinity") from None
        if error.reason == Reason.NUMBER_OUT_OF_RANGE:
            raise _locate(text, error, re.escape(error.detail.split()[-1])) from None
        raise
    except RecursionError:
        raise FeatureError(Reason.NESTING_TOO_DEEP, "nests too deep to be read") from None


def _of_nul(data: bytes) -> str:
    """What bytes with a NUL among them most likely are, so that a sender knows what to do."""
    if data.startswith(_GZIP):
        return "it is gzip within what was sent; compress once, and say `content-encoding: gzip`"
    if data.startswith(_UTF16) or 0 in data[:2]:
        return "it looks like UTF-16 or UTF-32; send UTF-8"
    return "a NUL byte stands in the text; send UTF-8 text"


def _expect(text: Text, p: int, character: str) -> int:
    p = _space(text.characters, p)
    if text.characters[p : p + 1] != character:
        error = json.JSONDecodeError(f"Expecting {character!r}", text.characters, p)
        raise _syntax(text, error)
    return _space(text.characters, p + 1)


def members(text: Text) -> tuple[dict[str, Member], int]:
    """The members of the object that a text starts with, and the character behind it.

    Raises
    ------
    FeatureError
        With the reason and the byte, for anything but a strict JSON object.
    """
    characters = text.characters
    start = _space(characters, 0)
    if characters[start : start + 1] != "{":
        _value(text, start)
        raise FeatureError(Reason.NOT_AN_OBJECT, "a JSON value, but no object", text.byte(start))
    p = _space(characters, start + 1)
    found: dict[str, Member] = {}
    while characters[p : p + 1] != "}" or found:
        if characters[p : p + 1] != '"':
            error = json.JSONDecodeError("Expecting a name in double quotes", characters, p)
            raise _syntax(text, error)
        try:
            name, q = scanstring(characters, p + 1)
        except json.JSONDecodeError as error:
            raise _syntax(text, error) from None
        if name in found:
            detail = f"the name {name!r} stands twice in one object"
            raise FeatureError(Reason.DUPLICATE_KEY, detail, text.byte(p))
        p = _expect(text, q, ":")
        value, q = _value(text, p)
        found[name] = Member(value, p, q)
        p = _space(characters, q)
        if characters[p : p + 1] == "}":
            break
        p = _expect(text, p, ",")
    _no_lone_surrogate(text)
    return found, p + 1


def loads(data: bytes, depth: int) -> Any:
    """The value of a JSON text with nothing behind it.

    Raises
    ------
    FeatureError
        As `members`.

    Examples
    --------
    >>> loads(b" [1, null]", 4)
    [1, None]
    """
    text = decode(data, depth)
    value, end = _value(text, _space(text.characters, 0))
    end = _space(text.characters, end)
    if end < len(text.characters):
        detail = "text follows the end of the value"
        raise FeatureError(Reason.TRAILING_DATA, detail, text.byte(end))
    _no_lone_surrogate(text)
    return value


def _no_lone_surrogate(text: Text) -> None:
    lone = _lone_surrogate(text.characters)
    if lone >= 0:
        detail = "half of a surrogate pair stands alone"
        raise FeatureError(Reason.LONE_SURROGATE, detail, text.byte(lone))


def _lone_surrogate(text: str) -> int:
    if "\\u" not in text:
        return -1
    high = behind = -1
    for found in _ESCAPES.finditer(text):
        code = int(found[1], 16) if found[1] else 0
        if high >= 0:
            if found.start() != behind or not 0xDC00 <= code <= 0xDFFF:
                return high
            high = -1
        elif 0xD800 <= code <= 0xDBFF:
            high, behind = found.start(), found.end()
        elif 0xDC00 <= code <= 0xDFFF:
            return found.start()
    return high
