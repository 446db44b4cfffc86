"""The discrete Laplace mechanism: exact integer noise, its law and its threshold.

Belongs here: how noise is drawn (OpenDP alone) and what a noisy count is worth. Not here:
whether a draw is allowed or was made before (`release_record`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import PrivacyError, SpecError

MIN_EPSILON, MAX_EPSILON = 1e-6, 10.0
MAX_BETA = 0.5
PICO = 10**12  # budgets are integers, so that sums of charges are exact


@dataclass(frozen=True)
class DiscreteLaplace:
    """Discrete Laplace noise for counts of which one point changes at most one, by one.

    The privacy unit is the event: two data sets are neighbours if one has one point more.
    A point lies in one cell of a partition, so any vector of counts over disjoint blocks
    has L1 sensitivity 1, and releasing the whole vector costs `epsilon` once.

    Parameters
    ----------
    epsilon : float
        Declared privacy loss of a release, in ``[1e-6, 10]``.

    Raises
    ------
    SpecError
        If `epsilon` is not a number in that range.

    Notes
    -----
    ``P(Z = z) = (1 - q) / (1 + q) * q**|z|`` with ``q = exp(-1 / scale)``; Ghosh,
    Roughgarden and Sundararajan (2012), Canonne, Kamath and Steinke (2020). OpenDP draws it
    exactly for the rational value of `scale`, from the system's entropy.

    Examples
    --------
    >>> law = DiscreteLaplace(1.0)
    >>> law.scale, law.threshold(k=10, beta=1e-3), law.accuracy(0.05)
    (1.0, 16, 3)
    """

    epsilon: float

    def __post_init__(self) -> None:
        value = self.epsilon
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and MIN_EPSILON <= value <= MAX_EPSILON):  # false for NaN too
            raise SpecError(
                f"epsilon must be a number from {MIN_EPSILON:g} to {MAX_EPSILON:g} (1.0 is a "
                f"usual choice; less is more private), got {value!r}"
            )

    @property
    def scale(self) -> float:
        """Noise scale, rounded up: its exact loss ``1 / scale`` never exceeds `epsilon`."""
        # both the decimal that was declared and the double that stands for it
        wanted = 1 / min(self._declared, Fraction(float(self.epsilon)))
        scale = float(wanted)
        while Fraction(scale) < wanted:
            scale = math.nextafter(scale, math.inf)
        return scale

    @property
    def cost_pico_epsilon(self) -> int:
        """What a release is charged, in 1e-12 of epsilon, rounded up."""
        return math.ceil(self._declared * PICO)

    @property
    def _declared(self) -> Fraction:
        return Fraction(repr(float(self.epsilon)))

    @property
    def _q(self) -> float:
        return math.exp(-1 / self.scale)

    @property
    def standard_deviation(self) -> float:
        """Standard deviation of the noise, ``sqrt(2 q) / (1 - q)``."""
        return math.sqrt(2 * self._q) / -math.expm1(-1 / self.scale)

    def accuracy(self, alpha: float) -> int:
        """The least h with ``P(|noise| > h) <= alpha``: half the width of an error bar.

        Raises
        ------
        SpecError
            If `alpha` is not in (0, 1).
        """
        if not 0 < alpha < 1:
            raise SpecError(f"alpha must lie between 0 and 1, got {alpha!r}")
        # P(|Z| >= a) = 2 q**a / (1 + q) for a >= 1
        beyond = self.scale * (math.log(2 / alpha) - math.log1p(self._q))
        return max(math.ceil(beyond) - 1, 0)

    def threshold(self, k: int, beta: float) -> int:
        """The least noisy count that is published.

        A count is published if and only if its *noisy* value reaches the threshold, so
        that ``P(publish | true count < k) <= beta``. The rule sees no true count and costs
        nothing.

        Parameters
        ----------
        k : int
            Least true count meant to be shown, >= 1.
        beta : float
            Probability allowed for showing a smaller one, in ``(0, 0.5]``.

        Raises
        ------
        SpecError
            If `k` or `beta` is out of range.
        """
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise SpecError(f"k must be a whole number of at least 1, got {k!r}")
        if not 0 < beta <= MAX_BETA:
            raise SpecError(f"beta must be positive and at most {MAX_BETA}, got {beta!r}")
        # P(Z >= m) = q**m / (1 + q) for m >= 1, the case of a true count of k - 1
        return k - 1 + math.ceil(self.scale * -(math.log(beta) + math.log1p(self._q)))


def noisy_counts(counts: NDArray[np.int64], epsilon: float) -> NDArray[np.int64]:
    """Counts of disjoint blocks with fresh discrete Laplace noise: one draw per call.

    Parameters
    ----------
    counts : ndarray of int64, shape (n,)
        True counts. No error message ever shows them.
    epsilon : float
        Declared privacy loss, in ``[1e-6, 10]``.

    Returns
    -------
    ndarray of int64, shape (n,)
        May be negative.

    Raises
    ------
    SpecError
        If `epsilon` is out of range.
    PrivacyError
        If `counts` are not a vector of int64, or OpenDP's own privacy map does not confirm
        `epsilon`.
    """
    measurement = laplace_measurement(DiscreteLaplace(epsilon))
    if counts.dtype != np.int64 or counts.ndim != 1:
        raise PrivacyError(
            f"counts to be released must be a vector of int64, got {counts.ndim} dimensions of "
            f"{counts.dtype}; the sensitivity of anything else is not known here"
        )
    return np.array(measurement(counts.tolist()), np.int64)


@lru_cache(maxsize=64)
def laplace_measurement(law: DiscreteLaplace) -> Any:
    """OpenDP's measurement for a law, its privacy map checked against the declared epsilon.

    The first call imports OpenDP (1 to 2 s): make it before taking a lock.

    Raises
    ------
    PrivacyError
        If the map of one added or removed point is not the declared epsilon.
    """
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_laplace
    from opendp.metrics import l1_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    counts, one_point = vector_domain(atom_domain(T="i64")), l1_distance(T="i64")
    measurement: Any = make_laplace(counts, one_point, scale=law.scale)
    loss = measurement.map(1)
    if not (loss <= law.epsilon and math.isclose(loss, law.epsilon, rel_tol=1e-15)):
        raise PrivacyError(
            f"OpenDP's privacy map gives {loss!r} for a scale of {law.scale!r}, not the declared "
            f"epsilon {law.epsilon!r}; check the installed version of opendp"
        )
    return measurement
