"""The commands of the gateway that look at what lies there: they make nothing."""

from __future__ import annotations

import geopandas
import pytest
import shapely
from typer.testing import CliRunner

from synthgrid_assets.cli.command import app
from synthgrid_assets.cli.printing import print_rows
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets_tests.databases import postgres_address


@pytest.mark.parametrize("command", [["inspect"], ["replay", "0" * 32], ["work"]])
def test_a_wrong_folder_is_told_and_stays_as_it_is(tmp_path, command):
    done = CliRunner().invoke(app, ["gateway", *command, "--data", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "there is no inbox" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_database_is_told_and_stays_as_it_is(tmp_path):
    address = postgres_address()
    try:
        inbox = next(address)
        given = ["--data", str(tmp_path), "--inbox", inbox]
        done = CliRunner().invoke(app, ["gateway", "inspect", *given])
        assert done.exit_code == 1
        assert "there is no inbox" in done.stderr
        Database(inbox, INBOX).close()
        assert CliRunner().invoke(app, ["gateway", "inspect", *given]).exit_code == 0
    finally:
        list(address)


def test_zones_that_cannot_be_written_are_told(tmp_path):
    square = geopandas.GeoDataFrame({"name": ["a"]}, geometry=[shapely.box(8, 47, 9, 48)], crs=4326)
    square.to_parquet(tmp_path / "zones.parquet")
    given = ["gateway", "zones", str(tmp_path / "zones.parquet")]
    done = CliRunner().invoke(app, [*given, str(tmp_path / "zones.parquet" / "here")])
    assert done.exit_code == 1
    assert "cannot be written to" in done.stderr
    done = CliRunner().invoke(app, [*given, str(tmp_path / "there")])
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "zones   1")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_ids_and_names_of_a_table_are_never_broken(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    rows = [
        {
            "job": f"{k:032x}",
            "asset": f"riverton/cafes/cell_neighbours_{k}",
            "feature": k,
            "detail": "a sentence that says in so many words what is wrong with this feature",
        }
        for k in range(3)
    ]
    print_rows("dead letters", rows)
    text = capsys.readouterr().out
    for row in rows:
        assert row["job"] in text
        assert row["asset"] in text
    assert all(word in text for word in rows[0]["detail"].split())


def test_what_is_not_known_is_a_dash(capsys):
    print_rows("layers", [{"layer": "trees", "expected_in_zones": None}])
    text = capsys.readouterr().out
    assert "None" not in text
    assert "-" in text.splitlines()[-2]
