"""The command line: what it refuses, what it makes, and that a kill costs nothing but time."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import dagster as dg
import geopandas
import pandas
import psutil
import pytest
from typer.testing import CliRunner

from synthgrid_assets.api import World
from synthgrid_assets.cli import app
from synthgrid_assets.cli.region import progress_lines
from synthgrid_assets.dagster.runs.instance import open_instance
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports import region_checks
from synthgrid_assets.settings import data_root
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.small_world import SMALL, small_spec, write_small_world
from synthgrid_assets_tests.street_world import write_street_world

PROJECT = Path(__file__).parent.parent
SYNTHGRID = (sys.executable, "-c", "from synthgrid_assets.cli import main; main()")
TILES = 36
CORNER = "499488,5400000,500512,5401024"  # two by two tiles of 512 m


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Layer and name of every product of the small world."""
    layers = small_spec(tmp_path_factory.mktemp("spec")).layers
    return [
        (name, product.name) for name, table in layers.items() for product in products_of(table)
    ]


def products(datasets):
    """The option that leaves the layers' evidence out, which takes its time."""
    return "--assets", ",".join(sorted({name for _, name in datasets}))


def synthgrid(*arguments, code=0):
    """What a command printed, once it has ended with the expected exit code."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def digest(world, layer, name, *more):
    return synthgrid("digest", world, "--layer", layer, "--asset", name, *more).stdout.strip()


def receipts(root):
    with Journal(Layout(Path(root))) as journal:
        return list(journal.receipts())


def stamp(path):
    """What changes when a file is written again, whatever its content."""
    facts = path.stat()
    return facts.st_ino, facts.st_mtime_ns


@pytest.fixture(scope="module")
def made(tmp_path_factory, datasets):
    """The small world with every product on all its tiles; its folder and the run's summary."""
    folder = tmp_path_factory.mktemp("made")
    world = write_small_world(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTHGRID_DATA", str(folder / "data"))
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        result = synthgrid("materialize", world, *products(datasets), "--json")
    assert result.stderr == ""
    return folder, json.loads(result.stdout)


@pytest.fixture
def world(made, monkeypatch):
    """The file of the made world, whose data and instance the commands then see."""
    folder, _ = made
    monkeypatch.setenv("SYNTHGRID_DATA", str(folder / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "home"))
    return folder / "small.toml"


@pytest.fixture
def fresh(tmp_path):
    """The small world's file beside an empty data root and instance."""
    return write_small_world(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("materialize", "atlantis"), r"atlantis: no such world file; worlds in .*: .*riverton"),
        (("materialize", "WORLD", "--tiles", "0,1"), r"tiles '0,1': expected X0:X1,Y0:Y1"),
        (("materialize", "WORLD", "--tiles", "0:7,0:1"), r"the world has 6 x 6 tiles"),
        (("materialize", "WORLD", "--bbox", "1,2,3"), r"expected xmin, ymin, xmax, ymax"),
        (("materialize", "WORLD", "--bbox", "a,2,3,4"), r"'a,2,3,4': expected four numbers"),
        (("materialize", "WORLD", "--bbox", "4,2,3,3"), r"is empty or not finite"),
        (("materialize", "WORLD", "--bbox", "0,0,inf,1"), r"inf.* not a finite position"),
        (("materialize", "WORLD", "--bbox", "0,0,1,1"), r"does not meet the world's extent"),
        (("materialize", "WORLD", "--bbox", CORNER, "--tiles", "0:1,0:1"), r"not both"),
        (("materialize", "WORLD", "--layers", "tree"), r"no layer 'tree'.*'trees', 'cafes'"),
        (("materialize", "WORLD", "--assets", "cells"), r"no asset 'cells'.*'voronoi'"),
        (("materialize", "WORLD", "--layers", "trees", "--assets", "voronoi"), r"nothing is chos"),
        (("materialize", "WORLD", "--layers", " ,"), r"nothing is chosen"),
        (("materialize", "WORLD", "--set", "world.tile"), r"expected key=value, as world.tile=8"),
        (("materialize", "WORLD", "--set", "world.tile=0"), r"world\.tile: 0: .*greater than"),
        (("materialize", "WORLD", "--set", "world.tle=8"), r"world\.tle: unknown key.*mean tile\?"),
        (("materialize", "WORLD", "--set", "world.tile.x=8"), r"tile is not a table"),
        (("world", "show", "atlantis"), r"atlantis: no such world file"),
        (("digest", "WORLD", "--layer", "tree", "--asset", "points"), r"no layer 'tree'"),
        (("digest", "WORLD", "--layer", "trees", "--asset", "voronoi"), r"no asset 'voronoi'"),
        (("status", "WORLD", "--set", "layers.cafes.sigma=-1"), r"layers\.cafes\.sigma: -1"),
        (("export", "WORLD", "--layer", "trees", "--asset", "density", "--out", "x.csv"), r"Zarr"),
    ],
)
def test_bad_usage_is_one_message_and_exit_code_2(fresh, tmp_path, arguments, message):
    given = [fresh if argument == "WORLD" else argument for argument in arguments]
    result = synthgrid(*given, code=2)
    (told,) = [line for line in result.stderr.splitlines() if not line.startswith("--set: working")]
    assert told.startswith("error: ")
    assert re.search(message, told), told
    assert result.stdout == ""
    assert not (tmp_path / "data" / "small").exists()


