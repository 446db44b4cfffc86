"""The record of draws: one draw for each question, chained, and free of true counts."""

import dataclasses
import json
import shutil
import sqlite3
import struct
from pathlib import Path

import numpy as np
import pytest

from synthgrid_assets.errors import AuditError, PrivacyError, SpecError, StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.privacy.blocks import Block, blocks_owned_by
from synthgrid_assets.privacy.counts_release import counts_table
from synthgrid_assets.privacy.release_record import ReleaseRecord, ReleaseRequest
from synthgrid_assets.records.hash_chain import Anchor, Entry, sha256

ROW = tuple(Block(i, 0) for i in range(8))
COLUMNS = [field.name for field in dataclasses.fields(Entry)]


def ask(blocks: tuple[Block, ...] = ROW, **changes: object) -> ReleaseRequest:
    fields = {"dataset": "world", "layer": "cafes", "realisation": "r1", "epsilon": 0.1}
    return ReleaseRequest(blocks=blocks, **{**fields, **changes})


def counts(request: ReleaseRequest) -> np.ndarray:
    return np.full(len(request.blocks), 1000)


def never() -> np.ndarray:
    pytest.fail("true counts were computed for a recorded release")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "releases.sqlite"


@pytest.mark.parametrize("name", ["dataset", "layer", "realisation"])
@pytest.mark.parametrize("bad", ["", "a/b", "a b", None, 3])
def test_a_name_that_could_be_read_as_another_is_refused(name, bad):
    with pytest.raises(SpecError, match=f"{name} of a release must be a name"):
        ask(**{name: bad})


@pytest.mark.parametrize(
    ("name", "bad"), [("epsilon", -1.0), ("epsilon", float("nan")), ("k", 0), ("beta", 0.9)]
)
def test_a_parameter_out_of_range_is_refused_before_anything_is_counted(name, bad):
    with pytest.raises(SpecError, match=name):
        ask(**{name: bad})


def test_a_block_named_twice_is_refused():
    with pytest.raises(SpecError, match="names a block twice"):
        ask((Block(0, 0), Block(1, 0), Block(0, 0)))


@pytest.mark.parametrize(
    "bad", [np.full(7, 424242), np.full(8, 424242.0), np.full((8, 1), 424242), [424242] * 8, None]
)
def test_counts_of_another_form_are_refused_unseen_and_nothing_is_recorded(path, bad):
    with pytest.raises(PrivacyError, match=r"int64 array of shape \(8,\)") as refusal:
        ReleaseRecord(path).release(ask(), lambda: bad)
    assert "424242" not in str(refusal.value)
    assert not path.exists()


def test_a_record_that_is_missing_is_not_called_sound(path):
    with pytest.raises(StorageError, match="no record of releases"):
        ReleaseRecord(path).verify()
    assert not path.exists()


def test_a_file_that_is_no_record_is_refused(tmp_path):
    (tmp_path / "text").write_text("not a database, but long enough to have a header" * 20)
    with pytest.raises(StorageError, match="not a database; restore it"):
        ReleaseRecord(tmp_path / "text").release(ask(), never)


def test_a_record_of_a_later_format_is_refused(path):
    ReleaseRecord(path).release(ask(), lambda: counts(ask()))
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="schema version 99"):
        ReleaseRecord(path).verify()


def test_an_error_while_counting_draws_nothing(path):
    def broken() -> np.ndarray:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ReleaseRecord(path).release(ask(), broken)
    assert ReleaseRecord(path).release(ask(), lambda: counts(ask())).drawn == 8


def test_materialising_fifty_times_gives_identical_bytes_and_draws_once(path):
    first = ReleaseRecord(path).release(ask(), lambda: counts(ask()))
    table, file = counts_table(first), path.read_bytes()
    assert first.drawn == 8
    for _ in range(50):
        again = ReleaseRecord(path).release(ask(), never)
        assert again.noisy.tobytes() == first.noisy.tobytes()
        assert (again.anchor, again.sequences) == (first.anchor, first.sequences)
        assert again.drawn == 0
        assert counts_table(again).equals(table)
    assert path.read_bytes() == file


def test_retiling_draws_nothing_again(path):
    extent = Cells(-100, 30, 300, 350)
    whole = ask(tuple(blocks_owned_by(extent, extent)))
    released = ReleaseRecord(path).release(whole, lambda: counts(whole))
    expected = dict(zip(whole.blocks, released.noisy.tolist(), strict=True))
    for side in (24, 64, 100):
        seen = {}
        for tile in Tiling(extent, side):
            part = ask(tuple(blocks_owned_by(tile.cells, extent)))
            seen |= zip(
                part.blocks, ReleaseRecord(path).release(part, never).noisy.tolist(), strict=True
            )
        assert seen == expected


