"""GeoJSON text sequences: one text a record (RFC 8142), or one a line.

Belongs here: finding records, and the loop around the kernel. Not here: what a record says
(`strict`).

A record separator or a line feed cannot occur inside a sound JSON string, so a fault ends with
its record.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.batch import FeatureBatch
from synthgrid_assets.services.gateway.geojson.body import Body
from synthgrid_assets.services.gateway.geojson.kernels import features as kernel
from synthgrid_assets.services.gateway.geojson.kernels.words import COMPILED
from synthgrid_assets.services.gateway.geojson.reasons import Reason

LINE_FEED, RECORD_SEPARATOR = 10, 30


class SequenceLoop:
    """Reads records from a place on.

    Parameters
    ----------
    body : Body
    start : int
        In the body's window; behind the first record separator, where there are such.
    separator : int
        `LINE_FEED` or `RECORD_SEPARATOR`.
    """

    def __init__(self, body: Body, start: int, separator: int) -> None:
        self.body = body
        self.place = start
        self.separator = separator

    def __iter__(self) -> Iterator[FeatureBatch]:
        body, window = self.body, self.body.window
        while True:
            starts, ends = self._records()
            first = 0
            while first < starts.size:
                first = self.parse(starts, ends, first)
                if body.builder.full(body.chunk):
                    yield body.builder.batch()
            if window.ended:
                return
            if window.end - self.place > body.limits.feature_bytes:
                self._too_large()
            body.builder.settle()
            window.more(self.place)
            self.place = 0

    def _records(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Starts and ends of the records that are whole in the window; `place` moves on."""
        window = self.body.window
        view = window.buffer[self.place : window.end]
        ends = np.flatnonzero(view == self.separator) + self.place
        if window.ended:
            ends = np.append(ends, window.end)
        starts = np.append(self.place, ends[:-1] + 1) if ends.size else ends
        self.place = int(ends[-1]) + 1 if ends.size else self.place
        return starts, ends

    def parse(self, starts: NDArray[np.int64], ends: NDArray[np.int64], first: int) -> int:
        """Read records from `first` on; the one to go on with."""
        body, builder = self.body, self.body.builder
        how = kernel.UNUSUAL
        if COMPILED:
            first, count, written, how, _ = kernel.records(
                body.window.buffer,
                starts,
                ends,
                first,
                builder.count,
                builder.room(body.chunk),
                builder.output,
                builder.written,
                builder.offsets,
                builder.rows,
                builder.boxes,
                body.allowed,
                builder.scratch,
            )
            builder.took(count, written)
        if how == kernel.UNUSUAL:
            start, end = int(starts[first]), int(ends[first])
            if end - start > body.limits.feature_bytes:
                detail = f"more than {body.limits.feature_bytes} bytes in one feature"
                body.refuse(start, end, FeatureError(Reason.FEATURE_TOO_LARGE, detail))
            elif body.window.bytes(start, end).strip(b" \t\n\r"):
                body.take(start, end, bare=True)
            return first + 1
        if how == kernel.NO_ROOM:
            body.make_room()
        elif how == kernel.CHUNK:
            builder.settle()
        return first

    def _too_large(self) -> None:
        """Skip the rest of a record beyond the limit, holding one window of it."""
        body, window = self.body, self.body.window
        detail = f"more than {body.limits.feature_bytes} bytes in one feature"
        error = FeatureError(Reason.FEATURE_TOO_LARGE, detail, window.end - self.place)
        rejection = body.open_rejection(self.place, error)
        body.builder.settle()
        self.place = window.end
        while window.more(self.place):
            found = np.flatnonzero(window.buffer[: window.end] == self.separator)
            self.place = int(found[0]) if found.size else window.end
            if found.size:
                break
        else:
            self.place = window.end
        body.close_rejection(rejection, self.place)
        self.place = min(self.place + 1, window.end)
