"""Many points in bounded memory, two workers against one, and a full tile in units.

    python benchmarks/scale.py [--write] [--quick]

Points, Delaunay triangles and Voronoi cells of a Poisson layer, through the engine and the
journal as a run makes them, without Dagster. Memory is the sum of the proportional set
sizes (PSS) of all processes of the run, the orchestrating one included, every 50 ms: a page
that several share is counted once. ``--quick`` makes a tenth of the points.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import psutil
from report import machine, write_section

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.task import Settings
from synthgrid_assets.products.making import PRELOAD, TileMade, make_tiles
from synthgrid_assets.products.selection import Selection
from synthgrid_assets.products.validation import load_spec
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.spec import WorldSpec

CELL = 64.0
TESSELLATION = ("delaunay", "voronoi")
WORLD = """
[world]
name = "scale"
seed = "scale"
crs = "EPSG:32633"
cell = {cell}
extent = [0, 0, {width}, {height}]
tile = {tile}
decomposition = "{decomposition}"
max_points_per_unit = {most}

[layers.trees]
process = "poisson"
points_per_km2 = {density}

[layers.trees.tessellation]
"""


def world(
    folder: Path, columns: int, rows: int, tile: int, points_per_tile: int, units: int = 0
) -> WorldSpec:
    """A world of columns x rows tiles; with `units`, a quadtree of that many points."""
    path = folder / "scale.toml"
    square_km = (tile * CELL / 1e3) ** 2
    path.write_text(
        WORLD.format(
            cell=CELL,
            width=columns * tile,
            height=rows * tile,
            tile=tile,
            density=points_per_tile / square_km,
            decomposition="quadtree" if units else "fixed",
            most=units or 200_000,
        )
    )
    return load_spec(path)


class Memory:
    """The most memory that this process and all its descendants had at once, in bytes."""

    def __init__(self) -> None:
        self.peak = 0
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Memory:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watch.join()

    def _run(self) -> None:
        me = psutil.Process()
        while not self._ended.wait(0.05):
            family = [me, *me.children(recursive=True)]
            self.peak = max(self.peak, sum(proportional_set(process.pid) for process in family))


def proportional_set(pid: int) -> int:
    """Memory of a process in bytes, its share of shared pages included; 0 once it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return 1024 * int(
        next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1]
    )


@contextmanager
def workers(count: int) -> Iterator[EngineSession]:
    """An engine whose workers have compiled kernels and loaded libraries."""
    with (
        EngineSession(Settings(workers=count), preload=PRELOAD) as session,
        tempfile.TemporaryDirectory() as name,
    ):
        spec = world(Path(name), 4, 4, 4, 100)
        for nouns in (("points",), TESSELLATION):
            make(session, spec, Path(name), nouns)
        yield session


@dataclass(frozen=True)
class Run:
    """What a run took, and when its rim was there: seconds since its begin."""

    seconds: float
    rim: float
    points: int
    tiles: int


def make(session: EngineSession, spec: WorldSpec, root: Path, nouns: tuple[str, ...]) -> Run:
    """Make some products of all tiles."""
    workshop = Workshop.of(spec, "trees", root)
    tiles = list(spec.world.tiling)
    region = Selection(tiles)
    rim = {tile.key for tile in tiles if region.is_at_rim(tile)}
    at_rim, points, begun = 0.0, 0, time.perf_counter()
    with Journal(workshop.layout) as journal:
        for made in make_tiles(session, journal, workshop, nouns, tiles):
            assert isinstance(made, TileMade), made
            points += made.receipts[-1].rows
            if made.tile in rim:
                at_rim = time.perf_counter() - begun
    return Run(time.perf_counter() - begun, at_rim, points, len(tiles))


def processor_seconds() -> tuple[float, float]:
    """CPU time so far of this process, and of all its descendants, dead ones included."""
    below = 0.0
    for process in psutil.Process().children(recursive=True):
        times = process.cpu_times()
        below += times.user + times.system + times.children_user + times.children_system
    return time.process_time(), below


