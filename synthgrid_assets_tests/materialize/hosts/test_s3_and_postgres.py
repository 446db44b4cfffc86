"""The command on four workers of a real cluster, with tiles on S3 and the journal on PostgreSQL."""

from __future__ import annotations

import json
import urllib.request

import pytest
from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets_tests.databases import postgres_address
from synthgrid_assets_tests.materialize.hosts.dask_processes import DaskProcesses
from synthgrid_assets_tests.small_world import write_small_world

pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytest.importorskip("obstore", reason="the extra `objects` is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto's server is not installed")
DIGESTED = ("points", "delaunay", "voronoi", "cell_neighbours", "density")


@pytest.fixture
def bucket(monkeypatch):
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    urllib.request.urlopen(urllib.request.Request(f"{address}/tiles", method="PUT")).close()
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield "s3://tiles/world"
    server.stop()


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
