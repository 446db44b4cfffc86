"""What a browser is told while it looks: states of tiles as they change, and runs.

Belongs here: states with the runs laid over them, and their differences. Not here: what is
committed (`watched`), runs themselves (`runs`, `dagster_link`), HTTP (`endpoints`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgrid_assets.errors import SynthGridError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.tile_state import CHOICES, TileState
from synthgrid_assets.services.viewer.dagster_link import ActiveRun, DagsterLink
from synthgrid_assets.services.viewer.runs import ChildRun, Runs
from synthgrid_assets.services.viewer.watched import WatchedWorld

RUNNING = "R"  # the letter of a tile that a run is going to make
ASK_DAGSTER = 3.0  # seconds between two questions to its webserver
_ONLY_TAG = "synthgrid/only"
Place = tuple[str, str, Cells]


@dataclass(frozen=True)
class Snapshot:
    """All that a page shows of a world's tiles at one moment.

    Parameters
    ----------
    states : dict of str to str
        By ``layer/asset``, a letter for each tile, south to north and west to east.
    runs : list of dict
        Runs of the world, latest first, as the page shows them.
    trouble : str
        Why the states may be old; empty if they are not.
    """

    states: dict[str, str]
    runs: list[dict[str, Any]]
    trouble: str = ""

    def since(self, earlier: Snapshot | None) -> dict[str, Any]:
        """What has changed, as a page reads it: whole strings at first, then single tiles."""
        told: dict[str, Any] = {}
        if earlier is None or _shape(earlier.states) != _shape(self.states):
            told["states"] = self.states
        else:
            changes = {
                name: _differences(earlier.states[name], now)
                for name, now in self.states.items()
                if earlier.states[name] != now
            }
            if changes:
                told["changes"] = changes
        if earlier is None or earlier.runs != self.runs:
            told["runs"] = self.runs
        if self.trouble != (earlier.trouble if earlier else ""):
            told["trouble"] = self.trouble
        return told


def _differences(before: str, now: str) -> list[list[int | str]]:
    pairs = enumerate(zip(before, now, strict=True))
    return [[place, new] for place, (old, new) in pairs if old != new]


def _shape(states: Mapping[str, str]) -> dict[str, int]:
    return {name: len(letters) for name, letters in states.items()}


class LiveWorld:
    """Snapshots of one world, at most one every `pause` seconds, shared by all pages.

    Parameters
    ----------
    world : WatchedWorld
    runs : Runs
    dagster : DagsterLink
    pause : float
        Seconds.
    """

    def __init__(
        self, world: WatchedWorld, runs: Runs, dagster: DagsterLink, pause: float = 0.4
    ) -> None:
        self.world = world
        self._runs, self._dagster, self._pause = runs, dagster, pause
        self._lock = threading.Lock()
        self._latest: Snapshot | None = None
        self._taken = 0.0
        self._asked = 0.0
        self._active: list[ActiveRun] = []
        self._first_seen: dict[str, dict[Place, int]] = {}

    def snapshot(self) -> Snapshot:
        """The latest one, or a new one if it is older than the pause."""
        with self._lock:
            now = time.monotonic()
            if self._latest is None or now - self._taken > self._pause:
                self._latest = self._take()
                self._taken = time.monotonic()
            return self._latest

    def _take(self) -> Snapshot:
        trouble = ""
        try:
            self.world.refresh()
        except SynthGridError as error:
            trouble = str(error)
        own = list(self._runs.of(self.world))
        committed = self.world.states()
        running: set[Place] = set()
        for run in own:
            if run.code is None:
                chosen = [place for place in committed if run.request.names(*place)]
                wanted = _wanted(run.request.only, force=run.request.force)
                running |= self._awaited(chosen, run.tiles, wanted, run.commits)
        active = self._active_runs()
        for other in active:
            running |= self._of_dagster(other)
        tiles = list(self.world.spec.world.tiling)
        states = {
            f"{layer}/{name}": "".join(
                RUNNING
                if (layer, name, tile.cells) in running
                else found.get(tile.cells, TileState.MISSING)
                for tile in tiles
            )
            for (layer, name), found in committed.items()
        }
        return Snapshot(states, self._told(own, active), trouble)

    def _active_runs(self) -> list[ActiveRun]:
        """Runs of the world that Dagster knows, asked every few seconds."""
        now = time.monotonic()
        if now - self._asked > ASK_DAGSTER:
            self._asked = now
            name = self.world.spec.world.name
            self._active = [
                run
                for run in self._dagster.active_runs()
                if any(path[:1] == (name,) for path in run.assets) and run.range is not None
            ]
            known = {run.run_id for run in self._active}
            for run_id in known - self._first_seen.keys():
                self._first_seen[run_id] = dict(self.world.commits)
            self._first_seen = {run: seen for run, seen in self._first_seen.items() if run in known}
        return self._active

    def _of_dagster(self, run: ActiveRun) -> set[Place]:
        """The places that a run over a range of partitions is going to make."""
        if run.range is None:
            return set()
        tiling = self.world.spec.world.tiling
        try:
            first, last = (tiling.from_key(key) for key in run.range)
        except SynthGridError:  # of another tile side, as after an edit
            return set()
        tiles = [
            tiling.at(column, row)
            for row in range(first.row, last.row + 1)
            for column in range(first.column, last.column + 1)
        ]
        named = [
            place
            for place in self.world.datasets()
            if any(path[1:] == place for path in run.assets)
        ]
        only = run.tags.get(_ONLY_TAG)
        wanted = _wanted(only if only in CHOICES else None)
        return self._awaited(named, tiles, wanted, self._first_seen.get(run.run_id, {}))

    def _awaited(
        self,
        datasets: list[tuple[str, str]],
        tiles: list[Tile],
        wanted: frozenset[TileState],
        before: dict[Place, int],
    ) -> set[Place]:
        """Places of a run that it has not committed yet, and is going to."""
        states, commits = self.world.states(), self.world.commits
        places = ((*dataset, tile.cells) for dataset in datasets for tile in tiles)
        return {
            (layer, name, cells)
            for layer, name, cells in places
            if states[layer, name].get(cells, TileState.MISSING) in wanted
            and commits.get((layer, name, cells), 0) == before.get((layer, name, cells), 0)
        }

    def _told(self, own: list[ChildRun], active: list[ActiveRun]) -> list[dict[str, Any]]:
        """Runs as the page shows them; Dagster's entry of a child is that of the child."""
        others = {run.range: run for run in active}
        told = []
        for run in own:
            ends = (run.tiles[0].key, run.tiles[-1].key)
            same = others.pop(ends, None) if run.code is None else None
            run_id = same.run_id if same else run.summary.get("run_id")
            told.append(
                {
                    "key": run.key,
                    "status": run.status,
                    "tiles": run.request.tiles,
                    "what": "/".join(filter(None, (run.request.layer, run.request.asset))),
                    "only": run.request.only,
                    "run": run_id,
                    "page": self._dagster.run_page(run_id) if run_id else "",
                    "trouble": run.trouble,
                    "failed": [
                        *run.summary.get("errors", ()),
                        *run.summary.get("failed_checks", ()),
                    ],
                }
            )
        return told + [_told_of_dagster(run, self._dagster) for run in others.values()]


def _wanted(only: str | None, *, force: bool = False) -> frozenset[TileState]:
    """The states of tiles that a run makes; what is sound it keeps."""
    if only is not None:
        return CHOICES[only]
    if force:
        return frozenset(TileState)
    return frozenset({TileState.MISSING, TileState.STALE, TileState.RED})


def _told_of_dagster(run: ActiveRun, dagster: DagsterLink) -> dict[str, Any]:
    """A run that was started elsewhere."""
    return {
        "key": "",
        "status": run.status.lower(),
        "tiles": " to ".join(dict.fromkeys(run.range or ())),
        "what": "",
        "only": run.tags.get(_ONLY_TAG),
        "run": run.run_id,
        "page": dagster.run_page(run.run_id),
        "trouble": "",
        "failed": [],
    }
