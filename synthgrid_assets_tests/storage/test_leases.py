"""Leases: one holder at a time, by deadline and token; who has lost one records nothing."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from synthgrid_assets.errors import LeaseLostError
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.leases import Leases
from synthgrid_assets_tests.storage.made_region import dataset
from synthgrid_assets_tests.storage.test_journal import tile_receipt

LONG, SHORT = 60.0, 0.1
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def layout(tmp_path, address, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_JOURNAL", address if "://" in address else "")
    return Layout(tmp_path)


@pytest.fixture
def journal(layout):
    with Journal(layout) as opened:
        yield opened


@pytest.fixture
def leases(journal):
    made = Leases(journal.database, "run")
    made.begin()
    return made


def settle(journal, leases, tiles, holder):
    with journal.database.writing(exclusive=False) as connection:
        leases.settle(connection, tiles, holder)


def test_a_run_has_begun_where_it_has_begun(journal):
    leases = Leases(journal.database, "run")
    assert not leases.is_begun()
    leases.begin()
    leases.begin()
    assert leases.is_begun()
    assert not Leases(journal.database, "another").is_begun()
    leases.end()
    assert not leases.is_begun()


def test_a_tile_has_one_holder_until_its_deadline_and_tokens_grow(leases):
    assert leases.take(["a", "b"], "first", "host", SHORT) == {"a": 1, "b": 1}
    assert leases.take(["a", "c"], "second", "host", LONG) == {"c": 1}
    time.sleep(2 * SHORT)
    assert leases.take(["a", "b"], "third", "host", LONG) == {"a": 2, "b": 2}
    assert leases.renew("first", LONG) == 0
    assert leases.renew("third", LONG) == 2
    assert leases.take([], "third", "host", LONG) == {}


def test_renewing_keeps_a_tile(leases):
    leases.take(["a"], "first", "host", 3 * SHORT)
    for _ in range(5):
        time.sleep(SHORT)
        assert leases.renew("first", 3 * SHORT) == 1
        assert leases.take(["a"], "second", "host", LONG) == {}


def test_what_is_released_or_revoked_is_free_and_what_is_settled_is_not(journal, leases):
    leases.take(["a", "b"], "first", "gone", LONG)
    leases.take(["c"], "second", "here", LONG)
    settle(journal, leases, ["a"], "first")
    assert leases.settled(["a", "b", "c"]) == {"a"}
    assert leases.revoke(["here"]) == 1
    assert leases.take(["a", "b", "c"], "third", "here", LONG) == {"b": 2}
    assert leases.release("second") == 1
    assert leases.take(["c"], "third", "here", LONG) == {"c": 2}


def test_another_run_may_make_a_settled_tile_again(journal, leases):
    leases.take(["a"], "first", "host", LONG)
    settle(journal, leases, ["a"], "first")
    other = Leases(journal.database, "other")
    other.begin()
    assert other.settled(["a"]) == set()
    assert other.take(["a"], "second", "host", LONG) == {"a": 2}


def test_a_holder_that_was_frozen_past_its_deadline_records_nothing(layout, journal, leases):
    """Both have the same file; the record is the one of who holds the lease."""
    stale = tile_receipt(layout, dataset(8), 0, 0, code_version="stale")
    fresh = tile_receipt(layout, dataset(8), 0, 0, code_version="fresh")
    layout.store.put(stale.path, b"")
    leases.take(["a"], "frozen", "one", SHORT)
    time.sleep(2 * SHORT)
    assert leases.take(["a"], "second", "two", LONG) == {"a": 2}
    with pytest.raises(LeaseLostError, match="passed to another host"):
        journal.record([stale], lambda connection: leases.settle(connection, ["a"], "frozen"))
    assert list(journal.receipts()) == []
    journal.record([fresh], lambda connection: leases.settle(connection, ["a"], "second"))
    with pytest.raises(LeaseLostError):
        journal.record([stale], lambda connection: leases.settle(connection, ["a"], "frozen"))
    assert [r.code_version for r in journal.receipts()] == ["fresh"]
    assert journal.at([fresh.path, "none"]) == {fresh.path: fresh}


def take_all(root, holder, barrier, found):
    with Journal(Layout(root)) as journal:
        leases = Leases(journal.database, "run")
        barrier.wait(60)
        for _ in range(5):
            found.put((holder, sorted(leases.take([f"{n}" for n in range(40)], holder, "", LONG))))


def test_takers_that_race_share_the_tiles_and_none_has_two_holders(layout, leases):
    barrier, found = FORK.Barrier(4), FORK.Queue()
    takers = [
        FORK.Process(target=take_all, args=(layout.root, f"h{k}", barrier, found)) for k in range(4)
    ]
    for taker in takers:
        taker.start()
    held = {}
    for _ in range(20):
        holder, tiles = found.get(timeout=60)
        held.setdefault(holder, set()).update(tiles)
    for taker in takers:
        taker.join(60)
    assert sum(len(tiles) for tiles in held.values()) == 40
    assert set.union(*held.values()) == {f"{n}" for n in range(40)}
