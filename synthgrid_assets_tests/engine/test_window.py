"""The window against a pool of coroutines: order, bounds, retries, cancelling."""

import asyncio
import contextlib
import random
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.engine.backoff import waits
from synthgrid_assets.engine.task import Done, Failed, Order, Reply, Settings, Task
from synthgrid_assets.engine.window import Tally, run
from synthgrid_assets.errors import EngineError, GeometryError, StorageError


class CoroutinePool:
    """Runs ``await task.function(*arguments)`` on the loop itself."""

    def __init__(self):
        self.running = {}
        self.submitted = 0

    def submit(self, task):
        self.submitted += 1
        order = Order(task, asyncio.get_running_loop().create_future(), running=True)
        self.running[order] = asyncio.create_task(self._work(order))
        return order

    async def _work(self, order):
        try:
            reply = Reply(await order.task.function(*order.task.arguments), 0.0, 1)
        except Exception as error:
            order.reply.set_exception(error)
        else:
            order.reply.set_result(reply)
        finally:
            del self.running[order]

    async def withdraw(self, order):
        if order in self.running:
            self.running[order].cancel()
            await asyncio.wait([self.running[order]])
        order.reply.cancel()


async def after_turns(result, turns):
    for _ in range(turns):
        await asyncio.sleep(0)
    return result


async def forever():
    await asyncio.Event().wait()


class FailsAtFirst:
    def __init__(self, times, error):
        self.calls = count()
        self.times, self.error = times, error

    async def __call__(self):
        if next(self.calls) < self.times:
            raise self.error
        return "well"


def outcomes(tasks, **settings):
    async def main():
        pool = CoroutinePool()
        settled = Settings(**{"workers": 1, "window": 4, "backoff": 0.0, **settings})
        tally = Tally()
        found = [outcome async for outcome in run(tasks, pool, settled, tally)]
        assert not pool.running
        assert tally.in_flight == 0
        return found, tally, pool

    return asyncio.run(main())


def test_an_error_worth_retrying_is_retried_until_it_is_not():
    found, tally, _ = outcomes([Task("t", FailsAtFirst(2, StorageError("busy")))], attempts=3)
    assert found == [Done("t", "well", 0.0, 1, attempts=3)]
    assert tally.retried == 2
    found, _, pool = outcomes([Task("t", FailsAtFirst(9, StorageError("busy")))], attempts=3)
    assert isinstance(found[0], Failed)
    assert str(found[0].error) == "busy"
    assert pool.submitted == 3


@pytest.mark.parametrize("error", [GeometryError("crooked"), ValueError("x"), MemoryError()])
def test_an_error_that_would_come_again_is_not_retried(error):
    found, _, pool = outcomes([Task("t", FailsAtFirst(1, error))], attempts=5)
    assert found == [Failed("t", error, attempts=1)]
    assert pool.submitted == 1


def test_a_task_that_cannot_fit_is_refused_before_it_runs():
    tasks = [Task("t", forever, predicted_bytes=2_000_000_000)]
    found, _, pool = outcomes(tasks, memory_cap=1_000_000_000)
    assert pool.submitted == 0
    assert found[0].attempts == 0
    assert "2,000 MB and a worker may hold 1,000 MB" in str(found[0].error)


@given(st.integers(2, 9), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=40))
def test_held_tasks_never_exceed_the_window_however_slowly_they_are_consumed(window, turns):
    taken = consumed = 0

    def tasks():
        nonlocal taken
        for number, (work, _) in enumerate(turns):
            taken += 1
            assert taken - consumed <= window
            yield Task(str(number), after_turns, (number, work))

    async def main():
        nonlocal consumed
        settings = Settings(workers=1, window=window)
        found = []
        async for outcome in run(tasks(), CoroutinePool(), settings):
            await after_turns(None, turns[outcome.result][1])
            found.append(outcome.result)
            consumed += 1
        return found

    assert sorted(asyncio.run(main())) == list(range(len(turns)))


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=30),
    st.integers(0, 30),
    st.sampled_from([0.0, 0.001]),
)
def test_a_run_cancelled_at_any_moment_leaves_nothing_running(turns, stop, grace):
    taken = 0

    def tasks():
        nonlocal taken
        for number, work in enumerate(turns):
            taken += 1
            yield Task(
                str(number), after_turns if work else forever, (number, work)[: 2 * (work > 0)]
            )

    async def main():
        pool, tally, seen = CoroutinePool(), Tally(), []
        settings = Settings(workers=1, window=5, grace=grace)

        async def consume():
            async with contextlib.aclosing(run(tasks(), pool, settings, tally)) as stream:
                async for outcome in stream:
                    seen.append(outcome.key)  # noqa: PERF401 (what came before a cancel counts)

        consuming = asyncio.create_task(consume())
        await after_turns(None, stop)
        consuming.cancel()
        await asyncio.wait([consuming])
        taken_then = taken
        await after_turns(None, 20)
        assert not pool.running
        assert tally.in_flight == 0
        assert taken == taken_then
        assert len(set(seen)) == len(seen)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_an_iterable_that_raises_cancels_its_run():
    def tasks():
        yield Task("endless", forever)
        raise KeyError("the plan is broken")

    async def main():
        pool = CoroutinePool()
        with pytest.raises(KeyError):
            async for _ in run(tasks(), pool, Settings(workers=1, grace=0.0)):
                pass
        return pool.running

    assert asyncio.run(main()) == {}


def test_a_pool_that_refuses_makes_failures_not_a_crash():
    class Closed(CoroutinePool):
        def submit(self, task):
            raise EngineError("closed")

    async def main():
        tasks = (Task(str(n), forever) for n in range(10))
        settings = Settings(workers=1)
        return [outcome.error async for outcome in run(tasks, Closed(), settings)]

    assert [str(error) for error in asyncio.run(main())] == ["closed"] * 10


def test_waits_are_uniform_below_a_bound_that_doubles_up_to_the_limit():
    from scipy.stats import kstest

    samples = [
        [next(w) for _ in range(6)]
        for w in (waits(0.5, 4.0, random.Random(seed)) for seed in range(2000))
    ]
    for k, column in enumerate(zip(*samples, strict=True)):
        bound = min(4.0, 0.5 * 2**k)
        assert max(column) <= bound
        # six tests at 1e-7 each: a false alarm in fewer than one of 1e6 runs
        assert kstest(column, "uniform", args=(0, bound)).pvalue > 1e-7
