"""The ledger of private data sets: charge, draw and record as one transaction.

Belongs here: the way of a question to its recorded answer. Not here: what is declared
(`data_set`), accounting (`budget`), what people ask about budgets (`statements`).
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from synthgrid_assets.errors import (
    AuditError,
    BudgetExhaustedError,
    PrivacyError,
    SnapshotChangedError,
)
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.privacy import budget as accounting
from synthgrid_assets.privacy.budget import format_epsilon
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.releases.data_set import Ask, Registration
from synthgrid_assets.privacy.releases.witnesses import Witness, check_witnesses
from synthgrid_assets.privacy.source.message import Counted
from synthgrid_assets.privacy.strategies import strategy
from synthgrid_assets.privacy.strategies.strategy import Strategy
from synthgrid_assets.privacy.strategies.terms import Loss
from synthgrid_assets.records.database import database_url
from synthgrid_assets.records.hash_chain import (
    GENESIS,
    Anchor,
    Chain,
    Draft,
    Entry,
    append,
    find,
    hash_at,
    of_scope,
    sha256,
    walk,
)

ALL = "*"  # the one block that joint releases are charged to: their losses add up
KEY_BYTES = 32
_REMEDY = "restore a backup that `synthgrid privacy verify` accepts. Nothing was drawn or charged"
_GUARDED = sa.text("SELECT key, code FROM guard WHERE key IN :keys OR code IN :codes").bindparams(
    *(sa.bindparam(name, expanding=True, type_=sa.String) for name in ("keys", "codes"))
)
_KEY = sa.text("SELECT value FROM secret WHERE name = 'codes'")
Count = Callable[[str, Grid], Counted]


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
    """

    data_set: str
    snapshot: str
    grid: Grid
    strategy: Strategy
    measured: NDArray[np.int64] = field(repr=False)
    anchor: Anchor
    recorded_at: str
    drawn: bool


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
        self._audited = Anchor(0, GENESIS), Counter[str]()
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
        if not self._chain.exists:
            check_witnesses(None, witnesses, self.where)
            return None
        with self._chain.reading() as connection:
            return self._recorded(connection, ask, witnesses)

    def release(self, ask: Ask, count: Count, witnesses: Iterable[Witness] = ()) -> Recorded:
        """The recorded answer, charged, drawn and recorded first where there is none.

        A process killed at any instant leaves either all of it or nothing, and of processes
        that race for a question one draws.

        Parameters
        ----------
        ask : Ask
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
        witnesses, key = tuple(witnesses), None
        registration = ask.data.registration
        if not self._chain.exists:
            check_witnesses(None, witnesses, self.where)
        else:
            with self._chain.reading() as connection:
                found = self._recorded(connection, ask, witnesses)
                if found is not None:
                    return found
                registration = _registered(connection, ask) or registration
                self._admit(connection, ask, registration)
                key = connection.execute(_KEY).scalar()
        if key is None:
            key = self._made_key()
        counted = count(key, registration.grid)
        assert ask.on(registration.grid).noise  # OpenDP is imported before others wait
        with self._chain.writing() as connection:
            found = self._recorded(connection, ask, witnesses)
            return found or self._drawn(connection, ask, counted)

    def spent(self, connection: sa.Connection, name: str) -> int:
        """What all releases of a data set have cost, added up from the chain itself.

        Every entry is checked once by each ledger object, before anything is charged.

        Raises
        ------
        AuditError
            If an entry was changed or removed, or the table of sums.
        """
        checked, sums = self._audited
        if checked.sequence and hash_at(connection, checked.sequence) != checked.hash:
            raise AuditError(f"the ledger was rolled back or written anew; {_REMEDY}")
        for entry in walk(connection, checked):
            checked = Anchor(entry.sequence, entry.hash)
            if entry.kind == "release":
                sums[entry.scope] += entry.cost_pico_epsilon
        self._audited = checked, sums
        if accounting.loss(connection, name, 1) != sums[name]:
            raise AuditError(f"the ledger's sum for data set {name!r} was changed; {_REMEDY}")
        return sums[name]

    def registrations(self) -> list[Registration]:
        """All data sets on record, in the order of their first releases."""
        if not self._chain.exists:
            return []
        query = sa.text("SELECT body FROM entry WHERE kind = 'budget' ORDER BY sequence")
        with self._chain.reading() as connection:
            return [Registration.from_body(body) for body in connection.execute(query).scalars()]

    def _recorded(
        self, connection: sa.Connection, ask: Ask, witnesses: Iterable[Witness]
    ) -> Recorded | None:
        check_witnesses(connection, witnesses, self.where)
        registration = _registered(connection, ask)
        if registration is None:
            return None
        entry = _answering(connection, ask, registration.grid)
        return None if entry is None else recorded_of(entry, registration, drawn=False)

    def _admit(self, connection: sa.Connection, ask: Ask, registration: Registration) -> None:
        """Refuse what the budget cannot bear, with what is left of it."""
        name, measure = registration.name, registration.measure
        if ask.loss.measure != measure:
            raise PrivacyError(
                f"data set {name!r} is charged in {measure}, not in {ask.loss.measure}; ask for a "
                f"{measure}. Nothing was drawn or charged"
            )
        left = registration.capacity_pico - self.spent(connection, name)
        if ask.loss.pico > left:
            fits = (
                f"{measure} {format_epsilon(left)} or less would fit"
                if left > 0
                else "nothing fits"
            )
            raise BudgetExhaustedError(
                f"data set {name!r}: a release at {measure} {ask.loss.text} is more than the "
                f"{format_epsilon(left)} that are left of its budget of "
                f"{format_epsilon(registration.capacity_pico)}: {fits}, and what is recorded stays "
                "free (synthgrid privacy history). Nothing was drawn or charged"
            )

    def _drawn(self, connection: sa.Connection, ask: Ask, counted: Counted) -> Recorded:
        """Register, guard, charge, draw and record, in the caller's transaction."""
        registration = _registered(connection, ask)
        if registration is None:
            registration = ask.data.registration
            append(connection, [Draft("budget", registration.name, "", 0, registration.body, "[]")])
        _guard(connection, ask, counted)
        self._admit(connection, ask, registration)
        measured = ask.on(registration.grid).measure(counted.counts)
        draft = Draft(
            "release",
            registration.name,
            ALL,
            ask.loss.pico,
            ask.body(registration.grid),
            canonical_json(measured.tolist()),
        )
        (entry,) = append(connection, [draft])
        return recorded_of(entry, registration, drawn=True)

    def _made_key(self) -> str:
        """The ledger's own key of codes, made once."""
        with self._chain.writing() as connection:
            found: str | None = connection.execute(_KEY).scalar()  # another process may be first
            if found is None:
                found = secrets.token_hex(KEY_BYTES)
                insert = sa.text("INSERT INTO secret(name, value) VALUES ('codes', :value)")
                connection.execute(insert, {"value": found})
        return found


