"""The distribution of a cluster process's counts, from its probability generating function.

Belongs here: the inversion for independent Poisson clusters. Not here: who catches how
much of a cluster (each law's own quadrature), thinned counts (`statistics`).
"""

from __future__ import annotations

import cmath
import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

_LOST = 1e-17  # probability of all counts beyond the end of a distribution


def count_pmf(
    kappa: float, mu: float, catch: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distribution of the number of points of Poisson clusters in a window.

    A parent at y puts each of its Poisson(mu) offspring into the window with probability
    p(y), so the generating function is ``exp(-kappa * integral of (1 - exp(-mu p(y)
    (1 - z))) dy)``; it is inverted by a Fourier transform on the unit circle.

    Parameters
    ----------
    kappa : float
        Parents per unit area.
    mu : float
        Mean number of offspring.
    catch, weight : ndarray of float64, shape (m,)
        A quadrature of the plane: p(y) at its nodes, and the nodes' areas.

    Returns
    -------
    ndarray of float64, shape (n,)
        Probability of 0, 1, 2 ... points; what lies beyond the end is below 1e-17.

    References
    ----------
    Daley and Vere-Jones (2003), An Introduction to the Theory of Point Processes I,
    example 6.3(a).

    Examples
    --------
    >>> pmf = count_pmf(2.0, 3.0, np.array([1.0]), np.array([1.0]))  # no edge: Neyman type A
    >>> round(float(pmf[0]), 6) == round(math.exp(2 * math.expm1(-3)), 6)
    True
    """
    nodes, masses = _gauss(catch, weight * catch, int(0.75 * mu) + 30)
    # Chernoff: P(N >= n) <= G(e^t) e^(-n t) for any t > 0
    t = np.geomspace(1e-4, 3.0, 120)
    t = t[mu * catch.max() * np.expm1(t) < 600]
    exponents = mu * np.multiply.outer(np.expm1(t), nodes)
    log_generating = kappa * np.expm1(exponents) @ (masses / nodes)
    longest = int(np.min((log_generating - math.log(_LOST)) / t))
    n = 1 << max(longest + 1, 15).bit_length()
    generating = np.empty(n // 2 + 1, complex)
    for j in range(generating.size):  # one row at a time: n may be large
        z = cmath.exp(-2j * math.pi * j / n)
        generating[j] = np.exp(kappa * np.dot(np.expm1((z - 1) * mu * nodes), masses / nodes))
    pmf: NDArray[np.float64] = np.maximum(np.fft.irfft(generating, n), 0.0)
    return pmf


def _gauss(
    nodes: NDArray[np.float64], masses: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss quadrature of `count` nodes for a discrete measure on (0, 1], by Lanczos.

    It integrates polynomials below degree ``2 * count`` exactly, which is all of
    ``exp(mu p (z - 1))``, ``|z| = 1``, to 1e-17 from ``count = 0.75 mu + 30`` on.
    """
    used = masses > masses.max() * 1e-300
    nodes, masses = nodes[used], masses[used]
    if count >= nodes.size:
        return nodes, masses
    basis = np.empty((count, nodes.size))
    diagonal, beside = np.empty(count), np.empty(count)
    vector = np.sqrt(masses / masses.sum())
    for k in range(count):
        basis[k] = vector
        diagonal[k] = np.dot(vector, nodes * vector)
        vector = nodes * vector
        for _ in range(2):  # once loses orthogonality to rounding
            vector = vector - basis[: k + 1].T @ (basis[: k + 1] @ vector)
        beside[k] = np.linalg.norm(vector)
        if beside[k] < 1e-14:  # the measure has no more than k + 1 distinguishable nodes
            count = k + 1
            break
        vector = vector / beside[k]
    values, vectors = eigh_tridiagonal(diagonal[:count], beside[: count - 1])
    positive = values > 0
    return values[positive], masses.sum() * vectors[0, positive] ** 2
