"""Inputs without a file: a constant and gradients, as the world file declares them.

Belongs here: their tables. Not here: their values (`inputs.declared_surfaces`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from synthgrid_assets.inputs.declared_surfaces import (
    Constant,
    DeclaredSurface,
    LinearGradient,
    RadialGradient,
)
from synthgrid_assets.inputs.kinds.input import SURFACE_USES, InputTable, Place, Use
from synthgrid_assets.inputs.kinds.surface import SurfaceInput
from synthgrid_assets.inputs.table_base import Model, PixelsPerCell, Positive

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


class LinearTable(Model):
    """``gradient = { kind = "linear", from = [x, y], to = [x, y], low = 0.1, high = 1.0 }``.

    Parameters
    ----------
    start, end : tuple of two floats
        The keys ``from`` and ``to``: CRS coordinates in metres.
    low, high : float
        Values at ``from`` and ``to``.
    """

    model_config = ConfigDict(populate_by_name=True)

    kind: Literal["linear"]
    start: Annotated[tuple[float, float], Field(alias="from")]
    end: Annotated[tuple[float, float], Field(alias="to")]
    low: Value
    high: Value

    @model_validator(mode="after")
    def _somewhere_to_go(self) -> LinearTable:
        if self.start == self.end:
            raise ValueError("`from` and `to` are the same place; give two places")
        return self

    @property
    def field(self) -> LinearGradient:
        """The values that the table declares."""
        return LinearGradient(self.start, self.end, self.low, self.high)


class RadialTable(Model):
    """``gradient = { kind = "radial", centre = [x, y], radius = m, inner = 1.0, outer = 0.1 }``.

    Parameters
    ----------
    centre : tuple of two floats
        CRS coordinates in metres.
    radius : float
        Metres.
    inner, outer : float
        Values at the centre, and at `radius` and beyond.
    """

    kind: Literal["radial"]
    centre: tuple[float, float]
    radius: Positive
    inner: Value
    outer: Value

    @property
    def field(self) -> RadialGradient:
        """The values that the table declares."""
        return RadialGradient(self.centre, self.radius, self.inner, self.outer)


class GradientTable(InputTable):
    """``[inputs.NAME]`` with ``gradient = {...}``: a relative intensity that changes evenly.

    Parameters
    ----------
    gradient : LinearTable or RadialTable
    maximum : float
        The value that keeps every point.
    pixels_per_cell : int
        Lattice pixels along a cell's side; each takes the value at its centre.
    """

    uses: ClassVar[frozenset[Use]] = SURFACE_USES

    gradient: Annotated[LinearTable | RadialTable, Field(discriminator="kind")]
    maximum: Positive = 1.0
    pixels_per_cell: PixelsPerCell = 1

    def as_input(self, place: Place) -> SurfaceInput:
        """The surface; refused if the gradient exceeds the maximum somewhere."""
        field, fineness = self.gradient.field, self.pixels_per_cell
        return SurfaceInput(DeclaredSurface(place.lattice, field, self.maximum, fineness), place)
