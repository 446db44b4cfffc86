"""Telemetry in: what devices send, as fixes; and fixes as moving features.

Belongs here: formats of positions in time. Not here: transport (`receiving`), zones
(`geofence`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgrid_assets.services.gateway.telemetry.decoded import Decoded
    from synthgrid_assets.services.gateway.telemetry.fix_schema import FIX_SCHEMA
    from synthgrid_assets.services.gateway.telemetry.fixes import Fix, Fixes
    from synthgrid_assets.services.gateway.telemetry.mf_json import moving_features

__all__ = [
    "FIX_SCHEMA",
    "OWNTRACKS_REPLY",
    "Decoded",
    "Fix",
    "Fixes",
    "decode",
    "moving_features",
]

OWNTRACKS_REPLY = b"[]"  # no commands, no friends: what the apps expect instead of nothing

# loaded when they are asked for: who only receives stays small
_PLACES = {
    "Decoded": "decoded",
    "FIX_SCHEMA": "fix_schema",
    "Fix": "fixes",
    "Fixes": "fixes",
    "moving_features": "mf_json",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_ARROW = "application/vnd.apache.arrow.stream"
_GEOJSON = ("application/geo+json", "application/vnd.geo+json")


def decode(body: bytes, content_type: str, *, device: str = "", limit: int = 100_000) -> Decoded:
    """Decode a body by its media type; never raises.

    Parameters
    ----------
    body : bytes
    content_type : str
        An Arrow stream, GeoJSON or a GeoJSON text sequence; anything else is taken for
        OwnTracks JSON, whose apps send "application/json" or nothing.
    device : str
        Who sent it, as far as the transport knows.
    limit : int
        Fixes of an Arrow stream.

    Examples
    --------
    >>> decode(b"", "application/json").ignored
    1
    """
    from synthgrid_assets.services.gateway.geojson.media_types import is_sequence
    from synthgrid_assets.services.gateway.telemetry.arrow_stream import decode_arrow_stream
    from synthgrid_assets.services.gateway.telemetry.features import decode_features
    from synthgrid_assets.services.gateway.telemetry.owntracks import decode_owntracks

    kind = content_type.partition(";")[0].strip().lower()
    if kind == _ARROW:
        return decode_arrow_stream(body, limit)
    if kind in _GEOJSON or is_sequence(content_type):
        return decode_features(body, is_sequence(content_type), device)
    return decode_owntracks(body, device)
