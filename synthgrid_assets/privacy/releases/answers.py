"""Answers that follow from a release: sums, rectangles and coarser blocks, at no cost.

Belongs here: functions of published numbers and public terms. Not here: the release itself.

All of them are sums of one table of estimates, so they agree with each other: a rectangle is the
sum of its blocks, whatever it is asked as.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthgrid_assets.errors import DamageError, SpecError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.releases.published import COUNTS, Published
from synthgrid_assets.privacy.releases.recorded import Recorded
from synthgrid_assets.privacy.strategies import strategy
from synthgrid_assets.privacy.strategies.strategy import Estimate, Strategy
from synthgrid_assets.privacy.strategies.terms import Loss, Unit

EDGE = 1e-6  # of a block's side, by which a box may miss the blocks' edges


@dataclass(frozen=True, eq=False)
class Answers:
    """What a release says of any rectangle of its blocks.

    Parameters
    ----------
    grid : Grid
        The data set's blocks.
    strategy : Strategy
        What was measured, at which loss.
    estimates : ndarray of float64, shape of the grid
        Unbiased estimates of the blocks' counts, south to north; NaN where a published release
        does not show a block, as it does not reach the layer's threshold.
    whole : float or None
        Estimate of all blocks together, where the blocks are not all shown.
    marginals : tuple of dict
        The bins of the marginals that marks are drawn from, with their errors and weights.

    Examples
    --------
    >>> from synthgrid_assets.lattice.cells import Cells, Lattice
    >>> grid = Grid(Lattice("EPSG:32633", (0.0, 0.0), 10.0), Cells(0, 0, 4, 4), 2)
    >>> flat = strategy("flat", grid.shape, Loss.of_epsilon(1))
    >>> answers = Answers(grid, flat, np.array([[3.0, 5.0], [0.0, 2.0]]))
    >>> answers.total.value, answers.count(Box(0.0, 0.0, 40.0, 20.0)).value
    (10.0, 8.0)
    """

    grid: Grid
    strategy: Strategy
    estimates: NDArray[np.float64]
    whole: float | None = None
    marginals: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of_record(cls, recorded: Recorded) -> Answers:
        """Those of a recorded release."""
        strategy = recorded.strategy
        return cls(recorded.grid, strategy, strategy.unbiased(recorded.measured))

    @classmethod
    def of_files(cls, published: Published) -> Answers:
        """Those of a published release: they need no ledger, and are the same.

        Raises
        ------
        DamageError
            If its files are not what was published.
        """
        if not published.is_sound():
            raise DamageError(
                f"{published.path} does not hold what was published; materialise counts_release "
                "again, which is answered from the ledger at no cost"
            )
        fields, grid = published.fields, published.grid
        loss = Loss(fields["measure"], fields["amount"])
        unit = Unit(fields["max_cells"], fields["max_points_per_cell"])
        estimates = np.full(grid.shape, np.nan)
        for file in sorted((published.path / COUNTS).glob("*.parquet")):
            table = pq.read_table(file, columns=["row", "column", "estimate"])
            row, column, values = (table[name].to_numpy() for name in table.column_names)
            estimates[row, column] = values
        asked = strategy(fields["strategy"], grid.shape, loss, unit)
        return cls(grid, asked, estimates, fields.get("total"))

    @property
    def total(self) -> Estimate:
        """All blocks together."""
        return self.blocks(0, 0, *self.grid.shape)

    def blocks(self, row0: int, column0: int, row1: int, column1: int) -> Estimate:
        """A half-open rectangle of blocks, with standard deviation and 95 % interval.

        Raises
        ------
        SpecError
            If it is empty or leaves the grid, or holds blocks that are not shown.
        """
        error = self.strategy.estimate_of(row0, column0, row1, column1)
        found = self.estimates[row0:row1, column0:column1]
        value = float(found.sum())
        if self.whole is not None and found.shape == self.estimates.shape:
            value = self.whole
        if np.isnan(value):
            raise SpecError(
                f"{int(np.isnan(found).sum())} of {found.size} blocks are not shown, as they do "
                "not reach the layer's threshold: ask for blocks that are shown, or for the total"
            )
        return Estimate(value, error.sd, value + error.low, value + error.high)

    def count(self, box: Box) -> Estimate:
        """The points in a box whose edges are edges of blocks, in CRS units.

        Raises
        ------
        SpecError
            If an edge lies inside of blocks: what is known of a part of one is no more than
            what is known of the whole.
        """
        bounds, side = self.grid.bounds, self.grid.block_metres
        edges = [
            (box.ymin - bounds.ymin) / side,
            (box.xmin - bounds.xmin) / side,
            (box.ymax - bounds.ymin) / side,
            (box.xmax - bounds.xmin) / side,
        ]
        places = [round(edge) for edge in edges]
        if any(abs(edge - place) > EDGE for edge, place in zip(edges, places, strict=True)):
            raise SpecError(
                f"box {tuple(box)} cuts through blocks of {side:g} m that begin at "
                f"({bounds.xmin:.10g}, {bounds.ymin:.10g}); give edges of blocks"
            )
        return self.blocks(*places)

    def at_least(self, k: int, beta: float = 1e-3) -> NDArray[np.bool_]:
        """Blocks that may be shown where no block of fewer than `k` points should be.

        The rule sees published estimates alone, so it costs nothing; a rule on true counts
        would tell them.

        Parameters
        ----------
        k : int
            Least true count that is meant to be shown, >= 1.
        beta : float
            Probability allowed for showing a block with fewer, in ``(0, 0.5]``, for each block.

        Returns
        -------
        ndarray of bool, shape of the grid

        Raises
        ------
        SpecError
            If `k` or `beta` is out of range.

        Examples
        --------
        >>> from synthgrid_assets.lattice.cells import Cells, Lattice
        >>> grid = Grid(Lattice("EPSG:32633", (0.0, 0.0), 10.0), Cells(0, 0, 4, 2), 2)
        >>> flat = strategy("flat", grid.shape, Loss.of_epsilon(1))
        >>> Answers(grid, flat, np.array([[16.0, 15.0]])).at_least(10).tolist()
        [[True, False]]
        """
        shown: NDArray[np.bool_] = self.estimates >= self.strategy.threshold(k, beta)
        return shown

    def coarser(self, factor: int) -> list[list[Estimate]]:
        """Blocks of `factor` x `factor` of these, by rows from the south-west.

        Those at the northern and eastern rims hold what is left.

        Raises
        ------
        SpecError
            If `factor` is less than 1.
        """
        if factor < 1:
            raise SpecError(f"coarser blocks are 1 or more blocks wide, got {factor}")
        rows, columns = self.grid.shape
        return [
            [
                self.blocks(row, column, min(row + factor, rows), min(column + factor, columns))
                for column in range(0, columns, factor)
            ]
            for row in range(0, rows, factor)
        ]
