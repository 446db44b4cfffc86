"""All checks of points on one region of full tiles: what `calibration.py` counts with.

Belongs here: the processes that are calibrated, and the p-values of a region's tiles and of
the region. Not here: tables, planted faults.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.count_models import BlockModel
from synthgrid_assets.processes.protocol import Law, Process
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.statistics.curves.distance_counts import (
    DistanceCounts,
    Distances,
    count_distances,
    typical_intensity,
)
from synthgrid_assets.statistics.curves.estimators import HaloedPattern
from synthgrid_assets.statistics.laws.moments import CountMoments, region_moments
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.multiple_testing import p_values_are_uniform
from synthgrid_assets.statistics.region.moran import (
    tile_correlations,
    tiles_are_correlated_as_declared,
)
from synthgrid_assets.statistics.region.neighbours import (
    ReplicateWindows,
    TileWindows,
    counts_are_those_of_replicates,
    neighbours_follow_the_law,
    nothing_within_the_core,
    pairs_are_those_of_replicates,
)
from synthgrid_assets.statistics.region.region_pairs import PairCounter, pair_distances
from synthgrid_assets.statistics.region.seam import SeamCounter, seam_reach
from synthgrid_assets.statistics.region.totals import TileCounts, mean_variance_hold
from synthgrid_assets.statistics.tile.counts import counts_match_the_process, tile_count
from synthgrid_assets.statistics.tile.patterns import points_do_not_depend_on_the_tile
from synthgrid_assets.statistics.tile.quadrats import quadrats_follow_the_surface
from synthgrid_assets.verdict import Verdict

SIDE, TILES = 12, 10  # cells along a tile, tiles along a region
EXTENT = Cells(0, 0, SIDE * TILES, SIDE * TILES)
CELL_METRES = 64.0
PER_CELL = 1e6 / CELL_METRES**2  # per km2 for one per cell
REPLICATES = 199
PARAMETERS: dict[str, dict[str, object]] = {
    "poisson": {"points_per_km2": 4 * PER_CELL},
    "thomas": {"parents_per_km2": PER_CELL / 2, "mean_offspring": 8.0, "sigma": 45.0},
    "hierarchical_thomas": {
        "parents_per_km2": PER_CELL / 4,
        "mean_clusters": 4.0,
        "spread": 60.0,
        "mean_offspring": 4.0,
        "sigma": 20.0,
        "pareto": 1.5,
        "doublings": 2,
    },
    "matern_cluster": {"parents_per_km2": PER_CELL / 2, "mean_offspring": 8.0, "radius": 40.0},
    "matern_i": {"candidates_per_km2": 8 * PER_CELL, "radius": 8.0},
    "matern_ii": {"candidates_per_km2": 8 * PER_CELL, "radius": 16.0},
    "lgcp": {
        "points_per_km2": 4 * PER_CELL,
        "scales": [{"sd": 0.5, "range": 70.0}, {"sd": 0.4, "range": 34.0}],
    },
    "strauss": {"beta_per_km2": 4 * PER_CELL, "gamma": 0.5, "radius": 12.0},
    "hard_core": {"beta_per_km2": 4 * PER_CELL, "radius": 10.0},
    "jittered": {"points_per_cell": 4},
}
NEWER: dict[str, dict[str, object]] = {  # judged in calibration_newer.py
    "hierarchical_thomas": PARAMETERS["hierarchical_thomas"],
    "cascade": {"points_per_km2": 4 * PER_CELL, "shares": [0.4, 0.3, 0.2, 0.1], "levels": 3},
    "sierpinski": {"points_per_km2": 4 * PER_CELL, "levels": 2},
}
CALIBRATED = sorted(set(PARAMETERS) - set(NEWER))
TILE_TESTS = ("does_not_depend_on_the_tile", "counts", "quadrats", "hard_core")
TWIN_TESTS = ("pairs_among_replicates", "neighbours_among_replicates")
REGION_CHECKS = (
    "mean_variance_hold",
    "p_values_are_uniform",
    "no_seam",
    "tiles_are_correlated",
    "pairs_follow_the_pcf",
    "neighbours_follow_the_law",
)

Points = tuple[NDArray[np.int64], NDArray[np.int64]]


def build(name: str, replicate: int | str, **changed: object) -> Process:
    family = REGISTRY[name]
    parameters = process(name, {**{**PARAMETERS, **NEWER}[name], **changed})
    return family.build(parameters, stream_key("calibration", name, replicate), CELL_METRES)


@dataclass
class Judged:
    """The p-values of a region's tiles by test, and of the region; 0 and 1 of exact claims."""

    tiles: dict[str, NDArray[np.float64]]
    randomised: NDArray[np.float64]
    region: dict[str, float] = field(default_factory=dict)


