"""What hosts cost beside their tiles: CPU of scheduler and run, and the scheduler's memory.

    python benchmarks/scale_out.py [--side 30] [--workers 2] [--write]

A Dask cluster of processes of this machine makes the points of a world of `side` squared tiles,
with the journal in a file. CPU times hold on a busy machine too; the wall does not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from report import machine, write_section

from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.materialize.hosts.cluster import open_cluster
from synthgrid_assets.materialize.hosts.course import HostWork, make_on_hosts
from synthgrid_assets.materialize.run import TileFailed
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.validation import load_spec

WORLD = """
[world]
name = "many"
seed = "many small tiles"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [0, 0, {cells}, {cells}]
tile = 4

[layers.trees]
process = "poisson"
points_per_km2 = 100.0
"""


@contextlib.contextmanager
def cluster_of(workers: int, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A scheduler and workers; its address and its process."""
    file = folder / "scheduler.json"
    run = [sys.executable, "-W", "ignore", "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen(
        [*run, "distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1",
         "--no-dashboard", "--scheduler-file", str(file)],
        **quiet,
    )  # fmt: skip
    while not file.exists():
        time.sleep(0.1)
    address = json.loads(file.read_text())["address"].removeprefix("tcp://")
    started = [
        subprocess.Popen(
            [*run, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny",
             "--no-dashboard", "--local-directory", str(folder)],
            **quiet,
        )
        for _ in range(workers)
    ]  # fmt: skip
    try:
        yield address, psutil.Process(scheduler.pid)
    finally:
        for process in (*started, scheduler):
            process.kill()
            process.wait()


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def measured(side: int, workers: int) -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "many.toml"
        path.write_text(WORLD.format(cells=4 * side))
        spec = load_spec(path)
        context = open_layer(spec, "trees", folder / "data")
        os.environ["SYNTHGRID_DATA"] = ""
        with cluster_of(workers, folder) as (address, scheduler):
            cluster = open_cluster(f"dask://{address}")
            work = HostWork("benchmark", Settings(workers=1), all_cores=False)
            products, tiles = products_named("points"), list(spec.world.tiling)
            with Journal(context.layout) as journal:

                def make(chosen: list) -> None:
                    for made in make_on_hosts(
                        lambda: cluster, work, journal, context, products, chosen
                    ):
                        assert not isinstance(made, TileFailed), made.error

                make(tiles[: 10 * workers])  # pools are started, memory is settled
                before = cpu(scheduler), time.process_time(), scheduler.memory_info().rss
                begun = time.perf_counter()
                make(tiles)
                wall = time.perf_counter() - begun
                after = cpu(scheduler), time.process_time(), scheduler.memory_info().rss
            cluster.close()
    n = len(tiles)
    return [
        f"| {n:,} tiles on {workers} hosts of one worker, wall a tile | {wall / n * 1e3:.1f} ms |",
        f"| CPU of the scheduler a tile | {(after[0] - before[0]) / n * 1e6:.0f} us |",
        f"| CPU of the run's process a tile | {(after[1] - before[1]) / n * 1e6:.0f} us |",
        f"| the scheduler's memory before and after | {before[2] / 1e6:.0f} and "
        f"{after[2] / 1e6:.0f} MB |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="put the table in RESULTS.md")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    rows = measured(chosen.side, chosen.workers)
    stated = f"load {load:.1f} before and {os.getloadavg()[0]:.1f} after."
    table = "\n".join([stated, "", "| what | measured |", "| --- | --- |", *rows])
    print(machine(), table, sep="\n\n")
    if chosen.write:
        write_section("scale_out", table)


if __name__ == "__main__":
    main()
