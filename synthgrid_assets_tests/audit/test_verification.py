"""Whatever is changed in data, records, hashes or root: verification names the record."""

from __future__ import annotations

import random
import shutil

import pytest

from synthgrid_assets.audit.hash_tiles import HashTiles, grown
from synthgrid_assets.audit.keys import find_key
from synthgrid_assets.audit.log import framed, world_logs
from synthgrid_assets.audit.merkle import leaf_hash
from synthgrid_assets.audit.signed_note import Checkpoint, VerifierKey
from synthgrid_assets.audit.verification import verify_world
from synthgrid_assets.errors import SynthGridWarning
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.audit.logs import DATASET, TILES, WORLD, committed, file_of, log_of

COUNT = 300  # of tiles; with the two records before them, more than a bundle


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return committed(tmp_path_factory.mktemp("whole") / "data", TILES[:COUNT]).root


@pytest.fixture
def layout(whole, tmp_path):
    shutil.copytree(whole.parent, tmp_path / "copy")
    return Layout(tmp_path / "copy" / "data")


def rewrite(layout, change):
    """Change the list of entries of a log's bundles as they lie there."""
    log = log_of(layout)
    entries = change([record.entry for record in log.records()])
    for number, start in enumerate(range(0, log.size, 256)):
        part = entries[start : start + 256]
        name = f"tile/entries/{number:03}" + (
            "" if start + 256 <= log.size else f".p/{COUNT + 2 - 256}"
        )
        layout.store.put(f"{log.prefix}/{name}", b"".join(map(framed, part)))
    return log


def faults(layout, **known):
    return verify_world(layout, WORLD, **known).faults


def test_a_whole_world_has_no_faults(layout):
    report = verify_world(layout, WORLD)
    assert (report.faults, report.told) == ([], [])
    assert (report.records, report.files, report.waiting) == (COUNT + 2, COUNT, 0)


def test_one_flipped_bit_in_any_tile_names_its_record(layout):
    rng = random.Random(1)
    for place in rng.sample(range(COUNT), 12):
        path = file_of(layout, TILES[place])
        data = bytearray(path.read_bytes())
        bit = rng.randrange(len(data) * 8)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        (fault,) = faults(layout)
        assert fault.record == place + 2
        assert fault.file == layout.tile(DATASET, TILES[place])
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)


def test_a_missing_tile_names_its_record(layout):
    file_of(layout, TILES[5]).unlink()
    (fault,) = faults(layout)
    assert fault.record == 7
    assert "is missing" in fault.problem


@pytest.mark.parametrize("place", [0, 17, 255, 256, COUNT + 1])
def test_a_removed_record_is_named(layout, place):
    rewrite(layout, lambda entries: entries[:place] + entries[place + 1 :])
    found = faults(layout)
    # those of its own bundle close up; the first named one is the one that is gone
    assert found[0].record == place
    assert "was removed" in found[0].problem


def test_two_records_that_changed_places_are_both_named(layout):
    def swap(entries):
        entries[40], entries[90] = entries[90], entries[40]
        return entries

    rewrite(layout, swap)
    assert [(f.record, f.file) for f in faults(layout)] == [
        (40, layout.tile(DATASET, TILES[38])),
        (90, layout.tile(DATASET, TILES[88])),
    ]


