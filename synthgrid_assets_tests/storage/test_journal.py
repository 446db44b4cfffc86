"""Journal: what it says is committed is on disk, whoever writes and whoever is killed."""

import hashlib
import json
import multiprocessing
import os
import pickle
import signal
import sqlite3
import tracemalloc
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tile, Tiling
from synthgrid_assets.storage.commit import commit_bytes
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.receipt import Receipt, RecordedTile, TileFile
from synthgrid_assets.verdict import Verdict
from synthgrid_assets_tests.storage.made_region import EXTENT, dataset, receipt, watched

CONTENT = b"12"  # a receipt of three bytes is of a file that has lost one
FORK = multiprocessing.get_context("fork")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def layout(tmp_path, address, monkeypatch):
    """A data root whose journal is a file in it, or lies on a server."""
    monkeypatch.setenv("SYNTHGRID_JOURNAL", address if "://" in address else "")
    return Layout(tmp_path)


def tile_receipt(layout: Layout, data, column: int, row: int, **changes) -> Receipt:
    side = data.side
    cells = Cells(column * side, row * side, (column + 1) * side, (row + 1) * side)
    tile = Tile(row, column, cells, side)
    return receipt(data, tile, layout.tile(data, tile), **changes)


def test_a_record_without_its_folder_is_refused_and_nothing_of_its_group_recorded(layout, tmp_path):
    good, bad = tile_receipt(layout, dataset(8), 0, 0), tile_receipt(layout, dataset(9), 0, 0)
    commit_bytes(tmp_path / good.path, b"")
    with Journal(layout) as journal:
        with pytest.raises(StorageError, match="cannot sync folder"):
            journal.record([good, bad])
        assert list(journal.receipts()) == []


def test_a_file_that_is_no_journal_or_of_another_version_is_refused(tmp_path):
    layout = Layout(tmp_path)
    layout.journal.write_bytes(b"something else, and long enough to be read" * 99)
    with pytest.raises(StorageError, match="not a database"):
        Journal(layout)
    layout.journal.unlink()
    with sqlite3.connect(layout.journal) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="schema version 99"):
        Journal(layout)


receipts = st.builds(
    lambda verdicts, seconds, facts, bbox, expected, picture: receipt(
        dataset(8),
        Tiling(EXTENT, 8).at(0, 1),
        "a/b.parquet",
        verdicts=tuple(verdicts),
        seconds=tuple(seconds),
        facts=tuple(facts),
        bbox=bbox,
        expected_rows=expected,
        picture=picture,
    ),
    st.lists(
        st.builds(
            Verdict,
            st.text(),
            st.booleans(),
            st.floats(allow_nan=False),
            st.floats(allow_nan=False),
            st.none() | st.floats(0, 1),
        ),
        max_size=3,
    ),
    st.lists(st.tuples(st.text(), st.floats(0, 1e9)), max_size=3),
    st.lists(st.tuples(st.text(), st.integers() | st.floats(0, 1) | st.text()), max_size=3),
    st.none() | st.tuples(*[st.floats(-1e7, 1e7)] * 4),
    st.none() | st.floats(0, 1e9),
    st.none() | st.text(),
)


@given(receipts)
def test_a_receipt_survives_json_and_pickle(made):
    record = {name: value for name, value in asdict(made).items() if name != "png"}
    assert made.to_json() == json.dumps(record, separators=(",", ":"))
    assert Receipt.from_json(made.to_json()) == made
    assert pickle.loads(pickle.dumps(made)) == made


@given(receipts, st.binary())
def test_a_picture_travels_with_a_receipt_and_is_no_part_of_the_record(made, png):
    drawn = replace(made, png=png)
    assert pickle.loads(pickle.dumps(drawn)).png == png
    assert (drawn, drawn.to_json(), repr(drawn)) == (made, made.to_json(), repr(made))


@given(receipts, st.text(), st.text(), st.integers(0), st.sampled_from(["00", "e3b0" * 16]))
def test_the_file_of_a_record_is_found_in_its_text(made, tile, path, size, sha256):
    """Whatever stands around it: names may hold quotes, facts may look like records."""
    facts = (("record", made.to_json()),)
    made = replace(made, tile=tile, path=path, size=size, sha256=sha256, facts=facts)
    spaced = json.dumps(json.loads(made.to_json()), sort_keys=True)
    for text in (made.to_json(), spaced):
        found = RecordedTile.read(text)
        assert found == (text, made.cells, made.rows, TileFile.of(made))
        assert found.receipt() == made


