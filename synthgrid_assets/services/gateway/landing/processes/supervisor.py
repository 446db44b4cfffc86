"""The supervisor: starts workers, ends those that hang or grow, and says what they were at.

Belongs here: one loop over processes. Not here: work (`worker`).

Workers are forked from a process that has loaded everything and holds no thread: a new one is
there in milliseconds and shares most of its memory. The supervisor itself keeps no connection
open while it forks.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from synthgrid_assets.errors import StorageError
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.bodies import Bodies
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.inbox.retention import Retention, RetentionPolicy
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets.services.gateway.inbox.work_queue import WorkQueue, owner_name_of
from synthgrid_assets.services.gateway.landing.callbacks import run_courier
from synthgrid_assets.services.gateway.landing.processes.process_limits import (
    die_with_parent,
    resident_bytes,
)
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.rehearsal import rehearse
from synthgrid_assets.services.gateway.landing.processes.worker import OUT_OF_MEMORY, run_worker
from synthgrid_assets.services.gateway.landing.staging import publish, sweep_staging
from synthgrid_assets.services.gateway.log import tell
from synthgrid_assets.services.gateway.options import GatewayOptions
from synthgrid_assets.storage.store import open_store

TIMED_OUT, TOO_LARGE, CRASHED = "timed_out", "out_of_memory", "worker_crashed"
_LOOK = 0.05  # seconds between two looks
_TIDY = 5.0  # seconds between two sweeps
_COMMIT = 4.0  # a commit may take that many times the time of a chunk
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
_PAUSE = 1.0  # seconds before a worker that lived for less is replaced


@dataclass
class _Child:
    """One process and what is known of it."""

    pid: int
    progress: Progress
    owner: str
    began: float
    verdict: str = ""  # why it was ended by us


@dataclass
class _Slot:
    """A place for a process that is filled again whenever it is empty."""

    run: Callable[[Progress, int], None]
    name: str
    child: _Child | None = None
    not_before: float = 0.0
    progress: Progress = field(default_factory=Progress)


class Supervisor:
    """Looks after the landing workers and the courier of one machine.

    Parameters
    ----------
    options : GatewayOptions
        How many, and what each may take.
    """

    def __init__(self, options: GatewayOptions) -> None:
        self._options = options
        self._store = open_store(options.data)
        self._database = Database(options.database, INBOX, private=True)
        self._queue = WorkQueue(self._database)
        self._ledger = Ledger(self._database)
        self._bodies = Bodies(options.bodies, self._database)
        policy = RetentionPolicy(options.keep_seconds, options.keep_jobs)
        self._retention = Retention(self._database, policy)
        self._slots = [
            _Slot(lambda progress, parent: run_worker(options, progress, parent), f"worker-{n}")
            for n in range(options.workers)
        ]
        self._slots.append(_Slot(lambda progress, parent: run_courier(options, parent), "courier"))
        self._asked = False
        self._tidied = 0.0
        self._resident = 0  # of a worker at its start, as it is forked from this process

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Supervise until SIGTERM or SIGINT; then let jobs in work end, for the grace period.

        Parameters
        ----------
        ready : callable
            Called when workers may land: at the first start of an installation that takes a
            minute, for kernels are compiled.
        """
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)
        tell("preparing to land", about="a first start compiles for a minute; deliveries are kept")
        tell("ready to land", seconds=round(rehearse(), 3), workers=self._options.workers)
        ready()
        self._resident = resident_bytes(os.getpid())
        self._queue.release_dead_owners()
        while not self._asked:
            self._look()
            time.sleep(_LOOK)
        self._drain()
        self._database.close()
        tell("landing stopped")

    def _ask(self, number: int, frame: object) -> None:
        self._asked = True

    def _look(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.child is not None:
                self._watch(slot, slot.child, now)
            elif now >= slot.not_before:
                self._start(slot, now)
        if now - self._tidied > _TIDY:
            self._tidied = now
            self._tidy()

    def _start(self, slot: _Slot, now: float) -> None:
        self._database.close()  # a child must not share connections
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                slot.run(slot.progress, parent)
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
            except BaseException as error:
                tell("process failed", name=slot.name, error=repr(error))
            finally:
                sys.stderr.flush()
                os._exit(code)
        slot.child = _Child(pid, slot.progress, owner_name_of(pid), now)
        tell("process started", name=slot.name, pid=pid)

    def _watch(self, slot: _Slot, child: _Child, now: float) -> None:
        ended, status = os.waitpid(child.pid, os.WNOHANG)
        if ended:
            self._ended(slot, child, status, now)
            return
        limits, at = self._options.worker_limits, child.progress.read()
        if not at.job or child.verdict:
            return
        allowed = limits.seconds * (1.0 if at.size > 0 else _COMMIT)
        if now - at.began > allowed:
            self._end(child, TIMED_OUT)
        elif resident_bytes(child.pid) - self._resident > limits.memory:
            self._end(child, TOO_LARGE)

    def _end(self, child: _Child, verdict: str) -> None:
        child.verdict = verdict
        tell("worker ended", pid=child.pid, reason=verdict, job=child.progress.read().job)
        os.kill(child.pid, signal.SIGKILL)

    def _ended(self, slot: _Slot, child: _Child, status: int, now: float) -> None:
        """Find out why, accuse what it was at if that is to blame, and free its leases.

        A kill by somebody else, or of the kernel for want of memory elsewhere, is nobody's
        fault: its jobs are tried again, a limited number of times.
        """
        slot.child = None
        crashed = os.WIFSIGNALED(status) and os.WTERMSIG(status) in _CRASHES
        said = os.WIFEXITED(status) and os.WEXITSTATUS(status) == OUT_OF_MEMORY
        reason = child.verdict or (CRASHED if crashed else "")
        at = child.progress.read()
        tell("process ended", name=slot.name, pid=child.pid, status=status, reason=reason)
        try:
            if reason and not said and at.job and at.size > 0:
                self._queue.accuse(at.job, at.first, at.size, reason)
            self._queue.release_owner(child.owner)
        except StorageError as error:  # the leases run out by themselves
            tell("cannot free leases", error=str(error))
        if now - child.began < _PAUSE and status != 0 and not said:
            slot.not_before = now + _PAUSE
        slot.progress = Progress()

    def _tidy(self) -> None:
        try:
            publish(self._store, self._ledger)
            sweep_staging(self._store, self._ledger)
            self._bodies.sweep()
            self._queue.release_dead_owners()
            if removed := self._retention.remove_old():
                tell("old jobs removed", jobs=removed)
        except StorageError as error:
            tell("cannot tidy", error=str(error))

    def _drain(self) -> None:
        children = [slot.child for slot in self._slots if slot.child is not None]
        for child in children:
            os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + self._options.grace
        while children and time.monotonic() < deadline:
            children = [child for child in children if not os.waitpid(child.pid, os.WNOHANG)[0]]
            time.sleep(_LOOK)
        for child in children:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            self._queue.release_owner(child.owner)


def run_supervisor(
    options: GatewayOptions, parent: int, ready: Callable[[], None] = lambda: None
) -> None:
    """Supervise in this process; with a parent, no longer than that lives."""
    if parent:
        die_with_parent(parent, signal.SIGTERM)
    Supervisor(options).run(ready)
