"""What can be wrong or remarkable about a feature, by stable names.

Belongs here: reasons of refusal, notes on what was accepted, and limits. Not here: the tests
for them (`strict`, `coordinates`, `normalize`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag, StrEnum


class Reason(StrEnum):
    """Why a feature, or a body, was refused; the value is the name in reports."""

    # the text
    SYNTAX = "syntax"
    TRUNCATED = "truncated"
    NOT_UTF8 = "not_utf8"
    NUL_BYTE = "nul_byte"
    BYTE_ORDER_MARK = "byte_order_mark"
    LONE_SURROGATE = "lone_surrogate"
    DUPLICATE_KEY = "duplicate_key"
    NOT_A_NUMBER = "not_a_number"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    NESTING_TOO_DEEP = "nesting_too_deep"
    TRAILING_DATA = "trailing_data"
    EMPTY_BODY = "empty_body"
    # the objects
    NOT_AN_OBJECT = "not_an_object"
    UNKNOWN_TYPE = "unknown_type"
    MEMBER_MISSING = "member_missing"
    BAD_ID = "bad_id"
    BAD_PROPERTIES = "bad_properties"
    BAD_GEOMETRY = "bad_geometry"
    COLLECTION_IN_SEQUENCE = "collection_in_sequence"
    FEATURE_TOO_LARGE = "feature_too_large"
    SHELL_TOO_LARGE = "shell_too_large"
    ENCRYPTED = "encrypted"
    BAD_TIME = "bad_time"
    # the coordinates
    BAD_POSITION = "bad_position"
    LINE_TOO_SHORT = "line_too_short"
    RING_TOO_SHORT = "ring_too_short"
    RING_NOT_CLOSED = "ring_not_closed"
    OUT_OF_BOUNDS = "out_of_bounds"
    CROSSES_ANTIMERIDIAN = "crosses_antimeridian"
    ENCLOSES_A_POLE = "encloses_a_pole"
    # the reference system
    UNKNOWN_CRS = "unknown_crs"
    OUTSIDE_AREA_OF_USE = "outside_area_of_use"
    NOT_PROJECTABLE = "not_projectable"
    # the shape
    COLLAPSED = "collapsed"
    NOT_REPAIRABLE = "not_repairable"


# a text that is refused for one of these is no GeoJSON at all
NO_GEOJSON = frozenset(
    {
        Reason.SYNTAX,
        Reason.TRUNCATED,
        Reason.NOT_UTF8,
        Reason.NUL_BYTE,
        Reason.BYTE_ORDER_MARK,
        Reason.NOT_AN_OBJECT,
        Reason.UNKNOWN_TYPE,
        Reason.MEMBER_MISSING,
    }
)


class Note(IntFlag):
    """What was changed or is remarkable in a feature that was accepted."""

    REWOUND = 1  # a ring was turned to follow the right hand (RFC 7946, 3.1.6)
    HAS_Z = 2
    LONG_EDGE = 4  # a step of more than 180 degrees: it may be meant to cross the antimeridian
    EXTRA_ORDINATES = 8  # a fourth ordinate or more was left out (RFC 7946, 3.1.1)
    MIXED_DIMENSIONS = 16  # some positions have no third ordinate; it is NaN there
    EMPTY = 32  # empty coordinates, read as no geometry (RFC 7946, 3.1)


@dataclass(frozen=True)
class Limits:
    """How much one body may ask for.

    Parameters
    ----------
    feature_bytes : int
        Of one feature; larger ones are refused and skipped at constant memory.
    depth : int
        Of nested arrays and objects in a feature.
    shell_bytes : int
        Of everything in a collection that is not a feature.
    excerpt_bytes : int
        Of a refused feature that is kept for the dead letter.
    """

    feature_bytes: int = 64 << 20
    depth: int = 64
    shell_bytes: int = 1 << 20
    excerpt_bytes: int = 64 << 10


@dataclass(frozen=True)
class Rejection:
    """One refused feature, or a fault of the body.

    Parameters
    ----------
    ordinal : int
        Place of the feature in the body, from 0; -1 for the body itself.
    feature_id : str or None
        JSON text of its `id` member.
    offset, length : int
        Its bytes in the decoded body.
    at : int
        The byte at which the fault was seen.
    reason : Reason
    detail : str
    data : bytes
        Its first bytes, `Limits.excerpt_bytes` at most.
    """

    ordinal: int
    feature_id: str | None
    offset: int
    length: int
    at: int
    reason: Reason
    detail: str
    data: bytes = b""
