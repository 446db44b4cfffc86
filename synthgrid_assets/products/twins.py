"""Twin worlds: the same layer under other seeds, the baseline where no law is closed.

Belongs here: twins' curves and the rank of this world's among them. Not here: the curves
(`statistics.estimators`) and the test (`statistics.envelopes`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.processes.superposition import Sampler
from synthgrid_assets.products.sampling import build_sampler
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.statistics.envelopes import Envelope, curve_fits_twins
from synthgrid_assets.statistics.estimators import HaloedPattern
from synthgrid_assets.statistics.verdict import Verdict
from synthgrid_assets.storage.commit import commit_bytes
from synthgrid_assets.storage.geoparquet import FACT_PREFIX, plain_table, serialise
from synthgrid_assets.storage.layout import REALISATION_DIGITS
from synthgrid_assets.world.lattice import Cells

TWINS = 199  # a rank among them is an exact test with p >= 1 / 200
DISTANCES = 24
TEST = "pairs_look_like_twins"


@dataclass(frozen=True, eq=False)
class Baseline:
    """Besag's L of a window of twin worlds.

    Parameters
    ----------
    cells : Cells
        The window.
    r : ndarray of float64, shape (m,)
        Distances in cells.
    twins : ndarray of float64, shape (n, m)
    """

    cells: Cells
    r: NDArray[np.float64]
    twins: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TwinCurves:
    """Besag's L of a window of this world, among that of its twins.

    Parameters
    ----------
    baseline : Baseline
    observed : ndarray of float64, shape (m,)
    verdict : Verdict
        Rank of this world among its twins.
    envelope : Envelope
    """

    baseline: Baseline
    observed: NDArray[np.float64]
    verdict: Verdict
    envelope: Envelope


def baseline_window(workshop: Workshop) -> Cells:
    """The tile in which a layer is compared with its twins: the fullest one expected."""
    tiles = list(workshop.spec.world.tiling)
    middle = tiles[len(tiles) // 2]
    if not workshop.sampler.thinnings:
        return middle.cells
    return max(tiles, key=lambda tile: workshop.sampler.expected_count(tile.cells)).cells


def write_baseline(workshop: Workshop, twins: int = TWINS) -> tuple[Path, Baseline]:
    """The twins' curves of a layer, made where they are not kept yet, and their file."""
    path = baseline_path(workshop)
    if path.is_file():
        return path, read_baseline(workshop)
    baseline = make_baseline(workshop, twins)
    west, south, east, north = baseline.cells
    columns = {f"r_{distance:.6f}": baseline.twins[:, i] for i, distance in enumerate(baseline.r)}
    facts = {
        **workshop.facts("points"),
        "asset": "baseline",
        "cells": f"{west} {south} {east} {north}",
    }
    commit_bytes(path, serialise(plain_table(columns, facts)))
    return path, baseline


def baseline_path(workshop: Workshop) -> Path:
    """Where a layer's twins are kept: one file per realisation of its points."""
    version = workshop.pattern_realisation[:REALISATION_DIGITS]
    layout, world = workshop.layout, workshop.spec.world.name
    return layout.report(world, workshop.layer, f"baseline-{version}-w{workshop.spec.world.tile}")


def read_baseline(workshop: Workshop) -> Baseline:
    """The twins' curves as `write_baseline` kept them.

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
    cells = (table.schema.metadata or {})[f"{FACT_PREFIX}cells".encode()].decode()
    west, south, east, north = map(int, cells.split())
    r = np.array([float(name.removeprefix("r_")) for name in table.column_names])
    curves = np.column_stack([column.to_numpy() for column in table.columns])
    return Baseline(Cells(west, south, east, north), r, curves)


def compare_with_twins(workshop: Workshop, baseline: Baseline) -> TwinCurves:
    """Rank of this world's curve among its twins'."""
    observed = _l_function(workshop.sampler, baseline.cells, baseline.r)
    verdict, envelope = curve_fits_twins(TEST, observed, baseline.twins)
    return TwinCurves(baseline, observed, verdict, envelope)


def make_baseline(workshop: Workshop, twins: int = TWINS) -> Baseline:
    """The curves of the same window of twin worlds.

    Parameters
    ----------
    workshop : Workshop
    twins : int
        Number of twins. Each has keys of its own, so ranks are exchangeable under the null.
    """
    cells = baseline_window(workshop)
    intensity = workshop.sampler.law.intensity * float(workshop.retention(cells).by_cell.mean())
    r = _distances(intensity, workshop.spec.world.tile)
    curves = [_l_function(_twin(workshop, number), cells, r) for number in range(twins)]
    return Baseline(cells, r, np.array(curves))


def _twin(workshop: Workshop, number: int) -> Sampler:
    """The layer's sampler in twin world `number`: the unit separator is in no seed."""
    world = workshop.spec.world
    seed = f"{world.seed}\x1ftwin/{number}"
    other = workshop.spec.model_copy(update={"world": world.model_copy(update={"seed": seed})})
    return build_sampler(other, workshop.layer, workshop.inputs)


def _distances(intensity: float, side: int) -> NDArray[np.float64]:
    """Distances up to four mean spacings of points, at most a quarter of a tile's side."""
    spacing = 1.0 if math.isnan(intensity) or intensity <= 0 else 1 / math.sqrt(intensity)
    return np.linspace(0, min(4 * spacing, side / 4), DISTANCES + 1)[1:]


def _l_function(sampler: Sampler, cells: Cells, r: NDArray[np.float64]) -> NDArray[np.float64]:
    halo = math.ceil(r[-1])
    points = sampler.points(cells.grown(halo))
    pattern = HaloedPattern(points.x, points.y, cells, halo)
    # by the observed number of points, so that counts alone are not judged again
    observed = max(int(pattern.inner.sum()), 1) / cells.area
    return pattern.l_function(r, observed)
