"""Calibration of the statistical checks: how often they cry wolf, and what they find.

    python benchmarks/calibration.py [--tiles 10000] [--write]

Size: healthy tiles of every process, in regions of 10 x 10 tiles under keys of their own;
red tiles, tail shares against their level, uniformity of the randomised p-values, and the
share of regions below 1 % in each region check. Power: planted faults, and the share of
tiles or regions in which each check finds them. `--write` puts the tables into RESULTS.md.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from report import write_section
from scipy.stats import kstest

from synthgrid_assets.processes.protocol import Law, Process
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.statistics.counts import tile_count
from synthgrid_assets.statistics.envelopes import curve_fits_twins
from synthgrid_assets.statistics.estimators import HaloedPattern
from synthgrid_assets.statistics.marks import labels_follow_their_weights
from synthgrid_assets.statistics.moments import CountMoments, region_moments
from synthgrid_assets.statistics.moran import tile_correlations, tiles_are_correlated_as_declared
from synthgrid_assets.statistics.multiple_testing import p_values_are_uniform
from synthgrid_assets.statistics.quadrats import quadrats_follow_the_surface
from synthgrid_assets.statistics.region import TileCounts, mean_variance_hold, smallest_rate_error
from synthgrid_assets.statistics.region_pairs import PairCounter, pair_distances
from synthgrid_assets.statistics.retention import Retention
from synthgrid_assets.statistics.seam import SeamCounter, seam_reach
from synthgrid_assets.statistics.verdict import TILE_ALPHA
from synthgrid_assets.world.lattice import CELL, CELL_BITS, Cells
from synthgrid_assets.world.seeding import stream_key

SIDE, TILES = 12, 10  # cells along a tile, tiles along a region
EXTENT = Cells(0, 0, SIDE * TILES, SIDE * TILES)
CELL_METRES = 64.0
PER_CELL = 1e6 / CELL_METRES**2  # per km2 for one per cell
PARAMETERS: dict[str, dict[str, object]] = {
    "poisson": {"points_per_km2": 4 * PER_CELL},
    "thomas": {"parents_per_km2": PER_CELL / 2, "mean_offspring": 8.0, "sigma": 45.0},
    "matern_cluster": {"parents_per_km2": PER_CELL / 2, "mean_offspring": 8.0, "radius": 40.0},
    "matern_i": {"candidates_per_km2": 8 * PER_CELL, "radius": 8.0},
    "matern_ii": {"candidates_per_km2": 8 * PER_CELL, "radius": 16.0},
    "lgcp": {
        "points_per_km2": 4 * PER_CELL,
        "scales": [{"sd": 0.5, "range": 70.0}, {"sd": 0.4, "range": 34.0}],
    },
    "strauss": {"beta_per_km2": 4 * PER_CELL, "gamma": 0.5, "radius": 12.0},
    "jittered": {"points_per_cell": 4},
}
SLOW = {"strauss": 10}  # so many times fewer tiles
REGION_CHECKS = (
    "mean_variance_hold",
    "p_values_are_uniform",
    "no_seam",
    "tiles_are_correlated",
    "pairs_follow_the_pcf",
)

Points = tuple[NDArray[np.int64], NDArray[np.int64]]


def build(name: str, twin: int, **changed: object) -> Process:
    family = REGISTRY[name]
    parameters = process(name, {**PARAMETERS[name], **changed})
    return family.build(parameters, stream_key("calibration", name, twin), CELL_METRES)


@dataclass
class Judged:
    """The p-values of a region's tiles, and of the region."""

    counts: list[float] = field(default_factory=list)
    quadrats: list[float] = field(default_factory=list)
    randomised: list[float] = field(default_factory=list)
    region: dict[str, float] = field(default_factory=dict)


