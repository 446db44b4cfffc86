"""A pool of worker processes that knows which task each of them has.

Belongs here: handing tasks to workers, and what becomes of a worker. Not here: how many
tasks are held at once, retries, cancellation of a whole run (`window`).

Executors of the standard library and of loky blame every task in flight for one dead
worker and cannot stop a late one; pebble can, but it stands on `multiprocessing`'s fork
server (see `nursery`). Here each worker has a socket of its own.
"""

from __future__ import annotations

import asyncio
import functools
import heapq
import itertools
import pickle
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from synthgrid_assets.engine.local.connection import WorkerLink
from synthgrid_assets.engine.local.fork_server import Nurture
from synthgrid_assets.engine.local.fork_server_client import NurseryProcess, ending
from synthgrid_assets.engine.local.host_slots import HostSlots
from synthgrid_assets.engine.task import Order, Reply, Settings, Task
from synthgrid_assets.errors import EngineError, TaskTimeoutError, WorkerDiedError

STARTS_BEFORE_GIVING_UP = 3
SLOT_PAUSE = 0.5  # seconds between two looks for a free place
START_LIMIT = 120.0  # seconds for the imports and the warm-up


class WorkerPool:
    """Worker processes for one event loop.

    Parameters
    ----------
    settings : Settings
        Number of workers, deadline, recycling, memory cap.
    preload : sequence of str
        Modules to import once, before the first worker is forked. A thread that an import
        starts does not exist in the workers: Arrow, which starts some, is made for that.
    warm_up : callable, optional
        Importable function called once after the imports, as to compile kernels.
    slots : HostSlots, optional
        Places shared with other engines: then there are as many workers as this one holds of
        them, one at least, and more once others leave theirs while tasks wait.

    Attributes
    ----------
    workers_spawned : int
        Workers started so far, replacements included.
    busy_seconds : float
        Time workers spent in tasks they answered.

    Examples
    --------
    >>> import math
    >>> async def hypotenuse():
    ...     async with WorkerPool(Settings(workers=1)) as pool:
    ...         return (await pool.submit(Task("t", math.hypot, (3, 4))).reply).result
    >>> asyncio.run(hypotenuse())
    5.0
    """

    def __init__(
        self,
        settings: Settings,
        preload: Sequence[str] = (),
        warm_up: Callable[[], object] | None = None,
        slots: HostSlots | None = None,
    ) -> None:
        self.workers_spawned = 0
        self.busy_seconds = 0.0
        self._settings = settings
        self._slots = slots
        warm = None if warm_up is None else _pickled(warm_up, warm_up, "the pool's warm_up")
        self._nurture = Nurture(tuple(preload), warm, settings.memory_cap)
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, Order, bytes]] = []
        self._idle: list[WorkerLink] = []
        self._workers: dict[int, WorkerLink] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._failed_starts = 0
        self._broken: EngineError | None = None

    async def __aenter__(self) -> WorkerPool:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def usable(self) -> bool:
        """Whether orders are taken: False once closed or broken."""
        return self._broken is None

    async def start(self) -> None:
        """Start the nursery and the workers.

        Raises
        ------
        EngineError
            When a module to preload or the warm-up fails, with the traceback from there.
        """
        self._loop = asyncio.get_running_loop()
        self._nursery = NurseryProcess(self._nurture, self._lose_nursery)
        for _ in range(self._places()):
            self._spawn()
        if self._slots is not None:
            self._in_background(self._grow(self._slots))
        try:
            await asyncio.wait_for(self._nursery.ready, START_LIMIT)
        except TimeoutError:
            await self.close()
            raise EngineError(
                f"workers: loading {', '.join(self._nurture.preload) or 'the warm-up'} took "
                f"longer than {START_LIMIT:g} s"
            ) from None
        except BaseException:
            await self.close()
            raise

    def submit(self, task: Task) -> Order:
        """Queue a task by priority; the order's ``reply`` is its `Reply` or its error.

        Raises
        ------
        EngineError
            When the task cannot be sent to another process, or the pool is closed.
        """
        if self._broken is not None:
            raise self._broken
        message = _pickled((task.function, task.arguments), task.function, f"task {task.key}")
        order = Order(task, self._loop.create_future())
        heapq.heappush(self._waiting, (-task.priority, next(self._numbers), order, message))
        self._hand_out()
        return order

    async def withdraw(self, order: Order) -> None:
        """Give up on an order. A worker that has begun it is dead when this returns."""
        order.reply.cancel()
        for worker in list(self._workers.values()):
            if worker.order is order:
                burial = self._bury(worker)
                self._spawn()
                await asyncio.shield(burial)

    async def close(self) -> None:
        """End every worker and the nursery; orders still open fail."""
        closed = EngineError("the worker pool is closed")
        self._break(closed)
        patience = self._settings.grace + 1
        burials = self._bury_all(self._broken or closed)
        if burials and self._nursery.ready.done():
            await asyncio.wait(burials, timeout=patience)
        for job in self._background:
            job.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._nursery.close(patience)
        if self._slots is not None:
            self._slots.leave()

    def greeted(self, worker: WorkerLink) -> None:
        """A worker is ready (called by its link)."""
        self._failed_starts = 0
        self._idle.append(worker)
        self._hand_out()

    def answered(self, worker: WorkerLink, order: Order, payload: bytes) -> None:
        """A worker has finished its order (called by its link)."""
        try:
            error, result, seconds = pickle.loads(payload)
        except Exception as unreadable:
            error, result, seconds = EngineError(f"cannot read a reply: {unreadable}"), None, 0.0
        self.busy_seconds += seconds
        if order.reply.done():
            pass  # withdrawn in this very moment
        elif error is not None:
            order.reply.set_exception(error)
        else:
            order.reply.set_result(Reply(result, seconds, worker.pid))
        if worker.answers < self._settings.recycle_after:
            self._idle.append(worker)
        else:
            self._bury(worker)
            self._spawn()
        self._hand_out()

    def lost(self, worker: WorkerLink) -> None:
        """A worker closed its channel by itself: it is dying (called by its link)."""
        if worker.pid == 0:
            self._failed_starts += 1
        self._in_background(self._blame(worker.order, self._bury(worker), worker.pid))
        if self._failed_starts < STARTS_BEFORE_GIVING_UP:
            self._spawn()

    def _places(self) -> int:
        """How many workers to begin with."""
        if self._slots is None:
            return self._settings.workers
        while self._slots.held < self._settings.workers and self._slots.take():
            pass
        return max(1, self._slots.held)

    async def _grow(self, slots: HostSlots) -> None:
        """Start more workers as other engines end, while there is work for them."""
        while slots.held < self._settings.workers:
            await asyncio.sleep(SLOT_PAUSE)
            while self._waiting and slots.held < self._settings.workers and slots.take():
                if slots.held > len(self._workers):
                    self._spawn()

    async def _blame(self, order: Order | None, burial: asyncio.Future[int], pid: int) -> None:
        """Fail the one order a dead worker had."""
        exitcode = await burial
        if order is not None and not order.reply.done():
            hint = ""
            if exitcode == -signal.SIGKILL:
                hint = "; if memory ran out, use fewer `workers` or smaller tiles"
            key = order.task.key
            error = WorkerDiedError(f"task {key}: its worker {pid} {ending(exitcode)}{hint}")
            order.reply.set_exception(error)
        if self._failed_starts >= STARTS_BEFORE_GIVING_UP:
            self._break(
                EngineError(
                    f"workers end before they are ready (the last one {ending(exitcode)}), "
                    f"{self._failed_starts} in a row: is `memory_cap` "
                    f"({self._settings.memory_cap}) too small for the preloaded modules?"
                )
            )

    def _stop_late(self, worker: WorkerLink, order: Order) -> None:
        burial = self._bury(worker)
        self._spawn()
        late = TaskTimeoutError(
            f"task {order.task.key} ran longer than {self._settings.deadline:g} s; its worker "
            f"{worker.pid} was killed: raise `deadline` or make the tile smaller"
        )
        self._in_background(self._fail_after(burial, order, late))

    async def _fail_after(self, burial: asyncio.Future[int], order: Order, why: Exception) -> None:
        """Fail an order only when its worker is surely dead: a retry must not meet it."""
        await burial
        if not order.reply.done():
            order.reply.set_exception(why)

    def _bury(self, worker: WorkerLink) -> asyncio.Future[int]:
        """Let go of a worker and have it killed; its exit code, once it is dead."""
        del self._workers[worker.number]
        if worker in self._idle:
            self._idle.remove(worker)
        worker.leave()
        return self._nursery.bury(worker.number)

    def _spawn(self) -> None:
        if self._broken is None:
            number = next(self._numbers)
            worker = self._workers[number] = WorkerLink(number, self)
            self.workers_spawned += 1
            self._in_background(self._connect(worker, self._nursery.spawn(number)))

    async def _connect(self, worker: WorkerLink, channel: socket.socket) -> None:
        await self._loop.create_connection(lambda: worker, sock=channel)

    def _hand_out(self) -> None:
        while self._idle and self._waiting:
            *_, order, message = heapq.heappop(self._waiting)
            if not order.reply.done():
                worker = self._idle.pop()
                late = functools.partial(self._stop_late, worker, order)
                alarm = self._loop.call_later(self._settings.deadline, late)
                worker.begin(order, message, alarm)

    def _lose_nursery(self, error: EngineError) -> None:
        """Without a nursery there are no workers: what is in flight fails, all the rest too."""
        self._break(error)
        self._bury_all(error)

    def _bury_all(self, why: EngineError) -> list[asyncio.Future[int]]:
        workers = list(self._workers.values())
        for worker in workers:
            if worker.order is not None and not worker.order.reply.done():
                worker.order.reply.set_exception(why)
        return [self._bury(worker) for worker in workers]

    def _break(self, error: EngineError) -> None:
        """Refuse new orders and fail those no worker has."""
        self._broken = self._broken or error
        waiting, self._waiting = self._waiting, []
        for *_, order, _message in waiting:
            if not order.reply.done():
                order.reply.set_exception(error)

    def _in_background(self, job: Coroutine[Any, Any, None]) -> None:
        running = self._loop.create_task(job)
        self._background.add(running)
        running.add_done_callback(self._background.discard)


def _pickled(content: Any, function: Any, what: str) -> bytes:
    if getattr(function, "__module__", None) == "__main__":
        raise EngineError(
            f"{what}: {function.__qualname__} is defined in __main__, which workers never "
            "import: move it into a module"
        )
    try:
        return pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise EngineError(
            f"{what} cannot be sent to a worker ({error}): use a function of a module and "
            "plain arguments"
        ) from error
