"""What a decoder hands back: fixes, what was passed over, what was refused.

Belongs here: the result and its gathering. Not here: formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from synthgrid_assets.services.gateway.geojson.reasons import Reason, Rejection
from synthgrid_assets.services.gateway.telemetry.fixes import Fix, Fixes

_EXCERPT = 4096


@dataclass(frozen=True)
class Decoded:
    """A body of telemetry, decoded: each of its messages is in exactly one of three.

    Parameters
    ----------
    fixes : Fixes
    ignored : int
        Messages that are sound and hold no position.
    rejections : tuple of Rejection
    """

    fixes: Fixes
    ignored: int
    rejections: tuple[Rejection, ...]

    @property
    def messages(self) -> int:
        """How many there were."""
        return len(self.fixes) + self.ignored + len(self.rejections)


@dataclass
class Gathering:
    """Fills a `Decoded` message by message."""

    fixes: list[Fix] = field(default_factory=list)
    ignored: int = 0
    rejections: list[Rejection] = field(default_factory=list)

    def take(self, fix: Fix, ordinal: int, data: bytes) -> None:
        """A fix, unless it is impossible."""
        fault = fix.fault()
        if fault:
            self.refuse(ordinal, data, Reason.BAD_POSITION, fault)
        else:
            self.fixes.append(fix)

    def refuse(
        self, ordinal: int, data: bytes, reason: Reason | str, detail: str, at: int = 0
    ) -> None:
        """A message that cannot be used."""
        excerpt = data[:_EXCERPT]
        rejection = Rejection(
            ordinal, None, 0, len(data), at, Reason(reason), detail[:500], excerpt
        )
        self.rejections.append(rejection)

    def done(self) -> Decoded:
        """The result."""
        return Decoded(Fixes.of(self.fixes), self.ignored, tuple(self.rejections))
