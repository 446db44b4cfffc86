"""Calibration of the statistical checks: how often they cry wolf, and what they find.

    python benchmarks/calibration.py [--tiles 10000] [--write]

Size: healthy tiles of every process, in regions of 10 x 10 tiles under keys of their own;
red tiles, tail shares against their level, uniformity of the randomised p-values, and the
share of regions below 1 % in each region check. Tails: 100 times as many tiles, counts alone.
Power: planted faults, and the share of tiles or regions in which each check finds them.
`--write` puts the tables into RESULTS.md.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable, Iterator

import numpy as np
from calibration_judge import (
    CALIBRATED,
    EXTENT,
    REGION_CHECKS,
    REPLICATES,
    SIDE,
    TILES,
    TWIN_TESTS,
    Judge,
    build,
)
from calibration_power import power_table, sentences
from calibration_tails import SIDE as TAIL_SIDE
from calibration_tails import tail_table
from numpy.typing import NDArray
from report import write_section
from scipy.stats import kstest

from synthgrid_assets.verdict import TILE_ALPHA

SLOW = {"strauss": 10, "hard_core": 10}  # so many times fewer tiles
PER_BASELINE = 20  # regions that share one baseline of replicates


def size_table(tiles: int, names: Iterable[str] = CALIBRATED) -> Iterator[str]:
    yield (
        "| process | tiles | red (exact) | red (counts) | red (quadrats) | p < 1e-2 | p < 1e-3 | "
        "randomised p uniform (KS p) | "
        + " | ".join(TWIN_TESTS)
        + " | regions | "
        + " | ".join(REGION_CHECKS)
        + " |"
    )
    yield "|" + "---|" * (9 + len(TWIN_TESTS) + len(REGION_CHECKS))
    for name in names:
        yield _size_row(name, max(tiles // TILES**2 // SLOW.get(name, 1), 1))


def _size_row(name: str, regions: int) -> str:
    judge, judged = Judge(name), []
    for replicate in range(regions):
        if replicate % PER_BASELINE == 0 and replicate:
            judge.renew_replicates(name, replicate)
        process = build(name, replicate)
        judged.append(judge(process.points(EXTENT)[:2], process))
    tests = {test: np.concatenate([j.tiles[test] for j in judged]) for test in judged[0].tiles}
    randomised = np.concatenate([j.randomised for j in judged])
    uniform = "none" if np.isnan(randomised).any() else f"{_uniform(randomised):.2g}"
    exact = np.minimum(tests["does_not_depend_on_the_tile"], tests["hard_core"])
    red = [np.count_nonzero(p < TILE_ALPHA) for p in (exact, tests["counts"], tests["quadrats"])]
    ranks = [np.mean(tests[test] < 0.01) for test in TWIN_TESTS]
    shares = [np.mean([j.region[check] < 0.01 for j in judged]) for check in REGION_CHECKS]
    counts = tests["counts"]
    return (
        f"| {name} | {counts.size:,} | {' | '.join(map(str, red))} | "
        f"{np.mean(counts < 1e-2):.4f} | {np.mean(counts < 1e-3):.5f} | {uniform} | "
        + " | ".join(f"{share:.4f}" for share in ranks)
        + f" | {regions} | "
        + " | ".join(f"{share:.3f}" for share in shares)
        + " |"
    )


def _uniform(randomised: NDArray[np.float64]) -> float:
    """One tile of a region in four is kept: they don't touch, so they are independent."""
    apart = randomised.reshape(-1, TILES, TILES)[:, ::2, ::2]
    return float(kstest(apart.ravel(), "uniform").pvalue)


def report(tiles: int) -> Iterator[str]:
    started = time.perf_counter()
    regions = max(tiles // 1000, 5)
    yield f"Tiles of {SIDE} x {SIDE} cells in regions of {TILES} x {TILES}.\n"
    yield (
        f"**Size** (healthy; ranks among {REPLICATES} replicates: share of tiles with p < 0.01, "
        f"expected {1 / (REPLICATES + 1)}; {PER_BASELINE} regions share their replicates, so it "
        "varies; region checks: share of regions with p < 0.01)\n"
    )
    yield from size_table(tiles)
    yield (
        f"\n**Count tails** (tiles of {TAIL_SIDE} x {TAIL_SIDE} cells: those with a p-value below "
        "each level, and how many the level allows)\n"
    )
    yield from tail_table(100 * tiles)
    yield (
        "\n**Power** (share of the tiles touched found at 1e-6, among replicates at 1 %, or of "
        f"{regions} regions at 1e-6; 4 times fewer regions of the Gibbs processes)\n"
    )
    yield from power_table(regions)
    yield "\n" + "\n".join(sentences(regions))
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
