"""The splitter: where JSON values end and features begin, also in broken text.

Belongs here: scans that look at quotes and brackets only, resumable at any byte, with constant
memory. Not here: whether what they delimit is sound (`values`, `strict`).

`scan` accepts more than JSON does (any word may stand for a value), so that a feature with a
fault inside still has an end and its neighbours are kept. It refuses what shows that quotes or
brackets are out of step: a closing bracket of the wrong kind, a value where an object's name
should be, two values without a comma. Then `next_feature` finds the place to go on: the
characters ``{"type": "Feature"`` (white space allowed) cannot occur inside a sound JSON
string, whose quotes would be escaped, so the search needs no context.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit

MORE, ENDED, BROKEN = range(3)
_MOST_KINDS = 4096  # brackets whose kind is remembered; deeper ones are only counted

_DEPTH, _IN_STRING, _ESCAPED, _LAST, _DEEPEST = range(5)
# what stood last; a string is a name where an object expects one
_OPEN, _COMMA, _COLON, _NAME, _VALUE, _WORD = range(6)


@njit(cache=True)
def _allowed(last, c, inside):
    """Whether character c may follow what stood last inside of a bracket (0 for none known)."""
    if c == 34:
        return last <= _COLON
    if c == 123 or c == 91:
        return last == _COLON or (last < _COLON and inside != 123)
    if c == 125 or c == 93:
        return last != _NAME and last != _COLON and (inside == 0 or inside + 2 == c)
    if c == 58:
        return last == _NAME
    if c == 44:
        return last != _NAME and last != _COLON
    return last in (_WORD, _COLON) or (last < _COLON and inside != 123)


@njit(cache=True)
def _scan(b, p, end, state, kinds):
    depth, in_string, escaped, last = state[0], state[1], state[2], state[3]
    while p < end:
        c = b[p]
        if in_string:
            if escaped:
                escaped = 0
            elif c == 92:
                escaped = 1
            elif c == 34:
                in_string = 0
                if depth == 0:
                    return ENDED, p + 1
            p += 1
            continue
        if c == 32 or c == 10 or c == 13 or c == 9:
            if last == _WORD:
                if depth == 0:
                    return ENDED, p
                last = _VALUE
            p += 1
            continue
        if depth == 0 and last == _WORD and (c == 44 or c == 93 or c == 125):
            return ENDED, p
        inside = kinds[depth - 1] if 0 < depth <= kinds.shape[0] else 0
        if not _allowed(last, c, inside) or (depth == 0 and (c == 44 or c == 93 or c == 125)):
            return BROKEN, p
        p += 1
        if c == 34:
            in_string = 1
            last = _NAME if inside == 123 and last != _COLON else _VALUE
        elif c == 123 or c == 91:
            depth += 1
            state[_DEEPEST] = max(state[_DEEPEST], depth)
            if depth <= kinds.shape[0]:
                kinds[depth - 1] = c
            last = _OPEN
        elif c == 125 or c == 93:
            depth -= 1
            last = _VALUE
            if depth == 0:
                return ENDED, p
        elif c == 44:
            last = _COMMA
        elif c == 58:
            last = _COLON
        else:
            last = _WORD
        state[0], state[1], state[2], state[3] = depth, in_string, escaped, last
    state[0], state[1], state[2], state[3] = depth, in_string, escaped, last
    return MORE, p


@dataclass
class Scan:
    """A scan for the end of one value, which may be fed in pieces.

    Examples
    --------
    >>> text = np.frombuffer(b'{"a": [1, "}"]} ,', np.uint8)
    >>> scan = Scan()
    >>> scan.feed(text, 0, 9), scan.feed(text, 9, 17)
    ((0, 9), (1, 15))
    """

    state: NDArray[np.int64] = field(default_factory=lambda: np.zeros(5, np.int64))
    kinds: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(_MOST_KINDS, np.uint8))

    def feed(self, b: NDArray[np.uint8], p: int, end: int) -> tuple[int, int]:
        """Go on over ``b[p:end]``: how it stands (`MORE`, `ENDED`, `BROKEN`) and where."""
        if not b.flags.writeable:  # one compiled kernel, not two
            b = b.copy()
        how, p = _scan(b, p, end, self.state, self.kinds)
        return int(how), int(p)

    @property
    def deepest(self) -> int:
        """The deepest nesting met."""
        return int(self.state[_DEEPEST])


@njit(cache=True)
def _behind(b, p, end, text):
    """Behind `text` at p after white space, or -1."""
    while p < end and (b[p] == 32 or b[p] == 10 or b[p] == 13 or b[p] == 9):
        p += 1
    if p + text.shape[0] > end:
        return -1
    for k in range(text.shape[0]):
        if b[p + k] != text[k]:
            return -1
    return p + text.shape[0]


def _characters(text):
    return np.frombuffer(text, np.uint8)


_TYPE, _FEATURE, _ID = _characters(b'"type"'), _characters(b'"Feature"'), _characters(b'"id"')
_GEOMETRY, _PROPERTIES = _characters(b'"geometry"'), _characters(b'"properties"')
_COLON_TEXT, _COMMA_TEXT = _characters(b":"), _characters(b",")
LONGEST_START = 256  # bytes, white space included, that the start of a feature may take


@njit(cache=True)
def _value_of(b, p, end, name):
    """Where the value of a member of this name starts, whose name stands at p; or -1."""
    q = _behind(b, p, end, name)
    return -1 if q < 0 else _behind(b, q, end, _COLON_TEXT)


@njit(cache=True)
def _is_own_member(b, p, end):
    """Whether a member stands at p that only features have at their start."""
    q = _value_of(b, p, end, _TYPE)
    if q >= 0:
        return _behind(b, q, end, _FEATURE) >= 0
    return _value_of(b, p, end, _GEOMETRY) >= 0 or _value_of(b, p, end, _PROPERTIES) >= 0


@njit(cache=True)
def _next_feature(b, p, end):
    while p < end:
        if b[p] == 123:
            if _is_own_member(b, p + 1, end):
                return p
            q = _value_of(b, p + 1, end, _ID)
            if q >= 0:
                last = min(end, p + LONGEST_START)
                while q < last and b[q] != 44 and b[q] != 123 and b[q] != 125:
                    q += 1
                if q < last and b[q] == 44 and _is_own_member(b, q + 1, end):
                    return p
        p += 1
    return -1


def next_feature(b: NDArray[np.uint8], p: int, end: int) -> int:
    """Where the next feature seems to start in ``b[p:end]``; -1 when none does.

    A feature is known by its first member, or its second behind `id`: a `type` of "Feature",
    `geometry` or `properties`.

    Examples
    --------
    >>> text = np.frombuffer(b'[1, {"x": 2}, { "type" : "Feature", ...', np.uint8)
    >>> next_feature(text, 0, text.size)
    14
    """
    return int(_next_feature(b, p, end))
