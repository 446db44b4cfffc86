"""One write transaction of the ledger: register, guard, charge, draw and record.

Belongs here: what happens to questions on an open connection. Not here: when a transaction begins
and ends (`private_ledger`), what is declared (`data_set`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from synthgrid_assets.errors import (
    BudgetExhaustedError,
    PrivacyError,
    SnapshotChangedError,
)
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.privacy.budget import format_epsilon
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.marginals import Marginal
from synthgrid_assets.privacy.releases.chain_audit import ChainAudit
from synthgrid_assets.privacy.releases.data_set import (
    Ask,
    DataSet,
    Registration,
    follows,
    strategy_of,
)
from synthgrid_assets.privacy.source.message import Counted
from synthgrid_assets.privacy.strategies.strategy import Strategy
from synthgrid_assets.privacy.strategies.terms import Loss
from synthgrid_assets.records.hash_chain import (
    Anchor,
    Draft,
    Entry,
    append,
    find,
    of_data_set,
    of_scope,
    sha256,
)
from synthgrid_assets.records.hot import insert, rows

ALL = "*"  # the one block that joint releases are charged to: their losses add up
_GUARDED = sa.text("SELECT key, code FROM guard WHERE key IN :keys OR code IN :codes").bindparams(
    *(sa.bindparam(name, expanding=True, type_=sa.String) for name in ("keys", "codes"))
)

_GUARDED_FEW = (
    "SELECT key, code FROM guard WHERE key IN (:k0, :k1) UNION "
    "SELECT key, code FROM guard WHERE code IN (:c0, :c1)"
)


@dataclass(frozen=True, eq=False)
class Recorded:
    """A recorded answer: everything that is published follows from it.

    Attributes
    ----------
    data_set, snapshot : str
    grid : Grid
        As registered.
    strategy : Strategy
        With the loss that was charged, which may be larger than the one asked for.
    measured : ndarray of int64, shape (strategy.size,)
        Noisy answers.
    anchor : Anchor
        The entry, to be kept outside of the ledger.
    recorded_at : str
    drawn : bool
        Whether this call drew and charged it.
    marginal : Marginal or None
        Whose bins were measured, which may be finer than those asked for; None for blocks.
    """

    data_set: str
    snapshot: str
    grid: Grid
    strategy: Strategy
    measured: NDArray[np.int64] = field(repr=False)
    anchor: Anchor
    recorded_at: str
    drawn: bool
    marginal: Marginal | None = None


class Charging:
    """One write transaction, in which questions of several callers may be charged one by one.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Alone among all writers.
    audit : ChainAudit
    """

    def __init__(self, connection: sa.Connection, audit: ChainAudit) -> None:
        self.connection = connection
        self._audit = audit
        self._head = audit.follow(connection)
        self._charged: Counter[str] = Counter()  # in this transaction: not committed yet

    def nested(self) -> AbstractContextManager[object]:
        """A part of the transaction that is undone alone."""
        return self.connection.begin_nested()

    def charge(self, asks: Sequence[Ask], counted: Counted) -> list[Recorded]:
        """The answers to questions about one data set: recorded ones, else drawn and recorded.

        Raises
        ------
        BudgetExhaustedError
            If the budget cannot bear them together.
        SnapshotChangedError
            If other data stand behind the snapshot's label.
        PrivacyError
            If the terms or the data are registered otherwise.
        AuditError
            If an entry that matters was changed.
        """
        data = asks[0].data
        known, entries = self._look(asks)
        registration = known or data.registration
        answers = _following(asks, registration, entries)
        wanted = to_draw(asks, answers, registration)
        if wanted:
            _guard(self.connection, wanted, counted)
            name = registration.name
            already = self._charged[name]
            self._audit.check_sum(self.connection, name, already)
            left = registration.capacity_pico - self._audit.sums[name] - already
            admit(left, wanted, registration)
            drafts = [_draft(ask, registration, counted) for ask in wanted]
            if known is None:
                drafts.insert(0, Draft("budget", name, "", 0, registration.body, "[]"))
            new = append(self.connection, drafts, self._head)
            self._head = Anchor(new[-1].sequence, new[-1].hash)
            self._charged[name] += sum(ask.loss.pico for ask in wanted)
            entries = [*entries, *(entry for entry in new if entry.kind == "release")]
            answers = _following(asks, registration, entries)
        drawn = {sha256(ask.body(registration.grid)) for ask in wanted}
        return recorded_answers(answers, registration, drawn)

    def _look(self, asks: Sequence[Ask]) -> tuple[Registration | None, list[Entry]]:
        """What is registered, and the entries that could answer: one statement."""
        data, least = asks[0].data, min(ask.loss.pico for ask in asks)
        label = _label(data)
        budgets, entries = of_data_set(self.connection, data.name, cost=least, like=label)
        return (_checked(budgets[0], data) if budgets else None), entries


def recorded_of(entry: Entry, registration: Registration, *, drawn: bool) -> Recorded:
    """The answer that an entry holds."""
    fields = json.loads(entry.body)
    loss = Loss(fields["measure"], fields["amount"])
    marginal = Marginal.from_json(fields["marginal"]) if "marginal" in fields else None
    asked = strategy_of(fields["strategy"], registration.grid, loss, registration.unit, marginal)
    return Recorded(
        data_set=registration.name,
        snapshot=fields["snapshot"],
        grid=registration.grid,
        strategy=asked,
        measured=asked.check_recorded(np.array(json.loads(entry.payload), np.int64)),
        anchor=Anchor(entry.sequence, entry.hash),
        recorded_at=entry.recorded_at,
        drawn=drawn,
        marginal=marginal,
    )


def recorded_answers(
    answers: Sequence[Entry | None], registration: Registration, drawn: Container[str] = ()
) -> list[Recorded]:
    """The answers in some entries; those with a key in `drawn` were drawn just now."""
    entries = [entry for entry in answers if entry is not None]
    assert len(entries) == len(answers)  # all of them are recorded by now
    return [recorded_of(entry, registration, drawn=entry.key in drawn) for entry in entries]


def registered(connection: sa.Connection, data: DataSet) -> Registration | None:
    """What is registered under the data set's name, once it is what the world declares."""
    entries = of_scope(connection, data.name, "budget")
    return _checked(entries[0], data) if entries else None


