"""Garbage: tiles of earlier realisations, inputs of earlier versions, and what killed writers left.

Belongs here: what of a world nobody needs any more. Not here: damage (`repair`).

What is current is decided by the world file as it is now: a world that is run with several
overrides in one data root has several current realisations, so nothing is removed unless it
is asked for, and nothing young.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from synthgrid_assets.materialize.foreign_entries import foreign_entries
from synthgrid_assets.products.open_layer import open_layers
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.products.tile_tests.replicates import baseline_key
from synthgrid_assets.reports.upkeep.old_inputs import old_inputs
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.scratch import discard
from synthgrid_assets.storage.written_reports import forget_report
from synthgrid_assets.world.spec import WorldSpec

DAYS = 1.0  # younger files stay: another run may be writing them
_OF_A_REALISATION = re.compile(r"(?P<dataset>[^/]+/[^/]+/[\w.-]+-[0-9a-f]{12})/(w\d+|compact-)")
_BASELINE = re.compile(r"[^/]+/[^/]+/baseline-[0-9a-f]{12}-w\d+-v\d+\.parquet")


@dataclass(frozen=True)
class Garbage:
    """Files that belong together and are needed no more.

    Parameters
    ----------
    what : str
        The prefix of their keys.
    why : str
    files, size : int
        How many, and their bytes.
    """

    what: str
    why: str
    files: int
    size: int


def collect_garbage(
    spec: WorldSpec, root: Path, *, remove: bool = False, days: float = DAYS
) -> list[Garbage]:
    """Find what a world needs no more, and remove it if that is asked for.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
    remove : bool
        Remove it; otherwise it is only told.
    days : float
        Age of files that may go.
    """
    layout, before = Layout(root), time.time() - days * 86_400
    groups = _grouped(layout, spec, before)
    if remove:
        gone = {key for keys in groups.values() for key in keys}
        with Journal(layout) as journal:  # a record never outlives its file
            of_world = journal.of_world(spec.world.name)
            journal.forget([receipt for receipt in of_world if receipt.path in gone])
    found = []
    for prefix, keys in sorted(groups.items()):
        stats = [layout.store.stat(key) for key in keys]
        size = sum(stat.size for stat in stats if stat is not None)
        found.append(Garbage(prefix, "of an earlier realisation", len(keys), size))
        if remove:
            for key in keys:
                layout.store.delete(key)
                if _BASELINE.fullmatch(key):
                    forget_report(layout, key)
    for key in _foreign(spec, layout, before):
        stat = layout.store.stat(key)
        found.append(
            Garbage(key, "no program of this package wrote it", 1, stat.size if stat else 0)
        )
        if remove:
            layout.store.delete(key)
    for old in old_inputs(spec, layout, before):
        what = old.path.relative_to(root).as_posix()
        found.append(Garbage(what, old.why, old.files, old.size))
        if remove:
            old.remove()
    if remove:
        if swept := layout.store.sweep():
            found.append(Garbage("*.partial", "left by killed writers", swept, 0))
        folders = [folder for layer in spec.layers for folder in _units(layout, spec, layer)]
        if units := discard(folders):
            found.append(Garbage(".units-*", "work units that no run uses", units, 0))
    return found


def _foreign(spec: WorldSpec, layout: Layout, before: float) -> list[str]:
    """Old files beside the assets of the layers that are nobody's."""
    keys = [key for one in open_layers(spec, layout.root) for key in foreign_entries(one)]
    stats = zip(keys, layout.store.stats(keys), strict=True)
    return [key for key, stat in stats if stat is not None and stat.modified <= before]


def _grouped(layout: Layout, spec: WorldSpec, before: float) -> dict[str, list[str]]:
    """Old files by the realisation that they belong to."""
    current, groups = _current(layout, spec), defaultdict(list)
    for key in layout.store.list(f"{spec.world.name}/"):
        match = _OF_A_REALISATION.match(key)
        group = match["dataset"] if match else key if _BASELINE.fullmatch(key) else None
        if group is None or group in current:
            continue
        found = layout.store.stat(key)
        if found is not None and found.modified <= before:
            groups[group].append(key)
    return groups


def _current(layout: Layout, spec: WorldSpec) -> set[str]:
    current = set()
    for context in open_layers(spec, layout.root):
        current.add(baseline_key(context))
        for product in products_of(context.table):
            current.add(layout.folder(context.dataset(product.name)).rpartition("/")[0])
    return current


def _units(layout: Layout, spec: WorldSpec, layer: str) -> list[Path]:
    return list(layout.all_units(spec.world.name, layer))
