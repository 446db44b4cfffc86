"""The files of a world against what was recorded of them: each fault is named.

Belongs here: faults of assets' files. Not here: mending them (`upkeep`), a record's own
file (`storage.journal`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from synthgrid_assets.errors import StorageError
from synthgrid_assets.materialize.foreign_entries import foreign_entries
from synthgrid_assets.materialize.foreign_files import Strays, is_of_product, stray_files
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.region_tests.committed_tiles import CommittedRecords, recorded_tiles
from synthgrid_assets.products.tile_tests.replicates import baseline_key
from synthgrid_assets.storage.formats.seal import is_unbroken_file
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.written_reports import marked_reports
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.inputs import asset_path, damaged_input, find_input
from synthgrid_assets.world.spec import WorldSpec

REPAIR = "`synthgrid storage repair"
FAULT, FOREIGN, INTERRUPTED = "fault", "foreign", "interrupted"
# files that are named of an asset: of interrupted runs, and others at fault
MOST_NAMED = {INTERRUPTED: 5, FOREIGN: 20, FAULT: 20}
MORE = {INTERRUPTED: "files of interrupted runs", FOREIGN: "foreign files", FAULT: "files at fault"}
FILES_TEST = "files_are_whole"
FILES_CLAIM = "Every recorded file holds the recorded bytes; no other file lies there."
MANIFESTS = "tile_index"
MOMENTS, BASELINE = "moments", "baseline"
REPORTS = (MANIFESTS, MOMENTS, BASELINE)  # what a layer has beside its tiles
REPORT_CLAIM = "The file is there and holds the bytes that were written, by the seal inside it."


@dataclass(frozen=True)
class FileFault:
    """A file that is missing, damaged or foreign.

    Parameters
    ----------
    layer, asset : str
    tile : str
        Key of the tile; empty for a file of no tile.
    file : str
        Its key in the store.
    problem : str
        What was found, where, and what to do.
    kind : {"fault", "foreign", "interrupted"}
        Foreign: what nobody's program wrote, beside a layer's assets or among their files.
        Interrupted: what a run left that was ended before it recorded the file.
    """

    layer: str
    asset: str
    tile: str
    file: str
    problem: str
    kind: str = FAULT


def told_faults(faults: Iterable[FileFault]) -> Iterator[str]:
    """A line on each of an asset's first faults of a kind, and one on how many more there are."""
    found: Counter[tuple[str, str, str]] = Counter()
    for fault in faults:
        of = fault.layer, fault.asset, fault.kind
        found[of] += 1
        if found[of] <= MOST_NAMED[fault.kind]:
            yield f"{fault.layer}/{fault.asset}: {fault.problem}"
    for (layer, name, kind), number in found.items():
        if (more := number - MOST_NAMED[kind]) > 0:
            yield f"{layer}/{name}: and {more:,} more {MORE[kind]}"


def file_faults(
    journal: Journal, context: LayerContext, product: Product, *, read_all: bool = False
) -> Iterator[FileFault]:
    """Faults of a product's files in the world as it is declared now.

    Parameters
    ----------
    journal : Journal
    context : LayerContext
    product : Product
    read_all : bool
        Read and hash every file; otherwise those that somebody has written to since they
        were read.
    """
    if read_all:
        for _ in journal.verify(recorded_tiles(journal, context, product.name)):
            pass  # what was found is remembered
    records = CommittedRecords(journal, context, product.name).look()
    yield from faults_of(journal, context, product, records)


def faults_of(
    journal: Journal, context: LayerContext, product: Product, records: CommittedRecords
) -> Iterator[FileFault]:
    """The same, of records that have been read."""
    name, strays = product.name, stray_files(journal, context, product)
    for file, problem in records.damaged:
        if file.file in strays.folders:
            continue  # it is told as what it is
        yield FileFault(context.layer, name, file.tile, file.file, problem)
    if records.recorded:
        for needed, problem in product.faults(context):
            yield FileFault(context.layer, name, "", needed, problem)
    yield from _stray_faults(journal, context, product, strays)


def _stray_faults(
    journal: Journal, context: LayerContext, product: Product, strays: Strays
) -> Iterator[FileFault]:
    """Files that no record names: one fault each, or one in all where nothing is recorded."""
    layer, name, store = context.layer, product.name, context.layout.store
    repair = f"{REPAIR} {context.spec.world.name}`"
    for key, tile in strays.folders.items():
        problem = (
            f"{store.address(key)} is a folder where a file of {layer}/{name} belongs; move it "
            f"away, or run the asset again or {repair}, which set it aside"
        )
        yield FileFault(layer, name, tile, key, problem)
    if strays.unrecorded and not journal.count(context.dataset(name)):
        folder = context.layout.folder(context.dataset(name))
        problem = (
            f"{len(strays.unrecorded)} files in {store.address(folder)} stand in no record: the "
            f"journal was lost, or the run that wrote them was ended; {repair} makes "
            "them again"
        )
        yield FileFault(layer, name, "", folder, problem)
    else:
        for key, tile in strays.unrecorded.items():
            if is_of_product(context, product, key):
                problem = (
                    f"{store.address(key)} was written by a run that was interrupted before it was "
                    f"recorded; the next run of {layer}/{name} uses or replaces it, "
                    f"as does {repair}"
                )
                yield FileFault(layer, name, tile, key, problem, INTERRUPTED)
                continue
            problem = (
                f"{store.address(key)} stands in no record, whoever wrote it; materialise tile "
                f"{tile} of {layer}/{name}, or run {repair}"
            )
            yield FileFault(layer, name, tile, key, problem)
    for key in strays.foreign:
        problem = (
            f"{store.address(key)} is no file of {layer}/{name}; move it away, or run "
            "the asset again, which sets it aside"
        )
        yield FileFault(layer, name, "", key, problem, FOREIGN)


