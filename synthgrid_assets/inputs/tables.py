"""Tables of the world file's inputs that stand for intensity surfaces without a raster.

Belongs here: constants, gradients and Zarr arrays as they are declared. Not here: rasters and
vectors (`spec`), and the surfaces made of these tables (`declared_surfaces`, `zarr_rasters`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from synthgrid_assets.inputs.declared_surfaces import Constant, LinearGradient, RadialGradient
from synthgrid_assets.inputs.table_base import Model

Value = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
PixelsPerCell = Literal[1, 2, 4, 8, 16, 32, 64]


class ConstantInput(Model):
    """``[inputs.NAME]`` with ``constant = 0.5``: the same relative intensity everywhere.

    Parameters
    ----------
    constant : float
    maximum : float
        The value that keeps every point.
    """

    constant: Positive
    maximum: Positive = 1.0

    @property
    def field(self) -> Constant:
        """The values that the table declares."""
        return Constant(self.constant)


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


class GradientInput(Model):
    """``[inputs.NAME]`` with ``gradient = {...}``: a relative intensity that changes evenly.

    Parameters
    ----------
    gradient : LinearTable or RadialTable
    maximum : float
        The value that keeps every point.
    pixels_per_cell : int
        Lattice pixels along a cell's side; each takes the value at its centre.
    """

    gradient: Annotated[LinearTable | RadialTable, Field(discriminator="kind")]
    maximum: Positive = 1.0
    pixels_per_cell: PixelsPerCell = 1


class ZarrInput(Model):
    """``[inputs.NAME]`` with ``zarr = "store.zarr"``: an array that another tool made.

    Parameters
    ----------
    zarr : Path
        A Zarr group, relative to the world file.
    variable : str
        A two-dimensional array with a CRS and a grid (CF or GeoTransform).
    maximum, method, pixels_per_cell
        As for a raster.
    """

    zarr: Path
    variable: Annotated[str, Field(min_length=1)]
    maximum: Positive | None = None
    method: Literal["nearest", "bilinear"] = "nearest"
    pixels_per_cell: PixelsPerCell = 1
