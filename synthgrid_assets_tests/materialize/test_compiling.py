"""Compiling is told, and is no part of what a tile costs."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import threading

import numpy as np
from numba import njit
from numba.core import event

from synthgrid_assets.materialize.receipts import Stopwatch
from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets.reports.estimate import estimate_region
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import COMPILE
from synthgrid_assets_tests.reports.committed_world import commit, context_of

LOOK = """
import synthgrid_assets.materialize.work_units
from synthgrid_assets.materialize.compiling import kernels_are_compiled
print(kernels_are_compiled("lattice"))
from synthgrid_assets.lattice.hilbert import hilbert_keys
import numpy as np
hilbert_keys(np.arange(4), np.arange(4), 4)
print(kernels_are_compiled("lattice"), kernels_are_compiled("tessellation"))
import os, pathlib
for kept in pathlib.Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbi"):
    os.utime(kept, (0, 0))  # as an earlier version of this package left it
print(kernels_are_compiled("lattice"))
"""


def test_compiling_is_a_stage_of_its_own():
    watch = Stopwatch()
    assert njit(lambda x: x * 3)(2) == 6
    watch.lap("make")
    watch.lap("test")
    stages = dict(watch.stages)
    assert list(stages) == ["make", "test", COMPILE]
    assert stages[COMPILE] > stages["make"]


def test_an_estimate_does_not_count_it(tmp_path):
    context = commit(context_of(tmp_path, tile=24), ["points"], [])
    tiles = list(context.spec.world.tiling)
    commit(context, ["points"], tiles[:1])

    def estimated():
        root, chosen = context.layout.root, {"cafes": ("points",)}
        return estimate_region(context.spec, root, chosen, tiles)[0]["seconds"]

    before = estimated()
    with Journal(context.layout) as journal:
        (receipt,) = journal.receipts(context.dataset(PRODUCTS["points"].name))
        slow = dataclasses.replace(receipt, seconds=(*receipt.seconds, (COMPILE, 1e6)))
        journal.record([slow])
    assert estimated() == before


def test_an_installation_that_has_compiled_nothing_says_so(tmp_path):
    empty = {"NUMBA_CACHE_DIR": str(tmp_path), "PATH": "/usr/bin"}
    told = subprocess.run(
        [sys.executable, "-c", LOOK], env=empty, capture_output=True, text=True, check=True
    )
    assert told.stdout == "False\nTrue False\nFalse\n"


def test_an_interrupt_while_compiling_arrives_when_that_is_done():
    """In LLVM's call backs it would be dropped, and the kernel be spoilt."""
    arrived, total = [], njit(lambda x: x.sum() * 5 + x.max())
    before = signal.signal(signal.SIGTERM, lambda *_: arrived.append(bool(total.overloads)))
    here = threading.get_ident()
    begun = threading.Event()

    class Begun(event.Listener):
        def on_start(self, _):
            begun.set()

        def on_end(self, _):
            pass

    def interrupt():
        assert begun.wait(60)
        signal.pthread_kill(here, signal.SIGTERM)

    sender = threading.Thread(target=interrupt)
    try:
        with event.install_listener("numba:compile", Begun()):
            sender.start()
            assert total(np.arange(4)) == 33
        sender.join()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert arrived == [True]
