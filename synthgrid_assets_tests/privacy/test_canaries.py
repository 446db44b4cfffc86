"""Canaries: unique private values are planted, and found in nothing that is written or said."""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synthgrid_assets.errors import PrivacyError
from synthgrid_assets.privacy.marginals import Marginal
from synthgrid_assets.privacy.source import counting
from synthgrid_assets.privacy.source.message import SourceRequest
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets_tests.privacy.private_world import (
    GRID,
    MARKS,
    WORLD,
    private_spec,
    write_private_world,
)

LON, LAT = 15.001337133713371, 48.751337133713379
USER = "CANARY-7b1f4e"
COUNT = 1999  # points at one place, a number that no noise of 1e6 hits by chance once in 1e6
LABEL, SPEND = "CANARY-kind-5e02", 424242.13371337134
UNIT = 'unit = { column = "user_id", max_cells = 3, max_points_per_cell = 2 }'
KIND = Marginal("kind", labels=("bar", "cafe"))
NEEDLES = (
    USER.encode(),
    LABEL.encode(),
    *(text.encode() for text in (f"{LON!r}"[:14], f"{LAT!r}"[:14], f"{SPEND!r}"[:12])),
    *(struct.pack("<d", value) for value in (LON, LAT, SPEND)),
)


def plant(csv: Path) -> None:
    rows = [f"{USER},{LON!r},{LAT!r},{LABEL},{SPEND!r}"] * COUNT
    csv.write_text("\n".join(["user_id,lon,lat,kind,spend", *rows]) + "\n")


def edit(old: str, new: str, times: int = 9) -> Callable[[Path], object]:
    """A change of the planted file's text."""
    return lambda csv: csv.write_text(csv.read_text().replace(old, new, times))


def lines(*more: bytes) -> Callable[[Path], object]:
    """Rows at the end of the planted file."""
    return lambda csv: csv.write_bytes(csv.read_bytes() + b"\n".join(more))


NOTHING = edit("", "", 0)
CUT_CSV = lambda csv: csv.write_bytes(csv.read_bytes()[:-9] + b'"')  # noqa: E731
# what is done to the file, and to the world file
BAD: dict[str, tuple[Callable[[Path], object], tuple[str, str]]] = {
    "cut off": (CUT_CSV, ("", "")),
    "not a number": (edit(f"{LAT!r}", "nan"), ("", "")),
    "NaN everywhere": (edit(f"{LAT!r}", "NaN", COUNT), ("", "")),
    "no numbers at all": (edit(f"{LON!r}", USER, COUNT), ("", "")),
    "text in a number": (edit(f"{SPEND!r}", LABEL, COUNT), ("", "")),
    "numbers in a text": (edit(LABEL, f"{SPEND!r}", COUNT), ("", "")),
    "too many fields": (lines(f"{USER},{LON!r}".encode() * 30), ("", "")),
    "an open quote": (lines(f'"{USER},{LON!r},{LAT!r}'.encode()), ("", "")),
    "no UTF-8 in a row": (lines(f"{USER}".encode() + b"\xff\xfe,\xff,1,\xc3,2"), ("", "")),
    "another column": (edit("lon", USER, 1), ("", "")),
    "no such mark": (edit("kind,", f"{LABEL},", 1), ("", "")),
    "not a text": (lambda csv: csv.write_bytes(b"\xff\x00" + csv.read_bytes()), ("", "")),
    "empty": (lambda csv: csv.write_bytes(b""), ("", "")),
    "wrong CRS": (NOTHING, ('crs = "EPSG:4326"', 'crs = "EPSG:32719"')),
    "unknown CRS": (NOTHING, ('crs = "EPSG:4326"\n', "")),
}
REFUSED = ("empty", "another column", "no such mark", "not a text", "unknown CRS")
PLANTED = WORLD.replace('unit = "event"', UNIT) + MARKS


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


