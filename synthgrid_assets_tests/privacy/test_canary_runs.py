"""Whole runs over private data with canaries: nothing that is written or said holds one of them.

Event log, compute logs, storage, ledger, temporary files, and what the run says; whatever is wrong
with the private file, wherever the ledger lies, and whoever is killed on the way.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import psycopg2
import pytest

from synthgrid_assets.privacy.releases import statements
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.settings import privacy_ledger
from synthgrid_assets_tests.databases import ADDRESS, postgres_address
from synthgrid_assets_tests.privacy.private_world import write_private_world
from synthgrid_assets_tests.privacy.test_canaries import (
    BAD,
    LABEL,
    LAT,
    LON,
    NEEDLES,
    NOTHING,
    PLANTED,
    REFUSED,
    SPEND,
    USER,
    found_in,
    plant,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SYNTHGRID = (sys.executable, "-c", "from synthgrid_assets.cli import main; main()")
COLUMNS = 'columns = { x = "lon", y = "lat" }'
CHILD = "synthgrid_assets.privacy.source.child"
REFUSAL = "othing was drawn or charged"


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Temporary files and a home of the run's own, which are searched with the rest."""
    for name, variable in (("tmp", "TMPDIR"), ("home", "HOME")):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / name))


def start(world: Path) -> subprocess.Popen[str]:
    command = [*SYNTHGRID, "materialize", str(world), "--workers", "1"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )


def ended(folder: Path, run: subprocess.Popen[str], *, refused: bool) -> None:
    """A run ended as it should; what it said is kept in a file, to be searched as well."""
    out, err = run.communicate()
    assert (run.returncode != 0) == refused, err
    assert (REFUSAL in " ".join(err.split())) == refused
    (folder / f"said{run.pid}").write_text(out + err)


def shows_nothing(folder: Path, *private: Path) -> None:
    assert found_in(folder, *private) == []
    home = Path(os.environ["DAGSTER_HOME"])
    assert found_in(home) == []
    assert list(home.rglob("*.db"))


@pytest.mark.parametrize("bad", ["good", *BAD])
def test_a_whole_run_shows_no_private_value(tmp_path, bad):
    change, (old, new) = BAD.get(bad, (NOTHING, ("", "")))
    world = write_private_world(tmp_path, PLANTED.replace(old, new, 1))
    csv = tmp_path / "private" / "visits.csv"
    plant(csv)
    change(csv)
    ended(tmp_path, start(world), refused=bad in REFUSED)
    shows_nothing(tmp_path, csv)


@pytest.mark.parametrize("name", ["visits.parquet", "visits.gpkg"])
@pytest.mark.parametrize("cut", [0, 100, 0.5])
def test_neither_does_one_over_a_file_of_tables_that_is_cut_off(tmp_path, name, cut):
    world = write_private_world(tmp_path, PLANTED.replace(COLUMNS, "").replace("visits.csv", name))
    private = tmp_path / "private"
    points = gpd.points_from_xy([LON] * 500, [LAT] * 500)
    columns = {"user_id": [USER] * 500, "kind": [LABEL] * 500, "spend": [SPEND] * 500}
    frame = gpd.GeoDataFrame(columns, geometry=points, crs="EPSG:4326")
    (frame.to_parquet if name.endswith("parquet") else frame.to_file)(private / name)
    whole = (private / name).read_bytes()
    left = int(len(whole) * cut) if 0 < cut < 1 else len(whole) - int(cut)
    (private / name).write_bytes(whole[:left])
    # a GeoPackage may lack its last page, which holds no row that is asked for
    run = start(world)
    out, err = run.communicate()
    assert (run.returncode == 0) or REFUSAL in " ".join(err.split())
    assert run.returncode == 0 or cut
    (tmp_path / "said").write_text(out + err)
    shows_nothing(tmp_path, private)


