"""A fork server that is a copy of a process which has done nothing yet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from synthgrid_assets.engine.local.early_fork import fork_early, take_forked
from synthgrid_assets.engine.settings import usable_cores

BEGIN = """
import os, signal, sys
from synthgrid_assets.engine.local.early_fork import fork_early
assert fork_early(("synthgrid_assets.testing.executor_chores",))
"""
WORKS = (
    BEGIN
    + """
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Task

def ask(session, function, *arguments):
    (group,) = session.map_groups([Task("t", function, arguments)])
    return group[0].result

os.environ["SET_LATER"] = "yes"
for copy in (True, False):  # the second engine has a fork server of its own
    with EngineSession(Settings(workers=1)) as session:
        assert ask(session, os.getenv, "SET_LATER") == "yes"
        assert ask(session, os.getenv, "OMP_NUM_THREADS") == "1"
        assert ask(session, os.readlink, "/proc/self/fd/0") == os.devnull
        server = ask(session, os.getppid)
        with open(f"/proc/{server}/cmdline") as told:
            assert ("import " + "main" not in told.read()) == copy
    try:
        os.kill(server, 0)
    except ProcessLookupError:
        continue
    raise AssertionError("it is still there")
print("done")
"""
)
MEANWHILE = """
import os, sys, time
from synthgrid_assets.engine.local.early_fork import fork_early
chores = "synthgrid_assets.testing.executor_chores"
if sys.argv[2:]:
    os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
assert fork_early((chores,), (f"{chores}:{sys.argv[1]}",))
time.sleep(0.2)
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Task
from synthgrid_assets.testing.executor_chores import steps_taken
with EngineSession(Settings(workers=1)) as session:
    (group,) = session.map_groups([Task("t", steps_taken, ())])
print(group[0].result)
"""
SLEEPS = BEGIN + "print('there', flush=True)\nsys.stdin.read()\n"


def _command(program):
    return [sys.executable, "-c", program]


def test_the_first_engine_has_the_copy_with_what_was_set_since():
    told = subprocess.run(_command(WORKS), capture_output=True, text=True, check=False, timeout=120)
    assert told.stdout.split() == ["done"], told.stderr


def _taken(*arguments):
    told = subprocess.run(
        [*_command(MEANWHILE), *arguments], capture_output=True, text=True, check=True, timeout=120
    )
    return int(told.stdout)


@pytest.mark.skipif(usable_cores() < 2, reason="one core is the other process's")
def test_what_is_loaded_meanwhile_is_in_the_workers_and_holds_nothing_up():
    assert _taken("endless_steps") > 1


@pytest.mark.skipif(usable_cores() < 2, reason="one core is the other process's")
def test_what_fails_meanwhile_ends_nothing():
    assert _taken("failing_steps") == 1


def test_nothing_is_loaded_meanwhile_on_one_core():
    assert _taken("endless_steps", "alone") == 0


def test_a_copy_that_nobody_takes_ends_with_its_process():
    for how in ("ends", "is killed"):
        with subprocess.Popen(
            _command(SLEEPS), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout.readline() == "there\n"
            (copy,) = psutil.Process(running.pid).children()
            if how == "is killed":
                os.kill(running.pid, signal.SIGKILL)
            running.communicate("", timeout=60)
        until = time.monotonic() + 60
        while copy.is_running() and copy.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until, how
            time.sleep(0.01)


def test_a_process_that_has_done_more_is_not_copied():
    import numpy  # noqa: F401

    assert not fork_early(())
    assert take_forked() is None
