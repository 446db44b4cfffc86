"""What the command line asks of Dagster: a region's run with progress, and its estimate.

Belongs here: the run on the shared instance, followed event by event. Not here: printing
(`cli`), the request itself (`region`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from synthgrid_assets import errors
from synthgrid_assets.dagster.build import world_definitions
from synthgrid_assets.dagster.events.group_write import is_of_a_partition
from synthgrid_assets.dagster.events.kept import Kept
from synthgrid_assets.dagster.keys import TILE_CHECK
from synthgrid_assets.dagster.runs.abandoned import fail_abandoned_runs
from synthgrid_assets.dagster.runs.ended_elsewhere import DELETED
from synthgrid_assets.dagster.runs.instance import open_instance
from synthgrid_assets.dagster.runs.launch import RegionRequest, execute_here, request_cancel
from synthgrid_assets.dagster.runs.liveness import sign_of_life
from synthgrid_assets.dagster.runs.opening import telling_faults
from synthgrid_assets.dagster.runs.request import RegionChoice, region_request
from synthgrid_assets.engine.events import Statistics
from synthgrid_assets.engine.local.worker import without_traceback
from synthgrid_assets.engine.session import open_session
from synthgrid_assets.loading import loaded
from synthgrid_assets.materialize.compiling import FIRST_START, kernels_are_compiled
from synthgrid_assets.settings import data_root
from synthgrid_assets.verdict import NOT_TESTED
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import load_spec

CANCELED = dg.DagsterRunStatus.CANCELED
Figures = Callable[[], Statistics]  # the engine's at the moment when they are asked for
Progress = Callable[[int, int, str, Figures | None], None]


@dataclass
class AssetTally:
    """What a run made of one asset, and what it found made before."""

    tiles: int = 0
    kept: int = 0
    rows: int = 0
    size: int = 0
    failed_tiles: int = 0

    def add_kept(self, kept: Kept) -> None:
        """Tiles that the run tells no event of: those whose events stand."""
        self.tiles += kept.tiles
        self.kept += kept.tiles
        self.rows += kept.rows
        self.size += kept.size
        self.failed_tiles += kept.failed_tiles


@dataclass
class RunSummary:
    """What a run made, counted from its own events.

    Attributes
    ----------
    world, run_id : str
    seconds : float
    succeeded : bool
        Whether every step ended well.
    canceled : bool
        Whether it was interrupted.
    assets : dict of str to AssetTally
    failed_checks : list of str
        Named checks of severity error that did not pass, as ``asset: check``.
    untested_checks : list of str
        Named checks that could not be made, as ``asset: check``.
    errors : list of str
    """

    world: str
    run_id: str
    seconds: float = 0.0
    succeeded: bool = False
    canceled: bool = False
    assets: dict[str, AssetTally] = field(default_factory=dict)
    failed_checks: list[str] = field(default_factory=list)
    untested_checks: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all tiles were made and every check passed."""
        return (
            self.succeeded
            and not self.failed_checks
            and not any(tally.failed_tiles for tally in self.assets.values())
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row per asset, for a table."""
        return [
            {
                "asset": name,
                "tiles": tally.tiles,
                "kept": tally.kept,
                "rows": tally.rows,
                "MB": round(tally.size / 1e6, 2),
                "failed tiles": tally.failed_tiles,
            }
            for name, tally in self.assets.items()
        ]

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "world": self.world,
            "run_id": self.run_id,
            "seconds": round(self.seconds, 3),
            "passed": self.passed,
            "canceled": self.canceled,
            "assets": self.rows(),
            "failed_checks": self.failed_checks,
            "untested_checks": self.untested_checks,
            "errors": self.errors,
            "data": str(data_root()),
        }

    def count(self, event: dg.DagsterEvent) -> None:
        """Take one event of the run into account."""
        if event.is_step_materialization:
            self._count_materialization(event.step_materialization_data.materialization)
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            is_error = evaluation.severity == dg.AssetCheckSeverity.ERROR
            check = f"{_name(evaluation.asset_key)}: {evaluation.check_name}"
            if not evaluation.passed and evaluation.check_name == TILE_CHECK:
                self._tally(evaluation.asset_key).failed_tiles += 1
            elif not evaluation.passed and is_error:
                self.failed_checks.append(check)
            elif (evaluation.description or "").startswith(NOT_TESTED):
                self.untested_checks.append(check)
        elif event.event_type == dg.DagsterEventType.ASSET_OBSERVATION:
            observation = event.asset_observation_data.asset_observation
            self._tally(observation.asset_key).add_kept(Kept.of(observation))
        elif event.is_step_failure and event.step_failure_data.error is not None:
            told = _told(event.step_failure_data.error)
            if told not in self.errors:  # several steps fail for one reason
                self.errors.append(told)

    def _count_materialization(self, materialization: dg.AssetMaterialization) -> None:
        tally = self._tally(materialization.asset_key)
        tally.tiles += materialization.partition is not None
        metadata = materialization.metadata
        tally.kept += "kept" in metadata and metadata["kept"].value is True
        for attribute, name in (("rows", "dagster/row_count"), ("size", "size_bytes")):
            if name in metadata:
                value = int(str(metadata[name].value))
                setattr(tally, attribute, getattr(tally, attribute) + value)

    def _tally(self, asset: dg.AssetKey) -> AssetTally:
        return self.assets.setdefault(_name(asset), AssetTally())


def _name(asset: dg.AssetKey) -> str:
    """An asset's name within its world."""
    return "/".join(asset.path[1:])


def _told(error: SerializableErrorInfo) -> str:
    """What to tell of a step's error: this package's own words, or else its first cause."""
    chain = [error]
    while chain[-1].cause is not None:
        chain.append(chain[-1].cause)
    for link in chain:
        if link.cls_name == dg.DagsterExecutionInterruptedError.__name__:
            return "interrupted; committed tiles are kept, so run it again"
        if hasattr(errors, link.cls_name or ""):
            return without_traceback(link.message.partition(": ")[2]).strip()
    return without_traceback(chain[-1].message).strip()


def run_region(
    path: Path,
    overrides: Mapping[str, Any],
    choice: RegionChoice,
    progress: Progress,
) -> RunSummary:
    """Materialise a region in one Dagster run and follow it.

    Parameters
    ----------
    path : Path
        The world file.
    overrides : mapping
        Keys that the command line sets.
    choice : RegionChoice
    progress : callable
        Called with tiles done, tiles in all, the asset that is being made, and what gives the
        engine's figures, also later; None where there are none.
    """
    spec = load_spec(path, overrides)
    request = region_request(spec, choice, data_root())
    definitions = world_definitions({spec.world.name: (path, spec)}, layers=request.products)
    begun = time.perf_counter()
    with telling_faults(), open_instance() as instance, sign_of_life() as signed:
        fail_abandoned_runs(instance)
        run, events = execute_here(instance, definitions.get_repository_def(), request, signed)
        loaded()  # definitions, plan and run stay until this process ends
        summary = RunSummary(spec.world.name, run.run_id)
        with contextlib.closing(events):
            try:
                _Follower(summary, request, progress).follow(instance, events)
            except KeyboardInterrupt:  # between two steps; in one, Dagster tells it as its failure
                request_cancel(instance, run)
                raise
        finished = instance.get_run_by_id(run.run_id)
        if finished is None:
            summary.errors.append(DELETED)
        summary.succeeded = finished is not None and finished.is_success
        summary.canceled = finished is not None and finished.status is CANCELED
    summary.seconds = time.perf_counter() - begun
    return summary


class _Follower:
    """Counts a run's events and shows how far it is.

    Those of tiles are heard where the log takes them, as their steps yield none.
    """

    def __init__(self, summary: RunSummary, request: RegionRequest, progress: Progress) -> None:
        self._summary, self._progress = summary, progress
        tiled = 1 + sum(len(names) for names in request.products.values())  # with the tiles' own
        self._total, self._done = len(request.tiles) * tiled, 0
        self._failed: Exception | None = None
        self._compiled: set[str] = set()  # rooms whose kernels were found once

    def follow(self, instance: dg.DagsterInstance, events: Iterable[dg.DagsterEvent]) -> None:
        """Take all events of a run; what the one who shows them raises ends it."""
        instance.add_event_listener(self._summary.run_id, self._hear)
        for event in events:
            if self._failed is not None:
                raise self._failed
            if not is_of_a_partition(event):
                self._take(event)

    def _hear(self, entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None or not is_of_a_partition(event):
            return
        try:
            self._take(event)
        except Exception as error:
            self._failed = error  # the step fails too, with a name of Dagster's
            raise

    def _take(self, event: dg.DagsterEvent) -> None:
        self._summary.count(event)
        if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION:
            self._done += Kept.of(event.asset_observation_data.asset_observation).tiles
        elif event.is_step_materialization and event.partition is not None:
            self._done += 1
        elif not event.is_step_start:
            return
        engine = open_session(self._summary.run_id)
        figures = None if engine is None else engine.statistics
        named = (
            _name(event.asset_key) if event.asset_key else self._begun(event.step_key or "a step")
        )
        self._progress(self._done, self._total, named, figures)

    def _begun(self, step: str) -> str:
        """What to tell of a step that begins: its first tile may be minutes away."""
        room = "tessellation" if step.endswith("__tessellation") else "lattice"  # as `step_name`
        if room not in self._compiled and kernels_are_compiled(room):
            self._compiled.add(room)
        return f"{step} has begun" + ("" if room in self._compiled else f" ({FIRST_START})")


def estimate(
    path: Path, overrides: Mapping[str, Any], choice: RegionChoice
) -> list[dict[str, Any]]:
    """Expected rows, disk and time of a region, per asset, without making anything."""
    from synthgrid_assets.reports.estimate import estimate_region

    spec: WorldSpec = load_spec(path, overrides)
    request = region_request(spec, choice, data_root())
    return estimate_region(spec, data_root(), request.products, list(request.tiles))
