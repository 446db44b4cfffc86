"""Minimum contrast: the parameters whose K is nearest to the observed one.

Belongs here: the contrast and the K of each process in metres. Not here: the estimate of K
(`k_estimate`), errors (`bootstrap`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_simpson
from scipy.optimize import minimize

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.k_estimate import Observed
from synthgrid_assets.processes.isotropic import lens

_POWER = 0.25  # variance-stabilising, as Diggle (1983) and spatstat's kppm take it for clusters
_KM2 = 1e6
_STARTS = (0.05, 0.2, 0.6)  # of the longest distance, as first guesses of a scale
Found = dict[str, object]
Curve = Callable[[NDArray[np.float64], float, float], NDArray[np.float64]]


@dataclass(frozen=True)
class ContrastModel:
    """A process with two parameters that decide its K.

    Parameters
    ----------
    k_excess : callable
        K(r) - pi r^2 in square metres, of r, the first parameter and a scale in metres.
    first_guess : callable
        The first parameter where nothing is known but the points.
    named : callable
        Both numbers and the points per square metre as the parameters of a world file.
    """

    k_excess: Curve
    first_guess: Callable[[Observed], float]
    named: Callable[[float, float, float], Found]


def fit_by_contrast(observed: Observed, model: ContrastModel) -> Found:
    """The parameters of least contrast, under their names in a world file.

    Raises
    ------
    SpecError
        If no finite parameters have least contrast: the points show no such structure.

    Notes
    -----
    The contrast is the mean of ``(K_observed**q - K**q)**2`` over distances, q = 1/4
    (Diggle and Gratton 1984, JRSS B 46; Waagepetersen 2007, Biometrics 63).
    """
    r = observed.distances()[1:]
    target, plain = observed.k_curve[1:] ** _POWER, math.pi * r**2

    def contrast(logarithms: NDArray[np.float64]) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            k = plain + model.k_excess(r, *np.exp(logarithms))
            value = float(np.mean((target - np.maximum(k, 0.0) ** _POWER) ** 2))
        return value if math.isfinite(value) else 1e300

    first = model.first_guess(observed)
    starts = [np.log([first, share * r[-1]]) for share in _STARTS]
    options = {"xatol": 1e-9, "fatol": 1e-16, "maxiter": 4000, "maxfev": 4000}
    tries = [minimize(contrast, s, method="Nelder-Mead", options=options) for s in starts]
    best = min(tries, key=lambda one: float(one.fun))
    value, scale = np.exp(best.x)
    if not 1e-3 * r[0] < scale < 10 * r[-1] or abs(best.x[0] - math.log(first)) > 25:
        raise SpecError(
            f"no such structure is seen up to {r[-1]:.6g} m: the contrast is least at a scale of "
            f"{scale:.3g} m; fit another process, as poisson, or give a larger window"
        )
    return model.named(float(value), float(scale), observed.intensity)


def _thomas(r: NDArray[np.float64], kappa: float, sigma: float) -> NDArray[np.float64]:
    return np.asarray(-np.expm1(-(r**2) / (4 * sigma**2)) / kappa)


def _matern_cluster(r: NDArray[np.float64], kappa: float, radius: float) -> NDArray[np.float64]:
    """Share of a disc's pairs within r, by the density of the distance of two of its points."""
    grid = np.linspace(0.0, 2 * radius, 257)
    density = 2 * math.pi * grid * lens(grid, radius) / (math.pi * radius**2) ** 2
    share = cumulative_simpson(density, x=grid, initial=0.0)
    return np.asarray(np.interp(r, grid, share) / kappa)


def _lgcp(r: NDArray[np.float64], variance: float, scale: float) -> NDArray[np.float64]:
    grid = np.linspace(0.0, float(r[-1]), 1025)
    rate = 2 * math.pi * grid * np.expm1(variance * np.exp(-((grid / scale) ** 2)))
    return np.asarray(np.interp(r, grid, cumulative_simpson(rate, x=grid, initial=0.0)))


def _clusters(scale: str) -> Callable[[float, float, float], Found]:
    def named(kappa: float, size: float, intensity: float) -> Found:
        offspring = intensity / kappa
        return {"parents_per_km2": kappa * _KM2, "mean_offspring": offspring, scale: size}

    return named


def _field(variance: float, scale: float, intensity: float) -> Found:
    scales = [{"sd": math.sqrt(variance), "range": scale}]
    return {"points_per_km2": intensity * _KM2, "scales": scales}


MODELS = {
    "thomas": ContrastModel(_thomas, lambda seen: seen.intensity / 5, _clusters("sigma")),
    "matern_cluster": ContrastModel(
        _matern_cluster, lambda seen: seen.intensity / 5, _clusters("radius")
    ),
    "lgcp": ContrastModel(_lgcp, lambda seen: 1.0, _field),
}
