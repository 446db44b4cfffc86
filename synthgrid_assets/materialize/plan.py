"""The tasks of one step over a region, which grow as full tiles are split into work units.

Belongs here: which task follows from which outcome, in the orchestrating process. Not here:
what the tasks do (`tile`, `work_units`), how they run (`engine`), the journal (`run`).

A tile is one task. If it turns out to be full, that task returns its units instead of
receipts; each becomes a task, and when the last one is home each product of the tile is
merged and committed by a task of its own. Nobody waits inside a worker, so nothing can
deadlock, and this process holds rectangles and receipts, never rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from synthgrid_assets.engine.task import Done, Failed, Outcome, Task
from synthgrid_assets.errors import EngineError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.tile_order import Selection
from synthgrid_assets.materialize.work_units import (
    BYTES_A_POINT,
    Split,
    make_or_split,
    make_unit,
    merge_tile,
    part_path,
)
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product
from synthgrid_assets.storage.receipt import Receipt

# what is begun is finished before more is begun, so few parts are on disk at any time
_TILE, _UNIT, _MERGE = 0.0, 1.0, 2.0


@dataclass
class _FullTile:
    """A tile whose units are being made or merged."""

    tile: Tile
    units: tuple[Cells, ...]
    waiting: set[str] = field(default_factory=set)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    seconds: float = 0.0  # that workers spent in its units
    merging: bool = False
    failed: bool = False


class Plan:
    """The tasks of some products over some tiles: an iterator that outcomes make longer.

    Parameters
    ----------
    context : LayerContext
    products : tuple of Product
        Of one step.
    tiles : iterable of Tile
        The tiles to make, in this order.
    region : Selection
        The tiles that were asked for.
    folder : Path or None
        Where units leave their parts; None for products whose tiles are never split.
    memory_cap : int or None
        Bytes that a worker may hold; with a cap, the memory of each tile is predicted.
    renew : bool
        Make units again that an earlier run has left.
    """

    def __init__(
        self,
        context: LayerContext,
        products: tuple[Product, ...],
        tiles: Iterable[Tile],
        region: Selection,
        folder: Path | None,
        *,
        memory_cap: int | None = None,
        renew: bool = False,
    ) -> None:
        self._context, self._products, self._region = context, products, region
        self._folder, self._renew = folder or Path(), renew
        self._is_predicted = memory_cap is not None and folder is not None
        self._tiles = iter(tiles)
        self._next: deque[Task] = deque()
        self._of_task: dict[str, _FullTile] = {}
        self._merged: dict[str, tuple[Cells, ...]] = {}

    def __iter__(self) -> Iterator[Task]:
        return self

    @property
    def step(self) -> str:
        """What is made, for whoever watches the engine."""
        names = "+".join(product.name for product in self._products)
        return f"{self._context.spec.world.name}/{self._context.layer}/{names}"

    def __next__(self) -> Task:
        """The next task; StopIteration when there is none until an outcome comes home."""
        while self._next:
            task = self._next.popleft()
            if not self._of_task[task.key].failed:
                return task
            del self._of_task[task.key]
        tile = next(self._tiles)
        arguments = (self._context.job, self._products, tile.key)
        return Task(tile.key, make_or_split, arguments, _TILE, self._predicted_bytes(tile))

    def _predicted_bytes(self, tile: Tile) -> int:
        if not self._is_predicted:
            return 0  # unknown
        return round(BYTES_A_POINT * self._context.sampler.expected_count(tile.cells))

    def settle(self, outcome: Outcome) -> Outcome | None:
        """Take an outcome; that of a whole tile when the tile is finished by it."""
        full = self._of_task.pop(outcome.key, None)
        if full is None:
            if isinstance(outcome, Done) and isinstance(outcome.result, Split):
                self._open(outcome.key, outcome.result)
                return None
            return outcome
        if full.failed:
            return None
        if isinstance(outcome, Failed):
            full.failed = True
            return Failed(full.tile.key, _named(outcome, full.tile), outcome.attempts)
        full.waiting.remove(outcome.key)
        if full.merging:
            full.receipts |= {receipt.asset: receipt for receipt in outcome.result}
        else:
            full.seconds += outcome.seconds
        if full.waiting:
            return None
        if not full.merging:
            self._merge(full)
            return None
        self._merged[full.tile.key] = full.units
        return replace(outcome, key=full.tile.key, result=self._receipts(full))

    def committed(self, tiles: Iterable[str]) -> None:
        """Remove the units of tiles, by key, that stand in the journal now."""
        for tile in tiles:
            for unit in self._merged.pop(tile, ()):
                part_path(self._folder, unit).unlink(missing_ok=True)

    def _open(self, key: str, split: Split) -> None:
        """Queue the units of a full tile that are not there yet."""
        tile = self._context.spec.world.tiling.from_key(key)
        full = _FullTile(tile, split.units)
        for unit in self._region.units_rim_first(tile, split.units):
            if self._renew or not part_path(self._folder, unit).exists():
                arguments = (self._context.job, unit, str(self._folder))
                named = f"{key} unit {','.join(map(str, unit))}"
                self._add(full, Task(named, make_unit, arguments, _UNIT))
        if not full.waiting:
            self._merge(full)

    def _merge(self, full: _FullTile) -> None:
        """Queue the merging of a tile's products, one task each, before anything else."""
        full.merging = True
        job, folder = self._context.job, str(self._folder)
        for product in reversed(self._products):
            arguments = (job, (product,), full.tile.key, full.units, folder)
            task = Task(f"{full.tile.key} {product.name}", merge_tile, arguments, _MERGE)
            self._add(full, task, first=True)

    def _add(self, full: _FullTile, task: Task, *, first: bool = False) -> None:
        full.waiting.add(task.key)
        self._of_task[task.key] = full
        if first:
            self._next.appendleft(task)
        else:
            self._next.append(task)

    def _receipts(self, full: _FullTile) -> tuple[Receipt, ...]:
        """In the products' order; the first one also accounts for the units, as if in one task."""
        first, *others = (full.receipts[product.name] for product in self._products)
        seconds = (("units", full.seconds), *first.seconds)
        return (replace(first, seconds=seconds), *others)


def _named(failed: Failed, tile: Tile) -> EngineError:
    """A failure that says which unit or product of the tile it was."""
    which = failed.key.removeprefix(tile.key).strip()
    error = EngineError(f"{which}: {type(failed.error).__name__}: {failed.error}")
    error.__cause__ = failed.error
    return error
