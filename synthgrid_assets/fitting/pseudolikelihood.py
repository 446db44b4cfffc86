"""Maximum pseudolikelihood of the Strauss process, at a given radius.

Belongs here: the fit, and a sampler of its law for errors alone. Not here: the exact sampler of
worlds (`processes.gibbs.strauss`), which knows no window.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.k_estimate import Observed
from synthgrid_assets.fitting.quadrature import Quadrature, poisson_regression
from synthgrid_assets.fitting.windows import Window

_FINENESS = 8  # dummy places along a radius: coarser ones bias the interaction
_SWEEPS = 200  # proposed births and deaths for each expected point


def fit_strauss(observed: Observed, radius: float) -> dict[str, object]:
    """Activity and interaction of least misfit, under their names in a world file.

    Parameters
    ----------
    observed : Observed
    radius : float
        Metres within which points repel each other.

    Raises
    ------
    SpecError
        If the radius fits no window, or no two points lie within it.

    Notes
    -----
    Besag's pseudolikelihood by Berman and Turner's device, over places at least `radius` from
    the window's border (Baddeley and Turner 2000), as spatstat's ``ppm`` with border correction.
    An interaction above 1 would be no Strauss process; it is then 1, and the activity that of
    Poisson points.
    """
    if not 0 < radius < observed.window.longest_distance:
        raise SpecError(
            f"--radius {radius:g} m: give metres above 0 and below a quarter of the window's "
            f"shorter side, {observed.window.longest_distance:.6g} m"
        )
    quadrature = Quadrature.of(observed, radius / _FINENESS)
    inner = quadrature.take(_inside(observed, quadrature.xy, radius))
    if inner.points < 2:
        raise SpecError(f"--radius {radius:g} m: no two points lie so far from the border")
    near = cKDTree(observed.xy).query_ball_point(inner.xy, radius, return_length=True)
    near[: inner.points] -= 1  # a point is no neighbour of its own
    if not near[: inner.points].any():
        raise SpecError(f"no two points lie within {radius:g} m: fit hard_core, or a larger radius")
    found, _ = poisson_regression(inner, np.column_stack((np.ones(len(near)), near)))
    beta, gamma = (float(number) for number in np.exp(found))
    if gamma > 1:
        beta, gamma = inner.points / float(inner.weights.sum()), 1.0
    return {"beta_per_km2": beta * 1e6, "gamma": gamma, "radius": radius}


def _inside(observed: Observed, xy: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    """Which places lie at least `radius` from the window's border."""
    eroded = observed.window.polygon.buffer(-radius)
    if eroded.is_empty:
        raise SpecError(f"--radius {radius:g} m leaves nothing of the window; give a smaller one")
    return Window(eroded).contains(xy)


def simulate_strauss(
    beta: float,
    gamma: float,
    radius: float,
    bounds: tuple[float, float, float, float],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Points of a Strauss process in a rectangle grown by four radii, by births and deaths.

    An approximation, as good as its length; it serves standard errors alone. Shape (n, 2).

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


def strauss_bound(beta: float, gamma: float, radius: float) -> float:
    """``beta (1 - gamma) pi radius**2``: below 1, worlds can be drawn from it exactly."""
    return beta * (1 - gamma) * math.pi * radius**2
