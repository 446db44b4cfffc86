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
from scipy.optimize import least_squares
from scipy.special import expi

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.k_estimate import Observed
from synthgrid_assets.processes.isotropic import lens

_POWER = 0.25  # variance-stabilising, as Diggle (1983) and spatstat's kppm take it for clusters
_KM2 = 1e6
_FARTHEST = 25.0  # logarithms from the first guess
_FINELY = {"xtol": 1e-11, "ftol": 1e-14, "gtol": 1e-14, "max_nfev": 2000}
_STARTS = (0.05, 0.2, 0.6)  # of the longest distance, as first guesses of a scale
# share of a disc's pairs within a distance in radii, by the density of the distance of two points
_GRID = np.linspace(0.0, 2.0, 257)
_SHARE = cumulative_simpson(2 * _GRID * lens(_GRID, 1.0) / math.pi, x=_GRID, initial=0.0)
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

    def misfits(logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
        k = plain + model.k_excess(r, *np.exp(np.clip(logarithms, low, high)))
        return np.asarray(np.maximum(k, 0.0) ** _POWER - target)

    first = model.first_guess(observed)
    starts = [np.log([first, share * r[-1]]) for share in _STARTS]
    low, high = starts[0] - _FARTHEST, starts[0] + _FARTHEST
    with np.errstate(over="ignore", invalid="ignore"):  # far from the data all exceed doubles
        tries = [least_squares(misfits, s, method="lm", **_FINELY) for s in starts]
    best = min(tries, key=lambda one: float(one.cost))
    value, scale = np.exp(best.x)
    if not 1e-3 * r[0] < scale < 10 * r[-1] or abs(best.x[0] - math.log(first)) > _FARTHEST:
        raise SpecError(
            f"no such structure is seen up to {r[-1]:.6g} m: the contrast is least at a scale of "
            f"{scale:.3g} m; fit another process, as poisson, or give a larger window"
        )
    return model.named(float(value), float(scale), observed.intensity)


def _thomas(r: NDArray[np.float64], kappa: float, sigma: float) -> NDArray[np.float64]:
    return np.asarray(-np.expm1(-(r**2) / (4 * sigma**2)) / kappa)


def _matern_cluster(r: NDArray[np.float64], kappa: float, radius: float) -> NDArray[np.float64]:
    return np.asarray(np.interp(r, _GRID * radius, _SHARE) / kappa)


def _lgcp(r: NDArray[np.float64], variance: float, scale: float) -> NDArray[np.float64]:
    """With w the covariance, `2 pi r dr` is ``-pi scale**2 dw / w``, so the integral is Ein's."""
    near = variance * np.exp(-((r / scale) ** 2))
    return np.asarray(math.pi * scale**2 * (_ein(np.array(variance)) - _ein(near)))


def _ein(w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral of ``(exp(t) - 1) / t`` from 0 to w, for w of at least 0.

    Examples
    --------
    >>> _ein(np.array([0.0, 1e-3, 1.0])).round(7).tolist()
    [0.0, 0.0010003, 1.3179022]
    """
    small = w * (1 + w / 4 * (1 + w * 2 / 9 * (1 + w * 3 / 16)))
    return np.where(w < 1e-3, small, expi(w) - np.log(np.maximum(w, 1e-300)) - np.euler_gamma)


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
