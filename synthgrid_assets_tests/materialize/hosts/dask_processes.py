"""A Dask scheduler and workers as processes of their own, which a test may kill, stop, or lose."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

START = 60  # seconds


class DaskProcesses:
    """One scheduler, and workers of one thread each; their logs lie in a folder.

    Every other worker stands by for its first run, as the documentation has them do.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder, self._all = folder, []
        self.file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--host", "127.0.0.1")
        self._until(self.file.exists)
        self.address = json.loads(self.file.read_text())["address"].removeprefix("tcp://")
        self.workers = [self.start_worker() for _ in range(workers)]

    def start_worker(self) -> subprocess.Popen:
        number = len(self._all)
        one_thread = ("--nthreads", "1", "--no-nanny", "--name", f"w{number}")
        here = ("--local-directory", str(self.folder / "spill"), "--host", "127.0.0.1")
        stands_by = number % 2 == 0
        ready = ("--preload", "synthgrid_assets.materialize.hosts.dask_preload") * stands_by
        return self._start("worker", self.address, *one_thread, *here, *ready)

    def _start(self, what: str, *arguments: str) -> subprocess.Popen:
        log = (self.folder / f"{what}-{len(self._all)}.log").open("wb")
        file = ("--scheduler-file", str(self.file)) if what == "scheduler" else ()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", f"distributed.cli.dask_{what}"),
                *arguments,
                *file,
                "--no-dashboard",
            ],
            env={**os.environ, "SYNTHGRID_LOG": "debug", "PYTHONWARNINGS": "ignore"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self._all.append(process)
        return process

    def computed(self) -> Counter:
        """How often each task was begun on the hosts, by its key."""
        counts: Counter = Counter()
        for log in self.folder.glob("worker-*.log"):
            for line in log.read_text(errors="replace").splitlines():
                with contextlib.suppress(json.JSONDecodeError):
                    found = json.loads(line)
                    counts[found.get("task")] += found.get("event") == "task begins"
        return +counts

    def end(self) -> None:
        for process in self._all:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
        for process in self._all:
            process.wait(START)

    def _until(self, holds) -> None:
        until = time.monotonic() + START
        while not holds():
            assert time.monotonic() < until, "Dask did not start"
            time.sleep(0.05)
