"""Making tiles of one layer: what is committed is kept, the rest goes through the engine.

Belongs here: the plan of a step, and receipts on their way into the journal. Not here:
what a tile holds (`tile`), Dagster's events (`assets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.task import Done, Outcome, Task
from synthgrid_assets.products.tile import make_tile
from synthgrid_assets.products.twins import baseline_of, has_twins
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.storage.commit import sweep_partials
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.world.tiling import Tile

PRELOAD = ("synthgrid_assets.products.tile",)


@dataclass(frozen=True)
class TileMade:
    """A committed tile of some products.

    Parameters
    ----------
    tile : str
        The tile's key.
    receipts : tuple of Receipt
        One per product.
    kept : bool
        Whether it had been committed before.
    """

    tile: str
    receipts: tuple[Receipt, ...]
    kept: bool


@dataclass(frozen=True)
class TileFailed:
    """A tile that could not be made; nothing of it is committed.

    Parameters
    ----------
    tile : str
    error : Exception
    attempts : int
    """

    tile: str
    error: Exception
    attempts: int


def make_tiles(
    session: EngineSession,
    journal: Journal,
    workshop: Workshop,
    nouns: tuple[str, ...],
    tiles: Iterable[Tile],
    *,
    force: bool = False,
) -> Iterator[TileMade | TileFailed]:
    """Make some products of a layer on tiles, each as it is committed.

    Parameters
    ----------
    session : EngineSession
    journal : Journal
    workshop : Workshop
    nouns : tuple of str
        Products of one family.
    tiles : iterable of Tile
    force : bool
        Make committed tiles again.

    Yields
    ------
    TileMade or TileFailed
        Tiles that were committed before come first, at no cost.
    """
    missing: list[Tile] = []
    for tile in tiles:
        receipts = None if force else _committed(journal, workshop, nouns, tile)
        if receipts is None:
            missing.append(tile)
        else:
            yield TileMade(tile.key, receipts, kept=True)
    if not missing:
        return  # before the session starts any worker
    if "points" in nouns and not all(has_twins(workshop, tile.cells) for tile in missing):
        baseline_of(workshop.job)  # once, not in every worker
    for noun in nouns:  # what killed writers left; live ones are not disturbed
        sweep_partials(workshop.layout.folder(workshop.dataset(noun)))
    tasks = (
        Task(tile.key, make_tile, (workshop.job, nouns, tile.key)) for tile in _rim_first(missing)
    )
    for group in session.map_groups(tasks):
        yield from _record(journal, group)


def _rim_first(tiles: list[Tile]) -> list[Tile]:
    """Tiles at the region's rim before those inside: what borders on other runs is there first.

    No tile waits for another, so the order decides only who can read what sooner.
    """
    rows, columns = ({tile.row for tile in tiles}, {tile.column for tile in tiles})
    edges = {min(rows), max(rows)}, {min(columns), max(columns)}
    return sorted(tiles, key=lambda tile: tile.row not in edges[0] and tile.column not in edges[1])


def _committed(
    journal: Journal, workshop: Workshop, nouns: tuple[str, ...], tile: Tile
) -> tuple[Receipt, ...] | None:
    """The tile's receipts if each of the products is committed."""
    receipts = []
    for noun in nouns:
        receipt = journal.find(workshop.dataset(noun), tile.cells)
        if receipt is None or not journal.has_file(receipt):
            return None
        receipts.append(receipt)
    return tuple(receipts)


def _record(journal: Journal, group: list[Outcome]) -> list[TileMade | TileFailed]:
    """Commit a group of outcomes in one transaction; only then are they reported."""
    journal.record(
        receipt for outcome in group if isinstance(outcome, Done) for receipt in outcome.result
    )
    return [
        TileMade(outcome.key, outcome.result, kept=False)
        if isinstance(outcome, Done)
        else TileFailed(outcome.key, outcome.error, outcome.attempts)
        for outcome in group
    ]
