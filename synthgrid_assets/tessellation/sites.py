"""Sites: the points that are tessellated, as a source hands them over.

Belongs here: the contract of a source, its check, and the merging of points that coincide.
Not here: where sites come from, and sites that nobody sampled (`anchors`, `constraints`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL_BITS, Cells


@dataclass(frozen=True)
class Sites:
    """What a source of sites returns for a rectangle of cells.

    Parameters
    ----------
    x, y : ndarray of int64, shape (n,)
        Coordinates in quanta, in canonical order: by cell row, cell column, x and y.
    id : ndarray of int64, shape (n,)
        Public ids, unique in the world.

    Examples
    --------
    >>> len(Sites.none())
    0
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    id: NDArray[np.int64]

    @classmethod
    def none(cls) -> Sites:
        """No sites."""
        return cls(*(np.empty(0, np.int64) for _ in range(3)))

    def __len__(self) -> int:
        return int(self.x.size)

    def take(self, index: NDArray[Any]) -> Sites:
        """The sites at `index` (a mask keeps canonical order)."""
        return Sites(self.x[index], self.y[index], self.id[index])

    def inside(self, cells: Cells) -> NDArray[np.bool_]:
        """Which sites lie in a rectangle of cells, shape (n,)."""
        x0, y0, x1, y1 = cells.quanta()
        inside: NDArray[np.bool_] = (self.x >= x0) & (self.x < x1) & (self.y >= y0) & (self.y < y1)
        return inside


SiteSource = Callable[[Cells], Sites]


def canonical_order(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """The permutation that sorts coordinates by cell row, cell column, x and y (stable)."""
    return np.lexsort((y, x, x >> CELL_BITS, y >> CELL_BITS))


def checked(sites: Sites, cells: Cells) -> Sites:
    """The sites themselves, or a refusal when the source broke its contract.

    The order of a source decides which of two coincident points is kept, so a source with
    an order of its own would make tiles disagree: it is refused here, in linear time.

    Raises
    ------
    GeometryError
        If arrays are not of int64, or a site lies outside `cells` or out of canonical order.
    """
    for name in ("x", "y", "id"):
        values = getattr(sites, name)
        if values.dtype != np.int64 or values.shape != (len(sites),):
            raise GeometryError(
                f"the source of sites returned {name} of type {values.dtype} and shape "
                f"{values.shape} for {len(sites)} sites; give int64 (`Lattice.quanta` rounds CRS "
                "coordinates and refuses those that are not finite)"
            )
    if _is_sound(sites.x, sites.y, cells.quanta()):
        return sites
    outside = np.flatnonzero(~sites.inside(cells))
    if outside.size:
        at = int(outside[0])
        raise GeometryError(
            f"the source of sites was asked for cells {tuple(cells)} and returned site "
            f"{int(sites.id[at])} at ({int(sites.x[at])}, {int(sites.y[at])}) quanta, outside "
            "them; a source must return exactly the sites of the rectangle"
        )
    keys = (sites.y >> CELL_BITS, sites.x >> CELL_BITS, sites.x, sites.y)
    tied = np.ones(max(len(sites) - 1, 0), np.bool_)
    for key in keys:
        step = np.diff(key)
        falling = np.flatnonzero(tied & (step < 0))
        if falling.size:
            at = int(falling[0]) + 1
            raise GeometryError(
                f"the source of sites returned site {int(sites.id[at])} (number {at}) for cells "
                f"{tuple(cells)} out of canonical order; sort by cell row, cell column, x, y, birth"
            )
        tied &= step == 0
    return sites


@njit(cache=True)
def _is_sound(x, y, window):
    """Whether all sites lie in a window and stand in canonical order."""
    for i in range(x.size):
        if x[i] < window[0] or x[i] >= window[2] or y[i] < window[1] or y[i] >= window[3]:
            return False
        if i == 0:
            continue
        up, right = (y[i] >> CELL_BITS) - (y[i - 1] >> CELL_BITS), x[i] - x[i - 1]
        if up < 0:
            return False
        if up == 0:
            across = (x[i] >> CELL_BITS) - (x[i - 1] >> CELL_BITS)
            if across < 0 or (across == 0 and (right < 0 or (right == 0 and y[i] < y[i - 1]))):
                return False
    return True


@njit(cache=True)
def _coincide(x, y):
    """Whether two sites that stand side by side are in one place."""
    found = False
    for i in range(1, x.size):
        found |= x[i] == x[i - 1] and y[i] == y[i - 1]
    return found


@dataclass(frozen=True)
class DistinctSites:
    """Sites after coincident ones were merged into the first of them.

    Parameters
    ----------
    sites : Sites
        The kept sites, in canonical order.
    merged : ndarray of int64, shape (k,)
        Ids of the others, in canonical order.
    merged_offsets : ndarray of int64, shape (n + 1,)
        Site i took in ``merged[merged_offsets[i]:merged_offsets[i + 1]]``.
    """

    sites: Sites
    merged: NDArray[np.int64]
    merged_offsets: NDArray[np.int64]

    def merged_into(self, index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What some sites took in: `merged` and `merged_offsets` of them alone."""
        if self.merged.size == 0:
            return self.merged, np.zeros(index.size + 1, np.int64)
        taken = np.diff(self.merged_offsets)[index]
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(taken)))
        places = np.arange(offsets[-1]) + np.repeat(
            self.merged_offsets[index] - offsets[:-1], taken
        )
        return self.merged[places], offsets


def distinct(sites: Sites) -> DistinctSites:
    """Merge sites at equal coordinates, which stand side by side in canonical order.

    Examples
    --------
    >>> same = np.array([3, 3, 7])
    >>> kept = distinct(Sites(same, same, np.array([10, 11, 12])))
    >>> kept.sites.id.tolist(), kept.merged.tolist(), kept.merged_offsets.tolist()
    ([10, 12], [11], [0, 1, 1])
    """
    if not _coincide(sites.x, sites.y):
        return DistinctSites(sites, np.empty(0, np.int64), np.zeros(len(sites) + 1, np.int64))
    first = np.ones(len(sites), np.bool_)
    first[1:] = (np.diff(sites.x) != 0) | (np.diff(sites.y) != 0)
    starts = np.flatnonzero(np.r_[first, True])
    extra = np.diff(starts) - 1
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(extra)))
    return DistinctSites(sites.take(first), sites.id[~first], offsets)
