"""The blocking face: threads, interrupts, orphans, and memory that does not grow."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import wait

import psutil
import pytest

from synthgrid_assets.engine import steering
from synthgrid_assets.engine.local import fork_server_client
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Done, Failed, Task
from synthgrid_assets.errors import EngineError, SpecError, StorageError, WorkerDiedError
from synthgrid_assets.testing import executor_chores as chores

PRELOAD = ("numpy", "synthgrid_assets.testing.executor_chores")
GROWTH = 1_000_000  # bytes: 50 a task, where an outcome held takes 300; one read takes 256 k


def session(**settings):
    return EngineSession(Settings(**{"workers": 2, **settings}), PRELOAD)


def each(opened, tasks):
    """Outcomes one by one."""
    for group in opened.map_groups(tasks):
        yield from group


def squares(numbers):
    return (Task(str(n), chores.square, (n,)) for n in numbers)


ALREADY: set[psutil.Process] = set()  # children of this process that other tests left running


def children():
    """Processes that this test has started."""
    return [child for child in psutil.Process().children() if child not in ALREADY]


@pytest.fixture(autouse=True)
def _nothing_is_left():
    ALREADY.update(psutil.Process().children())
    yield
    assert children() == []
    assert [t for t in threading.enumerate() if t.name == "synthgrid-engine"] == []


def test_a_session_that_is_not_open_says_so():
    with pytest.raises(EngineError, match="`with` block"):
        next(session().map_groups(squares([1])))
    with session() as opened, pytest.raises(EngineError, match="already open"):
        opened.__enter__()


def test_workers_that_cannot_start_are_an_error_of_the_run():
    with EngineSession(Settings(workers=1), ["no_such_module"]) as opened:
        for _ in range(2):
            with pytest.raises(EngineError, match="no_such_module"):
                next(each(opened, squares([1])))


def live_in(pid):
    """Die anywhere but in one process."""
    if os.getpid() != pid:
        os.kill(os.getpid(), signal.SIGKILL)
    return pid


def test_a_single_call_is_made_where_workers_run_and_here_otherwise():
    here = os.getpid()
    with session(workers=1, attempts=1) as opened:
        assert opened.call(chores.pid_of_worker) == here
        worker = opened.call(chores.pid_of_worker, start=True)
        assert opened.call(chores.pid_of_worker) == worker != here
        with pytest.raises(StorageError):
            opened.call(chores.fail, "storage")
        assert opened.call(live_in, here) == here  # what kills a worker is not lost
    with session(workers=1, memory_cap=200_000_000) as capped:
        assert capped.call(chores.pid_of_worker, start=True) == here


def marks(folder):
    return {path.name for path in folder.iterdir()}


def test_a_begun_call_is_made_by_a_worker_and_its_outcome_is_dropped(tmp_path):
    with session(attempts=1) as opened:
        assert opened.call(chores.pid_of_worker, start=True) != os.getpid()
        before = opened.statistics()
        opened.begin(chores.begin_and_end, str(tmp_path), "begun", 0.0).result()
        assert marks(tmp_path) == {"begun.begun", "begun.ended"}
        assert int((tmp_path / "begun.begun").read_text()) != os.getpid()
        opened.begin(chores.fail, "storage").result()
        opened.begin(live_in, os.getpid()).result()  # which ends its worker
        opened.begin(threading.Lock).result()  # whose result cannot travel
        now = opened.statistics()
        assert (now.done, now.failed, now.retried) == (before.done, before.failed, before.retried)
        assert opened.call(chores.square, 3) == 9


@pytest.mark.parametrize(
    ("settings", "executor", "start"),
    [
        ({}, "local", False),  # no worker runs
        ({"workers": 1}, "local", True),
        ({"memory_cap": 200_000_000}, "local", True),
        ({}, "inline", True),
    ],
)
def test_nothing_is_begun_where_no_two_workers_run(tmp_path, settings, executor, start):
    with EngineSession(Settings(**{"workers": 2, **settings}), PRELOAD, executor) as opened:
        if start:
            list(each(opened, squares([1])))
        opened.begin(chores.begin_and_end, str(tmp_path), "begun", 0.0).result()
    assert marks(tmp_path) == set()


def test_what_somebody_waits_for_goes_before_what_was_begun(tmp_path):
    with session() as opened:
        list(each(opened, squares(range(2))))
        naps = [Task(str(n), chores.nap, (0.2,)) for n in range(6)]
        outcomes = each(opened, naps)
        ended = [next(outcomes)]  # all six are at the workers or wait for one
        begun = opened.begin(chores.begin_and_end, str(tmp_path), "begun", 0.0)
        while len(ended) < 5:  # at most one still runs: a worker has had nothing else to do
            assert marks(tmp_path) == set()
            ended.append(next(outcomes))
        begun.result()
        assert len(ended) + len(list(outcomes)) == len(naps)


@pytest.mark.parametrize("how", ["cancel", "leave", "interrupt"])
def test_a_begun_call_ends_with_the_session(tmp_path, how):
    with contextlib.ExitStack() as stack:
        if how == "interrupt":
            stack.enter_context(pytest.raises(KeyboardInterrupt))
        opened = stack.enter_context(session())
        list(each(opened, squares(range(2))))
        begun = [opened.begin(chores.begin_and_end, str(tmp_path), str(n), 600.0) for n in range(3)]
        while len(marks(tmp_path)) < 2:
            time.sleep(0.01)
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "cancel":
            opened.cancel()
            assert all(one.done() for one in wait(begun, 10).done)
            assert opened.call(chores.square, 3) == 9
    assert len(wait(begun, 10).done) == 3
    pids = [int((tmp_path / name).read_text()) for name in marks(tmp_path)]
    assert not any(map(psutil.pid_exists, pids))
    assert not any(name.endswith("ended") for name in marks(tmp_path))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_are_the_same_for_any_number_of_workers(workers):
    with session(workers=workers, window=7) as opened:
        outcomes = list(each(opened, squares(range(100))))
    assert {o.key: o.result for o in outcomes} == {str(n): n * n for n in range(100)}


def test_outcomes_tell_results_failures_and_attempts_apart(tmp_path):
    tasks = [
        Task("good", chores.square, (3,)),
        Task("flaky", chores.fail_until_marked, (str(tmp_path), 1)),
        Task("full", chores.fail, ("storage",)),
        Task("poison", chores.die),
    ]
    with session(attempts=2, backoff=0.01) as opened:
        found = {outcome.key: outcome for outcome in each(opened, tasks)}
        statistics = opened.statistics()
    assert isinstance(found["good"], Done)
    assert found["flaky"].attempts == 2
    assert isinstance(found["full"], Failed)
    assert type(found["full"].error) is StorageError
    assert type(found["poison"].error) is WorkerDiedError
    assert (statistics.done, statistics.failed, statistics.retried) == (2, 2, 3)
    assert statistics.workers_spawned == 4
    assert statistics.in_flight == 0


class Growing:
    """Squares of numbers, to which the caller adds while it runs."""

    def __init__(self, *numbers):
        self.waiting = list(numbers)

    def __iter__(self):
        return self

    def __next__(self):
        if not self.waiting:
            raise StopIteration
        number = self.waiting.pop()
        return Task(str(number), chores.square, (number,))


@pytest.mark.parametrize("workers", [1, 2])
def test_tasks_may_grow_with_the_outcomes(workers):
    tasks, found = Growing(64, 48), []
    with session(workers=workers) as opened:
        for group in opened.map_groups(tasks):
            found += [outcome.result for outcome in group]
            tasks.waiting += [int(o.key) // 2 for o in group if int(o.key) > 1]
    halves = [64, 32, 16, 8, 4, 2, 1, 48, 24, 12, 6, 3, 1]
    assert sorted(found) == sorted(n * n for n in halves)


def test_tasks_are_read_on_the_calling_thread_and_only_as_the_window_has_room():
    taken = consumed = 0

    def tasks():
        nonlocal taken
        for n in range(60):
            taken += 1
            assert threading.current_thread() is threading.main_thread()
            assert taken - consumed <= 5
            yield Task(str(n), chores.square, (n,))

    with session(window=5) as opened:
        for _ in each(opened, tasks()):
            consumed += 1
        assert opened.statistics().peak_window == 5


def test_memory_does_not_grow_with_the_number_of_tasks():
    with session(window=16, recycle_after=100_000) as opened:
        stream = each(opened, squares(range(22_000)))
        for _ in range(2_000):
            next(stream)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        total = sum(1 for _ in stream)
        after, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert total == 20_000
    assert after - before < GROWTH
    assert peak - before < GROWTH


def test_two_threads_share_one_session():
    sums = {}
    with session() as opened:

        def add(name, numbers):
            sums[name] = sum(outcome.result for outcome in each(opened, squares(numbers)))

        threads = [threading.Thread(target=add, args=(k, range(k, k + 50))) for k in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert opened.statistics().workers_spawned == 2
    assert sums == {k: sum(n * n for n in range(k, k + 50)) for k in range(3)}


@pytest.mark.parametrize("seed", range(4))
def test_a_run_abandoned_at_a_random_moment_reports_nothing_half_done(tmp_path, seed):
    stop = random.Random(seed).randrange(1, 12)
    tasks = (
        Task(str(n), chores.begin_and_end, (str(tmp_path), str(n), 0.02 * (n % 4)))
        for n in range(40)
    )
    reported = []
    with session(grace=0.0) as opened:
        for outcome in each(opened, tasks):
            reported.append(outcome.key)
            if len(reported) == stop:
                break
        ended = {path.stem for path in tmp_path.glob("*.ended")}
        begun = {path.stem for path in tmp_path.glob("*.begun")}
        assert set(reported) <= ended
        assert len(begun) <= stop + 8
        time.sleep(0.1)  # longer than any task: whatever still ran would end now
        assert {path.stem for path in tmp_path.glob("*.ended")} == ended
        assert len(list(each(opened, squares(range(5))))) == 5


def test_running_tasks_may_finish_within_the_grace_time(tmp_path):
    slow = [Task(str(n), chores.begin_and_end, (str(tmp_path), str(n), 0.5)) for n in range(4)]
    with session(grace=20.0) as opened:
        stream = each(opened, [*squares([1]), *slow])
        next(stream)
        while len(list(tmp_path.glob("*.begun"))) < 2:
            time.sleep(0.01)
        stream.close()
    assert len(list(tmp_path.glob("*.ended"))) == len(list(tmp_path.glob("*.begun"))) == 2


def test_an_error_of_the_consumer_or_of_the_plan_cancels_the_run():
    def plan():
        yield from squares(range(3))
        raise SpecError("no such tile")

    endless = [Task(str(n), chores.nap, (60.0,)) for n in range(4)]
    with session(grace=0.0) as opened:
        with pytest.raises(SpecError):
            list(each(opened, plan()))
        stream = each(opened, [*squares([0]), *endless])
        with pytest.raises(ZeroDivisionError):
            sum(1 / outcome.result for outcome in stream)
        stream.close()


def test_an_interrupt_while_waiting_cancels_the_run():
    with session(grace=0.0) as opened:
        assert len(list(each(opened, squares([1])))) == 1
        main = threading.get_ident()
        threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            list(each(opened, [Task(str(n), chores.nap, (60.0,)) for n in range(4)]))
        assert opened.statistics().in_flight == 0


def test_cancel_from_another_thread_ends_the_run_with_an_error():
    with session(grace=0.0) as opened:
        assert len(list(each(opened, squares([1])))) == 1
        threading.Timer(0.3, opened.cancel).start()
        with pytest.raises(EngineError, match="the run was cancelled with 4 tasks held"):
            list(each(opened, [Task(str(n), chores.nap, (60.0,)) for n in range(4)]))
        assert len(list(each(opened, squares(range(5))))) == 5


def test_a_session_outlives_its_fork_server():
    with session() as opened:
        assert len(list(each(opened, squares(range(5))))) == 5
        children()[0].kill()
        until = time.monotonic() + 20
        while opened._workers.current is not None and time.monotonic() < until:
            time.sleep(0.01)  # its workers may answer until they are gone, too
        assert len(list(each(opened, squares(range(5))))) == 5
        assert opened.statistics().workers_spawned == 4


def test_a_run_goes_on_where_the_fork_server_was_frozen(monkeypatch):
    monkeypatch.setattr(fork_server_client, "PATIENCE", 0.3)
    tasks = (Task(str(n), chores.nap, (0.02,)) for n in range(60))
    found = []
    with session(backoff=0.01) as opened:
        for outcome in each(opened, tasks):
            found.append(outcome)
            if len(found) == 10:
                frozen = children()[0]
                frozen.suspend()
                frozen.children()[0].kill()
        events = opened.events()
    assert all(isinstance(outcome, Done) for outcome in found)
    assert len({outcome.key for outcome in found}) == 60
    assert [event.kind for event in events] == ["executor"]


def shoot(draw):
    """End or stop one process of this engine, if there is one."""
    servers = children()
    workers = [worker for server in servers for worker in server.children()]
    if not workers:
        return
    kind = draw.choice(("worker", "worker", "stopped worker", "fork server", "frozen"))
    with contextlib.suppress(psutil.NoSuchProcess):
        if kind == "worker":
            draw.choice(workers).kill()
        elif kind == "stopped worker":
            draw.choice(workers).suspend()
        elif kind == "fork server":
            servers[0].kill()
        else:
            servers[0].suspend()
            workers[0].kill()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_whatever_is_shot_each_task_comes_home_once_with_its_result(seed, monkeypatch):
    monkeypatch.setattr(fork_server_client, "PATIENCE", 0.2)
    monkeypatch.setattr(steering, "LOSSES_IN_A_ROW", 100)
    draw = random.Random(seed)
    tasks = (Task(str(n), chores.nap, (0.01,)) for n in range(200))
    found = []
    with session(attempts=50, backoff=0.01, deadline=1.0, grace=0.0) as opened:
        for outcome in each(opened, tasks):
            found.append(outcome)
            if len(found) % 20 == 0:
                shoot(draw)
        assert opened.statistics().in_flight == 0
    assert [outcome for outcome in found if not isinstance(outcome, Done)] == []
    assert sorted(int(outcome.key) for outcome in found) == list(range(200))


PARENT = """
import sys
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Task
from synthgrid_assets.testing import executor_chores as chores

