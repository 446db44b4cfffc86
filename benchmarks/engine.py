"""The engine's own cost: overhead a task, memory over many tasks, efficiency, against a peer.

    python benchmarks/engine.py [--tasks 100000] [--write]

The table states the load of the machine before and after: wall times of a busy machine are
upper bounds, CPU times and memory hold anyway.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

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
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    few = max(chosen.tasks // 10, 1000)
    rows = overhead(chosen.workers, chosen.tasks)
    rows += [
        timed("`ProcessPoolExecutor`, wall a task", lambda: peer(chosen.workers, few), "us", 1e6),
        timed("efficiency at 5 ms", lambda: efficiency(chosen.workers, 0.005, 400), "%", 100),
        timed("efficiency at 50 ms", lambda: efficiency(chosen.workers, 0.05, 80), "%", 100),
    ]
    stated = f"{chosen.workers} workers; load {load:.1f} before and {os.getloadavg()[0]:.1f} after."
    table = "\n".join([stated, "", "| what | measured |", "| --- | --- |", *rows])
    print(machine(), table, sep="\n\n")
    if chosen.write:
        write_section("engine", table)


if __name__ == "__main__":
    main()
