"""The viewer shows what is committed, exactly, and takes orders from its own pages alone."""

from __future__ import annotations

import contextlib
import http.client
import shutil

import numpy as np
import pytest
import shapely

from synthgrid_assets.errors import SpecError
from synthgrid_assets.materialize.tile_state import TileState, tile_states
from synthgrid_assets.reports.exports import committed_rows
from synthgrid_assets.services.viewer.options import ViewerOptions
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.reports.committed_world import commit, context_of
from synthgrid_assets_tests.services.viewer.served import ServedViewer

API = "/api/worlds/small"
MADE = ("points", "voronoi")


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """The small world with points and cells of its first nine tiles."""
    context = context_of(tmp_path_factory.mktemp("viewed"), layer="cafes")
    return commit(context, MADE, list(context.spec.world.tiling)[:9])


@pytest.fixture(scope="module")
def viewer(committed):
    root = committed.layout.root
    with ServedViewer(world=str(root.parent / "small.toml"), data=root) as served:
        yield served


def letters(viewer):
    """The states that a page is told when it opens."""
    return next(viewer.events("small"))["states"]


def blocks(content):
    """Features by place, decoded as the page does."""
    words, found, at = np.frombuffer(content, "<i4"), {}, 0
    while at < words.size:
        column, row, total, sent, places = words[at : at + 5]
        at += 5
        sizes = words[at : at + sent] if sent != places else words[:0]
        at += sizes.size
        xy = words[at : at + 2 * places].view("<f4").reshape(-1, 2)
        at += 2 * places
        found[int(column), int(row)] = int(total), sizes, xy
    return found


def test_states_on_the_wire_are_those_of_the_journal(viewer, committed):
    told = letters(viewer)
    tiles = list(committed.spec.world.tiling)
    with Journal(committed.layout) as journal:
        for name in committed.assets:
            states = tile_states(journal, committed, name, tiles)
            assert told[f"cafes/{name}"] == "".join(states[tile.cells] for tile in tiles)
    assert told["cafes/points"].count(TileState.MISSING) == len(tiles) - 9
    assert set(told["trees/points"]) == {TileState.MISSING}


@pytest.mark.parametrize("name", MADE)
def test_geometry_on_the_wire_is_what_is_committed(viewer, committed, name):
    path = f"{API}/geometry?layer=cafes&asset={name}&tiles=0:6,0:6&most=100000"
    status, content = viewer.ask("GET", path)
    assert status == 200
    found = blocks(content)
    assert len(found) == 9
    lattice, tiling = committed.lattice, committed.spec.world.tiling
    drawn = [
        xy + lattice.bounds(tiling.at(*place).cells)[:2] for place, (_, _, xy) in found.items()
    ]
    rows = committed_rows(committed.spec, committed.layout.root, "cafes", name)
    geometry = shapely.from_wkb(rows["geometry"].to_numpy())
    assert sum(total for total, _, _ in found.values()) == len(geometry)
    stored = np.sort(shapely.get_coordinates(geometry).view(complex).ravel())
    shown = np.sort(np.ascontiguousarray(np.vstack(drawn)).view(complex).ravel())
    assert shown.size == stored.size
    # float32 of a tile of 512 m
    np.testing.assert_allclose(np.sort(shown.real), np.sort(stored.real), atol=1e-3)
    np.testing.assert_allclose(np.sort(shown.imag), np.sort(stored.imag), atol=1e-3)
    assert all(sizes.sum() == len(xy) for _, sizes, xy in found.values() if sizes.size)


def test_of_a_full_tile_a_part_is_sent_and_it_says_so(viewer):
    path = f"{API}/geometry?layer=cafes&asset=points&tiles=0:6,0:6&most=2"
    found = blocks(viewer.ask("GET", path)[1])
    assert max(total for total, _, _ in found.values()) > 2
    assert all(len(xy) == min(total, 2) for total, _, xy in found.values())


def test_totals_of_all_tiles_come_without_a_file(viewer, committed):
    """What a page asks for where tiles are too small and too many to show their points."""
    path = f"{API}/geometry?layer=cafes&asset=points&tiles=0:6,0:6&most="
    told = {
        place: total for place, (total, _, _) in blocks(viewer.ask("GET", f"{path}2")[1]).items()
    }
    status, content = viewer.ask("GET", f"{path}0")
    assert status == 200
    assert len(content) == 9 * 5 * 4
    assert {place: total for place, (total, _, _) in blocks(content).items()} == told


def test_a_tile_tells_its_tests_and_a_statistic_is_that_of_every_receipt(viewer, committed):
    first = next(iter(committed.spec.world.tiling))
    _, tile = viewer.ask("GET", f"{API}/tiles/0/0")
    with Journal(committed.layout) as journal:
        receipt = journal.find(committed.dataset("points"), first.cells)
        total = sum(r.rows for r in journal.receipts(committed.dataset("points")))
    (points,) = (one for one in tile["products"] if one["asset"] == "points")
    assert (points["rows"], points["sha256"]) == (receipt.rows, receipt.sha256)
    assert [test["test"] for test in points["tests"]] == [v.test for v in receipt.verdicts]
    assert points["facts"]["seed_record"]["cells"] == list(first.cells)
    _, rows = viewer.ask("GET", f"{API}/statistic?layer=cafes&asset=points&name=rows")
    known = [value for value in rows["values"] if value is not None]
    assert (sum(known), len(known)) == (total, 9)


