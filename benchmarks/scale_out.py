"""What hosts cost beside their tiles: CPU of scheduler and run, and the scheduler's memory.

    python benchmarks/scale_out.py [--side 30] [--workers 2] [--efficiency | --trivial N] [--write]

A Dask cluster of processes of this machine makes the points of a world of `side` squared tiles,
with the journal in a file. CPU times hold on a busy machine too; the wall does not. With
`--trivial N` sends N trivial tasks instead, in blocks of 50 to the hosts' own pools. With
`--efficiency` a tile lasts 100 ms more without using a core, and what is told is the time that
workers spent in tiles over the time that they had: with the pools' start, with hosts that stand
by for the run, and warm.
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
from host_chores import TimedPoints, squares_on_host
from report import machine, write_section

from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.materialize.hosts.cluster import open_cluster
from synthgrid_assets.materialize.hosts.course import LARGEST, HostWork, make_on_hosts
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
points_per_km2 = {density}
"""


@contextlib.contextmanager
def cluster_of(
    workers: int, folder: Path, threads: int = 1, stand_by: bool = False
) -> Iterator[tuple[str, psutil.Process]]:
    """A scheduler and workers, which may stand by for a run; its address and its process."""
    preload = ("--preload", "synthgrid_assets.materialize.hosts.dask_preload")
    file = folder / "scheduler.json"
    run = [sys.executable, "-W", "ignore", "-m"]
    quiet = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "env": os.environ
        | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    }
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
            [*run, "distributed.cli.dask_worker", address, "--nthreads", str(threads), "--no-nanny",
             "--no-dashboard", "--local-directory", str(folder), *preload[: 2 * stand_by]],
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
        path.write_text(WORLD.format(cells=4 * side, density=100.0))
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


def trivial(number: int, workers: int) -> list[str]:
    """What Dask and the hosts' pools cost beside the work of a tile, its file and its receipt."""
    from distributed import Client

    with (
        tempfile.TemporaryDirectory() as name,
        cluster_of(workers, Path(name)) as (address, found),
        Client(address, set_as_default=False) as client,
    ):
        client.wait_for_workers(workers)

        def send(count: int) -> None:
            starts = list(range(0, count, LARGEST))
            sizes = [min(LARGEST, count - start) for start in starts]
            futures = client.map(squares_on_host, starts, sizes, pure=False, retries=0)
            assert sum(client.gather(futures)) == count

        send(200 * workers)  # pools are started
        memory, before, begun = found.memory_info().rss, cpu_of_all(), time.perf_counter()
        send(number)
        wall, after = time.perf_counter() - begun, cpu_of_all()
        grown = found.memory_info().rss
    spent = sum(after[one] - before.get(one, 0.0) for one in after)
    scheduler = after[found.pid] - before[found.pid]
    return [
        f"| {number:,} trivial tasks in blocks of {LARGEST} on {workers} hosts of one worker, wall "
        f"| {wall / number * 1e6:.0f} us |",
        f"| CPU of all processes a task, with the workers' own | {spent / number * 1e6:.0f} us |",
        f"| CPU of the scheduler a task | {scheduler / number * 1e6:.1f} us |",
        f"| its memory before and after | {memory / 1e6:.0f} and {grown / 1e6:.0f} MB |",
    ]


def cpu_of_all() -> dict[int, float]:
    """CPU seconds of this process and all below it, by process."""
    found = {}
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            found[process.pid] = cpu(process)
    return found


def settled(workers: int) -> None:
    """Wait until a cluster's processes have started."""
    before = cpu_of_all()
    while True:
        time.sleep(1.0)
        now = cpu_of_all()
        if len(now) > workers and sum(now.values()) - sum(before.values()) < 0.1 * workers:
            return
        before = now


def efficiency(side: int, workers: int, threads: int, stand_by: bool) -> list[str]:
    """Share of their time that workers spend in tiles of at least 100 ms."""
    rows, start = [], "by hosts that stood by" if stand_by else "with the pools' start"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "many.toml"
        path.write_text(WORLD.format(cells=4 * side, density=100.0))
        context = open_layer(load_spec(path), "trees", folder / "data")
        os.environ["SYNTHGRID_DATA"] = ""
        with cluster_of(workers, folder, threads, stand_by) as (address, _):
            settled(workers)
            cluster = open_cluster(f"dask://{address}")
            work = HostWork("benchmark", Settings(workers=1), all_cores=False)
            tiles = list(context.spec.world.tiling)
            with Journal(context.layout) as journal:
                for part, what in ((tiles[::2], start), (tiles[1::2], "warm")):
                    begun, spent = time.perf_counter(), 0.0
                    for made in make_on_hosts(
                        lambda: cluster, work, journal, context, (TimedPoints(),), part
                    ):
                        assert not isinstance(made, TileFailed), made.error
                        spent += sum(receipt.total_seconds for receipt in made.receipts)
                    wall = time.perf_counter() - begun
                    rows.append(
                        f"| {len(part)} tiles of {spent / len(part) * 1e3:.0f} ms on {workers} "
                        f"hosts of one worker, {what} | {100 * spent / workers / wall:.1f} % of "
                        f"ideal ({wall:.1f} s) |"
                    )
            cluster.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of a Dask worker")
    parser.add_argument("--trivial", type=int, default=0, help="so many trivial tasks instead")
    parser.add_argument("--efficiency", action="store_true", help="of tiles of 100 ms")
    parser.add_argument("--write", action="store_true", help="put the table in RESULTS.md")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    section = "scale_out"
    if chosen.trivial:
        rows, section = trivial(chosen.trivial, chosen.workers), "scale_out_trivial"
    elif chosen.efficiency:
        section = "scale_out_efficiency"
        rows = efficiency(chosen.side, chosen.workers, chosen.threads, stand_by=False)
        rows += efficiency(chosen.side, chosen.workers, chosen.threads, stand_by=True)
    else:
        rows = measured(chosen.side, chosen.workers)
    stated = f"load {load:.1f} before and {os.getloadavg()[0]:.1f} after."
    table = "\n".join([stated, "", "| what | measured |", "| --- | --- |", *rows])
    print(machine(), table, sep="\n\n")
    if chosen.write:
        write_section(section, table)


if __name__ == "__main__":
    main()
