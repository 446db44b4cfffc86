"""OwnTracks messages: what its apps send over HTTP and MQTT.

Belongs here: the JSON of one message or an array of them. Not here: the answer's status code
(the apps put a refused message back at the head of their queue, or drop it, so everything that
is durable or hopeless is answered with 200 and the package's `OWNTRACKS_REPLY`).

The apps leave out `acc`, `alt`, `vel`, `cog` and `vac` when they are zero, so an absent figure
is zero or unknown: here it is NaN. `tst` is the time of the fix, `created_at` that of the
message. Speeds come in km/h.

References
----------
The OwnTracks booklet, "JSON"; its Android app's sources for what is left out.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.reasons import Reason
from synthgrid_assets.services.gateway.geojson.strict_json import loads
from synthgrid_assets.services.gateway.telemetry.decoded import Decoded, Gathering
from synthgrid_assets.services.gateway.telemetry.fixes import Fix

_WITH_POSITION = ("location", "transition")
_WITHOUT = (
    "beacon", "card", "cmd", "configuration", "dump", "lwt", "request", "status", "steps",
    "waypoint", "waypoints",
)  # fmt: skip
_DEPTH = 16
_KMH = 1 / 3.6
_USED = ("_type", "tst", "lon", "lat", "acc", "alt", "vel", "cog")


def decode_owntracks(body: bytes, device: str = "") -> Decoded:
    """Decode one message or an array of messages; never raises.

    Parameters
    ----------
    body : bytes
        May be empty: the apps send that when a friend is deleted.
    device : str
        Who sent it, as far as the transport knows: ``user/device``. Without it the message's
        topic or tracker id names the device.

    Returns
    -------
    Decoded

    Examples
    --------
    >>> text = b'{"_type":"location","tst":1700000000,"lat":47.5,"lon":8.5,"vel":36,"t":"p"}'
    >>> found = decode_owntracks(text, "ana/phone").fixes
    >>> found.speed.tolist(), found.attributes.tolist()
    ([10.0], ['{"t":"p"}'])
    """
    gathering = Gathering()
    if not body.strip():
        gathering.ignored += 1
        return gathering.done()
    try:
        value = loads(body, _DEPTH)
    except FeatureError as error:
        gathering.refuse(-1, body, error.reason, error.detail, error.at)
        return gathering.done()
    messages = value if isinstance(value, list) else [value]
    for ordinal, message in enumerate(messages):
        data = body if message is value else json.dumps(message).encode()
        _message(gathering, ordinal, message, data, device)
    if not messages:
        gathering.ignored += 1
    return gathering.done()


def _message(gathering: Gathering, ordinal: int, message: Any, data: bytes, device: str) -> None:
    if not isinstance(message, dict):
        gathering.refuse(ordinal, data, Reason.NOT_AN_OBJECT, "a message is no object")
        return
    kind = message.get("_type")
    if kind in _WITHOUT:
        gathering.ignored += 1
    elif kind == "encrypted":
        gathering.refuse(ordinal, data, Reason.ENCRYPTED, "there is no key to read it with")
    elif kind not in _WITH_POSITION:
        gathering.refuse(ordinal, data, Reason.UNKNOWN_TYPE, f"_type is {str(kind)[:60]!r}")
    else:
        try:
            fix = _fix(message, device)
        except FeatureError as error:
            gathering.refuse(ordinal, data, error.reason, error.detail)
        else:
            gathering.take(fix, ordinal, data)


def _fix(message: dict[str, Any], device: str) -> Fix:
    rest = {name: value for name, value in message.items() if name not in _USED}
    if message["_type"] != "location":
        rest["_type"] = message["_type"]
    attributes = json.dumps(rest, ensure_ascii=False, separators=(",", ":")) if rest else ""
    return Fix(
        device or _named(message),
        number(message, "tst", needed=True),
        number(message, "lon", needed=True),
        number(message, "lat", needed=True),
        number(message, "acc"),
        number(message, "alt"),
        number(message, "vel") * _KMH,
        number(message, "cog"),
        attributes,
    )


def number(message: dict[str, Any], name: str, *, needed: bool = False) -> float:
    """A member that is a number; NaN when it is absent or null and not needed.

    Raises
    ------
    FeatureError
        If it is something else, or absent and needed.
    """
    value = message.get(name)
    if value is None and not needed:
        return float(np.nan)
    if value is None:
        raise FeatureError(Reason.MEMBER_MISSING, f"there is no `{name}`")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FeatureError(Reason.BAD_POSITION, f"{name} is {str(value)[:60]!r}, not a number")
    try:
        return float(value)
    except OverflowError:
        raise FeatureError(Reason.NUMBER_OUT_OF_RANGE, f"no double holds {name}") from None


def _named(message: dict[str, Any]) -> str:
    """The device a message names: its topic without prefix and suffix, or its tracker id."""
    topic = message.get("topic")
    if isinstance(topic, str):
        parts = topic.strip("/").split("/")
        if len(parts) >= 3 and parts[0] == "owntracks":
            return "/".join(parts[1:3])
    tracker = message.get("tid")
    return tracker if isinstance(tracker, str) else ""
