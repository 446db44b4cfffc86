"""The window against an executor of coroutines: bounds, retries, gates, cancelling."""

import asyncio
import random
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.engine.backoff import waits
from synthgrid_assets.engine.circuit_breaker import BreakerSettings, State
from synthgrid_assets.engine.events import Step
from synthgrid_assets.engine.executor import ExecutorFigures
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.stages import COMMIT, Timings
from synthgrid_assets.engine.steering import Steering, Workers
from synthgrid_assets.engine.task import Done, Failed, Order, Reply, Task
from synthgrid_assets.engine.window import Window
from synthgrid_assets.errors import (
    EngineError,
    GeometryError,
    StorageError,
    SynthGridWarning,
    WorkersLostError,
)


class CoroutineExecutor:
    """Runs ``await task.function(*arguments)`` on the loop itself."""

    def __init__(self):
        self.running = {}
        self.submitted = []
        self.usable = True

    async def start(self):
        pass

    def submit(self, task):
        if not self.usable:
            raise EngineError("closed")
        self.submitted.append(task.key)
        order = Order(task, asyncio.get_running_loop().create_future(), running=True)
        self.running[order] = asyncio.create_task(self._work(order))
        return order

    async def _work(self, order):
        try:
            result = await order.task.function(*order.task.arguments)
            timings = result if isinstance(result, Timings) else Timings()
            order.reply.set_result(Reply(result, timings, 1))
        except Exception as error:
            order.reply.set_exception(error)
        finally:
            del self.running[order]

    async def withdraw(self, order):
        if order in self.running:
            self.running[order].cancel()
            await asyncio.wait([self.running[order]])
        order.reply.cancel()

    async def close(self):
        self.usable = False
        for order in list(self.running):
            await self.withdraw(order)

    def figures(self):
        return ExecutorFigures(1, 0.0)


async def after_turns(result, turns):
    for _ in range(turns):
        await asyncio.sleep(0)
    return result


async def forever():
    await asyncio.Event().wait()


async def committing(latency, written=1000):
    return Timings(0.0, latency, ((COMMIT, 0.0, latency),), written)


class FailsAtFirst:
    def __init__(self, times, error):
        self.calls = count()
        self.times, self.error = times, error

    async def __call__(self):
        if next(self.calls) < self.times:
            raise self.error
        return "well"


def outcomes(tasks, **settings):
    """All outcomes, the executor and the figures of a session over coroutines."""
    made = []

    def make(settings, preload):
        made.append(CoroutineExecutor())
        return made[-1]

    settled = Settings(**{"workers": 1, "window": 4, "backoff": 0.0, **settings})
    with EngineSession(settled, executor=make) as session:
        found = [outcome for group in session.map_groups(tasks) for outcome in group]
        statistics = session.statistics()
        assert statistics.in_flight == 0
        assert not made[-1].running
    return found, statistics, made[-1]


def test_an_error_worth_retrying_is_retried_until_it_is_not():
    found, figures, _ = outcomes([Task("t", FailsAtFirst(2, StorageError("busy")))], attempts=3)
    assert found == [Done("t", "well", Timings(), 1, attempts=3)]
    assert figures.retried == 2
    found, _, executor = outcomes([Task("t", FailsAtFirst(9, StorageError("busy")))], attempts=3)
    assert isinstance(found[0], Failed)
    assert str(found[0].error) == "busy"
    assert len(executor.submitted) == 3


@pytest.mark.parametrize("error", [GeometryError("crooked"), ValueError("x"), MemoryError()])
def test_an_error_that_would_come_again_is_not_retried(error):
    found, _, executor = outcomes([Task("t", FailsAtFirst(1, error))], attempts=5)
    assert found == [Failed("t", error, attempts=1)]
    assert len(executor.submitted) == 1


def test_a_task_that_cannot_fit_is_refused_before_it_runs():
    tasks = [Task("t", forever, predicted_bytes=2_000_000_000)]
    found, _, executor = outcomes(tasks, memory_cap=1_000_000_000)
    assert executor.submitted == []
    assert found[0].attempts == 0
    assert "2,000 MB and a worker may hold 1,000 MB" in str(found[0].error)


