"""An index that does not list what is committed is named, however it came to be behind."""

from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets.reports.indexes import index_rows, outdated_indexes
from synthgrid_assets.reports.status import behind_tiles
from synthgrid_assets_tests.reports.committed_world import commit, context_of

NAMES = ("points", "delaunay")


def test_an_index_is_outdated_from_the_next_commit_to_the_next_writing(tmp_path):
    context = context_of(tmp_path)
    tiles = list(context.spec.world.tiling)
    assert outdated_indexes(context) == []  # nothing is committed
    commit(context, NAMES, tiles[:2])
    assert outdated_indexes(context) == list(NAMES)  # none is written
    index_rows(context)
    assert outdated_indexes(context) == []
    commit(context, ["points"], tiles[2:3])
    assert outdated_indexes(context) == ["points"]
    index_rows(context)
    commit(context, ["delaunay"], tiles[:1])  # as many tiles as before: made again
    assert outdated_indexes(context) == ["delaunay"]


def test_status_names_it_and_is_no_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    context = context_of(tmp_path)
    tiles = list(context.spec.world.tiling)
    commit(context, ["points"], tiles[:1])
    assert behind_tiles(context.spec, tmp_path / "data") == ["cafes/points"]

    def told():
        done = CliRunner().invoke(app, ["status", str(tmp_path / "small.toml")])
        assert done.exit_code == 0
        return " ".join((done.stdout + done.stderr).split())

    assert "the index of cafes/points is not of the tiles committed now" in told()
    index_rows(context)
    assert "the index" not in told()
