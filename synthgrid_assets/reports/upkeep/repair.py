"""Repair: exactly what is damaged is made again, and a journal that is lost anew.

Belongs here: which tiles of which products, and what is written again after them. Not here:
finding faults (`reports.files`), making tiles (`materialize`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.materialize.foreign_files import set_aside, set_aside_foreign
from synthgrid_assets.materialize.run import TileFailed, make_tiles
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layers
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.region_tests.committed_tiles import recorded_tiles
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.products.tile_tests.replicates import baseline_key, write_baseline
from synthgrid_assets.reports.files import (
    FOREIGN,
    MANIFESTS,
    MOMENTS,
    FileFault,
    expected_reports,
    file_faults,
    input_faults,
    report_faults,
)
from synthgrid_assets.reports.indexes import index_rows
from synthgrid_assets.reports.status import status_faults
from synthgrid_assets.reports.test_results import write_moments
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.journal_rescue import rescue_journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import damaged_input, make_input, require_made
from synthgrid_assets.world.spec import WorldSpec


@dataclass
class Repaired:
    """What a repair did.

    Attributes
    ----------
    faults : list of FileFault
        What was found.
    journal : Path or None
        Where the old journal lies, if it could not be used.
    made : int
        Tiles of products that were made again.
    failed : list of str
        Tiles that could not be made, and why.
    left : list of FileFault
        What is not as it should be afterwards.
    """

    faults: list[FileFault] = field(default_factory=list)
    journal: Path | None = None
    made: int = 0
    failed: list[str] = field(default_factory=list)
    left: list[FileFault] = field(default_factory=list)

    @property
    def mended(self) -> list[FileFault]:
        """The faults that were found and are no more."""
        left = {(fault.layer, fault.asset, fault.file) for fault in self.left}
        return [f for f in self.faults if (f.layer, f.asset, f.file) not in left]


def find_faults(spec: WorldSpec, root: Path) -> Iterator[FileFault]:
    """Read every file of a world and tell what is missing, damaged or foreign."""
    yield from input_faults(spec, root)
    for context in open_layers(spec, root):
        with Journal(context.layout) as journal:
            for product in products_of(context.table):
                yield from file_faults(journal, context, product, read_all=True)
        yield from report_faults(context)


def repair_world(spec: WorldSpec, root: Path, session: EngineSession) -> Repaired:
    """Mend the data root of a world; no run may be going on there.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
    session : EngineSession
        Makes the tiles.

    Raises
    ------
    StorageError
        If an input that a damaged tile needs has not been made, or files cannot be moved.
    """
    layout = Layout(root)
    done = Repaired(journal=rescue_journal(layout))
    layout.store.sweep()
    _repair_inputs(spec, layout, done)
    for context in open_layers(spec, root):
        before = len(done.faults), done.made
        with Journal(context.layout) as journal:
            _repair_layer(journal, context, session, done)
        broken = list(report_faults(context))
        done.faults += broken
        for fault in broken:
            is_foreign = fault.kind == FOREIGN
            if is_foreign or fault.file in context.layout.store.folders(fault.file):
                set_aside(context, fault.asset, fault.file)
        if any(fault.file == baseline_key(context) for fault in broken):
            write_baseline(context)
        if before != (len(done.faults), done.made) or done.journal:
            _write_reports(context)
    if done.faults:  # files that were not written since need no reading again
        done.left = status_faults(spec, root)
    return done


def _repair_inputs(spec: WorldSpec, layout: Layout, done: Repaired) -> None:
    """Make damaged inputs again: tiles that are made again read them."""
    done.faults += input_faults(spec, layout.root)
    for name in spec.made_inputs:
        if damaged_input(spec, name, layout) is not None:
            make_input(spec, name, layout)


def _repair_layer(
    journal: Journal, context: LayerContext, session: EngineSession, done: Repaired
) -> None:
    for _, group in groupby(products_of(context.table), key=lambda product: product.step):
        damaged: dict[str, list[Product]] = defaultdict(list)  # products of a step, by tile
        for product in group:
            faults = list(file_faults(journal, context, product, read_all=True))
            done.faults += faults
            tiles = {fault.tile for fault in faults if fault.tile}
            for tile in sorted(tiles | _unrecorded(journal, context, product)):
                damaged[tile].append(product)
            set_aside_foreign(journal, context, product)
            if _is_there(context, product) and product.faults(context):
                product.mend(context)
        for products in dict.fromkeys(tuple(products) for products in damaged.values()):
            of_these = [tile for tile, damage in damaged.items() if tuple(damage) == products]
            _make(journal, context, products, of_these, session, done)


def _make(
    journal: Journal,
    context: LayerContext,
    products: tuple[Product, ...],
    keys: Iterable[str],
    session: EngineSession,
    done: Repaired,
) -> None:
    require_made(dict(context.job.inputs), context.spec.world.name)
    tiles = [context.spec.world.tiling.from_key(key) for key in keys]
    for outcome in make_tiles(session, journal, context, products, tiles):
        if isinstance(outcome, TileFailed):
            done.failed.append(f"{context.layer} {outcome.tile}: {outcome.error}")
        else:
            done.made += not outcome.kept


def _unrecorded(journal: Journal, context: LayerContext, product: Product) -> set[str]:
    """Tiles whose file is there and stands in no record, as after the loss of a journal."""
    recorded = {receipt.tile for receipt in recorded_tiles(journal, context, product.name)}
    present = set(_files(context, product))
    return {
        tile.key
        for tile in context.spec.world.tiling
        if tile.key not in recorded and product.file(context, tile) in present
    }


def _files(context: LayerContext, product: Product) -> Iterable[str]:
    """Keys of all files in a product's folder."""
    folder = context.layout.folder(context.dataset(product.name))
    return context.layout.store.list(folder + "/")


def _is_there(context: LayerContext, product: Product) -> bool:
    return any(True for _ in _files(context, product))


def _write_reports(context: LayerContext) -> None:
    """Write manifests and the table of tests again, where there are some or should be."""
    if expected_reports(context, MANIFESTS):
        index_rows(context)
    if expected_reports(context, MOMENTS):
        write_moments(context)
