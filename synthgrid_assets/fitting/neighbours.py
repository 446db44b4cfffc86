"""Near points of observed ones: their weighted pairs by distance, and how many a place has.

Belongs here: bins of coordinates in metres, and the two loops over what lies near. Not here: what
a pair is worth (`edge_correction`), points on the lattice (`statistics.curves.pairs`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.fitting.edge_correction import pair_weight
from synthgrid_assets.kernels import njit

_BINS_A_POINT = 4.0  # at most: memory follows the number of points


class Bins(NamedTuple):
    """Points sorted into squares, so that near points lie in touching ones.

    Attributes
    ----------
    xy : ndarray of float64, shape (n, 2)
        Row by row of the squares.
    starts : ndarray of int64, shape (rows * columns + 1,)
        Where each square begins.
    rows, columns : int
    x0, y0, side : float
        South-west corner of the first square, and the squares' side, in metres.
    """

    xy: NDArray[np.float64]
    starts: NDArray[np.int64]
    rows: int
    columns: int
    x0: float
    y0: float
    side: float


def bins(xy: NDArray[np.float64], reach: float) -> Bins:
    """Squares at least `reach` metres wide.

    Examples
    --------
    >>> made = bins(np.array([[0.0, 0.0], [9.0, 0.0], [9.5, 3.0]]), 4.0)
    >>> made.columns, made.rows, made.starts.tolist()
    (3, 1, [0, 1, 1, 3])
    """
    (x0, y0), (width, height) = xy.min(axis=0), np.ptp(xy, axis=0)
    side = max(reach, math.sqrt(width * height / (_BINS_A_POINT * len(xy)))) * (1 + 1e-9)
    side = max(side, max(width, height) / (_BINS_A_POINT * len(xy)))
    columns, rows = int(width / side) + 1, int(height / side) + 1
    at = ((xy[:, 1] - y0) / side).astype(int) * columns + ((xy[:, 0] - x0) / side).astype(int)
    order = np.argsort(at, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(at, minlength=rows * columns))])
    return Bins(xy[order], starts, rows, columns, float(x0), float(y0), side)


@njit(cache=True)
def pairs_by_distance(places, r, edge):
    """Weights of ordered pairs, summed by the first of the increasing `r` that reaches them.

    The weights are those of `edge_correction.pair_weight`; pairs are never held. Shape of `r`.
    """
    found, xy, longest = np.zeros(r.size), places.xy, r[-1]
    for j in range(places.rows):
        for i in range(places.columns):
            own, end = _square(places, i, j)
            for first in range(own, end):
                x, y = xy[first, 0], xy[first, 1]
                for b in range(j, min(j + 2, places.rows)):
                    for a in range(i if b == j else max(i - 1, 0), min(i + 2, places.columns)):
                        low, high = _square(places, a, b)
                        if b == j and a == i:
                            low = first + 1
                        for second in range(low, high):
                            dx, dy = xy[second, 0] - x, xy[second, 1] - y
                            apart = math.sqrt(dx * dx + dy * dy)
                            if apart <= longest:
                                both = pair_weight(x, y, dx, dy, edge)
                                both += pair_weight(x + dx, y + dy, -dx, -dy, edge)
                                found[np.searchsorted(r, apart)] += both
    return found


@njit(cache=True)
def near_counts(places, radius, xy):
    """How many binned points lie within the radius of each place, itself among them.

    Shape (m,) for places of shape (m, 2).
    """
    found, squared = np.zeros(len(xy), np.int64), radius * radius
    for k in range(len(xy)):
        x, y = xy[k, 0], xy[k, 1]
        i = math.floor((x - places.x0) / places.side)
        j = math.floor((y - places.y0) / places.side)
        for b in range(max(j - 1, 0), min(j + 2, places.rows)):
            for a in range(max(i - 1, 0), min(i + 2, places.columns)):
                for other in range(*_square(places, a, b)):
                    dx, dy = places.xy[other, 0] - x, places.xy[other, 1] - y
                    found[k] += dx * dx + dy * dy <= squared
    return found


@njit(cache=True, inline="always")
def _square(places, i, j):
    """Where the points of a square begin and end."""
    at = j * places.columns + i
    return places.starts[at], places.starts[at + 1]
