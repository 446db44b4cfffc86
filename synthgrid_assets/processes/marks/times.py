"""Marks that are instants.

Belongs here: the law ``timestamp``. Not here: calendars; a range is uniform.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BeforeValidator, model_validator

from synthgrid_assets.inputs.table_base import Model
from synthgrid_assets.lattice.seeding import wide_product
from synthgrid_assets.processes.marks.law import Blocks, Ends, Given, Law
from synthgrid_assets.processes.marks.numbers import Parameter, Span
from synthgrid_assets.storage.formats.columns import column_array, column_values

TIMESTAMP = pa.timestamp("us", "UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _instant(value: object) -> datetime:
    """A TOML date or time, or ISO text, in UTC; without an offset it is UTC already."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError("not an ISO date and time, like 2026-01-31T12:00:00Z") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise ValueError("give a date and time, like 2026-01-31T12:00:00Z")
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("beyond the years 1 to 9999 in UTC") from error


Instant = Annotated[datetime, BeforeValidator(_instant)]


class TimestampTable(Model):
    """``start`` and ``end``: TOML dates and times or ISO text, UTC unless they say otherwise."""

    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _ordered(self) -> TimestampTable:
        if not self.start < self.end:
            raise ValueError("end: empty range; give start before end")
        return self


class Timestamp(Law):
    """``{ timestamp = { start = 2026-01-01, end = 2027-01-01 } }``: uniform, half-open.

    Parameters
    ----------
    timestamp : TimestampTable
    """

    column_type: ClassVar[str] = "timestamp[us, UTC]"

    timestamp: TimestampTable

    def parameters(self) -> tuple[Parameter, ...]:
        """None: times depend on nothing."""
        return ()

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.int64]:
        """Microseconds since 1970: the high word of the range times the random word."""
        start, length = self._range()
        high, _ = wide_product(np.uint64(length), blocks(0)[0])
        return high.astype(np.int64) + start

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """A step at each microsecond."""
        start, length = self._range()
        below, up_to = values - start, values - start + 1
        return np.clip(below / length, 0.0, 1.0), np.clip(up_to / length, 0.0, 1.0)

    def span(self, spans: Mapping[str, Span]) -> None:
        """No number can depend on a time."""
        return None

    def column(self, values: NDArray[Any]) -> pa.Array:
        """Timestamps in UTC."""
        return column_array(values).cast(TIMESTAMP)

    def values(self, column: pa.ChunkedArray) -> NDArray[Any]:
        """Microseconds since 1970."""
        read: NDArray[Any] = column_values(column.cast(pa.int64()))
        return read

    def _range(self) -> tuple[int, int]:
        """Start and length in microseconds, exactly."""
        start = (self.timestamp.start - _EPOCH) // _MICROSECOND
        return start, (self.timestamp.end - self.timestamp.start) // _MICROSECOND
