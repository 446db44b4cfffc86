"""A tile's points among their neighbours: drawn again with a halo, and counted by distance.

Belongs here: the tests of a tile that need points beyond it. Not here: the tests of its own
rows (`points`), replicates (`replicates`), the statistics (`statistics.region.neighbours`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL, CELL_LIMIT, Cells
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.tile_tests.replicates import (
    Baseline,
    curve_window,
    why_no_replicates,
)
from synthgrid_assets.statistics.curves.distance_counts import (
    DistanceCounts,
    Distances,
    count_distances,
)
from synthgrid_assets.statistics.curves.estimators import HaloedPattern
from synthgrid_assets.statistics.region.neighbours import NEIGHBOURS, PAIRS, nothing_within_the_core
from synthgrid_assets.statistics.tile.patterns import points_do_not_depend_on_the_tile
from synthgrid_assets.verdict import Verdict

LATTICE = Cells(-CELL_LIMIT, -CELL_LIMIT, CELL_LIMIT, CELL_LIMIT)
Rows = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def verify_curves(
    context: LayerContext, cells: Cells, rows: Rows, baseline: Baseline | None
) -> tuple[Verdict, Verdict, Verdict]:
    """The tests of a tile's rows that need the points around it.

    Parameters
    ----------
    context : LayerContext
    cells : Cells
        The tile's.
    rows : tuple of ndarray of int64, each of shape (n,)
        Columns x, y and id as they were written; all points lie in the tile.
    baseline : Baseline or None
        The replicates that the tile is compared with; None where it has none.

    Returns
    -------
    tuple of Verdict
        ``points_do_not_depend_on_the_tile`` (exact), ``pairs_follow_the_pcf`` and
        ``neighbours_follow_the_law``. The latter two are ranks among replicates, which never turn
        a tile red; a pair within a hard core does.

    Notes
    -----
    The tile is drawn again with a halo. What lies inside must be the rows, bit for bit; what
    lies outside are the true neighbours of the rows, which no edge correction replaces.
    """
    law, distances = context.sampler.law, _distances(context, baseline)
    around = cells.grown(distances.halo).intersection(LATTICE)
    drawn = context.sampler.points(around)
    inside = _inside(drawn, cells)
    redrawn = drawn.x[inside], drawn.y[inside], drawn.ids()[inside]
    same = points_do_not_depend_on_the_tile(rows, redrawn)
    reason = why_no_replicates(context, cells)
    if around != cells.grown(distances.halo):
        reason, baseline = "at the limit of the lattice: not all neighbours exist", None
    pairs, neighbours = (Verdict.not_judged(test, reason) for test in (PAIRS, NEIGHBOURS))
    if baseline is None and not law.hard_core:
        return same, pairs, neighbours
    window = cells if baseline is None else curve_window(context, cells)
    counts = _counts(rows, drawn.take(~inside), window, distances)
    if baseline is not None:
        pairs, neighbours = baseline.windows.verdicts(counts)
        neighbours = replace(neighbours, counts=counts.as_row())
    return same, pairs, nothing_within_the_core(neighbours, counts, distances, law)


def _distances(context: LayerContext, baseline: Baseline | None) -> Distances:
    """Those of the replicates; without any, the hard core, or the nearest halo there is."""
    if baseline is not None:
        return baseline.distances
    return Distances(np.array([context.sampler.law.hard_core or 1.0]), CELL)


def _inside(points: PointPattern, cells: Cells) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = cells.quanta()
    return (points.x >= x0) & (points.x < x1) & (points.y >= y0) & (points.y < y1)


def _counts(
    rows: Rows, outside: PointPattern, window: Cells, distances: Distances
) -> DistanceCounts:
    """What the rows have within each distance, among themselves and those outside."""
    x, y = np.concatenate([rows[0], outside.x]), np.concatenate([rows[1], outside.y])
    x0, y0, x1, y1 = window.grown(distances.halo).quanta()
    near = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    return count_distances(HaloedPattern(x[near], y[near], window, distances.halo), distances)
