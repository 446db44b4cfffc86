"""Whether the rows of many tiles fit together: nothing missing, nothing twice, no seam.

Belongs here: streaming over tiles' stored rows, one row of tiles at a time, with memory for
that row and for what is still open. Not here: what holds inside one tile (`verification`,
`cell_verification`), reading files.

Each tile is joined in itself first (`borders`), so that only borders are joined with each other.
Where that shows a fault, all rows of the row of tiles are joined at once, which counts faults.

Every claim is exact: tiles that were cut from one tessellation never break one, whatever
tiles are missing around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.tessellation.proofs.borders import (
    middle_corner,
    pair_border,
    triangle_border,
)
from synthgrid_assets.tessellation.proofs.coverage import Coverage
from synthgrid_assets.tessellation.proofs.numbering import first_of, numbered_pairs
from synthgrid_assets.tessellation.proofs.opposites import left_over, repeated


@dataclass(frozen=True, eq=False)
class StoredTriangles:
    """A tile's triangles as its file holds them.

    Parameters
    ----------
    tile : int
        Its number.
    corners : ndarray of int64, shape (t, 3)
        Site ids, counter-clockwise.
    xy : ndarray of float64, shape (t, 3, 2) or (t, 4, 2)
        Their coordinates; the first one's may stand there again.
    """

    tile: int
    corners: NDArray[np.int64]
    xy: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StoredPairs:
    """A tile's pairs of neighbours as its file holds them.

    Parameters
    ----------
    tile : int
        Its number.
    focal, neighbor : ndarray of int64, shape (d,)
        Site ids.
    weight : ndarray of float64, shape (d,)
    """

    tile: int
    focal: NDArray[np.int64]
    neighbor: NDArray[np.int64]
    weight: NDArray[np.float64]


class Join:
    """Faults by kind and by tile, of whatever is joined.

    Parameters
    ----------
    coverage : Coverage
        The tiles that are going to be added.

    Attributes
    ----------
    faults : dict of str to ndarray of int64, shape (tiles,)
    """

    kinds: Sequence[str] = ()

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self.faults = {kind: np.zeros(len(coverage.tiles), np.int64) for kind in self.kinds}

    def _count(self, kind: str, tiles: NDArray[np.int64]) -> None:
        """Note one fault for each of these tiles."""
        self.faults[kind] += np.bincount(tiles, minlength=len(self._coverage.tiles))


class TriangleJoin(Join):
    """Triangles of many tiles are one triangulation.

    Kinds of faults: ``misplaced``, triangles whose first corner is not their smallest or
    not in their tile; ``moved``, corners that stand elsewhere than in another triangle;
    ``torn_sites``, sites around which triangles are missing or overlap.

    Notes
    -----
    Order sites by x, then y. In a triangulation of the plane each site is the middle corner
    of exactly two triangles, those that the vertical line through it runs through. The
    triangles of which it is the smallest corner fill the angle between those two. So where
    all of these are present, ``m + u = 2``, with m the triangles of which the site is the
    middle corner and u the edges to larger sites that only one triangle has. Summed over
    all sites this is Euler's formula, F = 2 V and E = 3 V less what the rim lacks.

    Examples
    --------
    >>> from synthgrid_assets.lattice.cells import Cells, point_ids
    >>> from synthgrid_assets.lattice.tiling import Tiling
    >>> tiling = Tiling(Cells(0, 0, 8, 4), 4)
    >>> join = TriangleJoin(Coverage(tiling, list(tiling)))
    >>> xy = np.array([[[1.0, 1.0], [6.0, 1.0], [2.0, 3.0]]])
    >>> cells = xy.astype(int).reshape(-1, 2).T
    >>> ids = point_ids(*cells, np.zeros(3, int)).reshape(1, 3)
    >>> join.add([StoredTriangles(0, ids, xy)])
    >>> join.close()
    >>> {kind: count.tolist() for kind, count in join.faults.items()}
    {'misplaced': [0, 0], 'moved': [0, 0], 'torn_sites': [0, 0]}
    """

    kinds = ("misplaced", "moved", "torn_sites")

    def __init__(self, coverage: Coverage) -> None:
        super().__init__(coverage)
        self._site = np.empty(0, np.int64)
        self._xy = np.empty((0, 2))
        self._middle = np.empty(0, np.int64)
        self._edge = np.empty((0, 2), np.int64)  # tail and head, by their places in `_site`

    def add(self, tiles: Sequence[StoredTriangles]) -> None:
        """Join the triangles of one more row of tiles."""
        if not tiles or self._join_borders(tiles):
            return
        tile = np.repeat([one.tile for one in tiles], [len(one.corners) for one in tiles])
        corners = np.concatenate([one.corners for one in tiles])
        self._join_all(tile, corners, np.concatenate([one.xy[:, :3] for one in tiles]))

    def _join_borders(self, tiles: Sequence[StoredTriangles]) -> bool:
        """Whether the tiles join without a fault that is not one of an edge left open."""
        homes = self._coverage.homes
        borders = []
        for one in tiles:
            sound, *border = triangle_border(one.tile, one.corners, one.xy, homes)
            if not sound:
                return False
            borders.append(border)
        sites, places, middles, edges = zip(
            (self._site, self._xy, self._middle, self._edge), *borders, strict=True
        )
        site, at = np.concatenate(sites), np.concatenate(places)
        place, count = numbered_pairs(site, site)
        first = first_of(place)
        if (at != at[first][place]).any() or not self._are_open(tiles, sites, place):
            return False
        middle = np.bincount(place, np.concatenate(middles), count).astype(np.int64)
        begin = [0, *accumulate(part.size for part in sites)]
        tail, head = place[np.concatenate([e + b for e, b in zip(edges, begin, strict=False)])].T
        self._keep(site[first], at[first], middle, tail, head)
        return True

    def _are_open(
        self,
        tiles: Sequence[StoredTriangles],
        sites: Sequence[NDArray[np.int64]],
        place: NDArray[np.int64],
    ) -> bool:
        """Whether no site that others name is closed in the tile of this row that it lies in."""
        holder = np.repeat([-2, *(one.tile for one in tiles)], [part.size for part in sites])
        site = np.concatenate(sites)
        home = self._coverage.number_of_ids(site)
        is_open = np.zeros(place.size, np.bool_)
        is_open[place[home == holder]] = True
        named = ~is_open[place]
        return not any(
            np.isin(one.corners, site[named & (home == one.tile)]).any() for one in tiles
        )

    def _join_all(
        self, tile: NDArray[np.int64], corners: NDArray[np.int64], xy: NDArray[np.float64]
    ) -> None:
        """Join the triangles of a row of tiles, each with the number of its tile."""
        known = self._site.size
        ids = np.concatenate((self._site, corners.ravel()))
        place, count = numbered_pairs(ids, ids)  # those of open sites are 0, 1, 2 and so on
        first = first_of(place)
        site, at = ids[first], np.concatenate((self._xy, xy.reshape(-1, 2)))[first]
        middle = np.concatenate((self._middle, np.zeros(count - known, np.int64)))
        corner = place[known:].reshape(-1, 3)
        moved, turned = _join_corners(corner, xy, at, middle)
        self._count("moved", tile[moved])
        home = self._coverage.number_of_ids(corners[:, 0])
        self._count("misplaced", tile[turned | (home != tile)])
        tail = np.concatenate((self._edge[:, 0], corner.ravel()))
        head = np.concatenate((self._edge[:, 1], np.roll(corner, -1, axis=1).ravel()))
        self._keep(site, at, middle, tail, head)

    def _keep(
        self,
        site: NDArray[np.int64],
        at: NDArray[np.float64],
        middle: NDArray[np.int64],
        tail: NDArray[np.int64],
        head: NDArray[np.int64],
    ) -> None:
        """Keep what is open of some sites, and of edges between them."""
        left = left_over(tail, head)
        edge = np.column_stack((tail[left], head[left]))
        kept = (middle != 2) & (middle > 0) & (self._coverage.number_of_ids(site) >= 0)
        kept[edge] = True
        self._site, self._xy, self._middle = site[kept], at[kept], middle[kept]
        self._edge = (np.cumsum(kept) - 1)[edge]

    def close(self) -> None:
        """Count the sites that are still torn: call it once, after the last row."""
        ends = self._edge
        at = self._xy[:, 0] + 1j * self._xy[:, 1]
        smaller = np.where(at[ends[:, 0]] < at[ends[:, 1]], ends[:, 0], ends[:, 1])
        found = self._middle + np.bincount(smaller, minlength=self._site.size)
        home = self._coverage.number_of_ids(self._site)
        # a site that is only ever the largest corner says nothing
        self._count("torn_sites", home[(found != 2) & (found != 0) & (home >= 0)])


class NeighbourJoin(Join):
    """Neighbours name each other, also across the borders of tiles.

    Kinds of faults: ``misplaced``, pairs whose focal site is not in their tile;
    ``repeated``, pairs that stand there twice; ``one_sided``, pairs that the other site's
    tile should list with the same weight, bit for bit, and does not.
    """

    kinds = ("misplaced", "repeated", "one_sided")

    def __init__(self, coverage: Coverage) -> None:
        super().__init__(coverage)
        self._pair = np.empty((0, 3), np.int64)  # two site ids and the bits of their weight

    def add(self, tiles: Sequence[StoredPairs]) -> None:
        """Join the pairs of one more row of tiles."""
        if not tiles or self._join_borders(tiles):
            return
        tile = np.repeat([one.tile for one in tiles], [one.focal.size for one in tiles])
        self._join_all(tile, np.concatenate([_pairs(one) for one in tiles]))

    def _join_borders(self, tiles: Sequence[StoredPairs]) -> bool:
        """Whether the tiles join without a fault that is not one of a pair left open."""
        borders, homes = [self._pair], self._coverage.homes
        for one in tiles:
            bits = one.weight.view(np.int64)
            sound, left = pair_border(one.tile, one.focal, one.neighbor, bits, homes)
            if not sound:
                return False
            borders.append(np.column_stack((one.focal[left], one.neighbor[left], bits[left])))
        pair = np.concatenate(borders)
        ids = pair[:, :2].T.ravel()
        tail, head = np.split(numbered_pairs(ids, ids)[0], 2)
        self._pair = pair[left_over(tail, head, pair[:, 2].copy())]
        return True

    def _join_all(self, tile: NDArray[np.int64], added: NDArray[np.int64]) -> None:
        """Join the pairs of a row of tiles, each with the number of its tile."""
        focal, neighbor = added[:, 0], added[:, 1]
        self._count("misplaced", tile[self._coverage.number_of_ids(focal) != tile])
        pair, known = np.concatenate((self._pair, added)), len(self._pair)
        ids = pair[:, :2].T.ravel()
        tail, head = np.split(numbered_pairs(ids, ids)[0], 2)
        self._count("repeated", tile[repeated(tail[known:], head[known:])])
        within = np.ones(len(pair), np.bool_)
        within[known:] = self._coverage.number_of_ids(neighbor) >= 0
        pair = pair[within]
        self._pair = pair[left_over(tail[within], head[within], pair[:, 2].copy())]

    def close(self) -> None:
        """Count the pairs that are still one-sided: call it once, after the last row."""
        self._count("one_sided", self._coverage.number_of_ids(self._pair[:, 1]))


@njit(cache=True)
def _join_corners(corner, xy, at, middle):
    """Which triangles stand elsewhere than their sites, and which do not begin with the smallest.

    Adds up of how many triangles each site is the middle corner.
    """
    moved, turned = np.zeros(corner.shape[0], np.bool_), np.zeros(corner.shape[0], np.bool_)
    for i in range(corner.shape[0]):
        for k in range(3):
            site = corner[i, k]
            moved[i] |= xy[i, k, 0] != at[site, 0] or xy[i, k, 1] != at[site, 1]
        turned[i], second = middle_corner(xy, i)
        middle[corner[i, second]] += 1
    return moved, turned


def _pairs(tile: StoredPairs) -> NDArray[np.int64]:
    """Pairs with the bits of their weights, shape (d, 3)."""
    return np.column_stack((tile.focal, tile.neighbor, tile.weight.view(np.int64)))
