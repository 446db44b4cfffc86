"""What all runs of a session share: depth, breaker, counts, events and the workers.

Belongs here: the figures and the decisions made from them, on the engine's thread. Not here:
tasks (`window`), threads (`session`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from synthgrid_assets.engine.circuit_breaker import CircuitBreaker, State
from synthgrid_assets.engine.depth import Depth
from synthgrid_assets.engine.events import EngineEvent, EventLog, Observer, Statistics
from synthgrid_assets.engine.executor import Executor, ExecutorFigures
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.stages import Timings
from synthgrid_assets.errors import WorkersLostError

RATE_OVER = 10.0  # seconds
LOSSES_IN_A_ROW = 3  # of all workers, without a task that succeeded, before giving up


class Workers:
    """The executor of a session: started when it is needed, and again when it was lost.

    Parameters
    ----------
    make : callable
        Makes an executor that is not started.
    on_event : callable
        Told ``before, after, cause`` when workers are started again.
    """

    def __init__(
        self, make: Callable[[], Executor], on_event: Callable[[str, str, str], None]
    ) -> None:
        self._make, self._on_event = make, on_event
        self._executor: Executor | None = None
        self._starting = asyncio.Lock()
        self._earlier = ExecutorFigures()
        self._losses = 0

    @property
    def current(self) -> Executor | None:
        """The executor, if it takes orders now."""
        executor = self._executor
        return executor if executor is not None and executor.usable else None

    async def ready(self) -> Executor:
        """The executor; a new one in place of one that was lost.

        Raises
        ------
        EngineError
            When it cannot start, or was lost too often in a row.
        """
        async with self._starting:
            if (current := self.current) is not None:
                return current
            if self._executor is not None:
                self._losses += 1
                await self.close()
                if self._losses >= LOSSES_IN_A_ROW:
                    raise WorkersLostError(
                        f"workers: all of them were lost {self._losses} times in a row; is the "
                        "machine out of memory, or does something stop or kill them?"
                    )
                self._on_event("lost", "started", "all workers were lost at once")
            executor = self._make()
            await executor.start()
            self._executor = executor
            return executor

    def proved(self) -> None:
        """A task has succeeded: the workers are well."""
        self._losses = 0

    async def close(self) -> None:
        """End the executor, if there is one."""
        if self._executor is not None:
            executor, self._executor = self._executor, None
            await executor.close()
            self._earlier = _sum(self._earlier, executor.figures())

    def figures(self) -> ExecutorFigures:
        """Of the present executor and all earlier ones together."""
        executor = self._executor
        return self._earlier if executor is None else _sum(self._earlier, executor.figures())


def _sum(a: ExecutorFigures, b: ExecutorFigures) -> ExecutorFigures:
    return ExecutorFigures(
        a.workers_spawned + b.workers_spawned,
        a.busy_seconds + b.busy_seconds,
        max(a.resident, b.resident),
    )


class Steering:
    """Depth, breaker, counts and events of a session.

    Parameters
    ----------
    settings : Settings
    observers : tuple of Observer
    clock : callable
        Seconds, never going back.
    """

    def __init__(
        self,
        settings: Settings,
        observers: tuple[Observer, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.log = EventLog(observers)
        self.depth = Depth(settings.workers + 1, settings.window, self._depth_changed)
        self.breaker = CircuitBreaker(settings.breaker, clock, self._breaker_changed)
        self.in_flight = self.done = self.failed = self.retried = 0
        self.peak_window = self.written = 0
        self.loop_lag = 0.0
        self.pumps: set[Callable[[], None]] = set()  # of windows: called when the breaker turns
        self._rate = Rate(clock)

    def succeeded(self, task: object, timings: Timings) -> None:
        """A task has returned."""
        self.done += 1
        self._rate.count()
        self.written += timings.written
        commit = timings.commit
        if commit > 0:
            self.depth.seen(commit, self.in_flight)
        self.breaker.succeeded(task, commit, timings.written)

    def made_elsewhere(self) -> None:
        """A task has returned that was run by others."""
        self.done += 1
        self._rate.count()

    def gave_up(self) -> None:
        """A task has failed for the last time."""
        self.failed += 1
        self._rate.count()

    def statistics(self, figures: ExecutorFigures) -> Statistics:
        """The figures at this moment."""
        return Statistics(
            in_flight=self.in_flight,
            done=self.done,
            failed=self.failed,
            retried=self.retried,
            workers_spawned=figures.workers_spawned,
            peak_window=self.peak_window,
            busy_seconds=figures.busy_seconds,
            depth=self.depth.limit,
            breaker=self.breaker.state.value,
            rate=self._rate.value(),
            commit_latency=self.depth.latency,
            written=self.written,
            worker_resident=figures.resident,
            loop_lag=self.loop_lag,
        )

    def workers_changed(self, before: str, after: str, cause: str) -> None:
        """Workers were lost and started again."""
        self.log.add(EngineEvent(time.time(), "executor", before, after, cause))

    def _depth_changed(self, before: int, after: int, cause: str, why: dict[str, float]) -> None:
        figures = tuple(why.items())
        self.log.add(EngineEvent(time.time(), "depth", str(before), str(after), cause, figures))

    def _breaker_changed(
        self, before: State, after: State, cause: str, why: dict[str, float]
    ) -> None:
        figures = tuple(why.items())
        event = EngineEvent(time.time(), "breaker", before.value, after.value, cause, figures)
        self.log.add(event)
        for pump in tuple(self.pumps):
            pump()


class Rate:
    """Events per second over the last seconds, in a few buckets.

    Examples
    --------
    >>> now = [0.0]
    >>> rate = Rate(lambda: now[0])
    >>> for second in range(40):
    ...     now[0] = float(second)
    ...     for _ in range(5):
    ...         rate.count()
    >>> now[0] = 40.0
    >>> rate.value()
    5.0
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._buckets: deque[tuple[int, int]] = deque()
        self._second, self._count = int(self._began), 0

    def count(self) -> None:
        """One event, now."""
        second = int(self._clock())
        if second != self._second:
            self._buckets.append((self._second, self._count))
            self._second, self._count = second, 0
            while self._buckets and self._buckets[0][0] < second - RATE_OVER:
                self._buckets.popleft()
        self._count += 1

    def value(self) -> float:
        """Events per second."""
        now = self._clock()
        buckets = [*self._buckets.copy(), (self._second, self._count)]
        recent = sum(n for second, n in buckets if second >= now - RATE_OVER)
        span = min(RATE_OVER, now - self._began)
        return recent / span if span > 0 else 0.0
