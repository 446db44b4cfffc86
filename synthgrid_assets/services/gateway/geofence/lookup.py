"""Questions to the cells of an index, in NumPy: exact, or to be decided by GEOS.

Belongs here: the test of points against cells, array by array; it needs no compiler in the
process that serves. Not here: the same test compiled (`lookup_kernel`), GEOS (`zone_index`).

A point p and its cell's centre 0 lie on different sides of an edge ab when ab crosses the
segment 0p. Four orientations decide that: u of (0, p, a), v of (0, p, b), s of (a, b, p) and t of
(a, b, 0). Edges are rounded to singles: each ordinate is off by at most 2**-24 of its size, and
p and 0 lie within 0.51 of each other in each ordinate. So u is off by less than 2**-24 * A,
with A = \\|a\\|_1, v by 2**-24 * B, s and t by 2**-24 * (A + B + 1)**2; four times that is kept as
a distance. Where a sign is not certain and could matter, the pair is left to GEOS, as are
points on a boundary.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.services.gateway.geofence.cell_arrays import CellArrays
from synthgrid_assets.services.gateway.geofence.grid import CellGrid

TOLERANCE = 2.0**-22


class Pairs(NamedTuple):
    """Pairs of points and zones.

    Parameters
    ----------
    point, zone : ndarray of int64
        Pairs that are certain, in no order.
    open_point, open_zone : ndarray of int64
        Pairs that GEOS has to decide.
    """

    point: NDArray[np.int64]
    zone: NDArray[np.int64]
    open_point: NDArray[np.int64]
    open_zone: NDArray[np.int64]


def cells_of(
    xy: NDArray[np.float64], grid: CellGrid
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Points on the grid, and their columns and rows; NaN is nowhere."""
    x = (xy[:, 0] - grid.west) * grid.per_unit
    y = (xy[:, 1] - grid.south) * grid.per_unit
    with np.errstate(invalid="ignore"):
        points = np.flatnonzero((x >= 0) & (y >= 0) & (x < grid.across) & (y < grid.up))
    return points, x[points].astype(np.int64), y[points].astype(np.int64)


def _ranges(
    starts: NDArray[np.int32], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Owner and place of everything in starts[row] .. starts[row + 1]."""
    first = starts[rows].astype(np.int64)
    counts = starts[rows + 1] - first
    owner = np.repeat(np.arange(rows.size), counts)
    ends = np.cumsum(counts)
    return owner, np.arange(ends[-1] if ends.size else 0) + (first - ends + counts)[owner]


def look_up(xy: NDArray[np.float64], grid: CellGrid, arrays: CellArrays) -> Pairs:
    """Which zones hold which points.

    Parameters
    ----------
    xy : ndarray of float64, shape (n, 2)
    grid : CellGrid
    arrays : CellArrays
    """
    points, column, row = cells_of(xy, grid)
    cell = row * grid.across + column
    owner, place = _ranges(arrays.inner_starts, cell)
    inner_point, inner_zone = points[owner], arrays.inner[place]
    owner, place = _ranges(arrays.crossed_starts, cell)
    code = arrays.crossed[place].astype(np.int64)
    x = (xy[points, 0] - (grid.west + (column + 0.5) / grid.per_unit)) * grid.per_unit
    y = (xy[points, 1] - (grid.south + (row + 0.5) / grid.per_unit)) * grid.per_unit
    of, edge = _ranges(arrays.edge_starts, place)
    crosses, unsure = _crossing(x[owner][of], y[owner][of], arrays.edges[edge])
    turns = np.bincount(of, crosses, code.size).astype(np.int64)
    undecided = ((code & 2) > 0) | (np.bincount(of, unsure, code.size) > 0)
    held = ((code ^ turns) & 1).astype(bool) & ~undecided
    return Pairs(
        np.concatenate([inner_point, points[owner[held]]]),
        np.concatenate([inner_zone, code[held] >> 2]),
        points[owner[undecided]],
        code[undecided] >> 2,
    )


def _crossing(
    x: NDArray[np.float64], y: NDArray[np.float64], edges: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each edge runs between its point and the centre; and whether that is not sure."""
    ax, ay, bx, by = edges.astype(np.float64).T
    size_a, size_b = np.abs(ax) + np.abs(ay), np.abs(bx) + np.abs(by)
    u = _sign(x * ay - y * ax, TOLERANCE * size_a)
    v = _sign(x * by - y * bx, TOLERANCE * size_b)
    far = ax * by - ay * bx
    wide = TOLERANCE * (size_a + size_b + 1.0) ** 2
    s, t = _sign(far - (x * (by - ay) - y * (bx - ax)), wide), _sign(far, wide)
    misses = (u * v == 1) | (s * t == 1)
    crosses = (u * v == -1) & (s * t == -1)
    return crosses, ~(misses | crosses)


def _sign(value: NDArray[np.float64], tolerance: NDArray[np.float64]) -> NDArray[np.int8]:
    return (value > tolerance).astype(np.int8) - (value < -tolerance).astype(np.int8)


def look_up_boxes(
    xy: NDArray[np.float64], grid: CellGrid, arrays: CellArrays, boxes: NDArray[np.float64]
) -> Pairs:
    """A superset of `look_up` that touches no edge: zones of the cell whose box holds the point.

    Parameters
    ----------
    boxes : ndarray of float64, shape (zones, 4)
        West, south, east, north.
    """
    points, column, row = cells_of(xy, grid)
    cell = row * grid.across + column
    owner, place = _ranges(arrays.inner_starts, cell)
    inner_point, inner_zone = points[owner], arrays.inner[place]
    owner, place = _ranges(arrays.crossed_starts, cell)
    zone = arrays.crossed[place].astype(np.int64) >> 2
    at, box = xy[points[owner]], boxes[zone]
    held = ((at >= box[:, :2]) & (at <= box[:, 2:])).all(axis=1)
    none = np.empty(0, np.int64)
    return Pairs(
        np.concatenate([inner_point, points[owner[held]]]),
        np.concatenate([inner_zone, zone[held]]),
        none,
        none,
    )
