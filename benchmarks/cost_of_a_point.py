"""What a point costs: this version, an earlier one and a pipeline without checks, in one run.

Belongs here: the programs that are measured, each in a process of its own. `scale.py` prints
their table. An earlier version runs from a checkout of its own, with its own modules.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

EARLIER = "f402eda"
PROJECT = Path(__file__).resolve().parents[1]
TILE = 32  # cells

# Runs in either version: what it imports has the same names in both.
MAKE = """
import json, sys, tempfile
from pathlib import Path
from scale import processor_seconds, workers
from synthgrid_assets_tests.large_world import POINTS, TESSELLATION, PeakResident, large_spec, make
columns, rows, points = map(int, sys.argv[1:])
with workers(1) as session, tempfile.TemporaryDirectory() as name:
    small = Path(name, "small")
    small.mkdir()
    make(session, large_spec(small, [0, 0, 8, 8], 4, 100), small, ("density",))
    # the layer's replicates, which are made once, are not counted
    make(session, large_spec(Path(name), [0, 0, 32, 32], 32, points), Path(name), POINTS)
    spec = large_spec(Path(name), [0, 32, columns * 32, (rows + 1) * 32], 32, points)
    with PeakResident() as peak:
        before = sum(processor_seconds())
        made = [make(session, spec, Path(name), n) for n in (POINTS, ("density",), TESSELLATION)]
        spent = sum(processor_seconds()) - before
    print(json.dumps({"seconds": spent, "points": made[0].rows, "peak": peak.bytes}))
"""

# As MAKE, by two workers over very many tiles.
MANY = """
import json, sys, tempfile, time
from pathlib import Path
from scale import processor_seconds, workers
from synthgrid_assets_tests.large_world import POINTS, TESSELLATION, PeakResident, large_spec, make
columns, rows, points = map(int, sys.argv[1:])
with workers(2) as session, tempfile.TemporaryDirectory() as name, PeakResident() as peak:
    small = Path(name, "small")
    small.mkdir()
    for names in (POINTS, ("density",), TESSELLATION):  # the layer's replicates are not counted
        make(session, large_spec(small, [0, 0, 64, 32], 32, points), small, names)
    spec = large_spec(Path(name), [0, 64, columns * 32, rows * 32 + 64], 32, points)
    own, below = processor_seconds()
    made = [make(session, spec, Path(name), n) for n in (POINTS, ("density",), TESSELLATION)]
    own_then, below_then = processor_seconds()
    size = sum(file.stat().st_size for file in Path(name, "large").rglob("*.parquet"))
    print(json.dumps({"points": made[0].rows, "tiles": made[0].tiles, "size": size,
                      "wall": sum(run.seconds for run in made), "drawn": made[0].seconds,
                      "own": own_then - own, "below": below_then - below, "peak": peak.bytes}))
"""

# The same points as polygons and triangles of GEOS, written by geopandas; nothing is tested.
NAIVE = """
import json, sys, tempfile, time
from pathlib import Path
import geopandas, numpy, shapely
from synthgrid_assets_tests.large_world import PeakResident
columns, rows, points = map(int, sys.argv[1:])
rng, side = numpy.random.default_rng(1), 2048.0
xy = [rng.uniform(0, side, (points, 2)) for _ in range(columns * rows)]
def write(geometry, path):
    geopandas.GeoDataFrame(geometry=geometry, crs="EPSG:32633").to_parquet(path)
def cells(number):
    sites = shapely.multipoints(xy[number])
    write(shapely.get_parts(shapely.voronoi_polygons(sites)), folder / f"cells-{number}.parquet")
def others(number):
    write(shapely.points(xy[number]), folder / f"points-{number}.parquet")
    triangles = shapely.delaunay_triangles(shapely.multipoints(xy[number]))
    write(shapely.get_parts(triangles), folder / f"triangles-{number}.parquet")
with tempfile.TemporaryDirectory() as name, PeakResident() as peak:
    folder, spent = Path(name), []
    cells(0), others(0)
    for made in (cells, others):
        before = time.process_time()
        for number in range(len(xy)):
            made(number)
        spent.append(time.process_time() - before)
print(json.dumps({"seconds": sum(spent), "cells": spent[0], "points": points * len(xy),
                  "peak": peak.bytes}))
"""


# A whole command, as a user gives it: Dagster, all products, all evidence, start-up included.
WHOLE = """
import contextlib, json, os, resource, shutil, sys, tempfile
from pathlib import Path
from synthgrid_assets.cli import main
columns, rows, points = map(int, sys.argv[1:])
with tempfile.TemporaryDirectory() as name:
    os.environ |= {"DAGSTER_HOME": name, "SYNTHGRID_DATA": str(Path(name, "data"))}
    shutil.copy("dagster.yaml", name)
    os.chdir(name)
    Path("whole.toml").write_text(f'''
[world]
name = "whole"
seed = "whole"
crs = "EPSG:32633"
cell = 64.0
extent = [0, 0, {columns * 32}, {rows * 32}]
tile = 32
[layers.trees]
process = "poisson"
points_per_km2 = {points / 2.048**2}
[layers.trees.tessellation]
neighbours = true
''')
    sys.argv = ["synthgrid", "materialize", "whole.toml", "--workers", "1"]
    with contextlib.redirect_stdout(sys.stderr):
        try:
            main()
        except SystemExit as ended:
            assert not ended.code, ended
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    made = len([*Path("data").rglob("*.parquet")])
    assert made >= 4 * columns * rows, made
