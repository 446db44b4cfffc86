"""Inputs without a file: a constant, gradients and bells, as the world file declares them.

Belongs here: their tables. Not here: their values (`inputs.declared_surfaces`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from synthgrid_assets.inputs.declared_surfaces import (
    Constant,
    DeclaredSurface,
    GaussianHill,
    LinearGradient,
    RadialGradient,
    Ridge,
)
from synthgrid_assets.inputs.kinds.input import SURFACE_USES, InputTable, Place, Use
from synthgrid_assets.inputs.kinds.surface import SurfaceInput
from synthgrid_assets.inputs.table_base import Measure, Model, PixelsPerCell, Positive

Value = Annotated[float, Field(ge=0)]


class ConstantTable(InputTable):
    """``[inputs.NAME]`` with ``constant = 0.5``: the same relative intensity everywhere.

    Parameters
    ----------
    constant : float
    maximum : float
        The value that keeps every point.
    """

    uses: ClassVar[frozenset[Use]] = SURFACE_USES

    constant: Positive
    maximum: Positive = 1.0

    @property
    def field(self) -> Constant:
        """The values that the table declares."""
        return Constant(self.constant)

    def as_input(self, place: Place) -> SurfaceInput:
        """The surface; refused if the constant is above the maximum."""
        return SurfaceInput(DeclaredSurface(place.lattice, self.field, self.maximum), place)


class _FromTo(Model):
    """Two places, and two values.

    Parameters
    ----------
    start, end : tuple of two floats
        The keys ``from`` and ``to``: CRS coordinates.
    low, high : float
        What they are values of, the kind says.
    """

    model_config = ConfigDict(populate_by_name=True)

    start: Annotated[tuple[float, float], Field(alias="from")]
    end: Annotated[tuple[float, float], Field(alias="to")]
    low: Value
    high: Value

    @model_validator(mode="after")
    def _somewhere_to_go(self) -> Self:
        if self.start == self.end:
            raise ValueError("`from` and `to` are the same place; give two places")
        return self


class LinearTable(_FromTo):
    """``gradient = { kind = "linear", from = [x, y], to = [x, y], low = 0.1, high = 1.0 }``.

    Values are `low` at ``from`` and `high` at ``to``.
    """

    kind: Literal["linear"]

    @property
    def field(self) -> LinearGradient:
        """The values that the table declares."""
        return LinearGradient(self.start, self.end, self.low, self.high)


class RadialTable(Model):
    """``gradient = { kind = "radial", centre = [x, y], radius = m, inner = 1.0, outer = 0.1 }``.

    Parameters
    ----------
    centre : tuple of two floats
        CRS coordinates.
    radius : float
        Metres.
    inner, outer : float
        Values at the centre, and at `radius` and beyond.
    """

    kind: Literal["radial"]
    centre: tuple[float, float]
    radius: Measure
    inner: Value
    outer: Value

    @property
    def field(self) -> RadialGradient:
        """The values that the table declares."""
        return RadialGradient(self.centre, self.radius, self.inner, self.outer)


class GaussianTable(Model):
    """``gradient = { kind = "gaussian", centre = [x, y], sd = m, low = 0.0, high = 1.0 }``.

    Parameters
    ----------
    centre : tuple of two floats
        CRS coordinates.
    sd : float
        Metres.
    low, high : float
        Values far away and at the centre.
    """

    kind: Literal["gaussian"]
    centre: tuple[float, float]
    sd: Measure
    low: Value = 0.0
    high: Value = 1.0

    @property
    def field(self) -> GaussianHill:
        """The values that the table declares."""
        return GaussianHill(self.centre, self.sd, self.low, self.high)


class RidgeTable(_FromTo):
    """``gradient = { kind = "ridge", from = [x, y], to = [x, y], sd = m, low = 0.0, high = 1.0 }``.

    Values are `high` on the line through both places and `low` far from it.

    Parameters
    ----------
    sd : float
        Metres across the line.
    """

    kind: Literal["ridge"]
    sd: Measure
    low: Value = 0.0
    high: Value = 1.0

    @property
    def field(self) -> Ridge:
        """The values that the table declares."""
        return Ridge(self.start, self.end, self.sd, self.low, self.high)


class GradientTable(InputTable):
    """``[inputs.NAME]`` with ``gradient = {...}``: a relative intensity that changes evenly.

    Parameters
    ----------
    gradient : LinearTable, RadialTable, GaussianTable or RidgeTable
    maximum : float
        The value that keeps every point.
    pixels_per_cell : int
        Lattice pixels along a cell's side; each takes the value at its centre.
    """

    uses: ClassVar[frozenset[Use]] = SURFACE_USES

    gradient: Annotated[
        LinearTable | RadialTable | GaussianTable | RidgeTable, Field(discriminator="kind")
    ]
    maximum: Positive = 1.0
    pixels_per_cell: PixelsPerCell = 1

    def as_input(self, place: Place) -> SurfaceInput:
        """The surface; refused if the gradient exceeds the maximum somewhere."""
        field, fineness = self.gradient.field, self.pixels_per_cell
        return SurfaceInput(DeclaredSurface(place.lattice, field, self.maximum, fineness), place)
