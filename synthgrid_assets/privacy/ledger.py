"""The ledger: budgets of a data root's releases, declared, previewed and audited.

Belongs here: what people ask about budgets. Not here: the accounting (`budget`) and the
draws, which charge these budgets in their own transaction (`release_record`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from synthgrid_assets.privacy import budget as accounting
from synthgrid_assets.privacy.budget import Budget
from synthgrid_assets.privacy.release_record import ReleaseRecord, ReleaseRequest
from synthgrid_assets.records.hash_chain import Anchor, Chain, find


@dataclass(frozen=True)
class Preview:
    """What a release would cost, known without looking at any data.

    Attributes
    ----------
    drawn : int
        Blocks that would be drawn; the others are recorded and free.
    cost_pico_epsilon : int
        Charge of each drawn block.
    loss_before, loss_after : int
        Privacy loss of the scope, in 1e-12 of epsilon.
    capacity_pico_epsilon : int or None
        The scope's capacity; None where no budget was declared.
    refused_by : tuple of str
        Further scopes, of layers that the answer counts, whose budgets cannot bear it.
    """

    drawn: int
    cost_pico_epsilon: int
    loss_before: int
    loss_after: int
    capacity_pico_epsilon: int | None
    refused_by: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the release would be made."""
        capacity = self.capacity_pico_epsilon
        within = capacity is None or self.loss_after <= capacity
        return self.drawn == 0 or (within and not self.refused_by)


class Ledger:
    """The budgets in one record of releases.

    Every release of a scope with a declared budget is charged in the transaction that draws
    it, so the capacity is never exceeded, whatever is killed and whoever races.

    Parameters
    ----------
    path : Path
        The record's file, the same as `ReleaseRecord`'s.

    Examples
    --------
    >>> import tempfile
    >>> from synthgrid_assets.privacy.blocks import Block
    >>> request = ReleaseRequest("riverton", "cafes", "5f3a", (Block(0, 0),), epsilon=1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ledger = Ledger(Path(folder) / "releases.sqlite")
    ...     ledger.declare(Budget("riverton/cafes", "2.5"))
    ...     preview = ledger.preview(request)
    >>> preview.allowed, preview.loss_after
    (True, 1000000000000)
    """

    def __init__(self, path: Path | str) -> None:
        self._chain = Chain(path)
        self._record = ReleaseRecord(path)

    def declare(self, budget: Budget) -> None:
        """Put a budget on record; the same declaration again changes nothing.

        Raises
        ------
        PrivacyError
            If the scope has another budget, or has already cost more than this one allows.
        """
        with self._chain.writing() as connection:
            accounting.declare(connection, budget)

    def preview(self, request: ReleaseRequest) -> Preview:
        """What a release would cost now; draws, charges and counts nothing.

        Raises
        ------
        StorageError
            If there is no record yet: declare a budget first.
        """
        scope, cost = request.scope, request.law.cost_pico_epsilon
        with self._chain.reading() as connection:
            blocks = request.missing_from(find(connection, request.keys))
            budget = accounting.budget_of(connection, scope)
            k = budget.blocks_per_unit if budget else 1
            charged = [request.blocks[at].name for at in blocks]
            return Preview(
                drawn=len(blocks),
                cost_pico_epsilon=cost,
                loss_before=accounting.loss(connection, scope, k),
                loss_after=accounting.loss(connection, scope, k, charged, cost),
                capacity_pico_epsilon=budget.capacity_pico_epsilon if budget else None,
                refused_by=tuple(
                    other
                    for other in request.scopes[1:]
                    if not accounting.bears(connection, other, charged, cost)
                ),
            )

    def remaining(self, request: ReleaseRequest) -> dict[str, int]:
        """Largest charge that each block of a request could still bear alone, by its name.

        Returns
        -------
        dict of str to int
            In 1e-12 of epsilon; empty for a scope without a budget.
        """
        scope = request.scope
        with self._chain.reading() as connection:
            budget = accounting.budget_of(connection, scope)
            if budget is None:
                return {}
            names = [block.name for block in request.blocks]
            return accounting.remaining(connection, budget, names)

    def verify(self, anchors: Iterable[Anchor] = ()) -> Anchor:
        """Walk the chain and add up every charge again; see `ReleaseRecord.verify`."""
        return self._record.verify(anchors)
