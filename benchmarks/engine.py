"""The engine's own cost: overhead a task, memory over many tasks, efficiency, against a peer.

    python benchmarks/engine.py [--tasks 100000] [--peers [--ray PYTHON]] [--write]

PYTHON is the interpreter of an environment that has ray and pyarrow, which needs none of ours.

The table states the load of the machine before and after: wall times of a busy machine are
upper bounds, CPU times and memory hold anyway.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import tables
from report import machine, write_section

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings, usable_cores
from synthgrid_assets.engine.task import Task
from synthgrid_assets.testing import executor_chores as chores

PRELOAD = ("synthgrid_assets.testing.executor_chores",)
WINDOW = 64


def resident() -> int:
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm") as statm:  # noqa: PTH123 (a path of the kernel's)
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def squares(number: int) -> Iterator[Task]:
    return (Task(str(n), chores.square, (n,)) for n in range(number))


def naps(number: int, seconds: float) -> Iterator[Task]:
    return (Task(str(n), chores.spin, (seconds,)) for n in range(number))


def drain(session: EngineSession, tasks: Iterator[Task]) -> int:
    return sum(len(group) for group in session.map_groups(tasks))


def overhead(workers: int, tasks: int) -> list[str]:
    """Wall and CPU of the orchestrating process a task, and its memory from 1,000 tasks on."""
    settings = Settings(workers=workers, window=WINDOW, recycle_after=10**9)
    with EngineSession(settings, PRELOAD) as session:
        drain(session, squares(1000))
        gc.collect()
        before = resident()
        wall, cpu = time.perf_counter(), time.process_time()
        drain(session, squares(tasks))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        gc.collect()
        after = resident()
    return [
        f"| {tasks:,} trivial tasks, wall a task | {wall / tasks * 1e6:.1f} us |",
        f"| CPU of the orchestrating process a task | {cpu / tasks * 1e6:.1f} us |",
        f"| its memory after 1,000 and after {tasks:,} | {before / 1e6:.1f} and "
        f"{after / 1e6:.1f} MB ({100 * (after / before - 1):+.1f} %) |",
    ]


def peer(workers: int, tasks: int) -> float:
    """Seconds a task of a `ProcessPoolExecutor` with a window of the same size."""
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        list(pool.map(chores.square, range(100)))
        held: deque = deque()
        begun = time.perf_counter()
        for n in range(tasks):
            held.append(pool.submit(chores.square, n))
            if len(held) == WINDOW:
                held.popleft().result()
        while held:
            held.popleft().result()
        return (time.perf_counter() - begun) / tasks


def peers(workers: int, rows: int, number: int, ray: str) -> list[str]:
    """The same tables made and committed, by the engine and by what one would write first.

    Ours commit in the worker and send 1 kB home; theirs send the table home and commit there.
    """
    folder = Path(tempfile.mkdtemp())
    measured: dict[str, tuple[float, float]] = {}

    def measure(name: str, work: Callable[[], object]) -> None:
        wall, before = time.perf_counter(), time.process_time()
        work()
        measured[name] = time.perf_counter() - wall, time.process_time() - before

    def ours() -> None:
        tasks = (
            Task(str(n), tables.make_and_commit, (str(folder / f"{n}"), rows))
            for n in range(number)
        )
        with EngineSession(Settings(workers=workers), ("tables",)) as session:
            drain(session, tasks)

    def pool_map() -> None:
        with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
            for n, table in enumerate(pool.map(tables.make, [rows] * number)):
                tables.commit(str(folder / f"{n}"), table)

    def gather() -> None:
        with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:

            async def one(n: int) -> None:
                loop = asyncio.get_running_loop()
                table = await loop.run_in_executor(pool, tables.make, rows)
                await loop.run_in_executor(None, tables.commit, str(folder / f"{n}"), table)

            async def all_of_them() -> None:
                await asyncio.gather(*(one(n) for n in range(number)))

            asyncio.run(all_of_them())

    def dask() -> None:
        from distributed import Client, LocalCluster

        with (
            LocalCluster(workers, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            for n, future in enumerate(client.map(tables.make, [rows] * number, pure=False)):
                tables.commit(str(folder / f"{n}"), future.result())

    def by_ray() -> None:
        script = Path(__file__).with_name("engine_ray.py")
        told = subprocess.run(
            [ray, str(script), str(workers), str(rows), str(number), str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        measured["Ray"] = tuple(json.loads(told.splitlines()[-1]))

    try:
        for name, work in (
            ("this engine", ours),
            ("`ProcessPoolExecutor.map`", pool_map),
            ("`asyncio.gather` over a pool", gather),
            ("plain Dask", dask),
        ):
            measure(name, work)
        if ray:
            by_ray()
    finally:
        shutil.rmtree(folder)
    wall, cpu = measured["this engine"]
    return [
        f"| {name}: {number} tables of {rows:,} rows | {w:.1f} s ({w / wall:.1f} times ours), "
        f"CPU of this process {c:.2f} s ({c / cpu:.1f}) |"
        for name, (w, c) in measured.items()
    ]


def efficiency(workers: int, seconds: float, number: int) -> float:
    """Time that workers spent in tasks over the time that they had."""
    with EngineSession(Settings(workers=workers), PRELOAD) as session:
        drain(session, squares(100))
        before, begun = session.statistics().busy_seconds, time.perf_counter()
        drain(session, naps(number, seconds))
        spent = time.perf_counter() - begun
        return (session.statistics().busy_seconds - before) / (workers * spent)


def timed(title: str, measure: Callable[[], float], unit: str, scale: float) -> str:
    return f"| {title} | {measure() * scale:.1f} {unit} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=usable_cores())
    parser.add_argument("--write", action="store_true", help="put the table in RESULTS.md")
    parser.add_argument("--ray", default="", help="an interpreter that has ray")
    parser.add_argument("--peers", action="store_true", help="only tables against other ways")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    if chosen.peers:
        told(chosen, "engine_peers", peers(chosen.workers, 20_000, 100, chosen.ray), load)
        return
    few = max(chosen.tasks // 10, 1000)
    rows = overhead(chosen.workers, chosen.tasks)
    rows += [
        timed("`ProcessPoolExecutor`, wall a task", lambda: peer(chosen.workers, few), "us", 1e6),
        timed("efficiency at 5 ms", lambda: efficiency(chosen.workers, 0.005, 400), "%", 100),
        timed("efficiency at 50 ms", lambda: efficiency(chosen.workers, 0.05, 80), "%", 100),
    ]
    told(chosen, "engine", rows, load)


def told(chosen: argparse.Namespace, section: str, rows: list[str], load: float) -> None:
    """Print the table, and put it in RESULTS.md if that is asked for."""
    stated = f"{chosen.workers} workers; load {load:.1f} before and {os.getloadavg()[0]:.1f} after."
    table = "\n".join([stated, "", "| what | measured |", "| --- | --- |", *rows])
    print(machine(), table, sep="\n\n")
    if chosen.write:
        write_section(section, table)


if __name__ == "__main__":
    main()
