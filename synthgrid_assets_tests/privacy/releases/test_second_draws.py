"""An adversary at the world file, the private file and the ledger: never a second draw."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import geopandas as gpd
import psycopg2
import pytest
import sqlalchemy as sa

from synthgrid_assets.errors import PrivacyError, StorageError, SynthGridWarning
from synthgrid_assets.privacy.releases import statements, witnesses
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.source import child, counting
from synthgrid_assets.privacy.source.message import Counted
from synthgrid_assets.records import sqlite_file
from synthgrid_assets.records.database import database_url
from synthgrid_assets.records.hash_chain import Anchor
from synthgrid_assets.settings import privacy_ledger
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets_tests.databases import postgres_address
from synthgrid_assets_tests.privacy.private_world import (
    WORLD,
    private_points,
    private_spec,
)

UNIT = 'unit = { column = "user_id", max_cells = 3, max_points_per_cell = 2 }'


@pytest.fixture(autouse=True)
def reads(monkeypatch):
    """The private process's own code, called here; how often raw rows were read."""
    seen = []

    def answer(request):
        seen.append(request)
        return Counted.from_bytes(child.answer_to(request.to_bytes()), request)

    monkeypatch.setattr(counting, "_answer", answer)
    monkeypatch.setattr(counting, "PAD_SECONDS", 0.001)
    return seen


