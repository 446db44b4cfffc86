"""A bounded window of tasks over an executor: attempts, retries, cancelling.

Belongs here: what happens to a task between the caller's iterable and its outcome. Not
here: worker processes (`local`), threads (`session`), how many tasks may be held (`depth`).
"""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from synthgrid_assets.engine.backoff import waits
from synthgrid_assets.engine.events import Step, TaskEnded
from synthgrid_assets.engine.executor import Executor
from synthgrid_assets.engine.stages import Timings
from synthgrid_assets.engine.steering import Steering, Workers
from synthgrid_assets.engine.task import Done, Failed, Order, Outcome, Reply, Task
from synthgrid_assets.errors import EngineError

NOTHING = Timings()
# seconds for which an outcome may wait for others, while more than half of the window is at work:
# a commit costs nearly the same for one tile as for several
GATHERING = 0.25


class Held:
    """A task in a window: its attempts so far and what it waits for."""

    __slots__ = ("added", "attempts", "executor", "order", "pauses", "task", "timer")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.added = time.time()
        self.attempts = 0
        self.executor: Executor | None = None
        self.order: Order | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.pauses: Iterator[float] | None = None


class Window:
    """Tasks held at once, of one run; every method is called on the event loop.

    A task is held from `add` until its outcome is delivered: waiting for the breaker or for
    workers, running, or backing off.

    Parameters
    ----------
    workers : Workers
        Give the executor.
    steering : Steering
        Decides whether a task may begin, and counts.
    deliver : callable
        Called with groups of outcomes, each task's once; with None when the window is
        cancelled. Outcomes that come fast are gathered, as long as the executor has other
        tasks to go on with: to wake another thread costs more than a small task does.
    step : Step
        What its tasks belong to, for whoever watches.
    draw : random.Random, optional
        Source of the backoff's jitter; it has no influence on any result.
    """

    def __init__(
        self,
        workers: Workers,
        steering: Steering,
        deliver: Callable[[list[Outcome] | None], None],
        step: Step,
        draw: random.Random | None = None,
    ) -> None:
        self._workers, self._steering, self._deliver = workers, steering, deliver
        self._settings = steering.settings
        self._step = step
        self._draw = draw or random.Random()
        self._held: set[Held] = set()
        self._reached: list[Outcome] = []  # to be delivered
        self._delivery: asyncio.TimerHandle | None = None
        self._gated: deque[Held] = deque()  # wait for the breaker or for workers
        self._alarm: asyncio.TimerHandle | None = None
        self._restart: asyncio.Task[None] | None = None
        self._cancelling: asyncio.Task[None] | None = None
        steering.pumps.add(self._pump)

    def add(self, tasks: Iterable[Task]) -> None:
        """Take tasks in and begin with them."""
        if self._cancelling is not None:
            return
        for task in tasks:
            held = Held(task)
            self._held.add(held)
            self._steering.in_flight += 1
            if (refusal := self._too_large(task)) is not None:
                self._fail(held, refusal)
            else:
                self._attempt(held)

    async def cancel(self) -> None:
        """Deliver nothing more; nothing of this window runs when this returns.

        Running tasks get ``settings.grace`` seconds to finish, then their workers are
        killed. Outcomes nobody has taken are dropped: what a task had committed is found
        by whoever keeps the journal.
        """
        if self._cancelling is None:
            self._cancelling = asyncio.get_running_loop().create_task(self._stop())
        # whoever waits may be cancelled or ask twice; the stopping itself goes on
        await asyncio.shield(self._cancelling)

    async def _stop(self) -> None:
        self._steering.pumps.discard(self._pump)
        self._deliver(None)
        for timer in (self._alarm, self._delivery, *(held.timer for held in self._held)):
            if timer is not None:
                timer.cancel()
        if self._restart is not None:
            self._restart.cancel()
        running = [held.order.reply for held in self._held if held.order and held.order.running]
        waiting = [held for held in self._held if held.order and not held.order.running]
        await self._withdraw(waiting)
        if running:
            await asyncio.wait(running, timeout=self._settings.grace)
        await self._withdraw([held for held in self._held if held.order])
        for held in self._held:
            self._steering.breaker.let_go(held)
        self._steering.in_flight -= len(self._held)
        self._held.clear()
        self._gated.clear()

    async def _withdraw(self, unwanted: list[Held]) -> None:
        giving_up = []
        for held in unwanted:
            order, held.order = held.order, None
            if order is not None and held.executor is not None:
                giving_up.append(held.executor.withdraw(order))
        await asyncio.gather(*giving_up)

    def _pump(self) -> None:
        """Begin with what waited, as far as the breaker and the workers allow."""
        gated, self._gated = self._gated, deque()
        for held in gated:
            self._attempt(held)

    def _attempt(self, held: Held) -> None:
        """Hand a task to the executor, or keep it until that is possible."""
        held.timer = None
        breaker = self._steering.breaker
        if self._cancelling is not None:
            return
        if not breaker.admits(held):
            if (refusal := breaker.refusal()) is not None:
                self._fail(held, refusal)
                return
            self._gated.append(held)
            self._set_alarm()
            return
        executor = self._workers.current
        if executor is None:
            breaker.let_go(held)
            self._gated.append(held)
            self._restart_workers()
            return
        held.attempts += 1
        try:
            held.order = executor.submit(held.task)
        except Exception as error:
            self._ended(held, error)
            return
        held.executor = executor
        held.order.reply.add_done_callback(functools.partial(self._replied, held))

    def _replied(self, held: Held, reply: asyncio.Future[Reply]) -> None:
        if held.order is None or reply.cancelled():
            return  # withdrawn
        held.order = None
        error = reply.exception()
        if isinstance(error, Exception):
            self._ended(held, error)
            return
        answer = reply.result()
        self._workers.proved()
        try:
            self._steering.succeeded(held, answer.timings)
        except Exception as unfit:  # notes that an executor or a task has made up
            self._fail(held, unfit)
            return
        done = Done(held.task.key, answer.result, answer.timings, answer.worker_pid, held.attempts)
        self._release(held, done)

    def _ended(self, held: Held, error: Exception) -> None:
        """An attempt has failed: again after a pause, or never."""
        self._steering.breaker.failed(held, error)
        last = held.attempts >= self._settings.attempts or self._cancelling is not None
        if last or not getattr(error, "retryable", False):
            self._fail(held, error)
            return
        self._steering.retried += 1
        if held.pauses is None:
            held.pauses = waits(self._settings.backoff, self._settings.backoff_limit, self._draw)
        loop = asyncio.get_running_loop()
        held.timer = loop.call_later(next(held.pauses), self._attempt, held)

    def _fail(self, held: Held, error: Exception) -> None:
        self._steering.gave_up()
        self._release(held, Failed(held.task.key, error, held.attempts))

    def _release(self, held: Held, outcome: Outcome) -> None:
        self._held.discard(held)
        self._steering.in_flight -= 1
        if self._steering.log.observers:
            self._tell(held, outcome)
        self._reached.append(outcome)
        if 2 * len(self._reached) >= len(self._held):
            self._deliver_now()
        elif self._delivery is None:
            loop = asyncio.get_running_loop()
            self._delivery = loop.call_later(GATHERING, self._deliver_now)

    def _deliver_now(self) -> None:
        if self._delivery is not None:
            self._delivery.cancel()
            self._delivery = None
        if self._reached and self._cancelling is None:
            reached, self._reached = self._reached, []
            self._deliver(reached)

    def _tell(self, held: Held, outcome: Outcome) -> None:
        pid, timings, error = 0, NOTHING, None
        if isinstance(outcome, Done):
            pid, timings = outcome.worker_pid, outcome.timings
        else:
            error = outcome.error
        key, now = held.task.key, time.time()
        ended = TaskEnded(key, self._step, held.added, now, held.attempts, pid, timings, error)
        self._steering.log.tell(lambda observer: observer.on_task(ended))

    def _set_alarm(self) -> None:
        """Look again when the breaker may take a probe."""
        wait = self._steering.breaker.wait()
        if self._alarm is not None or wait == float("inf"):
            return  # whoever has the probe out will turn the breaker, and wake all windows

        def again() -> None:
            self._alarm = None
            self._pump()

        self._alarm = asyncio.get_running_loop().call_later(wait + 0.001, again)

    def _restart_workers(self) -> None:
        if self._restart is None:
            self._restart = asyncio.get_running_loop().create_task(self._start_again())

    async def _start_again(self) -> None:
        try:
            await self._workers.ready()
        except EngineError as error:
            self._restart = None
            gated, self._gated = self._gated, deque()
            for held in gated:
                self._fail(held, error)
        else:
            self._restart = None
            self._pump()

    def _too_large(self, task: Task) -> EngineError | None:
        cap = self._settings.memory_cap
        if cap is None or task.predicted_bytes <= cap:
            return None
        return EngineError(
            f"task {task.key} is expected to need {task.predicted_bytes / 1e6:,.0f} MB and a "
            f"worker may hold {cap / 1e6:,.0f} MB: make the tile smaller or raise `memory_cap`"
        )
