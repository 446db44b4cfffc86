"""Second-order and distance statistics of a window, with a true halo of neighbours.

Belongs here: K, L, the pair correlation, nearest-neighbour G and empty-space F. Not here:
tests on these curves (`envelopes`), their closed forms (`processes`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.statistics.curves.pairs import bucket, nearest, pair_counts


@dataclass(frozen=True, eq=False)
class HaloedPattern:
    """The points of a window and all their neighbours within a halo.

    The process goes on beyond the window, so neighbours out there are read rather than
    corrected for: minus-sampling with full information, unbiased at every distance up to
    the halo (Illian et al. 2008, section 4.2.7).

    Parameters
    ----------
    x, y : ndarray of int64, shape (n,)
        All points in ``cells.grown(halo)``, in quanta, in any order.
    cells : Cells
        The window.
    halo : int
        Cells around it, >= 1.

    Raises
    ------
    GeometryError
        If a point lies outside the halo.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x, y = rng.integers(-CELL, 17 * CELL, (2, 1296))  # four points per cell
    >>> pattern = HaloedPattern(x, y, Cells(0, 0, 16, 16), halo=1)
    >>> pattern.k_function(np.array([0.5, 1.0]), intensity=4.0).round(2).tolist()
    [0.78, 3.09]
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    cells: Cells
    halo: int

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.cells.grown(self.halo).quanta()
        outside = (self.x < x0) | (self.x >= x1) | (self.y < y0) | (self.y >= y1)
        if outside.any():
            at = int(np.argmax(outside))
            raise GeometryError(
                f"point ({int(self.x[at])}, {int(self.y[at])}) lies beyond the halo of "
                f"{self.halo} cells around cells {tuple(self.cells)}"
            )

    @property
    def inner(self) -> NDArray[np.bool_]:
        """Which points lie in the window."""
        x0, y0, x1, y1 = self.cells.quanta()
        return (self.x >= x0) & (self.x < x1) & (self.y >= y0) & (self.y < y1)

    def k_function(self, r: NDArray[np.float64], intensity: float) -> NDArray[np.float64]:
        """Ripley's K, shape of `r`, in cells.

        Parameters
        ----------
        r : ndarray of float64
            Distances in cells, ascending, at most the halo.
        intensity : float
            Points per cell of the law (unbiased), or observed (ratio-unbiased).
        """
        within = np.cumsum(self._pairs(r))
        return np.asarray(within / (intensity**2 * self.cells.area))

    def pair_correlation(self, edges: NDArray[np.float64], intensity: float) -> NDArray[np.float64]:
        """Pair correlation averaged over rings between consecutive `edges` in cells.

        Shape (edges - 1,). Unbiased for ``(K(b) - K(a)) / (pi (b^2 - a^2))``.
        """
        pairs = self._pairs(edges)[1:]
        rings = np.pi * np.diff(edges**2)
        return np.asarray(pairs / (intensity**2 * self.cells.area * rings))

    def nearest_neighbour(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """G: share of the window's points with another point within r; NaN without points."""
        inner = self.inner
        return self._share_within(r, self.x[inner], self.y[inner], own=True)

    def empty_space(self, r: NDArray[np.float64], per_cell: int = 2) -> NDArray[np.float64]:
        """F: share of places with a point within r, on ``per_cell**2`` places in each cell."""
        x0, y0, x1, y1 = self.cells.quanta()
        step = CELL // per_cell
        x, y = (np.arange(a + step // 2, b, step) for a, b in ((x0, x1), (y0, y1)))
        places = np.meshgrid(x, y)
        return self._share_within(r, places[0].ravel(), places[1].ravel(), own=False)

    def _pairs(self, r: NDArray[np.float64]) -> NDArray[np.int64]:
        """Pairs (point in the window, any other) by the first distance they are within."""
        limits = self.limits(r)
        buckets = bucket(self.x, self.y, int(limits[-1]))
        group = self.inner[buckets.order].astype(np.int64) - 1
        return np.asarray(pair_counts(buckets, group, 1, limits * limits)[0])

    def _share_within(
        self, r: NDArray[np.float64], x: NDArray[np.int64], y: NDArray[np.int64], *, own: bool
    ) -> NDArray[np.float64]:
        limits = self.limits(r)
        if x.size == 0:
            return np.full(r.shape, np.nan)
        buckets = bucket(self.x, self.y, int(limits[-1]))
        squares = np.sort(nearest(buckets, x, y, int(limits[-1]), own))
        return np.asarray(np.searchsorted(squares, limits * limits, side="right") / x.size)

    def limits(self, r: NDArray[np.float64]) -> NDArray[np.int64]:
        """Distances in whole quanta: a pair at most r apart is one at most floor(r) apart."""
        if r.ndim != 1 or r.size == 0 or (np.diff(r) < 0).any() or not 0 <= r[0] <= r[-1]:
            raise GeometryError("distances must be ascending, finite and not negative")
        if r[-1] > self.halo:
            raise GeometryError(
                f"distance {r[-1]!r} exceeds the halo of {self.halo} cells; read a wider halo"
            )
        return np.floor(r * CELL).astype(np.int64)
