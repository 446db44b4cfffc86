"""What is declared of a private data set, and what its registration keeps for good.

Belongs here: terms in public words, and when two declarations are one. Not here: the ledger.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from synthgrid_assets.errors import PrivacyError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.privacy.budget import Budget, format_epsilon
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.marginals import Marginal
from synthgrid_assets.privacy.strategies import strategy
from synthgrid_assets.privacy.strategies.strategy import Strategy
from synthgrid_assets.privacy.strategies.terms import Loss, Unit

QUERY, MARGINAL_QUERY = "counts_by_block", "counts_by_bin"
QUERY_VERSION = 1  # raised when the same question would mean other counts


@dataclass(frozen=True)
class DataSet:
    """A private data set as a world file declares it.

    Parameters
    ----------
    name : str
        Its name in the ledger: the scope of its budget, whatever world or layer asks.
    snapshot : str
        Label of this state of the data.
    unit_column : str
        Column that names the unit; empty where each row is one.
    unit : Unit
    measure : {"epsilon", "rho"}
    capacity : str, int or float
        What all releases may cost together, whatever the snapshot.
    grid : Grid
        The world's lattice and the blocks to register, if none are registered.
    block, window : int and Cells, or None
        What the world file asks of the grid in so many words.
    """

    name: str
    snapshot: str
    unit_column: str
    unit: Unit
    measure: str
    capacity: str | int | float
    grid: Grid
    block: int | None = None
    window: Cells | None = None

    @property
    def budget(self) -> Budget:
        """The capacity, checked and exact."""
        return Budget(self.name, self.capacity)

    @property
    def registration(self) -> Registration:
        """What its first release puts on record."""
        return Registration(
            name=self.name,
            measure=self.measure,
            capacity_pico=self.budget.capacity_pico_epsilon,
            unit_column=self.unit_column,
            unit=self.unit,
            grid=self.grid,
        )


@dataclass(frozen=True)
class Registration:
    """What the ledger keeps of a data set: declared once, before anything is drawn.

    Parameters
    ----------
    name, measure, unit_column, unit, grid
        As in `DataSet`.
    capacity_pico : int
        The budget in 1e-12 of the measure, rounded down.
    """

    name: str
    measure: str
    capacity_pico: int
    unit_column: str
    unit: Unit
    grid: Grid

    @property
    def body(self) -> str:
        """Canonical JSON, with the keys that the ledger's own audit reads."""
        return canonical_json(
            {
                "budget": self.name,
                "capacity_pico_epsilon": self.capacity_pico,  # of its measure
                "blocks_per_unit": 1,  # each release is a joint one of all blocks
                "measure": self.measure,
                "unit_column": self.unit_column,
                "unit": [self.unit.max_cells, self.unit.max_points_per_cell],
                "grid": self.grid.as_json(),
            }
        )

    @classmethod
    def from_body(cls, body: str) -> Registration:
        """What `body` said."""
        fields: dict[str, Any] = json.loads(body)
        return cls(
            name=fields["budget"],
            measure=fields["measure"],
            capacity_pico=fields["capacity_pico_epsilon"],
            unit_column=fields["unit_column"],
            unit=Unit(*fields["unit"]),
            grid=Grid.from_json(fields["grid"]),
        )

    def check(self, asked: DataSet) -> Cells:
        """Refuse a declaration that is not the registered one.

        Returns
        -------
        Cells
            What the registered blocks cover, in cells of the asking world.

        Raises
        ------
        PrivacyError
            Naming the first term that differs, what is registered, and what to do.
        """
        declared = asked.registration
        cells = self.grid.placed_on(asked.grid.lattice)
        terms: list[tuple[str, object, object]] = [
            ("measure", self.measure, declared.measure),
            (
                f"budget ({self.measure})",
                format_epsilon(self.capacity_pico),
                format_epsilon(declared.capacity_pico),
            ),
            ("unit column", self.unit_column or "event", declared.unit_column or "event"),
            ("max_cells", self.unit.max_cells, declared.unit.max_cells),
            (
                "max_points_per_cell",
                self.unit.max_points_per_cell,
                declared.unit.max_points_per_cell,
            ),
            ("block", self.grid.side, asked.block or self.grid.side),
            ("window", list(cells), list(asked.window or cells)),
        ]
        for term, registered, given in terms:
            if registered != given:
                raise PrivacyError(
                    f"data set {self.name!r} is registered with {term} {registered}, this world "
                    f"file says {given}; it was fixed before the first release and stays: write "
                    "the registered value. Nothing was drawn or charged"
                )
        return cells


