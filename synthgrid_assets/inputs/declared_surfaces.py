"""Surfaces without a file: a constant, gradients and bells, as the world file declares them.

Belongs here: their values at pixels' centres. Not here: thresholds and blocks (`surfaces`).
Places are CRS coordinates in the unit of the CRS; widths are metres in the world file and in
`DeclaredSurface`, and in that unit where values are computed.

Values come from IEEE additions, multiplications, divisions and square roots in one fixed
order, each rounded correctly on every machine, and exponentials from `lattice.exact_math`, so
thresholds are the same bits anywhere.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.surfaces import ComputedSurface, thresholds_of
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import Lattice
from synthgrid_assets.lattice.exact_math import dexp

ALGORITHM_VERSION = 1
_NOTHING = 700.0  # exp(-700) is 1e-304; `dexp` goes no further


class Field(Protocol):
    """Values of a surface at places of the world's CRS."""

    @property
    def largest(self) -> tuple[float, str]:
        """The largest value, and where it lies, in words."""
        ...

    def in_unit(self, unit: float) -> Field:
        """The same field, its width in units of so many metres."""
        ...

    def values(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at CRS coordinates, shape of `x`."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same value everywhere.

    Parameters
    ----------
    value : float

    Examples
    --------
    >>> Constant(0.5).values(np.zeros(2), np.zeros(2)).tolist()
    [0.5, 0.5]
    """

    value: float

    @property
    def largest(self) -> tuple[float, str]:
        """The value itself."""
        return self.value, "everywhere"

    def in_unit(self, unit: float) -> Constant:
        """The same field, its width in units of so many metres."""
        return self

    def values(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """The value, shape of `x`."""
        return np.full(np.shape(x), self.value)


@dataclass(frozen=True)
class LinearGradient:
    """Changes linearly from `low` at one place to `high` at another, and stays beyond both.

    Parameters
    ----------
    start, end : tuple of two floats
        CRS coordinates.
    low, high : float
        Values at `start` and `end`; lines across the way from one to the other have one value.

    Examples
    --------
    >>> slope = LinearGradient((0.0, 0.0), (100.0, 0.0), 0.0, 1.0)
    >>> slope.values(np.array([-50.0, 25.0, 999.0]), np.array([0.0, 7.0, 0.0])).tolist()
    [0.0, 0.25, 1.0]
    """

    start: tuple[float, float]
    end: tuple[float, float]
    low: float
    high: float

    @property
    def largest(self) -> tuple[float, str]:
        """The larger of both ends' values."""
        value, place = max((self.low, self.start), (self.high, self.end))
        return value, _at(place)

    def in_unit(self, unit: float) -> LinearGradient:
        """The same field, its width in units of so many metres."""
        return self

    def values(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at CRS coordinates, shape of `x`."""
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        along = ((x - self.start[0]) * dx + (y - self.start[1]) * dy) / (dx * dx + dy * dy)
        return _between(self.low, self.high, along)


@dataclass(frozen=True)
class RadialGradient:
    """Changes linearly with the distance from a centre, from `inner` to `outer`.

    Parameters
    ----------
    centre : tuple of two floats
        CRS coordinates.
    radius : float
        Distance in metres at which `outer` is reached; it stays beyond.
    inner, outer : float
        Values at the centre, and at `radius` and farther.

    Examples
    --------
    >>> town = RadialGradient((0.0, 0.0), 10.0, 1.0, 0.0)
    >>> town.values(np.array([0.0, 3.0, 30.0]), np.array([0.0, 4.0, 0.0])).tolist()
    [1.0, 0.5, 0.0]
    """

    centre: tuple[float, float]
    radius: float
    inner: float
    outer: float

    @property
    def largest(self) -> tuple[float, str]:
        """The larger of the values inside and outside."""
        if self.inner >= self.outer:
            return self.inner, _at(self.centre)
        return self.outer, f"{self.radius!r} m and more from {_at(self.centre)}"

    def in_unit(self, unit: float) -> RadialGradient:
        """The same field, its width in units of so many metres."""
        return replace(self, radius=self.radius / unit)

    def values(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at CRS coordinates, shape of `x`."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        return _between(self.inner, self.outer, np.sqrt(dx * dx + dy * dy) / self.radius)


@dataclass(frozen=True)
class GaussianHill:
    """Falls from `high` at a centre to `low` far away, like a normal density.

    Parameters
    ----------
    centre : tuple of two floats
        CRS coordinates.
    sd : float
        Standard deviation in metres: there it has fallen by 39 %.
    low, high : float
        Values far away and at the centre.

    Examples
    --------
    >>> hill = GaussianHill((0.0, 0.0), 10.0, 0.0, 1.0)
    >>> hill.values(np.array([0.0, 6.0, 900.0]), np.array([0.0, 8.0, 0.0])).round(6).tolist()
    [1.0, 0.606531, 0.0]
    """

    centre: tuple[float, float]
    sd: float
    low: float
    high: float

    @property
    def largest(self) -> tuple[float, str]:
        """The larger of the values at the centre and far away."""
        value, place = max((self.high, _at(self.centre)), (self.low, "far away"))
        return value, place

    def in_unit(self, unit: float) -> GaussianHill:
        """The same field, its width in units of so many metres."""
        return replace(self, sd=self.sd / unit)

    def values(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at CRS coordinates, shape of `x`."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        return _between(self.low, self.high, _bell(dx * dx + dy * dy, self.sd))


@dataclass(frozen=True)
class Ridge:
    """Falls from `high` on a line to `low` far from it, like a normal density across.

    Parameters
    ----------
    start, end : tuple of two floats
        CRS coordinates of two places of the line, which has no ends.
    sd : float
        Standard deviation in metres across the line.
    low, high : float
        Values far away and on the line.

    Examples
    --------
    >>> ridge = Ridge((0.0, 0.0), (5.0, 5.0), 1.0, 0.0, 1.0)
    >>> ridge.values(np.array([70.0, 1.0]), np.array([70.0, -1.0])).round(6).tolist()
    [1.0, 0.367879]
    """

    start: tuple[float, float]
    end: tuple[float, float]
    sd: float
    low: float
    high: float

    @property
    def largest(self) -> tuple[float, str]:
        """The larger of the values on the line and far away."""
        value, place = max((self.high, _at(self.start)), (self.low, "far away"))
        return value, place

    def in_unit(self, unit: float) -> Ridge:
        """The same field, its width in units of so many metres."""
        return replace(self, sd=self.sd / unit)

    def values(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at CRS coordinates, shape of `x`."""
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        across = (x - self.start[0]) * dy - (y - self.start[1]) * dx
        return _between(self.low, self.high, _bell(across * across / (dx * dx + dy * dy), self.sd))


DeclaredField = Constant | LinearGradient | RadialGradient | GaussianHill | Ridge


class DeclaredSurface(ComputedSurface):
    """A surface of a declared field, each pixel from its own centre alone.

    Parameters
    ----------
    lattice : Lattice
    field : Field
    maximum : float
        The value that keeps every point.
    pixels_per_cell : int
        Pixels along a cell's side, a power of two.

    Raises
    ------
    SpecError
        If the field exceeds the maximum somewhere; names the place.
    """

    def __init__(
        self,
        lattice: Lattice,
        field: DeclaredField,
        maximum: float = 1.0,
        pixels_per_cell: int = 1,
    ) -> None:
        super().__init__(pixels_per_cell)
        self.lattice, self.field, self._maximum = lattice, field, maximum
        largest, place = field.largest
        if largest > maximum:
            raise SpecError(
                f"{self.label}: value {largest!r} ({place}) is above the maximum {maximum!r}; "
                "raise `maximum` or lower the value"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return DeclaredSurface, (self.lattice, self.field, self.maximum, self.pixels_per_cell)

    @property
    def label(self) -> str:
        """The kind of its field."""
        return type(self.field).__name__

    @property
    def maximum(self) -> float:
        """The value that keeps every point, as declared."""
        return self._maximum

    def describe(self) -> dict[str, Any]:
        """Everything that decides the thresholds, as JSON values."""
        return {
            "algorithm": ALGORITHM_VERSION,
            "lattice": [self.lattice.crs, list(self.lattice.origin), self.lattice.cell],
            "pixels_per_cell": self.pixels_per_cell,
            "maximum": self.maximum,
            self.label: asdict(self.field),
        }

    def make_block(self, column: int, row: int) -> NDArray[np.uint32]:
        """Thresholds of one block, south to north: shape (256, 256)."""
        field = self.field.in_unit(self.lattice.unit)
        return thresholds_of(field.values(*self.centres(column, row)), self.maximum)


def _between(start: float, end: float, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """From `start` at share 0 to `end` at share 1, never beyond either by a rounding."""
    values = start + (end - start) * np.clip(share, 0.0, 1.0)
    return np.clip(values, min(start, end), max(start, end))


def _bell(square: NDArray[np.float64], sd: float) -> NDArray[np.float64]:
    """``exp(-square / (2 sd**2))``, from 1 at 0 to 0 where a threshold would be 0 anyway."""
    shares: NDArray[np.float64] = _exponentials(np.minimum(square / (2.0 * sd * sd), _NOTHING))
    return shares


@njit(cache=True)
def _exponentials(falls):
    """``exp(-fall)``, shape of `falls`."""
    flat, shares = falls.ravel(), np.empty(falls.size)
    for i in range(flat.size):
        shares[i] = dexp(-flat[i])
    return shares.reshape(falls.shape)


def _at(place: tuple[float, float]) -> str:
    return f"x = {place[0]!r}, y = {place[1]!r} in the world's CRS"