def test_edits_and_damage_show_while_a_page_is_open(committed, tmp_path):
    """The exact set: what is stale after an edit, what is red after one byte has changed."""
    shutil.copytree(committed.layout.root.parent, tmp_path / "copy")
    world, root = tmp_path / "copy" / "small.toml", tmp_path / "copy" / "data"
    with ServedViewer(world=str(world), data=root) as viewer:
        told = viewer.events("small")
        before = next(told)["states"]
        assert before["cafes/voronoi"][:9] == "F" * 9
        world.write_text(world.read_text().replace("[4.0, 60.0]", "[4.0, 61.0]"))  # a mark
        changes = next(told)["changes"]
        assert changes == {"cafes/points": [[i, "S"] for i in range(9)]}
        world.write_text(world.read_text().replace("[4.0, 61.0]", "[4.0, 60.0]"))
        assert next(told)["changes"] == {"cafes/points": [[i, "F"] for i in range(9)]}
    file = sorted((root / "small/cafes").glob("voronoi-*/w8/*.parquet"))[0]
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with ServedViewer(world=str(world), data=root) as viewer:
        assert letters(viewer)["cafes/voronoi"].count(TileState.RED) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"x_synthgrid_token": "guessed"}, 403),
        ({"x_synthgrid_token": ""}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "evil.example@x:80:80"}, 421),
    ],
)
def test_no_other_site_starts_a_run(viewer, headers, status):
    given = {"host": f"127.0.0.1:{viewer.port}"} | headers
    for path in (f"{API}/runs", f"{API}/runs/any/cancel"):
        assert viewer.post(path, {"tiles": "0:1,0:1"}, **given)[0] == status
    assert list(viewer.viewer.runs.of(viewer.viewer.live("small").world)) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "tiles"),
        ([], "tiles"),
        ({"tiles": None}, "tiles"),
        ({"tiles": "0:1"}, "0:1"),
        ({"tiles": "0:99,0:1"}, "0:99"),
        ({"tiles": "0:1,0:1", "layer": "cafes,trees"}, "no layer"),
        ({"tiles": "0:1,0:1", "asset": "--force"}, "no asset"),
        ({"tiles": "0:1,0:1", "only": "red"}, "expected one of"),
        ({"tiles": "0:1,0:1", "only": "stale"}, "nothing to make"),
        ({"tiles": "0:1,0:1", "force": "yes"}, "force"),
        ({"tiles": "0:1,0:1", "executor": "inline"}, "no key"),
    ],
)
def test_a_request_that_cannot_be_met_is_explained_and_starts_nothing(viewer, content, told):
    status, answer = viewer.post(f"{API}/runs", content)
    assert status == 409
    assert told in answer["error"]
    assert list(viewer.viewer.runs.of(viewer.viewer.live("small").world)) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/files/../app.py", 404),
        ("/files/world.html", 404),
        ("/worlds/elsewhere", 404),
        (f"{API}/tiles/99/0", 404),
        (f"{API}/statistic?layer=cafes&asset=points&name=beauty", 409),
        (f"{API}/geometry?layer=cafes&asset=points&tiles=0:1,0:1&most=-1", 409),
        (f"{API}/geometry?layer=cafes&asset=roads&tiles=0:1,0:1&most=9", 409),
    ],
)
def test_what_there_is_not_is_refused(viewer, path, status):
    assert viewer.ask("GET", path)[0] == status


def test_pages_carry_no_script_of_their_own_and_load_nothing_from_elsewhere(viewer):
    _, page = viewer.ask("GET", "/worlds/small")
    text = page.decode()
    assert "http://" not in text.replace(viewer.options.dagster, "")
    assert "https://" not in text
    assert "<style" not in text
    assert " style=" not in text
    assert text.count("<script") == text.count('<script src="/files/') + 1  # and the data


def test_the_report_is_shown_shut_off_from_the_viewer(viewer, committed):
    assert viewer.ask("GET", "/worlds/small/report")[0] == 404
    key = committed.layout.release_report("small")
    committed.layout.store.put(key, b"<!doctype html><title>report</title>")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", viewer.port, 20)) as line:
        line.request("GET", "/worlds/small/report")
        answer = line.getresponse()
        assert answer.status == 200
        # scripts of a file among the data have no origin, so they know no token and start nothing
        assert answer.getheader("content-security-policy").startswith("sandbox allow-scripts;")
        assert b"report" in answer.read()


def test_a_world_without_data_and_one_with_mistakes(tmp_path, monkeypatch):
    context = context_of(tmp_path / "empty")
    with ServedViewer(world=str(tmp_path / "empty/small.toml"), data=tmp_path / "none") as viewer:
        assert set("".join(letters(viewer).values())) == {TileState.MISSING}
        assert not (tmp_path / "none").exists()  # looking makes nothing
    assert context is not None
    (tmp_path / "bad.toml").write_text("[world]\nname = 1\n")
    with pytest.raises(SpecError):
        ServedViewer(world=str(tmp_path / "bad.toml"))
    with pytest.raises(SpecError):
        load_spec(tmp_path / "bad.toml")


def test_it_serves_this_machine_alone():
    with pytest.raises(SpecError, match="ssh"):
        ViewerOptions(host="0.0.0.0")
