"""The shell of a collection: everything in its text that is not a feature.

Belongs here: finding the array of features, and judging the rest as one strict JSON object.
Not here: the features (`collection`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.reasons import Limits, Reason
from synthgrid_assets.services.gateway.geojson.strict import ABSENT
from synthgrid_assets.services.gateway.geojson.strict_json import decode, members
from synthgrid_assets.services.gateway.geojson.structure import ENDED, MORE, Scan

UNDECIDED, SINGLE = -1, -2
_SPACE = re.compile(rb"[ \t\n\r]*")
_NAME = re.compile(rb'"((?:[^"\\]|\\.)*)"[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)
_OF_ONE = (b"geometry", b"properties", b"coordinates", b"geometries")  # a Feature's or geometry's
_COLLECTION = b'"FeatureCollection"'


def features_start(b: NDArray[np.uint8], end: int, ended: bool) -> int:
    """Behind the bracket of the array of features in the text ``b[:end]``.

    Returns
    -------
    int
        `UNDECIDED` when more of the text is needed, `SINGLE` when it is no collection.

    Examples
    --------
    >>> text = b'{"type": "FeatureCollection", "name": "a", "features": ['
    >>> features_start(np.frombuffer(text, np.uint8), len(text), False) == len(text)
    True
    """
    data = b[:end].tobytes()
    undecided = SINGLE if ended else UNDECIDED
    p = _behind_space(data, 0)
    if p == end:
        return undecided
    if data[p : p + 1] != b"{":
        return SINGLE
    p = _behind_space(data, p + 1)
    while True:
        name = _NAME.match(data, p)
        if name is None or name.end() >= end:
            return undecided if name or _cut_name(data[p:]) else SINGLE
        p = name.end()
        if name[1] == b"features":
            return p + 1 if data[p : p + 1] == b"[" else SINGLE
        if name[1] in _OF_ONE:
            return SINGLE
        how, q = Scan().feed(b, p, end)
        if how != ENDED:
            return undecided if how == MORE else SINGLE
        if name[1] == b"type" and data[p:q] != _COLLECTION:
            return SINGLE
        p = _behind_space(data, q)
        if p == end:
            return undecided
        if data[p : p + 1] != b",":
            return SINGLE
        p = _behind_space(data, p + 1)


def _behind_space(data: bytes, p: int) -> int:
    found = _SPACE.match(data, p)
    return found.end() if found else p


def _cut_name(data: bytes) -> bool:
    """Whether a name may be incomplete only because the data end."""
    return not data or (data[:1] == b'"' and b":" not in data.split(b'"', 2)[-1])


@dataclass(frozen=True)
class ShellReport:
    """What a shell says and what is wrong with it.

    Parameters
    ----------
    crs : JSON value
        Its `crs` member; `ABSENT` without one.
    fault : FeatureError or None
        `at` counts from the body's first byte.
    """

    crs: Any
    fault: FeatureError | None


def judge_head(head: bytes, depth: int) -> ShellReport:
    """Judge a collection's text up to and with the bracket of its features."""
    try:
        found, _ = members(decode(head + b"]}", depth))
    except FeatureError as error:
        return ShellReport(ABSENT, error)
    return ShellReport(found["crs"].value if "crs" in found else ABSENT, None)


def judge_shell(head: bytes, tail: bytes, tail_offset: int, limits: Limits) -> ShellReport:
    """Judge a collection without its features: its head and what follows the last feature.

    Parameters
    ----------
    head : bytes
        Up to and with the bracket of the array of features.
    tail : bytes
        From the closing bracket on; one byte more than allowed, when it is too large.
    tail_offset : int
        Where in the body the tail stands.
    limits : Limits
    """
    text = head + tail
    how, end = Scan().feed(np.frombuffer(text, np.uint8), 0, len(text))
    if how == MORE and len(text) > limits.shell_bytes:
        detail = f"more than {limits.shell_bytes} bytes beside the features"
        return ShellReport(ABSENT, FeatureError(Reason.SHELL_TOO_LARGE, detail, tail_offset))
    try:
        found, _ = members(decode(text[:end] if how == ENDED else text, limits.depth))
    except FeatureError as error:
        at = error.at if error.at < len(head) else error.at - len(head) + tail_offset
        return ShellReport(ABSENT, FeatureError(error.reason, error.detail, at))
    crs = found["crs"].value if "crs" in found else ABSENT
    rest = _behind_space(text, end)
    at = rest - len(head) + tail_offset
    if rest < len(text):
        fault = FeatureError(Reason.TRAILING_DATA, "text follows the end of the collection", at)
        return ShellReport(crs, fault)
    kind = found["type"].value if "type" in found else None
    if kind != "FeatureCollection":
        reason = Reason.UNKNOWN_TYPE if "type" in found else Reason.MEMBER_MISSING
        detail = f"an object with features has the type {str(kind)[:60]!r}"
        return ShellReport(crs, FeatureError(reason, detail))
    return ShellReport(crs, None)