def test_only_the_blocks_that_are_missing_are_drawn(path):
    record = ReleaseRecord(path)
    some = record.release(ask(ROW[2:5]), lambda: counts(ask(ROW[2:5])))
    every = record.release(ask(), lambda: counts(ask()))
    assert (some.drawn, every.drawn) == (3, 5)
    np.testing.assert_array_equal(every.noisy[2:5], some.noisy)
    assert sorted(every.sequences) == list(range(1, 9))


def test_each_count_gets_the_noise_of_its_own_block(path):
    """At epsilon 10 noise beyond 100 has probability e**-1000."""
    record = ReleaseRecord(path)
    record.release(ask(ROW[3:4], epsilon=10.0), lambda: np.array([3000]))
    true = np.arange(8) * 1000
    shuffled = tuple(reversed(ROW))
    released = record.release(ask(shuffled, epsilon=10.0), lambda: true[::-1].copy())
    assert np.abs(released.noisy - true[::-1]).max() < 100


def test_a_release_of_no_blocks_touches_no_file(path):
    empty = ReleaseRecord(path).release(ask(()), never)
    assert (empty.noisy.shape, empty.anchor, empty.drawn) == ((0,), None, 0)
    assert not path.exists()


def test_every_public_field_is_part_of_the_key():
    base = ask()
    others = [
        ask(dataset="other"),
        ask(layer="other"),
        ask(realisation="r2"),
        ask(epsilon=0.2),
        ask(tuple(Block(i, 1) for i in range(8))),
    ]
    keys = {key for request in [base, *others] for key in request.keys}
    assert len(keys) == 6 * len(base.blocks)
    assert ask(epsilon=1).keys == ask(epsilon=1.0).keys


def test_another_threshold_on_the_same_draw_costs_nothing():
    assert ask(k=11, beta=1e-4).keys == ask().keys


def test_the_key_of_a_known_request_never_changes():
    """A stored key: if it changes, every recorded release is drawn and paid for again."""
    request = ReleaseRequest("riverton", "cafes", "5f3a", (Block(-1, 2),), 1.0)
    assert request.keys == ("26a094b86279a0e2e838a5e69622e7bd4ad34be5c92e46373a728d1c3cb3586e",)


def test_the_record_holds_what_a_budget_is_charged(path):
    ReleaseRecord(path).release(ask(epsilon=0.3), lambda: counts(ask()))
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT scope, block, cost_pico_epsilon, kind FROM entry")
        assert set(rows) == {
            ("world/cafes", block.name, 300_000_000_000, "release") for block in ROW
        }