def _checked(entry: Entry, data: DataSet) -> Registration:
    registration = Registration.from_body(entry.check().body)
    registration.check(data)
    return registration


def answers_to(
    connection: sa.Connection, asks: Sequence[Ask], registration: Registration
) -> list[Entry | None]:
    """The entry that answers each question: its own, or the first that it follows from."""
    keys = [sha256(ask.body(registration.grid)) for ask in asks]
    own = find(connection, keys)
    if all(key in own for key in keys):
        return [own[key] for key in keys]
    least = min(ask.loss.pico for ask in asks)
    _, entries = of_data_set(connection, registration.name, cost=least, like=_label(asks[0].data))
    return _following(asks, registration, entries)


def _following(
    asks: Sequence[Ask], registration: Registration, entries: Sequence[Entry]
) -> list[Entry | None]:
    """Of some entries those that answer, each checked against its hash."""
    by_key = {entry.key: entry for entry in entries}
    answers: list[Entry | None] = []
    for ask in asks:
        body = ask.body(registration.grid)
        found = by_key.get(sha256(body))
        if found is None and entries:
            terms = json.loads(body)
            found = next((e for e in entries if follows(terms, json.loads(e.body))), None)
        answers.append(None if found is None else found.check())
    return answers


def _label(data: DataSet) -> str:
    """What SQL's LIKE finds in the entries of a snapshot, and in few others."""
    return f'%"snapshot":"{data.snapshot}"%'


def to_draw(
    asks: Sequence[Ask], answers: Sequence[object | None], registration: Registration
) -> list[Ask]:
    """The questions that have to be drawn: without an answer, and following from no other."""
    bins = [ask.marginal.bins if ask.marginal else 0 for ask in asks]
    order = sorted(range(len(asks)), key=lambda at: (asks[at].loss.exact, bins[at]), reverse=True)
    wanted: list[tuple[int, dict[str, Any]]] = []
    for at in order:
        terms = json.loads(asks[at].body(registration.grid))
        if answers[at] is None and not any(follows(terms, other) for _, other in wanted):
            wanted.append((at, terms))
    return [asks[at] for at, _ in sorted(wanted, key=lambda found: found[0])]


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


def _guard(connection: sa.Connection, asks: Sequence[Ask], counted: Counted) -> None:
    """One label never stands for two states of the data, and no data for two data sets."""
    data = asks[0].data
    label = [data.name, data.snapshot]
    rows_code, file_code = counted.rows_code, counted.file_code
    own = {
        canonical_json([*label, "rows"]): rows_code,
        canonical_json([*label, "file", file_code]): file_code,
    }
    for marginal in (ask.marginal for ask in asks if ask.marginal is not None):
        key = canonical_json([*label, "bins", marginal.as_json()])
        own[key] = counted.bin_codes[marginal].hex()
    known = _guarded(connection, list(own), [rows_code, file_code])
    if any(code != own.get(key, code) for key, code in known.items()):
        raise SnapshotChangedError(
            f"the private data of {data.name!r} are not those of snapshot "
            f"{data.snapshot!r} as they were first released; give the new state a snapshot "
            "label of its own: it is charged to the same budget. Nothing was drawn or charged"
        )
    others = [json.loads(key)[:2] for key in known if json.loads(key)[:2] != label]
    if others:
        name, snapshot = others[0]
        raise PrivacyError(
            "these private data, or another reading of the same file, are registered already, as "
            f"data set {name!r}, snapshot {snapshot!r}: write these names (`dataset` and "
            "`snapshot` of the input), so that all their releases share one budget. Nothing was "
            "drawn or charged"
        )
    new = [{"key": key, "code": code} for key, code in own.items() if key not in known]
    if new:
        insert(connection, "INSERT INTO guard(key, code) VALUES (:key, :code)", new)


def _guarded(connection: sa.Connection, keys: list[str], codes: list[str]) -> dict[str, str]:
    """What is known of some keys, and of some codes, whoever has them."""
    if len(keys) > 2:  # with marginals
        return dict(connection.execute(_GUARDED, {"keys": keys, "codes": codes}).all())
    named = {"k0": keys[0], "k1": keys[1], "c0": codes[0], "c1": codes[1]}
    return dict(rows(connection, _GUARDED_FEW, **named))
