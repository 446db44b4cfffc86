"""Tasks in this process, one at a time: for a debugger, a profiler, and systems without fork.

Belongs here: the executor without processes. Not here: isolation, which a thread does not
give. A task that dies takes the program along, one that hangs is waited for (the deadline is
not kept, as a breakpoint may take its time), and no memory cap holds. One thread, whatever
the number of workers: a task may count on being alone in its process, and keep there what
the next one needs.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from synthgrid_assets.engine import log
from synthgrid_assets.engine.executor import ExecutorFigures
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.stages import Timings, begin, end
from synthgrid_assets.engine.task import Order, Reply, Task
from synthgrid_assets.errors import EngineError
from synthgrid_assets.loading import load


class InlineExecutor:
    """Runs tasks one after the other in a thread of this process.

    Parameters
    ----------
    settings : Settings
        Nothing of it but the run's id matters here.
    preload : sequence of str
        Modules to import at the start, as `loading.load` takes them.
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
        self._run_id = settings.run_id
        self._preload = tuple(preload)
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, Order]] = []
        self._running: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._busy = 0.0
        self._closed: EngineError | None = None

    @property
    def usable(self) -> bool:
        """Whether orders are taken: False once closed."""
        return self._closed is None

    async def start(self) -> None:
        """Import what tasks need, and make the thread.

        Raises
        ------
        EngineError
            When one cannot be loaded.
        """
        log.start(self._run_id)
        for name in self._preload:
            try:
                load(name)
            except Exception as error:
                raise EngineError(f"workers: could not load {name}: {error}") from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="synthgrid-worker")

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
        while order.running and self._running is not None:
            await asyncio.wait([self._running])

    async def close(self) -> None:
        """Fail what waits, and wait for what runs."""
        self._closed = self._closed or EngineError("the inline executor is closed")
        waiting, self._waiting = self._waiting, []
        for *_, order in waiting:
            if not order.reply.done():
                order.reply.set_exception(self._closed)
        if self._running is not None:
            await asyncio.wait([self._running])
        if self._thread is not None:
            self._thread.shutdown()

    def figures(self) -> ExecutorFigures:
        """The thread counts as a worker."""
        return ExecutorFigures(int(self._thread is not None), self._busy)

    def _hand_out(self) -> None:
        while self._waiting and self._running is None:
            *_, order = heapq.heappop(self._waiting)
            if not order.reply.done():
                order.running = True
                self._running = asyncio.get_running_loop().create_task(self._run(order))

    async def _run(self, order: Order) -> None:
        loop = asyncio.get_running_loop()
        error, result, timings = await loop.run_in_executor(self._thread, _call, order.task)
        self._busy += timings.seconds
        order.running = False
        self._running = None
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