def test_a_parquet_and_a_geopackage_that_are_cut_off_say_nothing_either(tmp_path, monkeypatch):
    import geopandas as gpd

    from synthgrid_assets.privacy.source import child
    from synthgrid_assets.privacy.source.message import Counted

    monkeypatch.setattr(counting, "PAD_SECONDS", 0.001)
    answers = []

    def answer(request):
        answers.append(child.answer_to(request.to_bytes()))
        return Counted.from_bytes(answers[-1], request)

    monkeypatch.setattr(counting, "_answer", answer)
    points = gpd.points_from_xy([LON] * 500, [LAT] * 500)
    columns = {"user_id": [USER] * 500, "kind": [LABEL] * 500, "spend": [SPEND] * 500}
    frame = gpd.GeoDataFrame(columns, geometry=points, crs="EPSG:4326")
    write_private_world(tmp_path)
    private = tmp_path / "private"
    frame.to_parquet(private / "visits.parquet")
    frame.to_file(private / "visits.gpkg")
    for name in ("visits.parquet", "visits.gpkg"):
        whole = (private / name).read_bytes()
        for size in (len(whole) // 2, len(whole) - 100):
            (private / name).write_bytes(whole[:size])
            text = PLANTED.replace('columns = { x = "lon", y = "lat" }', "")
            spec = private_spec(tmp_path, text.replace("visits.csv", name))
            said = ""
            try:
                make_input(spec, "released/people", Layout(tmp_path / f"{name}{size}"))
            except PrivacyError as error:
                said = repr(error)
            assert not any(needle in said.encode() for needle in NEEDLES)
    assert not any(needle in answered for answered in answers for needle in NEEDLES)
    assert found_in(tmp_path, private) == []
    left = {file.name for file in private.iterdir()} - {"visits.csv", "visits.csv.ledger.json"}
    assert {name for name in left if not name.endswith(".ledger.json")} == {
        "visits.parquet",
        "visits.gpkg",
    }


@pytest.mark.timeout(120)
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_a_killed_private_process_leaves_nothing_behind(tmp_path, stop):
    """With raw rows in memory, and cores allowed by whoever started it."""
    (tmp_path / "tmp").mkdir()
    csv = tmp_path / "visits.csv"
    plant(csv)
    csv.write_bytes(csv.read_bytes() * 200)  # long enough to be killed in the middle
    asked = SourceRequest(
        str(csv), "EPSG:4326", "lon", "lat", "", "user_id", 3, 2, GRID, "5a" * 32, (KIND,)
    )
    inward, outward = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "synthgrid_assets.privacy.source.child", str(outward)],
        stdin=subprocess.PIPE,
        pass_fds=[outward],
        cwd=tmp_path / "tmp",
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path / "tmp")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)),
    )
    os.close(outward)
    assert process.stdin is not None
    process.stdin.write(asked.to_bytes())
    process.stdin.close()
    opened = Path(f"/proc/{process.pid}/io")
    read = 0
    while process.poll() is None and read < csv.stat().st_size:
        try:
            read = int(opened.read_text().split()[1])  # rchar: bytes that it has read
        except PermissionError:  # it may not be looked into: so it should be
            read = csv.stat().st_size
            time.sleep(1.5)
        time.sleep(0.01)
    process.send_signal(stop)
    process.wait()
    with os.fdopen(inward, "rb") as pipe:
        answered = pipe.read()
    assert process.returncode in (-stop, 0)
    assert not any(needle in answered for needle in NEEDLES)
    assert list((tmp_path / "tmp").rglob("*")) == []
    assert sorted(file.name for file in tmp_path.iterdir()) == ["tmp", "visits.csv"]


QUICK = (  # the others read the same ways; the slow test has all
    "not a number",
    "text in a number",
    "an open quote",
    "no UTF-8 in a row",
    "another column",
    "no such mark",
    "not a text",
    "wrong CRS",
)


@pytest.mark.parametrize("bad", QUICK)
def test_no_message_holds_a_private_value(tmp_path, monkeypatch, bad):
    from synthgrid_assets.privacy.source import child
    from synthgrid_assets.privacy.source.message import Counted

    monkeypatch.setattr(counting, "PAD_SECONDS", 0.001)
    answers = []

    def answer(request):
        answers.append(child.answer_to(request.to_bytes()))
        return Counted.from_bytes(answers[-1], request)

    monkeypatch.setattr(counting, "_answer", answer)
    change, (old, new) = BAD[bad]
    spec = private_spec(tmp_path, PLANTED.replace(old, new, 1))
    csv = tmp_path / "private" / "visits.csv"
    plant(csv)
    change(csv)
    said = ""
    try:
        make_input(spec, "released/people", Layout(tmp_path / "data"))
        make_input(spec, "marginals/people", Layout(tmp_path / "data"))
    except PrivacyError as error:
        said = repr(error)
    assert bool(said) == (bad in REFUSED)  # no row decides
    assert not any(needle in said.encode() for needle in NEEDLES)
    assert not any(needle in answers[0] for needle in NEEDLES)
    assert found_in(tmp_path, csv) == []