@pytest.mark.parametrize("change", ["world.tile=0", "layers.cafes.sigma=1e400"])
def test_a_change_that_is_refused_leaves_no_folder(fresh, tmp_path, monkeypatch, change):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    for name in ("SYNTHGRID_DATA", "DAGSTER_HOME"):  # set by the command, set back by the test
        monkeypatch.setenv(name, "")
    result = synthgrid("materialize", fresh, "--set", change, "--dry-run", code=2)
    assert f"--set: working in {tmp_path / 'scratch'}" in result.stderr
    assert not any((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("materialize",), ("digest", "WORLD"), ("materialize", "W", "--workers", "0")],
)
def test_what_the_parser_refuses_is_exit_code_2_too(arguments):
    assert "Usage" in synthgrid(*arguments, code=2).stderr


def test_world_check_tells_the_mistakes_of_all_files_in_one_pass(tmp_path):
    mistaken = SMALL.replace("sigma = 60.0", "sgma = 60.0").replace("0.5", "-0.5")
    path = write_small_world(tmp_path, mistaken)
    other = tmp_path / "other.toml"
    other.write_text("[world\n")
    result = synthgrid("world", "check", path, "riverton", other, code=1)
    assert "riverton.toml: valid" in result.stdout.replace("\n", "")
    for part in ("marks.species", "small.toml: ", "not valid TOML"):
        assert part in result.stderr
    result = synthgrid("world", "check", path, tmp_path / "none.toml", code=2)  # as elsewhere
    for part in ("marks.species", "none.toml: no such world file; worlds in "):
        assert part in result.stderr


def test_the_worlds_of_the_project_are_valid_by_name():
    assert synthgrid("world", "check", "riverton", "bahamas").stderr == ""


def test_a_digest_or_an_export_of_missing_tiles_is_an_error(fresh, tmp_path):
    chosen = ("--layer", "cafes", "--asset", "points")
    assert "0 of 36 tiles" in synthgrid("digest", fresh, *chosen, code=1).stderr
    target = tmp_path / "earlier.csv"
    target.write_text("kept")
    result = synthgrid("export", fresh, *chosen, "--out", target, code=1)
    assert "no tile of cafes/points is committed" in result.stderr
    assert target.read_text() == "kept"


def test_an_export_to_an_unknown_format_names_those_there_are(world, tmp_path):
    chosen = ("--layer", "cafes", "--asset", "points", "--out", tmp_path / "cafes.shp")
    assert re.search(
        "shapefile cuts names.*allowed are .csv", synthgrid("export", world, *chosen, code=2).stderr
    )
    target = tmp_path / "nowhere" / "cafes.gpkg"
    told = synthgrid("export", world, *chosen[:4], "--out", target, code=2).stderr
    assert f"there is no folder {target.parent}" in told
    assert not target.parent.exists()


def test_a_data_root_that_cannot_be_written_is_an_error_in_the_summary(
    fresh, tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "file"))
    result = synthgrid("materialize", fresh, "--tiles", "0:1,0:1", "--layers", "trees", code=1)
    assert "small: failed" in result.stdout
    for message in result.stderr.splitlines():
        assert message.startswith("error: ")
        assert str(tmp_path / "file") in message


