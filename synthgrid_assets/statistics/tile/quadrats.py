"""Counts in quadrats of a tile against the law seen through thinning.

Belongs here: the cut into quadrats and the test over them. Not here: the tile's total
(`counts`), the distributions (`count_distribution`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.count_models import LineClusters, PoissonModel
from synthgrid_assets.processes.poisson import PoissonLaw
from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.statistics.laws.count_distribution import (
    BoundedCounts,
    PoissonCounts,
    count_distribution,
    two_sided,
)
from synthgrid_assets.statistics.laws.moments import mean_bounds, untestable
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.multiple_testing import bonferroni
from synthgrid_assets.verdict import TILE_ALPHA, Verdict

PRECISION = 5.0  # a quadrat's expected count over its standard deviation, at least
SCREEN = 3.0  # standard deviations within which a quadrat's exact p-value is not computed


@dataclass(frozen=True)
class Quadrats:
    """A rectangle of cells cut into quadrats of nearly equal size.

    Parameters
    ----------
    rows, columns : ndarray of int64
        Edges of the quadrats in cells, from 0 to the rectangle's height and width.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @classmethod
    def of_side(cls, side: int, width: int, height: int) -> Quadrats:
        """As many quadrats of at least `side` cells as fit along each axis, at least one."""
        edges = [
            np.linspace(0, length, max(length // side, 1) + 1).round().astype(np.int64)
            for length in (height, width)
        ]
        return cls(*edges)

    def sums(self, cells: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        """Sums of a grid of cells over each quadrat, shape (rows, columns)."""
        by_row = np.add.reduceat(cells, self.rows[:-1], axis=0)
        return np.asarray(np.add.reduceat(by_row, self.columns[:-1], axis=1), np.float64)

    def areas(self) -> NDArray[np.float64]:
        """Cells in each quadrat."""
        return np.outer(np.diff(self.rows), np.diff(self.columns)).astype(np.float64)

    def cells(self, row: int, column: int) -> Cells:
        """One quadrat, counted from the rectangle's south-west corner."""
        (y0, y1), (x0, x1) = self.rows[row : row + 2], self.columns[column : column + 2]
        return Cells(int(x0), int(y0), int(x1), int(y1))


def quadrats_follow_the_surface(
    counts: NDArray[np.int64], law: Law, retention: Retention, alpha: float = TILE_ALPHA
) -> Verdict:
    """Each part of a tile holds as many points as the law and the surface allow.

    Parameters
    ----------
    counts : ndarray of int, shape (h, w)
        Points per cell of the tile.
    law : Law
        The process before thinning, in cell units.
    retention : Retention
        Over the tile's cells.
    alpha : float
        Bound of the probability that a healthy tile fails.

    Returns
    -------
    Verdict
        Null hypothesis: each quadrat's count has the law's distribution. The p-value is
        the number of quadrats times the smallest two-sided tail (Bonferroni), valid
        under any dependence between quadrats. ``observed`` and ``expected`` are the
        worst quadrat's.

    Raises
    ------
    GeometryError
        If counts and retention cover different rectangles.

    Notes
    -----
    Quadrats are as small as an expected count of `PRECISION` standard deviations allows:
    an empty one then shows. Unless the law is Poisson's, quadrats within `SCREEN`
    standard deviations of their mean count as p = 1: replacing a p-value by a larger one
    keeps the test valid, and such a quadrat could not be red. The screen's standard
    deviation takes the retention as constant in the quadrat; whatever it hides can only
    make the test more conservative.

    Examples
    --------
    >>> counts = np.full((24, 24), 4)
    >>> counts[8:16, 8:16] = 0
    >>> verdict = quadrats_follow_the_surface(counts, PoissonLaw(4.0), Retention.full(24, 24))
    >>> verdict.passed, verdict.observed
    (False, 0.0)
    """
    if counts.shape != (retention.height, retention.width):
        raise GeometryError(
            f"counts of {counts.shape} cells and retention of "
            f"{(retention.height, retention.width)} cells do not cover the same tile"
        )
    reason = untestable(law, retention)
    if isinstance(law.count_model, LineClusters):
        reason = "clusters on lines: the count of the whole tile is judged"
    if reason:
        return Verdict.not_judged("quadrats_follow_the_surface", reason)
    bounds = mean_bounds(law, retention.by_cell)
    if bounds is not None:
        middle = max(float(bounds[0].mean() + bounds[1].mean()) / 2, 1e-9)
        quadrats = _cut(PoissonLaw(middle), Retention.full(retention.width, retention.height))
        observed, low, high = (quadrats.sums(cells) for cells in (counts, *bounds))
        p_values = two_sided(BoundedCounts(low, high), observed)
        return _verdict(quadrats, observed, (low + high) / 2, p_values, alpha)
    quadrats = _cut(law, retention)
    observed = quadrats.sums(counts)
    expected = law.intensity * quadrats.sums(retention.by_cell)
    p_values = _p_values(law, retention, quadrats, observed, expected)
    return _verdict(quadrats, observed, expected, p_values, alpha)


def _cut(law: Law, retention: Retention) -> Quadrats:
    p = float(retention.by_cell.mean())
    side = _least_side(law, retention.width, retention.height, round(p, 2))
    return Quadrats.of_side(side, retention.width, retention.height)


@lru_cache(maxsize=256)
def _least_side(law: Law, width: int, height: int, p: float) -> int:
    """Side of the smallest square whose count is `PRECISION` times its spread."""
    largest = max(width, height)
    for side in range(1, largest):
        mean = law.intensity * p * side * side
        if mean * mean >= PRECISION**2 * (mean + p * p * _excess(law, side, side)):
            return side
    return largest


def _p_values(
    law: Law,
    retention: Retention,
    quadrats: Quadrats,
    observed: NDArray[np.float64],
    expected: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Two-sided p-value of each quadrat; 1 for those that pass the screen.

    A tile that is one quadrat has the p-value of its count, which has been computed already.
    """
    if isinstance(law.count_model, PoissonModel):
        return two_sided(PoissonCounts(expected), observed)
    if observed.size == 1:
        p_value = two_sided(count_distribution(law, retention), int(observed[0, 0]))
        return np.full_like(observed, float(p_value))
    p_values = np.ones_like(observed)
    distance = np.abs(observed - expected)
    for row, column in np.argwhere(distance > SCREEN * _spread(law, quadrats, expected)):
        window = retention.part(quadrats.cells(row, column))
        distribution = count_distribution(law, window)
        p_values[row, column] = two_sided(distribution, int(observed[row, column]))
    return p_values


def _spread(law: Law, quadrats: Quadrats, expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of each quadrat's count at its mean retention."""
    areas = quadrats.areas()
    excess = np.array(
        [
            [_excess(law, int(width), int(height)) for width in np.diff(quadrats.columns)]
            for height in np.diff(quadrats.rows)
        ]
    )
    p = expected / (law.intensity * areas)
    return np.asarray(np.sqrt(np.maximum(expected + p * p * excess, 0.0)))


@lru_cache(maxsize=1024)
def _excess(law: Law, width: int, height: int) -> float:
    """Variance of a rectangle's count beyond Poisson's, without thinning."""
    return law.count_variance(width, height) - law.intensity * width * height


def _verdict(
    quadrats: Quadrats,
    observed: NDArray[np.float64],
    expected: NDArray[np.float64],
    p_values: NDArray[np.float64],
    alpha: float,
) -> Verdict:
    # among equal p-values the largest relative surplus or lack names the worst quadrat
    distance = np.abs(observed - expected) / np.sqrt(np.maximum(expected, 1.0))
    order = np.lexsort((-distance.ravel(), p_values.ravel()))
    row, column = np.unravel_index(order[0], p_values.shape)
    cells = quadrats.cells(int(row), int(column))
    return Verdict.significance(
        "quadrats_follow_the_surface",
        bonferroni(p_values),
        observed=float(observed[row, column]),
        expected=float(expected[row, column]),
        alpha=alpha,
        detail=(
            f"worst of {p_values.size} quadrats: cells {tuple(cells)} of the tile hold "
            f"{observed[row, column]:.0f} points, {expected[row, column]:.4g} expected"
        ),
    )
