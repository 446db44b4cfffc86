"""Strategies: how a grid of private counts is measured with noise, and what follows from it.

Belongs here: which integers are drawn, what they cost, and every estimate that is a function
of them and of public parameters. Not here: true counts beyond `Strategy.measure`, records and
budgets (`release_record`, `budget`), seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from synthgrid_assets.errors import SpecError
from synthgrid_assets.privacy.strategies.flat import Flat
from synthgrid_assets.privacy.strategies.quadtree import Quadtree
from synthgrid_assets.privacy.strategies.ranges import Ranges
from synthgrid_assets.privacy.strategies.strategy import Strategy
from synthgrid_assets.privacy.strategies.terms import EVENT, Loss, Unit

STRATEGIES: Mapping[str, type[Strategy]] = MappingProxyType(
    {strategy.name: strategy for strategy in (Flat, Quadtree, Ranges)}
)


def strategy(name: str, shape: tuple[int, int], loss: Loss, unit: Unit = EVENT) -> Strategy:
    """The strategy of a name, for one grid of counts.

    Parameters
    ----------
    name : str
        ``"flat"``, ``"quadtree"`` or ``"ranges"``.
    shape : tuple of int
        Rows and columns of the grid of cells, fixed before the data are seen.
    loss : Loss
        What the release of the whole grid costs: epsilon gives discrete Laplace noise, rho
        discrete Gaussian noise.
    unit : Unit, optional
        Whose presence is protected; by default one event.

    Returns
    -------
    Strategy

    Raises
    ------
    SpecError
        If the name is not known or the shape is out of range.

    Examples
    --------
    >>> release = strategy("flat", (2, 3), Loss.of_epsilon("1"))
    >>> release.cost_pico, release.size, round(release.estimate_of(0, 0, 1, 1).sd, 2)
    (1000000000000, 6, 1.36)
    """
    if name not in STRATEGIES:
        raise SpecError(
            f"strategy {name!r} is not known; known: {', '.join(STRATEGIES)}", "strategy"
        )
    return STRATEGIES[name](shape, loss, unit)
