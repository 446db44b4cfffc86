"""Replicates: the same layer under other seeds, the baseline where no law is closed.

Belongs here: the replicates' counts, made once per layer version and kept in a file. Not here:
the counts (`statistics.curves.distance_counts`), comparing (`redrawn_tile`, `reports`).
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.errors import DamageError, StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.count_models import ON_LINES
from synthgrid_assets.processes.superposition import Sampler
from synthgrid_assets.products.layer_context import LayerContext, LayerJob
from synthgrid_assets.statistics.curves.distance_counts import (
    FEWEST_POINTS,
    DistanceCounts,
    Distances,
    count_distances,
    typical_intensity,
)
from synthgrid_assets.statistics.curves.envelopes import ENVELOPE_ALPHA, attained_level
from synthgrid_assets.statistics.curves.estimators import HaloedPattern
from synthgrid_assets.statistics.region.neighbours import ReplicateWindows
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.storage.formats.geoparquet import (
    FACT_PREFIX,
    plain_table,
)
from synthgrid_assets.storage.formats.parquet_file import read_bytes, serialise
from synthgrid_assets.storage.formats.seal import is_unbroken_file, sealed
from synthgrid_assets.storage.layout import REALISATION_DIGITS
from synthgrid_assets.storage.written_reports import mark_written
from synthgrid_assets.world.samplers import build_sampler
from synthgrid_assets.world.stream_keys import StreamKeys

REPLICATES = 199  # a rank among them is an exact test with p >= 1 / 200
# how often a healthy tile or world is called suspicious by such a rank
SUSPICIOUS_RATE = attained_level(ENVELOPE_ALPHA, REPLICATES)
MOST_POINTS = 2_000.0  # expected in a window: replicates of a larger tile are of its middle
VERSION = 2  # raised when the file's columns change


@dataclass(frozen=True, eq=False)
class Baseline:
    """The counts of one window of replicates.

    Parameters
    ----------
    cells : Cells
        The window.
    distances : Distances
    replicates : DistanceCounts
        Of n windows, each of a world of its own.
    """

    cells: Cells
    distances: Distances
    replicates: DistanceCounts

    @cached_property
    def windows(self) -> ReplicateWindows:
        """The replicates' curves, ready to rank those of tiles."""
        return ReplicateWindows(self.replicates, self.cells.area)


def is_stationary(context: LayerContext) -> bool:
    """Whether all tiles of a layer are alike, so that they can share replicates."""
    return not context.sampler.thinnings


def curve_window(context: LayerContext, cells: Cells) -> Cells:
    """The middle of a tile, as far as it is expected to hold `MOST_POINTS` points; mostly all."""
    intensity = _intensity(context, cells)
    longest = max(cells.width, cells.height)  # of a tile that expects no points: all of it
    most = min(math.sqrt(MOST_POINTS / intensity), longest) if intensity > 0 else longest
    width, height = (min(side, max(int(most), 1)) for side in (cells.width, cells.height))
    x, y = cells.ix0 + (cells.width - width) // 2, cells.iy0 + (cells.height - height) // 2
    return Cells(x, y, x + width, y + height)


def why_no_replicates(context: LayerContext, cells: Cells) -> str:
    """Why a tile cannot be compared with the layer's replicates; empty if it can."""
    side = context.spec.world.tile
    if isinstance(context.sampler.law.count_model, ON_LINES):
        return "points on lines: each tile has other lines, so tiles share no replicates"
    if not is_stationary(context):
        return "thinned by a surface, a mask or another layer: its tiles share no replicates"
    if (cells.width, cells.height) != (side, side):
        return "a tile clipped by the extent has no replicates"
    window = curve_window(context, cells)
    expected = _intensity(context, cells) * window.area
    return "" if expected >= FEWEST_POINTS else f"{expected:.3g} points are too few for a curve"