def input_faults(
    spec: WorldSpec, root: Path, names: Iterable[str] | None = None
) -> Iterator[FileFault]:
    """Stored surfaces, masks, lines and networks that are not what was written, by default all."""
    for name in spec.made_inputs if names is None else names:
        place = damaged_input(spec, name, Layout(root))
        if place is not None:
            group, _, named = name.rpartition("/")
            problem = f"{place} is damaged; materialise {asset_path(spec.world.name, name)} again"
            yield FileFault(group or "surface", named, "", str(place), problem)


def report_faults(context: LayerContext, report: str | None = None) -> Iterator[FileFault]:
    """Manifests, tables of tests and replicates of a layer that are missing or damaged.

    One is missing if it is on record as written and tiles of it are committed: a run that was
    interrupted before it wrote one has none yet. Where an earlier version of the software kept
    no such record, a manifest is missed beside the others of its layer.

    Parameters
    ----------
    context : LayerContext
    report : str, optional
        One of `REPORTS`; all by default.
    """
    store = context.layout.store
    for name, key in expected_reports(context, report).items():
        if store.stat(key) is None:
            lies = key in store.folders(key)
            state = "is a folder where a file belongs" if lies else "is missing"
        else:
            try:
                state = "" if is_unbroken_file(store.get(key)) else "is damaged"
            except (OSError, ValueError, pa.ArrowException, StorageError):
                state = "is damaged"
        if state:
            problem = (
                f"{store.address(key)} {state}; materialise {context.layer} again, or run "
                f"{REPAIR} {context.spec.world.name}`"
            )
            yield FileFault(context.layer, name, "", key, problem)
    if report in (None, MANIFESTS):
        yield from _foreign_faults(context)


def _foreign_faults(context: LayerContext) -> Iterator[FileFault]:
    """Files beside the layer's assets that nobody's program wrote; told with the manifests."""
    for key in foreign_entries(context):
        problem = (
            f"{context.layout.store.address(key)} is no file of {context.layer}; move it away, or "
            f"run {REPAIR} {context.spec.world.name}`, which sets it aside"
        )
        yield FileFault(context.layer, MANIFESTS, "", key, problem, FOREIGN)


def expected_reports(context: LayerContext, report: str | None = None) -> dict[str, str]:
    """Keys of the reports that are there or should be; manifests by the name of their product.

    Parameters as for `report_faults`.
    """
    store, keys = context.layout.store, _reports(context, report)
    found = {name: key for name, key in keys.items() if store.stat(key) is not None}
    if len(found) < len(keys):
        found |= _missed(context, {name: keys[name] for name in keys if name not in found})
    return {name: key for name, key in keys.items() if name in found}


def _missed(context: LayerContext, absent: dict[str, str]) -> dict[str, str]:
    """Those of some reports that are not there which should be."""
    world, layer = context.spec.world.name, context.layer
    written = marked_reports(context.layout, world, layer)
    manifests = set(_reports(context, MANIFESTS).values())
    if not written & manifests and _any_is_there(context, manifests):
        written |= manifests  # an earlier version kept no record, and wrote all at once
    missed = {name: key for name, key in absent.items() if key in written}
    if not missed:
        return {}
    with Journal(context.layout) as journal:
        made = {name for name in context.assets if journal.count(context.dataset(name))}
    layers = missed.keys() - context.assets if made else set()  # these are of any product's tiles
    return {name: key for name, key in missed.items() if name in made | layers}


def _any_is_there(context: LayerContext, keys: Iterable[str]) -> bool:
    return any(context.layout.store.stat(key) is not None for key in keys)


def _reports(context: LayerContext, report: str | None) -> dict[str, str]:
    """Keys of all reports that a layer may have; manifests by the name of their product."""
    layout, world, layer = context.layout, context.spec.world.name, context.layer
    named = {
        MANIFESTS: {name: layout.tile_index(world, layer, name) for name in context.assets},
        MOMENTS: {MOMENTS: layout.report(world, layer, MOMENTS)},
        BASELINE: {BASELINE: baseline_key(context)},
    }
    return {
        name: key for kind in REPORTS if report in (None, kind) for name, key in named[kind].items()
    }


def report_is_whole(context: LayerContext, report: str) -> Verdict:
    """The check of one of `REPORTS`."""
    written = len(expected_reports(context, report))
    faults = list(report_faults(context, report))
    if not written and not faults:
        return Verdict.not_judged(FILES_TEST, f"no {report} has been written")
    return files_are_whole(written, faults, "files" if written > 1 else "file")


def input_is_whole(spec: WorldSpec, root: Path, name: str) -> Verdict:
    """The check of an input as it is stored."""
    faults = list(input_faults(spec, root, [name]))
    if not faults and find_input(spec, name, Layout(root)) is None:
        return Verdict.not_judged(FILES_TEST, f"{asset_path(spec.world.name, name)} is not made")
    return files_are_whole(1, faults, "input")


def files_are_whole(number: int, faults: list[FileFault], what: str = "recorded tiles") -> Verdict:
    """The check of files: every one is what was recorded, none is foreign."""
    detail = f"{number} {what}, faults: "
    detail += "; ".join(fault.problem for fault in faults[:3]) or "none"
    if len(faults) > 3:
        detail += f"; and {len(faults) - 3} more"
    return Verdict.exact(FILES_TEST, len(faults), detail)
