"""Zones to an index: what stands in each cell, as flat arrays.

Belongs here: the layout of an index and its making from polygons. Not here: files
(`zone_files`) and questions (`lookup`).

The idea is S2ShapeIndex's on a plane grid: a cell holds the zones that cover it wholly, and for
each zone whose boundary crosses it the few edges that do, with the side on which its centre
lies. A point's side is the centre's, turned at each edge between the two.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.services.gateway.geofence import rasterizing
from synthgrid_assets.services.gateway.geofence.cell_arrays import CellArrays
from synthgrid_assets.services.gateway.geofence.grid import CellGrid

_TINY = 1e-30  # local coordinates below are 0, so that none is a subnormal single


def check_zones(geometries: NDArray[np.object_]) -> None:
    """Zones must be polygons that GEOS finds valid.

    Raises
    ------
    GeometryError
        With the first zone that is not.
    """
    if len(geometries) == 0:
        raise GeometryError("there is no zone; give at least one polygon")
    kinds = shapely.get_type_id(geometries)
    wrong = np.flatnonzero(~np.isin(kinds, (3, 6)) | shapely.is_empty(geometries))
    if wrong.size:
        found = geometries[wrong[0]]
        raise GeometryError(f"zone {wrong[0]} is {str(found)[:60]}, not a filled polygon")
    wrong = np.flatnonzero(~shapely.is_valid(geometries))
    if wrong.size:
        reason = shapely.is_valid_reason(geometries[wrong[0]])
        raise GeometryError(
            f"zone {wrong[0]} is invalid ({reason}); repair the {wrong.size} such with make_valid"
        )


def compile_cells(geometries: NDArray[np.object_]) -> tuple[CellGrid, CellArrays]:
    """Write zones into the cells of a grid.

    Parameters
    ----------
    geometries : ndarray of shapely polygons and multipolygons, shape (n,)
        Any may overlap, and have holes.

    Returns
    -------
    grid : CellGrid
    arrays : CellArrays

    Raises
    ------
    GeometryError
        As `check_zones`.

    Examples
    --------
    >>> grid, arrays = compile_cells(np.array([shapely.box(0, 0, 8, 8)]))
    >>> arrays.inner.size, arrays.crossed.size, grid.cells
    (196, 60, 256)
    """
    check_zones(geometries)
    edges, zones = _edges(geometries)
    west, south, east, north = map(float, shapely.total_bounds(geometries))
    grid = CellGrid.of((west, south, east, north), len(edges))
    in_cells = np.column_stack([grid.in_cells(edges[:, :2]), grid.in_cells(edges[:, 2:])])
    cell, edge = _touched(in_cells, grid)
    zone = zones[edge]
    order = np.argsort(zone * np.int64(grid.cells) + cell, kind="stable")
    cell, zone, edge = cell[order], zone[order], edge[order]
    new = np.append(True, (np.diff(cell) != 0) | (np.diff(zone) != 0))
    heads = np.flatnonzero(new)
    counts = np.diff(np.append(heads, cell.size))
    sides, runs = _sides(grid, in_cells, zones, cell[heads], zone[heads])
    return grid, _laid_out(grid, edges, edge, heads, counts, cell[heads], zone[heads], sides, runs)


def _edges(geometries: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """All edges of all zones, shape (n, 4), and whose they are."""
    parts, zone_of_part = shapely.get_parts(geometries, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    inside = ring[1:] == ring[:-1]
    edges = np.column_stack([xy[:-1], xy[1:]])[inside]
    zones = zone_of_part[part_of_ring[ring[:-1][inside]]]
    moved = (edges[:, 0] != edges[:, 2]) | (edges[:, 1] != edges[:, 3])
    return edges[moved], zones[moved].astype(np.int32)


def _touched(
    in_cells: NDArray[np.float64], grid: CellGrid
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    cell, edge = np.empty(0, np.int64), np.empty(0, np.int32)
    count = rasterizing.touched(in_cells, grid.across, grid.up, cell, edge)
    cell, edge = np.empty(count, np.int64), np.empty(count, np.int32)
    rasterizing.touched(in_cells, grid.across, grid.up, cell, edge)
    return cell, edge


Runs = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]


def _sides(
    grid: CellGrid,
    in_cells: NDArray[np.float64],
    zones: NDArray[np.int32],
    cell: NDArray[np.int64],
    zone: NDArray[np.int32],
) -> tuple[NDArray[np.uint8], Runs]:
    """Sides of the centres of boundary cells; runs of inner cells (first cell, zone, count)."""
    middle_x, middle_y = _centres_in_cells(grid)
    empty = np.empty(0)
    lines = (in_cells, zones, middle_y, grid.up)
    count = rasterizing.crossings(*lines, np.empty(0, np.int64), empty, empty)
    key, x, error = np.empty(count, np.int64), np.empty(count), np.empty(count)
    rasterizing.crossings(*lines, key, x, error)
    order = np.argsort(key, kind="stable")
    key, x, error = key[order], x[order], error[order]
    row, column = np.divmod(cell, grid.across)
    zone_row = zone.astype(np.int64) * grid.up + row
    sides = np.empty(cell.size, np.uint8)
    rasterizing.sides(key, x, error, zone_row, middle_x[column], sides)
    # between two boundary cells of a row no edge runs: one side, which its first cell shows
    gaps = np.flatnonzero((zone_row[1:] == zone_row[:-1]) & (np.diff(column) > 1))
    within = np.empty(gaps.size, np.uint8)
    # the edges that cross a gap's row lie wholly beside it, so no error matters
    certain = np.zeros(count)
    rasterizing.sides(key, x, certain, zone_row[gaps], middle_x[column[gaps] + 1], within)
    gaps = gaps[within == rasterizing.INSIDE]
    return sides, (cell[gaps] + 1, zone[gaps], np.diff(column)[gaps] - 1)


def _centres_in_cells(grid: CellGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = grid.centres()
    return (x - grid.west) * grid.per_unit, (y - grid.south) * grid.per_unit


def _laid_out(
    grid: CellGrid,
    edges: NDArray[np.float64],
    edge: NDArray[np.int32],
    heads: NDArray[np.int64],
    counts: NDArray[np.int64],
    cell: NDArray[np.int64],
    zone: NDArray[np.int32],
    sides: NDArray[np.uint8],
    runs: Runs,
) -> CellArrays:
    """Everything in the order of cells, then of zones."""
    total = int(runs[2].sum())
    inner_cell, inner = np.empty(total, np.int64), np.empty(total, np.int32)
    rasterizing.fill(*runs, inner_cell, inner)
    by_cell = np.argsort(inner_cell, kind="stable")
    order = np.argsort(cell, kind="stable")
    starts = np.zeros(cell.size + 1, np.int64)
    np.cumsum(counts[order], out=starts[1:])
    _check_size(int(starts[-1]), total)
    rows = np.repeat(heads[order] - starts[:-1], counts[order]) + np.arange(starts[-1])
    x, y = grid.centres()
    of_edge = np.repeat(cell[order], counts[order])
    centre = np.column_stack([x[of_edge % grid.across], y[of_edge // grid.across]])
    local = (edges[edge[rows]] - np.tile(centre, 2)) * grid.per_unit
    local[np.abs(local) < _TINY] = 0.0
    unknown = sides == rasterizing.UNKNOWN
    crossed = 4 * zone + 2 * unknown + (sides == rasterizing.INSIDE)
    return CellArrays(
        _starts(inner_cell, grid.cells),
        inner[by_cell],
        _starts(cell, grid.cells),
        crossed[order].astype(np.int32),
        starts.astype(np.int32),
        local.astype(np.float32),
    )


def _starts(cell: NDArray[np.int64], cells: int) -> NDArray[np.int32]:
    found = np.zeros(cells + 1, np.int32)
    np.cumsum(np.bincount(cell, minlength=cells), out=found[1:])
    return found


def _check_size(edges: int, inner: int) -> None:
    if max(edges, inner) >= 1 << 31:
        raise GeometryError(
            f"the zones need {edges} edges and {inner} inner cells, more than an index of 32 bits "
            "holds; split the layer"
        )
