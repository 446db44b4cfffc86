"""GeoJSON in: bodies of any size to Arrow columns, feature by feature, nothing lost unsaid.

Belongs here: text to WKB and the rules that RFC 7946 sets for it. Not here: topology and
reference systems (`geometry`), what becomes of the rows (`landing`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgrid_assets.services.gateway.geojson.batch import FeatureBatch
    from synthgrid_assets.services.gateway.geojson.media_types import is_sequence
    from synthgrid_assets.services.gateway.geojson.reader import FeatureReader
    from synthgrid_assets.services.gateway.geojson.reasons import (
        NO_GEOJSON,
        Limits,
        Note,
        Reason,
        Rejection,
    )

__all__ = [
    "NO_GEOJSON",
    "FeatureBatch",
    "FeatureReader",
    "Limits",
    "Note",
    "Reason",
    "Rejection",
    "is_sequence",
    "warm_up",
]


# loaded when they are asked for: the compiler comes only to those who read
_PLACES = {
    "NO_GEOJSON": "reasons",
    "FeatureBatch": "batch",
    "FeatureReader": "reader",
    "Limits": "reasons",
    "Note": "reasons",
    "Reason": "reasons",
    "Rejection": "reasons",
    "is_sequence": "media_types",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def warm_up() -> None:
    """Load or compile the kernels, by one small body of each kind; before memory is limited."""
    from synthgrid_assets.services.gateway.geojson.reader import FeatureReader

    feature = b'{"type":"Feature","geometry":{"type":"Point","coordinates":[0.5,1]}}'
    for text, sequence in ((b'{"type":"FeatureCollection","features":[%s]}', False), (b"%s", True)):
        for _ in FeatureReader([text % feature], sequence=sequence):
            pass
