"""The features of a collection's array, one after the other, faults kept to themselves.

Belongs here: the loop around the kernel, and what happens where it stops. Not here: the
collection's other members (`shell`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.batch import FeatureBatch
from synthgrid_assets.services.gateway.geojson.body import Body, OpenRejection
from synthgrid_assets.services.gateway.geojson.kernels import features as kernel
from synthgrid_assets.services.gateway.geojson.kernels.words import COMPILED, MARGIN
from synthgrid_assets.services.gateway.geojson.reasons import Reason
from synthgrid_assets.services.gateway.geojson.structure import (
    BROKEN,
    ENDED,
    LONGEST_START,
    MORE,
    Scan,
    next_feature,
)

_COMMA, _CLOSING, _BRACE = b",]{"
_BEHIND_FEATURES = re.compile(rb'[ \t\n\r]*(\}|,[ \t\n\r]*("|$)|$)')
# features without an end overlap: how much of that is looked at, beside the body's size
_MOST_OVERLAP = 64 << 20
_MOST_TIMES = 4


class CollectionLoop:
    """Reads features from the place behind the array's bracket on.

    Parameters
    ----------
    body : Body
    start : int
        That place in the body's window.

    Attributes
    ----------
    place : int
        Where it stands.
    closed : bool
        Whether the array's end was met.
    """

    def __init__(self, body: Body, start: int) -> None:
        self.body = body
        self.place = start
        self.closed = False
        self._expected = kernel.FIRST
        self._separator_told = False
        self._word = (0, 0)  # the last element that was no object: its bytes in the body
        self._overlap = 0  # bytes that were looked at for features that have no end
        self._lost = False  # whether a feature had no end, so that the array's is unknown

    def __iter__(self) -> Iterator[FeatureBatch]:
        body, window = self.body, self.body.window
        while not self.closed:
            how, at = self._parse()
            if how == kernel.CLOSED:
                self._is_stray()
            if body.builder.full(body.chunk):
                yield body.builder.batch()
            if how == kernel.NO_ROOM:
                body.make_room()
            elif how == kernel.CHUNK:
                body.builder.settle()
            elif how == kernel.MORE:
                if not self._more() and window.ended:
                    self._cut_off()
                    return
            elif how == kernel.UNUSUAL:
                fits = window.end - self.place <= body.limits.feature_bytes
                if fits and at + MARGIN > window.end and not window.ended:
                    self._more()
                elif not self._unusual():
                    return
            elif how == kernel.SEPARATOR and not self._separator():
                return

    def _parse(self) -> tuple[int, int]:
        """Let the kernel run: how it ended, and at which byte."""
        body, builder, window = self.body, self.body.builder, self.body.window
        if not COMPILED:
            return self._parse_slowly()
        p, count, written, self._expected, how, at = kernel.collection(
            window.buffer,
            self.place,
            window.end,
            builder.count,
            builder.room(body.chunk),
            body.limits.feature_bytes,
            builder.output,
            builder.written,
            builder.offsets,
            builder.rows,
            builder.boxes,
            body.allowed,
            self._expected,
            builder.scratch,
        )
        builder.took(count, written)
        self.place = p
        self.closed = how == kernel.CLOSED
        return how, at

    def _parse_slowly(self) -> tuple[int, int]:
        """What the kernel does, when every feature is unusual."""
        window = self.body.window
        while self.place < window.end:
            c = window.buffer[self.place]
            if c in b" \t\n\r":
                self.place += 1
            elif self._expected == kernel.NEXT or (
                c != _CLOSING and self._expected == kernel.FIRST
            ):
                return kernel.UNUSUAL, self.place
            elif c == _CLOSING:
                self.place += 1
                self.closed = True
                return kernel.CLOSED, self.place
            elif c == _COMMA:
                self.place += 1
                self._expected = kernel.NEXT
            else:
                return kernel.SEPARATOR, self.place
        return kernel.MORE, self.place

    def _more(self) -> bool:
        if self.body.window.ended:
            return False
        self.body.builder.settle()
        added = self.body.window.more(self.place)
        self.place = 0
        return added

    def _cut_off(self) -> None:
        body, window = self.body, self.body.window
        rest = window.bytes(self.place, window.end).strip()
        if self._expected != kernel.AFTER and rest:
            self._refuse_prefix(window.end)
        elif not self._lost:
            error = FeatureError(Reason.TRUNCATED, "the array of features is not closed")
            body.fault(error, window.offset + window.end)

    def _refuse_prefix(self, end: int) -> None:
        """The rest of the body is one feature that does not end."""
        try:
            self.body.judge(self.place, end, bare=False)
        except FeatureError as error:
            self.body.refuse(self.place, end, error)
        else:  # what it lacks is not seen from within
            cut = FeatureError(Reason.TRUNCATED, "the text ends within a feature")
            self.body.refuse(self.place, end, cut)
        self.place = end

    def _unusual(self) -> bool:
        """The feature at `place` by the strict parser; False when the body is at its end."""
        body, window = self.body, self.body.window
        if window.buffer[self.place] in (_COMMA, _CLOSING):
            return self._separator()
        scan = Scan()
        how, end = scan.feed(window.buffer, self.place, window.end)
        if how == MORE and not window.ended:
            if end - self.place <= body.limits.feature_bytes:
                return self._more() or self._unusual()
            return self._too_large(scan, end)
        if how == MORE and next_feature(window.buffer, self.place + 1, window.end) < 0:
            self._refuse_prefix(window.end)
            return False
        if how == ENDED and end - self.place > body.limits.feature_bytes:
            return self._too_large(scan, end)
        if how == ENDED:
            if window.buffer[self.place] != _BRACE:
                self._word = (window.offset + self.place, window.offset + end)
            return self._whole(end)
        return self._broken(end)

    def _whole(self, end: int) -> bool:
        """The element in place..end; a broken one may have taken in others."""
        body, window = self.body, self.body.window
        try:
            body.accept(self.place, end, bare=False)
        except FeatureError as error:
            syntax = error.reason == Reason.SYNTAX
            if syntax and next_feature(window.buffer, self.place + 1, end) >= 0:
                return self._broken(end - 1)
            body.refuse(self.place, end, error)
        self.place, self._expected = end, kernel.AFTER
        return True

    def _too_large(self, scan: Scan, end: int) -> bool:
        """Skip the rest of a feature beyond the limit, holding one window of it."""
        body, window = self.body, self.body.window
        detail = f"more than {body.limits.feature_bytes} bytes in one feature"
        rejection = body.open_rejection(
            self.place, FeatureError(Reason.FEATURE_TOO_LARGE, detail, end - self.place)
        )
        how = ENDED if scan.state[0] == 0 else MORE
        self.place = end
        while how == MORE and self._more():
            how, self.place = scan.feed(window.buffer, 0, window.end)
        if how == BROKEN:
            return self._go_on(rejection, self.place)
        body.close_rejection(rejection, self.place)
        self._expected = kernel.AFTER
        return how == ENDED

    def _broken(self, at: int) -> bool:
        """Quotes or brackets are out of step at `at`: go on at the next feature."""
        body, window = self.body, self.body.window
        self._overlap += at - self.place
        if self._overlap > _MOST_OVERLAP + _MOST_TIMES * (window.offset + window.end):
            error = FeatureError(Reason.SYNTAX, "features without an end; the rest is not read")
            body.fault(error, window.offset + self.place)
            return False
        error = FeatureError(Reason.SYNTAX, "the quotes or brackets do not match", at - self.place)
        try:
            self.body.judge(self.place, at + 1, bare=False)
        except FeatureError as found:
            if found.reason != Reason.TRUNCATED:
                error = found
        return self._go_on(self.body.open_rejection(self.place, error), self.place + 1)

    def _go_on(self, rejection: OpenRejection, search: int) -> bool:
        """End a refused feature where the next one starts, looked for from `search` on."""
        found = self._find(search)
        self.body.close_rejection(rejection, self.place)
        self._lost = not found
        return found

    def _find(self, search: int) -> bool:
        """Move to the next feature's start, in one window's memory; or to the end of the body."""
        window = self.body.window
        while True:
            found = next_feature(window.buffer, search, window.end)
            if found >= 0:
                self.place, self._expected = found, kernel.NEXT
                return True
            self.place = max(search, window.end - LONGEST_START)
            if not self._more():
                self.place = window.end
                return False
            search = 0

    def _is_stray(self) -> None:
        """Go on when what follows the closing bracket shows that it closes nothing."""
        body, window = self.body, self.body.window
        if not window.ended and window.end - self.place < LONGEST_START:
            self._more()
        rest = window.bytes(self.place, min(window.end, self.place + LONGEST_START))
        if not _BEHIND_FEATURES.match(rest):
            detail = "a bracket closes the features, and no other member follows"
            error = FeatureError(Reason.SYNTAX, detail)
            body.fault(error, window.offset + self.place - 1)
            self.closed, self._expected = False, kernel.AFTER

    def _separator(self) -> bool:
        """What stands at `place` is neither a feature nor the comma or bracket that should."""
        body, window = self.body, self.body.window
        character = window.buffer[self.place]
        if not self._separator_told:
            self._separator_told = True
            wanted = "a feature" if self._expected == kernel.NEXT else "a comma or a bracket"
            detail = f"{bytes([character])!r} stands where {wanted} should"
            error = FeatureError(Reason.SYNTAX, detail)
            body.fault(error, window.offset + self.place)
        if character == _CLOSING:
            self.place += 1
            self.closed = True
            self._is_stray()
        elif character == _COMMA:
            self.place += 1
        elif character == _BRACE:
            self._expected = kernel.NEXT
        else:
            start, end = self._word
            if window.offset <= start < end == window.offset + self.place:
                # a string without its end has taken in the start of the next feature
                return self._find(start - window.offset + 1)
            return self._find(self.place + 1)
        return True
