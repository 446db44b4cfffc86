"""Patterns of a fitted process in the window of the observed points, and refits to them.

Belongs here: the parametric bootstrap. Not here: what is fitted (`fit`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.birth_and_death import simulate_strauss
from synthgrid_assets.fitting.k_estimate import FEWEST, Observed
from synthgrid_assets.fitting.pseudolikelihood import strauss_bound
from synthgrid_assets.fitting.windows import Window
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.processes.registry import process as validated

_CELLS = 32  # along the window's longer side, on which patterns are drawn
_EXACT = 0.95  # of the bound of exact sampling, near which it takes long
_MOST_LOST = 0.5  # of the patterns that may show no structure

Found = dict[str, object]


@dataclass(frozen=True, eq=False)
class Replicates:
    """What was found in simulated patterns.

    Parameters
    ----------
    parameters : list of dict
        Of each refit.
    again : list of dict or None
        Of a refit to one pattern of each refit; None where none is found.
    curves : ndarray of float64, shape (n, m)
    lost : int
        Patterns that no parameters fit, or with too few points.
    """

    parameters: list[dict[str, object]]
    again: list[dict[str, object] | None]
    curves: NDArray[np.float64]
    lost: int


def replicate(
    window: Window,
    process: str,
    parameters: dict[str, object],
    fit: Callable[[Observed], dict[str, object]],
    curve: Callable[[Observed], NDArray[np.float64]],
    number: int,
    seed: int,
) -> Replicates:
    """Simulate a process in a window, again and again, and fit each pattern as the first.

    Of each refit one pattern is drawn and fitted in turn.

    Raises
    ------
    SpecError
        If most patterns cannot be fitted.
    """
    found: list[Found] = []
    again: list[Found | None] = []
    curves = []
    for k in range(number):
        try:
            pattern = Observed(simulate(process, parameters, window, (seed, k)), window)
            found.append(fit(pattern))
        except SpecError:
            continue
        curves.append(curve(pattern))
        try:
            pattern = Observed(simulate(process, found[-1], window, (seed, number + k)), window)
            again.append(fit(pattern))
        except SpecError:
            again.append(None)
    if len(found) < max(_MOST_LOST * number, FEWEST):
        raise SpecError(
            f"{number - len(found)} of {number} patterns of the fitted {process} process cannot be "
            "fitted again: the points say too little; use --simulations 0, or another process"
        )
    return Replicates(found, again, np.array(curves), number - len(found))


def simulate(
    process: str, parameters: dict[str, object], window: Window, seed: tuple[int, int]
) -> NDArray[np.float64]:
    """Points of a process in a window, shape (n, 2), in metres.

    By the sampler of worlds, whose points go on beyond the window; of ``strauss`` beyond its
    bound by births and deaths.

    Examples
    --------
    >>> window = Window.rectangle(0.0, 0.0, 1000.0, 500.0)
    >>> len(simulate("poisson", {"points_per_km2": 400.0}, window, (1, 0)))
    210
    """
    xmin, ymin, xmax, ymax = window.bounds
    beta, gamma, radius = (float(str(parameters.get(key, 0.0))) for key in _STRAUSS)
    if process == "strauss" and gamma == 1:
        process, parameters = "poisson", {"points_per_km2": beta}
    if process == "strauss" and strauss_bound(beta / 1e6, gamma, radius) > _EXACT:
        rng = np.random.default_rng(seed)
        xy = simulate_strauss(beta / 1e6, gamma, radius, window.bounds, rng)
    else:
        cell = float(f"{max(xmax - xmin, ymax - ymin) / _CELLS:.3g}")
        key = stream_key("fit", *seed)
        sampler = REGISTRY[process].build(validated(process, parameters), key, cell)
        columns, rows = (int(np.ceil(side / cell)) for side in (xmax - xmin, ymax - ymin))
        pattern = sampler.points(Cells(0, 0, columns, rows))
        xy = np.column_stack((pattern.x, pattern.y)) * (cell / CELL) + [xmin, ymin]
    return xy[window.contains(xy)]


_STRAUSS = ("beta_per_km2", "gamma", "radius")
