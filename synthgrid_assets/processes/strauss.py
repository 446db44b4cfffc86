"""Strauss and hard-core Gibbs processes on the whole plane, by coupling from the past.

Belongs here: the sampler of both and what is known of their law. Not here: the births
that dominate them (`space_time`), the coupling's kernels (`coupling`), Matern's hard-core
models (`matern_hard_core`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.processes.coupling import BEFORE, Alive, advance, unknown
from synthgrid_assets.processes.family import Parameters, check_density, exact, per_cell, quanta
from synthgrid_assets.processes.space_time import (
    LONGEST,
    SHORT,
    TIME_BITS,
    SpaceTimeProcess,
    between,
    joined,
)
from synthgrid_assets.world.lattice import CELL, CELL_BITS, Cells
from synthgrid_assets.world.pattern import PointPattern, canonical
from synthgrid_assets.world.seeding import Key

ALGORITHM_VERSION = 1
MAX_SPAN = 1 << 13
MAX_NEIGHBOURS = 1 << 20


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
        for name in ("beta", "radius"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise SpecError(f"strauss: {name} must be a positive number, got {value!r}")
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

    Dominated coupling from the past: births of a keyed space-time Poisson process are
    accepted with probability ``gamma^neighbours``. An upper process assumes the fewest
    neighbours that the unknown past and the unknown surroundings allow, a lower one the
    most; where both agree at time 0, a point's fate is a function of the infinite noise
    alone. Where they differ, that cell is tried again with more past and surroundings.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key of the layer's process (`world.seeding.stream_key`).
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
    Stochastic Processes and their Applications 102, for the plane and the bound.

    Examples
    --------
    >>> from synthgrid_assets.world.seeding import stream_key
    >>> process = StraussProcess(stream_key("doctest"), Fraction(8), Fraction(1, 2), CELL // 7)
    >>> len(process.points(Cells(0, 0, 10, 10)))
    660
    """

    def __init__(self, key: Key, beta: Fraction, gamma: Fraction, radius: int) -> None:
        self.law = StraussLaw(float(beta), float(gamma), radius / CELL)
        self.reach = radius * self.law.generations(2.0**-64)
        self._radius = radius
        self._births = SpaceTimeProcess(key, beta)
        self._accept = _acceptance(gamma)

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order.

        Raises
        ------
        GeometryError
            If MAX_SPAN lifetimes of the past do not decide every point.
        """
        if cells.area == 0:
            return PointPattern(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, "u8"))
        # most points are decided within this many lifetimes and radii; the others tried again
        first_span = round(8 + 16 * self.law.branching)
        parts = self._settled(cells, first_span, -(-6 * self._radius // CELL))
        x, y, birth = (np.concatenate(column) for column in zip(*parts, strict=True))
        return canonical(x, y, birth, cells)

    def _settled(self, cells: Cells, span: int, halo: int) -> list[PointPattern]:
        """The points in `cells`, in parts, from as much past as they need."""
        if span > MAX_SPAN:
            raise GeometryError(
                f"strauss: {MAX_SPAN} lifetimes of the past do not decide the points of cells "
                f"{tuple(cells)}; use a smaller density or radius (branching is "
                f"{self.law.branching:.3f}, its limit 1)"
            )
        alive = self._present(cells, span, halo)
        ix, iy = alive.x >> CELL_BITS, alive.y >> CELL_BITS
        doubtful = zip(ix[~alive.lower].tolist(), iy[~alive.lower].tolist(), strict=True)
        unsettled = {Cells(i, j, i + 1, j + 1) for i, j in doubtful}
        if not unsettled:
            return [PointPattern(alive.x, alive.y, alive.birth)]
        span, halo = 2 * span, 2 * halo + 1
        if len(unsettled) * (2 * halo + 1) ** 2 > cells.grown(halo).area:
            return self._settled(cells, span, halo)
        here = [(cell.iy0 - cells.iy0) * cells.width + cell.ix0 - cells.ix0 for cell in unsettled]
        again = np.isin((iy - cells.iy0) * cells.width + ix - cells.ix0, here)
        parts = [PointPattern(alive.x[~again], alive.y[~again], alive.birth[~again])]
        for cell in sorted(unsettled):
            parts += self._settled(cell, span, halo)
        return parts

    def _present(self, cells: Cells, span: int, halo: int) -> Alive:
        """Upper and lower process in `cells` at time 0, from `span` lifetimes of the past."""
        around = cells.grown(halo)
        start = -span << TIME_BITS
        long_lived = self._births.long_lived(around, span + LONGEST, start)
        slabs = range(span, span + SHORT)
        earlier = [self._births.short_lived(around, slab, start) for slab in slabs]
        alive = unknown(joined([between(long_lived, BEFORE, start), *earlier]))
        for slab in range(span - 1, -1, -1):
            begin, end = -(slab + 1) << TIME_BITS, -slab << TIME_BITS
            births = joined(
                [
                    self._births.short_lived(around, slab, begin),
                    between(long_lived, begin, end),
                ]
            )
            alive = Alive._make(
                advance(alive, births, end, around.quanta(), self._radius, self._accept)
            )
        x0, y0, x1, y1 = cells.quanta()
        inside = (alive.x >= x0) & (alive.x < x1) & (alive.y >= y0) & (alive.y < y1)
        return Alive._make(column[inside] for column in alive)


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


def _acceptance(gamma: Fraction) -> NDArray[np.uint64]:
    """``2**64 gamma^n`` for n = 0, 1, 2 ... neighbours, until it is below 1."""
    thresholds = [(1 << 64) - 1]
    with localcontext() as context:
        context.prec = 80
        factor = Decimal(gamma.numerator) / Decimal(gamma.denominator)
        power = factor * (1 << 64)
        while thresholds[-1] > 0:
            if len(thresholds) > MAX_NEIGHBOURS:
                raise SpecError(
                    f"gamma = {float(gamma)!r} is too near to 1 for its powers to be tabulated; "
                    "use at most 0.99995, or a poisson process"
                )
            thresholds.append(int(power))
            power *= factor
    return np.array(thresholds, np.uint64)
