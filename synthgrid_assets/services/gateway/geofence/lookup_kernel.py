"""The same questions as `lookup`, compiled: one loop over the points, nothing allocated.

Belongs here: the kernel and its buffers. Not here: why it is exact (`lookup`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.services.gateway.geofence.cell_arrays import CellArrays
from synthgrid_assets.services.gateway.geofence.grid import CellGrid
from synthgrid_assets.services.gateway.geofence.lookup import TOLERANCE, Pairs


@njit(cache=True)
def _side(x, y, inside, edges, first, last):
    """Whether (x, y) is inside, given the centre's side; 2 when it is not certain."""
    for k in range(first, last):
        ax, ay = float(edges[k, 0]), float(edges[k, 1])
        bx, by = float(edges[k, 2]), float(edges[k, 3])
        size_a, size_b = abs(ax) + abs(ay), abs(bx) + abs(by)
        u, near_u = x * ay - y * ax, TOLERANCE * size_a
        v, near_v = x * by - y * bx, TOLERANCE * size_b
        if (u > near_u and v > near_v) or (u < -near_u and v < -near_v):
            continue
        t = ax * by - ay * bx
        s = t - (x * (by - ay) - y * (bx - ax))
        near = TOLERANCE * (size_a + size_b + 1.0) * (size_a + size_b + 1.0)
        if (s > near and t > near) or (s < -near and t < -near):
            continue
        if abs(s) <= near or abs(t) <= near or abs(u) <= near_u or abs(v) <= near_v:
            return 2
        inside ^= 1
    return inside


@njit(cache=True, nogil=True)
def _look_up(
    xy, west, south, per_unit, across, up, inner_starts, inner, crossed_starts, crossed,
    edge_starts, edges, point, zone, open_point, open_zone,
):  # fmt: skip
    count = undecided = 0
    for i in range(xy.shape[0]):
        x = (xy[i, 0] - west) * per_unit
        y = (xy[i, 1] - south) * per_unit
        if not (x >= 0.0 and y >= 0.0 and x < across and y < up):
            continue
        column, row = np.int64(x), np.int64(y)
        cell = row * across + column
        first, last = crossed_starts[cell], crossed_starts[cell + 1]
        most = inner_starts[cell + 1] - inner_starts[cell] + last - first
        if count + most > point.shape[0] or undecided + most > open_point.shape[0]:
            return -1, undecided
        for k in range(inner_starts[cell], inner_starts[cell + 1]):
            point[count], zone[count] = i, inner[k]
            count += 1
        if first == last:
            continue
        x = (xy[i, 0] - (west + (column + 0.5) / per_unit)) * per_unit
        y = (xy[i, 1] - (south + (row + 0.5) / per_unit)) * per_unit
        for k in range(first, last):
            code = crossed[k]
            side = 2
            if code & 2 == 0:
                side = _side(x, y, code & 1, edges, edge_starts[k], edge_starts[k + 1])
            if side == 2:
                open_point[undecided], open_zone[undecided] = i, code >> 2
                undecided += 1
            elif side == 1:
                point[count], zone[count] = i, code >> 2
                count += 1
    return count, undecided


def look_up(xy: NDArray[np.float64], grid: CellGrid, arrays: CellArrays) -> Pairs:
    """As `lookup.look_up`."""
    room = 4 * len(xy) + 256
    while True:
        point, zone, open_point, open_zone = np.empty((4, room), np.int64)
        count, undecided = _look_up(
            xy,
            grid.west,
            grid.south,
            grid.per_unit,
            grid.across,
            grid.up,
            arrays.inner_starts,
            arrays.inner,
            arrays.crossed_starts,
            arrays.crossed,
            arrays.edge_starts,
            arrays.edges,
            point,
            zone,
            open_point,
            open_zone,
        )
        if count >= 0:
            return Pairs(point[:count], zone[:count], open_point[:undecided], open_zone[:undecided])
        room *= 2