def released(folder, text=WORLD, root="data"):
    """The published bytes of a world's release; its world file is another each time."""
    spec = private_spec(folder, text)
    layer = spec.released_layers[0]
    path = make_input(spec, f"released/{layer}", Layout(folder / root)).path
    return {file.name: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def spent():
    return [line.spent for line in statements.budget_lines(PrivateLedger(privacy_ledger()))]


def csv(folder):
    return folder / "private" / "visits.csv"


def linked(folder):
    (folder / "link.csv").symlink_to(csv(folder))
    return WORLD.replace("PRIVATE/visits.csv", str(folder / "link.csv"))


def hard(folder):
    os.link(csv(folder), folder / "hard.csv")
    return WORLD.replace("PRIVATE/visits.csv", str(folder / "hard.csv"))


def swapped(folder):
    return WORLD.replace('x = "lon", y = "lat"', 'x = "lat", y = "lon"')


def spaced(folder):
    csv(folder).write_text(csv(folder).read_text().replace(",", " , ").replace(" , ", ",", 4))
    return WORLD


def in_parquet(folder):
    lon, lat = private_points()
    points = gpd.points_from_xy(lon, lat)
    gpd.GeoDataFrame(geometry=points, crs="EPSG:4326").to_parquet(folder / "visits.parquet")
    return WORLD.replace("PRIVATE/visits.csv", str(folder / "visits.parquet")).replace(
        'columns = { x = "lon", y = "lat" }', ""
    )


def landed(folder):
    in_parquet(folder)
    (folder / "landed" / "day=1").mkdir(parents=True)
    (folder / "visits.parquet").rename(folder / "landed" / "day=1" / "a.parquet")
    text = WORLD.replace("PRIVATE/visits.csv", str(folder / "landed"))
    return text.replace('columns = { x = "lon", y = "lat" }', "")


ALIAS = "[inputs.visits]", "[inputs.other]"
FORMS = {
    "a symbolic link": linked,
    "a hard link": hard,
    "columns the other way round": swapped,
    "spaces in the file": spaced,
    "another format": in_parquet,
    "a collection of the gateway": landed,
    "as it was": lambda folder: WORLD,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_data_in_any_form_have_the_recorded_answer_or_none(tmp_path, reads, form):
    """Under their own name: the record. As another data set, or another snapshot: a refusal."""
    first = released(tmp_path)
    text = FORMS[form](tmp_path)
    assert released(tmp_path, text, "again") == first
    assert len(reads) == 1
    others = [
        text.replace('snapshot = "2026-11"', 'snapshot = "2026-11"\ndataset = "other"'),
        text.replace("inputs.visits", "inputs.v2")
        .replace("privacy.visits", "privacy.v2")
        .replace('source = "visits"', 'source = "v2"'),
        text.replace('snapshot = "2026-11"', 'snapshot = "2026-12"'),
    ]
    for number, other in enumerate(others if form == "as it was" else others[:1]):
        with pytest.raises(PrivacyError, match=r"registered already, as data set 'visits'"):
            released(tmp_path, other, f"other{number}")
    assert spent() == ["1"]


@pytest.mark.parametrize("form", ["grown", "moved", "hard link"])
def test_a_file_that_grows_has_no_new_budget_by_a_new_name(tmp_path, reads, form):
    """Nearly all of its rows were released before; another label is charged to the same budget."""
    released(tmp_path)
    place = csv(tmp_path)
    if form == "moved":
        place = place.rename(tmp_path / "moved.csv")
    if form == "hard link":
        os.link(place, tmp_path / "hard.csv")
        place = tmp_path / "hard.csv"
    with place.open("a") as file:
        file.write("user9,15.01,48.75,cafe,7\n")
    try:
        os.getxattr(place, witnesses.ATTRIBUTE)
    except OSError:
        if form != "grown":
            pytest.skip("this file system keeps no attributes of files")
    text = WORLD.replace("PRIVATE/visits.csv", str(place))
    other = text.replace('snapshot = "2026-11"', 'snapshot = "2026-12"\ndataset = "visits2"')
    with pytest.raises(PrivacyError, match=r"registered already, as data set 'visits'.*dataset ="):
        released(tmp_path, other, "other")
    assert (spent(), len(reads)) == (["1"], 1)
    released(tmp_path, text.replace('snapshot = "2026-11"', 'snapshot = "2026-12"'), "next")
    assert spent() == ["2"]


def test_two_layers_of_a_file_may_be_two_data_sets(tmp_path):
    source, anchor = tmp_path / "towns.gpkg", Anchor(2, "a" * 64)
    source.touch()
    for layer, name in (("a", "one"), ("b", "two"), ("a", "three")):
        assert witnesses.keep_witness(source, anchor, "ledger", data_set=name, layer=layer)
    for witness in witnesses.witnesses_beside(source):
        assert witness.data_sets == (("a", "one"), ("b", "two"))  # no name is taken back
        assert witness.anchor == anchor
    for layer, name in (("a", "one"), ("b", "two"), ("", "other")):
        witnesses.refuse_other_names(witnesses.witnesses_beside(source), name, layer)
    with pytest.raises(PrivacyError, match="dataset = 'one'"):
        witnesses.refuse_other_names(witnesses.witnesses_beside(source), "two", "a")


@pytest.mark.parametrize("form", ["a symbolic link", "a hard link", "moved"])
def test_a_lost_ledger_is_missed_whatever_the_file_is_called(tmp_path, reads, form):
    released(tmp_path)
    if form in FORMS:
        text = FORMS[form](tmp_path)
    else:
        place = tmp_path / "moved.csv"
        csv(tmp_path).rename(place)
        text = WORLD.replace("PRIVATE/visits.csv", str(place))
    shutil.rmtree(Path(privacy_ledger()).parent)
    shutil.rmtree(tmp_path / "data")
    try:
        os.getxattr(csv(tmp_path) if form in FORMS else place, witnesses.ATTRIBUTE)
    except OSError:
        if form != "a symbolic link":
            pytest.skip("this file system keeps no attributes of files")
    with pytest.raises(PrivacyError, match="SYNTHGRID_LEDGER"):
        released(tmp_path, text, "again")
    assert len(reads) == 1


def test_where_no_trace_of_the_ledger_can_be_kept_it_is_said(tmp_path, monkeypatch):
    """As where private data are mounted read-only (root may write everywhere)."""
    spec = private_spec(tmp_path)
    monkeypatch.setattr(witnesses, "commit_bytes", denied)
    monkeypatch.setattr(witnesses.os, "setxattr", denied)
    with pytest.warns(SynthGridWarning, match="no trace of the ledger could be kept"):
        make_input(spec, "released/people", Layout(tmp_path / "data"))


def denied(*arguments):
    raise PermissionError


def test_a_ledger_with_a_second_name_is_refused(tmp_path, monkeypatch, reads):
    monkeypatch.setattr(sqlite_file, "_SECOND_NAME_SECONDS", 0.05)
    released(tmp_path)
    ledger = Path(privacy_ledger())
    other = ledger.with_name("other.sqlite")
    os.link(ledger, other)
    for name in (ledger, other):
        monkeypatch.setenv("SYNTHGRID_LEDGER", str(name))
        with pytest.raises(StorageError, match="second name"):
            released(tmp_path, WORLD.replace('epsilon = "1"', 'epsilon = "0.5"'), "again")
    other.unlink()
    monkeypatch.setenv("SYNTHGRID_LEDGER", str(ledger))
    released(tmp_path, WORLD, "again")
    assert (len(reads), spent()) == (1, ["1"])


def test_a_ledger_by_a_symbolic_link_is_the_same_ledger(tmp_path, monkeypatch, reads):
    first = released(tmp_path)
    (tmp_path / "link.sqlite").symlink_to(privacy_ledger())
    monkeypatch.setenv("SYNTHGRID_LEDGER", str(tmp_path / "link.sqlite"))
    assert released(tmp_path, WORLD, "again") == first
    assert (len(reads), spent()) == (1, ["1"])


def test_a_server_that_was_reset_is_missed_and_a_record_cannot_be_emptied(
    tmp_path, monkeypatch, reads
):
    for address in postgres_address():
        monkeypatch.setenv("SYNTHGRID_LEDGER", address)
        first = released(tmp_path)
        assert released(tmp_path, WORLD, "again") == first
        engine = sa.create_engine(database_url(address))
        for statement in ("DELETE FROM entry", "TRUNCATE entry", "UPDATE spent SET pico_epsilon=0"):
            with engine.connect() as connection, pytest.raises(sa.exc.DatabaseError):
                connection.exec_driver_sql(statement)
        schema = address.rpartition("%3D")[2]
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}")
        engine.dispose()
        with pytest.raises(PrivacyError, match=r"emptied, rolled back or copied.*Nothing was"):
            released(tmp_path, WORLD.replace('epsilon = "1"', 'epsilon = "0.5"'), "other")
        assert len(reads) == 1


def test_a_changed_unit_or_axis_of_the_world_is_refused_or_recorded(tmp_path, reads):
    first = released(tmp_path)
    with pytest.raises(PrivacyError, match="registered with unit column event"):
        released(tmp_path, WORLD.replace('unit = "event"', UNIT), "other")
    wkt = gpd.GeoSeries([], crs="EPSG:32633").crs.to_wkt("WKT2_2019").replace("\n", "")
    assert released(tmp_path, WORLD.replace('"EPSG:32633"', f"'{wkt}'"), "again") == first
    assert (len(reads), spent()) == (1, ["1"])


def test_a_union_with_what_is_synthetic_reads_nothing(tmp_path, reads):
    first = released(tmp_path)
    union = (
        '[layers.all]\nprocess = "union"\nlayers = ["people", "none"]\n'
        '[layers.none]\nprocess = "poisson"\npoints_per_km2 = 0.1\n'
    )
    assert released(tmp_path, WORLD + union, "again") == first
    assert (len(reads), spent()) == (1, ["1"])


def test_a_copied_project_has_the_same_record(tmp_path, reads):
    first = released(tmp_path)
    (tmp_path / "copy").mkdir()
    shutil.copytree(tmp_path / "private", tmp_path / "copy" / "private")
    assert released(tmp_path / "copy") == first
    assert (len(reads), spent()) == (1, ["1"])


assert psycopg2.__version__