def test_one_flipped_bit_in_any_record_is_named(layout):
    rng = random.Random(2)
    log = log_of(layout)
    for _ in range(8):
        place = rng.randrange(COUNT + 2)

        def flip(entries, place=place):
            data = bytearray(entries[place])
            bit = rng.randrange(len(data) * 8)
            data[bit // 8] ^= 1 << bit % 8
            return [*entries[:place], bytes(data), *entries[place + 1 :]]

        before = [record.entry for record in log.records()]
        rewrite(layout, flip)
        found = faults(layout)
        assert found[0].record == place
        assert "was changed after it was signed" in found[0].problem
        rewrite(layout, lambda _, before=before: before)
    assert faults(layout) == []


def test_a_record_that_is_put_in_is_named(layout):
    rewrite(layout, lambda entries: [*entries[:9], b'{"kind":"tile"}', *entries[9:-1]])
    assert any(fault.record == 9 for fault in faults(layout))


def test_a_replayed_older_root_names_the_first_record_that_it_hides(tmp_path):
    layout = committed(tmp_path / "data", TILES[:5])
    log = log_of(layout)
    old = log.read("checkpoint")
    committed(layout.root, TILES[5:8])
    layout.store.put(f"{log.prefix}/checkpoint", old)
    found = faults(layout)
    assert found[0].record == 7
    assert "taken back" in found[0].problem
    # without the memory beside the key, committed tiles without a record still tell
    (layout.private / "audit_roots.jsonl").unlink()
    hidden = {layout.tile(DATASET, tile) for tile in TILES[5:8]}
    assert {fault.file for fault in faults(layout)} == hidden


def test_a_whole_older_copy_of_log_and_data_is_told_by_a_root_that_somebody_kept(tmp_path):
    layout = committed(tmp_path / "data", TILES[:5])
    shutil.copytree(tmp_path, tmp_path.with_name("older"))
    committed(layout.root, TILES[5:8])
    kept = log_of(layout).checkpoint
    older = Layout(tmp_path.with_name("older") / "data")
    assert faults(older) == []
    assert faults(older, known=[kept])[0].record == 7
    shutil.rmtree(older.root.parent)


def test_a_log_that_its_owner_has_written_anew_contradicts_the_roots_that_others_kept(layout):
    """Every hash and the signature are right again; only who has seen another root can tell."""
    log, key = log_of(layout), find_key(layout.root)
    origin, size = log.checkpoint.origin, log.size
    kept = log.checkpoint
    for tile in log.store.list(f"{log.prefix}/"):
        layout.store.delete(tile)
    entries = [b'{"index":%d}' % number for number in range(size)]
    log_of_all = type(log)(layout.store, log.prefix)
    log_of_all.append(entries, key, origin)
    found = faults(layout)
    assert any("written anew" in fault.problem and str(size) in fault.problem for fault in found)
    (layout.private / "audit_roots.jsonl").unlink()
    assert any("written anew" in fault.problem for fault in faults(layout, known=[kept]))


def test_records_and_hashes_that_were_both_changed_do_not_add_up_to_the_root(layout):
    log = log_of(layout)
    entries = [record.entry for record in log.records()]
    entries[100] = entries[100].replace(b'"rows":0', b'"rows":9')
    rewrite(layout, lambda _: entries)
    for name, data in grown(HashTiles(log.read, 0), [leaf_hash(e) for e in entries]).items():
        layout.store.put(f"{log.prefix}/{name}", data)
    found = faults(layout)
    assert "add up to the root that was signed" in found[0].problem
    assert found[1].record == 101  # which names another one before it
    assert "does not follow record 100" in found[1].problem


@pytest.mark.parametrize(
    "name", ["tile/0/000", f"tile/0/001.p/{COUNT + 2 - 256}", "tile/1/000.p/1"]
)
def test_a_changed_hash_is_told_apart_from_a_changed_record(layout, name):
    log = log_of(layout)
    data = bytearray(log.read(name))
    data[3] ^= 1
    layout.store.put(f"{log.prefix}/{name}", bytes(data))
    (fault,) = faults(layout)
    assert fault.record is None
    assert name in fault.problem


def test_another_key_is_refused(layout):
    (fault,) = faults(layout, key=VerifierKey("anybody", b"x" * 32))
    assert "has no signature of the key" in fault.problem


def test_a_changed_checkpoint_is_refused(layout):
    log = log_of(layout)
    layout.store.put(f"{log.prefix}/checkpoint", log.note.replace("302", "301", 1).encode())
    assert "was changed after it was signed" in faults(layout)[0].problem


def test_since_a_root_reads_only_what_came_later_and_still_binds_the_rest(layout):
    report = verify_world(layout, WORLD, first=290)
    assert (report.records, report.files, report.faults) == (COUNT + 2 - 256, COUNT + 2 - 256, [])
    rewrite(layout, lambda entries: [*entries[:260], entries[259], *entries[261:]])
    assert [f.record for f in faults(layout, first=290)] == [260]
    log = log_of(layout)
    changed = bytearray(log.read("tile/0/000"))
    changed[0] ^= 1
    layout.store.put(f"{log.prefix}/tile/0/000", bytes(changed))
    assert faults(layout, first=290)


def test_a_journal_that_tells_otherwise_is_named(layout):
    with Journal(layout) as journal:
        changed = next(journal.receipts())
        path = changed.path
        import sqlalchemy as sa

        with journal.database.writing() as connection:
            told = changed.to_json().replace(changed.sha256, "0" * 64)
            connection.execute(
                sa.text("UPDATE receipts SET receipt = :told WHERE path = :path"),
                {"told": told, "path": path},
            )
    (fault,) = faults(layout)
    assert fault.file == path
    assert "differ on what" in fault.problem


def test_a_log_that_is_gone_is_missed(layout):
    shutil.rmtree(layout.root / layout.audit(WORLD))
    assert "302 records is gone" in faults(layout)[0].problem
    committed(layout.root, TILES[COUNT : COUNT + 1])  # another log begins, with all that is there
    report = verify_world(layout, WORLD)
    assert report.faults == []
    assert "302 records is gone" in report.told[0]
    assert report.files == COUNT + 1
    first = log_of(layout).record(0).body
    assert first["after"].startswith("synthgrid-")


def test_a_data_root_without_its_key_is_verified_with_the_key_beside_the_log(layout):
    shutil.rmtree(layout.private)
    report = verify_world(layout, WORLD)
    assert report.faults == []
    assert "is not this data root's key" in report.told[0]
    # a run there begins a log of its own, and the older one stays
    with pytest.warns(SynthGridWarning, match="a new audit log begins"):
        committed(layout.root, TILES[COUNT : COUNT + 2])
    assert len(world_logs(layout, WORLD)) == 2
    assert verify_world(layout, WORLD).faults == []


def test_a_checkpoint_of_no_log_is_no_matter(layout):
    assert faults(layout, known=[Checkpoint("elsewhere", 9, b"x" * 32)]) == []
