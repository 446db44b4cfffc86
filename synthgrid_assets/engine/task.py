"""What crosses the engine's borders: tasks, outcomes, settings.

Belongs here: the records. Not here: who runs a task (`pool`), how many at once
(`window`), or what a task computes (the caller's function).
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from synthgrid_assets.errors import EngineError

TASKS_HELD_PER_WORKER = 4


@dataclass(frozen=True)
class Task:
    """One call to make in a worker process.

    Parameters
    ----------
    key : str
        Names the task in outcomes and messages, as ``+00384_24|-00024_24``.
    function : callable
        Importable by name: workers never import the caller's ``__main__``.
    arguments : tuple
        Positional arguments; they and the result travel pickled, so keep them small.
    priority : float
        Higher starts first among the tasks that wait for a worker.
    predicted_bytes : int
        Memory the call is expected to need beyond the worker's own; 0 if unknown.
        A prediction above `Settings.memory_cap` is refused before it runs.

    Examples
    --------
    >>> import math
    >>> Task("tile", math.hypot, (3.0, 4.0)).priority
    0.0
    """

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    priority: float = 0.0
    predicted_bytes: int = 0


@dataclass(frozen=True)
class Reply:
    """What a worker sent back: the result, the seconds it took and the worker's pid."""

    result: Any
    seconds: float
    worker_pid: int


@dataclass(frozen=True)
class Done:
    """A task that returned.

    Parameters
    ----------
    key : str
        The task's.
    result : object
        What the function returned.
    seconds : float
        Time in the function, of the attempt that succeeded.
    worker_pid : int
        The process that ran it.
    attempts : int
        1 when it succeeded at once.
    """

    key: str
    result: Any
    seconds: float
    worker_pid: int
    attempts: int


@dataclass(frozen=True)
class Failed:
    """A task that raised, died or ran late for the last time.

    Parameters
    ----------
    key : str
        The task's.
    error : Exception
        The last attempt's; the worker's traceback is in its notes.
    attempts : int
        Attempts made; 0 when the task was refused before it ran.
    """

    key: str
    error: Exception
    attempts: int


Outcome = Done | Failed


@dataclass(eq=False)
class Order:
    """A task in the hands of a pool: its reply, and whether a worker has begun it."""

    task: Task
    reply: asyncio.Future[Reply]
    running: bool = False


def usable_cores() -> int:
    """Cores this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Settings:
    """How the engine runs.

    Parameters
    ----------
    workers : int
        Worker processes; the machine's usable cores when left out.
    window : int
        Tasks held at once: waiting, running, or finished and not yet consumed. At least
        ``workers + 1``; 0 stands for four per worker.
    deadline : float
        Seconds one attempt may take before its worker is killed.
    attempts : int
        Attempts a task may make when its errors are retryable.
    recycle_after : int
        Tasks after which a worker is replaced by a fresh one.
    memory_cap : int or None
        Bytes of private memory a worker may hold (``RLIMIT_DATA``); None for no cap. Beyond
        it NumPy, Arrow and Qhull raise `MemoryError` and the worker lives on.
    grace : float
        Seconds that running tasks get to finish when work is cancelled.
    backoff : float
        Seconds the first retry waits at most; doubles with every further one.
    backoff_limit : float
        Seconds any retry waits at most.

    Raises
    ------
    EngineError
        For a value out of range.

    Examples
    --------
    >>> Settings(workers=2).window
    8
    """

    workers: int = field(default_factory=usable_cores)
    window: int = 0
    deadline: float = 900.0
    attempts: int = 3
    recycle_after: int = 1000
    memory_cap: int | None = None
    grace: float = 2.0
    backoff: float = 0.2
    backoff_limit: float = 20.0

    def __post_init__(self) -> None:
        if self.window == 0:
            object.__setattr__(self, "window", TASKS_HELD_PER_WORKER * max(self.workers, 1))
        self._require(self.workers >= 1, "workers", "at least 1")
        self._require(self.window > self.workers, "window", f"at least {self.workers + 1}")
        self._require(_positive(self.deadline), "deadline", "a positive number of seconds")
        self._require(self.attempts >= 1, "attempts", "at least 1")
        self._require(self.recycle_after >= 1, "recycle_after", "at least 1")
        self._require(self.memory_cap is None or self.memory_cap > 0, "memory_cap", "positive")
        for name in ("grace", "backoff", "backoff_limit"):
            value = getattr(self, name)
            self._require(value >= 0 and math.isfinite(value), name, "0 seconds or more")

    def _require(self, holds: bool, name: str, wanted: str) -> None:
        if not holds:
            found = getattr(self, name)
            raise EngineError(f"engine settings: {name} must be {wanted}, got {found!r}")


def _positive(seconds: float) -> bool:
    return seconds > 0 and math.isfinite(seconds)
