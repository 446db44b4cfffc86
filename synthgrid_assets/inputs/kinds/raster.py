"""Inputs ``raster = "file.tif"``: a band of a raster file as a relative intensity.

Belongs here: the table. Not here: reading the file (`inputs.rasters`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from synthgrid_assets.inputs.kinds.input import SURFACE_USES, InputTable, Place, Use
from synthgrid_assets.inputs.kinds.surface import SurfaceInput
from synthgrid_assets.inputs.rasters import RasterSource
from synthgrid_assets.inputs.source_surfaces import SourceSurface
from synthgrid_assets.inputs.table_base import FileOrAddress, PixelsPerCell, Positive


class RasterTable(InputTable):
    """``[inputs.NAME]`` with ``raster = "file.tif"``: a relative intensity surface.

    Parameters
    ----------
    raster : Path or Address
        Any raster that GDAL reads, relative to the world file; or a GeoTIFF's ``https://``,
        ``http://`` or ``s3://`` address.
    band : int
        Band number, from 1.
    variable : str or None
        The array to read of a file that holds several, as netCDF and HDF5 do.
    maximum : float or None
        The value that keeps every point; None takes the raster's own maximum. A larger
        value in the raster is refused.
    method : {"nearest", "bilinear"}
        How a lattice pixel takes its value from the raster.
    pixels_per_cell : int
        Lattice pixels along a cell's side, a power of two.
    """

    uses: ClassVar[frozenset[Use]] = SURFACE_USES
    files: ClassVar[tuple[str, ...]] = ("raster",)

    raster: FileOrAddress
    band: Annotated[int, Field(strict=True, ge=1)] = 1
    variable: Annotated[str, Field(min_length=1)] | None = None
    maximum: Positive | None = None
    method: Literal["nearest", "bilinear"] = "nearest"
    pixels_per_cell: PixelsPerCell = 1

    def as_input(self, place: Place) -> SurfaceInput:
        """The surface of the band; refused if the file cannot be used."""
        source = RasterSource(
            self.raster,
            self.band,
            self.method,
            self.maximum,
            self.pixels_per_cell,
            self.variable,
        )
        return SurfaceInput(SourceSurface(place.lattice, source, place.extent), place)
