"""``[layers.NAME.tracks]``: how the points of a layer move.

Belongs here: the tables of the world file, and what cannot be. Not here: itineraries and noise
(`products.tracks`).
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from synthgrid_assets.inputs.table_base import Flag, Measure, Model
from synthgrid_assets.processes.marks.times import Instant

NotNegative = Annotated[float, Field(ge=0, le=1e6)]
Share = Annotated[float, Field(ge=0, lt=1)]
FARTHEST = 200.0  # cells that a way may lead from home
MOST_FIXES = 100_000  # of one device
CLOCKS = 10.0  # standard deviations that a clock is off at most
MOST_ROWS = 20_000_000  # of one tile, expected


class NoiseTable(Model):
    """``noise = { white = 3.0, drift = 4.0, drift_time = 60.0 }``: what a receiver adds.

    Parameters
    ----------
    white : float
        Metres, standard deviation along each axis of an error of each fix's own.
    drift : float
        Metres, standard deviation along each axis of an error that fades from fix to fix
        (Ornstein and Uhlenbeck's process).
    drift_time : float
        Seconds in which its correlation falls to 1/e.
    outliers : float
        Share of fixes with one more error, as by reflections.
    outlier : float
        Metres, standard deviation of that error along each axis.
    clock : float
        Seconds, standard deviation of the offset of each device's clock.
    """

    white: NotNegative = 0.0
    drift: NotNegative = 0.0
    drift_time: Measure = 60.0
    outliers: Share = 0.0
    outlier: NotNegative = 50.0
    clock: Annotated[float, Field(ge=0, le=3600)] = 0.0


class GapsTable(Model):
    """``gaps = { share = 0.05, length = 120.0 }``: fixes that never come.

    Parameters
    ----------
    share : float
        Of all fixes.
    length : float
        Seconds of a gap, on average.
    """

    share: Share
    length: Measure


class TracksTable(Model):
    """``[layers.NAME.tracks]``: each point is the home of a device that walks.

    Parameters
    ----------
    start : datetime
        Of the first fix, UTC unless it says otherwise.
    duration, every : float
        Seconds from the first fix to the end, and from one fix to the next.
    range : float
        Metres from home within which destinations lie.
    speed : float or (float, float)
        Metres per second along the straight way; two numbers are the ends of a uniform law,
        of which each trip draws.
    stay : float
        Seconds of a stay, on average (exponential).
    home : float
        Probability that a trip leads home.
    bend : float
        A trip's path leaves the straight line by up to this share of its length.
    visits : bool
        Whether destinations are the points of the layer that this one is near; otherwise they
        are anywhere within the range.
    noise : NoiseTable or None
    gaps : GapsTable or None
    """

    start: Instant
    duration: Measure
    every: Annotated[float, Field(ge=0.001, le=86_400)]
    range: Measure
    speed: Measure | tuple[Measure, Measure] = (0.8, 1.6)
    stay: Measure = 900.0
    home: Annotated[float, Field(ge=0, le=1)] = 0.3
    bend: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    visits: Flag = False
    noise: NoiseTable | None = None
    gaps: GapsTable | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if isinstance(self.speed, tuple) and self.speed[0] > self.speed[1]:
            raise ValueError("speed: the first number must not be above the second")
        if self.fixes > MOST_FIXES:
            raise ValueError(
                f"duration: {self.fixes:,} fixes of a device, at most {MOST_FIXES:,} are possible; "
                "use a shorter duration or a longer every"
            )
        if self.every > self.duration:
            raise ValueError("every: longer than the duration, so no device moves; give less")
        room = timedelta(seconds=CLOCKS * self.receiver.clock)
        try:
            assert self.start - room < self.start + timedelta(seconds=self.duration) + room
        except OverflowError as error:
            raise ValueError(
                "start: the first and the last fix by any device's clock must lie in the years 1 "
                "to 9999, beyond which no reader has times; begin later, or earlier"
            ) from error
        return self

    @property
    def fixes(self) -> int:
        """Fixes of a device, those in gaps counted."""
        return math.ceil(self.duration / self.every)

    @property
    def receiver(self) -> NoiseTable:
        """What is added to true positions; nothing where the file says nothing."""
        return NoiseTable() if self.noise is None else self.noise

    @property
    def speeds(self) -> tuple[float, float]:
        """The slowest and the fastest trip, metres per second."""
        return self.speed if isinstance(self.speed, tuple) else (self.speed, self.speed)

    @property
    def fastest(self) -> float:
        """Metres per second that no device exceeds, along its bent path."""
        return self.speeds[1] * math.hypot(1.0, math.pi * self.bend)


def tracks_mistake(
    table: TracksTable, cell: float, near_layer: str | None, points_in_a_tile: float
) -> tuple[str, str] | None:
    """The key and the message of what cannot be; None where all can.

    Parameters
    ----------
    table : TracksTable
    cell : float
        Side of an atom cell in metres.
    near_layer : str or None
        The layer that this one is near.
    points_in_a_tile : float
        Expected, at most; NaN where it is not known.
    """
    if table.range > FARTHEST * cell:
        return ".range", (
            f"{table.range:.6g} m is more than {FARTHEST:.0f} cells of {cell!r} m; use a shorter "
            "range or a larger world.cell"
        )
    if table.visits and near_layer is None:
        return ".visits", (
            "needs a layer to visit: the one that this layer is near, as "
            'near = { layer = "cafes", within = 1500.0 }'
        )
    if points_in_a_tile * table.fixes > MOST_ROWS:
        return "", (
            f"about {points_in_a_tile * table.fixes:,.0f} fixes in a tile, at most {MOST_ROWS:,} "
            "fit; use a smaller world.tile, fewer points, a shorter duration or a longer every"
        )
    return None
