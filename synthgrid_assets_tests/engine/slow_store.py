"""The engine on a store that turns slow for a while, in simulated time and in real time.

In simulated time the window, its depth and the breaker are the real ones, on a clock that jumps
from event to event: two minutes of a run take a second, and the same on any machine. In real
time workers are processes, and what they hold of memory is told as well.
"""

import asyncio
import heapq
import random
import time
from dataclasses import dataclass, field

import psutil

from synthgrid_assets.engine.circuit_breaker import BreakerSettings
from synthgrid_assets.engine.events import Step
from synthgrid_assets.engine.executor import ExecutorFigures
from synthgrid_assets.engine.session import EngineSession, _Source
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.stages import COMMIT, Timings, spent
from synthgrid_assets.engine.steering import Steering, Workers
from synthgrid_assets.engine.task import Order, Reply, Task
from synthgrid_assets.engine.window import Window
from synthgrid_assets.storage.commit import commit_bytes


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        select = self._selector.select

        def jump(timeout):
            self.now += timeout or 0.0
            return select(0)

        self._selector.select = jump

    def time(self):
        return self.now


@dataclass
class Store:
    """Channels that write one file at a time, `factor` times slower in a span of time."""

    channels: int
    latency: float
    slow: tuple[float, float]
    factor: float
    draw: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self):
        self.free = [0.0] * self.channels

    def written_at(self, now):
        """When a write that is asked for now is durable."""
        start = max(now, heapq.heappop(self.free))
        slower = self.factor if self.slow[0] <= start < self.slow[1] else 1.0
        end = start + self.latency * self.draw.lognormvariate(0, 0.3) * slower
        heapq.heappush(self.free, end)
        return end


class SimulatedWorkers:
    """Workers that compute for a while, then write to the store."""

    usable = True

    def __init__(self, workers, compute, store):
        self.compute, self.store = compute, store
        self.idle, self.waiting, self.count = workers, [], 0
        self.loop = asyncio.get_running_loop()

    async def start(self):
        pass

    def submit(self, task):
        order = Order(task, self.loop.create_future())
        heapq.heappush(self.waiting, (-task.priority, self.count, order))
        self.count += 1
        self._next()
        return order

    def _next(self):
        while self.idle and self.waiting:
            order = heapq.heappop(self.waiting)[2]
            self.idle -= 1
            order.running = True
            self.loop.call_later(self.compute, self._write, order)

    def _write(self, order):
        begun = self.loop.time()
        self.loop.call_at(self.store.written_at(begun), self._reply, order, begun)

    def _reply(self, order, begun):
        self.idle += 1
        taken = self.loop.time() - begun
        timings = Timings(begun, self.compute + taken, ((COMMIT, self.compute, taken),), 100_000)
        if not order.reply.done():
            order.reply.set_result(Reply(None, timings, 1))
        self._next()

    async def withdraw(self, order):
        order.reply.cancel()

    async def close(self):
        self.usable = False

    def figures(self):
        return ExecutorFigures(self.idle)


@dataclass
class Course:
    """What happened: times at which tiles ended, events with their times, most tasks held."""

    ended: list[float]
    events: list[tuple[float, str, str, str]]
    most_held: int
    memory: list[tuple[float, int, int]] = field(default_factory=list)
    """Times, and bytes that the run's process and its largest worker held then."""

    def rate(self, begin, end):
        """Tiles per second."""
        return sum(begin <= time < end for time in self.ended) / (end - begin)

    def of(self, kind):
        """Times and new values of the changes of one kind."""
        return [(time, after) for time, what, after, _ in self.events if what == kind]


def course(store, *, workers=4, compute=0.02, seconds=120.0, window=32, **breaker):
    """A run of so many simulated seconds."""
    settings = Settings(workers=workers, window=window, breaker=BreakerSettings(**breaker))
    loop = JumpingLoop()
    try:
        return loop.run_until_complete(_course(loop, store, settings, compute, seconds))
    finally:
        loop.close()


async def _course(loop, store, settings, compute, seconds):
    found = Course([], [], 0)

    class Watcher:
        def on_event(self, event):
            found.events.append((loop.time(), event.kind, event.after, event.cause))

        def on_task(self, task):
            pass

    steering = Steering(settings, (Watcher(),), clock=loop.time)
    simulated = SimulatedWorkers(settings.workers, compute, store)
    workers = Workers(lambda: simulated, lambda *_: None)
    await workers.ready()
    reached = asyncio.Queue()
    window = Window(workers, steering, reached.put_nowait, Step(1, "", 0.0))

    def tasks():
        number = 0
        while loop.time() < seconds:
            number += 1
            yield Task(str(number), print)

    source = _Source(tasks(), steering)
    while True:
        window.add(source.take())
        found.most_held = max(found.most_held, source.held)
        if source.held == 0:
            return found
        group = source.settle(await reached.get())
        found.ended += [loop.time()] * len(group)


def write_a_file(path, begun, slow, factor):
    """A task: computes for 20 ms, then commits a file to a disk that takes 10 ms for it."""
    time.sleep(0.02)
    asked = time.time()
    time.sleep(0.01 * (factor if slow[0] <= asked - begun < slow[1] else 1.0))
    written = commit_bytes(path, b"0" * 100_000, durability="batch").size
    spent(COMMIT, time.time() - asked, written)


def real_course(folder, slow, factor, *, workers=4, seconds=120.0, window=32):
    """A run of so many seconds of the clock on the wall, by processes that write files."""
    found, begun = Course([], [], 0), time.time()

    class Watcher:
        def on_start(self, run_id, read):
            pass

        def on_step(self, step, ended):
            pass

        def on_lag(self, seconds, culprit):
            pass

        def on_event(self, event):
            found.events.append((event.time - begun, event.kind, event.after, event.cause))

        def on_task(self, task):
            found.ended.append(task.ended - begun)

        def on_close(self, statistics):
            pass

    def tasks():
        number = 0
        while time.time() - begun < seconds:
            number += 1
            path = folder / str(number % 64)
            yield Task(str(number), write_a_file, (path, begun, slow, factor))

    settings, told = Settings(workers=workers, window=window), 0.0
    with EngineSession(settings, (__name__,), observers=(Watcher(),)) as session:
        for _ in session.map_groups(tasks()):
            if (now := time.time() - begun) > told + 1:
                told, here = now, psutil.Process()
                others = [one.memory_info().rss for one in here.children(recursive=True)]
                found.memory.append((now, here.memory_info().rss, max(others)))
        found.most_held = session.statistics().peak_window
    return found
