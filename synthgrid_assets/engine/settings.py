"""How an engine runs: numbers of workers, limits, and patience.

Belongs here: the settings and what they may be. Not here: what obeys them.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field

from synthgrid_assets.engine.circuit_breaker import BreakerSettings
from synthgrid_assets.errors import EngineError

TASKS_HELD_PER_WORKER = 8


def usable_cores() -> int:
    """Cores this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@dataclass(frozen=True)
class Settings:
    """How the engine runs.

    Parameters
    ----------
    workers : int
        Worker processes; the machine's usable cores when left out.
    window : int
        Most tasks held at once: waiting, running, or finished and not yet consumed. At least
        ``workers + 1``; 0 stands for eight per worker. How many of these are held follows
        the latency of commits (`depth`).
    window_bytes : int
        Bytes that the tasks held may be expected to need together (`Task.predicted_bytes`);
        half of the machine's memory when left out. A worker is never left idle for it.
    deadline : float
        Seconds one attempt may take before its worker is killed.
    attempts : int
        Attempts a task may make when its errors are retryable.
    recycle_after : int
        Tasks after which a worker is replaced by a fresh one.
    recycle_above : int or None
        Bytes of memory that a worker holds after a task beyond which it is replaced by a
        fresh one; None for never.
    memory_cap : int or None
        Bytes of private memory a worker may hold (``RLIMIT_DATA``); None for no cap. Beyond
        it NumPy, Arrow and Qhull raise `MemoryError` and the worker lives on.
    grace : float
        Seconds that running tasks get to finish when work is cancelled.
    backoff : float
        Seconds the first retry waits at most; doubles with every further one.
    backoff_limit : float
        Seconds any retry waits at most.
    breaker : BreakerSettings
        When writing counts as too slow to go on.
    shares_host : bool
        Whether this engine's workers and those of other such engines of this user are one per
        core together, or as many as the settings ask for.
    run_id : str
        Names what the engine works for in the log, in workers too; a session sets it.

    Raises
    ------
    EngineError
        For a value out of range.

    Examples
    --------
    >>> Settings(workers=2).window
    16
    """

    workers: int = field(default_factory=usable_cores)
    window: int = 0
    window_bytes: int = field(default_factory=lambda: machine_memory() // 2)
    deadline: float = 900.0
    attempts: int = 3
    recycle_after: int = 1000
    recycle_above: int | None = None
    memory_cap: int | None = None
    grace: float = 2.0
    backoff: float = 0.2
    backoff_limit: float = 20.0
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    shares_host: bool = False
    run_id: str = ""

    def __post_init__(self) -> None:
        if self.window == 0:
            object.__setattr__(self, "window", TASKS_HELD_PER_WORKER * max(self.workers, 1))
        self._require(self.workers >= 1, "workers", "at least 1")
        self._require(self.window > self.workers, "window", f"at least {self.workers + 1}")
        self._require(_positive(self.deadline), "deadline", "a positive number of seconds")
        self._require(self.attempts >= 1, "attempts", "at least 1")
        self._require(self.recycle_after >= 1, "recycle_after", "at least 1")
        for name in ("memory_cap", "recycle_above", "window_bytes"):
            value = getattr(self, name)
            self._require(value is None or value > 0, name, "a positive number of bytes")
        for name in ("grace", "backoff", "backoff_limit"):
            value = getattr(self, name)
            self._require(value >= 0 and math.isfinite(value), name, "0 seconds or more")

    def _require(self, holds: bool, name: str, wanted: str) -> None:
        if not holds:
            found = getattr(self, name)
            raise EngineError(f"engine settings: {name} must be {wanted}, got {found!r}")


def _positive(seconds: float) -> bool:
    return seconds > 0 and math.isfinite(seconds)
