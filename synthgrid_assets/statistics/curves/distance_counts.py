"""What a window's points have within given distances, as counts that pool over windows.

Belongs here: the counts behind L, G and F, the distances at which a law's are taken, and the
curves. Not here: single estimators (`estimators`), tests (`envelopes`, `neighbours`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.processes.count_models import BoundedModel
from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.processes.superposition import SuperpositionLaw
from synthgrid_assets.statistics.curves.estimators import HaloedPattern
from synthgrid_assets.statistics.curves.pairs import bucket, nearest, pair_counts

STEPS = 16  # distances of a curve
FARTHEST = 2.0  # mean spacings between points: the longest of them
FEWEST_POINTS = 10.0  # expected in a window whose curves say anything


@dataclass(frozen=True, eq=False)
class Distances:
    """The distances at which curves are taken, and the places from which F is.

    Parameters
    ----------
    r : ndarray of float64, shape (m,)
        Ascending, in cells.
    step : int
        Quanta between neighbouring places along each axis.
    """

    r: NDArray[np.float64]
    step: int

    @property
    def halo(self) -> int:
        """Cells around a window that hold every neighbour within these distances."""
        return math.ceil(float(self.r[-1]))

    @classmethod
    def of(cls, intensity: float, side: int, core: float = 0.0) -> Distances:
        """Distances for a pattern with so many points per cell, in windows of `side` cells.

        Up to `FARTHEST` mean spacings, at most a quarter of the side. About as many places
        as points. A hard core's radius is among the distances: nothing is within it.

        Examples
        --------
        >>> distances = Distances.of(4.0, 24)
        >>> distances.r[[0, -1]].tolist(), distances.step / 2**CELL_BITS
        ([0.0625, 1.0], 0.5)
        """
        spacing = 1.0 if math.isnan(intensity) or intensity <= 0 else 1 / math.sqrt(intensity)
        r = np.linspace(0, min(FARTHEST * spacing, side / 4), STEPS + 1)[1:].round(6)
        r = np.unique(np.append(r, core)) if 0 < core < r[-1] else r
        places = round(math.log2(min(spacing, side)))
        return cls(r, 1 << min(max(CELL_BITS + places, 1), CELL_BITS + 12))


def typical_intensity(law: Law) -> float:
    """Points per cell before thinning; the middle of its bounds where only those are known."""
    if isinstance(law, SuperpositionLaw):
        return math.fsum(typical_intensity(member) for member in law.members)
    model = law.count_model
    return (model.low + model.high) / 2 if isinstance(model, BoundedModel) else law.intensity


@dataclass(frozen=True, eq=False)
class DistanceCounts:
    """Counts of one window, or of n windows as arrays with a leading axis.

    Parameters
    ----------
    points : ndarray of int64, shape () or (n,)
        Points in the window.
    places : ndarray of int64, shape () or (n,)
        Fixed places in the window.
    pairs, near, empty : ndarray of int64, shape (m,) or (n, m)
        Ordered pairs of a point of the window and any other within each distance; points
        with another within it; places with a point within it.
    """

    points: NDArray[np.int64]
    places: NDArray[np.int64]
    pairs: NDArray[np.int64]
    near: NDArray[np.int64]
    empty: NDArray[np.int64]

    def besag_l(self, area: float) -> NDArray[np.float64]:
        """L in cells with the observed intensity; 0 where there are no points."""
        n = np.maximum(self.points, 1)[..., None]
        return np.asarray(np.sqrt(self.pairs * (area / math.pi)) / n)

    @property
    def nearest_neighbour(self) -> NDArray[np.float64]:
        """G; 0 where there are no points."""
        return np.asarray(self.near / np.maximum(self.points, 1)[..., None])

    @property
    def empty_space(self) -> NDArray[np.float64]:
        """F."""
        return np.asarray(self.empty / np.maximum(self.places, 1)[..., None])

    @property
    def j_function(self) -> NDArray[np.float64]:
        """J, ``(1 - G) / (1 - F)``; NaN where F is 1."""
        free = 1 - self.empty_space
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(free > 0, (1 - self.nearest_neighbour) / free, np.nan)

    def as_row(self) -> tuple[int, ...]:
        """All counts of one window in one row of numbers."""
        columns = (self.points, self.places, self.pairs, self.near, self.empty)
        return tuple(int(n) for n in np.hstack([np.atleast_1d(c) for c in columns]))

    def of_window(self, number: int) -> DistanceCounts:
        """One of n windows."""
        return DistanceCounts(*(column[number] for column in vars(self).values()))

    @classmethod
    def of_rows(cls, rows: NDArray[np.int64]) -> DistanceCounts:
        """Windows from their rows, shape (n, 2 + 3 m).

        Raises
        ------
        GeometryError
            If the rows have another length.

        Examples
        --------
        >>> DistanceCounts.of_rows(np.array([[5, 4, 2, 2, 3]])).empty_space.tolist()
        [[0.75]]
        """
        if rows.ndim != 2 or rows.shape[1] < 5 or (rows.shape[1] - 2) % 3:
            raise GeometryError(f"rows of shape {rows.shape} are no counts of windows")
        return cls(rows[:, 0], rows[:, 1], *np.split(rows[:, 2:], 3, axis=1))


def count_distances(pattern: HaloedPattern, distances: Distances) -> DistanceCounts:
    """Count what a window has within each distance.

    Parameters
    ----------
    pattern : HaloedPattern
        With a halo of at least `Distances.halo` cells.
    distances : Distances

    Examples
    --------
    >>> from synthgrid_assets.lattice.cells import CELL
    >>> rng = np.random.default_rng(1)
    >>> x, y = rng.integers(-CELL, 17 * CELL, (2, 1296))  # four points per cell
    >>> counts = count_distances(
    ...     HaloedPattern(x, y, Cells(0, 0, 16, 16), halo=1), Distances.of(4.0, 16))
    >>> int(counts.points), int(counts.places), round(float(counts.empty_space[7]), 2)
    (1005, 1024, 0.95)
    """
    limits = pattern.limits(distances.r)
    reach, squares = int(limits[-1]), limits * limits
    buckets, inner = bucket(pattern.x, pattern.y, reach), pattern.inner
    group = inner[buckets.order].astype(np.int64) - 1
    pairs = np.cumsum(pair_counts(buckets, group, 1, squares)[0])
    x, y = _places(pattern.cells, distances.step)
    near = nearest(buckets, pattern.x[inner], pattern.y[inner], reach, True)
    empty = nearest(buckets, x, y, reach, False)
    return DistanceCounts(
        np.asarray(np.count_nonzero(inner)),
        np.asarray(x.size),
        pairs,
        *(np.searchsorted(np.sort(found), squares, side="right") for found in (near, empty)),
    )


def _places(cells: Cells, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A square lattice of places in a window; one in the middle of a narrow one."""
    x0, y0, x1, y1 = cells.quanta()
    axes = [
        np.arange(a + min(step, b - a) // 2, b, step, dtype=np.int64)
        for a, b in ((x0, x1), (y0, y1))
    ]
    x, y = np.meshgrid(*axes)
    return x.ravel(), y.ravel()
