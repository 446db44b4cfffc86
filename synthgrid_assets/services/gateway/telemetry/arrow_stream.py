"""Fixes as an Arrow IPC stream.

Belongs here: the columns that a stream must and may have. Not here: files of landed fixes.
"""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.services.gateway.geojson.reasons import Reason
from synthgrid_assets.services.gateway.telemetry.decoded import Decoded, Gathering
from synthgrid_assets.services.gateway.telemetry.fix_schema import FIX_SCHEMA
from synthgrid_assets.services.gateway.telemetry.fixes import LATEST, Fixes

_NEEDED = ("device", "time", "lon", "lat")
_FIGURES = ("accuracy", "altitude", "speed", "course")


def decode_arrow_stream(body: bytes, limit: int) -> Decoded:
    """Decode a stream; never raises.

    Columns `device` (text, or a dictionary of texts), `time` (a timestamp with or without
    zone, which is UTC, or seconds as numbers), `lon` and `lat` are needed; `accuracy`,
    `altitude`, `speed` and `course` may be there; others become attributes.

    Parameters
    ----------
    body : bytes
    limit : int
        Rows, and also bytes of decompressed columns, that a body may have at most (the latter
        256 times).

    Examples
    --------
    >>> sink = pa.BufferOutputStream()
    >>> table = pa.table({"device": ["a"], "time": [1.5], "lon": [8.0], "lat": [47.0]})
    >>> with pa.ipc.new_stream(sink, table.schema) as writer:
    ...     writer.write_table(table)
    >>> decode_arrow_stream(sink.getvalue().to_pybytes(), 1000).fixes.time.tolist()
    [1.5]
    """
    gathering = Gathering()
    parts: list[Fixes] = []
    rows = size = 0
    try:
        with pa.ipc.open_stream(body) as stream:
            for batch in stream:
                batch.validate(full=True)
                rows, size = rows + batch.num_rows, size + batch.nbytes
                if rows > limit or size > 256 * limit:
                    detail = f"more than {limit} rows, or {256 * limit} bytes of them"
                    gathering.refuse(-1, b"", Reason.FEATURE_TOO_LARGE, detail)
                    break
                parts.append(_fixes(gathering, batch, rows - batch.num_rows))
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        gathering.refuse(-1, body, Reason.SYNTAX, f"no Arrow stream of fixes: {error}")
    if any(one.ordinal < 0 for one in gathering.rejections):
        parts = []  # a fault of the body is the body's: its sender sends it again
    return Decoded(Fixes.joined(parts), 0, tuple(gathering.rejections))


def _fixes(gathering: Gathering, batch: pa.RecordBatch, first: int) -> Fixes:
    missing = [name for name in _NEEDED if name not in batch.schema.names]
    if missing:
        raise pa.ArrowInvalid(f"there is no column {', '.join(missing)}")
    empty = np.full(batch.num_rows, np.nan)
    figures = [
        _numbers(batch.column(name)) if name in batch.schema.names else empty for name in _FIGURES
    ]
    device = batch.column("device").cast(pa.string())
    found = Fixes(
        np.array([text or "" for text in device.to_pylist()], object),
        _seconds(batch.column("time")),
        _numbers(batch.column("lon")),
        _numbers(batch.column("lat")),
        figures[0],
        figures[1],
        figures[2],
        figures[3],
        _attributes(batch),
    )
    kept = np.ones(batch.num_rows, bool)
    for row in np.flatnonzero(~_possible(found)).tolist():
        kept[row] = False
        text = json.dumps(batch.slice(row, 1).to_pylist()[0], default=str)
        detail = f"device, time or place is missing or impossible: {text[:300]}"
        gathering.refuse(first + row, text.encode(), Reason.BAD_POSITION, detail)
    return found.take(kept)


def _possible(fixes: Fixes) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        sound = (fixes.time >= 0) & (fixes.time <= LATEST)
        sound &= (np.abs(fixes.lon) <= 180) & (np.abs(fixes.lat) <= 90)
    return np.asarray(sound & (fixes.device != ""))


def _numbers(column: pa.Array) -> NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _seconds(column: pa.Array) -> NDArray[np.float64]:
    if not pa.types.is_timestamp(column.type):
        return _numbers(column)
    ticks = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
    # to microseconds, and past Arrow's own cast: that refuses nanoseconds of today as floats
    return np.asarray(ticks.to_numpy(zero_copy_only=False), np.float64) / 1e6


def _attributes(batch: pa.RecordBatch) -> NDArray[np.object_]:
    rest = [name for name in batch.schema.names if name not in FIX_SCHEMA.names]
    if "attributes" in batch.schema.names and not rest:
        texts = batch.column("attributes").cast(pa.string()).to_pylist()
        return np.array([text or "" for text in texts], object)
    if not rest:
        return np.full(batch.num_rows, "", object)
    lines = batch.select(rest).to_pylist()
    return np.array([json.dumps(line, default=str, ensure_ascii=False) for line in lines], object)