@given(st.integers(2, 9), st.lists(st.integers(0, 5), max_size=40))
def test_held_tasks_never_exceed_the_window_however_they_are_consumed(window, turns):
    taken = consumed = 0

    def tasks():
        nonlocal taken
        for number, work in enumerate(turns):
            taken += 1
            assert taken - consumed <= window
            yield Task(str(number), after_turns, (number, work))

    found = []
    settings = Settings(workers=1, window=window)
    with EngineSession(settings, executor=lambda *_: CoroutineExecutor()) as session:
        for group in session.map_groups(tasks()):
            found += [outcome.result for outcome in group]
            consumed += len(group)
    assert sorted(found) == list(range(len(turns)))


@given(st.lists(st.integers(0, 120), min_size=1, max_size=25), st.integers(100, 300))
def test_bytes_of_held_tasks_stay_within_the_budget_but_no_worker_waits_for_it(sizes, budget):
    held, most = {}, []

    def tasks():
        for number, size in enumerate(sizes):
            held[str(number)] = size
            yield Task(str(number), after_turns, (number, 3), predicted_bytes=size)

    settings = Settings(workers=1, window=20, window_bytes=budget)
    with EngineSession(settings, executor=lambda *_: CoroutineExecutor()) as session:
        for group in session.map_groups(tasks()):
            most.append(sum(held.values()) - max(held.values()))  # one was drawn and waits
            for outcome in group:
                del held[outcome.key]
    assert not held
    assert max(most) <= max(budget, max(sizes))


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=30),
    st.integers(0, 30),
    st.sampled_from([0.0, 0.001]),
)
def test_a_window_cancelled_at_any_moment_leaves_nothing_running(turns, stop, grace):
    async def main():
        executor = CoroutineExecutor()
        steering = Steering(Settings(workers=1, window=5, grace=grace))
        workers = Workers(lambda: executor, lambda *_: None)
        await workers.ready()
        delivered = []
        window = Window(workers, steering, delivered.append, Step(1, "", 0.0))
        window.add(
            Task(str(n), after_turns if work else forever, (n, work)[: 2 * (work > 0)])
            for n, work in enumerate(turns)
        )
        await after_turns(None, stop)
        await window.cancel()
        assert not executor.running
        assert steering.in_flight == 0
        assert delivered[-1] is None or None in delivered
        groups = delivered[: delivered.index(None)]
        seen = [outcome.key for group in groups for outcome in group]
        assert len(set(seen)) == len(seen)
        told = len(delivered)
        await after_turns(None, 20)
        window.add([Task("late", after_turns, (1, 1))])
        await after_turns(None, 20)
        assert len(delivered) == told
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_an_iterable_that_raises_cancels_its_run():
    def tasks():
        yield Task("endless", forever)
        raise KeyError("the plan is broken")

    executor = CoroutineExecutor()
    settings = Settings(workers=1, grace=0.0)
    with (
        EngineSession(settings, executor=lambda *_: executor) as session,
        pytest.raises(KeyError),
    ):
        list(session.map_groups(tasks()))
    assert executor.running == {}


class LosesWorkers(CoroutineExecutor):
    """All workers are lost at the first task of each of the first `losses` executors."""

    made = 0

    def __init__(self, losses):
        super().__init__()
        LosesWorkers.made += 1
        self.loses = LosesWorkers.made <= losses

    def submit(self, task):
        order = super().submit(task)
        if self.loses:
            self.usable = False
            self.running[order].cancel()
            order.reply.set_exception(WorkersLostError("gone"))
        return order


@pytest.mark.parametrize("losses", [1, 2])
def test_lost_workers_are_started_again_and_their_tasks_run_on_the_new_ones(losses):
    LosesWorkers.made = 0
    tasks = [Task(str(n), after_turns, (n, 1)) for n in range(10)]
    settings = Settings(workers=1, attempts=4, backoff=0.0)
    with EngineSession(settings, executor=lambda *_: LosesWorkers(losses)) as session:
        found = [outcome for group in session.map_groups(tasks) for outcome in group]
        events = session.events()
    assert sorted(outcome.result for outcome in found) == list(range(10))
    assert LosesWorkers.made == losses + 1
    assert [event.kind for event in events] == ["executor"] * losses


