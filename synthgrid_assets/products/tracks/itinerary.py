"""Where devices are: stays and trips from home to destinations, fix by fix.

Belongs here: the true positions. Not here: what a receiver makes of them (`receiver`).

Every number comes from a word addressed by the device's birth and home and the number of the
trip, and then from one IEEE operation after the other: a device's days are the same whoever asks,
on any tiling and every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.lattice.exact_math import cos_sin, exponential
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.seeding import Key, philox
from synthgrid_assets.world.tables.tracks import TracksTable

TRIP = np.uint64(1 << 60)  # beside the trip's number in an address
_HALF_TURN = 2.0**63  # pi, as a word of `cos_sin`
_UNIT = 2.0**-53


@dataclass(frozen=True, eq=False)
class Destinations:
    """Places that devices may go to, in canonical order; none for anywhere within the range.

    Parameters
    ----------
    x, y : ndarray of int64, shape (m,)
        Quanta.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]

    @classmethod
    def anywhere(cls) -> Destinations:
        """No places: destinations are drawn uniformly."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True, eq=False)
class Whereabouts:
    """True positions of devices, one row a device and fix.

    Parameters
    ----------
    x, y : ndarray of int64, shape (n, fixes)
        Quanta.
    trip : ndarray of int32, shape (n, fixes)
        Number of the trip under way, or of the one that led to the stay; 0 before the first.
    moving : ndarray of bool, shape (n, fixes)
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    trip: NDArray[np.int32]
    moving: NDArray[np.bool_]


def whereabouts(
    homes: PointPattern,
    table: TracksTable,
    key: Key,
    cell_metres: float,
    destinations: Destinations,
) -> Whereabouts:
    """The true positions of devices at all fixes.

    Parameters
    ----------
    homes : PointPattern
        A device a point.
    table : TracksTable
    key : tuple of two uint64
        Stream key of the tracks.
    cell_metres : float
    destinations : Destinations
        All that lie within the range of any home, at least.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> homes = PointPattern(np.array([0]), np.array([0]), np.array([7], np.uint64))
    >>> table = TracksTable(
    ...     start="2026-01-05T08:00:00Z", duration=3600, every=600, range=500, stay=300, speed=1.0
    ... )
    >>> place = whereabouts(homes, table, stream_key("doc"), 64.0, Destinations.anywhere())
    >>> place.x.shape, place.trip[0, 0], bool((abs(place.x) < 600 / 64 * CELL).all())
    ((1, 6), np.int32(0), True)
    """
    quanta = CELL / cell_metres  # per metre
    low, high = (speed * quanta for speed in table.speeds)
    shape = (len(homes), table.fixes)
    x, y = np.empty(shape, np.int64), np.empty(shape, np.int64)
    trip, moving = np.empty(shape, np.int32), np.empty(shape, np.bool_)
    _walk(
        homes.x,
        homes.y,
        homes.birth,
        key,
        (destinations.x, destinations.y, np.int64(table.range * quanta), bool(table.visits)),
        (float(table.every), low, high, float(table.stay), float(table.home), float(table.bend)),
        (x, y, trip, moving),
    )
    return Whereabouts(x, y, trip, moving)


@njit(cache=True)
def _walk(home_x, home_y, birth, key, places, habits, out):
    """Fill the positions of all devices."""
    every, low, high, stay, home, bend = habits
    x, y, trips, moving = out
    for d in range(home_x.size):
        hx, hy = home_x[d], home_y[d]
        first = device_words(birth[d], hx, hy, TRIP, key)
        # the first stay has been under way for a while: what is left of it is exponential too
        number, ax, ay, bx, by = 0, 0.0, 0.0, 0.0, 0.0
        begins, ends, leaves = 0.0, 0.0, stay * exponential(first[0])
        sway = 0.0
        for n in range(x.shape[1]):
            now = n * every
            while now >= leaves:
                number += 1
                one = device_words(birth[d], hx, hy, TRIP | np.uint64(2 * number), key)
                two = device_words(birth[d], hx, hy, TRIP | np.uint64(2 * number + 1), key)
                ax, ay = bx, by
                bx, by = _destination(hx, hy, one[0], one[1], one[2], home, places)
                length = math.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay))
                speed = low + (high - low) * uniform(one[3])
                begins, ends = leaves, leaves + length / speed
                leaves = ends + stay * exponential(two[0])
                sway = bend * (2.0 * uniform(two[1]) - 1.0)
            if now >= ends:
                px, py = bx, by
            else:
                s = (now - begins) / (ends - begins)
                _, sine = cos_sin(np.uint64(s * _HALF_TURN))
                aside = sway * sine
                px = ax + s * (bx - ax) - aside * (by - ay)
                py = ay + s * (by - ay) + aside * (bx - ax)
            x[d, n] = hx + np.int64(math.floor(px + 0.5))
            y[d, n] = hy + np.int64(math.floor(py + 0.5))
            trips[d, n], moving[d, n] = number, now < ends
    return 0


@njit(cache=True)
def device_words(birth, x, y, use, key):
    """Four words of a device for a use: the use's bits and a number, which no other use has."""
    return philox(birth, np.uint64(x), np.uint64(y), use, key[0], key[1])


@njit(cache=True)
def uniform(word):
    """A uniform number in [0, 1)."""
    return float(np.int64(word >> np.uint64(11))) * _UNIT


@njit(cache=True)
def _destination(hx, hy, which, first, second, home, places):
    """Where a trip leads, in quanta from home."""
    px, py, reach, visits = places
    if uniform(which) < home:
        return 0.0, 0.0
    if visits:
        near = 0
        for k in range(px.size):
            near += (px[k] - hx) ** 2 + (py[k] - hy) ** 2 <= reach * reach
        chosen = np.int64(uniform(first) * near)
        for k in range(px.size):
            if (px[k] - hx) ** 2 + (py[k] - hy) ** 2 <= reach * reach:
                if chosen == 0:
                    return float(px[k] - hx), float(py[k] - hy)
                chosen -= 1
        return 0.0, 0.0
    radius = float(reach) * math.sqrt(uniform(first))
    cosine, sine = cos_sin(second)
    return radius * cosine, radius * sine
