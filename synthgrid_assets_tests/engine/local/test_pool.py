"""The pool against real processes: blame, deadlines, memory, errors, start and end."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

from synthgrid_assets.engine.local import fork_server_client, pool
from synthgrid_assets.engine.local.pool import WorkerPool
from synthgrid_assets.engine.local.standby import stand_by
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Task
from synthgrid_assets.errors import (
    EngineError,
    GeometryError,
    TaskTimeoutError,
    WorkerDiedError,
    WorkersLostError,
)
from synthgrid_assets.testing import executor_chores as chores
from synthgrid_assets.testing.executor_tests import ExecutorTests

PRELOAD = ("numpy", "synthgrid_assets.testing.executor_chores")
LIMIT = 60  # seconds after which a test counts as hung


def with_pool(work, *, preload=PRELOAD, **settings):
    """Run ``await work(call, pool)`` on a pool; `call` awaits one task's result."""

    async def main():
        async with WorkerPool(Settings(**{"workers": 2, **settings}), preload) as pool:

            async def call(function, *arguments, priority=0.0):
                task = Task(function.__name__, function, arguments, priority)
                return (await pool.submit(task).reply).result

            return await asyncio.wait_for(work(call, pool), LIMIT)

    return asyncio.run(main())


def descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


class TestContract(ExecutorTests):
    def make(self, settings, preload):
        return WorkerPool(settings, preload)


@pytest.fixture(autouse=True)
def _no_process_is_left():
    before = set(descendants())
    yield
    assert set(descendants()) <= before


def test_a_module_that_cannot_be_imported_is_named_and_nothing_hangs():
    with pytest.raises(EngineError, match="No module named 'no_such_module'"):
        with_pool(None, preload=("no_such_module",))


def test_imports_that_never_end_meet_a_limit(tmp_path, monkeypatch):
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(pool, "START_LIMIT", 0.5)
    with pytest.raises(EngineError, match=r"loading endless took longer than 0\.5 s"):
        with_pool(None, preload=("endless",), grace=0.0)


