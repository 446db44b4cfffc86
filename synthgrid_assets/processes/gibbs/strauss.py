"""Strauss and hard-core Gibbs processes on the whole plane, by coupling from the past.

Belongs here: the sampler of both and what is known of their law. Not here: the births
that dominate them (`space_time`), how a fate is decided (`clan`), Matern's hard-core
models (`matern_hard_core`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.pattern import PointPattern, canonical, inside
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.processes.count_models import BoundedModel
from synthgrid_assets.processes.family import (
    Parameters,
    check_density,
    check_positive,
    exact,
    per_cell,
    quanta,
)
from synthgrid_assets.processes.gibbs.ancestors import DEEPER, DONE, ROOMIER, WIDER, Rule, settle
from synthgrid_assets.processes.gibbs.space_time import (
    ACCEPTED,
    BIRTH,
    DIED,
    FATE,
    Past,
    X,
    Y,
    nothing,
    patches,
)

ALGORITHM_VERSION = 2
MAX_SPAN = 1 << 12
_GENERATIONS = 4  # of a clan, for which there are patches around at first
_ROOM = 64  # generations of a clan for which there is room at first
_SIDE = 32  # patches along a side that are settled together: their past fits in the cache

Window = tuple[int, int, int, int]


class StraussParameters(Parameters):
    """What a world file says of a Strauss process."""

    beta_per_km2: float = Field(
        gt=0, description="points per square kilometre if they did not interact"
    )
    gamma: float = Field(
        ge=0, lt=1, description="factor of the density for each pair within the radius"
    )
    radius: float = Field(gt=0, description="radius of interaction, metres")


class HardCoreParameters(Parameters):
    """What a world file says of a hard-core Gibbs process."""

    beta_per_km2: float = Field(
        gt=0, description="points per square kilometre if they did not interact"
    )
    radius: float = Field(gt=0, description="least distance between two points, metres")


@dataclass(frozen=True)
class StraussLaw:
    """What is known of the law of a stationary Strauss process; lengths in cells.

    The density is ``beta^n gamma^(pairs within the radius)``; ``gamma = 0`` is the
    hard-core process. Its moments have no closed form: they are NaN here, so that no
    check mistakes an approximation for the law, and are estimated from twin worlds.

    Parameters
    ----------
    beta : float
        Points per unit area if they did not interact, > 0.
    gamma : float
        Interaction, in [0, 1).
    radius : float
        Radius of interaction, > 0.

    Raises
    ------
    SpecError
        If `branching` is 1 or more: beyond, uniqueness of the law is not proved.

    Notes
    -----
    Kelly and Ripley (1976), A note on Strauss's model for clustering, Biometrika 63. What
    characterises the law is the Georgii-Nguyen-Zessin identity: ``E sum over x in X of
    h(x, X - x) = beta E integral of h(u, X) gamma^t(u, X) du``, t the number of
    neighbours.

    Examples
    --------
    >>> law = StraussLaw(beta=8.0, gamma=0.5, radius=0.15)
    >>> [round(bound, 3) for bound in law.intensity_bounds]
    [6.237, 6.419]
    >>> law.intensity
    nan
    """

    beta: float
    gamma: float
    radius: float

    def __post_init__(self) -> None:
        check_positive("strauss", beta=self.beta, radius=self.radius)
        if not 0 <= self.gamma < 1:
            raise SpecError(f"strauss: gamma must be at least 0 and below 1, got {self.gamma!r}")
        if self.branching >= 1:
            raise SpecError(
                f"beta (1 - gamma) pi radius^2 = {self.branching:.4g} must be below 1, where the "
                "process is proved to exist uniquely and its exact simulation to end; use a "
                f"density or a squared radius less than {1 / self.branching:.4g} times this one"
            )

    @property
    def branching(self) -> float:
        """``beta (1 - gamma) pi R^2``: expected births that one birth can influence."""
        return self.beta * (1 - self.gamma) * math.pi * self.radius**2

    @property
    def intensity(self) -> float:
        """NaN: not known in closed form; see `intensity_bounds`."""
        return math.nan

    @property
    def intensity_bounds(self) -> tuple[float, float]:
        """Certain bounds of the intensity.

        Notes
        -----
        Stucki and Schuhmacher (2014), Bounds for the probability generating functional of
        a Gibbs point process, Advances in Applied Probability 46, corollary for
        inhibitory pairwise interactions.
        """
        b = self.branching
        return self.beta / (1 + b), self.beta / (2 - math.exp(-b))

    @property
    def count_model(self) -> BoundedModel:
        """The bounds of the intensity: nothing else is known."""
        return BoundedModel(*self.intensity_bounds)

    @property
    def hard_core(self) -> float:
        """The radius of the hard-core process; 0 where pairs are only rarer."""
        return self.radius if self.gamma == 0 else 0.0

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """NaN, shape of `r`, but for the hard core's 0 within its radius."""
        hard = (np.asarray(r, float) <= self.radius) & (self.gamma == 0)
        return np.where(hard, 0.0, math.nan)

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """NaN, shape of `r`, but for the hard core's 0 within its radius."""
        return self.pair_correlation(r)

    def count_variance(self, width: float, height: float) -> float:
        """NaN: not known in closed form."""
        return math.nan

    def cell_covariance(self, lags: int) -> NDArray[np.float64]:
        """NaN, shape (2 lags + 1, 2 lags + 1): not known in closed form."""
        return np.full((2 * lags + 1, 2 * lags + 1), math.nan)

    @property
    def correlation_cells(self) -> int:
        """Lag in cells beyond which two cells share a past with probability below 1e-9."""
        return math.ceil(2 * self.radius * self.generations(1e-9)) + 1

    def generations(self, probability: float) -> int:
        """Generations of the past that one point depends on, but for a `probability`."""
        return math.ceil(math.log(probability) / math.log(self.branching)) + 1