def many_points(columns: int, rows: int) -> list[str]:
    """All three products of columns x rows tiles of 10,000 points."""
    with (
        tempfile.TemporaryDirectory() as name,
        EngineSession(Settings(workers=2), preload=PRELOAD) as session,
        Memory() as memory,
    ):
        spec = world(Path(name), columns, rows, 32, 10_000)
        runs = [make(session, spec, Path(name), nouns) for nouns in (("points",), TESSELLATION)]
        own, below = processor_seconds()
        size = sum(file.stat().st_size for file in Path(name).rglob("*.parquet"))
    points, tiles = runs[-1].points, runs[-1].tiles
    seconds = sum(run.seconds for run in runs)
    return [
        f"**{points:,} points over {tiles:,} tiles**, points, triangles and cells, 2 workers",
        "",
        "| | |",
        "|---|---|",
        f"| wall time | {seconds:.0f} s, of it points {runs[0].seconds:.0f} s |",
        f"| points a second | {points / seconds / 1e3:,.1f} k |",
        f"| CPU time of the workers | {below:.0f} s |",
        f"| CPU time of the orchestrating process | {own:.0f} s |",
        f"| peak memory, PSS of all processes together | {memory.peak / 2**20:,.0f} MiB |",
        f"| files | {size / 2**20:,.0f} MiB |",
        "",
    ]


def two_workers(rounds: int, side: int) -> list[str]:
    """The same tessellation work by one worker and by two, in turns."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, float] = dict.fromkeys(seconds, 0.0)
    with workers(1) as one, workers(2) as two, tempfile.TemporaryDirectory() as name:
        spec = world(Path(name), side, side, 32, 10_000)
        for number in range(rounds):
            for count, session in ((1, one), (2, two)):
                before = processor_seconds()
                root = Path(name, f"{count}-{number}")
                seconds[count].append(make(session, spec, root, TESSELLATION).seconds)
                after = processor_seconds()
                cpu[count] += sum(after) - sum(before)
    speedup = statistics.median(a / b for a, b in zip(*seconds.values(), strict=True))
    best = min(seconds[1]) / min(seconds[2])
    return [
        f"**Two workers against one**, triangles and cells of {side * side} tiles of 10,000 "
        f"points, {rounds} rounds in turns",
        "",
        "| | 1 worker | 2 workers | ratio |",
        "|---|---|---|---|",
        f"| wall time, median | {statistics.median(seconds[1]):.1f} s | "
        f"{statistics.median(seconds[2]):.1f} s | {speedup:.2f} |",
        f"| wall time, best | {min(seconds[1]):.1f} s | {min(seconds[2]):.1f} s | {best:.2f} |",
        f"| CPU time of all processes | {cpu[1] / rounds:.1f} s | {cpu[2] / rounds:.1f} s | "
        f"{cpu[1] / cpu[2]:.2f} |",
        "",
    ]


def full_tile(points: int) -> list[str]:
    """One tile of many points: as one task, and as units on one worker and on two."""
    lines = [
        f"**One tile of {points:,} points**, triangles and cells",
        "",
        "| | wall time | CPU time | peak memory | faster by |",
        "|---|---|---|---|---|",
    ]
    ways = {
        "one task": (2, 0),
        "units, 1 worker": (1, points // 10),
        "units, 2 workers": (2, points // 10),
    }
    first = 0.0
    for way, (count, units) in ways.items():
        with (
            workers(count) as session,
            tempfile.TemporaryDirectory() as name,
            Memory() as memory,
        ):
            before = sum(processor_seconds())
            spec = world(Path(name), 1, 1, 64, points, units)
            seconds = make(session, spec, Path(name), TESSELLATION).seconds
            cpu = sum(processor_seconds()) - before
        first = first or seconds
        lines.append(
            f"| {way} | {seconds:.1f} s | {cpu:.1f} s | {memory.peak / 2**20:,.0f} MiB | "
            f"{first / seconds:.2f} |"
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
                spec = world(Path(folder), side, side, 16, 2_500)
                run = make(session, spec, Path(folder), TESSELLATION)
            lines.append(
                f"| {name} | {run.rim:.1f} s | {run.seconds:.1f} s | {run.rim / run.seconds:.0%} |"
            )
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="a tenth of the points")
    options = parser.parse_args()
    lines = [
        *many_points(*((10, 10) if options.quick else (40, 25))),
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
