"""Where a Zarr raster lies: CF coordinates and CRS, as xarray and rioxarray read them.

Belongs here: the coordinates of a raster on the lattice. Not here: its values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthgrid_assets.lattice.cells import Cells, Lattice


def add_georeference(group: Any, lattice: Lattice, cells: Cells, pixels_per_cell: int = 1) -> None:
    """Add CF coordinates of the pixels' centres, and the CRS with GDAL's GeoTransform.

    Parameters
    ----------
    group : zarr.Group
        Its arrays have dimensions ``y`` (north to south) and ``x``, and the attribute
        ``grid_mapping = "spatial_ref"``.
    lattice : Lattice
    cells : Cells
        What the arrays cover.
    pixels_per_cell : int
        Pixels along a cell's side.
    """
    import pyproj

    left, _, _, top = lattice.bounds(cells)
    pixel = lattice.cell_in_crs / pixels_per_cell
    height, width = cells.height * pixels_per_cell, cells.width * pixels_per_cell
    centres = {
        "x": left + pixel * (np.arange(width) + 0.5),
        "y": top - pixel * (np.arange(height) + 0.5),
    }
    for name, values in centres.items():
        group.create_array(
            name,
            data=values,
            chunks=values.shape,
            dimension_names=(name,),
            attributes={
                "standard_name": f"projection_{name}_coordinate",
                "units": "m",
                "axis": name.upper(),
            },
        )
    transform = f"{left!r} {pixel!r} 0.0 {top!r} 0.0 {-pixel!r}"
    crs = pyproj.CRS.from_user_input(lattice.crs).to_cf()
    group.create_array(
        "spatial_ref",
        shape=(),
        dtype="int64",
        fill_value=0,
        dimension_names=(),
        attributes={**crs, "GeoTransform": transform},
    )