class Judge:
    """All checks of a law on regions of full tiles."""

    def __init__(self, law: Law) -> None:
        self.law, self.rng = law, np.random.default_rng(1)
        self.window = Retention.full(SIDE, SIDE)
        self.strip = np.ones((SIDE, EXTENT.width))
        self.moments: CountMoments = region_moments(law, [self.strip] * TILES)
        self.correlations = tile_correlations(law, SIDE)

    def __call__(self, points: Points) -> Judged:
        x, y = points
        judged, records = Judged(), []
        cells = np.bincount(
            (y >> CELL_BITS) * EXTENT.width + (x >> CELL_BITS), minlength=EXTENT.area
        ).reshape(EXTENT.height, EXTENT.width)
        for row in range(TILES):
            for column in range(TILES):
                counts = cells[row * SIDE :, column * SIDE :][:SIDE, :SIDE]
                uniform = float(self.rng.random())
                records.append(tile_count(int(counts.sum()), self.law, self.window, uniform))
                verdict = quadrats_follow_the_surface(counts, self.law, self.window)
                judged.quadrats.append(verdict.p_value or 0.0)
        tiles = TileCounts.of(records)
        judged.counts, judged.randomised = list(tiles.p_value), list(tiles.randomised)
        judged.region = self._region(tiles, x, y)
        return judged

    def _region(
        self, tiles: TileCounts, x: NDArray[np.int64], y: NDArray[np.int64]
    ) -> dict[str, float]:
        law, inflation = self.law, tiles.inflation(self.moments)
        seam = SeamCounter(SIDE, seam_reach(law.intensity, SIDE), law.correlation_cells)
        pairs = PairCounter(SIDE, pair_distances(law, SIDE))
        for row in range(TILES):
            cells = EXTENT._replace(iy0=row * SIDE, iy1=(row + 1) * SIDE)
            inside = (y >= cells.iy0 * CELL) & (y < cells.iy1 * CELL)
            seam.add(cells, x[inside], y[inside], self.strip)
            pairs.add(cells, x[inside], y[inside], self.strip)
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = ((tiles.observed - tiles.mean) / np.sqrt(tiles.variance)).reshape(TILES, TILES)
        verdicts = (
            mean_variance_hold(tiles, self.moments),
            p_values_are_uniform(tiles.randomised, inflation),
            seam.verdict(),
            tiles_are_correlated_as_declared(scores, self.correlations, inflation),
            pairs.verdict(law),
        )
        return {
            name: 1.0 if verdict.p_value is None else verdict.p_value
            for name, verdict in zip(REGION_CHECKS, verdicts, strict=True)
        }


def size_table(tiles: int) -> Iterator[str]:
    yield (
        "| process | tiles | red (counts) | red (quadrats) | p < 1e-2 | p < 1e-3 | "
        "randomised p uniform (KS p) | regions | " + " | ".join(REGION_CHECKS) + " |"
    )
    yield "|" + "---|" * (8 + len(REGION_CHECKS))
    for name in sorted(set(PARAMETERS) & set(REGISTRY)):
        regions = max(tiles // TILES**2 // SLOW.get(name, 1), 1)
        judge = Judge(build(name, 0).law)
        judged = [judge(build(name, twin).points(EXTENT)[:2]) for twin in range(regions)]
        counts, quadrats, randomised = (
            np.concatenate([getattr(j, part) for j in judged])
            for part in ("counts", "quadrats", "randomised")
        )
        uniform = "none" if np.isnan(randomised).any() else f"{_uniform(randomised, judge):.2g}"
        shares = [np.mean([j.region[check] < 0.01 for j in judged]) for check in REGION_CHECKS]
        yield (
            f"| {name} | {counts.size:,} | {np.count_nonzero(counts < TILE_ALPHA)} | "
            f"{np.count_nonzero(quadrats < TILE_ALPHA)} | {np.mean(counts < 1e-2):.4f} | "
            f"{np.mean(counts < 1e-3):.5f} | {uniform} | {regions} | "
            + " | ".join(f"{share:.3f}" for share in shares)
            + " |"
        )


def _uniform(randomised: NDArray[np.float64], judge: Judge) -> float:
    """One tile of a region in four is kept: they don't touch, so they are independent."""
    apart = randomised.reshape(-1, TILES, TILES)[:, ::2, ::2]
    return float(kstest(apart.ravel(), "uniform").pvalue)


@dataclass(frozen=True)
class Fault:
    """A planted fault: how a region's points come about, and which tiles it touches."""

    name: str
    points: Callable[[str, int], Points]
    tiles: tuple[int, ...] | None = None  # None: the whole region


def healthy(name: str, twin: int, **changed: object) -> Points:
    return build(name, twin, **changed).points(EXTENT)[:2]


def rate(factor: float) -> Callable[[str, int], Points]:
    def points(name: str, twin: int) -> Points:
        key = "points_per_km2" if name == "poisson" else "mean_offspring"
        value = PARAMETERS[name][key]
        assert isinstance(value, float)
        return healthy(name, twin, **{key: value * factor})

    return points


def without_a_cell(name: str, twin: int) -> Points:
    x, y = healthy(name, twin)
    kept = ((x >> CELL_BITS) != 5) | ((y >> CELL_BITS) != 5)
    return x[kept], y[kept]


def without_nine_cells(name: str, twin: int) -> Points:
    x, y = healthy(name, twin)
    kept = ((x >> CELL_BITS) // 3 != 1) | ((y >> CELL_BITS) // 3 != 1)
    return x[kept], y[kept]


def doubled_tile(name: str, twin: int) -> Points:
    x, y = healthy(name, twin)
    again = (x < SIDE * CELL) & (y < SIDE * CELL)
    return np.concatenate([x, x[again]]), np.concatenate([y, y[again]])


def shifted_tiles(name: str, twin: int) -> Points:
    x, y = healthy(name, twin)
    moved = x + CELL // 2
    kept = moved // (SIDE * CELL) == x // (SIDE * CELL)
    return moved[kept], y[kept]


def seam_of_a_cell(name: str, twin: int) -> Points:
    x, y = healthy(name, twin)
    kept = ((x >> CELL_BITS) % SIDE != 0) & ((y >> CELL_BITS) % SIDE != 0)
    return x[kept], y[kept]


def own_seeds(name: str, twin: int) -> Points:
    parts = []
    for number in range(TILES**2):
        ix0, iy0 = number % TILES * SIDE, number // TILES * SIDE
        cells = Cells(ix0, iy0, ix0 + SIDE, iy0 + SIDE)
        parts.append(build(name, 1000 * twin + number).points(cells))
    return np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts])


