"""What a satellite receiver makes of true positions: errors, gaps, and a clock of its own.

Belongs here: noise on the lattice, and which fixes are lost. Not here: where devices are
(`itinerary`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.lattice.exact_math import cos_sin, dexp, rayleigh
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.products.tracks.itinerary import Whereabouts, device_words, uniform
from synthgrid_assets.world.tables.tracks import TracksTable

_FIX, _FIRST, _ODD = (np.uint64(use << 60) for use in (2, 3, 4))  # beside a fix's number


@dataclass(frozen=True, eq=False)
class Received:
    """What arrives of each device and fix.

    Parameters
    ----------
    x, y : ndarray of int64, shape (n, fixes)
        Reported positions in quanta.
    offset : ndarray of int64, shape (n,)
        Microseconds that each device's clock is ahead.
    lost : ndarray of bool, shape (n, fixes)
        Fixes in gaps.
    outlier : ndarray of bool, shape (n, fixes)
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    offset: NDArray[np.int64]
    lost: NDArray[np.bool_]
    outlier: NDArray[np.bool_]


def receive(
    homes: PointPattern, true: Whereabouts, table: TracksTable, key: Key, cell_metres: float
) -> Received:
    """Reported positions, times and gaps of devices.

    Parameters
    ----------
    homes : PointPattern
    true : Whereabouts
        Of the same devices.
    table : TracksTable
    key : tuple of two uint64
        Stream key of the tracks; the words are others than those of trips.
    cell_metres : float

    Notes
    -----
    The drift is stationary from the first fix on and exact at any interval: its next value is
    ``rho`` times the last one and a normal innovation of variance ``1 - rho**2``,
    ``rho = exp(-every / drift_time)`` (Uhlenbeck and Ornstein 1930, Physical Review 36). Gaps
    are a Markov chain of two states in its stationary law.
    """
    noise, quanta = table.receiver, CELL / cell_metres
    rho = dexp(-min(table.every / noise.drift_time, 700.0))
    stop, start = _chances(table)
    x, y = np.empty_like(true.x), np.empty_like(true.y)
    lost, outlier = np.empty(x.shape, np.bool_), np.empty(x.shape, np.bool_)
    offset = np.empty(len(homes), np.int64)
    _disturb(
        homes.x, homes.y, homes.birth, key, true.x, true.y,
        (noise.white * quanta, noise.drift * quanta, noise.outlier * quanta, noise.clock * 1e6),
        (rho, math.sqrt(1.0 - rho * rho), noise.outliers),
        (0.0 if table.gaps is None else table.gaps.share, start, stop),
        (x, y, offset, lost, outlier),
    )  # fmt: skip
    return Received(x, y, offset, lost, outlier)


def _chances(table: TracksTable) -> tuple[float, float]:
    """Probabilities that a gap ends, and that one begins, from one fix to the next."""
    if table.gaps is None:
        return 1.0, 0.0
    share, stop = table.gaps.share, min(1.0, table.every / table.gaps.length)
    return stop, min(1.0, stop * share / (1.0 - share))


@njit(cache=True)
def _disturb(home_x, home_y, birth, key, true_x, true_y, sds, law, gaps, out):
    """Fill what arrives, device by device and fix by fix."""
    white, drift, far, clock = sds
    rho, innovation, odd = law
    share, start, stop = gaps
    x, y, offset, lost, outlier = out
    for d in range(home_x.size):
        one = device_words(birth[d], home_x[d], home_y[d], _FIRST, key)
        two = device_words(birth[d], home_x[d], home_y[d], _FIRST | np.uint64(1), key)
        ahead, _ = _normal(one[0], one[1])
        offset[d] = np.int64(math.floor(clock * ahead + 0.5))
        u, v = _normal(one[2], one[3])
        silent = uniform(two[0]) < share
        for n in range(true_x.shape[1]):
            fix = device_words(birth[d], home_x[d], home_y[d], _FIX | np.uint64(n), key)
            more = device_words(birth[d], home_x[d], home_y[d], _ODD | np.uint64(n), key)
            if n > 0:
                p, q = _normal(fix[2], fix[3])
                u, v = rho * u + innovation * p, rho * v + innovation * q
                chance = uniform(more[0])
                silent = chance >= stop if silent else chance < start
            e, f = _normal(fix[0], fix[1])
            dx, dy = white * e + drift * u, white * f + drift * v
            strange = uniform(more[1]) < odd
            if strange:
                g, h = _normal(more[2], more[3])
                dx, dy = dx + far * g, dy + far * h
            x[d, n] = true_x[d, n] + np.int64(math.floor(dx + 0.5))
            y[d, n] = true_y[d, n] + np.int64(math.floor(dy + 0.5))
            lost[d, n], outlier[d, n] = silent, strange


@njit(cache=True)
def _normal(length, angle):
    """Two independent standard normal numbers."""
    radius = rayleigh(length)
    cosine, sine = cos_sin(angle)
    return radius * cosine, radius * sine
