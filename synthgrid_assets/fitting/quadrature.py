"""Quadrature in a window, and Poisson regression on it: likelihoods of point processes.

Belongs here: points and dummy places with their weights, and the regression. Not here: which
covariates a process has (`pseudolikelihood`, `surface_regression`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.k_estimate import Observed

MOST = 1_000_000  # dummy places
_LEAST_SIDE = 32  # dummy places along the shorter side of the bounds


@dataclass(frozen=True, eq=False)
class Quadrature:
    """Data points and dummy places with weights that sum to the window's area.

    Parameters
    ----------
    xy : ndarray of float64, shape (m, 2)
        The data points first.
    weights : ndarray of float64, shape (m,)
        Square metres.
    points : int
        Number of data points.

    References
    ----------
    Berman and Turner (1992), Applied Statistics 41; Baddeley and Turner (2000), ANZJS 42.
    """

    xy: NDArray[np.float64]
    weights: NDArray[np.float64]
    points: int

    @property
    def counts(self) -> NDArray[np.int64]:
        """1 at data points, 0 at dummy places."""
        return (np.arange(len(self.xy)) < self.points).astype(np.int64)

    @classmethod
    def of(cls, observed: Observed, spacing: float = math.inf) -> Quadrature:
        """A grid of dummy places, at least twice as many along a side as points would need.

        Parameters
        ----------
        observed : Observed
        spacing : float
            Metres between dummy places, at most; not below what `MOST` places need.
        """
        xmin, ymin, xmax, ymax = observed.window.bounds
        short = min(xmax - xmin, ymax - ymin)
        finest = short / math.sqrt(MOST * short**2 / ((xmax - xmin) * (ymax - ymin)))
        along = max(
            _LEAST_SIDE,
            10 * math.ceil(2 * math.sqrt(len(observed.xy)) / 10),
            math.ceil(short / max(spacing, finest)),
        )
        columns, rows = (math.ceil(along * (s / short)) for s in (xmax - xmin, ymax - ymin))
        dx, dy = (xmax - xmin) / columns, (ymax - ymin) / rows
        x, y = xmin + (np.arange(columns) + 0.5) * dx, ymin + (np.arange(rows) + 0.5) * dy
        dummies = np.column_stack([axis.ravel() for axis in np.meshgrid(x, y)])
        xy = np.vstack((observed.xy, dummies[observed.window.contains(dummies)]))
        tile = [
            np.clip(np.floor((xy[:, k] - low) / step).astype(int), 0, n - 1)
            for k, low, step, n in ((0, xmin, dx, columns), (1, ymin, dy, rows))
        ]
        place = tile[1] * columns + tile[0]
        weights = dx * dy / np.bincount(place, minlength=rows * columns)[place]
        return cls(xy, weights * (observed.window.area / weights.sum()), len(observed.xy))

    def take(self, chosen: NDArray[np.bool_]) -> Quadrature:
        """The part of the places that a mask chooses."""
        kept = int(np.count_nonzero(chosen[: self.points]))
        return Quadrature(self.xy[chosen], self.weights[chosen], kept)


def poisson_regression(
    counts: NDArray[np.int64], weights: NDArray[np.float64], covariates: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients of a log-linear intensity, and the information about them.

    Parameters
    ----------
    counts : ndarray of int64, shape (m,)
        Points at each place of a quadrature, or of places that are alike.
    weights : ndarray of float64, shape (m,)
        Square metres.
    covariates : ndarray of float64, shape (m, k)
        At these places; with a column of ones for the intercept.

    Returns
    -------
    coefficients : ndarray of float64, shape (k,)
    information : ndarray of float64, shape (k, k)

    Raises
    ------
    SpecError
        If the covariates do not decide the coefficients.

    Examples
    --------
    >>> from synthgrid_assets.fitting.windows import Window
    >>> xy = np.random.default_rng(1).uniform(0, 10, (400, 2))
    >>> places = Quadrature.of(Observed(xy, Window.rectangle(0, 0, 10, 10)))
    >>> one = np.ones((len(places.xy), 1))
    >>> found, _ = poisson_regression(places.counts, places.weights, one)
    >>> round(float(np.exp(found[0])), 6)  # points per square metre
    4.0
    """
    centre, spread = covariates.mean(axis=0), covariates.std(axis=0)
    flat = spread == 0
    centre, spread = np.where(flat, 0.0, centre), np.where(flat, 1.0, spread)
    z = (covariates - centre) / spread
    seen = counts @ z
    beta = np.where(flat, math.log(counts.sum() / weights.sum()), 0.0)
    for _ in range(100):
        rate = weights * np.exp(np.clip(z @ beta, -700, 700))
        gradient, information = seen - z.T @ rate, (z * rate[:, None]).T @ z
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            break
        beta = beta + step / max(1.0, float(np.abs(step).max()) / 2)
        if np.abs(step).max() < 1e-10:
            change = np.diag(1 / spread)
            change[flat] -= (centre / spread) * np.where(flat, 0.0, 1.0)
            return change @ beta, np.linalg.inv(change.T) @ information @ np.linalg.inv(change)
    raise SpecError(
        "the points do not decide the coefficients: a covariate is constant, follows from "
        "others, or separates points from places without; leave it out"
    )
