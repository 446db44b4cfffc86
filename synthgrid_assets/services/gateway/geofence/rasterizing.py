"""Zones on the grid: which cells an edge touches, and which centres a zone holds.

Belongs here: the two conservative sweeps that make an index exact, as kernels. Not here: how
their results are laid out (`compiling`).

Both sweeps work in cells from the grid's corner. Coordinates there are below 2**12 and carry an
error below 1e-11 (`grid`). A crossing of a row's line divides by the edge's height, so its error
is below 1e-9 * (1 + width / height); an edge's columns within a row are cut out only where it
climbs at least `FLAT`, which keeps their error below 1e-11 / FLAT * 2**12 < `SLACK`.
"""

from __future__ import annotations

import numpy as np

from synthgrid_assets.kernels import njit
from synthgrid_assets.services.gateway.geofence.grid import FLAT, SLACK

_ERROR = 1e-9
OUTSIDE, INSIDE, UNKNOWN = 0, 1, 2


@njit(cache=True)
def _span(ax, ay, bx, by, row):
    """The columns, with slack, that an edge with ``ay <= by`` takes within a row."""
    low, high = min(ax, bx), max(ax, bx)
    climb = by - ay
    if climb >= FLAT:
        start = min(max((row - SLACK - ay) / climb, 0.0), 1.0)
        stop = min(max((row + 1 + SLACK - ay) / climb, 0.0), 1.0)
        x, y = ax + (bx - ax) * start, ax + (bx - ax) * stop
        low, high = min(x, y), max(x, y)
    return np.int64(np.floor(low - SLACK)), np.int64(np.floor(high + SLACK))


@njit(cache=True)
def touched(edges, across, up, out_cell, out_edge):
    """Every cell that each edge may touch: conservative, never one too few.

    Parameters
    ----------
    edges : ndarray of float64, shape (n, 4)
        Ends of edges, in cells.
    across, up : int64
    out_cell : ndarray of int64
    out_edge : ndarray of int32
        Filled as far as they reach.

    Returns
    -------
    int64
        How many there are.
    """
    count = 0
    for k in range(edges.shape[0]):
        ax, ay, bx, by = edges[k, 0], edges[k, 1], edges[k, 2], edges[k, 3]
        if ay > by:
            ax, ay, bx, by = bx, by, ax, ay
        first = np.int64(max(0.0, np.floor(ay - SLACK)))
        last = np.int64(min(up - 1.0, np.floor(by + SLACK)))
        for row in range(first, last + 1):
            low, high = _span(ax, ay, bx, by, row)
            for column in range(max(0, low), min(across - 1, high) + 1):
                if count < out_cell.shape[0]:
                    out_cell[count] = row * across + column
                    out_edge[count] = k
                count += 1
    return count


@njit(cache=True)
def crossings(edges, zones, lines, up, out_key, out_x, out_error):
    """Where edges cross the lines through the centres of rows.

    Parameters
    ----------
    edges : ndarray of float64, shape (n, 4)
        In cells.
    zones : ndarray of int32, shape (n,)
        Whose edge it is.
    lines : ndarray of float64, shape (up,)
        Where the centres' lines run, in cells.
    up : int64
    out_key : ndarray of int64
        ``zone * up + row``.
    out_x, out_error : ndarray of float64
        Where, and by how much that may be wrong.

    Returns
    -------
    int64
        How many there are.
    """
    count = 0
    for k in range(edges.shape[0]):
        ax, ay, bx, by = edges[k, 0], edges[k, 1], edges[k, 2], edges[k, 3]
        first = np.int64(max(0.0, np.floor(min(ay, by) - 1.0)))
        last = np.int64(min(up - 1.0, np.floor(max(ay, by) + 1.0)))
        for row in range(first, last + 1):
            y = lines[row]
            if (ay <= y) == (by <= y):
                continue
            if count < out_key.shape[0]:
                out_key[count] = zones[k] * up + row
                out_x[count] = ax + (y - ay) / (by - ay) * (bx - ax)
                out_error[count] = _ERROR * (1.0 + abs(bx - ax) / abs(by - ay))
            count += 1
    return count


@njit(cache=True)
def sides(key, x, error, zone_row, centres, out):
    """On which side of its zone's boundary each of some places in the middle of rows lies.

    Parameters
    ----------
    key, x, error : ndarray
        Crossings, sorted by key.
    zone_row : ndarray of int64, shape (m,)
        Each place's ``zone * up + row``, sorted.
    centres : ndarray of float64, shape (m,)
        The places, in cells.
    out : ndarray of uint8, shape (m,)
        `INSIDE` when an odd number of crossings lies to the left, else `OUTSIDE`; `UNKNOWN`
        when a crossing lies nearer than its error.
    """
    start = 0
    for k in range(zone_row.shape[0]):
        while start < key.shape[0] and key[start] < zone_row[k]:
            start += 1
        side = OUTSIDE
        p = start
        while p < key.shape[0] and key[p] == zone_row[k]:
            apart = x[p] - centres[k]
            if abs(apart) <= error[p]:
                side = UNKNOWN
                break
            if apart < 0:
                side = INSIDE - side
            p += 1
        out[k] = side


@njit(cache=True)
def fill(cells, zones, counts, out_cell, out_zone):
    """Runs of cells in a row, one zone each, written out cell by cell."""
    place = 0
    for k in range(cells.shape[0]):
        for step in range(counts[k]):
            out_cell[place] = cells[k] + step
            out_zone[place] = zones[k]
            place += 1