def test_a_release_of_4096_blocks_is_recorded_in_their_order(path):
    blocks = tuple(Block(i % 64, i // 64) for i in range(4096))
    released = ReleaseRecord(path).release(ask(blocks), lambda: np.full(4096, 50))
    assert released.sequences == tuple(range(1, 4097))
    assert ReleaseRecord(path).verify([released.anchor]) == released.anchor


def needles(value: int) -> list[bytes]:
    """The ways in which a file could hold a number."""
    texts = [str(value).encode(), f"{value:x}".encode()]
    return [
        *texts,
        struct.pack("<q", value),
        struct.pack(">q", value)[2:],
        struct.pack("<d", value),
    ]


def test_true_counts_never_reach_the_record_file(path):
    """One of both draws is noise of 0, so shows the canary, with probability 1e-6."""
    canary = 123_456_789_012_345
    released = ReleaseRecord(path).release(ask(ROW[:1], epsilon=1e-6), lambda: np.array([canary]))
    with sqlite3.connect(path) as open_reader:  # keeps the write-ahead log from being removed
        open_reader.execute("SELECT * FROM entry").fetchall()
        ReleaseRecord(path).release(
            ask(ROW[1:2], epsilon=1e-6), lambda: np.array([canary], np.int64)
        )
        files = [file.read_bytes() for file in path.parent.iterdir()]
    assert len(files) > 1
    assert not any(needle in file for needle in needles(canary) for file in files)
    noisy = int(released.noisy[0])
    assert any(needle in file for needle in needles(noisy) for file in files)  # the scan can find


@pytest.fixture
def six(path: Path) -> tuple[Path, list[Anchor]]:
    """A record of six entries without its triggers, and the anchors of its releases."""
    record = ReleaseRecord(path)
    anchors = [record.release(ask(ROW[i : i + 1]), lambda: np.array([50])).anchor for i in range(6)]
    return path, anchors


def tamper(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for (name,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("PRAGMA ignore_check_constraints = 1")
    assert connection.execute(statement, values).rowcount >= 1
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET payload = '[0]' WHERE sequence = 3",
        "DELETE FROM entry WHERE sequence = 6",
        "INSERT OR REPLACE INTO entry SELECT 3, kind, scope, key, block, 0, body, '[0]', "
        "recorded_at, previous, hash FROM entry WHERE sequence = 3",
        "INSERT OR REPLACE INTO entry SELECT 7, kind, scope, key, block, 0, body, '[0]', "
        "recorded_at, previous, 'x' FROM entry WHERE sequence = 3",
        "INSERT INTO entry SELECT 9, kind, scope, 'k', block, 0, body, '[0]', recorded_at, "
        "previous, 'x' FROM entry WHERE sequence = 3",
    ],
)
def test_the_file_itself_refuses_anything_but_the_next_entry(six, statement):
    path, anchors = six
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.DatabaseError, match="append"):
        connection.execute(statement)
    assert ReleaseRecord(path).verify(anchors) == anchors[-1]


@pytest.mark.parametrize("column", COLUMNS[1:])
def test_a_change_of_any_column_is_found_and_named(six, column):
    path, _ = six
    tamper(path, f"UPDATE entry SET {column} = ? WHERE sequence = 3", "0")
    with pytest.raises(AuditError, match="entry 3 of the record"):
        ReleaseRecord(path).verify()


def test_a_change_is_found_when_the_entry_is_next_used(six):
    path, _ = six
    tamper(path, "UPDATE entry SET payload = '[123]' WHERE sequence = 3")
    with pytest.raises(AuditError, match="entry 3 of the record"):
        ReleaseRecord(path).release(ask(), never)


def test_a_removed_entry_is_named(six):
    path, _ = six
    tamper(path, "DELETE FROM entry WHERE sequence = 3")
    with pytest.raises(AuditError, match="entry 3 of the record was removed"):
        ReleaseRecord(path).verify()


def rewritten(path: Path, sequence: int, noisy: int) -> None:
    """Change an entry as one would who knows how hashes are made, but only that entry."""
    with sqlite3.connect(path) as connection:
        row = connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM entry WHERE sequence = ?", (sequence,)
        ).fetchone()
    entry = dataclasses.replace(Entry(*row), payload=canonical_json([noisy]))
    tamper(
        path,
        "UPDATE entry SET payload = ?, hash = ? WHERE sequence = ?",
        entry.payload,
        entry.digest(),
        sequence,
    )


def test_an_entry_that_was_hashed_again_is_found_by_the_next(six):
    path, _ = six
    rewritten(path, 3, 99)
    with pytest.raises(AuditError, match="entry 3 was changed and hashed again"):
        ReleaseRecord(path).verify()


def test_a_last_entry_that_was_hashed_again_is_found_by_its_anchor(six):
    path, anchors = six
    rewritten(path, 6, 99)
    ReleaseRecord(path).verify(anchors[:5])
    with pytest.raises(AuditError, match="entry 6 of the record is not the one"):
        ReleaseRecord(path).verify(anchors)


def test_a_restored_older_copy_is_found_by_an_anchor(six, tmp_path):
    path, anchors = six
    shutil.copy(path, tmp_path / "backup")
    later = ReleaseRecord(path).release(ask(ROW[7:]), lambda: np.array([50])).anchor
    backup = ReleaseRecord(tmp_path / "backup")
    assert backup.verify(anchors) == backup.head() == anchors[-1]
    with pytest.raises(AuditError, match="rolled back: it ends at entry 6, but entry 7"):
        backup.verify([*anchors, later])


def test_a_body_says_in_public_terms_what_was_asked(six):
    path, _ = six
    with sqlite3.connect(path) as connection:
        key, body = connection.execute("SELECT key, body FROM entry LIMIT 1").fetchone()
    assert key == sha256(body)
    assert json.loads(body) == {
        "block": "+00000_+00000",
        "block_side": 64,
        "dataset": "world",
        "epsilon": 0.1,
        "layer": "cafes",
        "mechanism": "discrete_laplace",
        "query": "counts_by_block",
        "query_version": 1,
        "realisation": "r1",
        "unit": "event, add or remove one",
    }
