"""Upper and lower process of a dominated coupling, one slab of time after another.

Belongs here: which births both processes accept when the past and the surroundings are
partly unknown. Not here: the births (`space_time`), how far back to look (`strauss`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from synthgrid_assets.processes.bins import bin_grid, bin_of, binned
from synthgrid_assets.processes.space_time import Births

BEFORE = -(1 << 62)  # the time of what was alive before a slab begins


class Alive(NamedTuple):
    """The points of the upper process, and which of them are in the lower one."""

    death: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    birth: NDArray[np.uint64]
    lower: NDArray[np.bool_]


def unknown(births: Births) -> Alive:
    """Births of an unknown time: all in the upper process, none in the lower."""
    nowhere = np.zeros(births.x.size, np.bool_)
    return Alive(births.death, births.x, births.y, births.birth, nowhere)


@njit(cache=True)
def advance(alive, births, end, region, radius, accept):
    """Both processes after one slab of births: columns of what is alive at its end.

    Neighbours are found first, in order of place, where memory is near; what they decide
    is found after, in order of time.
    """
    old = alive.x.size
    x, y = np.concatenate((alive.x, births.x)), np.concatenate((alive.y, births.y))
    death = np.concatenate((alive.death, births.death))
    birth = np.concatenate((alive.birth, births.birth))
    time = np.concatenate((np.full(old, BEFORE), births.time))
    grid = bin_grid(x.size, region, radius)
    start, place = binned(x, y, grid)
    x, y, death, birth, time = x[place], y[place], death[place], birth[place], time[place]
    first, neighbour = _neighbours(x, y, death, birth, time, start, grid, radius, x.size)
    if first[-1] > x.size:
        first, neighbour = _neighbours(x, y, death, birth, time, start, grid, radius, first[-1])
    upper, lower = place < old, np.zeros(x.size, np.bool_)
    at = np.empty(x.size, np.int64)
    for p in range(x.size):
        at[place[p]] = p
        lower[p] = place[p] < old and alive.lower[min(place[p], old - 1)]
    for i in _time_order(births.time, births.birth):
        p = at[old + i]
        most, least = 0, 0
        for n in range(first[p], first[p + 1]):
            most += upper[neighbour[n]]
            least += lower[neighbour[n]]
        # an unseen neighbour is possible where the radius leaves the region
        seen = region[0] <= x[p] - radius and x[p] + radius < region[2]
        seen = seen and region[1] <= y[p] - radius and y[p] + radius < region[3]
        upper[p] = births.accept[i] < accept[min(least, accept.size - 1)]
        lower[p] = seen and births.accept[i] < accept[min(most, accept.size - 1)]
    stay = np.flatnonzero(upper & (death > end))
    return death[stay], x[stay], y[stay], birth[stay], lower[stay]


@njit(cache=True)
def _neighbours(x, y, death, birth, time, start, grid, radius, room):
    """Earlier points alive at each birth within the radius: where each list starts, lists.

    If there are more than `room` in all, the lists' starts are right and the lists cut off.
    """
    columns = grid[1]
    first = np.zeros(x.size + 1, np.int64)
    found = np.empty(room, np.int64)
    n = 0
    for p in range(x.size):
        now, px, py = time[p], x[p], y[p]
        if now > BEFORE:
            middle = bin_of(px, py, grid)
            for row in range(middle - columns, middle + columns + 1, columns):
                for q in range(start[row - 1], start[row + 2]):
                    dx, dy = x[q] - px, y[q] - py
                    near = dx * dx + dy * dy <= radius * radius
                    if near and death[q] > now and _earlier(q, p, time, birth):
                        if n < room:
                            found[n] = q
                        n += 1
        first[p + 1] = n
    return first, found


@njit(cache=True)
def _earlier(i, j, time, birth):
    return time[i] < time[j] or (time[i] == time[j] and birth[i] < birth[j])


@njit(cache=True)
def _time_order(time, birth):
    """Numbers of the births in order of time: short buckets of time, each sorted."""
    n = time.size
    order = np.empty(n, np.int64)
    if n == 0:
        return order
    low = time.min()
    per_unit = float(n) / float(time.max() - low + 1)
    start = np.zeros(n + 2, np.int64)
    for i in range(n):
        start[np.int64(float(time[i] - low) * per_unit) + 1] += 1
    for bucket in range(n + 1):
        start[bucket + 1] += start[bucket]
    free = start[:-1].copy()
    for i in range(n):
        b = np.int64(float(time[i] - low) * per_unit)
        spot = free[b]
        free[b] += 1
        while spot > start[b] and _earlier(i, order[spot - 1], time, birth):
            order[spot] = order[spot - 1]
            spot -= 1
        order[spot] = i
    return order
