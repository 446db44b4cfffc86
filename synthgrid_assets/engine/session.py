"""The engine for blocking callers: an event loop in a thread of its own.

Belongs here: the thread, and the one executor that all runs of a session share. Not here:
what a run is (`window`), what a worker is (`executor`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import queue
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from synthgrid_assets.engine.events import EngineEvent, Observer, Statistics, Step
from synthgrid_assets.engine.executor import Executor, executor_factory
from synthgrid_assets.engine.loop_lag import LoopLag
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.steering import Steering, Workers
from synthgrid_assets.engine.task import Done, Order, Outcome, Task
from synthgrid_assets.engine.window import Window
from synthgrid_assets.errors import EngineError, TaskTimeoutError, WorkerDiedError

T = TypeVar("T")
LAST = -1.0  # priority of what nobody waits for yet
_OPEN: weakref.WeakValueDictionary[str, EngineSession] = weakref.WeakValueDictionary()


def open_session(run_id: str) -> EngineSession | None:
    """The session of a run that is open in this process, for whoever shows its figures."""
    return _OPEN.get(run_id)


class EngineSession:
    """One engine, used from ordinary blocking code; several threads may share it.

    Workers start with the first `map_groups`. Leaving the ``with`` block ends them, whatever
    else happens; so does the end of this process.

    Parameters
    ----------
    settings : Settings, optional
        How the engine runs.
    preload : sequence of str
        What workers load before their first task: modules, or functions as ``module:function``.
    executor : str or callable
        A name or an address of `executor.EXECUTORS`, or ``factory(settings, preload)``.
    observers : sequence of Observer
        Who watches.
    run_id : str, optional
        Names this session in logs and traces, also in its workers; by default a random one.

    Attributes
    ----------
    run_id : str

    Examples
    --------
    >>> import math
    >>> with EngineSession(Settings(workers=1), executor="inline") as session:
    ...     tasks = (Task(str(n), math.factorial, (n,)) for n in range(4))
    ...     sorted(o.result for group in session.map_groups(tasks) for o in group)
    [1, 1, 2, 6]
    """

    def __init__(
        self,
        settings: Settings | None = None,
        preload: Sequence[str] = (),
        executor: str | Callable[[Settings, Sequence[str]], Executor] = "local",
        observers: Sequence[Observer] = (),
        run_id: str = "",
    ) -> None:
        self.run_id = run_id or uuid.uuid4().hex
        self._settings = replace(settings or Settings(), run_id=self.run_id)
        factory = executor_factory(executor) if isinstance(executor, str) else executor
        self._make_executor = functools.partial(factory, self._settings, tuple(preload))
        self._steering = Steering(self._settings, tuple(observers))
        self._workers = Workers(self._make_executor, self._steering.workers_changed)
        self._lag = LoopLag(self._lagged) if observers else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._windows: set[Window] = set()
        self._begun: dict[Order, Executor] = {}
        self._steps = itertools.count(1)

    @property
    def settings(self) -> Settings:
        """How this engine runs."""
        return self._settings

    @property
    def is_running(self) -> bool:
        """Whether workers run that `call` may ask: none under a memory cap, which is for tiles."""
        return self._settings.memory_cap is None and self._workers.current is not None

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
        _OPEN[self.run_id] = self
        log = self._steering.log
        log.tell(lambda observer: observer.on_start(self.run_id, self.statistics))
        if self._lag is not None:
            self._lag.start(loop, self._thread)
        return self

    def __exit__(self, *_: object) -> None:
        loop = self._loop
        if loop is None:
            return
        _OPEN.pop(self.run_id, None)
        try:
            self._call(self._close())
        finally:
            self._loop = None
            if self._lag is not None:
                self._lag.stop()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()
            self._steering.log.tell(lambda observer: observer.on_close(self.statistics()))

    def map_groups(self, tasks: Iterable[Task], step: str = "") -> Iterator[list[Outcome]]:
        """Outcomes of `tasks` as they are reached, in groups to be committed together.

        `tasks` is read on the calling thread, and only as far as the window has room, so
        neither side of it is ever held in memory as a whole. It may grow with the outcomes: an
        iterator that has no task for now is asked again after each group, and the run ends
        when it has none and no task is held. When the caller stops in the middle (``break``,
        an exception, an interrupt), the run is cancelled before control returns.

        Parameters
        ----------
        tasks : iterable of Task
        step : str
            A name for these tasks, for whoever watches.

        Yields
        ------
        list of Done or Failed
            At least one: every outcome that was reached meanwhile. Whoever commits them in
            groups gets larger ones the slower a commit is.

        Raises
        ------
        EngineError
            When the session is not open, the workers cannot start, or `cancel` was called.
        """
        self._call(self._workers.ready())
        reached: queue.SimpleQueue[list[Outcome] | None] = queue.SimpleQueue()
        part = Step(next(self._steps), step, time.time())
        window = Window(self._workers, self._steering, reached.put, part)
        source = _Source(tasks, self._steering)
        self._windows.add(window)
        self._steering.log.tell(lambda observer: observer.on_step(part, None))
        try:
            while True:
                if batch := source.take():
                    self._open_loop.call_soon_threadsafe(window.add, batch)
                if source.held == 0:
                    return
                yield source.settle(_wait(reached, source.held))
        finally:
            self._windows.discard(window)
            self._drop(window)
            self._steering.log.tell(lambda observer: observer.on_step(part, time.time()))

    def call(self, function: Callable[..., T], *arguments: Any, start: bool = False) -> T:
        """One call by a worker where workers run already, or in this process.

        What a long function loads and holds then stays out of the process that orchestrates.
        A worker that dies in it, or runs late, costs the time: the call is made here.

        Parameters
        ----------
        function : callable
            Importable by name; its arguments and its result travel pickled.
        start : bool
            Start workers for it where none run. Under a memory cap, which is one for tiles,
            no worker is asked.
        """
        if self.is_running or (start and self._settings.memory_cap is None):
            task = Task(function.__name__, function, arguments)
            outcomes = [done for group in self.map_groups([task], task.key) for done in group]
            if isinstance(outcomes[0], Done):
                result: T = outcomes[0].result
                return result
            if not isinstance(outcomes[0].error, WorkerDiedError | TaskTimeoutError):
                raise outcomes[0].error
        return function(*arguments)

    def begin(self, function: Callable[..., object], *arguments: Any) -> Future[None]:
        """Begin a call by a worker that has nothing else to do, where several run already.

        What it returns or raises is dropped: it is for what it leaves, where others look for it.
        It is no part of the figures, and ends with the session.

        Parameters
        ----------
        function : callable
            As for `call`.

        Returns
        -------
        concurrent.futures.Future
            Done once nothing of the call runs, however it ended; at once if it is not made.
        """
        task = Task(function.__name__, function, arguments, LAST)
        return asyncio.run_coroutine_threadsafe(self._begin(task), self._open_loop)

    def cancel(self) -> None:
        """Cancel every run of this session, from any thread; their callers get EngineError.

        Returns when nothing runs any more. The session stays open.
        """
        for window in list(self._windows):
            self._call(window.cancel())
        self._call(self._withdraw_begun())

    def statistics(self) -> Statistics:
        """The figures at this moment."""
        return self._steering.statistics(self._workers.figures())

    def counted(self, *, failed: bool = False) -> None:
        """Count a task that others ran for this session, in its figures."""
        steering = self._steering
        count = steering.gave_up if failed else steering.made_elsewhere
        self._open_loop.call_soon_threadsafe(count)

    def events(self) -> tuple[EngineEvent, ...]:
        """The latest changes of depth, breaker and executor, oldest first."""
        return self._steering.log.latest()

    @property
    def _open_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise EngineError("the engine session is not open: use it in a `with` block")
        return self._loop

    def _lagged(self, seconds: float, culprit: str) -> None:
        self._steering.loop_lag = max(self._steering.loop_lag, seconds)
        self._steering.log.tell(lambda observer: observer.on_lag(seconds, culprit))

    async def _begin(self, task: Task) -> None:
        executor = self._workers.current if self.is_running else None
        if executor is None or executor.figures().workers_spawned < 2:
            return
        with contextlib.suppress(Exception):  # whoever needs what it leaves makes it, or fails
            order = executor.submit(task)
            self._begun[order] = executor
            try:
                await order.reply
            finally:
                del self._begun[order]

    async def _withdraw_begun(self) -> None:
        begun = list(self._begun.items())
        await asyncio.gather(*(executor.withdraw(order) for order, executor in begun))

    async def _close(self) -> None:
        await self._withdraw_begun()
        await asyncio.gather(*(window.cancel() for window in list(self._windows)))
        await self._workers.close()

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
        waiting = asyncio.run_coroutine_threadsafe(work, self._open_loop)
        try:
            return waiting.result()
        except BaseException:
            # an interrupt of this thread: the coroutine must not go on behind its back
            with contextlib.suppress(Exception):
                waiting.cancel()
            raise


class _Source:
    """The caller's tasks, read as far as the window has room for their number and bytes."""

    def __init__(self, tasks: Iterable[Task], steering: Steering) -> None:
        self.held = 0
        self._tasks = iter(tasks)
        self._next: Task | None = None
        self._steering = steering
        self._bytes: dict[str, int] = {}  # of the tasks held, where they are predicted
        self._sum = 0

    def take(self) -> list[Task]:
        """The tasks that may be added now."""
        batch: list[Task] = []
        while self.held < self._steering.depth.limit:
            task = self._next or next(self._tasks, None)
            if task is None:
                break
            self._next = task
            if not self._fits(task):
                break
            self._next = None
            self.held += 1
            if task.predicted_bytes:
                self._bytes[task.key] = task.predicted_bytes
                self._sum += task.predicted_bytes
            batch.append(task)
        self._steering.peak_window = max(self._steering.peak_window, self.held)
        return batch

    def settle(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Outcomes that the caller takes: their tasks are no longer held."""
        self.held -= len(outcomes)
        if self._bytes:
            self._sum -= sum(self._bytes.pop(outcome.key, 0) for outcome in outcomes)
        return outcomes

    def _fits(self, task: Task) -> bool:
        settings, needed = self._steering.settings, self._sum + task.predicted_bytes
        return self.held < settings.workers or needed <= settings.window_bytes


def _wait(reached: queue.SimpleQueue[list[Outcome] | None], held: int) -> list[Outcome]:
    """The next outcome, with all further ones that are there by then."""
    outcomes: list[Outcome] = []
    with contextlib.suppress(queue.Empty):
        while True:
            group = reached.get(block=not outcomes)
            if group is None:
                raise EngineError(f"the run was cancelled with {held} tasks held")
            outcomes += group
    return outcomes
