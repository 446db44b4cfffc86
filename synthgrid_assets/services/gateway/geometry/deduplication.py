"""Features that are the same within a tolerance.

Belongs here: which features count as one, and which of them is kept. Not here: where the
others are told (`landing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray

Keep = Literal["first", "last"]


@dataclass(frozen=True)
class Duplicates:
    """Which features stay, and for which another stays.

    Parameters
    ----------
    kept : ndarray of int64
        Rows that stay, ascending.
    dropped : ndarray of int64
        The others, ascending.
    instead : ndarray of int64
        For each of `dropped`, the row that stays for it.
    """

    kept: NDArray[np.int64]
    dropped: NDArray[np.int64]
    instead: NDArray[np.int64]


def find_duplicates(
    geometry: NDArray[np.object_], tolerance: float, keep: Keep = "last"
) -> Duplicates:
    """Find geometries that are the same within a tolerance.

    Two are the same when they are of one type and their discrete Hausdorff distance, as GEOS
    has it, is at most the tolerance: each vertex of one has a point of the other that near,
    wherever the other's vertices are.

    The rule for conflicts: features are taken in their order (from the end, when the last is
    to be kept); one stays unless it is the same as one that stays already. So what is dropped
    is always within the tolerance of what stays for it, and chains of near features do not
    melt into one, as clusters would.

    Parameters
    ----------
    geometry : ndarray of shapely.Geometry, shape (n,)
        In the order in which they were sent.
    tolerance : float
        In units of the coordinates.
    keep : {"first", "last"}

    Returns
    -------
    Duplicates

    Examples
    --------
    >>> points = shapely.points([[0.0, 0.0], [5.0, 0.0], [0.0, 0.1]])
    >>> find_duplicates(points, 0.2).kept.tolist(), find_duplicates(points, 0.2).instead.tolist()
    ([1, 2], [2])
    """
    count = len(geometry)
    order = np.arange(count) if keep == "first" else np.arange(count)[::-1]
    rank = np.argsort(order)
    a, b = _pairs(geometry, tolerance)
    first, second = rank[a], rank[b]
    # by the later of the two, then by the earlier: the choice of what stays runs once through
    later = np.lexsort((np.minimum(first, second), np.maximum(first, second)))
    stays = np.full(count, -1)
    for k in later.tolist():
        early, late = sorted((int(first[k]), int(second[k])))
        if stays[early] < 0 and stays[late] < 0:
            stays[late] = early
    dropped = np.sort(order[np.flatnonzero(stays >= 0)])
    instead = order[stays[rank[dropped]]]
    kept = np.setdiff1d(np.arange(count), dropped)
    return Duplicates(kept, dropped, instead)


def _pairs(
    geometry: NDArray[np.object_], tolerance: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that are the same, each pair once."""
    bounds = shapely.bounds(geometry)
    wide = shapely.box(*(bounds + np.array([-tolerance, -tolerance, tolerance, tolerance])).T)
    a, b = shapely.STRtree(geometry).query(wide)
    once = a < b
    a, b = a[once], b[once]
    # boxes of the same shapes differ by the tolerance at most, on each side
    near = (np.abs(bounds[a] - bounds[b]) <= tolerance).all(axis=1)
    near &= shapely.get_type_id(geometry[a]) == shapely.get_type_id(geometry[b])
    a, b = a[near], b[near]
    same = shapely.hausdorff_distance(geometry[a], geometry[b]) <= tolerance
    return a[same], b[same]
