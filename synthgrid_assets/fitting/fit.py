"""A process fitted to observed points: parameters, their errors, and how well it fits.

Belongs here: the one entry for all processes. Not here: the methods (`minimum_contrast`,
`pseudolikelihood`), simulated patterns (`bootstrap`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.bootstrap import Replicates, replicate
from synthgrid_assets.fitting.intervals import FEWEST, intervals
from synthgrid_assets.fitting.k_estimate import Observed
from synthgrid_assets.fitting.minimum_contrast import MODELS, fit_by_contrast
from synthgrid_assets.fitting.pseudolikelihood import fit_strauss, strauss_bound
from synthgrid_assets.statistics.curves.envelopes import Envelope, curve_fits_replicates

FITTED = ("poisson", *MODELS, "strauss")
GOODNESS_ALPHA = 0.05
_SHOWN = slice(8, None, 8)  # of the distances at which K is estimated


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted process.

    Parameters
    ----------
    process : str
        As in a world file.
    parameters : dict of str to float
        Metres and per km2; of ``lgcp`` a list of tables in `scales`.
    standard_errors : dict of str to float
        Standard deviations of refits to simulated patterns of the fitted process in the window.
    intervals : dict of str to (float, float)
        Ends between which the true value lies in 95 of 100 worlds: see `intervals`.
    p_value : float
        Of the observed L function among those of the simulated patterns; NaN without any.
    distances, observed : ndarray of float64, shape (m,)
        Distances in metres, and L(r) - r there.
    envelope : Envelope or None
        The simulated patterns' global envelope of L(r) - r at 5 %.
    notes : tuple of str
        What a person should know.
    """

    process: str
    parameters: dict[str, object]
    standard_errors: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    p_value: float
    distances: NDArray[np.float64]
    observed: NDArray[np.float64]
    envelope: Envelope | None
    notes: tuple[str, ...] = field(default=())


def fit_process(
    observed: Observed,
    process: str,
    *,
    radius: float | None = None,
    simulations: int = 99,
    seed: int = 1,
) -> Fit:
    """Fit a process to points and say how sure that is.

    Parameters
    ----------
    observed : Observed
    process : str
        One of `FITTED`.
    radius : float, optional
        Metres; of ``strauss`` alone, which needs it.
    simulations : int
        Patterns of the fitted process that are refitted, and patterns of these refits; 0 for
        none, else at least 39 of each.
    seed : int
        Of these patterns.

    Raises
    ------
    SpecError
        If the process cannot be fitted, or the points show no such structure.

    Examples
    --------
    >>> from synthgrid_assets.fitting.windows import Window
    >>> xy = np.random.default_rng(1).uniform(0, 1000, (250, 2))
    >>> fit = fit_process(Observed(xy, Window.rectangle(0, 0, 1000, 1000)), "poisson")
    >>> fit.parameters
    {'points_per_km2': 250.0}
    """
    method = _method(process, radius)
    if simulations and simulations < FEWEST:
        raise SpecError(f"{simulations} simulations; give 0, or at least {FEWEST}")
    parameters = method(observed)
    distances, curve = observed.distances()[_SHOWN], _l_excess(observed)
    notes = list(_notes(process, parameters))
    if not simulations:
        return Fit(process, parameters, {}, {}, math.nan, distances, curve, None, tuple(notes))
    made = replicate(
        observed.window, process, parameters, method, _l_excess,
        simulations, seed,
    )  # fmt: skip
    if made.lost:
        notes.append(f"{made.lost} of {simulations} simulated patterns show no such structure")
    verdict, envelope = curve_fits_replicates(
        "the_fit_is_good", curve, made.curves, alpha=max(GOODNESS_ALPHA, 1.01 / len(made.curves))
    )
    assert verdict.p_value is not None
    found = (*_errors(parameters, made), verdict.p_value, distances, curve, envelope)
    return Fit(process, parameters, *found, tuple(notes))


def flattened(parameters: dict[str, object]) -> dict[str, float]:
    """Every number under one name, as ``scales.0.sd``.

    Examples
    --------
    >>> flattened({"points_per_km2": 3.0, "scales": [{"sd": 1.0, "range": 40.0}]})
    {'points_per_km2': 3.0, 'scales.0.sd': 1.0, 'scales.0.range': 40.0}
    """
    flat: dict[str, float] = {}
    for name, value in parameters.items():
        if isinstance(value, list):
            for number, table in enumerate(value):
                flat |= {f"{name}.{number}.{key}": float(v) for key, v in table.items()}
        else:
            assert isinstance(value, int | float)
            flat[name] = float(value)
    return flat


def _method(process: str, radius: float | None) -> Callable[[Observed], dict[str, object]]:
    if radius is not None and process != "strauss":
        raise SpecError(f"--radius belongs to strauss; {process} finds its scale itself")
    if process == "poisson":
        return lambda seen: {"points_per_km2": seen.intensity * 1e6}
    if process in MODELS:
        return partial(fit_by_contrast, model=MODELS[process])
    if process == "strauss":
        if radius is None:
            raise SpecError("strauss needs --radius: metres within which points repel each other")
        return partial(fit_strauss, radius=radius)
    raise SpecError(f"process {process!r} cannot be fitted; these can: {', '.join(FITTED)}")


def _l_excess(observed: Observed) -> NDArray[np.float64]:
    """L(r) - r at every eighth distance."""
    r = observed.distances()[_SHOWN]
    return np.asarray(np.sqrt(observed.k_curve[_SHOWN] / math.pi) - r)


def _errors(
    fitted: dict[str, object], made: Replicates
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Standard deviations and intervals of what refits find; not of what is given."""
    rows = [flattened(parameters) for parameters in made.parameters]
    again = [None if found is None else flattened(found) for found in made.again]
    found = intervals(flattened(fitted), rows, again)
    return {name: float(np.std([row[name] for row in rows], ddof=1)) for name in found}, found


def _notes(process: str, parameters: dict[str, object]) -> list[str]:
    if process != "strauss":
        return []
    beta, gamma, radius = (flattened(parameters)[k] for k in ("beta_per_km2", "gamma", "radius"))
    bound = strauss_bound(beta / 1e6, gamma, radius)
    if bound < 1:
        return []
    return [
        f"beta (1 - gamma) pi radius**2 is {bound:.3g}: worlds are drawn from Strauss processes "
        "below 1 only, so the block below is refused; a smaller radius may fit too"
    ]
