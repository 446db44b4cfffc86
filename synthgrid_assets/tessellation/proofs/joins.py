"""Whether the rows of many tiles fit together: nothing missing, nothing twice, no seam.

Belongs here: streaming over tiles' stored rows, one row of tiles at a time, with memory for
that row and for what is still open. Not here: what holds inside one tile (`verification`,
`cell_verification`), reading files.

Every claim is exact: tiles that were cut from one tessellation never break one, whatever
tiles are missing around them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.tessellation.proofs.coverage import Coverage
from synthgrid_assets.tessellation.proofs.verification import numbered, pair_key


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
    >>> join.add(np.array([0]), ids, xy)
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
        self._edge = np.empty((0, 2), np.int64)  # site ids: tail and head

    def add(
        self, tile: NDArray[np.int64], corners: NDArray[np.int64], xy: NDArray[np.float64]
    ) -> None:
        """Join the triangles of one more row of tiles.

        Parameters
        ----------
        tile : ndarray of int64, shape (t,)
            Number of the tile that each triangle is stored in.
        corners : ndarray of int64, shape (t, 3)
            Site ids, counter-clockwise.
        xy : ndarray of float64, shape (t, 3, 2)
            Their coordinates.
        """
        order = np.argsort(xy[..., 0] + 1j * xy[..., 1], axis=1, kind="stable")
        home = self._coverage.number_of_ids(corners[:, 0])
        self._count("misplaced", tile[(order[:, 0] != 0) | (home != tile)])
        site, first, place = np.unique(
            np.concatenate((self._site, corners.ravel())), return_index=True, return_inverse=True
        )
        at = np.concatenate((self._xy, xy.reshape(-1, 2)))[first]
        corner = place[self._site.size :].reshape(-1, 3)
        self._count("moved", tile[(at[corner] != xy).any(axis=(1, 2))])
        middle = np.bincount(place[: self._site.size], self._middle, site.size).astype(np.int64)
        seconds = np.take_along_axis(corner, order[:, 1:2], axis=1).ravel()
        middle += np.bincount(seconds, minlength=site.size)
        new = np.stack((corner, np.roll(corner, -1, axis=1)), axis=2).reshape(-1, 2)
        edge = np.concatenate((np.searchsorted(site, self._edge), new))
        edge = edge[left_over(pair_key(*np.sort(edge, axis=1).T), edge[:, 0] < edge[:, 1])]
        kept = (middle != 2) & (middle > 0) & (self._coverage.number_of_ids(site) >= 0)
        kept[edge] = True
        self._site, self._xy, self._middle = site[kept], at[kept], middle[kept]
        self._edge = site[edge]

    def close(self) -> None:
        """Count the sites that are still torn: call it once, after the last row."""
        ends = np.searchsorted(self._site, self._edge)
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

    def add(
        self,
        tile: NDArray[np.int64],
        focal: NDArray[np.int64],
        neighbor: NDArray[np.int64],
        weight: NDArray[np.float64],
    ) -> None:
        """Join the pairs of one more row of tiles, each array of shape (d,)."""
        self._count("misplaced", tile[self._coverage.number_of_ids(focal) != tile])
        first = np.unique(numbered(np.column_stack((focal, neighbor))), return_index=True)[1]
        self._count("repeated", np.delete(tile, first))
        within = self._coverage.number_of_ids(neighbor) >= 0
        new = np.column_stack((focal, neighbor, weight.view(np.int64)))[within]
        pair = np.concatenate((self._pair, new))
        either = np.column_stack((np.sort(pair[:, :2], axis=1), pair[:, 2]))
        self._pair = pair[left_over(numbered(either), pair[:, 0] < pair[:, 1])]

    def close(self) -> None:
        """Count the pairs that are still one-sided: call it once, after the last row."""
        self._count("one_sided", self._coverage.number_of_ids(self._pair[:, 1]))


def left_over(key: NDArray[np.int64], forward: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is left when opposites with equal keys have cancelled each other one by one.

    Parameters
    ----------
    key : ndarray of int64, shape (n,)
    forward : ndarray of bool, shape (n,)

    Examples
    --------
    >>> forward = np.array([True, False, True, True, True])
    >>> left_over(np.array([7, 7, 7, 9, 9]), forward).tolist()
    [False, False, True, True, True]
    """
    group, counts = np.unique(key, return_inverse=True, return_counts=True)[1:]
    ahead = np.bincount(group, forward, counts.size).astype(np.int64)
    order = np.lexsort((~forward, group))
    first = np.cumsum(counts) - counts
    rank = np.empty(key.size, np.int64)
    rank[order] = np.arange(key.size) - first[group[order]]
    rank -= np.where(forward, 0, ahead[group])
    left: NDArray[np.bool_] = rank >= np.where(forward, (counts - ahead)[group], ahead[group])
    return left