def baseline_window(context: LayerContext) -> Cells:
    """The window in which a layer is compared with its replicates: of the fullest tile expected."""
    tiles = list(context.spec.world.tiling)
    tile = tiles[len(tiles) // 2]
    if not is_stationary(context):
        tile = max(tiles, key=lambda tile: _intensity(context, tile.cells) * tile.cells.area)
    else:
        side = context.spec.world.tile
        whole = (t for t in tiles if (t.cells.width, t.cells.height) == (side, side))
        tile = next(whole, tile) if tile.cells.area < side * side else tile
    return curve_window(context, tile.cells)


@lru_cache(maxsize=8)
def baseline_of(job: LayerJob) -> Baseline:
    """The baseline of a layer, kept for the tiles to come; made if no file holds it."""
    return write_baseline(job.open())[1]


def write_baseline(context: LayerContext, replicates: int = REPLICATES) -> tuple[str, Baseline]:
    """The replicates' counts of a layer, made where they are not kept yet, and their file."""
    store, key = context.layout.store, baseline_key(context)
    with contextlib.suppress(StorageError):  # none yet, or a damaged one: made again
        found = read_baseline(context)
        mark_written(context.layout, key)  # those of earlier versions have no mark
        return store.address(key), found
    baseline = make_baseline(context, replicates)
    r, counts = baseline.distances.r, baseline.replicates
    columns = {"points": counts.points, "places": counts.places}
    for name, values in (("pairs", counts.pairs), ("near", counts.near), ("empty", counts.empty)):
        columns |= {f"{name}_{distance:.6f}": values[:, i] for i, distance in enumerate(r)}
    facts = {
        **context.facts("points"),
        "asset": "baseline",
        "cells": " ".join(map(str, baseline.cells)),
        "distances": " ".join(map(repr, r.tolist())),
        "step": str(baseline.distances.step),
    }
    store.put(key, serialise(sealed(plain_table(columns, facts))))
    mark_written(context.layout, key)
    return store.address(key), baseline


def write_baseline_of(job: LayerJob) -> Baseline:
    """The same in a worker, which is given the job alone."""
    return write_baseline(job.open())[1]


def baseline_key(context: LayerContext) -> str:
    """Where a layer's replicates are kept: one file per realisation of its points."""
    version = context.job.pattern[:REALISATION_DIGITS]
    layout, world = context.layout, context.spec.world
    name = f"baseline-{version}-w{world.tile}-v{VERSION}"
    return layout.report(world.name, context.layer, name)


def read_baseline(context: LayerContext) -> Baseline:
    """The replicates' counts as `write_baseline` kept them.

    Raises
    ------
    StorageError
        If there are none of the layer as it is declared now.
    """
    store, key = context.layout.store, baseline_key(context)
    try:
        data = store.get(key)
        table = read_bytes(data)
        if not is_unbroken_file(data):
            raise DamageError(f"{store.address(key)} is damaged")
    except (OSError, ValueError, pa.ArrowException, DamageError) as error:
        raise StorageError(
            f"no replicates in {store.address(key)} ({error}); materialise {context.layer}/baseline"
        ) from error
    facts = table.schema.metadata or {}
    cells, r, step = (
        facts[f"{FACT_PREFIX}{name}".encode()].decode().split()
        for name in ("cells", "distances", "step")
    )
    rows = np.column_stack([column_values(column) for column in table.columns])
    distances = Distances(np.array(list(map(float, r))), int(step[0]))
    return Baseline(Cells(*map(int, cells)), distances, DistanceCounts.of_rows(rows))


def make_baseline(context: LayerContext, replicates: int = REPLICATES) -> Baseline:
    """The counts of the same window of replicates.

    Parameters
    ----------
    context : LayerContext
    replicates : int
        Number of replicates. Each has keys of its own, so ranks are exchangeable under the null.
    """
    cells = baseline_window(context)
    distances = curve_distances(context, cells)
    counts = [
        window_counts(replicate_of(context, k), cells, distances).as_row()
        for k in range(replicates)
    ]
    return Baseline(cells, distances, DistanceCounts.of_rows(np.array(counts, np.int64)))


def tile_counts_of(baseline: Baseline | None, cells: Cells) -> NDArray[np.int64] | None:
    """How many points the replicates of a tile hold; None where they are of its middle alone."""
    if baseline is None or baseline.cells.area != cells.area:
        return None
    return baseline.replicates.points


def curve_distances(context: LayerContext, cells: Cells) -> Distances:
    """The distances at which the points of a window are looked at."""
    core = context.sampler.law.hard_core
    return Distances.of(_intensity(context, cells), context.spec.world.tile, core)


def window_counts(sampler: Sampler, cells: Cells, distances: Distances) -> DistanceCounts:
    """What a window of a sampler's pattern has within each distance."""
    points = sampler.points(cells.grown(distances.halo))
    return count_distances(HaloedPattern(points.x, points.y, cells, distances.halo), distances)


def replicate_of(context: LayerContext, number: int) -> Sampler:
    """The layer's sampler in replicate `number`: the unit separator is in no seed."""
    world = context.spec.world
    seed = f"{world.seed}\x1ftwin/{number}"
    other = context.spec.model_copy(update={"world": world.model_copy(update={"seed": seed})})
    families = {family.name: family for family in context.job.families}
    keys = StreamKeys.derived(other, context.layer, families)
    return build_sampler(other, context.layer, context.inputs, keys, families)


def _intensity(context: LayerContext, cells: Cells) -> float:
    """Points per cell that are expected in some cells, roughly where no moments are known."""
    typical = typical_intensity(context.sampler.law)
    if is_stationary(context):
        return typical
    retention: NDArray[np.float64] = context.sampler.retention(cells)
    return (1.0 if math.isnan(typical) else typical) * float(retention.mean())
