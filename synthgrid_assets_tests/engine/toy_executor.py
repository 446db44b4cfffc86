"""A third executor, written in the tests alone: one task after the other, off the loop."""

import asyncio
import itertools
import os

from synthgrid_assets.engine.executor import ExecutorFigures
from synthgrid_assets.engine.stages import begin, end
from synthgrid_assets.engine.task import Order, Reply
from synthgrid_assets.errors import EngineError
from synthgrid_assets.loading import load


class ToyExecutor:
    """Each task in a thread of its own, as many at once as there are workers."""

    def __init__(self, settings, preload=(), address=""):
        self.address = address
        self._preload = preload
        self._numbers = itertools.count()
        self._workers = settings.workers
        self._waiting, self._running = [], {}
        self._busy = 0.0
        self.usable = True

    async def start(self):
        for name in self._preload:
            try:
                load(name)
            except ImportError as error:
                raise EngineError(f"toy: {error}") from error

    def submit(self, task):
        if not self.usable:
            raise EngineError("the toy is closed")
        order = Order(task, asyncio.get_running_loop().create_future())
        self._waiting.append((-task.priority, next(self._numbers), order))
        self._next()
        return order

    def _next(self):
        self._waiting.sort(key=lambda entry: entry[:2])
        while self._waiting and len(self._running) < self._workers:
            order = self._waiting.pop(0)[2]
            if not order.reply.done():
                order.running = True
                self._running[order] = asyncio.get_running_loop().create_task(self._run(order))

    async def _run(self, order):
        def call():
            begun = begin()
            try:
                return order.task.function(*order.task.arguments), None, end(begun)
            except Exception as error:
                return None, error, end(begun)
            except BaseException as error:
                return None, EngineError(f"{type(error).__name__}"), end(begun)

        result, error, timings = await asyncio.to_thread(call)
        del self._running[order]
        self._busy += timings.seconds
        if not order.reply.done():
            if error is None:
                order.reply.set_result(Reply(result, timings, os.getpid()))
            else:
                order.reply.set_exception(error)
        self._next()

    async def withdraw(self, order):
        order.reply.cancel()
        if order in self._running:
            await asyncio.wait([self._running[order]])

    async def close(self):
        self.usable = False
        waiting, self._waiting = self._waiting, []
        for *_, order in waiting:
            if not order.reply.done():
                order.reply.set_exception(EngineError("the toy is closed"))
        if self._running:
            await asyncio.wait(list(self._running.values()))
        await asyncio.get_running_loop().shutdown_default_executor()

    def figures(self):
        return ExecutorFigures(self._workers, self._busy)
