"""What the ledger holds of some data sets in one transaction, read by a few statements for all.

Belongs here: reading. Not here: what an entry answers (`recorded`), writing (`charging`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from synthgrid_assets.privacy.budget import losses
from synthgrid_assets.privacy.releases.chain_audit import ChainAudit
from synthgrid_assets.privacy.releases.data_set import Ask, DataSet, Registration
from synthgrid_assets.privacy.releases.recorded import answering
from synthgrid_assets.privacy.releases.witnesses import Witness, check_witnesses, hashes_seen
from synthgrid_assets.privacy.source.message import Counted
from synthgrid_assets.records.hash_chain import Entry, at, of_scopes


@dataclass(frozen=True, eq=False)
class Question:
    """Questions of one caller about one data set and snapshot, to be answered together.

    Parameters
    ----------
    asks : tuple of Ask
        One or more.
    witnesses : tuple of Witness
        What was seen of the ledger elsewhere.
    counted : Counted, optional
        The private data, where they were read already.
    """

    asks: tuple[Ask, ...]
    witnesses: tuple[Witness, ...] = ()
    counted: Counted | None = None

    @property
    def data(self) -> DataSet:
        """What is asked about."""
        return self.asks[0].data

    @property
    def sought(self) -> tuple[str, int, str]:
        """What finds the entries that could answer, and few others: see `of_scopes`."""
        least = min(ask.loss.pico for ask in self.asks)
        return self.data.name, least, f'%"snapshot":"{self.data.snapshot}"%'


class LedgerView:
    """What the ledger holds that bears on some questions.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        All is read here and now, in its open transaction.
    questions : sequence of Question
        One or more.
    where : str
        Address of the ledger, for messages.
    audit : ChainAudit, optional
        Needed for what is left of budgets.

    Raises
    ------
    AuditError
        If an entry that the audit had not seen yet was changed or removed.
    """

    def __init__(
        self,
        connection: sa.Connection,
        questions: Sequence[Question],
        where: str,
        audit: ChainAudit | None = None,
    ) -> None:
        self._where, self._audit = where, audit
        self._budgets: dict[str, Entry] = {}
        self._releases: defaultdict[str, list[Entry]] = defaultdict(list)
        self._told: dict[str, int] = {}
        if audit is not None:
            self.head = audit.follow(connection)
            self._told = losses(connection, {question.data.name for question in questions})
        self._connection = connection
        self._seen = hashes_seen(connection, [w for q in questions for w in q.witnesses])
        self.add(of_scopes(connection, {question.sought for question in questions}))

    def add(self, entries: Sequence[Entry]) -> None:
        """Take up entries, as those that were chained in this transaction."""
        for entry in entries:
            if entry.kind == "budget":
                self._budgets[entry.scope] = entry
            else:
                self._releases[entry.scope].append(entry)

    def registration(self, question: Question) -> Registration | None:
        """What is registered under the data set's name, once it is what the question declares.

        Raises
        ------
        PrivacyError
            If the terms are registered otherwise, or a witness misses an entry.
        """
        check_witnesses(self._seen, question.witnesses, self._where)
        entry = self._budgets.get(question.data.name)
        if entry is None:
            return None
        registration = Registration.from_body(entry.check().body)
        registration.check(question.data)
        return registration

    def answers(self, question: Question, registration: Registration) -> list[Entry | None]:
        """The entry that answers each question, whole and checked.

        Raises
        ------
        AuditError
            If one was changed.
        """
        releases = self._releases.get(registration.name, ())
        found = answering(question.asks, registration, releases)
        short = {entry.sequence for entry in found if entry is not None and not entry.payload}
        whole = at(self._connection, short)
        return [entry and whole.get(entry.sequence, entry).check() for entry in found]

    def left(self, registration: Registration) -> int:
        """What is left of a budget, in 1e-12 of its measure: of the chain's charges so far.

        Raises
        ------
        AuditError
            If the table of sums does not tell the same.
        """
        assert self._audit is not None
        name = registration.name
        spent = self._audit.check_sum(name, self._told.get(name, 0))
        return registration.capacity_pico - spent