print(json.dumps({"seconds": sum(u.ru_utime + u.ru_stime for u in used),
                  "points": columns * rows * points}))
"""


def told(program: str, tree: Path, arguments: tuple[int | str, ...]) -> dict[str, float]:
    """What a program says last, with the modules of a tree."""
    path = os.pathsep.join((str(tree), str(tree / "benchmarks")))
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": ""},
        cwd=tree,  # its modules stand before those of the path
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{tree}: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def many_points(columns: int, rows: int, points: int) -> list[str]:
    """The table of very many tiles, made once by this version and once by the earlier one."""
    with tempfile.TemporaryDirectory() as name:
        trees = {"now": PROJECT, "earlier": checkout(EARLIER, Path(name))}
        found = [told(MANY, tree, (columns, rows, points)) for tree in trees.values()]
    now, earlier = found
    shown = {
        "wall time": ("wall", 1, "{:.0f} s"),
        "of it points": ("drawn", 1, "{:.0f} s"),
        "CPU time of the workers": ("below", 1, "{:.0f} s"),
        "CPU time of the orchestrating process": ("own", 1, "{:.1f} s"),
        "peak memory of all processes together": ("peak", 2**20, "{:,.0f} MiB"),
        "files": ("size", 2**20, "{:,.0f} MiB"),
    }
    lines = [
        f"**{now['points']:,.0f} points over {now['tiles']:,.0f} tiles**, with density, triangles "
        "and cells, all tests and receipts, on 2 workers, once each",
        "",
        f"| | this version | commit {EARLIER} | less by |",
        "|---|---|---|---|",
    ]
    for what, (key, unit, form) in shown.items():
        values = [form.format(run[key] / unit) for run in found]
        lines.append(f"| {what} | {' | '.join(values)} | {earlier[key] / now[key]:.2f} |")
    spent = [(run["own"] + run["below"]) / run["points"] * 1e6 for run in found]
    lines.append(
        f"| CPU time a point | {spent[0]:.2f} us | {spent[1]:.2f} us | {spent[1] / spent[0]:.2f} |"
    )
    return [*lines, ""]


def checkout(commit: str, folder: Path) -> Path:
    """The files of a commit, without touching the repository's own worktrees."""
    command = ["git", "-C", str(PROJECT), "archive", commit]
    packed = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def cost_of_a_point(
    columns: int, rows: int, points: int, rounds: int, command: tuple[int, int]
) -> list[str]:
    """The tables: microseconds of CPU a point, and peak memory; medians of rounds in turns.

    Beside them one whole command over `command` columns and rows of tiles.
    """
    size = (columns, rows, points)
    found: dict[str, list[dict[str, float]]] = {"now": [], "earlier": [], "naive": []}
    with tempfile.TemporaryDirectory() as name:
        earlier = checkout(EARLIER, Path(name))
        for _ in range(rounds):
            found["now"].append(told(MAKE, PROJECT, size))
            found["earlier"].append(told(MAKE, earlier, size))
            found["naive"].append(told(NAIVE, PROJECT, size))
        whole = {}
        for tree, key in ((PROJECT, "now"), (earlier, "earlier")):
            told(WHOLE, tree, (1, 1, points))  # compiles what has not been compiled
            whole[key] = told(WHOLE, tree, (*command, points))
    lines = [
        f"**What a point costs**: {columns * rows} tiles of {points:,} points, one worker, medians "
        f"of {rounds} in turns",
        "",
        "| | CPU a point | peak memory | ours by comparison |",
        "|---|---|---|---|",
    ]
    names = {
        "now": "points, density, triangles and cells, all tests and receipts",
        "earlier": f"the same at commit {EARLIER}",
        "naive": "points, triangles and cells by shapely and geopandas, no check",
    }
    cost = {key: _median(runs, "seconds") for key, runs in found.items()}
    for key, what in names.items():
        peak = statistics.median(run["peak"] for run in found[key]) / 2**20
        ratio = "" if key == "now" else f"{cost[key] / cost['now']:.2f} times cheaper"
        lines.append(f"| {what} | {cost[key]:.2f} us | {peak:,.0f} MiB | {ratio} |")
    alone = _median(found["naive"], "cells")
    lines.append(f"| its cells alone | {alone:.2f} us | | {alone / cost['now']:.2f} times |")
    return [*lines, "", *_of_commands(whole, command[0] * command[1])]


def _of_commands(whole: dict[str, dict[str, float]], tiles: int) -> list[str]:
    """The table of whole commands: all products, Dagster, all evidence and start-up."""
    lines = [
        f"**A whole command**: `synthgrid materialize` over {tiles} such tiles, with neighbours of "
        "cells, Dagster, evidence of the region and start-up, one worker, once",
        "",
        "| | CPU of all processes | CPU a point | ours by comparison |",
        "|---|---|---|---|",
    ]
    for key, what in (("now", "this version"), ("earlier", f"commit {EARLIER}")):
        run = whole[key]
        seconds = run["seconds"]
        cost, ratio = seconds / run["points"] * 1e6, seconds / whole["now"]["seconds"]
        told = "" if key == "now" else f"{ratio:.2f} times cheaper"
        lines.append(f"| {what} | {seconds:.1f} s | {cost:.1f} us | {told} |")
    return [*lines, ""]


def _median(runs: list[dict[str, float]], what: str) -> float:
    """Microseconds a point."""
    return statistics.median(run[what] / run["points"] for run in runs) * 1e6
