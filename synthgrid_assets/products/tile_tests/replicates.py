"""Twin worlds: the same layer under other seeds, the baseline where no law is closed.

Belongs here: the twins' counts, made once per layer version and kept in a file. Not here:
the counts (`statistics.curves.distance_counts`), comparing with them (`tile_curves`, `quality`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.superposition import Sampler
from synthgrid_assets.products.layer_context import LayerJob, Workshop
from synthgrid_assets.statistics.curves.distance_counts import (
    FEWEST_POINTS,
    DistanceCounts,
    Distances,
    count_distances,
    hard_core,
    typical_intensity,
)
from synthgrid_assets.statistics.curves.estimators import HaloedPattern
from synthgrid_assets.statistics.region.neighbours import TwinWindows
from synthgrid_assets.storage.geoparquet import FACT_PREFIX, plain_table, serialise
from synthgrid_assets.storage.layout import REALISATION_DIGITS
from synthgrid_assets.storage.local_store import commit_bytes
from synthgrid_assets.world.samplers import build_sampler

TWINS = 199  # a rank among them is an exact test with p >= 1 / 200
MOST_POINTS = 2_000.0  # expected in a window: twins of a larger tile are of its middle
VERSION = 2  # raised when the file's columns change


@dataclass(frozen=True, eq=False)
class Baseline:
    """The counts of one window of twin worlds.

    Parameters
    ----------
    cells : Cells
        The window.
    distances : Distances
    twins : DistanceCounts
        Of n windows, each of a world of its own.
    """

    cells: Cells
    distances: Distances
    twins: DistanceCounts

    @cached_property
    def windows(self) -> TwinWindows:
        """The twins' curves, ready to rank those of tiles."""
        return TwinWindows(self.twins, self.cells.area)


def is_stationary(workshop: Workshop) -> bool:
    """Whether all tiles of a layer are alike, so that they can share twins."""
    return not workshop.sampler.thinnings


def curve_window(workshop: Workshop, cells: Cells) -> Cells:
    """The middle of a tile, as far as it is expected to hold `MOST_POINTS` points; mostly all."""
    intensity = _intensity(workshop, cells)
    most = math.inf if not intensity > 0 else math.sqrt(MOST_POINTS / intensity)
    width, height = (min(side, max(int(most), 1)) for side in (cells.width, cells.height))
    x, y = cells.ix0 + (cells.width - width) // 2, cells.iy0 + (cells.height - height) // 2
    return Cells(x, y, x + width, y + height)


def why_no_twins(workshop: Workshop, cells: Cells) -> str:
    """Why a tile cannot be compared with the layer's twins; empty if it can."""
    side = workshop.spec.world.tile
    if not is_stationary(workshop):
        return "thinned by a surface, a mask or another layer: its tiles share no twins"
    if (cells.width, cells.height) != (side, side):
        return "a tile clipped by the extent has no twins"
    window = curve_window(workshop, cells)
    expected = _intensity(workshop, cells) * window.area
    return "" if expected >= FEWEST_POINTS else f"{expected:.3g} points are too few for a curve"


