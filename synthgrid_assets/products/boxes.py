"""Rows in any box on the plane, straight from the seeds: what the Python API gives.

Belongs here: from a box in CRS units to tables. Not here: tiles and their files.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.products.cell_neighbours import neighbours_table
from synthgrid_assets.products.delaunay import delaunay_table
from synthgrid_assets.products.drawn_points import counts_per_cell, draw, points_table
from synthgrid_assets.products.footprints.footprints import footprints_table
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.parcels.parcels import parcels_table
from synthgrid_assets.products.voronoi import voronoi_table
from synthgrid_assets.tessellation.contiguity import neighbours


def points_in(context: LayerContext, bbox: Box) -> pa.Table:
    """The points in a half-open box."""
    points = draw(context, context.lattice.cells_of(bbox))
    inside = _inside(context, bbox, points.pattern.x, points.pattern.y)
    return points_table(context, points.take(inside))


def delaunay_in(context: LayerContext, bbox: Box) -> pa.Table:
    """The Delaunay triangles whose smallest vertex lies in a half-open box."""
    found = context.cache.triangles(context.lattice.cells_of(bbox))
    x, y = found.triangle_xy[:, 0], found.triangle_xy[:, 1]
    table = delaunay_table(context, found)
    return table.filter(pa.array(_inside(context, bbox, x, y)))


def voronoi_in(context: LayerContext, bbox: Box) -> pa.Table:
    """The whole Voronoi cells of the sites in a half-open box."""
    tessellation = context.cache.tessellation(context.lattice.cells_of(bbox))
    table = voronoi_table(context, tessellation)
    return table.filter(pa.array(_inside(context, bbox, tessellation.x, tessellation.y)))


def neighbours_in(context: LayerContext, bbox: Box) -> pa.Table:
    """Pairs of neighbouring Voronoi cells whose focal site lies in a half-open box."""
    tessellation = context.cache.tessellation(context.lattice.cells_of(bbox))
    table = neighbours_table(context, neighbours(tessellation))
    inside = _inside(context, bbox, tessellation.x, tessellation.y)
    return table.filter(pa.array(np.repeat(inside, np.diff(tessellation.neighbour_offsets))))


def footprints_in(context: LayerContext, bbox: Box) -> pa.Table:
    """The whole footprints of the points in a half-open box.

    Raises
    ------
    SpecError
        If the layer has no footprints.
    """
    _require(context, context.table.footprint, "footprint")
    points = context.sampler.points(context.lattice.cells_of(bbox))
    table = footprints_table(context, points)  # of whole cells, as ids count the points of each
    return table.filter(pa.array(_inside(context, bbox, points.x, points.y)))


def parcels_in(context: LayerContext, bbox: Box) -> pa.Table:
    """The whole parcels whose south-west corners lie in a half-open box.

    Raises
    ------
    SpecError
        If the layer has no parcels.
    """
    _require(context, context.table.parcels, "parcels")
    table, parcels = parcels_table(context, context.lattice.cells_of(bbox))
    return table.filter(pa.array(_inside(context, bbox, parcels.x0, parcels.y0)))


def counts_in(context: LayerContext, bbox: Box) -> tuple[Cells, NDArray[np.int64]]:
    """Points of every atom cell that meets a box: the cells, and counts from south to north."""
    cells = context.lattice.cells_of(bbox)
    points = context.sampler.points(cells)
    return cells, counts_per_cell(points.x, points.y, cells)


def _require(context: LayerContext, table: object | None, key: str) -> None:
    if table is None:
        name = context.layer
        raise SpecError(f"layer {name!r} has no table {key}; give it one, [layers.{name}.{key}]")


def _inside(
    context: LayerContext, bbox: Box, x_q: NDArray[np.int64], y_q: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which lattice positions lie in a half-open box of CRS coordinates."""
    x, y = context.lattice.coordinates(x_q, y_q)
    xmin, ymin, xmax, ymax = bbox
    return (x >= xmin) & (x < xmax) & (y >= ymin) & (y < ymax)
