"""Fixes: where a device was at a time, as columns; the one type that all telemetry becomes.

Belongs here: the columns, their units, Arrow in and out. Not here: the formats that devices
send (`owntracks`, `features`, `arrow_stream`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EARLIEST = 0.0  # 1970
LATEST = 4_102_444_800.0  # 2100; a clock in milliseconds lies far beyond


@dataclass(frozen=True)
class Fix:
    """One fix, as decoders make them.

    Parameters
    ----------
    device : str
    time : float
        Event time: seconds since 1970 in UTC.
    lon, lat : float
        Degrees in WGS 84.
    accuracy, altitude, speed, course : float
        Metres, metres, metres per second, degrees from north; NaN when they were not sent.
    attributes : str
        JSON text of the rest of the message, "" for none.
    """

    device: str
    time: float
    lon: float
    lat: float
    accuracy: float = np.nan
    altitude: float = np.nan
    speed: float = np.nan
    course: float = np.nan
    attributes: str = ""

    def fault(self) -> str:
        """What is impossible about it; "" for nothing."""
        if not self.device:
            return "no device is named"
        if not _EARLIEST <= self.time <= LATEST:
            return f"time {self.time!r} is not in seconds between 1970 and 2100"
        if not (-180 <= self.lon <= 180 and -90 <= self.lat <= 90):
            return f"({self.lon!r}, {self.lat!r}) is no longitude and latitude"
        return ""


@dataclass(frozen=True)
class Fixes:
    """Fixes as columns of one length; units as in `Fix`.

    Parameters
    ----------
    device, attributes : ndarray of str objects, shape (n,)
    time, lon, lat, accuracy, altitude, speed, course : ndarray of float64, shape (n,)

    Examples
    --------
    >>> fixes = Fixes.of([Fix("a", 1.5, 8.0, 47.0)])
    >>> len(fixes), fixes.xy.tolist(), Fixes.from_arrow(fixes.to_arrow()).time.tolist()
    (1, [[8.0, 47.0]], [1.5])
    """

    device: NDArray[np.object_]
    time: NDArray[np.float64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    altitude: NDArray[np.float64]
    speed: NDArray[np.float64]
    course: NDArray[np.float64]
    attributes: NDArray[np.object_]

    @classmethod
    def of(cls, fixes: Sequence[Fix]) -> Fixes:
        """Columns of single fixes."""
        texts = {"device", "attributes"}
        columns = []
        for field in fields(cls):
            kind = object if field.name in texts else np.float64
            columns.append(np.array([getattr(fix, field.name) for fix in fixes], kind))
        return cls(*columns)

    @classmethod
    def joined(cls, parts: Iterable[Fixes]) -> Fixes:
        """Several behind each other."""
        every = [cls.of([]), *parts]
        return cls(
            *(np.concatenate([getattr(one, field.name) for one in every]) for field in fields(cls))
        )

    def __len__(self) -> int:
        return int(self.time.size)

    @property
    def xy(self) -> NDArray[np.float64]:
        """Longitudes and latitudes, shape (n, 2)."""
        return np.column_stack([self.lon, self.lat])

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Fixes:
        """Some of them, in the order of `rows`."""
        return Fixes(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to_arrow(self) -> Any:
        """A table of `FIX_SCHEMA`; what was not sent is null. Times are kept to microseconds."""
        import pyarrow as pa

        from synthgrid_assets.services.gateway.telemetry.fix_schema import FIX_SCHEMA

        columns = []
        for field in FIX_SCHEMA:
            column = getattr(self, field.name)
            if field.name == "time":
                ticks = np.round(column * 1e6).astype(np.int64)
                columns.append(pa.array(ticks, pa.int64()).cast(field.type))
            elif field.name == "attributes":
                columns.append(pa.array([text or None for text in column], pa.string()))
            elif field.name == "device":
                columns.append(pa.array(column, pa.string()))
            else:
                columns.append(pa.array(column, mask=np.isnan(column)))
        return pa.table(columns, schema=FIX_SCHEMA)

    @classmethod
    def from_arrow(cls, table: Any) -> Fixes:
        """The fixes of a table that `to_arrow` made."""
        import pyarrow as pa

        columns = []
        for name in (field.name for field in fields(cls)):
            column = table.column(name)
            if name == "time":
                columns.append(column.cast(pa.int64()).to_numpy() / 1e6)
            elif name in ("device", "attributes"):
                texts = [text or "" for text in column.to_pylist()]
                columns.append(np.array(texts, object))
            else:
                columns.append(column.cast(pa.float64()).to_numpy().astype(np.float64))
        return cls(*columns)
