"""The command on four workers of a real cluster, with tiles on S3 and the journal on PostgreSQL."""

from __future__ import annotations

import json
import signal

import pytest
from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets.errors import SchedulerLostError
from synthgrid_assets.materialize.run import TileFailed
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets_tests.databases import postgres_address
from synthgrid_assets_tests.materialize.hosts.dask_processes import DaskProcesses
from synthgrid_assets_tests.materialize.hosts.test_dask_cluster import digest_alone, outcomes
from synthgrid_assets_tests.s3_server import BUCKET, server_thread, use_server
from synthgrid_assets_tests.small_world import small_spec, write_small_world

pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytest.importorskip("obstore", reason="the extra `objects` is not installed")
DIGESTED = ("points", "delaunay", "voronoi", "cell_neighbours", "density")


@pytest.fixture
def bucket(monkeypatch):
    with server_thread() as address:
        use_server(monkeypatch, address)
        yield f"s3://{BUCKET}/world"


def synthgrid(*arguments, code=0):
    told = CliRunner().invoke(app, [*map(str, arguments)])
    assert told.exit_code == code, told.output
    return told.stdout


def digests(path):
    named = [("digest", path, "--layer", "cafes", "--asset", name) for name in DIGESTED]
    return [synthgrid(*command).split()[-1] for command in named]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_four_workers_make_the_world_of_one_process(bucket, tmp_path, monkeypatch):
    path = write_small_world(tmp_path)
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "one"))
    synthgrid("materialize", path, "--layers", "cafes", "--workers", "1")
    wanted = digests(path)
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "many"))
    monkeypatch.setenv("SYNTHGRID_STORE", bucket)
    for journal in postgres_address():
        monkeypatch.setenv("SYNTHGRID_JOURNAL", journal)
        folder = tmp_path / "dask"
        folder.mkdir()
        processes = DaskProcesses(folder, 4)
        try:
            chosen = ("materialize", path, "--layers", "cafes", "--workers", "1", "--json")
            executor = ("--executor", f"dask://{processes.address}")
            made = json.loads(synthgrid(*chosen, *executor))
            assert made["passed"]
            assert digests(path) == wanted
            assert set(processes.computed().values()) == {3}  # one task for each step of a tile
            again = json.loads(synthgrid(*chosen, *executor))
            assert {row["kept"] for row in again["assets"] if row["tiles"] == 36} == {36}
            assert sum(processes.computed().values()) == 3 * 36
            synthgrid("storage", "verify", path)
        finally:
            processes.end()
        synthgrid(*chosen, *executor)  # everything is there: no scheduler is needed
    assert not list((tmp_path / "many").rglob("*.parquet"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whatever_befalls_the_cluster_no_committed_tile_is_computed_again(
    bucket, tmp_path, monkeypatch
):
    """A worker is killed, one frozen past its lease, the scheduler lost in the middle of it."""
    spec, root = small_spec(tmp_path, tile=4), tmp_path / "data"
    wanted = digest_alone(spec, tmp_path / "alone")
    monkeypatch.setenv("SYNTHGRID_DATA", "")  # hosts have the run's root
    monkeypatch.setenv("SYNTHGRID_STORE", bucket)
    clusters, ended, committed = [], [], []

    def start(workers):
        folder = tmp_path / f"dask-{len(clusters)}"
        folder.mkdir()
        clusters.append(DaskProcesses(folder, workers))
        return clusters[-1]

    def look():
        with Journal(open_layer(spec, "cafes", root).layout) as journal:
            committed.append({receipt.tile for receipt in journal.receipts()})

    def run_until_the_scheduler_is_lost(cluster):
        for outcome in outcomes(cluster, spec, root, lease=2.0):
            ended.append(outcome)
            if len(ended) == 1:
                cluster.workers[1].kill()
                cluster.workers[2].send_signal(signal.SIGSTOP)
                look()
            if len(ended) == 100:
                cluster.scheduler.kill()

    for journal in postgres_address():
        monkeypatch.setenv("SYNTHGRID_JOURNAL", journal)
        try:
            first = start(4)
            with pytest.raises(SchedulerLostError):
                run_until_the_scheduler_is_lost(first)
            second = start(2)
            look()
            first.workers[2].send_signal(signal.SIGCONT)
            rest = list(outcomes(second, spec, root, lease=2.0))
            assert not any(isinstance(outcome, TileFailed) for outcome in [*ended, *rest])
            assert sorted(o.tile for o in rest) == sorted(tile.key for tile in spec.world.tiling)
            computed = first.computed()
            assert {computed[key] for key in committed[0]} == {1}
            assert len(committed[1]) >= 100
            assert not committed[1] & second.computed().keys()
            assert region_digest(spec, root, "cafes", "points") == wanted
            with Journal(open_layer(spec, "cafes", root).layout) as found:
                assert list(found.verify()) == []
        finally:
            for cluster in clusters:
                cluster.end()
