"""Intervals that hold the true parameters as often as they say, from refits of refits.

Belongs here: how errors depend on parameters, quantiles, and inverted tests. Not here: the patterns
that are refitted (`bootstrap`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw

RATE = 0.95
FEWEST = 39  # refits whose extremes are ends of an interval at `RATE`
_HELD = 10.0  # how far errors are held to be the same everywhere, as so many refits would
_LARGEST = {"gamma": 1.0}  # parameters that are bounded above


def intervals(
    fitted: dict[str, float], refits: list[dict[str, float]], again: list[dict[str, float] | None]
) -> dict[str, tuple[float, float]]:
    """Ends of each parameter's interval; of those alone that refits find anew.

    Parameters
    ----------
    fitted : dict of str to float
        All above 0.
    refits : list of dict, length n
        Refits to patterns of the fitted process.
    again : list of dict or None, length n
        A refit to a pattern of each of these; None where it shows no structure.

    Notes
    -----
    Inverted tests on logarithms: an end is where the fit would be as far off as 2.5 of 100 fits
    are, were the truth there. Errors of the fitted process alone are too small where they grow
    with a parameter that was found too small; so the spread of errors is taken where the end is.
    How it changes along a parameter, the others following as refits do, is told log-linearly by
    the errors of refits of refits: one of each, as in the fast double bootstrap.

    References
    ----------
    Carpenter (1999), JRSS B 61, for inverted bootstrap tests; Davidson and MacKinnon (2007),
    Computational Statistics and Data Analysis 51, for one refit of each.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> first = np.exp(rng.normal(0.0, 0.1, 999))
    >>> second = first * np.exp(rng.normal(0.0, 0.1, 999))
    >>> made = [[{"sigma": float(value)} for value in column] for column in (first, second)]
    >>> low, high = intervals({"sigma": 1.0}, made[0], list(made[1]))["sigma"]
    >>> round(low, 1), round(high, 1)  # exp(-0.196) and exp(0.196)
    (0.8, 1.2)
    """
    names = [name for name in fitted if len({row[name] for row in refits}) > 1]
    if not names:
        return {}
    centre = _logarithms([fitted], names)[0]
    first = _logarithms(refits, names)
    kept = np.array([row is not None for row in again], bool)
    second = _logarithms([row for row in again if row is not None], names)
    found = {}
    for k, name in enumerate(names):
        errors, later = first[:, k] - centre[k], second[:, k] - first[kept, k]
        slope = _slope_of_spread(errors[kept], later)
        low, high = _quantiles(np.concatenate((errors, later * np.exp(-slope * errors[kept]))))
        most = _LARGEST.get(name, math.inf)
        below = min(math.exp(centre[k] - _end(high, -slope)), most)
        found[name] = (below, min(math.exp(centre[k] + _end(-low, slope)), most))
    return found


def _logarithms(rows: list[dict[str, float]], names: list[str]) -> NDArray[np.float64]:
    table = np.array([[row[name] for name in names] for row in rows], float)
    return np.asarray(np.log(table.reshape(len(rows), len(names))))


def _slope_of_spread(places: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
    """How the logarithm of the errors' spread grows along the places where they were made.

    A log-linear regression of squared errors as exponentially distributed, its slope held
    towards 0.
    """
    squares, width = (errors - errors.mean()) ** 2, max(float(places.std()), 1e-12)
    design = np.column_stack((np.ones(places.size), (places - places.mean()) / width))
    held = np.diag([0.0, _HELD])
    found = np.array([math.log(max(float(squares.mean()), 1e-300)), 0.0])
    for _ in range(100):
        excess = squares / np.exp(np.clip(design @ found, -690, 690)) - 1
        step = np.linalg.solve(design.T @ design + held, design.T @ excess - held @ found)
        found = found + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    return float(found[1]) / width / 2


def _end(error: float, slope: float) -> float:
    """Where d is as large as an error whose spread grows by ``exp(slope * d)``.

    The slope is cut where no such place would be: at e times the error.
    """
    if error <= 0 or slope == 0:
        return error
    slope = min(slope, (1 - 1e-9) / (math.e * error))
    return float(-lambertw(-error * slope).real / slope)


def _quantiles(pivots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Both ends between which one more of them lies at `RATE`, shape (2,)."""
    ranks = np.array([(1 - RATE) / 2, (1 + RATE) / 2]) * (pivots.size + 1) - 1
    return np.asarray(np.interp(ranks, np.arange(pivots.size), np.sort(pivots)))
