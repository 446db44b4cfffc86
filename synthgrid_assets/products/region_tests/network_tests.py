"""Pairs along the lines that points lie on: one tile of a region among replicates of it.

Belongs here: which tile, and what its rows are compared with. Not here: distances along a
network (`statistics.curves.network_pairs`), the process (`processes.on_lines`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.on_lines.process import OnLinesProcess
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile
from synthgrid_assets.products.tile_tests.replicates import REPLICATES, replicate_of
from synthgrid_assets.statistics.curves.envelopes import RankedReplicates
from synthgrid_assets.statistics.curves.network_pairs import PointsOnNetwork, network_pairs
from synthgrid_assets.statistics.region.neighbours import PAIRS, advisory
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.storage.tile_files import TileReader
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.samplers import on_lines

FEWEST_POINTS, MOST_POINTS = 20.0, 600.0  # expected in the window that is looked at
_SPACINGS = np.array([0.25, 0.5, 1.0, 2.0])  # mean lengths of line between points


def pairs_along_the_network(tiles: Sequence[CommittedTile], context: LayerContext) -> Verdict:
    """The rank of a tile's pairs by network distance among those of replicates on its lines.

    The fullest of the tiles is taken, or its middle where it is expected to hold more than
    `MOST_POINTS`. Its rows are as they were written, with their true neighbours around them;
    other tiles hold other lines and would need replicates of their own.
    """
    process = on_lines(context.sampler)
    if process is None:
        return Verdict.not_judged(PAIRS, "members of a union on lines are looked at by themselves")
    fullest = max(tiles, key=lambda one: one.expected_rows or 0.0, default=None)
    expected = (fullest.expected_rows or 0.0) if fullest is not None else 0.0
    if fullest is None or expected < FEWEST_POINTS:
        return Verdict.not_judged(PAIRS, f"{expected:.3g} points in a tile are too few")
    window = _middle(fullest.cells, math.sqrt(min(MOST_POINTS / expected, 1.0)))
    distances = _distances(process, window)
    observed = _of_rows(fullest, process, window, distances, context)
    replicates = [_of_process(_process(context, k), window, distances) for k in range(REPLICATES)]
    ranked = RankedReplicates.of(np.array(replicates))
    verdict = advisory(ranked.verdict(PAIRS, observed))
    where = f"along the lines of cells {tuple(window)}"
    return replace(verdict, detail=f"{where}: {verdict.detail}")


def _process(context: LayerContext, number: int) -> OnLinesProcess:
    process = on_lines(replicate_of(context, number))
    assert process is not None  # as the layer's own
    return process


def _middle(cells: Cells, share: float) -> Cells:
    """The middle of a rectangle, a share of each of its sides."""
    width, height = (max(round(side * share), 1) for side in (cells.width, cells.height))
    x, y = cells.ix0 + (cells.width - width) // 2, cells.iy0 + (cells.height - height) // 2
    return Cells(x, y, x + width, y + height)


def _distances(process: OnLinesProcess, window: Cells) -> NDArray[np.float64]:
    """Around the mean spacing of points along lines, in sides of a cell."""
    intensity = process.law.intensity / process.network.most_in_a_cell
    longest = max(window.width, window.height) / 2
    distances: NDArray[np.float64] = np.unique(np.minimum(_SPACINGS / intensity, longest))
    return distances


def _of_process(
    process: OnLinesProcess, window: Cells, distances: NDArray[np.float64]
) -> NDArray[np.float64]:
    drawn = process.on_network(window.grown(math.ceil(distances[-1]) + 1))
    points = PointsOnNetwork(drawn.segment, drawn.offset)
    return network_pairs(process.network, points, _inside(drawn.x, drawn.y, window), distances)


def _of_rows(
    tile: CommittedTile,
    process: OnLinesProcess,
    window: Cells,
    distances: NDArray[np.float64],
    context: LayerContext,
) -> NDArray[np.float64]:
    """Of a tile's rows as they were written, and of what is drawn around the tile."""
    reader = TileReader(context.layout.store)
    rows: pa.Table = reader.read(tile.file, ["x_q", "y_q", "line", "arc_m"])
    x, y, line, arc = (column_values(rows[name]) for name in ("x_q", "y_q", "line", "arc_m"))
    at = np.rint(arc / context.lattice.quantum).astype(np.int64)
    drawn = process.on_network(window.grown(math.ceil(distances[-1]) + 1))
    outside = ~_inside(drawn.x, drawn.y, tile.cells)
    segment, offset = process.network.segment_at(line, at)
    points = PointsOnNetwork(
        np.concatenate((segment, drawn.segment[outside])),
        np.concatenate((offset, drawn.offset[outside])),
    )
    centres = np.concatenate((_inside(x, y, window), np.zeros(int(outside.sum()), np.bool_)))
    return network_pairs(process.network, points, centres, distances)


def _inside(x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = cells.quanta()
    return (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
