"""What a point costs, many points in bounded memory, two workers, and a full tile in units.

    python benchmarks/scale.py [--write] [--quick]

Points, Delaunay triangles and Voronoi cells of a Poisson layer, through the engine and the
journal as a run makes them, without Dagster. Memory is the sum of the resident set sizes
of all processes, the orchestrating one included, ten times a second; a page is counted as
often as processes share it. ``--quick`` makes a tenth of the points. Very many points, and what
one costs, are measured beside an earlier commit, which needs the repository; what one costs also
beside shapely and geopandas without any check, and a whole command beside the earlier one's
(`cost_of_a_point`); ``--cost`` prints that alone, in some five minutes of an idle machine.

On a busy machine two workers wait for cores that others have. The second ratio leaves out
the time that the kernel says they waited so (Linux).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import psutil
from cost_of_a_point import cost_of_a_point, many_points
from report import machine, write_section

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.tile_order import Selection
from synthgrid_assets_tests.large_world import (
    POINTS,
    TESSELLATION,
    PeakResident,
    large_spec,
    make,
)

TILE = 32  # cells; 10,000 points unless a table says otherwise
# columns and rows of tiles, points a tile, rounds; columns and rows of a whole command
FULL, QUICK = (6, 6, 10_000, 5, (10, 10)), (3, 3, 10_000, 3, (3, 3))


@contextmanager
def workers(count: int) -> Iterator[EngineSession]:
    """An engine whose workers have compiled kernels and loaded libraries."""
    with (
        EngineSession(Settings(workers=count), preload=PRELOAD) as session,
        tempfile.TemporaryDirectory() as name,
    ):
        spec = large_spec(Path(name), [0, 0, 16, 16], 4, 100)
        for names in (POINTS, TESSELLATION):
            make(session, spec, Path(name), names)
        yield session


def processor_seconds() -> tuple[float, float]:
    """CPU time so far of this process, and of all its descendants, dead ones included."""
    below = 0.0
    for process in psutil.Process().children(recursive=True):
        times = process.cpu_times()
        below += times.user + times.system + times.children_user + times.children_system
    return time.process_time(), below


def queue_seconds() -> float:
    """Time so far that descendants were ready to run and had no core; 0 where unknown."""
    waited = 0.0
    for process in psutil.Process().children(recursive=True):
        path = Path(f"/proc/{process.pid}/schedstat")
        waited += int(path.read_text().split()[1]) / 1e9 if path.exists() else 0.0
    return waited


def two_workers(rounds: int, side: int) -> list[str]:
    """The same tessellation work by one worker and by two, in turns."""
    wall: dict[int, list[float]] = {1: [], 2: []}
    ready: dict[int, list[float]] = {1: [], 2: []}
    cpu = {1: 0.0, 2: 0.0}
    with workers(1) as one, workers(2) as two, tempfile.TemporaryDirectory() as name:
        spec = large_spec(Path(name), [0, 0, side * TILE, side * TILE], TILE, 10_000)
        for number in range(rounds):
            for count, session in ((1, one), (2, two)):
                used, queued = sum(processor_seconds()), queue_seconds()
                run = make(session, spec, Path(name, f"{count}-{number}"), TESSELLATION)
                cpu[count] += (sum(processor_seconds()) - used) / rounds
                wall[count].append(run.seconds)
                ready[count].append(run.seconds - (queue_seconds() - queued) / count)
    lines = [
        f"**Two workers against one**, triangles and cells of {side * side} tiles of 10,000 "
        f"points, {rounds} rounds in turns",
        "",
        "| | 1 worker | 2 workers | ratio |",
        "|---|---|---|---|",
    ]
    for what, taken in (("wall time", wall), ("without waiting for a core", ready)):
        ratio = statistics.median(a / b for a, b in zip(taken[1], taken[2], strict=True))
        medians = [f"{statistics.median(taken[count]):.1f} s" for count in (1, 2)]
        lines.append(f"| {what}, median | {' | '.join(medians)} | {ratio:.2f} |")
    ratio = cpu[1] / cpu[2]
    lines.append(f"| CPU time of all processes | {cpu[1]:.1f} s | {cpu[2]:.1f} s | {ratio:.2f} |")
    return [*lines, ""]


def full_tile(points: int) -> list[str]:
    """One tile of many points: as one task, and as units on one worker and on two."""
    lines = [
        f"**One tile of {points:,} points**, triangles and cells",
        "",
        "| | wall time | without waiting for a core | CPU time | peak memory | faster by |",
        "|---|---|---|---|---|---|",
    ]
    ways = {
        "one task": (2, 0),
        "units, 1 worker": (1, points // 10),
        "units, 2 workers": (2, points // 10),
    }
    first = 0.0
    for way, (count, units) in ways.items():
        with (
            tempfile.TemporaryDirectory() as name,
            workers(count) as session,
            PeakResident() as peak,
        ):
            used, queued = sum(processor_seconds()), queue_seconds()
            spec = large_spec(Path(name), [0, 0, 64, 64], 64, points, units)
            seconds = make(session, spec, Path(name), TESSELLATION).seconds
            cpu = sum(processor_seconds()) - used
            ready = seconds - (queue_seconds() - queued) / (count if units else 1)
        first = first or ready
        lines.append(
            f"| {way} | {seconds:.1f} s | {ready:.1f} s | {cpu:.1f} s | "
            f"{peak.bytes / 2**20:,.0f} MiB | {first / ready:.2f} |"
        )
    return [*lines, ""]


def rim_first(side: int) -> list[str]:
    """When the rim can be read, with the order that prefers it and without."""
    lines = [
        f"**Rim first**, triangles and cells of {side} x {side} tiles of 2,500 points; "
        f"{4 * side - 4} of {side * side} tiles lie at the rim",
        "",
        "| order | rim readable after | all tiles after | |",
        "|---|---|---|---|",
    ]
    orders = {"rim first": Selection.rim_first, "by rows": lambda _, tiles: list(tiles)}
    with workers(2) as session:
        for name, order in orders.items():
            with (
                tempfile.TemporaryDirectory() as folder,
                patch.object(Selection, "rim_first", order),
            ):
                spec = large_spec(Path(folder), [0, 0, side * 16, side * 16], 16, 2_500)
                run = make(session, spec, Path(folder), TESSELLATION)
            lines.append(
                f"| {name} | {run.rim:.1f} s | {run.seconds:.1f} s | {run.rim / run.seconds:.0%} |"
            )
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="a tenth of the points")
    parser.add_argument("--cost", action="store_true", help="only what a point costs")
    options = parser.parse_args()
    cost = cost_of_a_point(*(QUICK if options.quick else FULL))
    if options.cost:
        body = "\n".join(cost).rstrip()
        if options.write:
            write_section("cost_of_a_point", body)
        print(machine() + "\n\n" + body)
        return
    lines = [
        *cost,
        *many_points(*((10, 10) if options.quick else (40, 25)), 10_000),
        *two_workers(*((1, 5) if options.quick else (3, 10))),
        *full_tile(100_000 if options.quick else 1_000_000),
        *rim_first(8 if options.quick else 16),
    ]
    body = "\n".join(lines).rstrip()
    if options.write:
        write_section("scale", body)
    print(machine() + "\n\n" + body)


if __name__ == "__main__":
    main()
