"""The exact count distribution of Poisson cluster processes, also when they are thinned.

Belongs here: Neyman-Scott processes with independent Poisson broods, by inversion of the
probability generating function. Not here: other laws (`count_distribution`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len
from scipy.special import ndtr

from synthgrid_assets.processes.count_models import ClusterModel, GaussianClusters
from synthgrid_assets.statistics.laws.convolution import convolve
from synthgrid_assets.statistics.laws.retention import Retention

TAIL = 1e-17  # probability mass that may lie beyond each end of a tabulated distribution
REACH = 8.0  # standard deviations after which a Gaussian displacement is cut (1e-15)
SHARES = 256  # classes of parents by the share of their brood that counts
FINEST = 512  # most pixels along a side of the parents' grid where retention varies


class Parents(NamedTuple):
    """Parents by the share of their brood that counts: a quadrature over the plane.

    Attributes
    ----------
    share : ndarray of float64, shape (n,)
        Probability that one offspring lies in the window and stays.
    area : ndarray of float64, shape (n,)
        Area, in cells, of the parents' positions with that share.
    """

    share: NDArray[np.float64]
    area: NDArray[np.float64]


def cluster_count_pmf(model: ClusterModel, retention: Retention) -> tuple[int, NDArray[np.float64]]:
    """Distribution of the number of points that thinning leaves in a rectangle.

    Parameters
    ----------
    model : GaussianClusters or DiscClusters
        A law's `count_model`.
    retention : Retention

    Returns
    -------
    first : int
        The count that the first entry stands for.
    pmf : ndarray of float64, shape (n,)
        Probabilities of ``first, first + 1, ...``; the mass beyond is at most 1e-17 at
        each end (Chernoff's bound). Entries are good to about 1e-5 of the largest for
        Gaussian displacements, 1e-4 for discs.

    Notes
    -----
    A parent at y has Poisson(mu q(y)) points that count, q(y) the probability that one
    offspring falls in the window and is kept, so the generating function is
    ``exp(-kappa * integral of (1 - exp(-mu q(y) (1 - z))) dy)`` (Daley and Vere-Jones
    2003, section 6.3). The integral is a midpoint sum over parents, which converges
    exponentially for Gaussian displacements; parents are then gathered in classes of
    nearly equal q that keep q's mean and variance. Retention is averaged over pixels of
    half a sigma (a sixteenth of a radius) or a `FINEST`-th of the window, if that is more.

    Examples
    --------
    >>> model = GaussianClusters(kappa=0.5, mu=8.0, sigma=0.7)
    >>> first, pmf = cluster_count_pmf(model, Retention.full(4, 3))
    >>> mean = float(pmf @ (first + np.arange(pmf.size)))
    >>> round(mean, 6), round(float(pmf.sum()), 9)
    (48.0, 1.0)
    """
    parents = _parents(model, retention)
    if parents.share.size == 0:
        return 0, np.ones(1)
    first, last = _chernoff_range(parents, model.kappa, model.mu)
    return first, _invert(parents, model.kappa, model.mu, first, last)


def _parents(model: ClusterModel, retention: Retention) -> Parents:
    p = retention.constant
    if p is None:
        return _parents_of_pixels(model, retention)
    step = _step(model)
    mass = _displacement_mass(model, step)
    m = mass.shape[0] // 2
    # a window wider than the kernel has a plateau in the middle: one column stands for it
    nx, ny = (min(round(side / step), 2 * m + 1) for side in (retention.width, retention.height))
    share = p * convolve(np.ones((ny, nx)), mass)
    weights = []
    for side, n in ((retention.height, ny), (retention.width, nx)):
        weight = np.full(n + 2 * m, step)
        weight[(n + 2 * m) // 2] += side - n * step
        weights.append(weight)
    return _classes(share, np.outer(*weights))


def _parents_of_pixels(model: ClusterModel, retention: Retention) -> Parents:
    finest = 1 << max((FINEST // max(retention.width, retention.height)).bit_length() - 1, 0)
    step = max(_step(model), 1.0 / finest)
    pixels = retention.resampled(round(1 / step))
    share = convolve(pixels, _displacement_mass(model, step))
    return _classes(share, np.full(share.shape, step * step))


def _step(model: ClusterModel) -> float:
    """Pixel side for parents: the largest power of two that resolves the displacement."""
    fine = model.sigma / 2 if isinstance(model, GaussianClusters) else model.radius / 16
    return min(2.0 ** math.floor(math.log2(fine)), 1.0)


def _displacement_mass(model: ClusterModel, step: float) -> NDArray[np.float64]:
    """Probability of each pixel around a parent at a pixel's centre; sums to 1."""
    if isinstance(model, GaussianClusters):
        m = math.ceil(REACH * model.sigma / step)
        edges = (np.arange(2 * m + 2) - m - 0.5) * step / model.sigma
        line = np.diff(ndtr(edges))
        return np.asarray(np.outer(line, line) / line.sum() ** 2)
    m = math.ceil(model.radius / step)
    fine = 16
    offsets = ((np.arange((2 * m + 1) * fine) + 0.5) / fine - m - 0.5) * step
    inside = offsets[:, None] ** 2 + offsets[None, :] ** 2 <= model.radius**2
    mass = inside.reshape(2 * m + 1, fine, 2 * m + 1, fine).sum(axis=(1, 3))
    return np.asarray(mass / mass.sum(), np.float64)


def _classes(share: NDArray[np.float64], area: NDArray[np.float64]) -> Parents:
    """Parents gathered by share: one node a class keeps the integrals of q and q**2.

    Nothing that is summed over parents depends on those with q = 0, so the class's area
    is free and two moments fix node and weight: mean and variance of the count are kept.
    """
    q = np.clip(share.ravel(), 0.0, 1.0)
    if q.max() == 0.0:
        return Parents(np.empty(0), np.empty(0))
    index = np.minimum((q * (SHARES / q.max())).astype(np.int64), SHARES - 1)
    weighted = area.ravel() * q
    first = np.bincount(index, weighted, SHARES)
    second = np.bincount(index, weighted * q, SHARES)
    used = second > 0
    first, second = first[used], second[used]
    return Parents(second / first, first * first / second)


def _log_mgf(
    parents: Parents, kappa: float, mu: float, t: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log of E exp(t N), shape of `t`; infinite where it overflows."""
    with np.errstate(over="ignore"):
        brood = np.expm1(mu * np.outer(np.expm1(t), parents.share))
        return kappa * _integral(brood, parents)


def _integral(values: NDArray[Any], parents: Parents) -> NDArray[Any]:
    """Integral over parents of the last axis; no BLAS, whose threads cost more than they do."""
    return np.asarray(np.einsum("ij,j->i", values, parents.area))


def _chernoff_range(parents: Parents, kappa: float, mu: float) -> tuple[int, int]:
    """The counts outside of which each tail has at most `TAIL` probability."""
    bound = -math.log(TAIL)
    t = np.logspace(-5, 1.5, 80)
    high = np.min((_log_mgf(parents, kappa, mu, t) + bound) / t)
    low = np.max((-bound - _log_mgf(parents, kappa, mu, -t)) / t)
    return max(math.floor(low), 0), math.ceil(high)


def _invert(
    parents: Parents, kappa: float, mu: float, first: int, last: int
) -> NDArray[np.float64]:
    """Probabilities of ``first .. last`` from the characteristic function on a DFT grid.

    Its modulus is at most ``exp(-kappa * integral of (1 - exp(-mu q (1 - cos t))))``,
    which falls with t, so only the frequencies before that bound is negligible are
    evaluated.
    """
    n = next_fast_len(last - first + 1, real=True)
    t = 2 * math.pi * np.arange(n // 2 + 1) / n
    kept = _significant(parents, kappa, mu, t)
    brood = np.exp(mu * np.outer(np.expm1(1j * t[:kept]), parents.share)) - 1.0
    transform = np.zeros(t.size, np.complex128)
    transform[:kept] = np.exp(kappa * _integral(brood, parents) - 1j * t[:kept] * first)
    pmf = irfft(transform.conj(), n)[: last - first + 1]
    return np.asarray(np.maximum(pmf, 0.0))


def _significant(parents: Parents, kappa: float, mu: float, t: NDArray[np.float64]) -> int:
    """How many leading frequencies can have a modulus above `TAIL`."""
    low, high = 0, t.size
    while low < high:
        middle = (low + high) // 2
        damping = -np.expm1(mu * parents.share * (math.cos(t[middle]) - 1.0))
        if kappa * float(damping @ parents.area) > -math.log(TAIL):
            high = middle
        else:
            low = middle + 1
    return low
