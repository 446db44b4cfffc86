"""The private process: equal counts from every format, nothing but its message, bounded users."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import PrivacyError
from synthgrid_assets.lattice.projection import Projection
from synthgrid_assets.privacy.marginals import Marginal
from synthgrid_assets.privacy.source import child, counting
from synthgrid_assets.privacy.source.bounding import (
    Units,
    blocks_of_points,
    code_of_rows,
    count_blocks,
)
from synthgrid_assets.privacy.source.message import (
    Counted,
    Outcome,
    SourceRequest,
    answer_size,
    failed,
)
from synthgrid_assets_tests.privacy.private_world import CRS, GRID, private_points

SECRET = "5a" * 32
N = 400
KIND = Marginal("kind", labels=("bar", "cafe", "pub"))
SPEND = Marginal("spend", edges=(0.0, 5.0, 20.0, 100.0))


def request(path, **changes):
    asked = SourceRequest(
        path=str(path),
        crs="EPSG:4326",
        x="lon",
        y="lat",
        layer="",
        unit="",
        max_cells=1,
        max_points_per_cell=1,
        grid=GRID,
        secret=SECRET,
    )
    return replace(asked, **changes)


def answer(asked):
    data = child.answer_to(asked.to_bytes())
    assert len(data) == answer_size(asked)
    return Counted.from_bytes(data, asked)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same rows in every format, and what NumPy counts of them."""
    folder = tmp_path_factory.mktemp("sources")
    lon, lat = private_points(N)
    users = [f"user{i % 40}" for i in range(N)]
    rng = np.random.default_rng(1)
    kinds = rng.choice(["bar", "cafe", "inn", None], N).tolist()
    spends = rng.uniform(-10, 120, N).tolist()
    frame = gpd.GeoDataFrame(
        {"user": users, "kind": kinds, "spend": spends},
        geometry=gpd.points_from_xy(lon, lat),
        crs="EPSG:4326",
    )
    frame.to_parquet(folder / "points.parquet")
    members = [
        json.dumps({"kind": k, "spend": s, "user": u})
        for k, s, u in zip(kinds, spends, users, strict=True)
    ]
    (folder / "members").mkdir()
    frame.assign(properties=members)[["geometry", "properties"]].to_parquet(
        folder / "members" / "a.parquet"
    )
    frame.to_file(folder / "points.gpkg")
    landed = folder / "landed" / "day=1"
    landed.mkdir(parents=True)
    frame[: N // 2].to_parquet(landed / "a.parquet")
    frame[N // 2 :].to_parquet(landed / "b.parquet")
    columns = zip(users, lon.tolist(), lat.tolist(), kinds, spends, strict=True)
    rows = [f"{u},{x!r},{y!r},{k or ''},{s!r}" for u, x, y, k, s in columns]
    header = "user,lon,lat,kind,spend"
    (folder / "points.csv").write_text("\n".join([header, *rows]))
    (folder / "reversed.csv").write_text("\n".join([header, *reversed(rows)]))
    east, north = Projection("EPSG:4326", CRS)(lon, lat)
    side, box = GRID.block_metres, GRID.bounds
    counts, *_ = np.histogram2d(
        north,
        east,
        bins=GRID.shape,
        range=[[box.ymin, box.ymin + 8 * side], [box.xmin, box.xmin + 8 * side]],
    )
    return folder, counts.astype(np.int64)


@pytest.mark.parametrize(
    "name", ["points.csv", "reversed.csv", "points.parquet", "points.gpkg", "landed", "members"]
)
def test_every_format_and_order_gives_the_same_counts_and_code(files, name):
    folder, expected = files
    plain = {} if name.endswith(".csv") else {"x": "", "y": "", "crs": None}
    events = answer(request(folder / name, **plain))
    np.testing.assert_array_equal(events.counts, expected)
    bounds = {"unit": "user", "max_cells": 3, "max_points_per_cell": 2}
    users = answer(request(folder / name, **plain, **bounds))
    np.testing.assert_array_equal(
        users.counts, answer(request(folder / "points.csv", **bounds)).counts
    )
    csv = answer(request(folder / "points.csv"))
    assert users.rows_code == events.rows_code == csv.rows_code
    assert (events.file_code == csv.file_code) == (name == "points.csv")
    assert users.counts.sum() <= 40 * 6
    marks = answer(request(folder / name, **plain, marginals=(KIND, SPEND)))
    other = answer(request(folder / "points.csv", marginals=(SPEND, KIND)))
    assert marks.rows_code == csv.rows_code
    assert marks.bin_codes == other.bin_codes
    kinds, spends = (expected_bins(folder, column) for column in ("kind", "spend"))
    wanted = [sum(kind == label for kind in kinds) for label in KIND.labels]
    assert marks.marginals[KIND].tolist() == other.marginals[KIND].tolist() == wanted
    wanted = np.histogram(spends, [0, 5, 20, 100])[0].tolist()
    assert marks.marginals[SPEND].tolist() == wanted
    bounded_marks = answer(request(folder / name, **plain, **bounds, marginals=(KIND,)))
    other = answer(request(folder / "reversed.csv", **bounds, marginals=(KIND,)))
    assert bounded_marks.marginals[KIND].tolist() == other.marginals[KIND].tolist()


def expected_bins(folder, column):
    frame = gpd.read_parquet(folder / "points.parquet").to_crs(CRS)
    box = GRID.bounds
    return frame.cx[box.xmin : box.xmax, box.ymin : box.ymax][column].tolist()


def test_reading_leaves_no_file_anywhere(files, tmp_path, monkeypatch):
    folder, expected = files
    before = sorted(folder.rglob("*"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(counting, "PAD_SECONDS", 0.001)
    asked = request(folder / "points.gpkg", x="", y="", crs=None)
    np.testing.assert_array_equal(counting.count_source(asked).counts, expected)
    assert sorted(folder.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []


def test_the_process_says_nothing_but_its_message(files):
    folder, _ = files
    bad = folder / "bad.csv"
    bad.write_text("user,lon,lat\n" + 'CANARY,"13.37' * 50)
    inward, outward = os.pipe()
    done = subprocess.run(
        [sys.executable, "-m", "synthgrid_assets.privacy.source.child", str(outward)],
        input=request(bad).to_bytes(),
        capture_output=True,
        pass_fds=[outward],
        check=True,
    )
    os.close(outward)
    with os.fdopen(inward, "rb") as pipe:
        data = pipe.read()
    assert (done.stdout, done.stderr) == (b"", b"")
    assert len(data) == answer_size(request(bad))
    assert b"CANARY" not in data


def test_a_process_that_is_killed_is_an_unreadable_source(files, monkeypatch):
    folder, _ = files
    monkeypatch.setattr(counting, "PAD_SECONDS", 0.001)
    monkeypatch.setattr(counting.sys, "executable", "/bin/false")
    with pytest.raises(PrivacyError, match="Nothing was drawn or charged"):
        counting.count_source(request(folder / "points.csv"))


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"path": "/nowhere/at.csv"}, Outcome.UNREADABLE),
        ({"path": __file__}, Outcome.UNREADABLE),
        ({"path": str(Path(__file__).parent)}, Outcome.UNREADABLE),
        ({"x": "longitude"}, Outcome.NO_COLUMN),
        ({"unit": "person"}, Outcome.NO_COLUMN),
        ({"crs": None}, Outcome.NO_CRS),
        ({"crs": "EPSG:32719"}, Outcome.COUNTED),  # another place: rows count nowhere
    ],
)
def test_what_is_wrong_with_a_file_as_a_whole_has_few_names(files, change, outcome):
    folder, _ = files
    found = answer(replace(request(folder / "points.csv"), **change))
    assert found.outcome == outcome
    assert not found.counts.any()
    assert "counts" not in repr(found)


def test_an_answer_of_any_other_form_is_an_unreadable_source():
    asked = request("points.csv", marginals=(KIND, SPEND))
    good = failed(Outcome.COUNTED, asked).to_bytes()
    assert Counted.from_bytes(good, asked).outcome == Outcome.COUNTED
    for data in (b"", good[:-1], good + b"\0", b"X" + good[1:]):
        assert Counted.from_bytes(data, asked).outcome == Outcome.UNREADABLE


ROWS = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(-1, 63)), max_size=60)


