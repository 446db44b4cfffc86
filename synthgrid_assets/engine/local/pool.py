"""A pool of worker processes that knows which task each of them has.

Belongs here: handing tasks to workers, and what becomes of a worker. Not here: how many
tasks are held at once, retries, cancellation of a whole run (`window`).

Executors of the standard library and of loky blame every task in flight for one dead
worker and cannot stop a late one; pebble can, but it stands on `multiprocessing`'s fork
server (see `fork_server`) and on one channel for all workers, which a worker that dies in
the middle of a reply leaves blocked. Here each worker has a socket of its own.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import pickle
import socket
from collections.abc import Coroutine, Sequence
from typing import Any

from synthgrid_assets.engine.executor import ExecutorFigures
from synthgrid_assets.engine.local.connection import WorkerConnection
from synthgrid_assets.engine.local.fork_server import Preparation
from synthgrid_assets.engine.local.fork_server_client import ForkServerClient, ending
from synthgrid_assets.engine.local.host_slots import HostSlots
from synthgrid_assets.engine.local.memory_cap import death_hint
from synthgrid_assets.engine.settings import Settings, usable_cores
from synthgrid_assets.engine.stages import Timings
from synthgrid_assets.engine.task import Order, Reply, Task
from synthgrid_assets.errors import EngineError, TaskTimeoutError, WorkerDiedError

STARTS_BEFORE_GIVING_UP = 3
SLOT_PAUSE = 0.5  # seconds between two looks for a free place
START_LIMIT = 120.0  # seconds for the imports
LATENESS = 0.05  # of the deadline: how late a late task may be found
LOOK_AT_LEAST = 1.0  # seconds


class WorkerPool:
    """Worker processes for one event loop.

    Parameters
    ----------
    settings : Settings
        Number of workers, deadline, recycling, memory cap.
    preload : sequence of str
        Modules to import once, before the first worker is forked, and functions to call then, as
        ``module:function``. A thread that an import
        starts does not exist in the workers: Arrow, which starts some, is made for that.
    address : str
        Not used: this pool is on this machine.
    slots : HostSlots, optional
        Places shared with other engines, by default those of the host if the settings share
        it: then there are as many workers as this pool holds of them, one at least, and more
        once others leave theirs while tasks wait.

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
        address: str = "",
        slots: HostSlots | None = None,
    ) -> None:
        self._settings = settings
        if slots is None and settings.shares_host:
            slots = HostSlots(max(usable_cores(), settings.workers))
        self._slots = slots
        self._preparation = Preparation(tuple(preload), settings.memory_cap, settings.run_id)
        self._spawned, self._busy, self._resident = 0, 0.0, 0
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, Order, bytes]] = []
        self._idle: list[WorkerConnection] = []
        self._workers: dict[int, WorkerConnection] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._failed_starts = 0
        self._look: asyncio.TimerHandle | None = None
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
        """Start the fork server and the workers.

        Raises
        ------
        EngineError
            When a module to preload fails, with the traceback from there.
        """
        self._loop = asyncio.get_running_loop()
        self._fork_server = ForkServerClient(self._preparation, self._lose_fork_server)
        for _ in range(self._places()):
            self._spawn()
        if self._slots is not None:
            self._in_background(self._grow(self._slots))
        try:
            await asyncio.wait_for(self._fork_server.ready, START_LIMIT)
        except TimeoutError:
            await self.close()
            raise EngineError(
                f"workers: loading {', '.join(self._preparation.preload)} took "
                f"longer than {START_LIMIT:g} s"
            ) from None
        except BaseException:
            await self.close()
            raise
        self._look_for_late()

    def submit(self, task: Task) -> Order:
        """Queue a task by priority; the order's ``reply`` is its `Reply` or its error.

        Raises
        ------
        EngineError
            When the task cannot be sent to another process, or the pool is closed.
        """
        if self._broken is not None:
            raise self._broken
        call = task.key, task.function, task.arguments
        message = _pickled(call, task.function, f"task {task.key}")
        order = Order(task, self._loop.create_future())
        heapq.heappush(self._waiting, (-task.priority, next(self._numbers), order, message))
        self._hand_out()
        return order

    async def withdraw(self, order: Order) -> None:
        """Give up on an order. A worker that has begun it is dead when this returns."""
        order.reply.cancel()
        for worker in list(self._workers.values()):
            if worker.order is order:
                death = self._kill(worker)
                self._spawn()
                await asyncio.shield(death)

    async def close(self) -> None:
        """End every worker and the fork server; orders still open fail."""
        closed = EngineError("the worker pool is closed")
        self._break(closed)
        patience = self._settings.grace + 1
        deaths = self._kill_all(self._broken or closed)
        if deaths and self._fork_server.ready.done():
            await asyncio.wait(deaths, timeout=patience)
        if self._look is not None:
            self._look.cancel()
        for job in self._background:
            job.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._fork_server.close(patience)
        if self._slots is not None:
            self._slots.leave()

    def figures(self) -> ExecutorFigures:
        """The figures at this moment."""
        return ExecutorFigures(self._spawned, self._busy, self._resident)

    def ready(self, worker: WorkerConnection) -> None:
        """A worker can take its first order (called by its connection)."""
        self._failed_starts = 0
        self._idle.append(worker)
        self._hand_out()

    def answered(self, worker: WorkerConnection, order: Order, payload: bytes) -> None:
        """A worker has finished its order (called by its connection)."""
        try:
            error, result, told = pickle.loads(payload)
            timings = Timings(*told)
        except Exception as unreadable:
            error, result = EngineError(f"cannot read a reply: {unreadable}"), None
            timings = Timings()
        self._busy += timings.seconds
        self._resident = max(self._resident, timings.resident)
        if order.reply.done():
            pass  # withdrawn in this very moment
        elif error is not None:
            order.reply.set_exception(error)
        else:
            order.reply.set_result(Reply(result, timings, worker.pid))
        if self._is_worn(worker, timings):
            self._kill(worker)
            self._spawn()
        else:
            self._idle.append(worker)
        self._hand_out()

    def _is_worn(self, worker: WorkerConnection, timings: Timings) -> bool:
        most = self._settings.recycle_above
        grown = most is not None and timings.resident > most
        return grown or worker.answers >= self._settings.recycle_after

    def lost(self, worker: WorkerConnection) -> None:
        """A worker closed its channel by itself: it is dying (called by its connection)."""
        if worker.pid == 0:
            self._failed_starts += 1
        self._in_background(self._blame(worker.order, self._kill(worker), worker.pid))
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

    async def _blame(self, order: Order | None, death: asyncio.Future[int], pid: int) -> None:
        """Fail the one order a dead worker had."""
        exitcode = await death
        if order is not None and not order.reply.done():
            hint = death_hint(exitcode, self._settings.memory_cap)
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

    def _look_for_late(self) -> None:
        """Stop what runs past its deadline; one look for all costs less than a timer a task."""
        now = self._loop.time()
        for worker in list(self._workers.values()):
            if worker.order is not None and worker.due <= now:
                self._stop_late(worker, worker.order)
        pause = min(self._settings.deadline * LATENESS, LOOK_AT_LEAST)
        self._look = self._loop.call_later(pause, self._look_for_late)

    def _stop_late(self, worker: WorkerConnection, order: Order) -> None:
        death = self._kill(worker)
        self._spawn()
        late = TaskTimeoutError(
            f"task {order.task.key} ran longer than {self._settings.deadline:g} s; its worker "
            f"{worker.pid} was killed: raise `deadline` or make the tile smaller"
        )
        self._in_background(self._fail_after(death, order, late))

    async def _fail_after(self, death: asyncio.Future[int], order: Order, why: Exception) -> None:
        """Fail an order only when its worker is surely dead: a retry must not meet it."""
        await death
        if not order.reply.done():
            order.reply.set_exception(why)

    def _kill(self, worker: WorkerConnection) -> asyncio.Future[int]:
        """Let go of a worker and have it killed; its exit code, once it is dead."""
        del self._workers[worker.number]
        if worker in self._idle:
            self._idle.remove(worker)
        worker.close()
        return self._fork_server.kill(worker.number)

    def _spawn(self) -> None:
        if self._broken is None:
            number = next(self._numbers)
            worker = self._workers[number] = WorkerConnection(number, self)
            self._spawned += 1
            self._in_background(self._connect(worker, self._fork_server.spawn(number)))

    async def _connect(self, worker: WorkerConnection, channel: socket.socket) -> None:
        await self._loop.create_connection(lambda: worker, sock=channel)

    def _hand_out(self) -> None:
        while self._idle and self._waiting:
            *_, order, message = heapq.heappop(self._waiting)
            if not order.reply.done():
                worker = self._idle.pop()
                worker.begin(order, message, self._loop.time() + self._settings.deadline)

    def _lose_fork_server(self, error: EngineError) -> None:
        """Without it there are no workers: what is in flight fails, all the rest too."""
        self._break(error)
        self._kill_all(error)

    def _kill_all(self, why: EngineError) -> list[asyncio.Future[int]]:
        workers = list(self._workers.values())
        for worker in workers:
            if worker.order is not None and not worker.order.reply.done():
                worker.order.reply.set_exception(why)
        return [self._kill(worker) for worker in workers]

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