class Judge:
    """All checks of a process on regions of full tiles, with replicates of its own."""

    def __init__(self, name: str, baseline: int = 0) -> None:
        self.law: Law = build(name, 0).law
        self.rng = np.random.default_rng(1)
        self.window = Retention.full(SIDE, SIDE)
        self.strip = np.ones((SIDE, EXTENT.width))
        self.moments: CountMoments = region_moments(self.law, [self.strip] * TILES)
        self.correlations = tile_correlations(self.law, SIDE)
        self.distances = Distances.of(typical_intensity(self.law), SIDE, self.law.hard_core)
        self.apart = 1 + math.ceil((self.law.correlation_cells + 2 * self.distances.halo) / SIDE)
        self.renew_replicates(name, baseline)

    def renew_replicates(self, name: str, baseline: int) -> None:
        tile, halo = Cells(0, 0, SIDE, SIDE), self.distances.halo
        rows = []
        for replicate in range(REPLICATES):
            points = build(name, f"baseline/{baseline}/{replicate}").points(tile.grown(halo))
            pattern = HaloedPattern(points.x, points.y, tile, halo)
            rows.append(count_distances(pattern, self.distances).as_row())
        self.replicates = DistanceCounts.of_rows(np.array(rows))
        self.among = ReplicateWindows(self.replicates, SIDE * SIDE)

    def __call__(self, points: Points, sampler: Process) -> Judged:
        """Judge points as they were written, beside those that the sampler draws."""
        around = sampler.points(EXTENT.grown(self.distances.halo))
        tests: dict[str, list[float]] = {test: [] for test in (*TILE_TESTS, *TWIN_TESTS)}
        records, rows = [], []
        for tile, x, y in _by_tile(*points):
            same, near = _around(around, tile, self.distances.halo)
            counts = np.bincount(
                ((y >> CELL_BITS) - tile.iy0) * SIDE + ((x >> CELL_BITS) - tile.ix0),
                minlength=SIDE * SIDE,
            ).reshape(SIDE, SIDE)
            records.append(tile_count(x.size, self.law, self.window, float(self.rng.random())))
            found = self._tile(tile, (x, y), same, near)
            count = counts_match_the_process(
                x.size, self.law, self.window, replicates=self.replicates.points
            )
            quadrats = quadrats_follow_the_surface(counts, self.law, self.window)
            rows.append(found[-1].counts)
            verdicts = (found[0], count, quadrats, *found[1:])
            for values, verdict in zip(tests.values(), verdicts, strict=True):
                values.append(_p(verdict))
        tiles = TileCounts.of(records)
        judged = Judged({test: np.array(p) for test, p in tests.items()}, tiles.randomised)
        judged.region = self._region(tiles, points, DistanceCounts.of_rows(np.array(rows)))
        return judged

    def _tile(
        self, tile: Cells, rows: Points, same: PointPattern, near: PointPattern
    ) -> tuple[Verdict, ...]:
        """The redraw, the hard core and the ranks among replicates, with the counts in the last."""
        x, y = (np.concatenate([a, b]) for a, b in zip(rows, (near.x, near.y), strict=True))
        pattern = HaloedPattern(x, y, tile, self.distances.halo)
        counts = count_distances(pattern, self.distances)
        pairs, neighbours = self.among.verdicts(counts)
        core = nothing_within_the_core(neighbours, counts, self.distances, self.law)
        ids = np.zeros(rows[0].size, np.int64), np.zeros(len(same), np.int64)
        order = np.lexsort((rows[0], rows[1])), np.lexsort((same.x, same.y))
        redraw = points_do_not_depend_on_the_tile(
            (rows[0][order[0]], rows[1][order[0]], ids[0]),
            (same.x[order[1]], same.y[order[1]], ids[1]),
        )
        exact = Verdict.exact(core.test, int(not core.passed))
        kept = Verdict(**{**vars(neighbours), "counts": counts.as_row()})
        return redraw, exact, pairs, kept

    def _region(
        self, tiles: TileCounts, points: Points, windows: DistanceCounts
    ) -> dict[str, float]:
        law, inflation, (x, y) = self.law, tiles.inflation(self.moments), points
        intensity = typical_intensity(law)
        seam = SeamCounter(SIDE, seam_reach(intensity, SIDE), law.correlation_cells)
        pairs = PairCounter(SIDE, pair_distances(law, SIDE))
        for row in range(TILES):
            cells = EXTENT._replace(iy0=row * SIDE, iy1=(row + 1) * SIDE)
            inside = (y >= cells.iy0 * CELL) & (y < cells.iy1 * CELL)
            seam.add(cells, x[inside], y[inside], self.strip)
            pairs.add(cells, x[inside], y[inside], self.strip)
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = ((tiles.observed - tiles.mean) / np.sqrt(tiles.variance)).reshape(TILES, TILES)
        keys = [(row, column) for row in range(TILES) for column in range(TILES)]
        own = TileWindows(keys, SIDE * SIDE, windows, self.apart)
        blocks = isinstance(law.count_model, BlockModel)
        closed = not math.isnan(law.intensity)
        verdicts = (
            mean_variance_hold(tiles, self.moments, alike=not blocks)
            if closed
            else counts_are_those_of_replicates(own, self.replicates),
            p_values_are_uniform(tiles.randomised, inflation),
            self._seam(seam),
            Verdict.not_judged("tiles_are_correlated", "blocks")
            if blocks
            else tiles_are_correlated_as_declared(scores, self.correlations, inflation),
            pairs.verdict(law)
            if closed
            else pairs_are_those_of_replicates(own, self.distances, self.replicates),
            neighbours_follow_the_law(own, self.distances, law, self.replicates),
        )
        return dict(zip(REGION_CHECKS, map(_p, verdicts), strict=True))

    def _seam(self, seam: SeamCounter) -> Verdict:
        """Not judged where a process has blocks of its own, as in a world."""
        if isinstance(self.law.count_model, BlockModel):
            return Verdict.not_judged("no_seam", "blocks may end where tiles do")
        return seam.verdict()


