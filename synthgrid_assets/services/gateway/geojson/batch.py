"""Features that were read, as columns, and the builder that fills them.

Belongs here: `FeatureBatch` and its making from kernel output and strict features. Not here:
who decides what is a feature (`collection`, `sequence`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.services.gateway.geojson.kernels.coordinates import SLACK
from synthgrid_assets.services.gateway.geojson.kernels.features import (
    COLUMNS,
    END,
    ID,
    ID_END,
    NOTES,
    ORDINAL,
    PROPERTIES,
    PROPERTIES_END,
    START,
)
from synthgrid_assets.services.gateway.geojson.kernels.names import OUTER_SHAPE
from synthgrid_assets.services.gateway.geojson.kernels.values import NAMES_SHAPE, STACK_SHAPE
from synthgrid_assets.services.gateway.geojson.reasons import Rejection
from synthgrid_assets.services.gateway.geojson.strict import StrictFeature
from synthgrid_assets.services.gateway.geojson.window import ByteWindow

_FULL_BYTES = 4 << 20  # a batch is closed at this size, however few features it has
_ROWS = 4096  # features between two settlements


@dataclass(frozen=True)
class FeatureBatch:
    """Features of one body in their order, as columns of one length n.

    Parameters
    ----------
    ordinals, offsets, lengths : ndarray of int64, shape (n,)
        Place among the body's features, first byte and bytes in the decoded body.
    ids : pyarrow.StringArray
        JSON text of `id`; null when absent.
    geometry : pyarrow.BinaryArray
        ISO WKB; null for a feature without a place.
    properties : pyarrow.StringArray
        JSON text of `properties` as it was sent, so that no number is rounded; null when
        absent or null.
    bounds : ndarray of float64, shape (n, 4)
        West, south, east, north; NaN without a geometry.
    notes : ndarray of int64, shape (n,)
        `Note` flags.
    rejections : tuple of Rejection
        What was refused since the batch before.
    """

    ordinals: NDArray[np.int64]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    ids: pa.StringArray
    geometry: pa.BinaryArray
    properties: pa.StringArray
    bounds: NDArray[np.float64]
    notes: NDArray[np.int64]
    rejections: tuple[Rejection, ...]

    def __len__(self) -> int:
        return int(self.ordinals.size)


@njit(cache=True)
def _gather(b, starts, ends, places, out):
    for k in range(starts.shape[0]):
        place = places[k]
        for p in range(starts[k], ends[k]):
            out[place] = b[p]
            place += 1


def _texts(b: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> pa.Array:
    places = np.zeros(starts.size + 1, np.int32)
    np.cumsum(ends - starts, out=places[1:])
    out = np.empty(int(places[-1]), np.uint8)
    _gather(b, starts, ends, places, out)
    return _binary(pa.string(), places, out, ends > 0)


def _binary(
    kind: pa.DataType, places: NDArray[np.int32], out: NDArray[np.uint8], valid: NDArray[np.bool_]
) -> pa.Array:
    bitmap = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [bitmap, pa.py_buffer(places), pa.py_buffer(out)]
    return pa.Array.from_buffers(kind, valid.size, buffers)


class BatchBuilder:
    """Gathers features until a batch is full.

    Rows point into the window, so they are settled (copied out) before the window moves.

    Parameters
    ----------
    window : ByteWindow
    """

    def __init__(self, window: ByteWindow) -> None:
        self.window = window
        self.rows = np.zeros((_ROWS, COLUMNS), np.int64)
        self.boxes = np.zeros((_ROWS, 4))
        self.offsets = np.zeros(_ROWS + 1, np.int32)
        self.output = np.empty(max(window.buffer.size, 16 * SLACK), np.uint8)
        self.scratch = (
            np.zeros(STACK_SHAPE, np.int64),
            np.zeros(NAMES_SHAPE, np.int64),
            np.zeros(OUTER_SHAPE, np.int64),
            np.zeros(OUTER_SHAPE, np.int64),
        )
        self.count = 0  # rows that are filled
        self.written = 0  # bytes of output
        self.ordinal = 0  # of the next feature
        self.accepted = 0
        self.rejections: list[Rejection] = []
        self._pieces: list[FeatureBatch] = []
        self._held = 0
        self._bytes = 0

    def room(self, chunk: int) -> int:
        """How many rows there may be, as far as the batch and the table go."""
        return min(_ROWS, chunk - self._held)

    def full(self, chunk: int) -> bool:
        """Whether a batch of `chunk` features, or of a few megabytes, is there."""
        pending = self._bytes + self.written
        return self._held + self.count >= chunk or pending >= _FULL_BYTES

    def took(self, count: int, written: int) -> None:
        """The kernel filled rows up to `count` and output up to `written`."""
        added = count - self.count
        ordinals = np.arange(self.ordinal, self.ordinal + added)
        self.rows[self.count : count, ORDINAL] = ordinals
        self.ordinal += added
        self.accepted += added
        self.count, self.written = count, written

    def grow(self) -> None:
        """Twice the output."""
        grown = np.empty(2 * self.output.size, np.uint8)
        grown[: self.written] = self.output[: self.written]
        self.output = grown

    def add(self, start: int, feature: StrictFeature) -> None:
        """A feature of the strict parser, whose text starts at `start` of the window."""
        if self.count == _ROWS:
            self.settle()
        row, wkb = self.rows[self.count], feature.wkb or b""
        while self.output.size - self.written < len(wkb) + SLACK:
            self.grow()
        row[START], row[END] = start, start + feature.end
        row[ID], row[ID_END] = _shifted(start, feature.identity)
        row[PROPERTIES], row[PROPERTIES_END] = _shifted(start, feature.properties)
        row[NOTES] = int(feature.notes)
        self.boxes[self.count] = feature.box
        written = self.written + len(wkb)
        self.output[self.written : written] = np.frombuffer(wkb, np.uint8)
        self.offsets[self.count + 1] = written
        self.took(self.count + 1, written)

    def reject(self, rejection: Rejection) -> None:
        """A refused feature takes an ordinal; a fault of the body does not."""
        self.rejections.append(rejection)
        self.ordinal += rejection.ordinal >= 0

    def settle(self) -> None:
        """Copy what the rows point to, so that the window may move."""
        if self.count == 0:
            return
        rows = self.rows[: self.count].copy()
        boxes = self.boxes[: self.count].copy()
        boxes[boxes[:, 0] > boxes[:, 2]] = np.nan
        places = self.offsets[: self.count + 1].copy()
        buffer = self.window.buffer
        piece = FeatureBatch(
            rows[:, ORDINAL],
            rows[:, START] + self.window.offset,
            rows[:, END] - rows[:, START],
            _texts(buffer, rows[:, ID], rows[:, ID_END]),
            _binary(pa.binary(), places, self.output[: self.written].copy(), np.diff(places) > 0),
            _texts(buffer, rows[:, PROPERTIES], rows[:, PROPERTIES_END]),
            boxes,
            rows[:, NOTES],
            (),
        )
        self._pieces.append(piece)
        self._held += self.count
        self._bytes += self.written + piece.properties.nbytes
        self.count = self.written = 0

    def batch(self) -> FeatureBatch:
        """Everything since the last batch; the builder starts anew."""
        self.settle()
        pieces, self._pieces = self._pieces or [_EMPTY], []
        rejections, self.rejections = tuple(self.rejections), []
        self._held = self._bytes = 0
        if len(pieces) == 1:
            return replace(pieces[0], rejections=rejections)
        columns = zip(*map(_columns, pieces), strict=True)
        joined: list[Any] = [*map(_joined, columns), rejections]
        return FeatureBatch(*joined)


def _shifted(start: int, span: tuple[int, int]) -> tuple[int, int]:
    return (start + span[0], start + span[1]) if span[1] else (0, 0)


def _columns(batch: FeatureBatch) -> tuple[Any, ...]:
    return (
        batch.ordinals,
        batch.offsets,
        batch.lengths,
        batch.ids,
        batch.geometry,
        batch.properties,
        batch.bounds,
        batch.notes,
    )


def _joined(parts: tuple[Any, ...]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return pa.concat_arrays(parts)


_EMPTY = FeatureBatch(
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    pa.array([], pa.string()),
    pa.array([], pa.binary()),
    pa.array([], pa.string()),
    np.zeros((0, 4)),
    np.zeros(0, np.int64),
    (),
)
