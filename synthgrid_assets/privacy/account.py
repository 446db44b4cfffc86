"""The tight (epsilon, delta) of several releases together, whatever noise each of them has.

Belongs here: what an account of losses amounts to for a reader. Not here: what is charged,
which is the plain sum of losses in exact integers (`budget`).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from synthgrid_assets.errors import SpecError
from synthgrid_assets.privacy.strategies.terms import Loss

MOST_POINTS = 200_000  # of a distribution of losses; beyond, losses are rounded up
_GRID = 1e-4
_PRECISION = 1e-9  # of an epsilon
_FACTORS = np.geomspace(0.05, 20, 400)  # Renyi orders that are tried, around the likely best


@dataclass(frozen=True)
class Account:
    """Losses of all releases that one unit takes part in, added up tightly.

    Parameters
    ----------
    losses : tuple of Loss
        Of each release: of epsilon, of rho, or both kinds.

    Notes
    -----
    No release of loss epsilon reveals more than a randomised answer to one question whose
    loss is plus or minus epsilon, and discrete Laplace noise of one count reveals as much
    (Kairouz, Oh and Viswanath 2015, The composition theorem for differential privacy). So for
    releases in epsilon the curve ``delta(epsilon) = E[max(0, 1 - exp(epsilon - loss))]`` is
    tight.

    Releases in rho add their rhos. What is certain for any noise of that rho is a bound
    (Canonne, Kamath and Steinke 2020). The tight curve of one Gaussian of that rho (Balle and
    Wang 2018) lies up to a seventh lower; discrete noise follows it, up to the
    steps of its lattice: within half a per cent for sigma of 3 units and more.

    Examples
    --------
    >>> account = Account((Loss.of_epsilon("0.1"),) * 50)
    >>> account.epsilon(0.0), round(account.epsilon(1e-6), 2)
    (5.0, 3.17)
    >>> account = Account((Loss.of_rho("0.5"),))
    >>> round(account.epsilon(1e-6), 2), round(account.epsilon(1e-6, certain=False), 2)
    (5.22, 4.89)
    """

    losses: tuple[Loss, ...]

    @property
    def pure_epsilon(self) -> float:
        """Plain sum of all epsilons; infinite if a release has Gaussian noise."""
        return math.inf if self.rho else float(sum(x.exact for x in self._pure))

    @cached_property
    def rho(self) -> float:
        """Sum of the rhos of those releases that are declared in rho."""
        return float(sum(x.exact for x in self.losses if x.measure == "rho"))

    def delta(self, epsilon: float, *, certain: bool = True) -> float:
        """Least delta with which all releases together are (epsilon, delta)-private.

        Parameters
        ----------
        epsilon : float
        certain : bool
            True for the bound that holds for any noise, False for the tight curve of Gaussian
            noise in the place of the releases in rho.

        Raises
        ------
        SpecError
            If `epsilon` is negative or not a number.
        """
        if not epsilon >= 0:
            raise SpecError(f"epsilon must be a number of at least 0, got {epsilon!r}", "epsilon")
        loss, probability = self._answers
        left = epsilon - loss
        if not self.rho:
            beyond = -np.expm1(np.minimum(left, 0.0))
        else:
            beyond = (_certain if certain else _gaussian)(left, self.rho)
        return float(min(max(math.fsum(probability * np.clip(beyond, 0.0, 1.0)), 0.0), 1.0))

    def epsilon(self, delta: float, *, certain: bool = True) -> float:
        """Least epsilon with which all releases together are (epsilon, delta)-private.

        Within 1e-9, from above; `certain` as in `delta`.

        Raises
        ------
        SpecError
            If `delta` is not in ``[0, 1)``.
        """
        if not 0 <= delta < 1:
            raise SpecError(f"delta must be at least 0 and less than 1, got {delta!r}", "delta")
        if delta == 0:
            return self.pure_epsilon
        if self.delta(0.0, certain=certain) <= delta:
            return 0.0
        low, high = 0.0, 1.0
        while self.delta(high, certain=certain) > delta:
            low, high = high, 2 * high
        while high - low > _PRECISION * max(high, 1.0):
            middle = (low + high) / 2
            too_small = self.delta(middle, certain=certain) > delta
            low, high = (middle, high) if too_small else (low, middle)
        return high

    @property
    def _pure(self) -> list[Loss]:
        return [x for x in self.losses if x.measure == "epsilon"]

    @cached_property
    def _answers(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Losses of the randomised answers together, and their probabilities."""
        loss, probability = np.zeros(1), np.ones(1)
        for exact, times in sorted(Counter(x.exact for x in self._pure).items()):
            yes = np.arange(times + 1)
            one = float(exact)
            more = scipy.stats.binom.pmf(yes, times, 1 / (1 + math.exp(-one)))
            loss = np.add.outer(loss, (2 * yes - times) * one).ravel()
            probability = np.outer(probability, more).ravel()
            if loss.size > MOST_POINTS:
                loss, probability = _rounded_up(loss, probability)
        return loss, probability


def _rounded_up(
    loss: NDArray[np.float64], probability: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distribution with every loss rounded up to a grid: a bound from above."""
    steps, at = np.unique(np.ceil(loss / _GRID), return_inverse=True)
    return steps * _GRID, np.asarray(np.bincount(at, weights=probability), float)


def _gaussian(left: NDArray[np.float64], rho: float) -> NDArray[np.float64]:
    """``E[max(0, 1 - exp(left - loss))]`` for the loss of Gaussian noise of some rho."""
    mu = math.sqrt(2 * rho)
    # exp(left) * ndtr(...) in logarithms: the factors leave float64 one by one
    far = np.exp(np.minimum(left + log_ndtr(-mu / 2 - left / mu), 0.0))
    return np.asarray(ndtr(mu / 2 - left / mu) - far)


def _certain(left: NDArray[np.float64], rho: float) -> NDArray[np.float64]:
    """A bound of the same, for any loss of some rho: the best of many Renyi orders."""
    best = np.ones(left.shape)
    nearest = np.maximum((left + rho) / (2 * rho), 1.0)  # where the exponent alone is least
    for factor in _FACTORS:
        order = 1 + nearest * factor
        power = (order - 1) * (order * rho - left) + order * np.log1p(-1 / order)
        best = np.minimum(best, np.exp(np.minimum(power - np.log(order - 1), 0.0)))
    return best


def how_many_fit(left_pico: int, cost_pico: int) -> int:
    """How many more releases of a cost fit into what is left of a budget.

    Parameters
    ----------
    left_pico, cost_pico : int
        In 1e-12 of the budget's measure.

    Examples
    --------
    >>> how_many_fit(10**12, Loss.of_epsilon("0.1").pico)
    10
    """
    return max(left_pico, 0) // cost_pico
