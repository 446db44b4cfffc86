"""The ledger of private data sets: charge, draw and record as one transaction.

Belongs here: the way of a question to its recorded answer. Not here: what is declared
(`data_set`), accounting (`budget`), what people ask about budgets (`statements`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from synthgrid_assets.privacy.budget import losses
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.releases.chain_audit import ChainAudit
from synthgrid_assets.privacy.releases.charging import Charging, admit
from synthgrid_assets.privacy.releases.data_set import Ask, Registration
from synthgrid_assets.privacy.releases.ledger_view import LedgerView, Question
from synthgrid_assets.privacy.releases.recorded import (
    Recorded,
    recorded_answers,
    recorded_of,
    to_draw,
)
from synthgrid_assets.privacy.releases.witnesses import Witness, check_witnesses
from synthgrid_assets.privacy.source.message import Counted
from synthgrid_assets.records.database import database_url
from synthgrid_assets.records.group_commit import GroupCommit, one_by_one
from synthgrid_assets.records.hash_chain import (
    Chain,
)

KEY_BYTES = 32
_KEY = sa.text("SELECT value FROM secret WHERE name = 'codes'")
Count = Callable[[str, Grid], Counted]


@dataclass(frozen=True, eq=False)
class Look:
    """What is known of a question before private data are read.

    Parameters
    ----------
    registration : Registration
        On record, or as it is declared.
    key : str or None
        The ledger's key of codes; None where it has none yet.
    answers : list of Recorded, or None
        None where something has to be drawn, which the budget can bear so far.
    """

    registration: Registration
    key: str | None = None
    answers: list[Recorded] | None = None


class PrivateLedger:
    """All registrations, charges and draws of private data sets, in one hash chain.

    Parameters
    ----------
    location : Path or str
        A file, made by the first release, or the address of a PostgreSQL database. Losing it
        means that no more can be released of its data sets: it is backed up as they are.
    """

    def __init__(self, location: Path | str) -> None:
        self._chain = Chain(location)
        self._audit = ChainAudit()
        self._looks = GroupCommit(self._looking, self._look_all)
        self._charges = GroupCommit(self._charging, Charging.charge_all)
        url = database_url(location)
        path = self._chain.path
        self.where = str(path) if path else url.render_as_string(hide_password=True)

    @property
    def chain(self) -> Chain:
        """The entries."""
        return self._chain

    def recorded(self, ask: Ask, witnesses: Iterable[Witness] = ()) -> Recorded | None:
        """What is recorded already, at no cost; None where it would have to be drawn.

        The same question, or one that differs in asking for a smaller loss, has the recorded
        answer, whatever world or layer asks.

        Raises
        ------
        PrivacyError
            If the terms are not the registered ones, or a witness misses an entry.
        """
        (recorded,) = self.recorded_all([ask], witnesses)
        return recorded

    def recorded_all(
        self, asks: Sequence[Ask], witnesses: Iterable[Witness] = ()
    ) -> list[Recorded | None]:
        """`recorded` of several questions about one data set."""
        question = Question(tuple(asks), tuple(witnesses))
        if not self._chain.exists:
            check_witnesses({}, question.witnesses, self.where)
            return [None] * len(asks)
        with self._chain.reading() as connection:
            view = LedgerView(connection, [question], self.where)
            registration = view.registration(question)
            if registration is None:
                return [None] * len(asks)
            return [
                None if entry is None else recorded_of(entry, registration, drawn=False)
                for entry in view.answers(question, registration)
            ]

    def release(self, ask: Ask, count: Count, witnesses: Iterable[Witness] = ()) -> Recorded:
        """`release_all` of one question."""
        (recorded,) = self.release_all([ask], count, witnesses)
        return recorded

    def release_all(
        self, asks: Sequence[Ask], count: Count, witnesses: Iterable[Witness] = ()
    ) -> list[Recorded]:
        """The recorded answers, charged, drawn and recorded first where there are none.

        They are charged together: a process killed at any instant leaves either all of it or
        nothing, and of processes that race for a question one draws.

        Parameters
        ----------
        asks : sequence of Ask
            Of one data set and snapshot, one or more.
        count : callable
            ``count(key, grid)`` reads and counts the private data, bounded by the unit, with
            the key of their codes. Called outside of the transaction, and only once the budget
            is known to bear the answer.
        witnesses : iterable of Witness
            What was seen of the ledger elsewhere.

        Raises
        ------
        BudgetExhaustedError
            If the budget cannot bear it: with what is left, and what would fit.
        SnapshotChangedError
            If other data stand behind the snapshot's label.
        PrivacyError
            If the terms or the data are registered otherwise, or the ledger lacks what a
            witness has seen.
        AuditError
            If an entry that matters was changed.
        """
        question = Question(tuple(asks), tuple(witnesses))
        if self._chain.exists:
            look = self._looks.run(question)
        else:
            check_witnesses({}, question.witnesses, self.where)
            look = Look(question.data.registration)
        if look.answers is not None:
            return look.answers
        counted = count(look.key or self._made_key(), look.registration.grid)
        # OpenDP is imported before others wait
        assert all(ask.on(look.registration.grid).noise for ask in asks)
        return self._charges.run(replace(question, counted=counted))

    @contextmanager
    def _looking(self) -> Iterator[sa.Connection]:
        """One state of the ledger, which holds all that was audited."""
        with self._audit.alone, self._chain.reading() as connection:
            yield connection

    def _look_all(
        self, connection: sa.Connection, questions: Sequence[Question]
    ) -> list[Look | Exception]:
        """The answers to each question, or what is to be known before data are read."""
        view = LedgerView(connection, questions, self.where, self._audit)
        key: str | None = connection.execute(_KEY).scalar()
        return one_by_one(lambda question: _look(view, question, key), questions)

    @contextmanager
    def _charging(self) -> Iterator[Charging]:
        """A write transaction in which every charge so far is known."""
        with self._chain.writing() as connection:
            charging = Charging(connection, self.where, self._audit)
            yield charging
        charging.committed()

    def spent(self, name: str) -> int:
        """What all releases of a data set have cost, added up from the chain itself.

        Every entry is checked once by each ledger object, before anything is charged.

        Raises
        ------
        AuditError
            If an entry was changed or removed, or the table of sums.
        """
        if not self._chain.exists:
            return 0
        with self._audit.alone, self._chain.reading() as connection:
            self._audit.follow(connection)
            return self._audit.check_sum(name, losses(connection, [name]).get(name, 0))

    def registrations(self) -> list[Registration]:
        """All data sets on record, in the order of their first releases."""
        if not self._chain.exists:
            return []
        query = sa.text("SELECT body FROM entry WHERE kind = 'budget' ORDER BY sequence")
        with self._chain.reading() as connection:
            return [Registration.from_body(body) for body in connection.execute(query).scalars()]

    def _made_key(self) -> str:
        """The ledger's own key of codes, made once."""
        with self._chain.writing() as connection:
            found: str | None = connection.execute(_KEY).scalar()  # another process may be first
            if found is None:
                found = secrets.token_hex(KEY_BYTES)
                insert = sa.text("INSERT INTO secret(name, value) VALUES ('codes', :value)")
                connection.execute(insert, {"value": found})
        return found


def _look(view: LedgerView, question: Question, key: str | None) -> Look:
    registration = view.registration(question) or question.data.registration
    answers = view.answers(question, registration)
    wanted = to_draw(question.asks, answers, registration)
    if not wanted:
        return Look(registration, key, recorded_answers(answers, registration))
    admit(view.left(registration), wanted, registration)
    return Look(registration, key)
