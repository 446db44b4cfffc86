"""A box as people give it in Python: four numbers, a geometry, or a frame of geometries.

Belongs here: from what was given to ``(xmin, ymin, xmax, ymax)`` in the world's CRS, and the
refusal of what cannot be meant. Not here: rows in a box (`boxes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import shapely
from shapely.geometry.base import BaseGeometry

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import Lattice

if TYPE_CHECKING:
    import geopandas as gpd

AskedBox: TypeAlias = "Sequence[float] | BaseGeometry | gpd.GeoDataFrame | gpd.GeoSeries"


def box_of(asked: AskedBox, lattice: Lattice, extent: Box) -> Box:
    """The box that is meant, in CRS units of the world.

    Parameters
    ----------
    asked : sequence of four floats, shapely geometry, GeoDataFrame or GeoSeries
        ``xmin, ymin, xmax, ymax`` or a geometry in the world's CRS; of a frame, which names
        its CRS, the box of what it holds, in the world's CRS.
    lattice : Lattice
        Of the world.
    extent : Box
        The world's extent in CRS units; only tells degrees from metres.

    Raises
    ------
    GeometryError
        If it is no box, holds nothing, or can only be longitudes and latitudes.

    Examples
    --------
    >>> lattice = Lattice("EPSG:32633", (0.0, 0.0), 64.0)
    >>> box_of(shapely.box(0, 0, 640, 64), lattice, Box(0, 0, 6400, 6400))
    Box(xmin=0.0, ymin=0.0, xmax=640.0, ymax=64.0)
    """
    if isinstance(asked, BaseGeometry):
        if asked.is_empty:
            raise GeometryError(f"bbox {asked.wkt}: an empty geometry has no box")
        box = _four_numbers(asked.bounds)
    elif hasattr(asked, "total_bounds"):
        box = _box_of_frame(asked, lattice)
    else:
        box = _four_numbers(asked)
    _refuse_degrees(box, lattice, extent)
    return box


def _four_numbers(asked: Any) -> Box:
    expected = "give (xmin, ymin, xmax, ymax) in CRS units, a shapely geometry or a GeoDataFrame"
    if isinstance(asked, str | bytes):
        raise GeometryError(f"bbox {asked!r}: a text is no box; {expected}")
    try:
        numbers = tuple(float(number) for number in asked)
    except (TypeError, ValueError) as error:
        raise GeometryError(f"bbox {asked!r}: not numbers; {expected}") from error
    if len(numbers) != 4:
        raise GeometryError(f"bbox {asked!r}: {len(numbers)} numbers; {expected}")
    return Box(*numbers)


def _box_of_frame(frame: gpd.GeoDataFrame | gpd.GeoSeries, lattice: Lattice) -> Box:
    if frame.crs is None:
        raise GeometryError(
            f"a {type(frame).__name__} without a CRS: set it, or give its bounds in {lattice.crs}"
        )
    xmin, ymin, xmax, ymax = frame.to_crs(lattice.crs).total_bounds.tolist()
    if not xmin <= xmax:  # NaN of a frame that holds no geometry
        raise GeometryError(f"a {type(frame).__name__} without geometries has no box")
    return Box(xmin, ymin, xmax, ymax)


def _refuse_degrees(box: Box, lattice: Lattice, extent: Box) -> None:
    """Refuse what lies within the ranges of longitudes and latitudes, and far from the world."""
    degrees = shapely.box(-360.0, -90.0, 360.0, 90.0)
    if not degrees.contains(shapely.box(*box)) or degrees.intersects(shapely.box(*extent)):
        return
    raise GeometryError(
        f"bbox {tuple(box)}: these look like degrees, but the world counts metres of "
        f"{lattice.crs}, from {extent[:2]} to {extent[2:]}; for longitudes and latitudes give "
        'a GeoSeries with crs="EPSG:4326"'
    )
