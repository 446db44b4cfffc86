"""A cell list for neighbour searches within a fixed radius; its cells are called bins.

Belongs here: the bins' geometry and the sort into them. Not here: what is asked of
neighbours (`matern_hard_core`, `strauss`).
"""

from __future__ import annotations

import math

import numpy as np

from synthgrid_assets.kernels import njit


@njit(cache=True)
def bin_grid(n, window, radius):
    """Bins wider than the radius, about as many as there are points.

    Two bins of margin surround the window, so a point inside has all nine bins. Points of
    neighbouring bins are less than 2**31 quanta apart on each axis for radii up to
    2**29.9, so an int64 holds the square of their distance.

    Returns
    -------
    tuple
        Bins per quantum, columns, rows, and x and y of the lowest bin's corner in quanta.
    """
    width, height = window[2] - window[0], window[3] - window[1]
    spacing = math.sqrt(float(width) * float(height) / (n + 1))
    side = max(float(radius), min(spacing, 2.0**29))
    # the excess over the radius outweighs any rounding of the products in `bin_of`
    side = side * (1 + 1e-6) + 1
    margin = np.int64(2 * side) + 1
    columns, rows = np.int64(width / side) + 6, np.int64(height / side) + 6
    return 1 / side, columns, rows, window[0] - margin, window[1] - margin


@njit(cache=True)
def bin_of(x, y, grid):
    """Number of the bin that holds a place; multiplying is far faster than dividing."""
    column = np.int64(float(x - grid[3]) * grid[0])
    return np.int64(float(y - grid[4]) * grid[0]) * grid[1] + column


@njit(cache=True)
def binned(x, y, grid):
    """Points sorted by bin: the start of each bin, and the points' numbers.

    Points outside the bins are left out.
    """
    per_quantum, columns, rows, low_x, low_y = grid
    high_x, high_y = low_x + columns / per_quantum - 2, low_y + rows / per_quantum - 2
    start = np.zeros(columns * rows + 1, np.int64)
    bins = np.empty(x.size, np.int64)
    for i in range(x.size):
        inside = low_x <= x[i] < high_x and low_y <= y[i] < high_y
        bins[i] = bin_of(x[i], y[i], grid) if inside else -1
        if inside:
            start[bins[i] + 1] += 1
    for b in range(start.size - 1):
        start[b + 1] += start[b]
    free = start[:-1].copy()
    member = np.empty(start[-1], np.int64)
    for i in range(x.size):
        if bins[i] >= 0:
            member[free[bins[i]]] = i
            free[bins[i]] += 1
    return start, member
