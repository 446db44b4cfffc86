"""What an engine says of itself while it runs: changes, finished tasks, and figures.

Belongs here: the records, and who may listen. Not here: what causes a change (`depth`,
`circuit_breaker`), and where the records go (`telemetry`, the command line, Dagster).
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from synthgrid_assets.engine.stages import Timings
from synthgrid_assets.errors import SynthGridWarning

EVENTS_KEPT = 1000  # by a session; listeners get all


@dataclass(frozen=True)
class EngineEvent:
    """A change of how the engine runs.

    Parameters
    ----------
    time : float
        Seconds since the epoch.
    kind : str
        ``depth`` (tasks that a window may hold), ``breaker`` (its state) or ``executor``
        (its workers were lost and started again).
    before, after : str
        What changed.
    cause : str
        Why, for a person.
    figures : tuple of (str, float)
        What the decision was made from; seconds, bytes, counts.
    """

    time: float
    kind: str
    before: str
    after: str
    cause: str
    figures: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Step:
    """All tasks of one `map_groups`.

    Parameters
    ----------
    number : int
        Counts the steps of a session.
    name : str
        As its caller named it; may repeat.
    began : float
        Seconds since the epoch.
    """

    number: int
    name: str
    began: float


@dataclass(frozen=True)
class TaskEnded:
    """The course of one task that is finished, for traces and metrics.

    Parameters
    ----------
    key : str
        The task's.
    step : Step
        That it belongs to.
    added, ended : float
        Seconds since the epoch when the window took it in, and when its outcome was there.
    attempts : int
    worker_pid : int
        0 where no attempt succeeded.
    timings : Timings
        Of the attempt that succeeded.
    error : Exception or None
    """

    key: str
    step: Step
    added: float
    ended: float
    attempts: int
    worker_pid: int
    timings: Timings
    error: Exception | None


@dataclass(frozen=True)
class Statistics:
    """A session's figures at one moment.

    Parameters
    ----------
    in_flight : int
        Tasks that wait, run or back off now.
    done, failed, retried : int
        Tasks that returned; tasks given up; attempts beyond a task's first.
    workers_spawned : int
        Workers started, replacements included.
    peak_window : int
        Most tasks ever held at once by one run.
    busy_seconds : float
        Time workers spent in tasks.
    depth : int
        Tasks that a run may hold now.
    breaker : str
        ``closed``, ``open`` or ``half-open``.
    rate : float
        Tasks finished per second, over the last ten.
    commit_latency : float
        Seconds a commit takes now (smoothed); NaN before the first.
    written : int
        Bytes committed.
    worker_resident : int
        Bytes of memory that the largest worker has held.
    loop_lag : float
        Longest time in seconds that the event loop was kept from its work.
    """

    in_flight: int
    done: int
    failed: int
    retried: int
    workers_spawned: int
    peak_window: int
    busy_seconds: float
    depth: int
    breaker: str
    rate: float
    commit_latency: float
    written: int
    worker_resident: int
    loop_lag: float


class Observer(Protocol):
    """Who watches a session; called on the engine's thread, so nothing here may wait."""

    def on_event(self, event: EngineEvent) -> None:
        """Depth, breaker or executor changed."""

    def on_task(self, task: TaskEnded) -> None:
        """A task has its outcome."""

    def on_step(self, step: Step, ended: float | None) -> None:
        """A step begins, or has ended (at `ended`, however); on the thread that runs it."""

    def on_start(self, run_id: str, read: Callable[[], Statistics]) -> None:
        """The session is open; `read` may be called from any thread until `on_close`."""

    def on_lag(self, seconds: float, culprit: str) -> None:
        """The event loop was kept from its work, by the code that `culprit` names."""

    def on_close(self, statistics: Statistics) -> None:
        """The session is closed; the last figures."""


class EventLog:
    """The latest events of a session, and its observers."""

    def __init__(self, observers: tuple[Observer, ...] = ()) -> None:
        self.observers = observers
        self.count = 0
        self._latest: deque[EngineEvent] = deque(maxlen=EVENTS_KEPT)

    def add(self, event: EngineEvent) -> None:
        """Keep an event and tell it to everybody."""
        self.count += 1
        self._latest.append(event)
        self.tell(lambda observer: observer.on_event(event))

    def tell(self, told: Callable[[Observer], None]) -> None:
        """Tell each observer something; one that fails is warned of, and harms no run."""
        for observer in self.observers:
            try:
                told(observer)
            except Exception as error:
                name = type(observer).__name__
                warnings.warn(
                    f"{name} failed and missed something: {type(error).__name__}: {error}",
                    SynthGridWarning,
                    stacklevel=2,
                )

    def latest(self) -> tuple[EngineEvent, ...]:
        """The last `EVENTS_KEPT` events, oldest first."""
        return tuple(self._latest)
