"""Making tiles of one layer: what is committed is kept, the rest goes through the engine.

Belongs here: the course of a step, and receipts on their way into the journal. Not here:
its tasks (`plan`), what a tile holds (`tile`), Dagster's events (`dagster`).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.task import Done, Outcome
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.compiling import FIRST_START, kernels_are_compiled
from synthgrid_assets.materialize.custody import Custody, Record
from synthgrid_assets.materialize.foreign_files import set_aside_foreign, writing_tiles
from synthgrid_assets.materialize.plan import Plan
from synthgrid_assets.materialize.tile_order import Selection
from synthgrid_assets.materialize.tile_state import receipts_of
from synthgrid_assets.materialize.work_units import are_split, units_version
from synthgrid_assets.products.layer_context import LayerContext, LayerJob
from synthgrid_assets.products.product import Product
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt, TileFile
from synthgrid_assets.storage.scratch import claimed, discard, sweep_leftovers


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
    context: LayerContext,
    products: tuple[Product, ...],
    tiles: Iterable[Tile],
    *,
    force: bool = False,
    tell: Callable[[str], object] = str,
) -> Iterator[TileMade | TileFailed]:
    """Make some products of a layer on tiles, each as it is committed.

    Parameters
    ----------
    session : EngineSession
    journal : Journal
    context : LayerContext
    products : tuple of Product
        Of one step.
    tiles : iterable of Tile
    force : bool
        Make sound tiles again as well.
    tell : callable
        Told what is done before the first tile can be made, where that may take long.

    Yields
    ------
    TileMade or TileFailed
        Tiles that were committed before, are whole and pass their tests come first, at no
        cost; then those at the region's rim, then those inside.
    """
    chosen = list(tiles)
    tidy_up(journal, context, products)
    kept = set()
    for made in () if force else kept_tiles(journal, context, products, chosen):
        kept.add(made.tile)
        yield made
    missing, failed = [tile for tile in chosen if tile.key not in kept], False
    if missing:  # otherwise the session need not start any worker
        if not kernels_are_compiled("tessellation" if are_split(products) else "lattice"):
            tell(FIRST_START)
        for product in products:
            if what := product.to_prepare(context, missing):
                tell(what)
                session.call(_prepare, context.job, product, missing, start=True)
        for outcome in make_missing(
            session, journal, context, products, missing, Selection(chosen), renew=force
        ):
            failed = failed or isinstance(outcome, TileFailed)
            yield outcome
    # units left now serve no tile of this run, and nobody if it was the whole world
    finished = not failed and (missing or len(chosen) == len(context.spec.world.tiling))
    if finished and are_split(products):
        discard(context.layout.all_units(context.spec.world.name, context.layer))


def _prepare(job: LayerJob, product: Product, tiles: list[Tile]) -> None:
    product.prepare(job.open(), tiles)


def tidy_up(journal: Journal, context: LayerContext, products: tuple[Product, ...]) -> None:
    """Remove what killed writers left, set aside what is nobody's, mend what tiles share."""
    sweep_leftovers(context.layout, context.spec.world.name, context.layer)
    for product in products:
        context.layout.store.sweep(context.layout.folder(context.dataset(product.name)))
        set_aside_foreign(journal, context, product)
        product.mend(context)


def make_missing(
    session: EngineSession,
    journal: Journal,
    context: LayerContext,
    products: tuple[Product, ...],
    missing: list[Tile],
    region: Selection,
    *,
    renew: bool = False,
    record: Record | None = None,
) -> Iterator[TileMade | TileFailed]:
    """Make tiles whatever is committed of them; those at the rim of a region first.

    Parameters
    ----------
    session, journal, context, products
        As for `make_tiles`.
    missing : list of Tile
    region : Selection
        What they are part of.
    renew : bool
        Make work units again that an earlier run has left.
    record : callable, optional
        Makes the receipts of a group durable, all or none; by default the journal does.
    """
    folder, cap = _units_folder(context, products), session.settings.memory_cap
    tiles = region.rim_first(missing)
    plan = Plan(context, products, tiles, region, folder, memory_cap=cap, renew=renew)
    with contextlib.ExitStack() as claims:
        claims.enter_context(writing_tiles(context, products))
        if folder:
            claims.enter_context(claimed(folder))
        custody = Custody(session, journal, context, products, len(missing), record)
        yield from _work(session, custody, plan)
        custody.commit([])  # what the engine has decided since the last group


def _work(session: EngineSession, custody: Custody, plan: Plan) -> Iterator[TileMade | TileFailed]:
    """Whole tiles, each once its receipts stand in the journal."""
    for group in session.map_groups(plan, step=plan.step):
        settled = [whole for outcome in group if (whole := plan.settle(outcome))]
        recorded = _record(custody, settled)
        plan.committed(outcome.key for outcome in settled)
        yield from recorded


def _units_folder(context: LayerContext, products: tuple[Product, ...]) -> Path | None:
    """Where work units of full tiles lie while their tile is made; None if it has none."""
    if not are_split(products):
        return None
    world, version = context.spec.world.name, units_version(context)
    return context.layout.units(world, context.layer, version)


def kept_tiles(
    journal: Journal, context: LayerContext, products: tuple[Product, ...], tiles: list[Tile]
) -> Iterator[TileMade]:
    """The tiles all of whose products are committed, whole and pass their tests."""
    names = [product.name for product in products]
    passed = (
        (tile, receipt)
        for tile, recorded in receipts_of(journal, context, names, tiles)
        if all(r is not None and r.passed for r in recorded)
        for receipt in recorded
        if receipt is not None
    )
    looked = journal.looked_at(passed, lambda one: TileFile.of(one[1]))
    for tile, group in itertools.groupby(looked, lambda found: found[0][0]):
        found = list(group)
        if not any(problem for _, problem in found):
            yield TileMade(tile.key, tuple(receipt for (_, receipt), _ in found), kept=True)


def _record(custody: Custody, group: list[Outcome]) -> list[TileMade | TileFailed]:
    """Commit a group of outcomes in one transaction; only then are they reported."""
    custody.commit(group)
    return [
        TileMade(outcome.key, outcome.result, kept=False)
        if isinstance(outcome, Done)
        else TileFailed(outcome.key, outcome.error, outcome.attempts)
        for outcome in group
    ]
