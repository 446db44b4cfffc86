"""The engine for blocking callers: an event loop in a thread of its own.

Belongs here: the thread, and the one pool that all runs of a session share. Not here:
what a run is (`window`), what a worker is (`pool`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from synthgrid_assets.engine.local.host_slots import HostSlots
from synthgrid_assets.engine.local.pool import WorkerPool
from synthgrid_assets.engine.task import Outcome, Settings, Task, usable_cores
from synthgrid_assets.engine.window import Tally, Window
from synthgrid_assets.errors import EngineError

T = TypeVar("T")


@dataclass(frozen=True)
class Statistics:
    """A session's figures so far.

    Parameters
    ----------
    in_flight : int
        Tasks that wait, run or back off now.
    done, failed, retried : int
        Tasks that returned; tasks given up; attempts beyond a task's first.
    workers_spawned : int
        Worker processes started, replacements included.
    peak_window : int
        Most tasks ever held at once by one run.
    busy_seconds : float
        Time workers spent in tasks.
    """

    in_flight: int
    done: int
    failed: int
    retried: int
    workers_spawned: int
    peak_window: int
    busy_seconds: float


class EngineSession:
    """One engine, used from ordinary blocking code; several threads may share it.

    Workers start with the first `map`. Leaving the ``with`` block ends them, whatever
    else happens; so does the end of this process.

    Parameters
    ----------
    settings : Settings, optional
        How the engine runs.
    preload, warm_up
        As for `WorkerPool`.
    shares_host : bool
        Whether this engine's workers and those of other such engines of this user are one per
        core together, or as many as the settings ask for.

    Examples
    --------
    >>> import math
    >>> with EngineSession(Settings(workers=1)) as session:
    ...     tasks = (Task(str(n), math.factorial, (n,)) for n in range(4))
    ...     sorted(outcome.result for outcome in session.map(tasks))
    [1, 1, 2, 6]
    """

    def __init__(
        self,
        settings: Settings | None = None,
        preload: Sequence[str] = (),
        warm_up: Callable[[], object] | None = None,
        *,
        shares_host: bool = False,
    ) -> None:
        self._settings = settings or Settings()
        limit = max(usable_cores(), self._settings.workers)
        slots = HostSlots(limit) if shares_host else None
        self._make_pool = functools.partial(WorkerPool, self._settings, preload, warm_up, slots)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool: WorkerPool | None = None
        self._starting = threading.Lock()
        self._tally = Tally()
        self._earlier_spawned, self._earlier_busy = 0, 0.0
        self._windows: set[Window] = set()

    @property
    def settings(self) -> Settings:
        """How this engine runs."""
        return self._settings

    def __enter__(self) -> EngineSession:
        if self._loop is not None:
            raise EngineError("the engine session is already open")
        loop = asyncio.new_event_loop()
        # a daemon: a session nobody closes must not keep the interpreter alive
        self._thread = threading.Thread(
            target=loop.run_forever, name="synthgrid-engine", daemon=True
        )
        self._thread.start()
        self._loop = loop
        return self

    def __exit__(self, *_: object) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            self._call(self._close())
        finally:
            self._loop = None
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()

    def map(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Outcomes of `tasks` in the order they are reached, for this thread.

        `tasks` is read on the calling thread, and only as far as the window has room. When
        the caller stops in the middle (``break``, an exception, an interrupt), the run is
        cancelled before control returns.

        Yields
        ------
        Done or Failed
            One per task.

        Raises
        ------
        EngineError
            When the session is not open, the workers cannot start, or `cancel` was called.
        """
        for group in self.map_groups(tasks):
            yield from group

    def map_groups(self, tasks: Iterable[Task]) -> Iterator[list[Outcome]]:
        """As `map`, in groups: each holds every outcome that was reached meanwhile.

        `tasks` may grow with the outcomes: an iterator that has no task for now is asked
        again after each group, and the run ends when it has none and no task is held.

        Yields
        ------
        list of Done or Failed
            At least one; to be committed together.
        """
        pool = self._open_pool()
        waiting = iter(tasks)
        window = Window(pool, self._settings, self._tally)
        self._windows.add(window)
        try:
            while True:
                batch = list(islice(waiting, window.room))
                if not batch and window.held == 0:
                    return
                yield self._call(window.exchange_group(batch))
        finally:
            self._windows.discard(window)
            self._drop(window)

    def cancel(self) -> None:
        """Cancel every run of this session, from any thread; their callers get EngineError.

        Returns when nothing runs any more. The session stays open.
        """
        for window in list(self._windows):
            self._call(window.cancel())

    def statistics(self) -> Statistics:
        """The figures at this moment."""
        tally, pool = self._tally, self._pool
        return Statistics(
            in_flight=tally.in_flight,
            done=tally.done,
            failed=tally.failed,
            retried=tally.retried,
            workers_spawned=self._earlier_spawned + (pool.workers_spawned if pool else 0),
            peak_window=tally.peak_window,
            busy_seconds=self._earlier_busy + (pool.busy_seconds if pool else 0.0),
        )

    def _open_pool(self) -> WorkerPool:
        """The pool; a new one in place of one whose nursery was lost."""
        with self._starting:
            if self._pool is None or not self._pool.usable:
                self._call(self._retire_pool())
                pool = self._make_pool()
                self._call(pool.start())
                self._pool = pool
            return self._pool

    async def _retire_pool(self) -> None:
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()
            self._earlier_spawned += pool.workers_spawned
            self._earlier_busy += pool.busy_seconds

    async def _close(self) -> None:
        await asyncio.gather(*(window.cancel() for window in list(self._windows)))
        await self._retire_pool()

    def _drop(self, window: Window) -> None:
        if self._loop is None:
            return  # closing the session has cancelled every window
        if threading.current_thread() is self._thread:
            # an abandoned iterator that the garbage collector found on the engine's thread
            asyncio.run_coroutine_threadsafe(window.cancel(), self._loop)
        else:
            self._call(window.cancel())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the engine's loop and wait for it here."""
        if self._loop is None:
            work.close()
            raise EngineError("the engine session is not open: use it in a `with` block")
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return waiting.result()
        except BaseException:
            # an interrupt of this thread: the coroutine must not go on behind its back
            with contextlib.suppress(Exception):
                waiting.cancel()
            raise
