"""`FeatureReader`: a GeoJSON body of any size as batches of features.

Belongs here: what kind of body it is, and its order of events. Not here: the loops over
features (`collection`, `sequence`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from synthgrid_assets.errors import CrsAfterFeaturesError, FeatureError
from synthgrid_assets.services.gateway.geojson.batch import FeatureBatch
from synthgrid_assets.services.gateway.geojson.body import Body
from synthgrid_assets.services.gateway.geojson.collection import CollectionLoop
from synthgrid_assets.services.gateway.geojson.reasons import Limits, Reason
from synthgrid_assets.services.gateway.geojson.reference_systems import (
    CRS84,
    named_crs,
    resolved,
)
from synthgrid_assets.services.gateway.geojson.sequence import (
    LINE_FEED,
    RECORD_SEPARATOR,
    SequenceLoop,
)
from synthgrid_assets.services.gateway.geojson.shell import (
    SINGLE,
    UNDECIDED,
    features_start,
    judge_head,
    judge_shell,
)
from synthgrid_assets.services.gateway.geojson.strict import ABSENT, parse_feature
from synthgrid_assets.services.gateway.geojson.structure import ENDED, Scan
from synthgrid_assets.services.gateway.geojson.window import ByteWindow, Source

_MARK = b"\xef\xbb\xbf"


class FeatureReader:
    """Iterates over a body's features, batch by batch, at constant memory.

    Faults never raise: a refused feature stands in the `rejections` of the batch in which it
    was met, with the byte and the reason, and its neighbours are kept. A fault of the body
    itself (a collection that is not closed, text behind its end) has the ordinal -1.

    Parameters
    ----------
    source : binary file or iterable of bytes
        A FeatureCollection, a Feature, a geometry or a GeoJSON text sequence, decoded.
    sequence : bool
        Whether lines are features; a body that starts with a record separator is a sequence
        without being told.
    crs : str, optional
        Reference system of the coordinates where the body names none; `CRS84` by default.
    limits : Limits
    chunk : int
        Features of a batch, at most; may be set anew between batches. A batch also ends at
        about 4 MiB.
    window : int
        Bytes read at once.

    Attributes
    ----------
    single : bool
        Whether the body was found to be one Feature or geometry, or nothing that can be read.

    Raises
    ------
    CrsAfterFeaturesError
        While iterating, when a member behind the features names another reference system.

    Notes
    -----
    A byte-order mark at the start is skipped (RFC 8259, 8.1). Foreign members of features are
    judged and left out.

    References
    ----------
    Butler et al. (2016), RFC 7946; Gillies (2017), RFC 8142; Bray (2015), RFC 7493.

    Examples
    --------
    >>> text = b'{"type": "Feature", "id": 7, "geometry": null, "properties": {"a": 1.50}}'
    >>> [batch] = FeatureReader([text])
    >>> batch.ids.to_pylist(), batch.properties.to_pylist(), batch.geometry.null_count
    (['7'], ['{"a": 1.50}'], 1)
    """

    def __init__(
        self,
        source: Source,
        *,
        sequence: bool = False,
        crs: str | None = None,
        limits: Limits | None = None,
        chunk: int = 4096,
        window: int = 1 << 20,
    ) -> None:
        named = CRS84 if crs is None else resolved(crs)
        self._body = Body(ByteWindow(source, window), limits or Limits(), named, chunk)
        self._sequence = sequence
        self.single = False

    @property
    def chunk(self) -> int:
        """Features of a batch, at most."""
        return self._body.chunk

    @chunk.setter
    def chunk(self, features: int) -> None:
        self._body.chunk = features

    @property
    def crs(self) -> str:
        """Reference system of the coordinates; certain once the first batch was read."""
        return self._body.crs

    @property
    def accepted(self) -> int:
        """Features that batches held, or will."""
        return self._body.builder.accepted

    @property
    def rejected(self) -> int:
        """Features that were refused."""
        return self._body.refused

    @property
    def bytes_read(self) -> int:
        """How far into the body it has come."""
        return self._body.window.offset + self._body.window.end

    def __iter__(self) -> Iterator[FeatureBatch]:
        body, window = self._body, self._body.window
        window.more(0)
        start = 3 if window.bytes(0, 3) == _MARK else 0
        while window.bytes(start, window.end).isspace() and window.more(window.end):
            start = 0
        first = window.bytes(start, window.end).lstrip(b" \t\n\r")
        if not first:
            body.fault(FeatureError(Reason.EMPTY_BODY, "nothing but white space"), 0)
        elif first[0] == RECORD_SEPARATOR:
            behind = window.end - len(first) + 1
            yield from SequenceLoop(body, behind, RECORD_SEPARATOR)
        elif self._sequence:
            yield from SequenceLoop(body, start, LINE_FEED)
        else:
            yield from self._document(start)
        last = body.builder.batch()
        if len(last) or last.rejections:
            yield last

    def _document(self, start: int) -> Iterator[FeatureBatch]:
        """One JSON text."""
        body, window = self._body, self._body.window
        if start:
            window.more(start)
        while True:
            place = features_start(window.buffer, window.end, window.ended)
            if place == UNDECIDED and window.end > body.limits.shell_bytes:
                place = SINGLE
            if place != UNDECIDED:
                break
            window.more(0)
        if place == SINGLE:
            self._single()
            return
        head = window.bytes(0, place)
        report = judge_head(head, body.limits.depth)
        if report.fault is not None:
            body.fault(report.fault, window.offset + report.fault.at)
        elif report.crs is not ABSENT and not self._adopt(report.crs):
            return
        loop = CollectionLoop(body, place)
        yield from loop
        if loop.closed:
            self._tail(head, loop.place, report.fault is not None)

    def _adopt(self, member: object) -> bool:
        """Take up a `crs` member; False when the coordinates' system stays unknown."""
        try:
            self._body.in_crs(named_crs(member))
        except FeatureError as error:
            self._body.fault(error, 0)
            return False
        return True

    def _tail(self, head: bytes, place: int, judged: bool) -> None:
        """What follows the features: the collection's other members, and nothing more."""
        body, window = self._body, self._body.window
        body.builder.settle()
        while window.end - place <= body.limits.shell_bytes and not window.ended:
            window.more(place)
            place = 0
        offset = window.offset + place - 1
        tail = b"]" + window.bytes(place, min(window.end, place + body.limits.shell_bytes + 1))
        report = judge_shell(head, tail, offset, body.limits)
        if report.fault is not None and not judged:
            body.fault(report.fault, report.fault.at)
        if report.crs is not ABSENT:
            try:
                crs = named_crs(report.crs)
            except FeatureError as error:
                body.fault(error, offset)
                return
            if crs != body.crs:
                message = f"`crs` behind the features names {crs}; read again with crs={crs!r}"
                raise CrsAfterFeaturesError(message, crs)

    def _single(self) -> None:
        """A text that is one Feature or geometry, or nothing that can be read."""
        self.single = True
        body, window = self._body, self._body.window
        while window.end <= body.limits.feature_bytes and window.more(0):
            pass
        if window.end > body.limits.feature_bytes:
            detail = f"more than {body.limits.feature_bytes} bytes in one feature"
            body.refuse(0, window.end, FeatureError(Reason.FEATURE_TOO_LARGE, detail))
            return
        how, end = Scan().feed(window.buffer, 0, window.end)
        if how != ENDED:
            end = window.end
        rest = window.bytes(end, window.end)
        opened = window.bytes(0, end).lstrip(b" \t\n\r")[:1] in (b"{", b"[")
        if opened and rest.strip(b" \t\n\r"):  # prose has no first value that text could follow
            at = window.offset + window.end - len(rest.lstrip(b" \t\n\r"))
            body.fault(FeatureError(Reason.TRAILING_DATA, "text follows the first value"), at)
        if not self._own_crs(end):
            return
        places = np.array([0]), np.array([end])
        loop = SequenceLoop(body, 0, LINE_FEED)
        record = 0
        while record < 1:
            record = loop.parse(*places, record)

    def _own_crs(self, end: int) -> bool:
        """Take up the old-style `crs` member of a single Feature or geometry."""
        data = self._body.window.bytes(0, end)
        if b'"crs"' not in data:
            return True
        try:
            anywhere = (-np.inf, -np.inf, np.inf, np.inf)
            crs = parse_feature(data, anywhere, self._body.limits.depth, True).crs
        except FeatureError:
            return True  # refused with its reason when it is read
        return crs is ABSENT or self._adopt(crs)
