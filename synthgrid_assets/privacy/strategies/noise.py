"""Integer noise of a given scale: how it is drawn (OpenDP alone), its law and its tails.

Belongs here: discrete Laplace and discrete Gaussian noise, calibrated to a sensitivity. Not
here: what is measured (`strategy`) and what it costs (`terms`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import PrivacyError, SpecError
from synthgrid_assets.privacy.strategies.terms import Loss

MAX_SCALE = 1e12  # noise beyond this could leave int64
_STEPS = 64  # of one unit in the last place, until OpenDP's map confirms the loss
_TAIL = 1e-16


@dataclass(frozen=True)
class Noise:
    """Noise of one scale for a vector of integers, in the units of these integers.

    Use `calibrated`, which finds the scale.

    Parameters
    ----------
    loss : Loss
        What the vector's release costs.
    sensitivity : int
        Bound of what one unit changes in the vector: the L1 distance for epsilon, the
        *square* of the L2 distance for rho; exact.
    scale : float
        Scale of the discrete Laplace law, or sigma of the discrete Gaussian.

    Notes
    -----
    Canonne, Kamath and Steinke (2020), The discrete Gaussian for differential privacy:
    ``P(Z = z)`` is proportional to ``exp(-z**2 / (2 sigma**2))``, costs
    ``rho = D2**2 / (2 sigma**2)``, and its tails are those of a Gaussian or lighter.
    """

    loss: Loss
    sensitivity: int
    scale: float

    @property
    def is_laplace(self) -> bool:
        """Whether the noise is discrete Laplace; else it is discrete Gaussian."""
        return self.loss.measure == "epsilon"

    @cached_property
    def variance(self) -> float:
        """Variance of one number's noise."""
        if self.is_laplace:
            return 2 * math.exp(-1 / self.scale) / math.expm1(-1 / self.scale) ** 2
        values, pmf = self.pmf
        return float(pmf @ values.astype(float) ** 2)

    @property
    def pmf(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Values and their probabilities, shape (n,); the others together have < 1e-15."""
        width = 38 * self.scale if self.is_laplace else 9 * self.scale
        bound = math.ceil(width) + 2
        z = np.arange(-bound, bound + 1)
        if self.is_laplace:
            weight = np.exp(-np.abs(z) / self.scale)
        else:
            weight = np.exp(-0.5 * (z / self.scale) ** 2)
        return z, weight / weight.sum()

    def half_width(self, alpha: float) -> int:
        """The least h with ``P(|noise| > h) <= alpha`` for one number."""
        if not 0 < alpha < 1:
            raise SpecError(f"alpha must lie between 0 and 1, got {alpha!r}")
        z, pmf = self.pmf
        half = pmf[z >= 0] * np.where(z[z >= 0] == 0, 1.0, 2.0)
        beyond = np.cumsum(half[::-1])[::-1] - half  # P(|noise| > h) at each h
        return int(np.argmax(beyond <= alpha))

    def quantile(self, alpha: float) -> float:
        """Half-width of an interval that misses a sum of noises with probability `alpha`.

        In standard deviations of the sum. For Gaussian noise the normal law's; for Laplace
        noise the larger of this and a single Laplace variable's, which lies above that of
        weighted sums for `alpha` of 0.05 and less.
        """
        from scipy.stats import norm

        normal = float(norm.isf(alpha / 2))
        return max(normal, -math.log(alpha) / math.sqrt(2)) if self.is_laplace else normal

    def certain_excess(self, sd: float, beta: float) -> float:
        """h with ``P(error >= h) <= beta``, for any weighted sum of noises with this `sd`.

        A bound for certain (Chernoff's), so somewhat wide: thresholds are made of it.
        """
        if not 0 < beta < 1:
            raise SpecError(f"beta must lie between 0 and 1, got {beta!r}")
        if not self.is_laplace:
            # a discrete Gaussian's moments are at most those of the Gaussian of its sigma
            return sd * self.scale / math.sqrt(self.variance) * math.sqrt(-2 * math.log(beta))
        weight = sd / math.sqrt(self.variance)  # of one noise alone: the worst of all sums
        t = np.linspace(0, 1, 2001)[1:-1] / (self.scale * weight)
        moment = -np.log1p(-self.variance * (np.cosh(t * weight) - 1))
        return float(np.min((moment - math.log(beta)) / t))

    def add(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """The values with fresh noise: one draw per call, from the system's entropy.

        Raises
        ------
        PrivacyError
            If `values` are not a vector of int64, or OpenDP's privacy map does not confirm
            the loss.
        """
        if values.dtype != np.int64 or values.ndim != 1:
            raise PrivacyError(
                f"what is to be released must be a vector of int64, got {values.ndim} dimensions "
                f"of {values.dtype}; nothing was drawn"
            )
        return np.array(self.measurement()(values.tolist()), np.int64)

    def measurement(self) -> Any:
        """OpenDP's measurement; the first call imports OpenDP (1 to 2 s).

        Raises
        ------
        PrivacyError
            If OpenDP's own map does not confirm the declared loss.
        """
        return _checked(self)


@lru_cache(maxsize=256)
def calibrated(loss: Loss, sensitivity: int) -> Noise:
    """The least noise whose loss is the declared one, its scale rounded up.

    Parameters
    ----------
    loss : Loss
    sensitivity : int
        As in `Noise`, >= 1.

    Raises
    ------
    SpecError
        If the noise would leave 64-bit integers.

    Examples
    --------
    >>> calibrated(Loss.of_epsilon(1), 2).scale, calibrated(Loss.of_rho("0.5"), 9).scale
    (2.0, 3.0)
    """
    if loss.measure == "epsilon":
        scale = _at_least(Fraction(sensitivity) / loss.exact, root=1)
    else:
        scale = _at_least(Fraction(sensitivity) / (2 * loss.exact), root=2)
    if scale > MAX_SCALE:
        raise SpecError(
            f"{loss.measure} = {loss.amount} asks for noise of scale {scale:.3g}, more than "
            f"{MAX_SCALE:g}; declare a larger loss or smaller contributions",
            loss.measure,
        )
    return Noise(loss, sensitivity, _confirmed(loss, sensitivity, scale))


@lru_cache(maxsize=256)
def _checked(noise: Noise) -> Any:
    """OpenDP's measurement for a noise, once its own map has confirmed the loss."""
    measurement = _measurement(noise.is_laplace, noise.scale)
    lost = _lost(measurement, noise)
    if not lost <= noise.loss.exact:
        raise PrivacyError(
            f"OpenDP's privacy map gives {float(lost)!r} for a scale of {noise.scale!r}, more "
            f"than the declared {noise.loss.measure} of {noise.loss.amount}; check the "
            "installed version of opendp"
        )
    return measurement


def _at_least(wanted: Fraction, root: int) -> float:
    """The least float64 whose `root`-th power is not below `wanted`."""
    value: float = float(wanted) ** (1 / root)
    while Fraction(value) ** root >= wanted:
        value = math.nextafter(value, 0)
    while Fraction(value) ** root < wanted:
        value = math.nextafter(value, math.inf)
    return value


def _confirmed(loss: Loss, sensitivity: int, scale: float) -> float:
    """The scale, up a few units in the last place: OpenDP's map rounds up as well."""
    for _ in range(_STEPS):
        noise = Noise(loss, sensitivity, scale)
        if _lost(_measurement(noise.is_laplace, scale), noise) <= loss.exact:
            break
        scale = math.nextafter(scale, math.inf)
    return scale


def _lost(measurement: Any, noise: Noise) -> Fraction:
    """Loss by OpenDP's own map."""
    if noise.is_laplace:
        return Fraction(measurement.map(noise.sensitivity))
    return Fraction(measurement.map(_at_least(Fraction(noise.sensitivity), root=2)))


@lru_cache(maxsize=64)
def _measurement(laplace: bool, scale: float) -> Any:
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_gaussian, make_laplace
    from opendp.metrics import l1_distance, l2_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    counts: Any = vector_domain(atom_domain(T="i64"))
    if laplace:
        return make_laplace(counts, l1_distance(T="i64"), scale=scale)
    return make_gaussian(counts, l2_distance(T="f64"), scale=scale)