def _p(verdict: Verdict) -> float:
    return float(verdict.passed) if verdict.p_value is None else verdict.p_value


def _by_tile(
    x: NDArray[np.int64], y: NDArray[np.int64]
) -> list[tuple[Cells, NDArray[np.int64], NDArray[np.int64]]]:
    """The points of each tile of the region, row by row."""
    tile = (y >> CELL_BITS) // SIDE * TILES + (x >> CELL_BITS) // SIDE
    order = np.argsort(tile, kind="stable")
    starts = np.searchsorted(tile[order], np.arange(TILES**2 + 1))
    found = []
    for number in range(TILES**2):
        rows = order[starts[number] : starts[number + 1]]
        ix, iy = number % TILES * SIDE, number // TILES * SIDE
        found.append((Cells(ix, iy, ix + SIDE, iy + SIDE), x[rows], y[rows]))
    return found


def _around(points: PointPattern, tile: Cells, halo: int) -> tuple[PointPattern, PointPattern]:
    """The points in a tile, and those in its halo."""
    (x0, y0, x1, y1), (a, b, c, d) = tile.quanta(), tile.grown(halo).quanta()
    rows = np.searchsorted(points.y >> CELL_BITS, [tile.iy0 - halo, tile.iy1 + halo])
    points = PointPattern(*(column[slice(*rows)] for column in points))  # canonical: by cell row
    x, y, _ = points
    inside = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    near = (x >= a) & (x < c) & (y >= b) & (y < d) & ~inside
    return points.take(inside), points.take(near)
