"""Tasks in threads of this process: for a debugger, a profiler, and systems without fork.

Belongs here: the executor without processes. Not here: isolation, which threads do not
give. A task that dies takes the program along, one that hangs is waited for (the deadline is
not kept, as a breakpoint may take its time), and no memory cap holds.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from synthgrid_assets.engine import log
from synthgrid_assets.engine.executor import ExecutorFigures
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.stages import Timings, begin, end
from synthgrid_assets.engine.task import Order, Reply, Task
from synthgrid_assets.errors import EngineError


class InlineExecutor:
    """Runs tasks in as many threads as there would be workers.

    Parameters
    ----------
    settings : Settings
        The number of workers is that of threads; with one, a breakpoint stops everything.
    preload : sequence of str
        Modules to import at the start.
    address : str
        Not used.

    Examples
    --------
    >>> import math
    >>> async def hypotenuse():
    ...     executor = InlineExecutor(Settings(workers=1))
    ...     await executor.start()
    ...     found = (await executor.submit(Task("t", math.hypot, (3, 4))).reply).result
    ...     await executor.close()
    ...     return found
    >>> asyncio.run(hypotenuse())
    5.0
    """

    def __init__(self, settings: Settings, preload: Sequence[str] = (), address: str = "") -> None:
        self._workers = settings.workers
        self._run_id = settings.run_id
        self._preload = tuple(preload)
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, Order]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._busy = 0.0
        self._closed: EngineError | None = None

    @property
    def usable(self) -> bool:
        """Whether orders are taken: False once closed."""
        return self._closed is None

    async def start(self) -> None:
        """Import what tasks need, and make the threads.

        Raises
        ------
        EngineError
            When a module cannot be imported.
        """
        log.start(self._run_id)
        for name in self._preload:
            try:
                import_module(name)
            except Exception as error:
                raise EngineError(f"workers: could not load {name}: {error}") from error
        self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="synthgrid-worker")

    def submit(self, task: Task) -> Order:
        """Queue a task by priority.

        Raises
        ------
        EngineError
            When the executor is closed.
        """
        if self._closed is not None:
            raise self._closed
        order = Order(task, asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiting, (-task.priority, next(self._numbers), order))
        self._hand_out()
        return order

    async def withdraw(self, order: Order) -> None:
        """Give up on an order; one that runs is waited for, as a thread cannot be stopped."""
        order.reply.cancel()
        while order.running and self._running:
            await asyncio.wait(set(self._running), return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Fail what waits, and wait for what runs."""
        self._closed = self._closed or EngineError("the inline executor is closed")
        waiting, self._waiting = self._waiting, []
        for *_, order in waiting:
            if not order.reply.done():
                order.reply.set_exception(self._closed)
        if self._running:
            await asyncio.wait(set(self._running))
        if self._threads is not None:
            self._threads.shutdown()

    def figures(self) -> ExecutorFigures:
        """Threads count as workers."""
        return ExecutorFigures(self._workers if self._threads else 0, self._busy)

    def _hand_out(self) -> None:
        while self._waiting and len(self._running) < self._workers:
            *_, order = heapq.heappop(self._waiting)
            if not order.reply.done():
                order.running = True
                running = asyncio.get_running_loop().create_task(self._run(order))
                self._running.add(running)

    async def _run(self, order: Order) -> None:
        running = asyncio.current_task()
        assert running is not None
        loop = asyncio.get_running_loop()
        error, result, timings = await loop.run_in_executor(self._threads, _call, order.task)
        self._busy += timings.seconds
        order.running = False
        self._running.discard(running)
        if order.reply.done():
            pass  # withdrawn meanwhile
        elif error is not None:
            order.reply.set_exception(error)
        else:
            order.reply.set_result(Reply(result, timings, os.getpid()))
        self._hand_out()


def _call(task: Task) -> tuple[Exception | None, Any, Timings]:
    """Make the call on this thread; errors that would end a thread become engine errors."""
    error: Exception | None = None
    result: Any = None
    begun = begin()
    try:
        with log.task(task.key):
            result = task.function(*task.arguments)
    except Exception as raised:
        error = raised
    except BaseException as raised:
        kind = type(raised).__name__
        error = EngineError(f"task {task.key} raised {kind}: {raised}")
    return error, result, end(begun)
