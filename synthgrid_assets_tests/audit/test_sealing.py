"""Killed at any system call, a run loses no record of a committed tile and writes none twice."""

from __future__ import annotations

import os
from collections import Counter

import pytest
import sqlalchemy as sa

from synthgrid_assets.audit.keys import SECRET
from synthgrid_assets.audit.log import AuditLog, world_logs
from synthgrid_assets.audit.sealing import seal, seal_all
from synthgrid_assets.audit.verification import verify_world
from synthgrid_assets.errors import AuditError, SynthGridWarning
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.store import register_store
from synthgrid_assets.testing.memory_store import MemoryStore, open_memory
from synthgrid_assets_tests.audit.logs import DATASET, TILES, WORLD, committed, log_of
from synthgrid_assets_tests.storage.test_commit import FORK, kill_at, run


def commit_killed(root, tiles, step):
    kill_at(step)
    committed(root, tiles)


def files_of(log):
    return Counter(record.file for record in log.records() if record.kind == "tile")


def test_records_stand_in_the_order_in_which_tiles_were_committed(tmp_path):
    layout = committed(tmp_path / "data", TILES[:3])
    layout = committed(layout.root, TILES[3:5])
    records = list(log_of(layout).records())
    kinds = [record.kind for record in records]
    assert kinds == ["log", "layer", "tile", "tile", "tile", "layer", "tile", "tile"]
    assert [record.body["index"] for record in records] == list(range(8))
    assert [record.body["previous"] for record in records[1:]] == [
        record.hash.hex() for record in records[:-1]
    ]


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_killed_at_any_system_call_loses_no_record_and_the_next_one_completes(
    tmp_path, stride
):
    killed, step = 0, 1
    while True:
        root = tmp_path / str(step)
        committed(root, TILES[:2])  # a log that goes on
        code = run(commit_killed, root, TILES[2:5], step)
        layout = Layout(root)
        with Journal(layout) as journal:
            there = {receipt.path for receipt in journal.receipts()}
        report = verify_world(layout, WORLD)
        assert report.faults == []
        seal_all(layout)
        assert set(files_of(log_of(layout))) == there
        assert set(files_of(log_of(layout)).values()) == {1}
        committed(root, TILES[5:6])
        report = verify_world(layout, WORLD)
        assert (report.faults, report.waiting) == ([], 0)
        if code == 0:
            break
        killed += 1
        step += stride
    assert killed >= 4


@pytest.mark.parametrize("stride", [19, pytest.param(1, marks=pytest.mark.slow)])
def test_the_first_run_killed_at_any_system_call_leaves_a_log_or_none(tmp_path, stride):
    step = 1
    while run(commit_killed, tmp_path / str(step), TILES[:3], step):
        layout = Layout(tmp_path / str(step))
        seal_all(layout)
        assert verify_world(layout, WORLD).faults == []
        committed(layout.root, TILES[3:5])
        assert verify_world(layout, WORLD).faults == []
        assert set(files_of(log_of(layout)).values()) == {1}
        step += stride


def test_processes_that_seal_at_once_write_each_record_once(tmp_path):
    layout = committed(tmp_path / "data", TILES[:1])
    parts = [TILES[1 + 40 * i : 41 + 40 * i] for i in range(4)]
    processes = [FORK.Process(target=committed, args=(layout.root, part)) for part in parts]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    counts = files_of(log_of(layout))
    assert len(counts) == 161
    assert set(counts.values()) == {1}
    assert verify_world(layout, WORLD).faults == []


def test_what_was_committed_before_there_was_a_log_is_recorded_as_found(tmp_path):
    layout = committed(tmp_path / "data", TILES[:4], sealed=False)
    with Journal(layout) as journal, journal.database.writing() as connection:
        connection.execute(sa.text("DELETE FROM audit_outbox"))  # as an earlier version left it
    committed(layout.root, TILES[4:5])
    found = [r.body for r in log_of(layout).records() if "found" in r.body]
    assert {body["file"] for body in found} == {layout.tile(DATASET, t) for t in TILES[:4]}
    assert verify_world(layout, WORLD).faults == []


def test_a_tile_that_is_made_again_or_taken_back_leaves_its_earlier_records(tmp_path):
    layout = committed(tmp_path / "data", TILES[:2])
    committed(layout.root, TILES[:1], content=b"again")
    assert files_of(log_of(layout))[layout.tile(DATASET, TILES[0])] == 2
    assert verify_world(layout, WORLD).faults == []
    with Journal(layout) as journal:
        journal.forget(list(journal.of_world(WORLD))[:1])
        seal(journal, WORLD)
    assert [record.kind for record in log_of(layout).records()][-1] == "removed"
    assert verify_world(layout, WORLD).faults == []


def test_nothing_is_added_to_a_log_that_was_changed(tmp_path):
    layout = committed(tmp_path / "data", TILES[:3])
    log = log_of(layout)
    for name in ("tile/0/000.p/5", "tile/entries/000.p/5"):
        good = log.read(name)
        layout.store.put(f"{log.prefix}/{name}", good[:-2] + bytes([good[-2] ^ 1, good[-1]]))
        with pytest.raises(AuditError, match="nothing was added"):
            committed(layout.root, TILES[3:4])
        layout.store.put(f"{log.prefix}/{name}", good)
    layout.store.put(f"{log.prefix}/checkpoint", log.note.replace("\n5\n", "\n4\n").encode())
    with pytest.raises(AuditError, match="was changed after it was signed"):
        committed(layout.root, TILES[3:4])
    layout.store.put(f"{log.prefix}/checkpoint", log.note.encode())
    committed(layout.root, TILES[3:4])
    assert verify_world(layout, WORLD).faults == []


def test_a_new_key_begins_a_new_log_and_the_old_one_stays(tmp_path):
    layout = committed(tmp_path / "data", TILES[:2])
    for name in (SECRET, "audit_name.json"):
        (layout.private / name).unlink()
    with pytest.warns(SynthGridWarning, match=r"new audit log begins.*/1; .*restore a backup"):
        committed(layout.root, TILES[2:3])
    first, second = world_logs(layout, WORLD)
    assert second.record(0).body["after_root"] == first.checkpoint.root.hex()
    assert verify_world(layout, WORLD).faults == []


def test_parts_of_full_tiles_are_tidied_and_older_roots_are_still_read(tmp_path):
    layout = committed(tmp_path / "data", TILES[:250])
    old = AuditLog(layout.store, log_of(layout).prefix)
    note, size = old.note, old.size
    committed(layout.root, TILES[250:300])
    names = [os.path.relpath(key, log_of(layout).prefix) for key in layout.store.list(old.prefix)]
    assert [name for name in names if name.startswith("tile/0/")] == [
        "tile/0/000",
        "tile/0/001.p/47",
    ]
    assert (old.note, len(list(old.records()))) == (note, size)
    assert old.tiles.root() == old.checkpoint.root


def test_a_log_in_another_store_is_the_same(tmp_path):
    register_store("memory", open_memory)
    layout = Layout(tmp_path / "data", "memory://audit")
    assert isinstance(layout.store, MemoryStore)
    with Journal(layout) as journal:
        journal.outbox.note(WORLD, ['{"kind":"layer"}'])
        assert seal(journal, WORLD).size == 2
    assert verify_world(layout, WORLD).faults == []
