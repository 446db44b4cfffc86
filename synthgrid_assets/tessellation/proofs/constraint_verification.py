"""What must hold of stored triangles and the constraints among them, by integers alone.

Belongs here: counts of broken edges, from the rows and the network themselves. Not here: what
holds of triangles with and without constraints (`verification`).

Triangles tile the plane. So a constraint that runs through the interior of none of them runs
along their edges, and if each of those carries its id, the whole constraint is there. Both
are claims about a tile's own rows, whatever its neighbours hold.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.tessellation.constraints import ConstraintNetwork
from synthgrid_assets.tessellation.predicates import EXTENT_BITS, orient, precedes
from synthgrid_assets.tessellation.proofs.faults import ConstraintFaults
from synthgrid_assets.tessellation.proofs.verification import numbered, pair_key


def constraint_faults(
    triangle_xy: NDArray[np.int64],
    constraint: NDArray[np.int64],
    network: ConstraintNetwork,
) -> ConstraintFaults:
    """Check the rows of triangles against the constraints around them.

    Parameters
    ----------
    triangle_xy : ndarray of int64, shape (t, 6)
        Corners in quanta, each row from its smallest corner on.
    constraint : ndarray of int64, shape (t, 3)
        The constraint along the edges a-b, b-c and c-a, or -1.
    network : ConstraintNetwork
        At least all edges that meet a triangle.

    Returns
    -------
    ConstraintFaults
        All zero for the rows of `tessellate_constrained`.

    Examples
    --------
    >>> from synthgrid_assets.tessellation.constraints import planar_network
    >>> road = planar_network(np.array([[0, 0, 4, 4, 7]]))
    >>> square = np.array([[0, 0, 4, 0, 4, 4], [0, 0, 4, 4, 0, 4]])
    >>> constraint_faults(square, np.array([[-1, -1, 7], [7, -1, -1]]), road).total
    0
    >>> constraint_faults(square, np.array([[-1, -1, 7], [-1, 7, -1]]), road).describe()
    '1 unnamed, 1 invented'
    >>> other = np.array([[0, 0, 4, 0, 0, 4]])  # the half of the square by its other diagonal
    >>> constraint_faults(other, np.full((1, 3), -1), road).describe()
    '1 crossed, 1 absent'
    """
    xy = triangle_xy.reshape(-1, 3, 2)
    ends = np.stack((network.x, network.y), axis=1)
    edges = np.concatenate((ends[network.tail], ends[network.head]), axis=1)
    triangle, edge = _meeting(xy, edges)
    crossed, side, begins = _compare(xy, edges, triangle, edge)
    along = np.full(constraint.shape, -1)
    lying = np.flatnonzero(side >= 0)  # edges of the network meet in nodes only: one per side
    along[triangle[lying], side[lying]] = network.id[edge[lying]]
    # of a first corner and a constraint that goes on from it, whether some triangle has both
    going_on = pair_key(numbered(xy[:, 0])[triangle], edge)
    kept = begins & ((side == 0) | (side == 2))
    absent = np.setdiff1d(going_on[begins], going_on[kept])
    return ConstraintFaults(
        crossed=int(crossed.sum()),
        unnamed=int(((along >= 0) & (constraint != along)).sum()),
        invented=int(((along < 0) & (constraint >= 0)).sum()),
        absent=absent.size,
    )


def _meeting(
    xy: NDArray[np.int64], edges: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of triangles and of edges whose boxes touch; doubles hold all coordinates."""
    boxes = shapely.box(*xy.min(axis=1).T.astype(np.float64), *xy.max(axis=1).T.astype(np.float64))
    low, high = np.minimum(edges[:, :2], edges[:, 2:]), np.maximum(edges[:, :2], edges[:, 2:])
    tree = shapely.STRtree(shapely.box(*low.T.astype(np.float64), *high.T.astype(np.float64)))
    triangle, edge = tree.query(boxes)
    # wider triangles than exact arithmetic reaches are faults in themselves
    narrow = (np.ptp(xy, axis=1) < 1 << EXTENT_BITS).all(axis=1)[triangle]
    return triangle[narrow], edge[narrow]


@njit(cache=True)
def _compare(xy, edges, triangle, edge):
    """For each pair: whether the edge runs through the triangle, along which of its sides
    (or -1), and whether it goes on from the triangle's first corner."""
    crossed = np.zeros(triangle.size, np.bool_)
    side = np.full(triangle.size, -1)
    begins = np.zeros(triangle.size, np.bool_)
    for i in range(triangle.size):
        corners, segment = xy[triangle[i]], edges[edge[i]]
        crossed[i] = _runs_through(corners, segment)
        for k in range(3):
            if _holds(segment, corners[k]) and _holds(segment, corners[(k + 1) % 3]):
                side[i] = k
        at_head = corners[0, 0] == segment[2] and corners[0, 1] == segment[3]
        begins[i] = _holds(segment, corners[0]) and not at_head
    return crossed, side, begins


@njit(inline="always")
def _side_of(ax, ay, bx, by, point):
    return orient(ax, ay, bx, by, point[0], point[1])


@njit(cache=True)
def _runs_through(corners, segment):
    """Whether a segment meets the interior of a counter-clockwise triangle.

    Two convex sets have disjoint interiors exactly when a line along an edge of one of them
    parts them; the segment's own line counts on either side.
    """
    left = right = False
    for k in range(3):
        turn = _side_of(segment[0], segment[1], segment[2], segment[3], corners[k])
        left, right = left or turn > 0, right or turn < 0
        a, b = corners[k], corners[(k + 1) % 3]
        if _side_of(a[0], a[1], b[0], b[1], segment[0:2]) <= 0 and (
            _side_of(a[0], a[1], b[0], b[1], segment[2:4]) <= 0
        ):
            return False
    return left and right


@njit(cache=True)
def _holds(segment, point):
    """Whether a point lies on a segment; its ends are in lexicographic order."""
    if _side_of(segment[0], segment[1], segment[2], segment[3], point) != 0:
        return False
    return not (
        precedes(point[0], point[1], segment[0], segment[1])
        or precedes(segment[2], segment[3], point[0], point[1])
    )