def baseline_window(workshop: Workshop) -> Cells:
    """The window in which a layer is compared with its twins: of the fullest tile expected."""
    tiles = list(workshop.spec.world.tiling)
    tile = tiles[len(tiles) // 2]
    if not is_stationary(workshop):
        tile = max(tiles, key=lambda tile: _intensity(workshop, tile.cells) * tile.cells.area)
    else:
        side = workshop.spec.world.tile
        whole = (t for t in tiles if (t.cells.width, t.cells.height) == (side, side))
        tile = next(whole, tile) if tile.cells.area < side * side else tile
    return curve_window(workshop, tile.cells)


@lru_cache(maxsize=8)
def baseline_of(job: LayerJob) -> Baseline:
    """The baseline of a layer, kept for the tiles to come; made if no file holds it."""
    return write_baseline(job.open())[1]


def write_baseline(workshop: Workshop, twins: int = TWINS) -> tuple[Path, Baseline]:
    """The twins' counts of a layer, made where they are not kept yet, and their file."""
    path = baseline_path(workshop)
    if path.is_file():
        return path, read_baseline(workshop)
    baseline = make_baseline(workshop, twins)
    r, counts = baseline.distances.r, baseline.twins
    columns = {"points": counts.points, "places": counts.places}
    for name, values in (("pairs", counts.pairs), ("near", counts.near), ("empty", counts.empty)):
        columns |= {f"{name}_{distance:.6f}": values[:, i] for i, distance in enumerate(r)}
    facts = {
        **workshop.facts("points"),
        "asset": "baseline",
        "cells": " ".join(map(str, baseline.cells)),
        "distances": " ".join(map(repr, r.tolist())),
        "step": str(baseline.distances.step),
    }
    commit_bytes(path, serialise(plain_table(columns, facts)))
    return path, baseline


def baseline_path(workshop: Workshop) -> Path:
    """Where a layer's twins are kept: one file per realisation of its points."""
    version = workshop.pattern_realisation[:REALISATION_DIGITS]
    layout, world = workshop.layout, workshop.spec.world
    name = f"baseline-{version}-w{world.tile}-v{VERSION}"
    return layout.report(world.name, workshop.layer, name)


def read_baseline(workshop: Workshop) -> Baseline:
    """The twins' counts as `write_baseline` kept them.

    Raises
    ------
    StorageError
        If there are none of the layer as it is declared now.
    """
    path = baseline_path(workshop)
    try:
        table = pq.read_table(path)
    except OSError as error:
        raise StorageError(
            f"no twins in {path}; materialise {workshop.layer}/baseline first"
        ) from error
    facts = table.schema.metadata or {}
    cells, r, step = (
        facts[f"{FACT_PREFIX}{name}".encode()].decode().split()
        for name in ("cells", "distances", "step")
    )
    rows = np.column_stack([column.to_numpy() for column in table.columns])
    distances = Distances(np.array(list(map(float, r))), int(step[0]))
    return Baseline(Cells(*map(int, cells)), distances, DistanceCounts.of_rows(rows))


def make_baseline(workshop: Workshop, twins: int = TWINS) -> Baseline:
    """The counts of the same window of twin worlds.

    Parameters
    ----------
    workshop : Workshop
    twins : int
        Number of twins. Each has keys of its own, so ranks are exchangeable under the null.
    """
    cells = baseline_window(workshop)
    distances = curve_distances(workshop, cells)
    counts = [window_counts(_twin(workshop, k), cells, distances).as_row() for k in range(twins)]
    return Baseline(cells, distances, DistanceCounts.of_rows(np.array(counts, np.int64)))


def tile_counts_of(baseline: Baseline | None, cells: Cells) -> NDArray[np.int64] | None:
    """How many points the twins of a tile hold; None where they are of its middle alone."""
    if baseline is None or baseline.cells.area != cells.area:
        return None
    return baseline.twins.points


def curve_distances(workshop: Workshop, cells: Cells) -> Distances:
    """The distances at which the points of a window are looked at."""
    core = hard_core(workshop.sampler.law)
    return Distances.of(_intensity(workshop, cells), workshop.spec.world.tile, core)


def window_counts(sampler: Sampler, cells: Cells, distances: Distances) -> DistanceCounts:
    """What a window of a sampler's pattern has within each distance."""
    points = sampler.points(cells.grown(distances.halo))
    return count_distances(HaloedPattern(points.x, points.y, cells, distances.halo), distances)


def _twin(workshop: Workshop, number: int) -> Sampler:
    """The layer's sampler in twin world `number`: the unit separator is in no seed."""
    world = workshop.spec.world
    seed = f"{world.seed}\x1ftwin/{number}"
    other = workshop.spec.model_copy(update={"world": world.model_copy(update={"seed": seed})})
    return build_sampler(other, workshop.layer, workshop.inputs)


def _intensity(workshop: Workshop, cells: Cells) -> float:
    """Points per cell that are expected in some cells, roughly where no moments are known."""
    typical = typical_intensity(workshop.sampler.law)
    if is_stationary(workshop):
        return typical
    retention: NDArray[np.float64] = workshop.sampler.retention(cells)
    return (1.0 if math.isnan(typical) else typical) * float(retention.mean())
