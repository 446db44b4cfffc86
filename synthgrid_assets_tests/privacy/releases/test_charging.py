"""Questions of several callers in one transaction: each is charged, answered or refused alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from synthgrid_assets.errors import (
    AuditError,
    BudgetExhaustedError,
    PrivacyError,
    SnapshotChangedError,
)
from synthgrid_assets.privacy.releases import statements
from synthgrid_assets.privacy.releases.chain_audit import ChainAudit
from synthgrid_assets.privacy.releases.charging import Charging
from synthgrid_assets.privacy.releases.data_set import Ask, DataSet
from synthgrid_assets.privacy.releases.ledger_view import Question
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.releases.recorded import Recorded
from synthgrid_assets.privacy.releases.witnesses import Witness
from synthgrid_assets.privacy.strategies.terms import EVENT, Loss
from synthgrid_assets.records.hash_chain import Anchor
from synthgrid_assets_tests.privacy.private_world import GRID, counted

DATA = DataSet("visits", "s1", "", EVENT, "epsilon", "2", GRID)
OTHER = replace(DATA, name="other")


def question(data=DATA, epsilon="1", code=b"c" * 32, witnesses=()):
    asks = (Ask(data, "flat", Loss("epsilon", epsilon)),)
    return Question(asks, witnesses, counted(code=code)("", GRID))


def together(ledger, questions, audit=None):
    """What one transaction says to each."""
    with ledger.chain.writing() as connection:
        charging = Charging(connection, ledger.where, audit or ChainAudit())
        outcomes = charging.charge_all(questions)
    charging.committed()
    return [found if isinstance(found, Exception) else found[0] for found in outcomes]


@pytest.fixture
def ledger(address):
    return PrivateLedger(address)


def test_one_question_of_several_is_drawn_once(ledger):
    first, again, smaller = together(ledger, [question(), question(), question(epsilon="0.5")])
    assert [first.drawn, again.drawn, smaller.drawn] == [True, False, False]
    assert first.anchor == again.anchor == smaller.anchor == statements.verify(ledger)
    np.testing.assert_array_equal(first.measured, again.measured)


def test_each_is_refused_alone_and_leaves_nothing(ledger):
    seen_elsewhere = Witness(Anchor(7, "f" * 64), "a file")
    questions = [
        question(epsilon="0.75"),
        question(epsilon="1.5"),  # more than is left after the first
        question(OTHER, epsilon="0.1"),  # the same rows by another name
        question(replace(DATA, snapshot="s2"), code=b"d" * 32, epsilon="1.25"),
        question(code=b"e" * 32, epsilon="1"),  # other rows by the same label
        question(replace(OTHER, capacity="0.5"), code=b"f" * 32),
        question(OTHER, code=b"f" * 32),
        question(replace(OTHER, capacity="3"), code=b"f" * 32),
        question(OTHER, code=b"f" * 32, witnesses=(seen_elsewhere,)),
    ]
    outcomes = together(ledger, questions)
    assert [type(outcome) for outcome in outcomes] == [
        Recorded,
        BudgetExhaustedError,
        PrivacyError,
        Recorded,
        SnapshotChangedError,
        BudgetExhaustedError,
        Recorded,
        PrivacyError,
        PrivacyError,
    ]
    assert "1.25 that are left" in str(outcomes[1])
    assert "registered with budget" in str(outcomes[7])
    spent = [(line.data_set, line.spent) for line in statements.budget_lines(ledger)]
    assert spent == [("visits", "2"), ("other", "1")]
    assert statements.verify(ledger).sequence == 5


def test_what_was_committed_is_known_and_still_checked(ledger):
    """The charges are known without being read again, by others' entries too."""
    audit = ChainAudit()
    together(ledger, [question(epsilon="0.5")], audit)
    ledger.release(question(epsilon="0.75").asks[0], counted())  # by another process
    together(ledger, [question(epsilon="0.7")], audit)  # answered
    assert audit.sums["visits"] == 125 * 10**10
    (refused,) = together(ledger, [question(epsilon="0.8")], audit)
    assert "0.75 that are left" in str(refused)
    with ledger.chain.writing() as connection:
        for name in ("entry_not_updated", "entry_kept"):
            on = " ON entry" if connection.dialect.name != "sqlite" else ""
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}{on}")
        connection.exec_driver_sql(f"UPDATE entry SET hash = '{'0' * 64}' WHERE sequence = 3")
    with pytest.raises(AuditError, match="3"):
        together(ledger, [question(epsilon="0.8")], audit)