class StraussProcess:
    """Samples a Strauss or hard-core process, any rectangle of atom cells at a time.

    Dominated coupling from the past: a point of the dominating process is born, and each
    accepted neighbour kills it with probability ``1 - gamma``. Whether it is accepted
    depends on its clan of ancestors alone, which is finite and drawn back from now as far
    as it takes (`clan`): a function of the noise, and of no window.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key of the layer's process (`lattice.seeding.stream_key`).
    beta : Fraction
        Points per cell if they did not interact, exact.
    gamma : Fraction
        Interaction, in [0, 1), exact; 0 for the hard core.
    radius : int
        In quanta.

    Notes
    -----
    Kendall and Moller (2000), Perfect simulation using dominating processes on ordered
    spaces, Advances in Applied Probability 32; Ferrari, Fernandez and Garcia (2002),
    Perfect simulation for interacting point processes, loss networks and Ising models,
    Stochastic Processes and their Applications 102, for clans, the plane and the bound.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> process = StraussProcess(stream_key("doctest"), Fraction(8), Fraction(1, 2), CELL // 7)
    >>> len(process.points(Cells(0, 0, 10, 10)))
    679
    """

    def __init__(self, key: Key, beta: Fraction, gamma: Fraction, radius: int) -> None:
        self.law = StraussLaw(float(beta), float(gamma), radius / CELL)
        self.reach = radius * self.law.generations(2.0**-64)
        bits, self._table = patches(beta)
        self._rule = Rule(radius, np.uint64(gamma * (1 << 64) // 1), bits, key)

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order.

        Raises
        ------
        GeometryError
            If a clan reaches back over MAX_SPAN lifetimes.
        """
        empty = np.empty(0, np.int64)
        parts = [PointPattern(empty, empty, np.empty(0, np.uint64))]
        parts += [self._accepted(window) for window in _windows(cells, self._rule.bits)]
        x, y, birth = (np.concatenate(column) for column in zip(*parts, strict=True))
        return canonical(x, y, birth, cells)

    def _accepted(self, window: Window) -> PointPattern:
        """The points of a window of quanta, in no order."""
        past = self._settled(window)
        points = past.points[: past.used[0]]
        points = points[(points[:, FATE] == ACCEPTED) & (points[:, DIED] == 0)]
        x, y, birth = (np.ascontiguousarray(points[:, c]) for c in (X, Y, BIRTH))
        return PointPattern(*inside(x, y, birth.view(np.uint64), window))

    def _settled(self, window: Window) -> Past:
        """The past, drawn as far as the fates of all points alive in a window take it."""
        bits = self._rule.bits
        margin = min(-(-_GENERATIONS * self._rule.radius >> bits), _SIDE)
        past = nothing(window, bits, margin)
        room = _ROOM
        while True:
            search = np.empty((room, 3), np.int64), np.empty(16 * room, np.int64)
            status = settle(
                past.points,
                past.drawn,
                past.used,
                self._table,
                *search,
                past.corner,
                self._rule,
                window,
            )
            if status == DONE:
                return past
            if status == DEEPER and past.drawn.shape[0] >= MAX_SPAN:
                raise GeometryError(
                    f"strauss: {MAX_SPAN} lifetimes of the past do not decide the points of "
                    f"quanta {window}; use a smaller density or radius (branching is "
                    f"{self.law.branching:.3f}, its limit 1)"
                )
            if status == DEEPER:
                past = past.deeper()
            elif status == WIDER:
                past = past.wider()
            elif status == ROOMIER:
                past = past.roomier()
            else:
                room *= 2


def build_strauss(parameters: StraussParameters, key: Key, cell_metres: float) -> StraussProcess:
    """The Strauss process that `parameters` describe, on cells of `cell_metres`."""
    gamma = exact(parameters.gamma)
    return _build("strauss", parameters.beta_per_km2, gamma, parameters.radius, key, cell_metres)


def build_hard_core(parameters: HardCoreParameters, key: Key, cell_metres: float) -> StraussProcess:
    """The hard-core process that `parameters` describe, on cells of `cell_metres`."""
    beta, radius = parameters.beta_per_km2, parameters.radius
    return _build("hard_core", beta, Fraction(0), radius, key, cell_metres)


def _build(
    name: str, beta_per_km2: float, gamma: Fraction, metres: float, key: Key, cell_metres: float
) -> StraussProcess:
    beta = per_cell(beta_per_km2, cell_metres)
    check_density(name, "beta_per_km2", beta)
    radius = quanta(name, "radius", metres, cell_metres)
    try:
        return StraussProcess(key, beta, gamma, radius)
    except SpecError as error:
        raise SpecError(f"{name}: {error}") from None


def _windows(cells: Cells, bits: int) -> Iterator[Window]:
    """The rectangle in quanta, in parts of at most _SIDE patches along a side."""
    x0, y0, x1, y1 = cells.quanta()
    step = _SIDE << bits
    for y in range(y0, y1, step):
        for x in range(x0, x1, step):
            yield x, y, min(x + step, x1), min(y + step, y1)
