"""The contract of executors: a class of tests that each of them passes, for subclasses.

Belongs here: what holds of any executor. Not here: what only one of them can do (its own
tests).

Subclass in a test module, and pytest finds the rest::

    class TestMyExecutor(ExecutorTests):
        isolated = True

        def make(self, settings, preload):
            return MyExecutor(settings, preload)
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from synthgrid_assets.engine.executor import Executor
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.stages import COMMIT
from synthgrid_assets.engine.task import Done, Failed, Task
from synthgrid_assets.errors import (
    EngineError,
    GeometryError,
    StorageError,
    TaskTimeoutError,
    WorkerDiedError,
)
from synthgrid_assets.testing import executor_chores as chores

PRELOAD = ("synthgrid_assets.testing.executor_chores",)
LIMIT = 60  # seconds after which a test counts as hung
READY = "SYNTHGRID_TEST_READY"
Call = Callable[..., Awaitable[Any]]


class ExecutorTests:
    """Subclasses give `make`, and say whether tasks are isolated from each other.

    Attributes
    ----------
    isolated : bool
        Whether a task that dies, hangs or fills its memory harms nothing but itself.
    parallel : bool
        Whether as many tasks run at once as there are workers, or one alone.
    """

    isolated = True
    parallel = True

    def make(self, settings: Settings, preload: Sequence[str]) -> Executor:
        """An executor that is not started."""
        raise NotImplementedError

    def run(
        self,
        work: Callable[[Call, Executor], Awaitable[Any]],
        preload: Sequence[str] = PRELOAD,
        **settings: Any,
    ) -> Any:
        """Await ``work(call, executor)``; `call` awaits one task's result."""

        async def main() -> Any:
            executor = self.make(Settings(**{"workers": 2, **settings}), preload)
            await executor.start()

            async def call(function: Callable[..., Any], *arguments: Any, key: str = "") -> Any:
                task = Task(key or function.__name__, function, arguments)
                return (await executor.submit(task).reply).result

            try:
                return await asyncio.wait_for(work(call, executor), LIMIT)
            finally:
                await executor.close()

        return asyncio.run(main())

    def isolation(self) -> None:
        """Skip a test of what threads cannot do."""
        if not self.isolated:
            pytest.skip("tasks of this executor are not isolated from each other")

    def test_a_module_that_cannot_be_loaded_is_named(self) -> None:
        async def nothing(call: Call, executor: Executor) -> None:
            await call(chores.square, 1)

        with pytest.raises(EngineError, match="no_such_module"):
            self.run(nothing, preload=("no_such_module",))

    def test_what_is_to_be_called_before_the_first_task_has_been(self) -> None:
        async def work(call: Call, executor: Executor) -> Any:
            return await call(os.getenv, READY)

        try:
            assert self.run(work, preload=(f"{__name__}:_get_ready",)) == "yes"
        finally:
            os.environ.pop(READY, None)  # of an executor in this process

    @pytest.mark.parametrize("workers", [1, 3])
    def test_each_task_has_its_own_result(self, workers: int) -> None:
        async def work(call: Call, executor: Executor) -> Any:
            return await asyncio.gather(*(call(chores.square, n) for n in range(50)))

        assert self.run(work, workers=workers) == [n * n for n in range(50)]

    def test_a_reply_tells_where_its_time_went(self) -> None:
        async def work(call: Call, executor: Executor) -> Any:
            before = time.time()
            reply = await executor.submit(Task("t", chores.commit, (0.05, 1000))).reply
            plain = await executor.submit(Task("t", chores.square, (2,))).reply
            return before, reply, plain, executor.figures()

        before, reply, plain, figures = self.run(work, workers=1)
        assert before - 0.01 <= reply.timings.began <= time.time()
        assert reply.timings.seconds >= reply.timings.commit >= 0.05
        assert reply.timings.stages[0][0] == COMMIT
        assert reply.timings.written == 1000
        assert reply.worker_pid > 0
        assert (plain.timings.commit, plain.timings.written) == (0.0, 0)
        assert figures.busy_seconds >= reply.timings.seconds
        assert figures.workers_spawned >= 1

    def test_an_error_is_its_tasks_own_and_keeps_its_type(self) -> None:
        async def work(call: Call, executor: Executor) -> Any:
            kinds = ("geometry", "storage", "exit")
            calls = [call(chores.fail, kind) for kind in kinds] + [call(chores.square, 3)]
            return await asyncio.gather(*calls, return_exceptions=True)

        geometry, storage, left, square = self.run(work)
        assert (type(geometry), type(storage)) == (GeometryError, StorageError)
        assert str(geometry) == "cell (3, 4) has no area"
        assert storage.retryable
        assert type(left) is EngineError  # nothing that would end the program that receives it
        assert square == 9

    def test_waiting_tasks_begin_by_priority_and_then_in_order_of_arrival(self) -> None:
        draw = random.Random(3)
        priorities = [draw.choice([-1.0, 0.0, 2.5]) for _ in range(20)]

        async def work(call: Call, executor: Executor) -> Any:
            ended: list[int] = []

            async def one(n: int) -> None:
                await executor.submit(Task(str(n), chores.square, (n,), priorities[n])).reply
                ended.append(n)

            blocker = asyncio.ensure_future(call(chores.nap, 0.3))
            await asyncio.sleep(0.1)
            await asyncio.gather(blocker, *(one(n) for n in range(20)))
            return ended

        wanted = sorted(range(20), key=lambda n: (-priorities[n], n))
        assert self.run(work, workers=1) == wanted

    def test_no_more_tasks_run_at_once_than_there_are_workers(self, tmp_path: Path) -> None:
        async def work(call: Call, executor: Executor) -> Any:
            calls = (call(chores.leave_a_mark, str(tmp_path), str(n), 0.05) for n in range(12))
            return await asyncio.gather(*calls)

        together = self.run(work, workers=2)
        assert max(together) == (2 if self.parallel else 1)

    def test_a_withdrawn_order_does_not_begin_or_is_over_when_withdraw_returns(
        self, tmp_path: Path
    ) -> None:
        async def work(call: Call, executor: Executor) -> Any:
            running, waiting = (
                executor.submit(Task(name, chores.begin_and_end, (str(tmp_path), name, 0.6)))
                for name in ("running", "waiting")
            )
            while not (tmp_path / "running.begun").exists():
                await asyncio.sleep(0.01)
            await executor.withdraw(waiting)
            await executor.withdraw(running)
            ended = (tmp_path / "running.ended").exists()
            await asyncio.sleep(0.8)
            assert (tmp_path / "running.ended").exists() == ended
            assert running.reply.cancelled()
            assert waiting.reply.cancelled()
            return await call(chores.square, 6)

        assert self.run(work, workers=1) == 36
        assert not (tmp_path / "waiting.begun").exists()

    def test_a_closed_executor_fails_what_waits_and_takes_no_more(self) -> None:
        async def main() -> Any:
            executor = self.make(Settings(workers=1, grace=0.0), PRELOAD)
            await executor.start()
            orders = [executor.submit(Task(str(n), chores.nap, (0.5,))) for n in range(3)]
            await asyncio.sleep(0.2)
            assert executor.usable
            await executor.close()
            assert not executor.usable
            with pytest.raises(EngineError, match="closed"):
                executor.submit(Task("late", chores.square, (1,)))
            replies = asyncio.gather(*(order.reply for order in orders), return_exceptions=True)
            return await asyncio.wait_for(replies, LIMIT)

        before = threading.active_count()
        first, *others = asyncio.run(main())
        assert {type(error) for error in others} == {EngineError}
        assert type(first) is EngineError or not self.isolated
        assert threading.active_count() == before

    def test_a_death_is_blamed_on_its_task_and_on_no_other(self) -> None:
        self.isolation()
        poison = frozenset({7, 30, 31})

        async def work(call: Call, executor: Executor) -> Any:
            calls = (call(chores.die_if, n, poison, key=f"tile {n}") for n in range(40))
            return await asyncio.gather(*calls, return_exceptions=True)

        found = self.run(work)
        assert {n for n, r in enumerate(found) if isinstance(r, WorkerDiedError)} == poison
        assert all(found[n] == n for n in range(40) if n not in poison)
        assert "tile 7" in str(found[7])

    def test_a_death_in_the_middle_of_a_reply_blocks_nobody(self) -> None:
        self.isolation()

        async def work(call: Call, executor: Executor) -> Any:
            with pytest.raises(WorkerDiedError):
                await call(chores.die_in_the_middle_of_the_reply)
            return await asyncio.gather(*(call(chores.square, n) for n in range(8)))

        assert self.run(work) == [n * n for n in range(8)]

    def test_a_late_task_is_stopped_and_the_next_one_runs(self) -> None:
        self.isolation()

        async def work(call: Call, executor: Executor) -> Any:
            with pytest.raises(TaskTimeoutError, match=r"longer than 0\.5 s"):
                await call(chores.nap, 50.0)
            return await call(chores.square, 5)

        assert self.run(work, workers=1, deadline=0.5) == 25

    def test_memory_beyond_the_cap_is_an_error_of_its_task_alone(self) -> None:
        self.isolation()

        async def work(call: Call, executor: Executor) -> Any:
            with pytest.raises(MemoryError):
                await call(chores.allocate, 900 << 20)
            return await call(chores.allocate, 50 << 20)

        assert self.run(work, workers=1, memory_cap=600 << 20) == 50 << 20

    def test_a_session_on_it_retries_tells_failures_apart_and_can_be_left(
        self, tmp_path: Path
    ) -> None:
        tasks = [
            Task("good", chores.square, (3,)),
            Task("flaky", chores.fail_until_marked, (str(tmp_path), 1)),
            Task("crooked", chores.fail, ("geometry",)),
        ]
        settings = Settings(workers=2, backoff=0.01, grace=0.0)
        with EngineSession(settings, PRELOAD, self.make) as session:
            groups = session.map_groups(tasks)
            found = {outcome.key: outcome for group in groups for outcome in group}
            naps = (Task(str(n), chores.nap, (0.2,)) for n in range(100))
            for _ in session.map_groups(naps):
                break
            assert session.statistics().in_flight == 0
            again = session.map_groups([Task("again", chores.square, (4,))])
            assert [getattr(outcome, "result", None) for (outcome,) in again] == [16]
        assert isinstance(found["good"], Done)
        assert found["flaky"].attempts == 2
        assert isinstance(found["crooked"], Failed)
        assert session.statistics().retried == 1


def _get_ready() -> None:
    os.environ[READY] = "yes"