def test_progress_is_told_in_lines_where_no_terminal_shows_a_bar(capsys):
    told = ""
    with progress_lines(every=0.01) as show:
        show(3, 1200, "trees/points", None)
        while "3 of 1,200 tiles, trees/points" not in told:
            time.sleep(0.01)
            told += capsys.readouterr().err
    assert re.fullmatch(r"(\d+ s: (starting|3 of 1,200 tiles, trees/points)\n)+", told)


def test_an_engine_that_waits_says_so_while_nothing_happens(capsys):
    """Its figures are those of the moment: no event comes while a disk is full."""
    now, told = [EngineSession(Settings(workers=2)).statistics()], ""
    with progress_lines(every=0.01) as show:
        show(3, 1200, "trees/points", lambda: now[0])
        while "tiles/s depth" not in told:
            time.sleep(0.01)
            told += capsys.readouterr().err
        assert "waiting for the store" not in told
        now[0] = replace(now[0], breaker="open")
        while "waiting for the store (open)" not in told:
            time.sleep(0.01)
            told += capsys.readouterr().err


def test_a_failed_check_is_named_and_exit_code_1(world, monkeypatch):
    def biased(verdict):
        return type(verdict)(**{**vars(verdict), "passed": False})

    sound = region_checks.region_checks

    def unsound(*arguments):
        checks = sound(*arguments)
        check = checks["no_seam"]
        return {**checks, "no_seam": type(check)(biased(check.verdict), check.tiles)}

    kept = data_root() / Layout(data_root()).kept_checks("small", "trees", "points")
    kept.unlink(missing_ok=True)  # the sound ones
    monkeypatch.setattr(region_checks, "region_checks", unsound)
    try:
        result = synthgrid("materialize", world, "--layers", "trees", "--assets", "points", code=1)
    finally:
        kept.unlink(missing_ok=True)  # the others
    assert result.stderr == "failed check: trees/points: no_seam\n"
    assert "small: failed" in result.stdout


def test_show_says_what_python_says(fresh):
    shown = json.loads(synthgrid("world", "show", fresh, "--json").stdout)
    assert shown == World.load(fresh).describe()
    table = synthgrid("world", "show", fresh).stdout
    assert all(name in table for name in ("small", "EPSG:32633", "trees", "cafes", "thomas"))


def test_the_project_of_a_world_file_is_found_from_elsewhere(made, tmp_path, monkeypatch):
    """Without variables and outside any project: the folder of `dagster.yaml` around the file."""
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (project / "worlds").mkdir(parents=True)
    elsewhere.mkdir()
    (project / "dagster.yaml").touch()
    world = write_small_world(project / "worlds")
    for variable in ("SYNTHGRID_DATA", "SYNTHGRID_WORLDS", "DAGSTER_HOME"):
        monkeypatch.setenv(variable, "")  # so that what the command sets is unset again
        monkeypatch.delenv(variable)
    monkeypatch.chdir(elsewhere)
    told = synthgrid("status", world).stdout
    root = project / ".synthgrid" / "data"
    assert f"data in {root}: nothing there yet" in told
    assert list(elsewhere.iterdir()) == []


def test_the_version_is_told():
    assert synthgrid("--version").stdout == f"synthgrid {version('synthgrid_assets')}\n"


def test_a_dry_run_makes_nothing(fresh, datasets, tmp_path):
    rows = json.loads(synthgrid("materialize", fresh, "--dry-run", "--json").stdout)
    to_make = {(row["layer"], row["asset"]): row["tiles to make"] for row in rows}
    assert to_make == dict.fromkeys(datasets, TILES)
    by_asset = {(row["layer"], row["asset"]): row["rows"] for row in rows}
    assert by_asset["trees", "points"] == round(400 * (48 * 0.064) ** 2)
    assert by_asset["cafes", "delaunay"] == pytest.approx(2 * by_asset["cafes", "points"], abs=1)
    assert not list(tmp_path.rglob("*.parquet"))
    assert not (tmp_path / "home").exists()


