"""Recorded answers: what an entry of the ledger says, and which questions it answers.

Belongs here: functions of recorded entries and public terms. Not here: reading the ledger
(`ledger_view`), charging and drawing (`charging`).
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.marginals import Marginal
from synthgrid_assets.privacy.releases.data_set import Ask, Registration, follows, strategy_of
from synthgrid_assets.privacy.strategies.strategy import Strategy
from synthgrid_assets.privacy.strategies.terms import Loss
from synthgrid_assets.records.hash_chain import Anchor, Entry, sha256


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
        anchor=entry.anchor,
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


def answering(
    asks: Sequence[Ask], registration: Registration, releases: Sequence[Entry]
) -> list[Entry | None]:
    """Of some releases those that answer: a question's own, or the first that it follows from."""
    by_key = {entry.key: entry for entry in releases}
    answers: list[Entry | None] = []
    for ask in asks:
        body = ask.body(registration.grid)
        found = by_key.get(sha256(body))
        if found is None and releases:
            terms = json.loads(body)
            found = next((e for e in releases if follows(terms, json.loads(e.body))), None)
        answers.append(found)
    return answers


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
