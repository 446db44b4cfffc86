"""Budgets: how much privacy loss a scope may cost, added up exactly.

Belongs here: accounting on an open transaction of the record. Not here: transactions
(`chain`), draws (`release_record`) and what people ask about budgets (`ledger`).
"""

from __future__ import annotations

import heapq
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import sqlalchemy as sa

from synthgrid_assets.errors import AuditError, BudgetExhaustedError, PrivacyError, SpecError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.privacy.mechanism import PICO
from synthgrid_assets.records.hash_chain import Draft, Entry, append
from synthgrid_assets.records.hot import rows

MAX_CAPACITY = 1000
_DEAREST = (
    "SELECT block, pico_epsilon FROM spent WHERE scope = :scope "
    "ORDER BY pico_epsilon DESC LIMIT :blocks"
)
_LOSSES = "SELECT scope, max(pico_epsilon) FROM spent WHERE scope IN (:scopes) GROUP BY scope"
_SPENT_ON = sa.text(
    "SELECT block, pico_epsilon FROM spent WHERE scope = :scope AND block IN :blocks"
).bindparams(sa.bindparam("blocks", expanding=True, type_=sa.String))


@dataclass(frozen=True)
class Budget:
    """What all releases of one scope may cost together, declared once.

    Blocks are disjoint, so a point that lies in one block pays for that block alone: the
    loss of the scope is the largest sum over one block, however many blocks are released.
    A unit that may touch several blocks (a person with at most K points, in K blocks) pays
    for the K dearest.

    Parameters
    ----------
    scope : str
        ``dataset/layer``.
    capacity : str, int or float
        Largest privacy loss epsilon, in ``(0, 1000]``; a decimal text is taken exactly.
    blocks_per_unit : int
        Blocks that one unit may touch with one point each, >= 1; 1 protects events.

    Raises
    ------
    SpecError
        If a field is out of range.

    Notes
    -----
    Parallel and sequential composition: McSherry (2009). Costs are rounded up to 1e-12,
    the capacity down.

    Examples
    --------
    >>> Budget("riverton/cafes", "2.5").capacity_pico_epsilon
    2500000000000
    """

    scope: str
    capacity: str | int | float
    blocks_per_unit: int = 1

    def __post_init__(self) -> None:
        if not self.scope or not isinstance(self.scope, str):
            raise SpecError(f"a budget's scope must be 'dataset/layer', got {self.scope!r}")
        try:
            in_range = 0 < self._declared <= MAX_CAPACITY
        except (ValueError, ZeroDivisionError):
            in_range = False
        if not in_range:
            raise SpecError(
                f"a budget's capacity must be a positive number of at most {MAX_CAPACITY}, as "
                f"'2.5', got {self.capacity!r}"
            )
        k = self.blocks_per_unit
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise SpecError(f"blocks_per_unit must be a whole number of at least 1, got {k!r}")

    @property
    def _declared(self) -> Fraction:
        return Fraction(str(self.capacity))

    @property
    def capacity_pico_epsilon(self) -> int:
        """The capacity in 1e-12 of epsilon, rounded down."""
        return math.floor(self._declared * PICO)

    @property
    def body(self) -> str:
        """Canonical JSON, as it stands in the record."""
        return canonical_json(
            {
                "budget": self.scope,
                "capacity_pico_epsilon": self.capacity_pico_epsilon,
                "blocks_per_unit": self.blocks_per_unit,
            }
        )

    @classmethod
    def from_body(cls, body: str) -> Budget:
        """The budget that a recorded entry declares."""
        fields = json.loads(body)
        capacity = format_epsilon(fields["capacity_pico_epsilon"])
        return cls(fields["budget"], capacity, fields["blocks_per_unit"])


def format_epsilon(pico: int) -> str:
    """Exact decimal text of an amount in 1e-12 of epsilon.

    Examples
    --------
    >>> format_epsilon(2_500_000_000_000), format_epsilon(0), format_epsilon(-1)
    ('2.5', '0', '-0.000000000001')
    """
    whole, part = divmod(abs(pico), PICO)
    text = f"{'-' if pico < 0 else ''}{whole}.{part:012d}"
    return text.rstrip("0").rstrip(".")


def declare(connection: sa.Connection, budget: Budget) -> None:
    """Put a budget on record; the same declaration again changes nothing.

    Raises
    ------
    PrivacyError
        If the scope has another budget, or has already cost more than this one allows.
    """
    declared = budget_of(connection, budget.scope)
    if declared is not None:
        if declared.body == budget.body:
            return
        raise PrivacyError(
            f"scope {budget.scope} already has a budget of {declared.capacity} for "
            f"{declared.blocks_per_unit} blocks a unit; a budget is declared once and kept"
        )
    already = loss(connection, budget.scope, budget.blocks_per_unit)
    if already > budget.capacity_pico_epsilon:
        raise PrivacyError(
            f"scope {budget.scope} has already cost {format_epsilon(already)}, more than the "
            f"capacity {budget.capacity} to be declared; what was released cannot be taken back"
        )
    append(connection, [Draft("budget", budget.scope, "", 0, budget.body, "[]")])


def budget_of(connection: sa.Connection, scope: str) -> Budget | None:
    """The budget that a scope's releases are charged to, if one was declared."""
    query = sa.text("SELECT body FROM entry WHERE kind = 'budget' AND scope = :scope")
    row = connection.execute(query, {"scope": scope}).first()
    return Budget.from_body(row[0]) if row else None


