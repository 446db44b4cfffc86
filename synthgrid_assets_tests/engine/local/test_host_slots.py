"""Engines side by side on one host: as many workers together as there are places."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from synthgrid_assets.engine.local import pool
from synthgrid_assets.engine.local.host_slots import HostSlots
from synthgrid_assets.engine.local.pool import WorkerPool
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Task
from synthgrid_assets.testing import executor_chores as chores

PRELOAD = ("synthgrid_assets.testing.executor_chores",)


def test_places_are_left_by_whatever_ends_a_process(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from synthgrid_assets.engine.local.host_slots import HostSlots\n"
        "slots = HostSlots(2, Path(sys.argv[1])); print(slots.take(), slots.take(), slots.take(),"
        " flush=True); sys.stdin.readline()"
    )
    here = HostSlots(2, tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline().split() == ["True", "True", "False"]
        assert not here.take()
        other.kill()
        other.wait()
    assert [here.take(), here.take(), here.take()] == [True, True, False]
    here.leave()
    assert here.held == 0


def test_a_folder_of_somebody_else_s_bounds_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    slots = HostSlots(1, tmp_path)
    assert [slots.take() for _ in range(3)] == [True] * 3
    slots.leave()


def test_a_link_in_the_folder_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    (tmp_path / "slots").mkdir()
    (tmp_path / "slots" / "0.lock").symlink_to(victim)
    assert not HostSlots(1, tmp_path / "slots").take()
    assert not victim.exists()


@pytest.mark.timeout(120)
def test_pools_share_places_and_a_pool_grows_when_another_ends(tmp_path, monkeypatch):
    """Each has a worker at least; tasks that wait get the places that become free."""
    monkeypatch.setattr(pool, "SLOT_PAUSE", 0.05)

    async def both():
        first = WorkerPool(Settings(workers=3), PRELOAD, slots=HostSlots(3, tmp_path))
        second = WorkerPool(Settings(workers=3), PRELOAD, slots=HostSlots(3, tmp_path))
        await first.start()
        async with second:
            counts = tuple(p.figures().workers_spawned for p in (first, second))
            file = str(tmp_path / "met")  # only three workers at once can ever finish these
            orders = [second.submit(Task(str(n), chores.meet, (file, 3))) for n in range(3)]
            await asyncio.sleep(0.5)
            assert not any(order.reply.done() for order in orders)
            await first.close()
            assert [(await order.reply).result for order in orders] == [3] * 3
            return counts, second.figures().workers_spawned

    assert asyncio.run(both()) == ((3, 1), 3)