def test_a_process_of_unknown_intensity_is_estimated_by_its_bounds(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path))
    shown = json.loads(synthgrid("world", "show", "menagerie", "--json").stdout)
    expected = {layer["layer"]: layer["expected_points"] for layer in shown["layers"]}
    low, high = expected["strauss"]
    assert 0 < low < high < 700 * 64 * 64 * 0.064**2
    rows = json.loads(synthgrid("materialize", "menagerie", "--dry-run", "--json").stdout)
    by_layer = {row["layer"]: row["rows"] for row in rows if row["asset"] == "points"}
    assert low < by_layer.pop("strauss") < high
    assert len(expected.pop("hard_core")) == 2
    assert by_layer.pop("hard_core") > 0
    expected.pop("strauss")
    assert by_layer == expected


def test_nothing_is_left_to_make_in_a_made_world(world):
    rows = json.loads(synthgrid("materialize", world, "--dry-run", "--json").stdout)
    assert {row["tiles to make"] for row in rows} == {0}
    assert all(
        (row["done"], row["stale"], row["failed"]) == (TILES, 0, 0)
        for row in json.loads(synthgrid("status", world, "--json").stdout)
    )


def test_the_summary_counts_what_is_on_disk(made, datasets):
    folder, summary = made
    assert summary["passed"]
    assert summary["failed_checks"] == summary["errors"] == []
    assert summary["data"] == str(folder / "data")
    by_asset = {row["asset"]: row for row in summary["assets"]}
    for layer, name in datasets:
        mine = [r for r in receipts(folder / "data") if (r.layer, r.asset) == (layer, name)]
        told = by_asset[f"{layer}/{name}"]
        assert told["tiles"] == len(mine) == TILES
        assert told["rows"] == sum(receipt.rows for receipt in mine)


def test_another_parameter_makes_exactly_its_layer_stale(world, datasets):
    changed = ("--set", "layers.trees.points_per_km2=410")
    rows = json.loads(synthgrid("status", world, "--json", *changed).stdout)
    stale = {(row["layer"], row["asset"]): (row["done"], row["stale"]) for row in rows}
    assert stale == {
        (layer, name): (0, TILES) if layer == "trees" else (TILES, 0) for layer, name in datasets
    }
    assert "36" in synthgrid("status", world).stdout


@pytest.mark.parametrize("tile", [24, 48])
def test_the_digests_are_the_same_for_any_tile(world, datasets, tile):
    other = ("--set", f"world.tile={tile}")
    synthgrid("materialize", world, *other, *products(datasets), "--json")
    for layer, name in datasets:
        assert digest(world, layer, name, *other) == digest(world, layer, name)
    assert len({digest(world, layer, name) for layer, name in datasets}) == len(datasets)


def test_a_region_is_its_tiles_and_the_chosen_assets_only(fresh, made, tmp_path):
    only = ("--layers", "trees", "--assets", "density,points", "--workers", "1")
    synthgrid("materialize", fresh, "--tiles", "0:2,0:2", *only)
    found = receipts(tmp_path / "data")
    assert {(r.layer, r.asset) for r in found} == {("trees", "points"), ("trees", "density")}
    corners = {r.cells[:2] for r in found if r.asset == "points"}
    assert corners == {(-8, 0), (0, 0), (-8, 8), (0, 8)}
    whole = {(r.asset, r.tile): r.digest for r in receipts(made[0] / "data") if r.layer == "trees"}
    assert all(whole[r.asset, r.tile] == r.digest for r in found)
    for bbox, missing in ((CORNER, 0), ("499488,5400000,500513,5401024", 2)):
        planned = synthgrid("materialize", fresh, "--bbox", bbox, *only, "--dry-run", "--json")
        assert {row["tiles to make"] for row in json.loads(planned.stdout)} == {missing}
    target = tmp_path / "part.parquet"
    selected = ("--layer", "trees", "--asset", "points", "--out", target)
    rows = sum(r.rows for r in found if r.asset == "points")
    told = synthgrid("export", fresh, *selected).stdout
    assert told == f"{rows:,} rows of 4 of 36 tiles in {target}\n"
    assert "4 of 36 tiles" in synthgrid("digest", fresh, *selected[:4], code=1).stderr


