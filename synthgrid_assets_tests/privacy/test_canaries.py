"""Canaries: unique private values are planted, and found in nothing that is written or said."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synthgrid_assets.errors import PrivacyError
from synthgrid_assets.privacy.source import counting
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets_tests.privacy.private_world import WORLD, private_spec, write_private_world

LON, LAT = 15.001337133713371, 48.751337133713379
USER = "CANARY-7b1f4e"
COUNT = 7919  # points at one place, a number that no noise of 1e6 hits by chance once in 1e6
SYNTHGRID = (sys.executable, "-c", "from synthgrid_assets.cli import main; main()")
UNIT = 'unit = { column = "user_id", max_cells = 3, max_points_per_cell = 2 }'
NEEDLES = (
    USER.encode(),
    *(text.encode() for text in (f"{LON!r}"[:14], f"{LAT!r}"[:14])),
    *(struct.pack("<d", value) for value in (LON, LAT)),
)


def plant(csv: Path) -> None:
    rows = [f"{USER},{LON!r},{LAT!r}"] * COUNT
    csv.write_text("\n".join(["user_id,lon,lat", *rows]) + "\n")


BAD = {
    "cut off": lambda csv: csv.write_bytes(csv.read_bytes()[:-9] + b'"'),
    "not a number": lambda csv: csv.write_text(csv.read_text().replace(f"{LAT!r}", "nan", 9)),
    "another column": lambda csv: csv.write_text(csv.read_text().replace("lon", USER, 1)),
    "not a text": lambda csv: csv.write_bytes(b"\xff\x00" + csv.read_bytes()),
    "empty": lambda csv: csv.write_bytes(b""),
}


def content(file: Path) -> bytes:
    """What a reader could get of a file: its bytes, and a table's decoded values and statistics."""
    if file.suffix != ".parquet":
        return file.read_bytes()
    table, facts = pq.read_table(file), pq.read_metadata(file)
    groups = [facts.row_group(i) for i in range(facts.num_row_groups)]
    statistics = [group.column(i).statistics for group in groups for i in range(group.num_columns)]
    plain = [name for name in table.column_names if name != "geometry"]  # its bytes are read, too
    rows = repr(table.select(plain).to_pydict())
    return file.read_bytes() + repr((rows, statistics, table.schema.metadata)).encode()


def found_in(folder: Path, *kept: Path) -> list[str]:
    """Files below a folder that hold a canary, those of the private folders left out."""
    return [
        str(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not any(file.is_relative_to(one) for one in kept)
        if any(needle in content(file) for needle in NEEDLES)
    ]


def test_the_search_finds_what_is_there(tmp_path):
    plant(tmp_path / "visits.csv")
    (tmp_path / "b.bin").write_bytes(b"x" + struct.pack("<d", LON))
    assert len(found_in(tmp_path)) == 2


def test_no_file_of_a_release_holds_a_private_value(tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "PAD_SECONDS", 0.001)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    text = WORLD.replace('epsilon = "1"', 'epsilon = "1e-6"')
    spec = private_spec(tmp_path, text)
    plant(tmp_path / "private" / "visits.csv")
    record = make_input(spec, "released/people", Layout(tmp_path / "data"))
    assert found_in(tmp_path, tmp_path / "private" / "visits.csv") == []
    (file,) = record.path.rglob("0_0.parquet")
    assert COUNT not in pq.read_table(file)["estimate"].to_pylist()
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize("bad", BAD)
def test_no_message_holds_a_private_value(tmp_path, monkeypatch, bad):
    from synthgrid_assets.privacy.source import child
    from synthgrid_assets.privacy.source.message import Counted

    monkeypatch.setattr(counting, "PAD_SECONDS", 0.001)
    answers = []

    def answer(request):
        answers.append(child.answer_to(request.to_bytes()))
        return Counted.from_bytes(answers[-1], request.grid)

    monkeypatch.setattr(counting, "_answer", answer)
    spec = private_spec(tmp_path, WORLD.replace('unit = "event"', UNIT))
    csv = tmp_path / "private" / "visits.csv"
    plant(csv)
    BAD[bad](csv)
    said = ""
    try:
        make_input(spec, "released/people", Layout(tmp_path / "data"))
    except PrivacyError as error:
        said = repr(error)
    assert USER not in said
    assert not any(needle in answers[0] for needle in NEEDLES)
    assert found_in(tmp_path, csv) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("bad", ["good", *BAD])
def test_a_whole_run_shows_no_private_value(tmp_path, bad):
    """Event log, compute logs, storage, ledger, temporary files, and what the run says."""
    world = write_private_world(tmp_path, WORLD.replace('unit = "event"', UNIT))
    csv = tmp_path / "private" / "visits.csv"
    plant(csv)
    BAD.get(bad, lambda csv: None)(csv)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        [*SYNTHGRID, "materialize", str(world), "--workers", "1"],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path / "home")},
    )
    refused = bad in ("empty", "another column", "not a text")
    assert (done.returncode != 0) == refused, done.stderr
    if refused:
        assert "othing was drawn or charged" in " ".join(done.stderr.split())
    (tmp_path / "said").write_text(done.stdout + done.stderr)
    assert found_in(tmp_path, csv) == []
    assert found_in(Path(os.environ["DAGSTER_HOME"])) == []
    assert list(Path(os.environ["DAGSTER_HOME"]).rglob("*.db"))
