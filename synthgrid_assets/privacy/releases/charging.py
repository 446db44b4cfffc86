"""One write transaction of the ledger: register, guard, charge, draw and record.

Belongs here: what happens to the questions of one or several callers on an open connection. Not
here: when a transaction begins and ends (`private_ledger`), what is declared (`data_set`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa

from synthgrid_assets.errors import BudgetExhaustedError, PrivacyError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.privacy.budget import format_epsilon
from synthgrid_assets.privacy.releases.chain_audit import ChainAudit
from synthgrid_assets.privacy.releases.data_set import Ask, Registration
from synthgrid_assets.privacy.releases.guards import Guards
from synthgrid_assets.privacy.releases.ledger_view import LedgerView, Question
from synthgrid_assets.privacy.releases.recorded import Recorded, recorded_answers, to_draw
from synthgrid_assets.privacy.source.message import Counted
from synthgrid_assets.records.group_commit import one_by_one
from synthgrid_assets.records.hash_chain import Draft, Entry, chained, write

ALL = "*"  # the one block that joint releases are charged to: their losses add up


class Charging:
    """One write transaction, in which questions of several callers may be charged one by one.

    What is charged is put together in memory and written at the end, all at once; a question that
    is refused leaves nothing.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Alone among all writers.
    where : str
        Address of the ledger, for messages.
    audit : ChainAudit
    """

    def __init__(self, connection: sa.Connection, where: str, audit: ChainAudit) -> None:
        self._connection, self._where, self._audit = connection, where, audit
        self._new: list[Entry] = []
        self._charged: Counter[str] = Counter()  # in this transaction: not committed yet

    def charge_all(self, questions: Sequence[Question]) -> list[list[Recorded] | Exception]:
        """The answers to each question, or why it was refused: recorded ones, else drawn.

        Raises
        ------
        AuditError
            If the chain was changed: nothing is charged then.
        """
        self._view = LedgerView(self._connection, questions, self._where, self._audit)
        self._first = self._head = self._view.head
        self._guards = Guards(self._connection, questions)
        outcomes = one_by_one(self._charge, questions)
        if self._new:
            write(self._connection, self._new)
            self._guards.write(self._connection)
        return outcomes

    def committed(self) -> None:
        """What was charged is on disk: it need not be read again to be known."""
        if self._new:
            self._audit.goes_on(self._first, self._new)

    def _charge(self, question: Question) -> list[Recorded]:
        """The answers to one question; nothing is kept of one that is refused."""
        asks, counted = question.asks, question.counted
        assert counted is not None
        known = self._view.registration(question)
        registration = known or question.data.registration
        answers = self._view.answers(question, registration)
        wanted = to_draw(asks, answers, registration)
        drawn: set[str] = set()
        if wanted:
            name = registration.name
            codes = self._guards.admit(wanted, counted)
            admit(self._view.left(registration) - self._charged[name], wanted, registration)
            drafts = [_draft(ask, registration, counted) for ask in wanted]
            if known is None:
                drafts.insert(0, Draft("budget", name, "", 0, registration.body, "[]"))
            new = chained(drafts, self._head)
            self._guards.add(codes)
            self._view.add(new)
            self._new += new
            self._head = new[-1].anchor
            self._charged[name] += sum(ask.loss.pico for ask in wanted)
            answers = self._view.answers(question, registration)
            drawn = {entry.key for entry in new}
        return recorded_answers(answers, registration, drawn)


def admit(left: int, asks: Sequence[Ask], registration: Registration) -> None:
    """Refuse what a budget cannot bear together, with what is left of it.

    Parameters
    ----------
    left : int
        In 1e-12 of the measure.
    asks : sequence of Ask
    registration : Registration

    Raises
    ------
    BudgetExhaustedError
        With what would fit.
    PrivacyError
        If they are asked in another measure.
    """
    name, measure = registration.name, registration.measure
    other = next((ask.loss.measure for ask in asks if ask.loss.measure != measure), None)
    if other is not None:
        raise PrivacyError(
            f"data set {name!r} is charged in {measure}, not in {other}; ask for a "
            f"{measure}. Nothing was drawn or charged"
        )
    cost = sum(ask.loss.pico for ask in asks)
    if cost > left:
        fits = f"{measure} {format_epsilon(left)} or less would fit" if left > 0 else "nothing fits"
        raise BudgetExhaustedError(
            f"data set {name!r}: {_asked(asks, cost)} is more than the "
            f"{format_epsilon(left)} that are left of its budget of "
            f"{format_epsilon(registration.capacity_pico)}: {fits}, and what is recorded stays "
            "free (synthgrid privacy history). Nothing was drawn or charged"
        )


def _draft(ask: Ask, registration: Registration, counted: Counted) -> Draft:
    """An entry with a fresh draw."""
    if ask.marginal is None:
        counts = counted.counts
    else:
        counts = counted.marginals[ask.marginal].reshape(1, ask.marginal.bins)
    measured = ask.on(registration.grid).measure(counts)
    body, payload = ask.body(registration.grid), canonical_json(measured.tolist())
    return Draft("release", registration.name, ALL, ask.loss.pico, body, payload)


def _asked(asks: Sequence[Ask], cost: int) -> str:
    """What was asked for, in public words."""
    measure = asks[0].loss.measure
    if len(asks) == 1:
        return f"a release at {measure} {asks[0].loss.text}"
    parts = [f"{ask.loss.text} for {ask.about}" for ask in asks]
    return f"a release at {measure} {format_epsilon(cost)} together ({', '.join(parts)})"
