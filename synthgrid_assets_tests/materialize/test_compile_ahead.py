"""Kernels compiled beside a first run are those that its tiles ask for, by a process of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import psutil
import pytest

from synthgrid_assets.materialize import compile_ahead
from synthgrid_assets.materialize.compile_ahead import compiling_ahead

WAIT = 60.0
RUN = """
import sys, time
from synthgrid_assets.materialize import compile_ahead
compile_ahead.kernels_are_compiled = lambda room: False
with compile_ahead.compiling_ahead(wanted=True):
    print("compiling", flush=True)
    time.sleep(60)
"""
TILE = """
import sys
from pathlib import Path
from numba.core import event
from synthgrid_assets_tests.reports.committed_world import NAMES, commit, context_of

compiled = []
class Listener(event.Listener):
    def on_start(self, event):
        compiled.append(event.data["dispatcher"].py_func.__module__)
    def on_end(self, event):
        pass

context = context_of(Path(sys.argv[1]))
tiles = list(context.spec.world.tiling)[:1]
commit(context, ["points"], tiles)
with event.install_listener("numba:compile", Listener()):
    commit(context, NAMES[1:], tiles)
print(*sorted(name for name in compiled if name.startswith("synthgrid_assets.")))
"""
COMPILE = """
import sys
from pathlib import Path
from synthgrid_assets.materialize.compile_ahead import compile_kernels
compile_kernels(Path(sys.argv[1]))
"""


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where the process puts its world."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)  # to be found anew
    return folder


def compilers(parent):
    return [
        child
        for child in psutil.Process(parent).children()
        if compile_ahead.__name__ in child.cmdline()
    ]


def until(condition):
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_process_ends_with_the_block_and_leaves_nothing(scratch, monkeypatch):
    monkeypatch.setattr(compile_ahead, "kernels_are_compiled", lambda room: False)
    with compiling_ahead(wanted=True):
        (process,) = compilers(os.getpid())
        until(lambda: any(scratch.glob("*/*")))  # its world is there: it has begun
    assert not process.is_running()
    assert not any(scratch.iterdir())


def test_nothing_is_left_of_a_process_that_does_not_end_by_itself(scratch, monkeypatch):
    monkeypatch.setattr(compile_ahead, "kernels_are_compiled", lambda room: False)
    monkeypatch.setattr(compile_ahead, "PATIENCE", 0.2)
    with compiling_ahead(wanted=True):
        (process,) = compilers(os.getpid())
        until(lambda: any(scratch.glob("*/*")))
        process.suspend()
    assert not process.is_running()
    assert not any(scratch.iterdir())


def test_it_ends_with_a_run_that_is_killed(scratch):
    run = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "compiling\n"
    (process,) = compilers(run.pid)
    until(lambda: any(scratch.glob("*/*")))
    run.send_signal(signal.SIGKILL)
    run.communicate()
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    assert not any(scratch.iterdir())


@pytest.mark.parametrize(
    ("wanted", "compiled", "cores"), [(False, 0, 2), (True, 1, 2), (True, 0, 1)]
)
def test_none_is_started_where_it_is_of_no_use(monkeypatch, wanted, compiled, cores):
    monkeypatch.setattr(compile_ahead, "kernels_are_compiled", lambda room: bool(compiled))
    monkeypatch.setattr(compile_ahead, "usable_cores", lambda: cores)
    with compiling_ahead(wanted=wanted):
        assert compilers(os.getpid()) == []


@pytest.mark.slow
def test_a_tile_of_another_world_finds_all_its_kernels_compiled(tmp_path, monkeypatch):
    for name in ("kernels", "world", "other"):
        (tmp_path / name).mkdir(mode=0o700)
    monkeypatch.setenv("SYNTHGRID_KERNELS", str(tmp_path / "kernels"))
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "world" / "data"))

    def run(script, folder):
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / folder)],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    run(COMPILE, "world")
    assert run(TILE, "other") == []
