"""Group commit: nobody is told before the commit, failures are alone, stops never block others."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from synthgrid_assets.errors import BudgetExhaustedError, StorageError
from synthgrid_assets.privacy.releases import statements
from synthgrid_assets.privacy.releases.data_set import Ask, DataSet
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.strategies.terms import EVENT, Loss
from synthgrid_assets.records.group_commit import GroupCommit
from synthgrid_assets_tests.privacy.private_world import GRID, counted


class Book:
    """What was written, begun by hand: threads pile up while a transaction waits."""

    def __init__(self):
        options = {"check_same_thread": False, "isolation_level": None}
        self.engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args=options)
        sa.event.listen(self.engine, "begin", lambda c: c.exec_driver_sql("BEGIN"))
        with self.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE line(x INT UNIQUE)")
        self.gate, self.commits, self.broken = threading.Event(), 0, False
        self.group = GroupCommit(self.writing, write_all)

    @contextmanager
    def writing(self):
        self.gate.wait(10)
        with self.engine.connect() as connection, connection.begin():
            yield connection
            if self.broken:
                raise StorageError("no space")
        self.commits += 1

    def lines(self):
        with self.engine.connect() as connection:
            return sorted(connection.exec_driver_sql("SELECT x FROM line").scalars())


def write_all(connection, numbers):
    """All but negative ones."""
    lines = [{"x": x} for x in numbers if x >= 0]
    if lines:
        connection.execute(sa.text("INSERT INTO line VALUES (:x)"), lines)
    return [x if x >= 0 else ValueError(x) for x in numbers]


def together(book, numbers):
    """Every number by a thread of its own, all waiting before the first transaction begins."""
    outcomes = {}

    def one(x):
        try:
            outcomes[x] = book.group.run(x)
        except Exception as error:
            outcomes[x] = type(error)

    threads = [threading.Thread(target=one, args=(x,)) for x in numbers]
    for thread in threads:
        thread.start()
    while len(book.group._waiting) < len(numbers):
        threading.Event().wait(0.01)
    book.gate.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    return outcomes


def test_what_waits_is_one_commit():
    book = Book()
    assert together(book, range(20)) == {x: x for x in range(20)}
    assert (book.lines(), book.commits) == ([*range(20)], 1)
    assert book.group.run(99) == 99


def test_a_piece_that_fails_is_undone_alone():
    book = Book()
    assert together(book, [1, -2, 3]) == {1: 1, -2: ValueError, 3: 3}
    assert book.lines() == [1, 3]
    with pytest.raises(ValueError, match="-7"):
        book.group.run(-7)
    assert book.lines() == [1, 3]


def test_a_commit_that_fails_is_told_to_all_of_its_pieces():
    book = Book()
    book.broken = True
    assert together(book, [1, 2, 3]) == dict.fromkeys([1, 2, 3], StorageError)
    assert book.lines() == []
    book.broken = False
    assert book.group.run(4) == 4


def test_threads_that_share_a_ledger_charge_exactly_the_capacity(address):
    """As processes do, with their charges in common transactions."""
    ledger, outcomes = PrivateLedger(address), []

    def spend(child):
        for number in range(child * 5, child * 5 + 5):
            data = DataSet("visits", f"s{number}", "", EVENT, "epsilon", "7", GRID)
            code = number.to_bytes(32, "big"), (1 << 200 | number).to_bytes(32, "big")
            try:
                found = ledger.release(Ask(data, "flat", Loss.of_epsilon(1)), counted(50, *code))
                outcomes.append(found.anchor)
            except BudgetExhaustedError:
                outcomes.append(None)

    threads = [threading.Thread(target=spend, args=(child,)) for child in range(6)]
    with ledger.chain.kept_open():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(outcomes) == 30
    assert sum(anchor is not None for anchor in outcomes) == len({*outcomes} - {None}) == 7
    assert statements.verify(PrivateLedger(address)).sequence == 8


def test_a_refused_first_release_leaves_the_ledger_usable(tmp_path):
    """What a transaction put on record and took back is no part of what was audited."""
    ledger = PrivateLedger(tmp_path / "ledger.sqlite")
    data = DataSet("visits", "s", "", EVENT, "epsilon", "1", GRID)
    for _ in range(2):
        with pytest.raises(BudgetExhaustedError):
            ledger.release(Ask(data, "flat", Loss.of_epsilon(2)), counted())
    assert ledger.release(Ask(data, "flat", Loss.of_epsilon(1)), counted()).drawn
    assert ledger.spent("visits") == 10**12
