"""What is known around a tile once its own rows are proven: rows of other tiles, and sites.

Belongs here: finding them in the neighbourhoods that a tessellation was made from. Not here:
how they are drawn (`tessellations`), what is kept of a tile (`products.tile_cache`).

Nothing is computed anew and nothing is guessed: a triangle that touches the tile is certified,
and so is any other whose circle lies in the window where all sites are known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.tessellation.circumcentres import circles
from synthgrid_assets.tessellation.halo import Neighbourhood


def other_triangles(found: Neighbourhood, tile: Cells, view: Box) -> NDArray[np.float64]:
    """Triangles of other tiles at those sites of the tile that are in view.

    Parameters
    ----------
    found : Neighbourhood
        Of the tile, or of a part of it; sites elsewhere are not looked at.
    tile : Cells
    view : Box
        In quanta.

    Returns
    -------
    ndarray of float64, shape (t, 3, 2)
        Corners in quanta; a triangle may be there more than once.
    """
    at = _triangles_at(found, _seen_sites(found, view))
    chosen = _owned_elsewhere(found.mesh.vertices, at, found.x, found.y, _local(found, tile))
    places = np.stack((found.x, found.y), axis=1)[found.mesh.vertices[chosen]]
    return np.asarray(places + np.array(found.origin, np.float64))


def other_borders(found: Neighbourhood, tile: Cells, view: Box) -> NDArray[np.float64]:
    """Borders between Voronoi cells of other tiles, around sites next to those in view.

    Of a cell that the known sites do not prove as a whole, the borders that they do.

    Parameters
    ----------
    found : Neighbourhood
        As for `other_triangles`, without constraints.
    tile : Cells
    view : Box
        In quanta.

    Returns
    -------
    ndarray of float64, shape (n, 2, 2)
        Both ends in quanta, exact to a fraction of one.
    """
    own, mesh = _local(found, tile), found.mesh
    touching = _triangles_at(found, _seen_sites(found, view))
    corners = np.unique(mesh.vertices[touching]).astype(np.int64)
    x, y = found.x[corners], found.y[corners]
    beside = corners[(x < own[0]) | (y < own[1]) | (x >= own[2]) | (y >= own[3])]
    at = np.unique(_triangles_at(found, beside))
    discs = circles(mesh, found.x, found.y, at)
    span = _local(found, found.window)[2:]
    near = np.zeros(found.x.size + 1, np.bool_)
    near[beside] = True
    ends = _borders(mesh, at, discs, span, near, (found.x, found.y), own)
    return np.asarray(ends + np.array(found.origin, np.float64))


@njit(cache=True)
def sites_within(x, y, box):
    """The sites that a box holds, as floats, shape (n, 2)."""
    out = np.empty((x.size, 2))
    n = 0
    for i in range(x.size):
        if box[0] <= x[i] <= box[2] and box[1] <= y[i] <= box[3]:
            out[n, 0], out[n, 1] = x[i], y[i]
            n += 1
    return out[:n].copy()


def _local(found: Neighbourhood, cells: Cells) -> tuple[int, int, int, int]:
    """A rectangle in the neighbourhood's own coordinates."""
    x0, y0, x1, y1 = cells.quanta()
    x, y = found.origin
    return x0 - x, y0 - y, x1 - x, y1 - y


def _seen_sites(found: Neighbourhood, view: Box) -> NDArray[np.int64]:
    """Which sites of the neighbourhood's rectangle are in view."""
    x, y = found.origin
    local = (view[0] - x, view[1] - y, view[2] - x, view[3] - y)
    return np.asarray(_within(found.x, found.y, found.inside, local))


@njit(cache=True)
def _within(x, y, sites, box):
    found = np.empty(sites.size, np.int64)
    n = 0
    for site in sites:
        if box[0] <= x[site] <= box[2] and box[1] <= y[site] <= box[3]:
            found[n] = site
            n += 1
    return found[:n].copy()


def _triangles_at(found: Neighbourhood, sites: NDArray[np.int64]) -> NDArray[np.int64]:
    """The triangles around some sites, each as often as it is around one."""
    return np.asarray(_fans(*found.mesh, sites)) if found.mesh.vertices.size else sites[:0]


@njit(cache=True)
def _fans(vertices, neighbours, at, sites):
    found = np.empty(64 + 8 * sites.size, np.int64)
    n = 0
    for site in sites:
        first = t = np.int64(at[site])
        while True:
            if n == found.size:
                found = np.append(found, np.empty(n, np.int64))
            found[n] = t
            n += 1
            following = 1 * (vertices[t, 0] == site) + 2 * (vertices[t, 1] == site)
            t = np.int64(neighbours[t, following])
            if t == first:
                break
    return found[:n].copy()


@njit(cache=True)
def _owned_elsewhere(vertices, triangles, x, y, own):
    """Those triangles whose lexicographically smallest corner is not in a rectangle."""
    chosen = np.zeros(triangles.size, np.bool_)
    for i in range(triangles.size):
        first = vertices[triangles[i], 0]
        for k in range(1, 3):
            v = vertices[triangles[i], k]
            if x[v] < x[first] or (x[v] == x[first] and y[v] < y[first]):
                first = v
        chosen[i] = not _holds(own, x[first], y[first])
    return triangles[chosen]


@njit(cache=True)
def _borders(mesh, triangles, discs, span, near, places, own):
    """Lines between the centres of neighbouring triangles whose discs lie in the window."""
    x, y = places
    row = np.full(mesh.vertices.shape[0], -1)
    for i in range(triangles.size):
        left, low, radius = discs[i, 0], discs[i, 1], discs[i, 2]
        if radius <= min(left, low) and left + radius <= span[0] and low + radius <= span[1]:
            row[triangles[i]] = i
    out = np.empty((3 * triangles.size, 2, 2))
    n = 0
    for i in range(triangles.size):
        t = triangles[i]
        for k in range(3):
            beyond = mesh.neighbours[t, k]
            if row[t] < 0 or beyond < t or row[beyond] < 0:
                continue
            a, b = mesh.vertices[t, (k + 1) % 3], mesh.vertices[t, (k + 2) % 3]
            mine = _holds(own, x[a], y[a]) or _holds(own, x[b], y[b])
            if not mine and (near[a] or near[b]):
                out[n, 0], out[n, 1] = discs[i, :2], discs[row[beyond], :2]
                n += 1
    return out[:n].copy()


@njit(inline="always")
def _holds(box, x, y):
    return box[0] <= x < box[2] and box[1] <= y < box[3]
