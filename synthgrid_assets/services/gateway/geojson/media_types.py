"""Media types of GeoJSON.

Belongs here: what a Content-Type says about a body. Not here: reading it (`reader`).
"""

from __future__ import annotations

_SEQUENCE_TYPES = (
    "application/geo+json-seq",
    "application/x-ndjson",
    "application/ndjson",
    "application/geojsonl",
    "application/jsonl",
    "application/json-seq",
)


def is_sequence(content_type: str) -> bool:
    """Whether a media type stands for one feature a record or line.

    Examples
    --------
    >>> is_sequence("application/geo+json-seq"), is_sequence("application/geo+json; charset=utf-8")
    (True, False)
    """
    return content_type.partition(";")[0].strip().lower() in _SEQUENCE_TYPES