@settings(max_examples=15)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(-2, 2), st.integers(-2, 2), st.sampled_from((4, 8)), st.integers(0, 3)
            )
        ),
        max_size=6,
    )
)
def test_the_journal_is_a_map_from_paths_to_last_records(layout, groups):
    with Journal(layout) as journal:  # that of the example before
        journal.forget(list(journal.receipts()))
    for path in layout.root.rglob("*.parquet"):
        path.unlink()
    model: dict[str, Receipt] = {}
    with Journal(layout) as journal:
        for group in groups:
            made = [
                tile_receipt(layout, dataset(s), x, y, size=size, sha256=sha256(CONTENT[:size]))
                for x, y, s, size in group
            ]
            for item in made:
                commit_bytes(layout.root / item.path, CONTENT[: item.size], durability="batch")
            journal.record(made)
            model |= {item.path: item for item in made}
            assert {r.path: r for r in journal.receipts()} == model
        for side in (4, 8):
            mine = [r for r in model.values() if r.side == side]
            in_order = sorted(mine, key=lambda r: (r.cells.iy0, r.cells.ix0))
            assert list(journal.receipts(dataset(side))) == in_order
            sound = [r for r in in_order if r.size == (layout.root / r.path).stat().st_size]
            assert list(journal.lookup(dataset(side))) == sound
            assert [r for r in mine if journal.is_committed(dataset(side), r.cells)] == [
                r for r in mine if r in sound
            ]
        assert list(journal.of_asset("riverton", "cafes", "points")) == sorted(
            model.values(), key=lambda r: (r.side, r.cells.iy0, r.cells.ix0)
        )


def test_a_tile_clipped_by_another_extent_is_another_tile(layout, tmp_path):
    data = dataset(8)
    made = tile_receipt(layout, data, 0, 0)
    commit_bytes(tmp_path / made.path, b"")
    with Journal(layout) as journal:
        journal.record([made])
        assert journal.is_committed(data, Cells(0, 0, 8, 8))
        assert not journal.is_committed(data, Cells(0, 0, 8, 7))
        assert not journal.is_committed(replace(data, realisation="f" * 32), Cells(0, 0, 8, 8))
        (tmp_path / made.path).unlink()
        assert not journal.is_committed(data, Cells(0, 0, 8, 8))


@pytest.mark.parametrize("wanted", [12, 100])
def test_the_records_of_some_tiles_are_theirs_alone(layout, tmp_path, wanted):
    """Asked for one by one or as a rectangle, which other tiles lie in too."""
    places = [(column, row) for row in range(-6, 6) for column in range(12)]
    made = {place: tile_receipt(layout, dataset(8), *place) for place in places}
    other = replace(made[0, 0], asset="density", path="elsewhere")
    for one in (*made.values(), other):
        commit_bytes(tmp_path / one.path, b"")
    with Journal(layout) as journal:
        journal.record([*made.values(), other])
        asked = [made[place].cells for place in places[::-1][:wanted]]
        missing = Cells(800, 0, 808, 8)
        found = journal.find_all(dataset(8), [*asked, missing])
        assert found == {r.cells: r for r in made.values() if r.cells in asked}


def test_verify_names_every_damaged_file_and_no_sound_one(layout, tmp_path):
    data = dataset(8)
    made = []
    for x in range(4):
        item = tile_receipt(layout, data, x, 0)
        facts = commit_bytes(tmp_path / item.path, b"content %d" % x)
        made.append(replace(item, size=facts.size, sha256=facts.sha256))
    with Journal(layout) as journal:
        journal.record(made)
        assert list(journal.verify()) == []
        (tmp_path / made[1].path).write_bytes(b"cOntent 1")
        (tmp_path / made[2].path).unlink()
        damage = list(journal.verify(journal.receipts(data)))
    assert [found.receipt for found in damage] == made[1:3]
    assert "SHA-256" in damage[0].problem
    assert "missing" in damage[1].problem


def record_many(root, process, barrier):
    layout = Layout(root)
    barrier.wait(60)
    with Journal(layout) as journal:
        for group in range(15):
            made = [tile_receipt(layout, dataset(8), 4 * group + k, process) for k in range(4)]
            for item in made:
                commit_bytes(root / item.path, b"", durability="batch")
            journal.record(made)


def test_processes_that_open_and_write_one_journal_at_once_lose_nothing(layout, tmp_path):
    barrier = FORK.Barrier(4)
    children = [FORK.Process(target=record_many, args=(tmp_path, k, barrier)) for k in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0] * 4
    with Journal(Layout(tmp_path)) as journal:
        assert sum(1 for _ in journal.lookup(dataset(8))) == 4 * 15 * 4