def poisson_instead(name: str, twin: int) -> Points:
    return healthy("poisson", twin)


def faults(name: str, law: Law) -> list[Fault]:
    delta = smallest_rate_error(Judge(law).moments)
    first = (0,)
    planted = [
        Fault(f"rate + {delta:.1%} (delta of the region)", rate(1 + delta)),
        Fault("rate + 10 %", rate(1.1)),
        Fault("one cell missing", without_a_cell, first),
        Fault("3 x 3 cells missing", without_nine_cells, first),
        Fault("tile written twice", doubled_tile, first),
        Fault("tiles shifted by half a cell", shifted_tiles),
        Fault("seam of one cell", seam_of_a_cell),
    ]
    if name == "thomas":
        planted += [
            Fault("sigma x 1.2", lambda n, twin: healthy(n, twin, sigma=54.0)),
            Fault("tiles of their own seeds", own_seeds),
            Fault("Poisson in place of Thomas", poisson_instead),
        ]
    return planted


def power_table(regions: int) -> Iterator[str]:
    yield "| process | fault | " + " | ".join(("counts", "quadrats", *REGION_CHECKS)) + " |"
    yield "|" + "---|" * (4 + len(REGION_CHECKS))
    for name in ("poisson", "thomas"):
        law = build(name, 0).law
        judge = Judge(law)
        for fault in faults(name, law):
            judged = [judge(fault.points(name, 5000 + twin)) for twin in range(regions)]
            touched = list(fault.tiles) if fault.tiles is not None else slice(None)
            tile_shares = [
                np.mean([np.array(getattr(j, part))[touched] < TILE_ALPHA for j in judged])
                for part in ("counts", "quadrats")
            ]
            shares = [np.mean([j.region[check] < 1e-6 for j in judged]) for check in REGION_CHECKS]
            row = " | ".join(_share(float(share)) for share in (*tile_shares, *shares))
            yield f"| {name} | {fault.name} | {row} |"


def _share(share: float) -> str:
    return "." if share == 0 else f"{share:.2f}"


def curve_table(windows: int) -> Iterator[str]:
    """Share of windows whose curves leave the 1 % envelope of 100 healthy twins."""
    window, r = Cells(0, 0, 24, 24), np.linspace(0.1, 2.0, 20)

    def curves(name: str, twin: int, **changed: object) -> tuple[NDArray[np.float64], ...]:
        points = build(name, twin, **changed).points(window.grown(2))
        pattern = HaloedPattern(points.x, points.y, window, 2)
        intensity = float(pattern.inner.sum()) / window.area
        return pattern.l_function(r, intensity), pattern.nearest_neighbour(r[:10])

    yield "| pattern | pairs (L) | nearest neighbours (G) |"
    yield "|---|---|---|"
    patterns: dict[str, tuple[str, dict[str, object]]] = {
        "thomas, healthy": ("thomas", {}),
        "sigma x 1.2": ("thomas", {"sigma": 54.0}),
        "sigma x 1.5": ("thomas", {"sigma": 67.5}),
        "Poisson in place of Thomas": ("poisson", {}),
    }
    twins = [curves("thomas", 20_000 + twin) for twin in range(100)]
    for label, (name, changed) in patterns.items():
        found = np.zeros(2)
        for twin in range(windows):
            observed = curves(name, 10_000 + twin, **changed)
            for k in range(2):
                baseline = np.array([curve[k] for curve in twins])
                found[k] += not curve_fits_twins("curve", observed[k], baseline)[0].passed
        yield f"| {label} | {found[0] / windows:.2f} | {found[1] / windows:.2f} |"


