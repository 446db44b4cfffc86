"""Circumcentres twice: near enough to certify with, and exact to keep.

Belongs here: circles of triangles with integer corners. Not here: which circles must be
inside what (`halo`) and the rings that centres form (`voronoi`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.tessellation.predicates import VERTEX_BITS, rounding_step
from synthgrid_assets.tessellation.triangulation import Mesh

VERTEX_SCALE = 1 << VERTEX_BITS  # Voronoi vertices per quantum along an axis
# A computed radius is widened by this much before it is trusted. With the corner opposite
# the longest side as reference, each coordinate of the centre is a quotient whose terms are
# at most 2 R in size and whose error is about 8 ulp of R; R < 2**31 where it matters, so
# the true error is below 2**-18 quanta and the two quanta cover it by far.
RADIUS_FACTOR = 1 + 2.0**-40
RADIUS_MARGIN = 2.0


def circles(
    mesh: Mesh,
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    triangles: NDArray[np.int64],
    constraint: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Circles that contain what some triangles of a mesh see of their circumdiscs.

    Parameters
    ----------
    mesh : Mesh
    x, y : ndarray of int64, shape (n,)
        Coordinates of its points, local (`predicates.fits`).
    triangles : ndarray of int64, shape (t,)
        Which triangles; ghosts are allowed.
    constraint : ndarray of int64, shape (number of triangles, 3), optional
        Non-negative where the edge opposite a vertex hides what lies beyond it. If the
        centre does, the circle over that edge contains the rest of the disc.

    Returns
    -------
    ndarray of float64, shape (t, 3)
        Centre and radius in quanta, the radius rounded up; radius infinite for ghosts.
    """
    out = np.empty((triangles.size, 3))
    _circles(mesh.vertices, x, y, triangles, out)
    if constraint is not None:
        _hide(mesh.vertices, x, y, triangles, constraint, out)
    return out


def voronoi_vertices(
    mesh: Mesh, x: NDArray[np.int64], y: NDArray[np.int64], triangles: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Circumcentres rounded once, half up, to multiples of 2**-10 quantum.

    The centre is a rational number that belongs to the circle alone, so all triangles of a
    cocircular set get the same vertex, in every tile.

    Parameters
    ----------
    mesh, x, y
        As for `circles`.
    triangles : ndarray of int64, shape (t,)
        Triangles whose circle has a radius below 2**30 quanta (certified ones do).

    Returns
    -------
    ndarray of int64, shape (number of triangles of the mesh, 2)
        In units of 2**-10 quantum; rows of triangles that were not asked for are zero.

    Examples
    --------
    >>> from synthgrid_assets.tessellation.triangulation import delaunay
    >>> x, y = np.array([0, 5, 0]), np.array([0, 0, 3])
    >>> voronoi_vertices(delaunay(x, y), x, y, np.array([0]))[0].tolist()
    [2560, 1536]
    """
    out = np.zeros((mesh.vertices.shape[0], 2), np.int64)
    _voronoi_vertices(mesh.vertices, x, y, triangles, out)
    return out


@njit(inline="always")
def _corner_order(x, y, a, b, c):
    """The corners turned so that the first is opposite the longest side."""
    ab = (x[b] - x[a]) ** 2 + (y[b] - y[a]) ** 2
    bc = (x[c] - x[b]) ** 2 + (y[c] - y[b]) ** 2
    ca = (x[a] - x[c]) ** 2 + (y[a] - y[c]) ** 2
    if ca >= ab and ca >= bc:
        return b, c, a
    if ab >= bc:
        return c, a, b
    return a, b, c


@njit(inline="always")
def _centre(bx, by, cx, cy):
    """Circumcentre of the origin, b and c in floating point."""
    double_area = float(bx * cy - by * cx)
    b2, c2 = float(bx * bx + by * by), float(cx * cx + cy * cy)
    return (
        (b2 * cy - c2 * by) / (2.0 * double_area),
        (c2 * bx - b2 * cx) / (2.0 * double_area),
    )


@njit(cache=True)
def _circles(vertices, x, y, triangles, out):
    for i in range(triangles.size):
        t = triangles[i]
        a, b, c = vertices[t, 0], vertices[t, 1], vertices[t, 2]
        if a == x.size or b == x.size or c == x.size:
            out[i] = 0.0, 0.0, np.inf
            continue
        a, b, c = _corner_order(x, y, a, b, c)
        ux, uy = _centre(x[b] - x[a], y[b] - y[a], x[c] - x[a], y[c] - y[a])
        radius = np.sqrt(ux * ux + uy * uy) * RADIUS_FACTOR + RADIUS_MARGIN
        out[i] = x[a] + ux, y[a] + uy, radius


@njit(cache=True)
def _hide(vertices, x, y, triangles, constraint, out):
    """Replace circles whose centre lies beyond a constraint along the triangle's edge."""
    for i in range(triangles.size):
        t = triangles[i]
        for k in range(3):
            a, b, c = vertices[t, k], vertices[t, (k + 1) % 3], vertices[t, (k + 2) % 3]
            if constraint[t, k] < 0 or a == x.size or b == x.size or c == x.size:
                continue
            # an obtuse angle at a puts the centre beyond its opposite edge
            if (x[b] - x[a]) * (x[c] - x[a]) + (y[b] - y[a]) * (y[c] - y[a]) < 0:
                width, height = float(x[c] - x[b]), float(y[c] - y[b])
                radius = np.sqrt(width * width + height * height) / 2
                out[i, 0], out[i, 1] = x[b] + width / 2, y[b] + height / 2
                out[i, 2] = radius * RADIUS_FACTOR + RADIUS_MARGIN


@njit(inline="always")
def _rounded(guess, a, b, c, d, divisor):
    """``(a * b - c * d) * 2**10 / divisor``, rounded half up, from a guess nearby."""
    quotient = np.int64(np.floor(guess * VERTEX_SCALE + 0.5))
    step = rounding_step(a, b, c, d, quotient, divisor)
    while step != 0:  # the guess is at most one off
        quotient += step
        step = rounding_step(a, b, c, d, quotient, divisor)
    return quotient


@njit(cache=True)
def _voronoi_vertices(vertices, x, y, triangles, out):
    for i in range(triangles.size):
        t = triangles[i]
        a, b, c = _corner_order(x, y, vertices[t, 0], vertices[t, 1], vertices[t, 2])
        bx, by, cx, cy = x[b] - x[a], y[b] - y[a], x[c] - x[a], y[c] - y[a]
        divisor = 2 * (bx * cy - by * cx)
        b2, c2 = bx * bx + by * by, cx * cx + cy * cy
        ux, uy = _centre(bx, by, cx, cy)
        out[t, 0] = _rounded(ux, b2, cy, c2, by, divisor) + x[a] * VERTEX_SCALE
        out[t, 1] = _rounded(uy, c2, bx, b2, cx, divisor) + y[a] * VERTEX_SCALE
