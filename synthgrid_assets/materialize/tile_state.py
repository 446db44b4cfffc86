"""The states that tiles of products are in, and which tiles a run over a region shall make.

Belongs here: the five states and the choice of tiles by them. Not here: making tiles (`run`), what
a run is doing just now (`services.viewer`), counts by asset (`reports.status`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import islice

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt, TileFile


class TileState(StrEnum):
    """The state of one tile of one product; each value is its letter on a map."""

    MISSING = "M"
    STALE = "S"  # made from an earlier version of the world file or its inputs, not from this one
    FRESH = "F"
    SUSPICIOUS = "Q"
    RED = "X"  # a test fails, or the file is not what was recorded


MISSING_OR_FAILED, ONLY_STALE = "missing-or-failed", "stale"
_BATCH = 512  # tiles whose records are in memory together
CHOICES = {
    MISSING_OR_FAILED: frozenset({TileState.MISSING, TileState.RED}),
    ONLY_STALE: frozenset({TileState.STALE}),
}
_KEPT = frozenset({TileState.FRESH, TileState.SUSPICIOUS})


def check_choice(only: str | None) -> str | None:
    """The choice itself, which may be None: all tiles of the region.

    Raises
    ------
    SpecError
        If there is no such choice.
    """
    if only is not None and only not in CHOICES:
        raise SpecError(f"only {only!r}: expected one of {list(CHOICES)}")
    return only


def receipt_state(passed: bool, suspicious: bool, damaged: bool) -> TileState:
    """The state of a tile that is committed as it is declared now.

    Examples
    --------
    >>> receipt_state(passed=True, suspicious=True, damaged=False).name
    'SUSPICIOUS'
    """
    if damaged or not passed:
        return TileState.RED
    return TileState.SUSPICIOUS if suspicious else TileState.FRESH


def is_suspicious(receipt: Receipt) -> bool:
    """Whether a test of the tile calls it worth a look."""
    return any(verdict.suspicious for verdict in receipt.verdicts)


def tile_states(
    journal: Journal, context: LayerContext, name: str, tiles: Iterable[Tile]
) -> dict[Cells, TileState]:
    """The state of some tiles of a product, by their cells.

    Parameters
    ----------
    journal : Journal
    context : LayerContext
    name : str
        The product's.
    tiles : iterable of Tile
    """
    chosen, earlier = list(tiles), journal.superseded_cells(context.dataset(name))
    states = {
        tile.cells: TileState.STALE if tile.cells in earlier else TileState.MISSING
        for tile in chosen
    }
    recorded = (
        (tile.cells, receipt)
        for tile, (receipt,) in receipts_of(journal, context, (name,), chosen)
        if receipt is not None
    )
    looked = journal.looked_at(recorded, lambda one: TileFile.of(one[1]))
    for (cells, receipt), problem in looked:
        states[cells] = receipt_state(receipt.passed, is_suspicious(receipt), bool(problem))
    return states


def receipts_of(
    journal: Journal, context: LayerContext, names: Sequence[str], tiles: Iterable[Tile]
) -> Iterator[tuple[Tile, tuple[Receipt | None, ...]]]:
    """Tiles, in their order, with their record of each product or None; few held at a time."""
    rest = iter(tiles)
    while batch := list(islice(rest, _BATCH)):
        cells = [tile.cells for tile in batch]
        found = [journal.find_all(context.dataset(name), cells) for name in names]
        for tile in batch:
            yield tile, tuple(of.get(tile.cells) for of in found)


def chosen_tiles(
    journal: Journal,
    context: LayerContext,
    products: Iterable[Product],
    tiles: Iterable[Tile],
    only: str | None,
    told_otherwise: Container[str] = (),
) -> list[Tile]:
    """Those tiles of a region whose state a run is asked for, for any of its products.

    Parameters
    ----------
    journal : Journal
    context : LayerContext
    products : iterable of Product
        Of one step.
    tiles : iterable of Tile
        The region.
    only : str or None
        One of `CHOICES`; None takes all tiles.
    told_otherwise : container of str
        Keys of tiles that Dagster knows in another version than the declared one. A run over
        stale tiles takes those that it would keep as well, so that they are told again.
    """
    chosen = list(tiles)
    if check_choice(only) is None:
        return chosen
    wanted = CHOICES[str(only)]
    states = [tile_states(journal, context, product.name, chosen) for product in products]

    def is_wanted(tile: Tile) -> bool:
        found = {of[tile.cells] for of in states}
        told_again = only == ONLY_STALE and found <= _KEPT and tile.key in told_otherwise
        return told_again or bool(found & wanted)

    return [tile for tile in chosen if is_wanted(tile)]
