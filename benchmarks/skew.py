"""Skewed points: rows a CPU second, memory, skew and selectivity, beside spatialbench-cli.

    python benchmarks/skew.py --spatialbench PATH/spatialbench-cli [--scale 1] [--write]

Both write (Geo)Parquet of skewed points on one core: ours the trips of examples/joins (ids, one
place each), the peer its trips (times, fares and two places each). CPU seconds are those of
one process, so rows are given by the number of their places too. What the fullest cells hold is
counted over the box of each one's own points.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import report
import shapely

JOINS = Path(__file__).resolve().parents[1] / "examples" / "joins"
GRID = 50
OURS = """
import resource, sys, time
from pathlib import Path
from synthgrid_assets import World
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.storage.formats.parquet_file import serialise
world = World.load(sys.argv[1] + "/benchmark.toml")
side, folder = int(sys.argv[3]), Path(sys.argv[2])
layer, lattice = world.layer("trips"), world.spec.world.lattice
layer.points_table(lattice.bounds(Cells(0, 0, 4, 4)))  # kernels are compiled or loaded
before, rows = time.process_time(), 0
for column in range(0, side, 40):
    for row in range(0, side, 40):
        table = layer.points_table(lattice.bounds(Cells(column, row, column + 40, row + 40)))
        (folder / f"{column}-{row}.parquet").write_bytes(serialise(table))
        rows += len(table)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(rows, time.process_time() - before, peak)
"""


def ours(side: int, folder: Path) -> tuple[int, float, float]:
    """Rows, CPU seconds and peak MiB of the trips over so many cells a side."""
    given = [sys.executable, "-c", OURS, str(JOINS), str(folder), str(side)]
    env = os.environ | {"NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(given, check=True, capture_output=True, text=True, env=env)
    rows, seconds, peak = done.stdout.split()
    return int(rows), float(seconds), float(peak)


def peer(command: str, scale: float, folder: Path) -> tuple[int, float, float]:
    """The same of the peer's trips."""
    given = [command, "-s", str(scale), "--tables", "trip", "--output-dir", str(folder)]
    process = subprocess.Popen(given, stdout=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    rows = pq.ParquetFile(folder / "trip.parquet").metadata.num_rows
    return rows, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def top_share(xy: np.ndarray) -> float:
    """Share of the points in the fullest 1 % of 50 x 50 cells over their box."""
    counts = np.sort(np.histogram2d(*xy.T, GRID)[0].ravel())[::-1]
    return float(counts[: GRID * GRID // 100].sum() / counts.sum())


def seven_towns() -> np.ndarray:
    """The same process with few parents: as skewed as the peer's."""
    from synthgrid_assets import World

    towns = {"parents_per_km2": 0.05, "mean_clusters": 480.0, "spread": 300.0}
    changes = {f"layers.trips.{key}": value for key, value in towns.items()}
    world = World.load(JOINS / "benchmark.toml", set=changes)
    table = world.layer("trips").points_table(world.bounds)
    return np.column_stack((table["x_q"], table["y_q"]))


def selectivities() -> list[tuple[float, float, int]]:
    """Share of trips in zones wanted and obtained, of a layer of independent points."""
    from synthgrid_assets import World

    found = []
    for wanted in (0.001, 0.02, 0.2):
        changes = {
            "layers.trips": {
                "process": "poisson",
                "points_per_km2": 6000.0,
                "join": {"zones": "zones", "selectivity": wanted},
            }
        }
        world = World.load(JOINS / "benchmark.toml", set=changes)
        table = world.layer("trips").points_table(world.bounds)
        thinning = world.layer("trips")._context.sampler.thinnings[-1]
        held = thinning.zones.contains(table["x_q"].to_numpy(), table["y_q"].to_numpy())
        found.append((wanted, float(held.mean()), table.num_rows))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spatialbench", required=True)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    lines = [
        "| | rows | rows a CPU second | places a CPU second | peak memory |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured = {}
        for label, places, run in (
            ("ours, 120 x 120 cells", 1, lambda to: ours(120, to)),
            ("ours, 480 x 480 cells", 1, lambda to: ours(480, to)),
            ("spatialbench-cli", 2, lambda to: peer(given.spatialbench, given.scale, to)),
        ):
            (to := folder / label.replace(" ", "-")).mkdir()
            rows, seconds, peak = run(to)
            measured[label] = rows / seconds
            lines.append(
                f"| {label} | {rows:,} | {rows / seconds:,.0f} | {places * rows / seconds:,.0f} "
                f"| {peak:,.0f} MiB |"
            )
            if label == "spatialbench-cli":
                pickups = pq.read_table(to / "trip.parquet", columns=["t_pickuploc"])["t_pickuploc"]
                theirs = shapely.get_coordinates(shapely.from_wkb(pickups.to_numpy()))
        tables = [pq.read_table(one) for one in (folder / "ours,-120-x-120-cells").iterdir()]
        own = np.concatenate([np.column_stack((t["x_q"], t["y_q"])) for t in tables])
    ratio = measured["ours, 480 x 480 cells"] / measured["spatialbench-cli"]
    lines += ["", f"Rows a CPU second: {ratio:.2f} times the peer's."]
    lines += ["", "| share of points in the fullest 1 % of 50 x 50 cells | |", "|---|---|"]
    lines += [
        f"| ours, trips | {top_share(own):.1%} |",
        f"| ours, seven towns | {top_share(seven_towns()):.1%} |",
        f"| spatialbench-cli | {top_share(theirs):.1%} |",
    ]
    lines += ["", "| selectivity wanted | obtained | of points |", "|---|---|---|"]
    lines += [f"| {w:.1%} | {o:.3%} | {n:,} |" for w, o, n in selectivities()]
    print("\n".join(lines))
    if given.write:
        report.write_section("skew", "\n".join(lines))


if __name__ == "__main__":
    main()
