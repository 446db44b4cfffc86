"""The states of all tiles of a world, kept up to date from its file and its journal.

Belongs here: what is committed, in few bytes a tile. Not here: what runs just now (`runs`), how
browsers are told (`live`).
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.materialize.tile_state import TileState, is_suspicious, receipt_state
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layers
from synthgrid_assets.storage.journal import Journal, journal_stamp
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import load_spec

FILES_AGAIN = 20.0  # a look at all files takes at most one part in so many of the time


class _Kept(NamedTuple):
    """What a state follows from; a receipt itself is fifty times as large."""

    layer: str
    asset: str
    realisation: str
    side: int
    cells: Cells
    rows: int
    passed: bool
    suspicious: bool


class WatchedWorld:
    """One world: its declaration as it is now, and the state of each of its tiles.

    Safe for many threads: each refresh is one at a time.

    Parameters
    ----------
    path : Path
        The world file.
    root : Path
        The data root.

    Raises
    ------
    SpecError
        If the file has mistakes.

    Attributes
    ----------
    spec : WorldSpec
        As the file said at the last refresh at which it was valid.
    contexts : dict of str to LayerContext
        By layer.
    commits : dict of (str, str, Cells) to int
        How often a tile, by layer, asset and cells, was committed since the viewer looks.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.path, self.root = path, root
        self._lock = threading.RLock()
        self._stamps: dict[str, int] = {}
        self._kept: dict[str, _Kept] = {}
        self._damaged: set[str] = set()
        self._files_after = 0.0  # when files are looked at again
        self._seen: object = None
        self.commits: dict[tuple[str, str, Cells], int] = {}
        self.spec: WorldSpec
        self.contexts: dict[str, LayerContext] = {}
        self._open()

    def _open(self) -> None:
        self.spec = load_spec(self.path)
        self.contexts = {context.layer: context for context in open_layers(self.spec, self.root)}

    @property
    def layout(self) -> Layout:
        """Where its files lie."""
        return Layout(self.root)

    def datasets(self) -> list[tuple[str, str]]:
        """Layer and name of every tiled product, in the file's order."""
        return [
            (layer, name) for layer, context in self.contexts.items() for name in context.assets
        ]

    def refresh(self) -> bool:
        """Read what was committed since the last time; whether anything may have changed.

        Raises
        ------
        StorageError
            If the journal cannot be read.
        SpecError
            If the world file has mistakes now; what was known before stays.
        """
        with self._lock:
            seen = (journal_stamp(self.layout), _stamp(self.path, *_input_records(self)))
            now = time.monotonic()
            if seen == self._seen and now < self._files_after:
                return False
            self._seen = seen
            self._open()
            if self.layout.may_have_records:
                with Journal(self.layout) as journal:
                    self._read(journal)
                    if now >= self._files_after:
                        self._look_at_files(journal)
            return True

    def _read(self, journal: Journal) -> None:
        first = not self._stamps
        for receipt in journal.changed(self.spec.world.name, self._stamps):
            kept = _Kept(
                receipt.layer,
                receipt.asset,
                receipt.realisation,
                receipt.side,
                receipt.cells,
                receipt.rows,
                receipt.passed,
                is_suspicious(receipt),
            )
            self._kept[receipt.path] = kept
            self._damaged.discard(receipt.path)
            if not first:
                place = (kept.layer, kept.asset, kept.cells)
                self.commits[place] = self.commits.get(place, 0) + 1
        for path in self._kept.keys() - self._stamps.keys():
            del self._kept[path]
            self._damaged.discard(path)

    def _look_at_files(self, journal: Journal) -> None:
        begun = time.monotonic()
        damaged = set()
        for layer, name in self.datasets():
            records = journal.receipts(self.contexts[layer].dataset(name))
            damaged |= {found.receipt.path for found in journal.damaged(records)}
        self._damaged = damaged
        took = time.monotonic() - begun
        self._files_after = time.monotonic() + max(10.0, FILES_AGAIN * took)

    def rows(self, layer: str, asset: str) -> dict[Cells, int]:
        """How many rows each committed tile of the current version holds."""
        with self._lock:
            dataset = self.contexts[layer].dataset(asset)
            now = (layer, asset, dataset.realisation, dataset.side)
            return {kept.cells: kept.rows for kept in self._kept.values() if kept[:4] == now}

    def states(self) -> dict[tuple[str, str], dict[Cells, TileState]]:
        """By layer and asset, the state of each tile that is not missing."""
        with self._lock:
            found: dict[tuple[str, str], dict[Cells, TileState]] = {}
            current = {}
            for layer, name in self.datasets():
                found[layer, name] = {}
                current[layer, name] = self.contexts[layer].dataset(name)
            for path, kept in self._kept.items():
                dataset = current.get((kept.layer, kept.asset))
                if dataset is None or kept.side != dataset.side:
                    continue
                states = found[kept.layer, kept.asset]
                if kept.realisation == dataset.realisation:
                    states[kept.cells] = receipt_state(
                        kept.passed, kept.suspicious, path in self._damaged
                    )
                else:
                    states.setdefault(kept.cells, TileState.STALE)
            return found


def _input_records(world: WatchedWorld) -> tuple[Path, ...]:
    """Folders whose change means that an input was made anew."""
    layout, name = world.layout, world.spec.world.name
    return tuple(
        layout.network(name, made.rpartition("/")[2]) if "/" in made else layout.surface(name, made)
        for made in world.spec.made_inputs
    )


def _stamp(*paths: Path) -> tuple[tuple[int, int] | None, ...]:
    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            facts = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((facts.st_mtime_ns, facts.st_size))
    return tuple(found)
