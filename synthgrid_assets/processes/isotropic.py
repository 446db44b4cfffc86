"""Moments of a stationary, isotropic process from its pair correlation.

Belongs here: the integrals that turn a radial g(r) of finite range into K, count
variances and cell covariances. Not here: any one g.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

_NODES = 48  # Gauss-Legendre nodes between two radii at which the integrand has a kink


class IsotropicLaw(ABC):
    """Base of laws that know g(r) in closed form and that g is 1 from `kinks[-1]` on.

    Subclasses give `intensity`, `kinks` and `pair_correlation`; lengths in any one unit.
    """

    @property
    @abstractmethod
    def intensity(self) -> float:
        """Expected points per unit area."""

    @property
    @abstractmethod
    def kinks(self) -> tuple[float, ...]:
        """Ascending radii at which g is not smooth; g = 1 beyond the last."""

    @abstractmethod
    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`; 1 for complete spatial randomness."""

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r), shape of `r`, in unit area."""
        radii = np.asarray(r, float)
        excess = np.empty(radii.size)
        for i, radius in enumerate(radii.ravel()):
            nodes, weights = quadrature([k for k in self.kinks if k < radius] + [radius])
            excess[i] = np.dot(weights, self._rate(nodes))
        k: NDArray[np.float64] = math.pi * radii**2 + excess.reshape(radii.shape)
        return k

    def count_variance(self, width: float, height: float) -> float:
        """Variance of the number of points in a `width` x `height` rectangle."""
        area = width * height
        return self.intensity * area + self.intensity**2 * self._excess_pairs(width, height)

    def cell_covariance(self, lags: int) -> NDArray[np.float64]:
        """Covariance of two unit cells' counts beyond Poisson's, by lag.

        Shape (2 lags + 1, 2 lags + 1); lag (0, 0) in the middle.
        """
        # excess pairs of an a x b rectangle are the sum over its cells' lags, so a second
        # difference along each axis singles out one lag
        known = min(lags, self.correlation_cells)
        pairs = np.zeros((known + 2, known + 2))
        for a in range(1, known + 2):
            for b in range(1, a + 1):
                pairs[a, b] = pairs[b, a] = self._excess_pairs(a, b)
        quarter = _second_difference(_second_difference(pairs).T).T
        j, i = np.indices(quarter.shape)
        apart = np.hypot(np.maximum(j - 1, 0), np.maximum(i - 1, 0))
        quarter[apart >= self.kinks[-1]] = 0.0  # what differences leave there is rounding
        half = np.concatenate([quarter[:0:-1], quarter])
        covariance = np.zeros((2 * lags + 1, 2 * lags + 1))
        inner = slice(lags - known, lags + known + 1)
        covariance[inner, inner] = np.concatenate([half[:, :0:-1], half], axis=1)
        return self.intensity**2 * covariance

    @property
    def correlation_cells(self) -> int:
        """Lag in cells beyond which `cell_covariance` is 0."""
        return math.ceil(self.kinks[-1])

    def _excess_pairs(self, width: float, height: float) -> float:
        """Integral of g(u - v) - 1 over u and v in a rectangle."""
        corners = [width, height, math.hypot(width, height), *self.kinks]
        nodes, weights = quadrature(sorted(c for c in corners if c <= self.kinks[-1]))
        return float(np.dot(weights, self._rate(nodes) * set_covariance(nodes, width, height)))

    def _rate(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Excess of neighbours in a ring: 2 pi r (g(r) - 1)."""
        rate: NDArray[np.float64] = 2 * math.pi * r * (self.pair_correlation(r) - 1)
        return rate


def set_covariance(r: NDArray[np.float64], width: float, height: float) -> NDArray[np.float64]:
    """Area of a rectangle's overlap with itself moved by `r`, averaged over directions.

    Parameters
    ----------
    r : ndarray of float64
        Lengths, > 0.
    width, height : float
        Sides of the rectangle.

    Notes
    -----
    For r up to the shorter side it is ``w h - 2 r (w + h) / pi + r^2 / pi`` (Illian et al.
    (2008), appendix B); beyond, the directions that leave no overlap are cut off.

    Examples
    --------
    >>> set_covariance(np.array([1e-9, 2.0]), 1.0, 1.0).round(6).tolist()
    [1.0, 0.0]
    """
    first = np.arccos(np.minimum(width / r, 1.0))
    last = np.maximum(np.arcsin(np.minimum(height / r, 1.0)), first)
    overlap: NDArray[np.float64] = (
        width * height * (last - first)
        - height * r * (np.sin(last) - np.sin(first))
        + width * r * (np.cos(last) - np.cos(first))
        + r**2 / 2 * (np.sin(last) ** 2 - np.sin(first) ** 2)
    ) / (math.pi / 2)
    return overlap


def lens(r: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Area common to two discs of one radius whose centres are `r` apart.

    Examples
    --------
    >>> lens(np.array([0.0, 2.0]), 1.0).round(6).tolist()
    [3.141593, 0.0]
    """
    z = np.minimum(np.asarray(r, float) / (2 * radius), 1.0)
    area: NDArray[np.float64] = 2 * radius**2 * (np.arccos(z) - z * np.sqrt(1 - z * z))
    return area


def _second_difference(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the first axis, for lags 0, 1, ...; the two signs of a lag share one value."""
    inner = (values[2:] - 2 * values[1:-1] + values[:-2]) / 2
    return np.concatenate([values[1:2], inner])


def quadrature(ends: list[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights from 0 over all `ends`, dense at each so that roots there are smooth."""
    x, w = np.polynomial.legendre.leggauss(_NODES)
    t = (x + 1) / 2
    place, slope = t**2 * (3 - 2 * t), 3 * t * (1 - t) * w
    edges = np.array([0.0, *ends])
    lengths = np.diff(edges)
    return (edges[:-1, None] + lengths[:, None] * place).ravel(), np.outer(lengths, slope).ravel()