def test_workers_that_are_lost_again_and_again_fail_the_tasks_and_end_the_run():
    LosesWorkers.made = 0
    tasks = [Task(str(n), after_turns, (n, 1)) for n in range(10)]
    settings = Settings(workers=1, attempts=9, backoff=0.0)
    with EngineSession(settings, executor=lambda *_: LosesWorkers(99)) as session:
        found = [outcome for group in session.map_groups(tasks) for outcome in group]
    assert len(found) == 10
    assert all(type(outcome.error) is WorkersLostError for outcome in found)
    assert any("3 times in a row" in str(outcome.error) for outcome in found)


def test_notes_that_make_no_sense_fail_their_task_and_nothing_waits_for_it():
    async def made_up():
        return Timings(stages=(("commit", 1.0),))  # two numbers where there are three

    found, _, _ = outcomes([Task("t", made_up), Task("good", after_turns, (1, 1))])
    assert {type(outcome) for outcome in found} == {Failed, Done}


class Faulty:
    """An observer whose every method fails."""

    def __getattr__(self, name):
        def method(*_):
            raise ZeroDivisionError(name)

        return method


def test_an_observer_that_fails_is_warned_of_and_harms_no_run():
    tasks = [Task(str(n), after_turns, (n, 1)) for n in range(3)]
    session = EngineSession(
        Settings(workers=1), executor=lambda *_: CoroutineExecutor(), observers=[Faulty()]
    )
    match = "Faulty failed and missed something"
    with pytest.warns(SynthGridWarning, match=match) as told, session:
        found = [outcome for group in session.map_groups(tasks) for outcome in group]
    assert sorted(outcome.result for outcome in found) == [0, 1, 2]
    assert {"on_start", "on_step", "on_task", "on_close"} <= {
        str(one.message).rsplit(": ", 1)[1] for one in told
    }


def test_while_the_store_fails_one_task_probes_it_and_all_come_home_when_it_recovers():
    broken = [True]
    tried = []

    async def write(name):
        tried.append(name)
        await asyncio.sleep(0)
        if broken[0]:
            if len(tried) == 12:
                broken[0] = False
            raise StorageError("no space left")
        return await committing(0.001)

    breaker = BreakerSettings(failures=3, cool_off=0.01, cool_off_limit=0.02)
    tasks = [Task(str(n), write, (str(n),)) for n in range(20)]
    settings = Settings(workers=1, window=8, attempts=20, backoff=0.0, breaker=breaker)
    with EngineSession(settings, executor=lambda *_: CoroutineExecutor()) as session:
        found = [outcome for group in session.map_groups(tasks) for outcome in group]
        events = [event for event in session.events() if event.kind == "breaker"]
    assert all(isinstance(outcome, Done) for outcome in found)
    assert len(found) == 20
    states = [event.after for event in events]
    assert states[:2] == ["open", "half-open"]
    assert states[-1] == "closed"
    # beyond the window's own tasks, each attempt that failed was the only one of its time
    assert states.count("half-open") >= 12 - 8
    assert events[0].cause == "3 writes in a row failed, the last one: no space left"
    assert dict(events[0].figures)["failures"] == 3


def test_a_store_that_stays_broken_ends_the_run_with_its_error():
    async def write():
        raise StorageError("no space left")

    breaker = BreakerSettings(failures=2, cool_off=0.01, cool_off_limit=0.01, patience=0.1)
    tasks = [Task(str(n), write) for n in range(60)]
    settings = Settings(workers=1, window=6, attempts=50, backoff=0.0, breaker=breaker)
    with EngineSession(settings, executor=lambda *_: CoroutineExecutor()) as session:
        found = [outcome for group in session.map_groups(tasks) for outcome in group]
        assert session.statistics().breaker == State.OPEN.value
    assert len(found) == 60
    assert {type(outcome.error) for outcome in found} == {StorageError}
    assert "taken no file for 0.1 s; the last error was: no space left" in str(found[-1].error)


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
