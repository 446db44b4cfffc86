"""A real Dask cluster of processes: the world of one process, whatever is killed or frozen."""

from __future__ import annotations

import signal
import socket

import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import EngineError, SchedulerLostError
from synthgrid_assets.materialize.hosts import dask_cluster
from synthgrid_assets.materialize.hosts.cluster import open_cluster
from synthgrid_assets.materialize.hosts.course import HostWork, make_on_hosts
from synthgrid_assets.materialize.run import TileFailed, make_tiles
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets_tests.databases import postgres_address
from synthgrid_assets_tests.materialize.hosts.dask_processes import DaskProcesses
from synthgrid_assets_tests.small_world import small_spec

pytest.importorskip("distributed", reason="the extra `dask` is not installed")
SETTINGS = Settings(workers=1, backoff=0.01)


@pytest.fixture
def spec(tmp_path):
    return small_spec(tmp_path)


@pytest.fixture
def dask(tmp_path, monkeypatch):
    """Starts processes with this test's environment, and ends them."""
    started = []

    def start(workers):
        folder = tmp_path / f"dask-{len(started)}"
        folder.mkdir()
        started.append(DaskProcesses(folder, workers))
        return started[-1]

    monkeypatch.setenv("SYNTHGRID_DATA", "")  # hosts have the run's root
    yield start
    for processes in started:
        processes.end()


def digest_alone(spec, root):
    context = open_layer(spec, "cafes", root)
    with (
        Journal(context.layout) as journal,
        EngineSession(SETTINGS, executor="inline") as session,
    ):
        list(make_tiles(session, journal, context, products_named("points"), spec.world.tiling))
    return region_digest(spec, root, "cafes", "points")


def outcomes(processes, spec, root, lease=30.0):
    context = open_layer(spec, "cafes", root).with_pictures()
    cluster = open_cluster(f"dask://{processes.address}")
    work = HostWork("run", SETTINGS, all_cores=False, lease=lease)
    products = products_named("points")
    try:
        with Journal(context.layout) as journal:
            yield from make_on_hosts(
                lambda: cluster, work, journal, context, products, list(spec.world.tiling)
            )
    finally:
        cluster.close()


def test_a_scheduler_that_is_not_there_is_told_with_what_to_start(monkeypatch):
    monkeypatch.setattr(dask_cluster, "ANSWER", 1.0)
    with socket.socket() as listener:  # bound, and never listening
        listener.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*listener.getsockname())
        with pytest.raises(EngineError, match=f"no Dask scheduler answers at {address}.*`dask sch"):
            open_cluster(f"dask://{address}")


def test_a_worker_that_is_killed_costs_only_what_it_held(dask, spec, tmp_path):
    processes, ended = dask(2), []
    for outcome in outcomes(processes, spec, tmp_path / "data"):
        if not ended:
            processes.workers[1].kill()
            with Journal(open_layer(spec, "cafes", tmp_path / "data").layout) as journal:
                committed = {receipt.tile for receipt in journal.receipts()}
        ended.append(outcome)
    assert sorted(o.tile for o in ended) == sorted(tile.key for tile in spec.world.tiling)
    assert not any(isinstance(o, TileFailed) or o.kept for o in ended)
    assert any(receipt.png for outcome in ended for receipt in outcome.receipts)
    wanted = digest_alone(spec, tmp_path / "alone")
    assert region_digest(spec, tmp_path / "data", "cafes", "points") == wanted
    again = list(outcomes(processes, spec, tmp_path / "data"))
    assert all(o.kept for o in again)
    computed = processes.computed()
    assert set(computed) == {tile.key for tile in spec.world.tiling}
    assert {computed[key] for key in committed} == {1}
    assert sum(computed.values()) <= 36 + SETTINGS.window


@pytest.mark.slow
def test_a_worker_frozen_past_its_lease_is_replaced_and_harmless_when_it_thaws(
    dask, spec, tmp_path, monkeypatch
):
    wanted = digest_alone(spec, tmp_path / "alone")
    for address in postgres_address():
        monkeypatch.setenv("SYNTHGRID_JOURNAL", address)
        processes, ended = dask(2), []
        for outcome in outcomes(processes, spec, tmp_path / "data", lease=2.0):
            if not ended:
                processes.workers[1].send_signal(signal.SIGSTOP)
            ended.append(outcome)
        assert len(ended) == 36
        assert not any(isinstance(o, TileFailed) for o in ended)
        processes.workers[1].send_signal(signal.SIGCONT)
        again = list(outcomes(processes, spec, tmp_path / "data"))
        assert all(o.kept for o in again)
        assert region_digest(spec, tmp_path / "data", "cafes", "points") == wanted


@pytest.mark.slow
def test_without_its_scheduler_a_run_ends_and_the_next_one_makes_only_the_rest(
    dask, spec, tmp_path
):
    first, ended = dask(2), []

    def run():
        for outcome in outcomes(first, spec, tmp_path / "data"):
            if not ended:
                first.scheduler.kill()
            ended.append(outcome)

    with pytest.raises(SchedulerLostError, match=r"is gone, and its blocks with it.*start it a"):
        run()
    second = dask(1)
    rest = list(outcomes(second, spec, tmp_path / "data"))
    assert len(rest) == 36
    kept = {o.tile for o in rest if o.kept}
    assert kept >= {o.tile for o in ended}
    assert not kept & second.computed().keys()
    wanted = digest_alone(spec, tmp_path / "alone")
    assert region_digest(spec, tmp_path / "data", "cafes", "points") == wanted
