"""How many features at once: by measured time, and fewer where a worker was ended.

Belongs here: sizes. Not here: the processor's clock and heat (`chunk_size`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from synthgrid_assets.services.gateway.inbox.deliveries import Suspect

_PARTS = 16  # that suspects are split into


class ChunkSize(Protocol):
    """A size that learns."""

    @property
    def features(self) -> int:
        """Features of the next chunk."""

    def update(self, seconds: float, features: int) -> int:
        """Learn how long a chunk took; the next size."""


def next_chunk(ordinal: int, suspects: Sequence[Suspect], usual: int) -> int:
    """Features of the chunk that begins at `ordinal`.

    A range in which a worker was ended is taken in sixteenths, and a chunk never reaches
    into one: after three attempts at a chunk of 4096 features one feature is left.

    Examples
    --------
    >>> suspects = [Suspect(100, 4096, "timed_out", 1)]
    >>> [next_chunk(at, suspects, 4096) for at in (0, 100, 4100, 4196)]
    [100, 256, 96, 4096]
    """
    for item in suspects:
        if item.first <= ordinal < item.first + item.size:
            return min(max(item.size // _PARTS, 1), item.first + item.size - ordinal)
        if ordinal < item.first:
            return min(usual, item.first - ordinal)
    return usual
