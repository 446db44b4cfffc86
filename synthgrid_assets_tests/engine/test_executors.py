"""Executors by name, and the contract on those without processes of their own."""

import threading

import pytest

from synthgrid_assets.engine.executor import EXECUTORS, executor_factory
from synthgrid_assets.engine.inline import InlineExecutor
from synthgrid_assets.engine.local.pool import WorkerPool
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Task
from synthgrid_assets.errors import EngineError
from synthgrid_assets.testing import executor_chores as chores
from synthgrid_assets.testing.executor_tests import ExecutorTests
from synthgrid_assets_tests.engine.toy_executor import ToyExecutor


class TestInline(ExecutorTests):
    isolated = False
    parallel = False

    def make(self, settings, preload):
        return InlineExecutor(settings, preload)


class TestToy(ExecutorTests):
    """One file and one registration: `toy_executor`, and the line in `register`."""

    isolated = False

    @pytest.fixture(autouse=True)
    def register(self, monkeypatch):
        module = "synthgrid_assets_tests.engine.toy_executor:ToyExecutor"
        monkeypatch.setitem(EXECUTORS, "toy", module)

    def make(self, settings, preload):
        return executor_factory("toy://here:1")(settings, preload)

    def test_it_is_found_by_its_name_with_its_address(self):
        toy = self.make(Settings(workers=1), ())
        assert type(toy) is ToyExecutor
        assert toy.address == "here:1"
        with EngineSession(Settings(workers=2), executor="toy") as session:
            tasks = (Task(str(n), chores.square, (n,)) for n in range(30))
            results = [o.result for group in session.map_groups(tasks) for o in group]
        assert sorted(results) == [n * n for n in range(30)]


def test_an_executor_that_nobody_registered_is_refused_with_those_there_are():
    with pytest.raises(EngineError, match=r"'ray' is not known; give one of inline, local"):
        EngineSession(executor="ray")


def test_the_local_pool_is_the_default():
    assert type(executor_factory("local")(Settings(workers=1), ())) is WorkerPool


def test_inline_tasks_run_in_this_process_where_a_debugger_sees_them():
    def who(name):  # no pickle: a function of a test, in a closure
        return threading.current_thread().name.startswith(name)

    with EngineSession(Settings(workers=1), executor="inline") as session:
        groups = session.map_groups([Task("t", who, ("synthgrid-worker",))])
        assert [outcome.result for group in groups for outcome in group] == [True]
