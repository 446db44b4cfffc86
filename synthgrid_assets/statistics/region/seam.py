"""Seams: are there as many close pairs across the borders of tiles as inside tiles?

Belongs here: the streaming count of pairs across lines and its test. Not here: loops
over pairs (`pairs`), the equality of tilings bit for bit (digests do that).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.statistics.curves.pairs import bucket, crossings
from synthgrid_assets.statistics.multiple_testing import bonferroni
from synthgrid_assets.statistics.region.line_contrast import compare
from synthgrid_assets.statistics.region.strips import RowCounter, Strip
from synthgrid_assets.statistics.region.totals import REGION_ALPHA
from synthgrid_assets.verdict import Verdict


def seam_reach(intensity: float, side: int) -> float:
    """Distance in cells up to which pairs are counted: the mean spacing of points.

    At most an eighth of a tile's side, so that most lines inside a tile are out of its
    border's reach.

    Parameters
    ----------
    intensity : float
        Points per cell, after thinning; NaN (not known) counts as 1.
    side : int
        Cells along a tile's side.

    Examples
    --------
    >>> seam_reach(16.0, 24)
    0.25
    """
    spacing = 1.0 if math.isnan(intensity) else 1 / math.sqrt(max(intensity, 1e-9))
    return min(spacing, side / 8)


@dataclass(frozen=True, eq=False)
class LineCounts:
    """Close pairs across the lines of one direction in a block of tiles, by offset.

    Parameters
    ----------
    pairs : ndarray of int64, shape (side,)
        Pairs across lines so many cells into a tile; entry 0 is the tiles' borders.
    exposure : ndarray of float64, shape (side,)
        Length of those lines in cells, weighted with the retention on both sides: what
        the expected number of pairs is proportional to.
    """

    pairs: NDArray[np.int64]
    exposure: NDArray[np.float64]

    @classmethod
    def none(cls, side: int) -> LineCounts:
        """Nothing counted yet."""
        return cls(np.zeros(side, np.int64), np.zeros(side))


class SeamCounter(RowCounter):
    """Counts close pairs across lines, one row of tiles at a time.

    Attributes
    ----------
    vertical, horizontal : dict of int to LineCounts
        What was counted across the lines of each direction, by block of tiles: blocks of
        rows of tiles for vertical lines, of columns for horizontal ones.

    Parameters
    ----------
    side : int
        Cells along a tile's side.
    reach : float
        Largest distance of a pair, in cells; at most `side`.
    correlation : int
        Lag in cells beyond which counts are uncorrelated (`Law.correlation_cells`):
        borders are compared in blocks of tiles at least half as long; by default each
        row and column of tiles is a block.

    Raises
    ------
    GeometryError
        If the reach is not positive or exceeds the side.

    Notes
    -----
    The lines are the cell borders, in both directions. A pair counts for a line that
    passes between its points, if both lie in the same row of tiles (for a vertical
    line; column of tiles for a horizontal one) and if tiles are committed to the depth
    of the reach on both sides of the line and of its nearest border. So each line of a
    given length has the same expectation wherever it lies in a tile. Memory is that of
    one and a half rows of tiles.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> from synthgrid_assets.lattice.cells import Cells
    >>> counter = SeamCounter(side=24, reach=0.5)
    >>> for row in range(2):
    ...     strip = Cells(0, 24 * row, 72, 24 * row + 24)
    ...     x = rng.integers(0, 72 * CELL, 6912)
    ...     y = rng.integers(24 * row * CELL, (24 * row + 24) * CELL, 6912)
    ...     counter.add(strip, x, y, np.ones((24, 72)))
    >>> counter.verdict().passed
    True
    """

    def __init__(self, side: int, reach: float, correlation: int = 0) -> None:
        if not 0 < reach <= side:
            raise GeometryError(f"reach of {reach!r} cells; give more than 0, at most {side}")
        super().__init__(side)
        self._reach = math.floor(reach * CELL)
        self._depth = math.ceil(reach)
        self._block = max(math.ceil(correlation / 2 / side), 1)
        self.vertical: dict[int, LineCounts] = {}
        self.horizontal: dict[int, LineCounts] = {}

    def verdict(self, alpha: float = REGION_ALPHA) -> Verdict:
        """As many pairs lie across borders as across lines inside tiles.

        Returns
        -------
        Verdict
            Null hypothesis: a stationary process, thinned. Pairs across borders are
            compared with those across inner lines out of the border's reach; the error
            comes from the spread between inner lines, so that clustering is accounted
            for whatever it is (`line_contrast`). Vertical borders, horizontal ones and
            all together are tested; the p-value is three times the smallest.
        """
        both = [self._table(lines) for lines in (self.vertical, self.horizontal)]
        together = (
            np.concatenate([both[0][0], both[1][0]]),
            np.concatenate([both[0][1], both[1][1]]),
        )
        tests = [compare(pairs, exposure, self._depth) for pairs, exposure in (*both, together)]
        judged = [test for test in tests if test is not None]
        if not judged:
            reason = "too few lines inside tiles to compare borders with"
            return Verdict.not_judged("no_seam", reason)
        worst = min(judged, key=lambda test: test.p_value)
        return Verdict.significance(
            "no_seam",
            bonferroni([test.p_value for test in judged]),
            observed=float(worst.observed),
            expected=worst.expected,
            standard_error=worst.standard_error,
            alpha=alpha,
            detail=(
                f"{worst.observed} pairs across borders, {worst.expected:.6g} +- "
                f"{worst.standard_error:.3g} expected from {worst.lines} offsets inside tiles"
            ),
        )

    def _table(self, lines: dict[int, LineCounts]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Pairs and exposure by block and offset."""
        pairs = np.array([block.pairs for block in lines.values()], np.int64)
        exposure = np.array([block.exposure for block in lines.values()], np.float64)
        return pairs.reshape(-1, self._side), exposure.reshape(-1, self._side)

    def _count(self, strip: Strip, band: Strip) -> Strip:
        self._count_lines(self.vertical, strip)
        self._count_lines(self.horizontal, band.transposed())
        # the lines nearer to the northern border than to this one are counted with it
        return strip.northern_rows(self._side // 2 + self._depth)

    def _count_lines(self, lines: dict[int, LineCounts], band: Strip) -> None:
        """Add the band's pairs across vertical lines, and the exposure of those lines."""
        side, cells = self._side, band.cells
        usable = _usable(band, side, self._depth)
        if not usable.any():
            return
        first_line, first_row = cells.ix0 + self._depth, cells.iy0 // side
        pairs = np.zeros((usable.shape[1], side), np.int64)
        crossings(
            bucket(band.x, band.y, self._reach),
            self._reach,
            side,
            CELL,
            usable,
            first_line,
            first_row,
            pairs,
        )
        exposure = _exposure(band, usable, side, self._depth)
        offsets = (first_line + np.arange(len(exposure))) % side
        for row in range(usable.shape[1]):
            block = lines.setdefault((first_row + row) // self._block, LineCounts.none(side))
            np.add(block.pairs, pairs[row], out=block.pairs)
            np.add.at(block.exposure, offsets, exposure[:, row])


def _starts(first: int, last: int, side: int) -> NDArray[np.int64]:
    """Where each tile's cells begin along an axis, counted from `first`."""
    return np.flatnonzero(np.diff(np.arange(first, last) // side, prepend=first // side - 1))


def _usable(band: Strip, side: int, depth: int) -> NDArray[np.bool_]:
    """Lines with committed tiles to `depth` on both sides, by row of tiles.

    Shape (lines, rows of tiles); the first line lies `depth` cells into the band. Inner
    lines count with their nearest border only, so that all offsets are met equally often
    and in the same neighbourhood.
    """
    ix0, iy0, ix1, iy1 = band.cells
    columns, rows = _starts(ix0, ix1, side), _starts(iy0, iy1, side)
    if ix1 - ix0 < 2 * depth:
        return np.zeros((0, rows.size), bool)
    held = np.add.reduceat(np.add.reduceat(band.retention, rows, axis=0), columns, axis=1) > 0
    present = np.repeat(held, np.diff(np.append(columns, ix1 - ix0)), axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(present, 2 * depth, axis=1)
    deep = np.asarray(windows.all(axis=2)).T
    lines = ix0 + depth + np.arange(len(deep))
    border = (lines + side // 2) // side * side - lines[0]
    known = (border >= 0) & (border < len(deep))
    return np.asarray(deep & deep[np.where(known, border, 0)] & known[:, None])


def _exposure(band: Strip, usable: NDArray[np.bool_], side: int, depth: int) -> NDArray[np.float64]:
    """Usable length of each line, weighted with the mean retention on both its sides."""
    if usable.size == 0:
        return np.zeros(usable.shape)
    rows = _starts(band.cells.iy0, band.cells.iy1, side)
    sums = np.cumsum(np.pad(band.retention, ((0, 0), (1, 0))), axis=1)
    near = (sums[:, depth:] - sums[:, :-depth]) / depth
    weight = np.add.reduceat(near[:, :-depth] * near[:, depth:], rows, axis=0)
    return np.asarray(weight.T * usable)