def test_committed_tiles_are_kept_unless_forced(world, made):
    def stamps():
        files = (made[0] / "data" / "small" / "trees").glob("points-*/w8/*.parquet")
        return {path.stem: stamp(path) for path in files}

    def run(*more):
        chosen = ("--tiles", "0:1,0:2", "--layers", "trees", "--assets", "points")
        return json.loads(synthgrid("materialize", world, *chosen, "--json", *more).stdout)

    before, sound = stamps(), digest(world, "trees", "points")
    kept = run()
    assert stamps() == before
    forced = run("--force")
    rewritten = {tile for tile, facts in stamps().items() if before[tile] != facts}
    assert rewritten == {"-8_0", "-8_8"}
    assert digest(world, "trees", "points") == sound
    counts = {row["asset"]: (row.pop("kept"), row["tiles"]) for row in kept["assets"]}
    counts_forced = {row["asset"]: (row.pop("kept"), row["tiles"]) for row in forced["assets"]}
    assert counts["trees/points"] == (2, 2)
    assert counts_forced["trees/points"] == (0, 2)
    assert kept["assets"] == forced["assets"]


@pytest.mark.parametrize("suffix", ["parquet", "gpkg", "geojson", "geojsonl", "csv"])
@pytest.mark.parametrize("name", ["points", "voronoi"])
def test_an_export_holds_every_row_once(world, made, tmp_path, name, suffix):
    files = (made[0] / "data" / "small" / "cafes").glob(f"{name}-*/w8/*.parquet")
    tiles = pandas.concat(map(geopandas.read_parquet, files))
    target = tmp_path / f"cafes.{suffix}"
    selected = ("--layer", "cafes", "--asset", name, "--out", target)
    assert synthgrid("export", world, *selected).stdout.startswith(f"{len(tiles):,} rows of 36 of")
    column = {"points": "id", "voronoi": "site_id"}[name]
    if suffix == "csv":
        frame = pandas.read_csv(target)
    elif suffix == "parquet":
        frame = geopandas.read_parquet(target)
    else:
        frame = geopandas.read_file(target)
    assert sorted(frame[column]) == sorted(tiles[column])
    if suffix != "csv":
        assert frame.crs == ("EPSG:4326" if "geojson" in suffix else World.load(world).crs)
        assert frame.to_crs(tiles.crs).total_bounds == pytest.approx(tiles.total_bounds, abs=0.02)


def test_an_export_only_reads_the_data_root(world, made, tmp_path):
    def stamps():
        files = (made[0] / "data").rglob("*.parquet")
        return {path: stamp(path) for path in files}

    before = stamps()
    selected = ("--layer", "cafes", "--asset", "delaunay", "--out", tmp_path / "cafes.csv")
    synthgrid("export", world, *selected)
    synthgrid("export", world, *selected, "--set", "world.tile=17", code=1)
    assert stamps() == before


def test_constraints_come_along_and_every_command_knows_them(tmp_path):
    world = write_street_world(tmp_path)
    chosen = ("--tiles", "0:2,0:2", "--layers", "trees", "--assets", "delaunay", "--json")
    summary = json.loads(synthgrid("materialize", world, *chosen).stdout)
    assert summary["passed"]
    rows = {row["asset"]: row["rows"] for row in summary["assets"]}
    assert rows["constraints/roads"] > 100
    assert rows["trees/delaunay"] > 300
    table = json.loads(synthgrid("status", world, "--json").stdout)
    (status,) = (row for row in table if row["layer"] == "constraints")
    assert (status["asset"], status["done"]) == ("roads", 1)
    assert status["rows"] == rows["constraints/roads"]
    assert len(digest(world, "constraints", "roads")) == 64
    target = tmp_path / "roads.geojsons"
    selected = ("--layer", "constraints", "--asset", "roads", "--out", target)
    assert synthgrid("export", world, *selected).stdout.startswith(f"{status['rows']:,} rows")
    assert len(geopandas.read_file(target)) == status["rows"]
    synthgrid("digest", world, "--layer", "constraints", "--asset", "lanes", code=2)
    again = json.loads(synthgrid("materialize", world, *chosen).stdout)
    assert "constraints/roads" not in {row["asset"] for row in again["assets"]}  # it is there


def test_a_dry_run_counts_the_triangles_at_streets(tmp_path):
    world = write_street_world(tmp_path)
    rows = json.loads(synthgrid("materialize", world, "--dry-run", "--json").stdout)
    expected = {(row["layer"], row["asset"]): row["rows"] for row in rows}
    assert expected["trees", "delaunay"] > 1.1 * expected["plain", "delaunay"]
    assert not (tmp_path / "data" / "town").exists()


