"""Random shots at a run and everything that belongs to it, while a reader polls all the time.

Fifteen rounds of six shots: at the main process, at a worker, at the fork server, at the whole
tree. Slow: `make test-all`.
"""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pyarrow.parquet as pq
import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.materialize.test_run import committed, digests, make
from synthgrid_assets_tests.small_world import small_spec, write_small_world

ROUNDS, SHOTS = 15, 6
TARGETS = ("main", "worker", "fork server", "tree", "stop fork server")

PROGRAM = """
from pathlib import Path
from synthgrid_assets_tests.materialize.test_run import *
from synthgrid_assets.engine.local import fork_server_client
from synthgrid_assets.world.validation import load_spec

if __name__ == "__main__":
    fork_server_client.PATIENCE = 0.5
    with EngineSession(Settings(workers=2, backoff=0.01), preload=PRELOAD) as engine:
        make(engine, load_spec(Path({path!r})), Path({root!r}))
"""


class Reader(threading.Thread):
    """Reads every tile file that it finds, over and over: each must be whole."""

    def __init__(self, root):
        super().__init__()
        self.root, self.reads, self.broken, self.ended = root, 0, [], threading.Event()

    def run(self):
        while not self.ended.wait(0.01):
            for path in self.root.rglob("w*/*.parquet"):
                try:
                    pq.read_table(path)
                    self.reads += 1
                except FileNotFoundError:
                    pass  # replaced or swept while it was opened
                except Exception as error:
                    self.broken.append((path, error))


def shoot(child, target):
    """End one process of the run's tree, if it is there yet."""
    main = psutil.Process(child.pid)
    servers = main.children()
    workers = [worker for server in servers for worker in server.children()]
    if target == "tree":
        os.killpg(child.pid, signal.SIGKILL)
    elif target == "main" or not workers:
        main.kill()
    elif target == "worker":
        random.choice(workers).kill()
    elif target == "fork server":
        servers[0].kill()
    else:
        servers[0].suspend()
        workers[0].kill()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The digests of a run that nobody has shot at."""
    folder = tmp_path_factory.mktemp("whole")
    spec = small_spec(folder)
    with EngineSession(Settings(workers=2), preload=PRELOAD) as engine:
        make(engine, spec, folder / "data")
    return digests(spec, folder / "data")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(ROUNDS))
def test_whatever_is_shot_nothing_is_lost_or_half_written_and_a_rerun_is_the_same(
    number, tmp_path, whole
):
    draw = random.Random(number)
    path, root = write_small_world(tmp_path), tmp_path / "data"
    program = textwrap.dedent(PROGRAM.format(path=str(path), root=str(root)))
    reader = Reader(root)
    reader.start()
    family, kept = set(), 0
    for _ in range(SHOTS):
        child = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
        until = time.monotonic() + draw.uniform(0.5, 8.0)
        while time.monotonic() < until and child.poll() is None:
            family |= set(psutil.Process(child.pid).children(recursive=True))
            time.sleep(0.05)
        if child.poll() is None:
            shoot(child, draw.choice(TARGETS))
            time.sleep(draw.uniform(0.0, 3.0))
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert committed(root) >= kept  # nothing that was committed is lost
        kept = committed(root)
    with EngineSession(Settings(workers=2), preload=PRELOAD) as engine:
        make(engine, small_spec(tmp_path), root)
    reader.ended.set()
    reader.join()
    assert reader.broken == []
    assert reader.reads > 0
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    with Journal(Layout(root)) as journal:
        assert list(journal.verify()) == []
    assert digests(small_spec(tmp_path), root) == whole