with EngineSession(Settings(workers=2), ["synthgrid_assets.testing.executor_chores"]) as session:
    {before}
    naps = [Task(str(n), chores.begin_and_end, (sys.argv[1], str(n), 60.0)) for n in range(4)]
    for group in session.map_groups(naps):
        pass
"""


def start_parent(folder, before="pass"):
    """A process whose session has two busy workers; it and all its descendants."""
    code = PARENT.format(before=before)
    parent = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    while len(list(folder.glob("*.begun"))) < 2:
        assert parent.poll() is None
        time.sleep(0.02)
    return parent, psutil.Process(parent.pid).children(recursive=True)


def test_a_killed_parent_leaves_no_orphans_not_even_busy_ones(tmp_path):
    parent, family = start_parent(tmp_path)
    parent.kill()
    parent.wait()
    assert len(family) == 3
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


def test_not_even_where_a_fork_of_the_parent_keeps_its_sockets_open(tmp_path):
    first = "list(session.map_groups([Task('t', chores.square, (1,))]))"
    fork = f"import os, time; {first}; pid = os.fork()"
    parent, family = start_parent(tmp_path, f"{fork}\n    if pid == 0: time.sleep(8); os._exit(0)")
    parent.kill()
    parent.wait()
    workers = [p for p in family if p.pid in {int(f.read_text()) for f in tmp_path.glob("*.begun")}]
    assert len(workers) == 2
    _, alive = psutil.wait_procs(workers, timeout=6)
    for process in family:
        if process.is_running():
            process.kill()
    assert not alive


def test_a_terminal_interrupt_of_the_whole_group_is_the_parents_to_handle(tmp_path):
    parent, family = start_parent(tmp_path)
    for process in family:
        os.kill(process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert all(process.is_running() for process in family)
    parent.send_signal(signal.SIGINT)
    assert parent.wait(timeout=30) != 0
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
