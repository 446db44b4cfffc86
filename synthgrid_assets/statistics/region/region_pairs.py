"""Pairs of a whole region against the law's K: errors of shape that counts don't show.

Belongs here: the streaming count of pairs by tile and its test against the closed form.
Not here: one window's curves (`estimators`), seams (`seam`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, CELL_BITS
from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.statistics.curves.pairs import bucket, pair_counts
from synthgrid_assets.statistics.multiple_testing import bonferroni
from synthgrid_assets.statistics.region.excess import Excess, adjacent, excess
from synthgrid_assets.statistics.region.strips import RowCounter, Strip
from synthgrid_assets.statistics.region.totals import REGION_ALPHA
from synthgrid_assets.verdict import Verdict

TEST = "pairs_follow_the_pcf"
FARTHEST = 4.0  # mean spacings between points: within it lie about 50 others
FEWEST_TILES = 16  # fewer don't show how much tiles differ by chance


def pair_distances(law: Law, side: int) -> NDArray[np.float64]:
    """Distances in cells at which a law's pairs are counted, ascending.

    Around the mean spacing of points and around the law's correlation length, at most a
    quarter of a tile's side and `FARTHEST` mean spacings.

    Examples
    --------
    >>> from synthgrid_assets.processes.poisson import PoissonLaw
    >>> pair_distances(PoissonLaw(4.0), 24).tolist()
    [0.25, 0.5, 1.0]
    """
    spacing = 1.0 if math.isnan(law.intensity) else 1 / math.sqrt(law.intensity)
    scales = [spacing / 2, spacing, 2 * spacing]
    if law.correlation_cells > 1:
        scales += [law.correlation_cells / 8, law.correlation_cells / 4]
    return np.unique(np.minimum(scales, min(side / 4, FARTHEST * spacing)).round(6))


@dataclass
class TilePairs:
    """What was counted in the part of a tile that has all its neighbourhood.

    Attributes
    ----------
    area : int
        Cells in that part.
    points : int
        Points in it.
    pairs : ndarray of int64, shape (distances,)
        Ordered pairs of one of these points and any other within each distance.
    """

    area: int
    points: int
    pairs: NDArray[np.int64]


class PairCounter(RowCounter):
    """Counts close pairs by tile, one row of tiles at a time.

    Parameters
    ----------
    side : int
        Cells along a tile's side.
    distances : ndarray of float64, shape (m,)
        In cells, ascending, positive, at most `side`.

    Attributes
    ----------
    tiles : dict of (int, int) to TilePairs
        By row and column of the tile grid.

    Raises
    ------
    GeometryError
        If the distances are not positive and ascending, or exceed the side.

    Notes
    -----
    Minus-sampling with full information: a point counts if all cells within the largest
    distance are committed, its partners may lie anywhere. Memory is that of a row of
    tiles and a margin.

    Examples
    --------
    >>> from synthgrid_assets.processes.poisson import PoissonLaw
    >>> rng = np.random.default_rng(1)
    >>> from synthgrid_assets.lattice.cells import Cells
    >>> counter = PairCounter(side=8, distances=np.array([0.5]))
    >>> for row in range(6):
    ...     strip = Cells(0, 8 * row, 48, 8 * row + 8)
    ...     x, y = rng.integers(0, 48 * CELL, 1536), rng.integers(0, 8 * CELL, 1536)
    ...     counter.add(strip, x, y + 8 * row * CELL, np.ones((8, 48)))
    >>> counter.verdict(PoissonLaw(4.0)).passed
    True
    """

    def __init__(self, side: int, distances: NDArray[np.float64]) -> None:
        if distances.size == 0 or not (
            distances[0] > 0 and (np.diff(distances) > 0).all() and distances[-1] <= side
        ):
            raise GeometryError(
                f"distances {distances.tolist()}; give ascending ones, more than 0 and at most "
                f"{side} cells"
            )
        super().__init__(side)
        self._distances = distances
        self._depth = math.ceil(distances[-1])
        self.tiles: dict[tuple[int, int], TilePairs] = {}
        self._retained: set[float] = set()

    def verdict(self, law: Law, alpha: float = REGION_ALPHA) -> Verdict:
        """The region has as many pairs at each distance as the law's K says.

        Parameters
        ----------
        law : Law
            In cell units, before thinning.
        alpha : float
            Bound of the probability that a healthy region fails.

        Returns
        -------
        Verdict
            Null hypothesis: the process, thinned equally everywhere or not at all. Over
            tiles, pairs minus their expectation, made uncorrelated with the tile's
            number of points (whose mean is known: three times less noise). Their sum is
            tested with the error that tiles and their neighbours show (`skewed_sums`),
            or by a Poisson law of clumps of pairs, if that p-value is larger: few pairs
            are skewed. Bonferroni over the distances;
            ``observed`` and ``expected`` are of the worst one. A layer with a surface or
            a mask is not judged: its pairs have no closed form.
        """
        reason = self._unjudged(law)
        if reason:
            return Verdict.not_judged(TEST, reason)
        intensity = law.intensity * self._retained.copy().pop()
        excesses = self._excesses(intensity, law.k_function(self._distances))
        p_values = [found.p_value for found in excesses]
        worst = int(np.argmin(p_values))
        found = excesses[worst]
        return Verdict.significance(
            TEST,
            bonferroni(p_values),
            observed=found.observed,
            expected=found.expected,
            standard_error=found.standard_error,
            alpha=alpha,
            detail=(
                f"pairs within {self._distances[worst]:.3g} cells, at equal numbers of points: "
                f"{found.observed:.6g}, {found.expected:.6g} +- "
                f"{found.standard_error:.3g} expected from {len(self.tiles)} tiles"
            ),
        )

    def _count(self, strip: Strip, band: Strip) -> Strip:
        held = strip.retention[strip.retention > 0]
        self._retained |= set(np.unique(held)[:2].tolist())
        self._count_pairs(band)
        return band.northern_rows(2 * self._depth)

    def _count_pairs(self, band: Strip) -> None:
        """Count the pairs as far as their neighbourhood is known."""
        side, depth, cells = self._side, self._depth, band.cells
        held = band.retention > 0
        deep = minimum_filter(held, 2 * depth + 1, mode="constant", cval=0)
        if not deep.any():
            return
        columns = np.arange(cells.ix0, cells.ix1) // side
        rows = np.arange(cells.iy0, cells.iy1) // side
        width = int(columns[-1] - columns[0]) + 1
        tile = (rows - rows[0])[:, None] * width + (columns - columns[0])[None, :]
        tile = np.where(deep, tile, -1)
        reach = math.floor(self._distances[-1] * CELL)
        buckets = bucket(band.x, band.y, reach)
        group = tile[(buckets.y >> CELL_BITS) - cells.iy0, (buckets.x >> CELL_BITS) - cells.ix0]
        groups = int(tile.max()) + 1
        limits = np.floor(self._distances * CELL).astype(np.int64)
        pairs = np.cumsum(pair_counts(buckets, group, groups, limits * limits), axis=1)
        area = np.bincount(tile[deep], minlength=groups)
        points = np.bincount(group[group >= 0], minlength=groups)
        for number in np.flatnonzero(area):
            key = int(rows[0]) + int(number) // width, int(columns[0]) + int(number) % width
            counted = self.tiles.setdefault(key, TilePairs(0, 0, np.zeros(limits.size, np.int64)))
            counted.area += int(area[number])
            counted.points += int(points[number])
            counted.pairs += pairs[number]

    def _unjudged(self, law: Law) -> str:
        """Why the region cannot be judged; empty if it can."""
        if math.isnan(law.intensity):
            return "no pair correlation in closed form to compare with"
        if len(self._retained) > 1:
            return "thinned by a surface or a mask: no closed form to compare with"
        if len(self.tiles) < FEWEST_TILES:
            return f"{len(self.tiles)} tiles with their neighbourhood, too few to be compared"
        return ""

    def _excesses(self, intensity: float, k: NDArray[np.float64]) -> list[Excess]:
        keys = list(self.tiles)
        area = np.array([self.tiles[key].area for key in keys], float)
        points = np.array([self.tiles[key].points for key in keys]) - intensity * area
        pairs = np.array([self.tiles[key].pairs for key in keys]).T
        neighbours = adjacent(keys)
        return [
            excess(counted, intensity**2 * area * expected, points, neighbours)
            for counted, expected in zip(pairs, k, strict=True)
        ]
