"""A bounded window of tasks over a pool: how much is held at once, retries, cancelling.

Belongs here: what happens to a task between the caller's iterable and its outcome. Not
here: worker processes (`pool`), threads (`session`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from synthgrid_assets.engine.backoff import waits
from synthgrid_assets.engine.task import Done, Failed, Order, Outcome, Reply, Settings, Task
from synthgrid_assets.errors import EngineError


class Pool(Protocol):
    """What a window needs of whatever runs the tasks."""

    def submit(self, task: Task) -> Order:
        """Take a task; its order's ``reply`` is settled once it ran."""

    async def withdraw(self, order: Order) -> None:
        """Give up on an order; nothing of it runs when this returns."""


@dataclass
class Tally:
    """Counts over every window that shares it."""

    in_flight: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0
    peak_window: int = 0


class Window:
    """Tasks held at once, of one run.

    A task is held from `exchange` until its outcome is handed back by a later
    `exchange`: waiting, running, backing off, or finished.

    Parameters
    ----------
    pool : Pool
        Runs the tasks.
    settings : Settings
        Size, attempts, backoff, grace, memory cap.
    tally : Tally, optional
        Where to count.
    draw : random.Random, optional
        Source of the backoff's jitter; it has no influence on any result.
    """

    def __init__(
        self,
        pool: Pool,
        settings: Settings,
        tally: Tally | None = None,
        draw: random.Random | None = None,
    ) -> None:
        self.held = 0
        self._pool = pool
        self._settings = settings
        self._tally = tally or Tally()
        self._draw = draw or random.Random()
        self._orders: dict[asyncio.Task[None], Order | None] = {}
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._cancelling: asyncio.Task[None] | None = None

    @property
    def room(self) -> int:
        """Tasks that may be added now."""
        return self._settings.window - self.held

    async def exchange_group(self, tasks: Sequence[Task]) -> list[Outcome]:
        """As `exchange`, with all further outcomes that are there by then.

        Whoever commits outcomes in groups gets larger ones the slower a commit is.
        """
        group = [await self.exchange(tasks)]
        while not self._outcomes.empty() and not self._cancelling:
            group.append(await self.exchange(()))
        return group

    async def exchange(self, tasks: Sequence[Task]) -> Outcome:
        """Add `tasks`, at most `room`, and wait for the next outcome of any task held.

        Raises
        ------
        EngineError
            When the window was cancelled.
        """
        for task in () if self._cancelling else tasks:
            self.held += 1
            self._tally.in_flight += 1
            self._tally.peak_window = max(self._tally.peak_window, self.held)
            settling = asyncio.get_running_loop().create_task(self._settle(task))
            self._orders[settling] = None
            settling.add_done_callback(self._release)
        outcome = None if self._cancelling else await self._outcomes.get()
        if outcome is None:
            raise EngineError(f"the run was cancelled with {self.held} tasks held")
        self.held -= 1
        return outcome

    async def cancel(self) -> None:
        """Hand out nothing more; nothing of this window runs when this returns.

        Running tasks get ``settings.grace`` seconds to finish, then their workers are
        killed. Outcomes nobody has taken are dropped: what a task had committed is found
        by whoever keeps the journal.
        """
        if self._cancelling is None:
            self._cancelling = asyncio.get_running_loop().create_task(self._stop())
        # whoever waits may be cancelled or ask twice; the stopping itself goes on
        await asyncio.shield(self._cancelling)

    async def _stop(self) -> None:
        self._outcomes.put_nowait(None)
        running = [task for task, order in self._orders.items() if order and order.running]
        for settling in self._orders.keys() - set(running):
            settling.cancel()
        if running:
            await asyncio.wait(running, timeout=self._settings.grace)
        left = list(self._orders)
        for settling in left:
            settling.cancel()
        if left:
            await asyncio.wait(left)

    def _release(self, settling: asyncio.Task[None]) -> None:
        del self._orders[settling]
        self._tally.in_flight -= 1

    async def _settle(self, task: Task) -> None:
        """Attempt a task until it returns or there is no use in trying again."""
        if (refusal := self._too_large(task)) is not None:
            self._fail(task, refusal, attempts=0)
            return
        pauses = waits(self._settings.backoff, self._settings.backoff_limit, self._draw)
        for attempt in range(1, self._settings.attempts + 1):
            try:
                reply = await self._attempt(task)
            except Exception as error:
                last = attempt == self._settings.attempts or self._cancelling
                if last or not getattr(error, "retryable", False):
                    self._fail(task, error, attempt)
                    return
                self._tally.retried += 1
                await asyncio.sleep(next(pauses))
            else:
                self._tally.done += 1
                done = Done(task.key, reply.result, reply.seconds, reply.worker_pid, attempt)
                self._outcomes.put_nowait(done)
                return

    async def _attempt(self, task: Task) -> Reply:
        order = self._pool.submit(task)
        settling = asyncio.current_task()
        assert settling is not None
        self._orders[settling] = order
        try:
            return await order.reply
        finally:
            self._orders[settling] = None
            if not order.reply.done() or order.reply.cancelled():
                await self._pool.withdraw(order)

    def _fail(self, task: Task, error: Exception, attempts: int) -> None:
        self._tally.failed += 1
        self._outcomes.put_nowait(Failed(task.key, error, attempts))

    def _too_large(self, task: Task) -> EngineError | None:
        cap = self._settings.memory_cap
        if cap is None or task.predicted_bytes <= cap:
            return None
        return EngineError(
            f"task {task.key} is expected to need {task.predicted_bytes / 1e6:,.0f} MB and a "
            f"worker may hold {cap / 1e6:,.0f} MB: make the tile smaller or raise `memory_cap`"
        )


async def run(
    tasks: Iterable[Task],
    pool: Pool,
    settings: Settings,
    tally: Tally | None = None,
    draw: random.Random | None = None,
) -> AsyncIterator[Outcome]:
    """Outcomes of `tasks` in the order they are reached.

    `tasks` is read only as far as the window has room, so neither side of it is ever held
    in memory as a whole. Closing the iterator cancels the run; use
    `contextlib.aclosing`, so that it happens at once.

    Parameters
    ----------
    tasks : iterable of Task
        Read lazily, on the event loop.
    pool : Pool
        Runs them.
    settings, tally, draw
        As for `Window`.

    Yields
    ------
    Done or Failed
        One per task.

    Examples
    --------
    >>> import math
    >>> from synthgrid_assets.engine.local.pool import WorkerPool
    >>> async def roots():
    ...     settings = Settings(workers=1)
    ...     tasks = (Task(str(n), math.isqrt, (n,)) for n in (9, 16))
    ...     async with WorkerPool(settings) as pool:
    ...         return sorted([done.result async for done in run(tasks, pool, settings)])
    >>> asyncio.run(roots())
    [3, 4]
    """
    waiting = iter(tasks)
    window = Window(pool, settings, tally, draw)
    try:
        while True:
            batch = list(islice(waiting, window.room))
            if not batch and window.held == 0:
                return
            yield await window.exchange(batch)
    finally:
        await window.cancel()