@dataclass(frozen=True)
class Ask:
    """A question about a private data set: all counts of its blocks, by one strategy.

    Parameters
    ----------
    data : DataSet
    strategy : str
    loss : Loss
    purpose : str
        Empty for a release. A question for another purpose has noise of its own, at its own
        cost: the release's would agree with what is drawn from it.
    marginal : Marginal, optional
        Counts of a column's values in its place, of the same points.
    """

    data: DataSet
    strategy: str
    loss: Loss
    purpose: str = ""
    marginal: Marginal | None = None

    @classmethod
    def of_marginal(cls, data: DataSet, marginal: Marginal, loss: Loss) -> Ask:
        """A question about a column: its counts by bin, each with noise of its own."""
        return cls(data, "flat", loss, marginal=marginal)

    def on(self, grid: Grid) -> Strategy:
        """The strategy on the grid that is registered."""
        return strategy_of(self.strategy, grid, self.loss, self.data.unit, self.marginal)

    @property
    def about(self) -> str:
        """What is counted, for a person."""
        return "blocks" if self.marginal is None else repr(self.marginal.column)

    def body(self, grid: Grid) -> str:
        """Canonical JSON of its public fields; its SHA-256 is the key in the ledger.

        No world, layer, seed, extent or tile is part of it.
        """
        return _body(self, grid)


@lru_cache(maxsize=1024)
def _body(ask: Ask, grid: Grid) -> str:
    return canonical_json(
        {
            "data_set": ask.data.name,
            "snapshot": ask.data.snapshot,
            "query": QUERY if ask.marginal is None else MARGINAL_QUERY,
            "query_version": QUERY_VERSION,
            "unit_column": ask.data.unit_column,
            "grid": grid.as_json(),
            **({"purpose": ask.purpose} if ask.purpose else {}),
            **({"marginal": ask.marginal.as_json()} if ask.marginal else {}),
            **ask.on(grid).public,
        }
    )


def strategy_of(
    name: str, grid: Grid, loss: Loss, unit: Unit, marginal: Marginal | None = None
) -> Strategy:
    """What is measured: counts of the grid's blocks, or of a marginal's bins.

    All points of a unit may lie in one bin, so a marginal's sensitivities are those of a grid of
    which a unit touches one cell.
    """
    if marginal is None:
        return strategy(name, grid.shape, loss, unit)
    return strategy(name, (1, marginal.bins), loss, Unit(1, unit.points))


def follows(terms: dict[str, Any], from_fields: dict[str, Any]) -> bool:
    """Whether a question is answered by a recorded one, both as `Ask.body` tells them.

    It is where they differ in that less loss is asked for, or bins that sums of the recorded
    ones are.
    """
    asked, recorded = dict(terms), dict(from_fields)
    if "marginal" in asked and "marginal" in recorded:
        asked.pop("shape"), recorded.pop("shape")
        one = Marginal.from_json(asked.pop("marginal"))
        if one.taken_from(Marginal.from_json(recorded.pop("marginal"))) is None:
            return False
    losses = [Loss(fields.pop("measure"), fields.pop("amount")) for fields in (asked, recorded)]
    same = asked == recorded and losses[0].measure == losses[1].measure
    return same and losses[1].exact >= losses[0].exact
