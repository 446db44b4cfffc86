"""Distances to the nearest point: F and G of Poisson clusters, and what offers them.

Belongs here: the protocol of laws that know F and G, and the integrals for independent
Poisson clusters. Not here: who catches how much of a cluster (each law), estimators
(`statistics.curves.estimators`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.processes.isotropic import quadrature


@runtime_checkable
class DistanceLaw(Protocol):
    """A law whose F and G are closed forms; J is ``(1 - G) / (1 - F)``."""

    def empty_space(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """F(r), shape of `r`: probability of a point within r of a fixed place."""
        ...

    def nearest_neighbour(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """G(r), shape of `r`: probability of another point within r of a typical point."""
        ...


def cluster_distances(
    r: NDArray[np.float64],
    kappa: float,
    mu: float,
    caught: Callable[[NDArray[np.float64], float], NDArray[np.float64]],
    density: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ends: Callable[[float], list[float]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F and G of Poisson clusters.

    Parameters
    ----------
    r : ndarray of float64
        Radii, > 0.
    kappa : float
        Parents per unit area.
    mu : float
        Mean number of offspring.
    caught : callable
        ``caught(d, radius)``: probability that an offspring of a parent at distance d from
        0 falls in the disc of that radius about 0.
    density : callable
        Density of an offspring's displacement in the plane, by its length.
    ends : callable
        ``ends(radius)``: ascending distances of parents between which both are smooth;
        both are negligible beyond the last.

    Returns
    -------
    empty_space, nearest_neighbour : ndarray of float64, shape of `r`

    Notes
    -----
    No point lies in the disc with probability ``exp(-kappa integral of
    (1 - exp(-mu q(y))) dy)``, q the share of a brood that is caught. By Slivnyak's theorem a
    typical point at 0 sees the whole process and its own siblings, whose number is Poisson
    again: ``1 - G = (1 - F) E exp(-mu q(D))``, D the distance of its parent. The second
    factor is J (van Lieshout and Baddeley 1996, A nonparametric measure of spatial
    interaction in point patterns, Statistica Neerlandica 50, section 5).

    Examples
    --------
    >>> def disc(d, radius=1.0):  # broods of one place: all or nothing
    ...     return np.where(d < 1, 1.0, 0.0)
    >>> f, g = cluster_distances(
    ...     np.ones(1), 0.5, 3.0, disc, lambda d: disc(d) / math.pi, lambda radius: [1.0])
    >>> bool(np.isclose(f, -np.expm1(0.5 * math.pi * np.expm1(-3.0)))[0])
    True
    >>> bool(np.isclose((1 - g) / (1 - f), math.exp(-3.0))[0])
    True
    """
    r = np.asarray(r, float)
    empty, j = np.empty(r.size), np.empty(r.size)
    for i, radius in enumerate(r.ravel().tolist()):
        d, weights = quadrature(ends(radius))
        rings, missed = 2 * math.pi * d * weights, np.exp(-mu * caught(d, radius))
        empty[i] = math.exp(-kappa * float(np.dot(rings, 1 - missed)))
        j[i] = float(np.dot(rings, density(d) * missed))
    return (1 - empty).reshape(r.shape), (1 - empty * j).reshape(r.shape)


def lens_of_two(d: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
    """Area common to two discs of radii `a` and `b` whose centres are `d` apart.

    Examples
    --------
    >>> lens_of_two(np.array([0.0, 0.5, 4.0]), 1.0, 2.0).round(6).tolist()
    [3.141593, 3.141593, 0.0]
    """
    d = np.asarray(d, float)
    least, most = abs(a - b), a + b
    apart = np.clip(d, least * (1 + 1e-15) + 1e-300, most)
    x = np.clip((apart**2 + a * a - b * b) / (2 * apart * a), -1.0, 1.0)
    y = np.clip((apart**2 + b * b - a * a) / (2 * apart * b), -1.0, 1.0)
    kite = (most - apart) * (apart + a - b) * (apart - a + b) * (most + apart)
    area = a * a * np.arccos(x) + b * b * np.arccos(y) - np.sqrt(np.maximum(kite, 0.0)) / 2
    within = math.pi * min(a, b) ** 2
    return np.asarray(np.where(d <= least, within, np.where(d >= most, 0.0, area)))
