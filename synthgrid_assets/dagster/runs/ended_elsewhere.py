"""Runs that somebody has ended while a process executes them: canceled, failed or deleted.

Belongs here: how that is seen, also in the middle of a long step. Not here: ending the run
(`executor`), runs without a process (`abandoned`).

A cancel in the UI reaches the processes that Dagster's launchers have started. Nobody tells one
that runs in a command or a program, and nobody tells any of a run that was canceled by force, or
deleted.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

import dagster as dg

LOOK = 2.0  # seconds between two looks
_GOING_ON = [
    dg.DagsterRunStatus[name]
    for name in ("QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED")
]
DELETED = "the run was deleted in Dagster; its committed tiles stay, and the next run tells of them"


def is_ended(instance: dg.DagsterInstance, run_id: str, *own: dg.DagsterRunStatus) -> bool:
    """Whether a run that this process executes has ended, or is to end.

    Parameters
    ----------
    instance : DagsterInstance
    run_id : str
    *own : DagsterRunStatus
        How it may have ended by itself.
    """
    going_on = dg.RunsFilter(run_ids=[run_id], statuses=[*_GOING_ON, *own])
    return not instance.get_runs_count(going_on)  # a run itself is long to read


class EndWatch:
    """Interrupts the main thread, once, when the run that it executes has ended elsewhere.

    Parameters
    ----------
    instance : DagsterInstance
    run_id : str
    """

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self._instance, self._run_id = instance, run_id
        self._over = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs; not where no interrupt can reach it, in another thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        watcher = threading.Thread(target=self._watch, daemon=True, name="synthgrid-end-watch")
        watcher.start()
        try:
            yield
        finally:
            self.stop()
            watcher.join()

    def stop(self) -> None:
        """Interrupt nobody any more, as once the run is being ended here."""
        self._over.set()

    def _watch(self) -> None:
        by_itself = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
        while not self._over.wait(LOOK):
            with contextlib.suppress(Exception):  # a database that cannot be asked says nothing
                if is_ended(self._instance, self._run_id, *by_itself) and not self._over.is_set():
                    self._over.set()
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
