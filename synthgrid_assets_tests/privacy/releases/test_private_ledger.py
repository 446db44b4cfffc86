"""The ledger of private data sets: one budget whatever the name, one draw for one question."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.errors import (
    AuditError,
    BudgetExhaustedError,
    PrivacyError,
    SnapshotChangedError,
    SpecError,
)
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.privacy.releases import statements
from synthgrid_assets.privacy.releases.answers import Answers
from synthgrid_assets.privacy.releases.data_set import Ask, DataSet
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.releases.witnesses import Witness, keep_witness, read_witness
from synthgrid_assets.privacy.strategies.terms import EVENT, Loss, Unit
from synthgrid_assets.records.hash_chain import Anchor
from synthgrid_assets_tests.privacy.private_world import GRID, counted

DATA = DataSet("visits", "s1", "", EVENT, "epsilon", "2", GRID)


def ask(epsilon="1", strategy="flat", data=DATA):
    return Ask(data, strategy, Loss("epsilon", epsilon))


def never(key, grid):
    raise AssertionError("nothing is read for an answer that is recorded or refused")


@pytest.fixture
def ledger(address):
    return PrivateLedger(address)


def test_the_same_question_is_answered_from_the_record(ledger):
    first = ledger.release(ask(), counted())
    again = ledger.release(ask(), never)
    assert (first.drawn, again.drawn) == (True, False)
    np.testing.assert_array_equal(first.measured, again.measured)
    assert first.anchor == again.anchor == statements.verify(ledger)


def test_a_smaller_loss_is_answered_by_the_larger_one_that_is_recorded(ledger):
    first = ledger.release(ask("1"), counted())
    for epsilon in ("0.5", "0.999999", "1.0", "1e-6"):
        assert ledger.release(ask(epsilon), never).anchor == first.anchor
    assert statements.budget_lines(ledger)[0].spent == "1"


def test_losses_add_up_and_what_does_not_fit_says_what_would(ledger):
    for epsilon in ("0.3", "0.7", "0.9"):
        ledger.release(ask(epsilon), counted())
    with pytest.raises(BudgetExhaustedError, match=r"0\.1 that are left.*epsilon 0\.1 or less"):
        ledger.release(ask("0.9999999"), never)
    (line,) = statements.budget_lines(ledger)
    assert (line.spent, line.left, line.releases) == ("1.9", "0.1", 3)
    assert ledger.release(ask("0.1", "quadtree"), counted()).drawn
    with pytest.raises(BudgetExhaustedError, match="nothing fits"):
        ledger.release(ask("0.000001", "quadtree", replace(DATA, snapshot="s2")), never)
    statements.verify(ledger)


def test_a_spend_below_the_ledgers_resolution_is_rounded_up(ledger):
    data = replace(DATA, measure="rho")
    least = Loss("rho", "0.0000010000001")
    assert ledger.release(Ask(data, "flat", least), counted()).drawn
    assert statements.budget_lines(ledger)[0].spent == "0.000001000001"


def test_another_spelling_or_a_shift_of_the_origin_is_the_same_question(ledger):
    first = ledger.release(ask(), counted())
    for crs, origin in (
        ("epsg:32633", GRID.lattice.origin),
        ("urn:ogc:def:crs:EPSG::32633", GRID.lattice.origin),
        (GRID.lattice.crs, (500000.0000001, 5400000.0)),
        (GRID.lattice.crs, (500064.0, 5399936.0)),
    ):
        grid = replace(GRID, lattice=replace(GRID.lattice, crs=crs, origin=origin))
        assert ledger.release(ask(data=replace(DATA, grid=grid)), never).anchor == first.anchor


def test_another_extent_keeps_the_registered_blocks(ledger):
    first = ledger.release(ask(), counted())
    wider = replace(GRID, cells=Cells(-64, -64, 128, 128), side=8)
    assert ledger.release(ask(data=replace(DATA, grid=wider)), never).anchor == first.anchor


@pytest.mark.parametrize(
    ("term", "changed"),
    [
        ("crs", {"grid": replace(GRID, lattice=replace(GRID.lattice, crs="EPSG:32634"))}),
        ("origin", {"grid": replace(GRID, lattice=replace(GRID.lattice, origin=(500030.0, 0.0)))}),
        ("cell", {"grid": replace(GRID, lattice=replace(GRID.lattice, cell=65.0))}),
        ("budget", {"capacity": "3"}),
        ("measure", {"measure": "rho"}),
        ("unit column", {"unit_column": "user_id"}),
        ("max_cells", {"unit": Unit(max_cells=2)}),
        ("block", {"block": 8}),
        ("window", {"window": Cells(0, 0, 16, 32)}),
    ],
)
def test_other_terms_than_the_registered_ones_are_refused(ledger, term, changed):
    ledger.release(ask(), counted())
    head = statements.verify(ledger)
    with pytest.raises(PrivacyError, match=rf"registered.*{term}"):
        ledger.release(ask("0.25", data=replace(DATA, **changed)), never)
    assert statements.verify(ledger) == head


def test_other_data_under_the_same_label_are_refused(ledger):
    ledger.release(ask(), counted())
    head = statements.verify(ledger)
    with pytest.raises(SnapshotChangedError, match="label of its own"):
        ledger.release(ask(strategy="quadtree"), counted(code=b"d" * 32))
    assert statements.verify(ledger) == head
    second = ask(data=replace(DATA, snapshot="s2"))
    assert ledger.release(second, counted(code=b"d" * 32)).drawn
    assert statements.budget_lines(ledger)[0].left == "0"  # snapshots share one budget


@pytest.mark.parametrize("renamed", [{"name": "other"}, {"snapshot": "s2"}])
@pytest.mark.parametrize(
    "changed", [{}, {"file": b"f" * 32}, {"code": b"d" * 32, "file": b"c" * 32}]
)
def test_the_same_rows_or_file_under_another_name_are_known_again(ledger, renamed, changed):
    ledger.release(ask(), counted())
    with pytest.raises(PrivacyError, match="registered already, as data set 'visits'"):
        ledger.release(ask(data=replace(DATA, **renamed)), counted(**changed))
    assert [line.data_set for line in statements.budget_lines(ledger)] == ["visits"]


def test_the_same_rows_in_another_file_are_the_same_snapshot(ledger):
    ledger.release(ask("0.5"), counted())
    assert ledger.release(ask("0.75"), counted(file=b"f" * 32)).drawn
    with pytest.raises(PrivacyError, match="registered already"):  # the other file is known, too
        ledger.release(ask(data=replace(DATA, name="b")), counted(code=b"e" * 32, file=b"f" * 32))


def test_a_preview_says_what_the_release_then_does(ledger):
    before = statements.preview(ledger, ask("0.75"))
    assert (before.cost, before.after, before.more, before.refused) == ("0.75", "0.75", 1, "")
    ledger.release(ask("0.75"), counted())
    after = statements.preview(ledger, ask("0.75"))
    assert (after.answered_by, after.cost, after.after) == (2, "0", "0.75")
    assert "1.25 of epsilon is left" in statements.preview(ledger, ask("1.5")).refused
    assert [line.what for line in statements.history(ledger)] == ["registered", "s1 by flat"]


def test_the_loss_of_all_releases_together_is_told_tightly(ledger):
    data = replace(DATA, capacity="20")
    for tenth in range(1, 9):
        preview = statements.preview(ledger, ask(f"0.{tenth}", data=data))
        ledger.release(ask(f"0.{tenth}", data=data), counted())
        (line,) = statements.budget_lines(ledger)
        assert preview.together == line.together
    assert 3.5 < float(line.together.split()[1]) <= float(line.spent) == 3.6
    refused = statements.preview(ledger, ask("10", data=data))
    assert statements.preview(ledger, ask("0.8", data=data)).together == line.together
    assert refused.refused == ""
    assert statements.together([]) == "epsilon 0"


def test_what_follows_from_a_release_agrees_with_it(ledger):
    answers = Answers.of_record(ledger.release(ask(), counted()))
    coarse = answers.coarser(3)
    assert sum(e.value for row in coarse for e in row) == pytest.approx(answers.total.value)
    assert coarse[1][2] == answers.blocks(3, 6, 6, 8)
    assert answers.count(GRID.bounds) == answers.total
    assert answers.total.sd == pytest.approx(answers.blocks(0, 0, 1, 1).sd * 8)
    with pytest.raises(SpecError, match="cuts through blocks"):
        answers.count(GRID.bounds._replace(xmin=GRID.bounds.xmin + 1))


class TestWitnesses:
    def released(self, tmp_path) -> tuple[Path, Witness]:
        path, source = tmp_path / "ledger.sqlite", tmp_path / "visits.csv"
        anchor = PrivateLedger(path).release(ask(), counted()).anchor
        assert keep_witness(source, anchor, str(path))
        witness = read_witness(source.with_name("visits.csv.ledger.json"))
        assert witness is not None
        return path, witness

    @pytest.mark.parametrize("how", ["lost", "emptied", "rolled back", "another"])
    def test_a_ledger_that_lacks_what_was_seen_draws_nothing(self, tmp_path, how):
        path, witness = self.released(tmp_path)
        for file in tmp_path.glob("ledger.sqlite*"):
            file.unlink()
        if how != "lost":
            ledger = PrivateLedger(path)
            ledger.release(ask("0.1"), counted())  # the same places, other draws
            if how == "another":
                ledger.release(ask("0.2"), counted())
        if how == "emptied":
            witness = replace(witness, anchor=Anchor(9, witness.anchor.hash))
        with pytest.raises(PrivacyError, match=r"Nothing was drawn.*average") as refused:
            PrivateLedger(path).release(ask("0.3"), never, [witness])
        assert "estore" in str(refused.value)

    def test_two_copies_of_a_ledger_do_not_both_go_on(self, tmp_path):
        path, _ = self.released(tmp_path)
        copy = tmp_path / "copy.sqlite"
        shutil.copy(path, copy)
        source = tmp_path / "visits.csv"
        later = PrivateLedger(path).release(ask("0.3", "quadtree"), counted())
        keep_witness(source, later.anchor, str(path))
        witness = read_witness(source.with_name("visits.csv.ledger.json"))
        with pytest.raises(PrivacyError, match=r"has no entry 3.*ledger\.sqlite"):
            PrivateLedger(copy).release(ask("0.4", "quadtree"), never, [witness])

    def test_a_witness_that_cannot_be_read_is_not_taken_for_none(self, tmp_path):
        path = tmp_path / "visits.csv.ledger.json"
        path.write_text("{}")
        with pytest.raises(PrivacyError, match="cannot be read"):
            read_witness(path)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET cost_pico_epsilon = 1 WHERE sequence = 2",
        "UPDATE entry SET payload = replace(payload, '5', '6') WHERE sequence = 2",
        "DELETE FROM entry WHERE sequence = 2",
        "UPDATE spent SET pico_epsilon = 0",
    ],
)
def test_a_tampered_ledger_releases_nothing(tmp_path, change):
    path = tmp_path / "ledger.sqlite"
    ledger = PrivateLedger(path)
    ledger.release(ask(), counted())
    ledger.release(ask("0.9", "quadtree"), counted())
    with sqlite3.connect(path) as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type='trigger'"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(change)
    with pytest.raises(AuditError, match="backup"):
        statements.verify(ledger)
    with pytest.raises(PrivacyError):
        ledger.release(ask("1.9"), never)


def test_small_counts_are_shown_no_more_often_than_said(ledger):
    """9 points in each of 64 blocks: more than 8 are shown with a probability of 1e-6."""
    answers = Answers.of_record(ledger.release(ask(), counted(9)))
    assert stats.binom.sf(8, 64, 0.01) < 1e-6
    assert answers.at_least(10, 0.01).sum() <= 8
    with pytest.raises(SpecError, match="k must be a whole number"):
        answers.at_least(0)
