"""Maximum pseudolikelihood of the Strauss process, at a given radius.

Belongs here: the fit. Not here: patterns of the fitted process (`bootstrap`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.k_estimate import Observed
from synthgrid_assets.fitting.neighbours import bins, near_counts
from synthgrid_assets.fitting.quadrature import Quadrature, poisson_regression
from synthgrid_assets.fitting.windows import Window

_FINENESS = 8  # dummy places along a radius: coarser ones bias the interaction


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
    near: NDArray[np.int64] = near_counts(bins(observed.xy, radius), radius, inner.xy)
    near[: inner.points] -= 1  # a point is no neighbour of its own
    if not near[: inner.points].any():
        raise SpecError(f"no two points lie within {radius:g} m: fit hard_core, or a larger radius")
    alike = np.arange(near.max() + 1)  # places with as many neighbours
    found, _ = poisson_regression(
        np.bincount(near[: inner.points], minlength=alike.size),
        np.bincount(near, inner.weights).astype(np.float64),
        np.column_stack((np.ones(alike.size), alike)),
    )
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


def strauss_bound(beta: float, gamma: float, radius: float) -> float:
    """``beta (1 - gamma) pi radius**2``: below 1, worlds can be drawn from it exactly."""
    return beta * (1 - gamma) * math.pi * radius**2
