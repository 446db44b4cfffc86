"""Streets that footprints face: the nearest line of each point, and where its front then lies.

Belongs here: directions and distances, one IEEE operation after the other. Not here: shapes
(`shapes`), the product (`footprints`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.processes.thinning.proximity import FeatureTargets, surroundings


class Facing(NamedTuple):
    """The nearest line of each point, where one is near enough.

    Attributes
    ----------
    near : ndarray of bool, shape (n,)
        Whether there is one.
    ux, uy : ndarray of float64, shape (n,)
        Unit vector along it, so that the point lies to its left.
    apart : ndarray of float64, shape (n,)
        Quanta from the straight line through its segment to the point.
    """

    near: NDArray[np.bool_]
    ux: NDArray[np.float64]
    uy: NDArray[np.float64]
    apart: NDArray[np.float64]


def facing(
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    side: NDArray[np.bool_],
    lines: Paths,
    within: int,
) -> Facing:
    """The nearest line of each point, at most `within` quanta away; of equal ones the first.

    Parameters
    ----------
    x, y : ndarray of int64, shape (n,)
    side : ndarray of bool, shape (n,)
        On which side a point counts as lying that is on its line.
    lines : Paths
        Points among them, and repeated vertices, have no direction and are left out.
    within : int

    Examples
    --------
    >>> street = Paths(np.array([0, 100]), np.array([0, 0]), np.array([0, 2]))
    >>> north, south = facing(
    ...     np.array([50, 50]), np.array([7, -7]), np.zeros(2, bool), street, 9
    ... ).ux.tolist()
    >>> north, south
    (1.0, -1.0)
    """
    if x.size == 0:
        return Facing(np.zeros(0, np.bool_), *(np.zeros(0) for _ in range(3)))
    box = [int(edge) >> CELL_BITS for edge in (x.min(), y.min(), x.max(), y.max())]
    cells = Cells(box[0], box[1], box[2] + 1, box[3] + 1)
    ends = FeatureTargets(lines).segments(cells.grown(-(-within // CELL)))
    some = (ends[0] != ends[2]) | (ends[1] != ends[3])
    around = surroundings(tuple(end[some] for end in ends), cells, within)
    near, ux, uy, apart = _facing(around, x, y, side, float(within))
    return Facing(near, ux, uy, apart)


@njit(cache=True)
def _facing(around, x, y, side, within):
    n = x.size
    near, apart = np.zeros(n, np.bool_), np.zeros(n)
    ux, uy = np.ones(n), np.zeros(n)
    for i in range(n):
        bucket = ((y[i] >> around.bits) - around.row) * around.columns
        bucket += (x[i] >> around.bits) - around.column
        best, chosen = within * within, -1
        for k in around.members[around.starts[bucket] : around.starts[bucket + 1]]:
            ax, ay = float(x[i] - around.x0[k]), float(y[i] - around.y0[k])
            wx, wy = float(around.x1[k] - around.x0[k]), float(around.y1[k] - around.y0[k])
            share = min(max((ax * wx + ay * wy) / (wx * wx + wy * wy), 0.0), 1.0)
            dx, dy = ax - share * wx, ay - share * wy
            square = dx * dx + dy * dy
            if square < best or (square == best and (chosen < 0 or k < chosen)):
                best, chosen = square, k
        if chosen < 0:
            continue
        ax, ay = float(x[i] - around.x0[chosen]), float(y[i] - around.y0[chosen])
        wx = float(around.x1[chosen] - around.x0[chosen])
        wy = float(around.y1[chosen] - around.y0[chosen])
        length = math.sqrt(wx * wx + wy * wy)
        left = (wx * ay - wy * ax) / length
        turned = left < 0.0 or (left == 0.0 and side[i])
        sign = -1.0 if turned else 1.0
        near[i], apart[i] = True, abs(left)
        ux[i], uy[i] = sign * wx / length, sign * wy / length
    return near, ux, uy, apart