def record_and_die(root, step):
    layout = Layout(root)
    made = [tile_receipt(layout, dataset(8), column, 0) for column in range(5)]
    for item in made:
        commit_bytes(root / item.path, b"", durability="batch")
    statements = [0]

    def stop(_):
        statements[0] += 1
        if statements[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with Journal(layout) as journal:
        watched(journal, stop)
        journal.record(made)


def test_a_group_is_recorded_whole_or_not_at_all(tmp_path):
    for step in range(1, 20):
        root = tmp_path / str(step)
        child = FORK.Process(target=record_and_die, args=(root, step))
        child.start()
        child.join(60)
        with Journal(Layout(root)) as journal:
            count = sum(1 for _ in journal.lookup(dataset(8)))
        if child.exitcode == 0:
            assert count == 5
            assert step > 6, "the statements of the transaction were not stopped at"
            return
        assert count == 0
    pytest.fail("the writer never finished")


def test_what_the_log_will_say_besides_is_recorded_with_a_group_or_not_at_all(layout, tmp_path):
    """One transaction: what undoes the group undoes it too, and it costs no commit of its own."""
    data = dataset(8)

    def refuse(connection):
        raise StorageError("the lease is lost")

    with Journal(layout) as journal:
        tiles = [tile_receipt(layout, data, column, 0) for column in range(2)]
        (tmp_path / tiles[0].path).parent.mkdir(parents=True)
        notes = [(data.world, f"note {number}") for number in range(3)]
        with pytest.raises(StorageError, match="the lease is lost"):
            journal.record(tiles, guard=refuse, notes=notes)
        assert journal.outbox.waiting(data.world) == []
        journal.record(tiles, notes=notes)
        told = [waiting.record for waiting in journal.outbox.waiting(data.world)]
        assert len(told) == 5
        assert told[2:] == [note for _, note in notes]


def record_until_killed(root, pipe):
    layout = Layout(root)
    with Journal(layout) as journal:
        for row in range(10**6):
            made = [tile_receipt(layout, dataset(8), column, row) for column in range(5)]
            for item in made:
                commit_bytes(root / item.path, b"", durability="batch")
            journal.record(made)
            os.write(pipe, b".")


def test_what_was_acknowledged_outlives_the_process(tmp_path):
    for attempt in range(8):
        root = tmp_path / str(attempt)
        root.mkdir()
        reader, writer = os.pipe()
        child = FORK.Process(target=record_until_killed, args=(root, writer))
        child.start()
        os.close(writer)
        acknowledged = len(os.read(reader, 1 + attempt))
        child.kill()
        child.join()
        while more := os.read(reader, 1 << 16):
            acknowledged += len(more)
        os.close(reader)
        with Journal(Layout(root)) as journal:
            rows = [r.cells.iy0 // 8 for r in journal.lookup(dataset(8))]
        assert all(rows.count(row) == 5 for row in rows)
        assert len(rows) in {5 * acknowledged, 5 * (acknowledged + 1)}


def test_reading_ten_thousand_receipts_holds_only_some(layout, tmp_path):
    data = dataset(8)
    (tmp_path / layout.folder(data)).mkdir(parents=True)
    with Journal(layout) as journal:
        for row in range(10):
            journal.record([tile_receipt(layout, data, column, row) for column in range(1000)])
        tracemalloc.start()
        count = sum(1 for _ in journal.receipts(data))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 10_000
    assert peak < 500_000  # one receipt is about 2 kB in memory


def test_tiles_are_asked_for_by_their_box_and_no_other_record_is_read(
    layout, tmp_path, monkeypatch
):
    """A map asks for some hundred tiles at a time, of ten thousand."""
    data, read = dataset(8), []
    (tmp_path / layout.folder(data)).mkdir(parents=True)
    with Journal(layout) as journal:
        made = [
            tile_receipt(layout, data, column, row)
            for row in range(-20, 20)
            for column in range(40)
        ]
        journal.record(made)
        parse = Receipt.from_json
        monkeypatch.setattr(Receipt, "from_json", lambda text: read.append(text) or parse(text))
        asked = [r.cells for r in made if -5 * 8 <= r.cells.iy0 < 0 and 80 <= r.cells.ix0 < 240]
        some = [*asked[5:], Cells(88, -40, 95, -32)]  # and one of another shape
        found = journal.find_all(data, some)
    assert len(asked) == 100
    assert found == {r.cells: r for r in made if r.cells in set(some)}
    assert len(read) <= len(asked)