def sentences(regions: int) -> Iterator[str]:
    """Faults that need more points or more tiles than the tables' regions have."""
    window, red = Retention.full(SIDE, SIDE), 0
    cells = Cells(0, 0, SIDE, SIDE)
    for twin in range(regions):
        dense = build("poisson", twin, points_per_km2=40 * PER_CELL)
        x, y, _ = dense.points(cells)
        counts = np.bincount((y >> CELL_BITS) * SIDE + (x >> CELL_BITS), minlength=cells.area)
        counts[5 * SIDE + 5] = 0
        counts = counts.reshape(SIDE, SIDE)
        red += not quadrats_follow_the_surface(counts, dense.law, window).passed
    yield f"One cell missing of 40 points a cell: {red / regions:.2f} of {regions} tiles red."
    law, tiles = build("thomas", 0).law, 20
    seam = SeamCounter(SIDE, seam_reach(law.intensity, SIDE), law.correlation_cells)
    for row in range(tiles):
        strip = Cells(0, row * SIDE, tiles * SIDE, row * SIDE + SIDE)
        own = [
            build("thomas", 70_000 + row * tiles + column).points(
                Cells(column * SIDE, strip.iy0, column * SIDE + SIDE, strip.iy1)
            )
            for column in range(tiles)
        ]
        x, y = (np.concatenate([getattr(p, axis) for p in own]) for axis in "xy")
        seam.add(strip, x, y, np.ones((SIDE, tiles * SIDE)))
    yield (
        f"Tiles of their own seeds, {tiles} x {tiles} tiles of Thomas: no_seam p = "
        f"{seam.verdict().p_value:.1e}."
    )


def marks_row(tiles: int) -> str:
    rng = np.random.default_rng(2)
    weights = {"a": 0.6, "b": 0.4}
    found = {"healthy": 0, "swapped": 0}
    for _ in range(tiles):
        draw = rng.binomial(576, 0.6)
        for kind, first in (("healthy", draw), ("swapped", 576 - draw)):
            verdict = labels_follow_their_weights("m", {"a": first, "b": 576 - first}, weights)
            found[kind] += not verdict.passed
    return (
        f"Marks (two labels 0.6 / 0.4, 576 points a tile, {tiles:,} tiles): "
        f"{found['healthy']} healthy tiles red, swapped labels found in "
        f"{found['swapped'] / tiles:.3f}."
    )


def report(tiles: int) -> Iterator[str]:
    started = time.perf_counter()
    regions = max(tiles // 500, 5)
    yield f"Tiles of {SIDE} x {SIDE} cells in regions of {TILES} x {TILES}.\n"
    yield "**Size** (healthy; region checks: share of regions with p < 0.01)\n"
    yield from size_table(tiles)
    yield f"\n**Power** (share of the tiles touched, or of {regions} regions, found at 1e-6)\n"
    yield from power_table(regions)
    yield "\n**Curves** against 100 twins (share of 50 windows of 24 x 24 cells, level 1 %)\n"
    yield from curve_table(50)
    yield "\n" + "\n".join([*sentences(regions), marks_row(tiles)])
    yield f"\n`python benchmarks/calibration.py --tiles {tiles}`: {_minutes(started)}."


def _minutes(started: float) -> str:
    seconds = time.perf_counter() - started
    return f"{math.floor(seconds / 60)} min {seconds % 60:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, default=10_000, help="healthy tiles per process")
    parser.add_argument("--write", action="store_true", help="replace the section in RESULTS.md")
    options = parser.parse_args()
    lines = []
    for line in report(options.tiles):
        print(line, flush=True)
        lines.append(line)
    if options.write:
        write_section("calibration", "\n".join(lines))


if __name__ == "__main__":
    main()