def loss(
    connection: sa.Connection,
    scope: str,
    blocks_per_unit: int,
    blocks: Sequence[str] = (),
    cost: int = 0,
) -> int:
    """Privacy loss of one unit, if `blocks` were charged `cost` more each.

    Returns
    -------
    int
        In 1e-12 of epsilon: the sum over the `blocks_per_unit` dearest blocks.
    """
    # a block below these stays below them: charges only add, and `blocks` are looked up
    dearest = _dearest(connection, scope, blocks_per_unit)
    after = dict.fromkeys(blocks, 0) | dict(dearest)
    after.update(spent_on(connection, scope, blocks))
    for block in blocks:
        after[block] += cost
    return sum(heapq.nlargest(blocks_per_unit, after.values()))


def _dearest(connection: sa.Connection, scope: str, blocks: int) -> list[tuple[str, int]]:
    """The blocks that have cost most, and what they have cost."""
    return [
        (str(block), int(pico))
        for block, pico in rows(connection, _DEAREST, scope=scope, blocks=blocks)
    ]


def spent_on(connection: sa.Connection, scope: str, blocks: Sequence[str]) -> dict[str, int]:
    """What each of `blocks` has cost so far, in 1e-12 of epsilon; others are left out."""
    if not blocks:
        return {}
    found = connection.execute(_SPENT_ON, {"scope": scope, "blocks": list(blocks)})
    return dict(found.all())


def losses(connection: sa.Connection, scopes: Iterable[str]) -> dict[str, int]:
    """What the dearest block of each of some scopes has cost; others are left out."""
    names = [(scope,) for scope in scopes]
    return {str(scope): int(pico) for scope, pico in rows(connection, _LOSSES, scopes=names)}


def remaining(connection: sa.Connection, budget: Budget, blocks: Sequence[str]) -> dict[str, int]:
    """Largest charge that each of `blocks` could still bear alone, in 1e-12 of epsilon."""
    k = budget.blocks_per_unit
    dearest = _dearest(connection, budget.scope, k)
    spent = spent_on(connection, budget.scope, blocks)
    left = {}
    for block in blocks:  # the charged block counts, with the dearest k - 1 of the others
        others = [pico for name, pico in dearest if name != block][: k - 1]
        left[block] = budget.capacity_pico_epsilon - sum(others) - spent.get(block, 0)
    return left


def admit(connection: sa.Connection, scope: str, blocks: Sequence[str], cost: int) -> None:
    """Refuse a charge that its scope's budget cannot bear; a scope may have none.

    Raises
    ------
    BudgetExhaustedError
        If the loss would exceed the capacity. The message depends on the record alone.
    """
    if not bears(connection, scope, blocks, cost):
        budget = budget_of(connection, scope)
        assert budget is not None  # without one, a scope bears everything
        after = loss(connection, scope, budget.blocks_per_unit, blocks, cost)
        before = loss(connection, scope, budget.blocks_per_unit)
        raise BudgetExhaustedError(
            f"scope {scope}: {len(blocks)} blocks at epsilon {format_epsilon(cost)} would bring "
            f"the privacy loss from {format_epsilon(before)} to {format_epsilon(after)}, beyond "
            f"the capacity {budget.capacity}; nothing was drawn or charged. Ask for a smaller "
            "epsilon, or for what is already recorded, which is free"
        )


def bears(connection: sa.Connection, scope: str, blocks: Sequence[str], cost: int) -> bool:
    """Whether a scope's budget, if it has one, can bear a charge on each of some blocks."""
    budget = budget_of(connection, scope)
    if budget is None or not blocks:
        return True
    after = loss(connection, scope, budget.blocks_per_unit, blocks, cost)
    return after <= budget.capacity_pico_epsilon


class Sums:
    """Charges and budgets added up from entries alone, to be compared with the tables."""

    def __init__(self) -> None:
        self._spent: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._budgets: dict[str, Budget] = {}

    def watch(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Hand the entries on and add them up on the way.

        Raises
        ------
        AuditError
            If a second entry declares a budget of the same scope.
        """
        for entry in entries:
            if entry.kind == "release":
                self._spent[entry.scope, entry.block] += entry.cost_pico_epsilon
            elif entry.scope in self._budgets:
                raise AuditError(
                    f"entry {entry.sequence} of the record declares a second budget for scope "
                    f"{entry.scope}; restore the record from a backup that verifies"
                )
            else:
                self._budgets[entry.scope] = Budget.from_body(entry.body)
            yield entry

    def check(self, connection: sa.Connection) -> None:
        """Compare with the table of sums and with the capacities.

        Raises
        ------
        AuditError
            If a sum was changed, or a scope has cost more than its capacity.
        """
        sums = connection.execute(sa.text("SELECT scope, block, pico_epsilon FROM spent"))
        table = {(scope, block): pico for scope, block, pico in sums}
        for scope, block in sorted(table.keys() | self._spent.keys()):
            found, due = table.get((scope, block)), self._spent.get((scope, block))
            if found != due:
                raise AuditError(
                    f"the record's sum for block {block} of {scope} is {found}, its entries add "
                    f"up to {due}; restore the record from a backup that verifies"
                )
        for scope, budget in self._budgets.items():
            total = loss(connection, scope, budget.blocks_per_unit)
            if total > budget.capacity_pico_epsilon:
                raise AuditError(
                    f"scope {scope} has cost {format_epsilon(total)}, more than its capacity "
                    f"{budget.capacity}: the record was changed around its checks"
                )
