"""What the loops over a body share: its window, the batch in the making, and judgement.

Belongs here: accepting and refusing one text. Not here: finding it (`collection`, `sequence`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.batch import BatchBuilder
from synthgrid_assets.services.gateway.geojson.reasons import Limits, Reason, Rejection
from synthgrid_assets.services.gateway.geojson.reference_systems import allowed_box, named_crs
from synthgrid_assets.services.gateway.geojson.strict import (
    ABSENT,
    StrictFeature,
    find_id,
    parse_feature,
)
from synthgrid_assets.services.gateway.geojson.window import ByteWindow


@dataclass(frozen=True)
class OpenRejection:
    """A refused feature whose end is not known yet."""

    offset: int
    error: FeatureError
    data: bytes


class Body:
    """One body on its way from bytes to batches.

    Parameters
    ----------
    window : ByteWindow
    limits : Limits
    crs : str
        Reference system of the coordinates, as far as is known.
    chunk : int
        Features of a batch.
    """

    def __init__(self, window: ByteWindow, limits: Limits, crs: str, chunk: int) -> None:
        self.window = window
        self.builder = BatchBuilder(window)
        self.limits = limits
        self.chunk = chunk
        self.refused = 0
        self.in_crs(crs)

    def in_crs(self, crs: str) -> None:
        """Read coordinates in a reference system from now on."""
        self.crs = crs
        self.box = allowed_box(crs)
        self.allowed = np.array(self.box)

    def make_room(self) -> None:
        """Output for the kernel: by copying out what there is, or else by more memory."""
        if self.builder.count:
            self.builder.settle()
        else:
            self.builder.grow()

    def judge(self, start: int, end: int, *, bare: bool) -> StrictFeature:
        """The strict parser on a part of the window.

        Raises
        ------
        FeatureError
            For anything but one feature with nothing behind it.
        """
        data = self.window.bytes(start, end)
        feature = parse_feature(data, self.box, self.limits.depth, bare)
        behind = data[feature.end :].lstrip(b" \t\n\r")
        if behind:
            at = len(data) - len(behind)
            raise FeatureError(Reason.TRAILING_DATA, "text follows the end of the feature", at)
        if feature.crs is not ABSENT and named_crs(feature.crs) != self.crs:
            detail = f"the feature's own `crs` differs from {self.crs}"
            raise FeatureError(Reason.UNKNOWN_CRS, detail)
        return feature

    def take(self, start: int, end: int, *, bare: bool) -> None:
        """Accept or refuse the text of one feature."""
        while self.window.buffer[start] in b" \t\n\r" and start < end:
            start += 1
        try:
            self.accept(start, end, bare=bare)
        except FeatureError as error:
            self.refuse(start, end, error)

    def accept(self, start: int, end: int, *, bare: bool) -> None:
        """Add the feature in start..end of the window to the batch.

        Raises
        ------
        FeatureError
            As `judge`.
        """
        self.builder.add(start, self.judge(start, end, bare=bare))

    def refuse(self, start: int, end: int, error: FeatureError) -> None:
        """Refuse the feature in start..end of the window."""
        self.close_rejection(self.open_rejection(start, error), end)

    def open_rejection(self, start: int, error: FeatureError) -> OpenRejection:
        """Refuse the feature that starts at `start`; where it ends is told later."""
        end = min(self.window.end, start + self.limits.excerpt_bytes)
        return OpenRejection(self.window.offset + start, error, self.window.bytes(start, end))

    def close_rejection(self, rejection: OpenRejection, end: int) -> None:
        """The refused feature ends at `end` of the window."""
        error, offset = rejection.error, rejection.offset
        length = self.window.offset + end - offset
        data = rejection.data[:length]
        self.builder.reject(
            Rejection(
                self.builder.ordinal,
                find_id(data),
                offset,
                length,
                offset + error.at,
                Reason(error.reason),
                error.detail,
                data,
            )
        )
        self.refused += 1

    def fault(self, error: FeatureError, at: int) -> None:
        """Note a fault of the body itself, at a byte of it."""
        reason = Reason(error.reason)
        self.builder.reject(Rejection(-1, None, 0, 0, at, reason, error.detail))