def test_an_overridden_world_works_in_a_scratch_folder_that_it_names(made, tmp_path):
    """The project's data, instance and environment stay as they are."""
    project = tmp_path / "project"
    (project / "worlds").mkdir(parents=True)
    (project / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text())
    write_small_world(project / "worlds")
    (tmp_path / "scratch").mkdir()
    unset = {"SYNTHGRID_DATA", "SYNTHGRID_WORLDS", "DAGSTER_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["TMPDIR"] = str(tmp_path / "scratch")
    environment["SYNTHGRID_DATA"] = str(project / "data")  # alone it names data, not where to try
    before = sorted(project.rglob("*"))

    def run(*arguments, **named):
        return subprocess.run(
            (*SYNTHGRID, *arguments, "--set", "world.tile=48"),
            env={**environment, **named},
            cwd=project / "worlds",
            capture_output=True,
            text=True,
            check=True,
        )

    made_here = run("materialize", "small", "--layers", "cafes", "--assets", "points")
    assert "all checks passed" in made_here.stdout
    folders = (tmp_path / "scratch").glob("synthgrid-*")
    (scratch,) = (path for path in folders if not path.name.startswith("synthgrid-workers-"))
    told = made_here.stderr.splitlines()
    (note,) = (line for line in told if not re.match(r"\d+ s: ", line))  # a slow machine's progress
    assert note.startswith(f"--set: working in {scratch}; use it again with ")
    named = dict(word.split("=", 1) for word in note.split() if word[:4] in ("SYNT", "DAGS"))
    assert set(named) == {"SYNTHGRID_DATA", "DAGSTER_HOME"}
    again = run("digest", "small", "--layer", "cafes", "--asset", "points", **named)
    digests = [int(r.digest, 16) for r in receipts(named["SYNTHGRID_DATA"])]
    assert int(again.stdout, 16) == sum(digests) % 2**256
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_run_ends_with_its_terminal(fresh, tmp_path, monkeypatch, number):
    """Ctrl-C and a closed terminal reach the whole group: told, Canceled, and 130 for the shell."""
    root = tmp_path / "data"
    monkeypatch.setenv("SYNTHGRID_DATA", str(root))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    chosen = ("--set", "world.tile=4", "--layers", "trees", "--assets", "points")
    process = subprocess.Popen(
        (*SYNTHGRID, "materialize", str(fresh), *chosen),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and len(list(root.rglob("w4/*.parquet"))) < 16:
        time.sleep(0.01)
    os.killpg(process.pid, number)
    told, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "canceled in" in told
    assert "interrupted; committed tiles are kept, so run it again" in errors
    assert "Traceback" not in errors
    with open_instance() as instance:
        assert instance.get_runs()[0].status is dg.DagsterRunStatus.CANCELED
    kept = {root / receipt.path for receipt in receipts(root)}
    assert 0 < len(kept) < 144
    assert all(path.exists() for path in kept)


def test_a_killed_run_costs_only_the_tiles_in_flight(world, fresh, tmp_path, monkeypatch):
    whole = digest(world, "trees", "points")
    root, home = tmp_path / "data", tmp_path / "home"
    monkeypatch.setenv("SYNTHGRID_DATA", str(root))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    chosen = ("--set", "world.tile=4", "--layers", "trees", "--assets", "points")
    process = subprocess.Popen(
        (*SYNTHGRID, "materialize", str(fresh), *chosen),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and len(list(root.rglob("w4/*.parquet"))) < 16:
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL, "it ended before it could be killed"
    _, surviving = psutil.wait_procs(workers, timeout=30)
    assert workers
    assert not surviving

    kept = {root / receipt.path: stamp(root / receipt.path) for receipt in receipts(root)}
    assert 0 < len(kept) < 144
    with open_instance() as instance:
        (killed,) = instance.get_runs()
        assert killed.status is dg.DagsterRunStatus.STARTED
    summary = json.loads(synthgrid("materialize", fresh, *chosen, "--json").stdout)
    assert summary["passed"]
    assert {path: stamp(path) for path in kept} == kept
    with open_instance() as instance:
        assert instance.get_run_by_id(killed.run_id).status is dg.DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(summary["run_id"]).is_success
    assert digest(fresh, "trees", "points", *chosen[:2]) == whole
    assert not list(root.rglob("*.partial"))
