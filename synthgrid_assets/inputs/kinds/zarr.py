"""Inputs ``zarr = "store.zarr"``: an array that another tool made as a relative intensity.

Belongs here: the table. Not here: reading the store (`inputs.zarr_rasters`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from synthgrid_assets.inputs.kinds.input import SURFACE_USES, InputTable, Place, Use
from synthgrid_assets.inputs.kinds.surface import SurfaceInput
from synthgrid_assets.inputs.source_surfaces import SourceSurface
from synthgrid_assets.inputs.table_base import File, PixelsPerCell, Positive
from synthgrid_assets.inputs.zarr_rasters import ZarrSource


class ZarrTable(InputTable):
    """``[inputs.NAME]`` with ``zarr = "store.zarr"``: a georeferenced array.

    Parameters
    ----------
    zarr : Path
        A Zarr group, relative to the world file.
    variable : str
        A two-dimensional array with a CRS and a grid (CF or GeoTransform).
    maximum, method, pixels_per_cell
        As for a raster.
    """

    uses: ClassVar[frozenset[Use]] = SURFACE_USES
    files: ClassVar[tuple[str, ...]] = ("zarr",)

    zarr: File
    variable: Annotated[str, Field(min_length=1)]
    maximum: Positive | None = None
    method: Literal["nearest", "bilinear"] = "nearest"
    pixels_per_cell: PixelsPerCell = 1

    def as_input(self, place: Place) -> SurfaceInput:
        """The surface of the array; refused if the store cannot be used."""
        source = ZarrSource(
            self.zarr,
            method=self.method,
            maximum=self.maximum,
            pixels_per_cell=self.pixels_per_cell,
            variable=self.variable,
        )
        return SurfaceInput(SourceSurface(place.lattice, source, place.extent), place)
