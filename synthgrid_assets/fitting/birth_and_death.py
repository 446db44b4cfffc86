"""Patterns of Strauss processes that worlds cannot draw: a chain of births and deaths.

Belongs here: an approximation, as good as its length, for errors of fits alone. Not here: the
exact sampler of worlds (`processes.gibbs.strauss`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit

_SWEEPS = 200  # proposed births and deaths for each expected point


def simulate_strauss(
    beta: float,
    gamma: float,
    radius: float,
    bounds: tuple[float, float, float, float],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Points of a Strauss process in a rectangle grown by four radii, by births and deaths.

    Shape (n, 2).

    Parameters
    ----------
    beta : float
        Per square metre.
    gamma, radius : float
    bounds : tuple of four floats
    rng : Generator
    """
    xmin, ymin, xmax, ymax = (
        edge + sign * 4 * radius for edge, sign in zip(bounds, (-1, -1, 1, 1), strict=True)
    )
    expected = beta * (xmax - xmin) * (ymax - ymin)
    steps = int(_SWEEPS * expected) + 1000
    chain: NDArray[np.float64] = _births_and_deaths(
        beta, gamma, radius, xmax - xmin, ymax - ymin, steps, rng
    )
    return np.asarray(chain + np.array([xmin, ymin]))


@njit(cache=True)
def _births_and_deaths(beta, gamma, radius, width, height, steps, rng):
    """Metropolis and Hastings: Geyer and Moller (1994), with a grid of neighbours."""
    nx, ny = max(int(width / radius), 1), max(int(height / radius), 1)
    room = 64
    count, place = np.zeros((ny, nx), np.int64), np.empty((ny, nx, room, 2))
    n, most, area = 0, 1, width * height
    for _ in range(steps):
        if rng.random() < 0.5:
            x, y = rng.random() * width, rng.random() * height
            t = _neighbours(count, place, x, y, radius, width, height)
            if rng.random() * (n + 1) < beta * area * gamma**t:
                i, j = min(int(x / width * nx), nx - 1), min(int(y / height * ny), ny - 1)
                if count[j, i] == room:
                    continue
                place[j, i, count[j, i], 0], place[j, i, count[j, i], 1] = x, y
                count[j, i] += 1
                n, most = n + 1, max(most, count[j, i])
        elif n > 0:
            i, j, k = _any_point(count, most, rng)
            x, y = place[j, i, k, 0], place[j, i, k, 1]
            t = _neighbours(count, place, x, y, radius, width, height) - 1
            if rng.random() * beta * area * gamma**t < n:
                last = count[j, i] - 1
                place[j, i, k] = place[j, i, last]
                count[j, i] = last
                n -= 1
    found = np.empty((n, 2))
    m = 0
    for j in range(ny):
        for i in range(nx):
            for k in range(count[j, i]):
                found[m] = place[j, i, k]
                m += 1
    return found


@njit(cache=True)
def _any_point(count, most, rng):
    """Cell and place in it of a point, each as likely as the others; there is one."""
    while True:
        j, i = int(rng.random() * count.shape[0]), int(rng.random() * count.shape[1])
        k = int(rng.random() * most)
        if k < count[j, i]:
            return i, j, k


@njit(cache=True)
def _neighbours(count, place, x, y, radius, width, height):
    """Points within a radius of a place, that place included if it is a point."""
    ny, nx = count.shape
    i, j = min(int(x / width * nx), nx - 1), min(int(y / height * ny), ny - 1)
    near = 0
    for b in range(max(j - 1, 0), min(j + 2, ny)):
        for a in range(max(i - 1, 0), min(i + 2, nx)):
            for k in range(count[b, a]):
                dx, dy = place[b, a, k, 0] - x, place[b, a, k, 1] - y
                near += dx * dx + dy * dy <= radius * radius
    return near
