"""What people ask of the ledger: costs before spending, what is left, history, verification.

Belongs here: answers for command line and metadata. Not here: charging and drawing
(`private_ledger`), how answers are shown (`cli`, `dagster`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synthgrid_assets.errors import SynthGridError
from synthgrid_assets.privacy.account import Account, how_many_fit
from synthgrid_assets.privacy.budget import Sums, format_epsilon
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.marginals import Marginal
from synthgrid_assets.privacy.releases.data_set import Ask, Registration
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.releases.recorded import Recorded, to_draw
from synthgrid_assets.privacy.releases.witnesses import Witness, check_witnesses, hashes_seen
from synthgrid_assets.privacy.strategies.terms import Loss
from synthgrid_assets.records.hash_chain import Anchor, last, walk

DELTA = 1e-6


@dataclass(frozen=True)
class ErrorLine:
    """Expected error of a sum over a square of blocks.

    Parameters
    ----------
    blocks : int
        Along the square's side.
    metres : float
        The same in metres.
    rmse : float
        Root-mean-square error over all places of the square: noise alone.
    """

    blocks: int
    metres: float
    rmse: float


@dataclass(frozen=True)
class MarginalLine:
    """What a mark's marginal would cost and be worth.

    Parameters
    ----------
    mark, column : str
    bins : int
    asked : str
        Loss, in the measure.
    answered_by : int or None
        The entry that answers already, at no cost.
    cost : str
        0 as well where another mark's bins add up to these.
    rmse : float
        Expected error of a bin's count: noise alone.
    """

    mark: str
    column: str
    bins: int
    asked: str
    answered_by: int | None
    cost: str
    rmse: float


@dataclass(frozen=True)
class Preview:
    """What a release would cost and be worth, known without looking at any data.

    Parameters
    ----------
    data_set, snapshot, strategy, measure, asked : str
    answered_by : int or None
        The entry that answers the counts already, at no cost.
    marginals : tuple of MarginalLine
        Of the layer's released marks, which are charged together with the counts.
    cost, before, after, capacity : str
        In the measure, exact; `after` is `before` where nothing is charged.
    more : int
        How many more releases of this loss the budget would bear afterwards.
    together : str
        The tight (epsilon, delta) of all releases of the data set, with this one if it is made.
    errors : tuple of ErrorLine
        For squares of 1, 2, 4 ... blocks.
    refused : str
        Why it would be refused; empty if it would be made.
    """

    data_set: str
    snapshot: str
    strategy: str
    measure: str
    asked: str
    answered_by: int | None
    marginals: tuple[MarginalLine, ...]
    cost: str
    before: str
    after: str
    capacity: str
    more: int
    together: str
    errors: tuple[ErrorLine, ...]
    refused: str


@dataclass(frozen=True)
class BudgetLine:
    """What is left of the budget of a data set.

    Parameters
    ----------
    data_set, measure : str
    capacity, spent, left : str
        Exact, in the measure.
    together : str
        The tight (epsilon, delta) of all releases.
    releases : int
    snapshots : tuple of str
    unit : str
    blocks : str
    """

    data_set: str
    measure: str
    capacity: str
    spent: str
    left: str
    together: str
    releases: int
    snapshots: tuple[str, ...]
    unit: str
    blocks: str


@dataclass(frozen=True)
class HistoryLine:
    """One entry of the ledger, in public terms.

    Parameters
    ----------
    entry : int
    recorded_at : str
    data_set : str
    what : str
        ``registered``, or the snapshot and strategy that were released.
    cost : str
    hash : str
    """

    entry: int
    recorded_at: str
    data_set: str
    what: str
    cost: str
    hash: str


def preview(
    ledger: PrivateLedger,
    ask: Ask,
    witnesses: Iterable[Witness] = (),
    marks: Mapping[str, Ask] | None = None,
) -> Preview:
    """What a release would cost now, with the marginals of some marks; reads no data.

    Draws and charges nothing.
    """
    asks = [ask, *(marks or {}).values()]
    refused, answers = "", list[Recorded | None]([None] * len(asks))
    try:
        answers = ledger.recorded_all(asks, tuple(witnesses))
    except SynthGridError as error:
        refused = str(error)
    registration = _registration(ledger, ask.data.name) or ask.data.registration
    before, wanted = ledger.spent(registration.name), to_draw(asks, answers, registration)
    left, cost = registration.capacity_pico - before, sum(each.loss.pico for each in wanted)
    if not refused and cost > left:
        asked = format_epsilon(cost)
        refused = f"{format_epsilon(left)} of {registration.measure} is left, no {asked}"
    charged = [] if refused else wanted
    after = before + sum(each.loss.pico for each in charged)
    return Preview(
        data_set=registration.name,
        snapshot=ask.data.snapshot,
        strategy=ask.strategy,
        measure=registration.measure,
        asked=ask.loss.text,
        answered_by=_entry_of(answers[0]),
        marginals=tuple(
            MarginalLine(
                mark,
                each.marginal.column if each.marginal else "",
                each.on(registration.grid).size,
                each.loss.text,
                _entry_of(answer),
                each.loss.text if each in wanted else "0",
                each.on(registration.grid).expected_rmse(1, 1),
            )
            for (mark, each), answer in zip((marks or {}).items(), answers[1:], strict=True)
        ),
        cost=format_epsilon(cost),
        before=format_epsilon(before),
        after=format_epsilon(after),
        capacity=format_epsilon(registration.capacity_pico),
        more=how_many_fit(registration.capacity_pico - after, sum(x.loss.pico for x in asks)),
        together=together([*charges(ledger, registration.name), *(each.loss for each in charged)]),
        errors=tuple(expected_errors(ask, registration.grid)),
        refused=refused,
    )


def expected_errors(ask: Ask, grid: Grid) -> Iterator[ErrorLine]:
    """Expected errors of sums over squares of 1, 2, 4 ... blocks."""
    strategy, side = ask.on(grid), 1
    while side <= min(grid.shape):
        yield ErrorLine(side, side * grid.block_metres, strategy.expected_rmse(side, side))
        side *= 2


def budget_lines(ledger: PrivateLedger, names: Iterable[str] | None = None) -> list[BudgetLine]:
    """What is left of the budgets of some data sets, by default of all on record."""
    wanted = None if names is None else set(names)
    return [
        _budget_line(ledger, found)
        for found in ledger.registrations()
        if wanted is None or found.name in wanted
    ]


def history(ledger: PrivateLedger, names: Iterable[str] | None = None) -> list[HistoryLine]:
    """Every registration and release in its order, of some data sets or of all."""
    wanted = None if names is None else set(names)
    if not ledger.chain.exists:
        return []
    lines = []
    with ledger.chain.reading() as connection:
        for entry in walk(connection):
            if wanted is not None and entry.scope not in wanted:
                continue
            fields = json.loads(entry.body)
            released = entry.kind == "release"
            what = _what(fields) if released else "registered"
            cost = f"{fields['measure']} {format_epsilon(entry.cost_pico_epsilon)}"
            lines.append(
                HistoryLine(
                    entry.sequence,
                    entry.recorded_at,
                    entry.scope,
                    what,
                    cost if released else "",
                    entry.hash,
                )
            )
    return lines


def verify(ledger: PrivateLedger, witnesses: Iterable[Witness] = ()) -> Anchor:
    """Walk the whole chain, add up every charge again, and look for what witnesses saw.

    Returns
    -------
    Anchor
        The last entry.

    Raises
    ------
    AuditError
        Naming what was changed.
    PrivacyError
        If a witness misses an entry.
    """
    if not ledger.chain.exists:
        check_witnesses({}, witnesses, ledger.where)
    sums, witnesses = Sums(), tuple(witnesses)
    with ledger.chain.reading() as connection:
        for _ in sums.watch(walk(connection)):
            pass
        sums.check(connection)
        check_witnesses(hashes_seen(connection, witnesses), witnesses, ledger.where)
        return last(connection)


def charges(ledger: PrivateLedger, name: str) -> list[Loss]:
    """The losses of all releases of a data set, in their order."""
    if not ledger.chain.exists:
        return []
    with ledger.chain.reading() as connection:
        bodies = [
            json.loads(entry.body)
            for entry in walk(connection)
            if entry.scope == name and entry.kind == "release"
        ]
    return [Loss(fields["measure"], fields["amount"]) for fields in bodies]


def together(losses: list[Loss]) -> str:
    """The tight loss of some releases at a delta of 1e-6, rounded up, for a person.

    Examples
    --------
    >>> together([Loss.of_epsilon("0.1")] * 50)
    'epsilon 3.173 at delta 1e-06'
    """
    if not losses:
        return "epsilon 0"
    tight = Account(tuple(losses)).epsilon(DELTA)
    return f"epsilon {math.ceil(1000 * tight) / 1000:g} at delta {DELTA:g}"


def _budget_line(ledger: PrivateLedger, found: Registration) -> BudgetLine:
    spent = ledger.spent(found.name)
    released = [line for line in history(ledger, [found.name]) if line.cost]
    rows, columns = found.grid.shape
    bound = f"{found.unit.max_cells} blocks, {found.unit.max_points_per_cell} points in each"
    return BudgetLine(
        data_set=found.name,
        measure=found.measure,
        capacity=format_epsilon(found.capacity_pico),
        spent=format_epsilon(spent),
        left=format_epsilon(found.capacity_pico - spent),
        together=together(charges(ledger, found.name)),
        releases=len(released),
        snapshots=tuple(dict.fromkeys(line.what.partition(" by ")[0] for line in released)),
        unit=f"{found.unit_column}: at most {bound}" if found.unit_column else "event",
        blocks=f"{rows} x {columns} of {found.grid.block_metres:g} m",
    )


def _what(fields: dict[str, Any]) -> str:
    """What was released, in public words."""
    purpose, marginal = fields.get("purpose"), fields.get("marginal")
    about = f" of {Marginal.from_json(marginal).column!r}" if marginal else ""
    about += f" for {purpose}" if purpose else ""
    return f"{fields['snapshot']} by {fields['strategy']}{about}"


def _entry_of(answer: Recorded | None) -> int | None:
    return None if answer is None else answer.anchor.sequence


def _registration(ledger: PrivateLedger, name: str) -> Registration | None:
    return next((found for found in ledger.registrations() if found.name == name), None)