@pytest.mark.parametrize("bad", ["good", "NaN everywhere", "another column"])
def test_neither_does_a_ledger_on_a_server(tmp_path, monkeypatch, bad):
    servers = postgres_address()
    address = next(servers)
    monkeypatch.setenv("SYNTHGRID_LEDGER", address)
    world = write_private_world(tmp_path, PLANTED)
    csv = tmp_path / "private" / "visits.csv"
    plant(csv)
    BAD.get(bad, (NOTHING, ("", "")))[0](csv)
    ended(tmp_path, start(world), refused=bad in REFUSED)
    shows_nothing(tmp_path, csv)
    schema = address.rpartition("%3D")[2]
    with psycopg2.connect(ADDRESS) as connection, connection.cursor() as cursor:
        held = []
        for table in ("entry", "spent", "guard", "secret"):
            cursor.execute(f"SELECT * FROM {schema}.{table}")
            held.append(repr(cursor.fetchall()))
        cursor.execute("SELECT query FROM pg_stat_activity")
        held.append(repr(cursor.fetchall()))
    text = "".join(held).encode()
    assert not any(needle in text for needle in NEEDLES)
    assert (b"people" in text, b"2026-11" in text) == (False, bad not in REFUSED)
    connection.close()
    next(servers, None)


def private_processes(run: int) -> list[int]:
    """Processes that a run has started to read private rows."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if CHILD in (entry / "cmdline").read_text():
                found.append((int(entry.name), int(entry.joinpath("stat").read_text().split()[3])))
        except (OSError, ValueError):
            continue
    return [pid for pid, parent in found if parent == run]


def reads(pid: int, file: Path) -> bool:
    """Whether a process has a file open."""
    opened = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            opened.append(link.readlink())
    return file in opened


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize("all_of_it", [False, True])
def test_neither_does_one_that_is_killed_over_its_private_rows(tmp_path, stop, all_of_it):
    """The private process alone, or the run with it: no core, no file; the next run is whole."""
    world = write_private_world(tmp_path, PLANTED)
    csv = tmp_path / "private" / "visits.csv"
    plant(csv)
    csv.write_bytes(csv.read_bytes() * 100)  # long enough to be met
    run = start(world)
    while not (readers := private_processes(run.pid)):
        assert run.poll() is None, run.communicate()
        time.sleep(0.01)
    while not reads(readers[0], csv):
        assert run.poll() is None, run.communicate()
        time.sleep(0.001)
    time.sleep(0.1)  # with rows in its memory
    if all_of_it:
        run.kill()
    else:
        os.kill(readers[0], stop)
    if all_of_it:
        run.communicate()
    else:
        ended(tmp_path, run, refused=True)
    deadline = time.monotonic() + 10
    while private_processes(run.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not private_processes(run.pid)
    shows_nothing(tmp_path, csv)
    assert [file for file in tmp_path.rglob("*core*") if file.is_file()] == []
    assert statements.history(PrivateLedger(privacy_ledger())) == []
    ended(tmp_path, start(world), refused=False)
    shows_nothing(tmp_path, csv)


def told() -> tuple[object, ...]:
    """What a run leaves beside its numbers: names of files, and events."""
    data = Path(os.environ["SYNTHGRID_DATA"])
    files = sorted(
        re.sub("[0-9a-f]{8,}", "#", str(file.relative_to(data))) for file in data.rglob("*")
    )
    (events,) = Path(os.environ["DAGSTER_HOME"]).rglob("index.db")
    with sqlite3.connect(events) as connection:
        query = (
            "SELECT dagster_event_type, step_key, asset_key, partition FROM event_logs ORDER BY id"
        )
        lines = [line for line in connection.execute(query) if line[0]]
    return files, sorted(map(repr, lines))


def test_one_row_more_shows_in_no_name_of_a_file_and_no_event(tmp_path, monkeypatch):
    """Noisy numbers differ, as they do between two runs over the same rows; nothing else does."""
    seen = []
    for number in range(2):
        folder = tmp_path / f"run{number}"
        folder.mkdir()
        for name in ("SYNTHGRID_DATA", "DAGSTER_HOME", "SYNTHGRID_LEDGER"):
            monkeypatch.setenv(name, str(folder / name.lower()))
        (folder / "dagster_home").mkdir()
        world = write_private_world(folder, PLANTED)
        if number:  # a block, a user and a label that nobody else has
            csv = folder / "private" / "visits.csv"
            csv.write_text(csv.read_text() + f"{USER},{LON!r},{LAT!r},{LABEL},{SPEND!r}\n")
        ended(folder, start(world), refused=False)
        seen.append(told())
    assert seen[0] == seen[1]
