"""One state of a file on another machine, and what asks a server for its ranges.

Belongs here: the state, the protocol of its readers, and failures that may pass. Not here: any
protocol (`http_ranges`, `s3_ranges`), retries and caches (`remote_file`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from synthgrid_assets.errors import SpecError

FIRST = 1 << 16  # bytes that are asked for with the state: a GeoTIFF's header
WHOLE = 1 << 26  # bytes of a file that is read whole, where a server leaves no other way


class Entity(NamedTuple):
    """A state of a file: equal ones have equal bytes, as far as the server keeps its word.

    Attributes
    ----------
    tag : str
        The server's strong ETag as it gave it, or ``sha256:`` and the digest of all bytes.
    length : int
    """

    tag: str
    length: int


class Found(NamedTuple):
    """What a server says of a file.

    Attributes
    ----------
    entity : Entity
    first : bytes
        The first `FIRST` bytes, or all.
    whole : bool
        Whether `first` is all, and to be kept: the server gives no ranges, or no strong ETag.
    """

    entity: Entity
    first: bytes
    whole: bool


class PassingError(Exception):
    """A failure that the next try may not meet.

    Parameters
    ----------
    reason : str
        In words, without anything secret.
    pause : float
        Seconds that the server asks to wait.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class ChangedError(SpecError):
    """The file has another state than when its reading began."""


class Ranges(Protocol):
    """Asks a server for a file's state and for ranges of its bytes; once, without patience."""

    def find(self) -> Found:
        """The state now, and the first bytes.

        Raises
        ------
        PassingError
            For a failure that may pass.
        SpecError
            For one that will not, in words without the address.
        """
        ...

    def read(self, start: int, stop: int, entity: Entity) -> bytes:
        """Bytes ``[start, stop)`` of exactly this state.

        Raises
        ------
        ChangedError
            If the file has another state by now.
        PassingError, SpecError
            As for `find`.
        """
        ...