def bounded(rows, cells, points):
    blocks = np.array([block for _, block in rows], np.int64)
    users = np.array([user for user, _ in rows] or [None], object)[: len(rows)]
    return count_blocks(GRID, blocks, Units.of(blocks, users, cells, points, b"k" * 32))


@given(ROWS, st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=60)
def test_a_unit_changes_what_it_may_and_nothing_of_others(rows, cells, points):
    """The law that the noise is calibrated to: one unit more or less, whatever the rows."""
    whole = bounded(rows, cells, points)
    for user in {user for user, _ in rows}:
        without = whole - bounded([row for row in rows if row[0] != user], cells, points)
        assert (without >= 0).all()
        assert np.count_nonzero(without) <= cells
        assert without.max(initial=0) <= points
        own = Counter(block for name, block in rows if name == user and block >= 0)
        assert np.count_nonzero(without) == min(cells, len(own))  # and wastes nothing


@given(ROWS)
@settings(max_examples=30)
def test_without_need_no_bound_cuts_anything(rows):
    blocks = np.array([block for _, block in rows], np.int64)
    np.testing.assert_array_equal(bounded(rows, 64, 60), count_blocks(GRID, blocks))


def test_blocks_are_half_open_and_nothing_lies_outside():
    box, side = GRID.bounds, GRID.block_metres
    east = np.array(
        [box.xmin, box.xmax, np.nextafter(box.xmax, 0), box.xmin - 1e-6, np.nan, np.inf]
    )
    north = np.full(6, box.ymin + 2.5 * side)
    assert blocks_of_points(GRID, east, north).tolist() == [16, -1, 23, -1, -1, -1]


def test_the_code_is_of_the_rows_alone_and_keyed():
    x, y = np.array([1.0, 2.0, np.nan]), np.array([3.0, -0.0, 4.0])
    code = code_of_rows(b"a" * 32, x, y)
    assert code == code_of_rows(b"a" * 32, x[[1, 0]], np.array([0.0, 3.0]))
    assert code == code_of_rows(b"a" * 32, y, x)  # which a CRS can undo
    assert code != code_of_rows(b"b" * 32, x, y)
    assert code != code_of_rows(b"a" * 32, x[:1], y[:1])


@pytest.mark.parametrize("seconds", [0.0, 1.9, 2.0, 3.0, 5.0, 100.0])
def test_a_row_more_or_less_does_not_show_in_the_time(seconds):
    shown = counting.padded(seconds)
    assert shown >= max(seconds, 2.0)
    assert shown == counting.padded(seconds * 0.999)
