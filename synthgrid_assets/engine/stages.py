"""Where a task's time goes, told by the task itself: computing, committing, and bytes written.

Belongs here: the watch that a task's function tells, in whatever process it runs. Not here:
what is made of the figures (`depth`, `circuit_breaker`, `telemetry`).

A function that runs in a worker calls `spent` where it has just written a file. Outside of a
task the call does nothing that anybody sees, so that code need not know who calls it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import local

COMMIT = "commit"
Stage = tuple[str, float, float]
"""Name, seconds after the task's begin, seconds that it took."""


@dataclass(frozen=True)
class Timings:
    """What a task says of its own course.

    Parameters
    ----------
    began : float
        Seconds since the epoch when the function was called.
    seconds : float
        Time in the function.
    stages : tuple of (str, float, float)
        Name, when it began after `began`, and how long it took, in the order in which they
        were told; what lies between them was computing.
    written : int
        Bytes committed.
    resident : int
        Bytes of memory that the process holds after the task; 0 where the system doesn't tell.
    """

    began: float = 0.0
    seconds: float = 0.0
    stages: tuple[Stage, ...] = ()
    written: int = 0
    resident: int = 0

    @property
    def commit(self) -> float:
        """Seconds spent in committing."""
        return sum(seconds for name, _, seconds in self.stages if name == COMMIT)


class _Watch(local):
    """One task's notes; a thread has its own, as executors in this process need it."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.written = 0
        self.since = 0.0


_WATCH = _Watch()


def spent(stage: str, seconds: float, written: int = 0) -> None:
    """Note time that the running task has just spent, and bytes that it has committed.

    Parameters
    ----------
    stage : str
        `COMMIT` for writes that must be durable; any other name for the rest.
    seconds : float
    written : int

    Examples
    --------
    >>> watch = begin()
    >>> spent(COMMIT, 0.25, written=1000)
    >>> timings = end(watch)
    >>> timings.commit, timings.written
    (0.25, 1000)
    """
    began = time.perf_counter() - _WATCH.since - seconds
    _WATCH.stages.append((stage, began, seconds))
    _WATCH.written += written


def begin() -> tuple[float, float]:
    """Start a task's notes; what to give to `end`."""
    _WATCH.stages, _WATCH.written = [], 0
    _WATCH.since = time.perf_counter()
    return time.time(), _WATCH.since


def end(begun: tuple[float, float], resident: int = 0) -> Timings:
    """The notes since `begin`, of this thread."""
    seconds = time.perf_counter() - begun[1]
    return Timings(begun[0], seconds, tuple(_WATCH.stages), _WATCH.written, resident)