def recorded_of(entry: Entry, registration: Registration, *, drawn: bool) -> Recorded:
    """The answer that an entry holds."""
    fields = json.loads(entry.body)
    loss = Loss(fields["measure"], fields["amount"])
    asked = strategy(fields["strategy"], registration.grid.shape, loss, registration.unit)
    return Recorded(
        data_set=registration.name,
        snapshot=fields["snapshot"],
        grid=registration.grid,
        strategy=asked,
        measured=asked.check_recorded(np.array(json.loads(entry.payload), np.int64)),
        anchor=Anchor(entry.sequence, entry.hash),
        recorded_at=entry.recorded_at,
        drawn=drawn,
    )


def _registered(connection: sa.Connection, ask: Ask) -> Registration | None:
    """What is registered under the data set's name, once it is what the world declares."""
    entries = of_scope(connection, ask.data.name, "budget")
    if not entries:
        return None
    registration = Registration.from_body(entries[0].body)
    registration.check(ask.data)
    return registration


def _answering(connection: sa.Connection, ask: Ask, grid: Grid) -> Entry | None:
    """The entry that answers a question: its own, or the first of the same at a larger loss."""
    body = ask.body(grid)
    own = find(connection, [sha256(body)])
    if own:
        return next(iter(own.values()))
    terms = json.loads(body)
    label = f'%"snapshot":"{ask.data.snapshot}"%'
    dearer = of_scope(connection, ask.data.name, "release", cost=ask.loss.pico, like=label)
    for entry in dearer:
        fields = json.loads(entry.body)
        loss = Loss(fields["measure"], fields["amount"])
        if {**fields, "amount": terms["amount"]} == terms and loss.exact >= ask.loss.exact:
            return entry
    return None


def _guard(connection: sa.Connection, ask: Ask, counted: Counted) -> None:
    """One label never stands for two states of the data, and no data for two data sets."""
    label = [ask.data.name, ask.data.snapshot]
    rows, file = counted.rows_code, counted.file_code
    own = {canonical_json([*label, "rows"]): rows, canonical_json([*label, "file", file]): file}
    wanted = {"keys": list(own), "codes": [rows, file]}
    known: dict[str, str] = dict(connection.execute(_GUARDED, wanted).all())
    if any(code != own.get(key, code) for key, code in known.items()):
        raise SnapshotChangedError(
            f"the private data of {ask.data.name!r} are not those of snapshot "
            f"{ask.data.snapshot!r} as they were first released; give the new state a snapshot "
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
        insert = sa.text("INSERT INTO guard(key, code) VALUES (:key, :code)")
        connection.execute(insert, new)