def test_workers_that_always_end_at_their_start_are_given_up_on(tmp_path, monkeypatch):
    (tmp_path / "stillborn.py").write_text(
        "import os\nos.register_at_fork(after_in_child=lambda: os._exit(7))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    async def work(call, pool):
        await call(chores.square, 2)

    with pytest.raises(EngineError, match=r"before they are ready .*exit code 7"):
        with_pool(work, preload=("stillborn",))


def test_what_cannot_be_sent_is_refused_before_a_worker_sees_it(monkeypatch):
    async def work(call, pool):
        with pytest.raises(EngineError, match="cannot be sent to a worker"):
            await call(lambda: 1)
        monkeypatch.setattr(chores.square, "__module__", "__main__")
        with pytest.raises(EngineError, match="move it into a module"):
            await call(chores.square, 2)
        monkeypatch.undo()
        return await call(chores.square, 2)

    assert with_pool(work) == 4


def test_what_cannot_be_returned_is_an_error_of_its_task_alone():
    async def work(call, pool):
        with pytest.raises(EngineError, match=r"_thread.lock, which cannot be pickled"):
            await call(chores.return_lock)
        return await call(chores.square, 3)

    assert with_pool(work) == 9


@pytest.mark.parametrize(
    ("kind", "arrives", "text"),
    [
        ("geometry", GeometryError, "cell (3, 4) has no area"),
        ("awkward", EngineError, "3 against 4"),
        ("local", EngineError, "nobody can import me"),
        ("exit", EngineError, "SystemExit"),
        ("interrupt", EngineError, "KeyboardInterrupt"),
    ],
)
def test_errors_survive_the_way_home_and_the_worker_survives_them(kind, arrives, text):
    async def work(call, pool):
        before = await call(chores.pid_of_worker)
        with pytest.raises(arrives) as caught:
            await call(chores.fail, kind)
        assert type(caught.value) is arrives
        assert text in str(caught.value)
        assert await call(chores.pid_of_worker) == before

    with_pool(work, workers=1)


@pytest.mark.parametrize(
    ("function", "argument", "ending"),
    [
        (chores.die, signal.SIGSEGV, "signal 11 (SIGSEGV)"),
        (chores.leave, 3, "exit code 3"),
    ],
)
def test_a_death_tells_how_the_worker_ended(function, argument, ending):
    async def work(call, pool):
        with pytest.raises(WorkerDiedError) as caught:
            await call(function, argument)
        return str(caught.value)

    assert ending in with_pool(work, workers=1)


def test_a_worker_killed_from_outside_costs_only_its_own_task():
    async def work(call, pool):
        pids = {await call(chores.pid_of_worker) for _ in range(8)}
        naps = [asyncio.create_task(call(chores.nap, 1.0)) for _ in range(2)]
        await asyncio.sleep(0.1)
        os.kill(min(pids), signal.SIGKILL)
        return await asyncio.gather(
            *naps, *(call(chores.square, n) for n in range(20)), return_exceptions=True
        )

    first, second, *squares = with_pool(work)
    assert {type(first), type(second)} == {WorkerDiedError, float}
    assert squares == [n * n for n in range(20)]


def test_a_late_task_is_killed_its_worker_replaced_and_the_next_runs_at_once():
    async def work(call, pool):
        late = asyncio.create_task(call(chores.nap, 50.0))
        while not descendants():
            await asyncio.sleep(0.01)
        with pytest.raises(TaskTimeoutError, match=r"task nap ran longer than 0\.5 s"):
            await late
        assert await call(chores.square, 5) == 25
        return pool.figures().workers_spawned

    assert with_pool(work, workers=1, deadline=0.5) == 2


def test_the_deadline_counts_from_the_start_of_the_task_not_from_its_submission():
    async def work(call, pool):
        return await asyncio.gather(*(call(chores.nap, 0.1) for _ in range(20)))

    assert with_pool(work, workers=1, deadline=1.5) == [0.1] * 20


def test_a_worker_is_replaced_after_its_number_of_tasks():
    async def work(call, pool):
        pids = await asyncio.gather(*(call(chores.pid_of_worker) for _ in range(40)))
        return pids, pool.figures().workers_spawned

    pids, spawned = with_pool(work, recycle_after=5)
    assert max(pids.count(pid) for pid in pids) == 5
    assert 8 <= spawned <= 10


def test_memory_beyond_the_cap_is_a_memory_error_and_the_worker_lives_on():
    async def work(call, pool):
        before = await call(chores.pid_of_worker)
        with pytest.raises(MemoryError):
            await call(chores.allocate, 900 << 20)
        assert await call(chores.allocate, 50 << 20) == 50 << 20
        assert await call(chores.pid_of_worker) == before

    with_pool(work, workers=1, memory_cap=600 << 20)


def test_whatever_meets_the_cap_is_told_as_memory(monkeypatch):
    """Loaders, system calls and aborts say it in ways of their own; not so without a cap."""
    said = r"beyond the memory cap of 800 MB \(.*\); raise `memory_cap_mb`"

    async def capped(call, pool):
        for kind in ("loader", "enomem", "wrapped"):
            with pytest.raises(MemoryError, match=said):
                await call(chores.want_memory, kind)
        with pytest.raises(ImportError, match="no such thing"):
            await call(chores.want_memory, "import")
        with pytest.raises(WorkerDiedError, match=r"SIGABRT\); libraries end a process so at"):
            await call(chores.want_memory, "abort")

    async def free(call, pool):
        with pytest.raises(ImportError, match="failed to map segment"):
            await call(chores.want_memory, "loader")
        with pytest.raises(WorkerDiedError, match=r"SIGABRT\)$"):
            await call(chores.want_memory, "abort")

    with_pool(capped, workers=1, memory_cap=800_000_000)
    with_pool(free, workers=1)


def test_a_withdrawn_order_no_longer_runs_when_withdraw_returns(tmp_path):
    async def work(call, pool):
        arguments = (str(tmp_path), "tile", 1.0)
        order = pool.submit(Task("tile", chores.begin_and_end, arguments))
        while not list(tmp_path.glob("*.begun")):
            await asyncio.sleep(0.01)
        pid = int((tmp_path / "tile.begun").read_text())
        await pool.withdraw(order)
        assert not psutil.pid_exists(pid)
        return await call(chores.square, 6)

    assert with_pool(work) == 36
    assert not (tmp_path / "tile.ended").exists()


def test_without_its_fork_server_the_pool_says_so_and_no_worker_is_left():
    async def work(call, pool):
        napping = asyncio.create_task(call(chores.nap, 50.0))
        await call(chores.square, 1)
        await asyncio.sleep(0.1)
        fork_server = next(p for p in psutil.Process().children())
        workers = fork_server.children()
        fork_server.kill()
        with pytest.raises(EngineError, match="process that starts them ended by itself"):
            await napping
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert not alive
        assert not pool.usable

    with_pool(work)


@pytest.mark.parametrize("ended", [False, True], ids=["ready", "killed meanwhile"])
def test_a_pool_takes_the_fork_server_that_stands_by_if_it_is_still_there(ended):
    before = set(psutil.Process().children())
    stand_by(PRELOAD)
    stand_by(PRELOAD)  # one is enough
    (waiting,) = set(psutil.Process().children()) - before
    if ended:
        waiting.kill()
        waiting.wait(LIMIT)

    async def work(call, pool):
        return psutil.Process(await call(chores.pid_of_worker)).ppid()

    for _ in range(2):  # the second pool starts one of its own
        own = with_pool(work, workers=1)
        assert (own == waiting.pid) == (not ended)
        ended = True


ALONE = """
import os, signal, psutil
from synthgrid_assets.engine.local.standby import stand_by
stand_by(("json",))
print(psutil.Process().children()[0].pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_one_that_stands_by_ends_with_its_process():
    told = subprocess.run([sys.executable, "-c", ALONE], stdout=subprocess.PIPE, timeout=LIMIT)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(told.stdout)).wait(10)


@pytest.mark.parametrize("shot", ["outside", "late"])
def test_a_frozen_fork_server_is_found_out_when_a_worker_must_end(shot, monkeypatch):
    """Stopped (SIGSTOP) it reaps nobody: nothing may wait for it past every deadline."""
    monkeypatch.setattr(fork_server_client, "PATIENCE", 0.3)

    async def work(call, pool):
        pid = await call(chores.pid_of_worker)
        napping = asyncio.create_task(call(chores.nap, 50.0))
        await asyncio.sleep(0.2)
        fork_server = next(p for p in psutil.Process().children())
        workers = fork_server.children()
        fork_server.suspend()
        if shot == "outside":
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError if shot == "outside" else TaskTimeoutError):
            await napping
        assert not pool.usable
        with pytest.raises(WorkersLostError, match=r"did not answer for 0\.6 s"):
            await call(chores.square, 1)
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert not alive

    with_pool(work, workers=1, deadline=1.0 if shot == "late" else 900.0)


def test_a_worker_that_is_stopped_ends_with_its_deadline():
    async def work(call, pool):
        pid = await call(chores.pid_of_worker)
        napping = asyncio.create_task(call(chores.nap, 0.5))
        await asyncio.sleep(0.2)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(TaskTimeoutError):
            await napping
        return await call(chores.square, 3)

    assert with_pool(work, workers=1, deadline=1.5) == 9


def test_a_worker_that_grows_is_replaced():
    async def work(call, pool):
        first = await call(chores.pid_of_worker)
        assert await call(chores.pid_of_worker) == first
        await call(chores.keep, 120 << 20)
        second = await call(chores.pid_of_worker)
        assert pool.figures().resident > 120 << 20
        return first, second

    first, second = with_pool(work, workers=1, recycle_above=120 << 20)
    assert first != second


def test_workers_have_one_thread_for_blas_and_few_arenas():
    async def work(call, pool):
        names = ("OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "MALLOC_ARENA_MAX")
        return [await call(chores.environment, name) for name in names]

    assert with_pool(work) == ["1", "1", "2"]
    assert "MALLOC_ARENA_MAX" not in os.environ


def test_arrow_with_its_threads_works_in_every_fork_of_a_server_that_loaded_it(tmp_path):
    async def work(call, pool):
        paths = [str(tmp_path / f"{n}.parquet") for n in range(8)]
        return await asyncio.gather(*(call(chores.write_and_read, path) for path in paths))

    heavy = ("scipy.spatial", "shapely", "pyarrow.parquet", "numba")
    sums = with_pool(work, preload=(*PRELOAD, *heavy), recycle_after=2)
    assert sums == [sum(range(50_000))] * 8


def test_workers_never_import_the_callers_main(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "only_here", 1, raising=False)

    async def work(call, pool):
        return await call(chores.knows_main, "only_here")

    assert chores.knows_main("only_here")
    assert with_pool(work) is False


def test_large_arguments_and_results_travel():
    array = np.arange(3_000_000)

    async def work(call, pool):
        return await call(np.negative, array)

    assert np.array_equal(with_pool(work), -array)


def test_a_cancelled_start_leaves_no_process():
    async def main():
        starting = asyncio.create_task(WorkerPool(Settings(workers=1), ("scipy.stats",)).start())
        await asyncio.sleep(0.05)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    asyncio.run(main())
