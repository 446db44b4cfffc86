"""The job ``materialize_region``: from a documented config to one ranged run.

Belongs here: the job's config, its one op, and how it follows the run. Not here: the
run's assets (`tiled`), what a choice means (`region`).
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from pydantic import Field

from synthgrid_assets.dagster.runs.executor import one_process
from synthgrid_assets.dagster.runs.judged_config import judged
from synthgrid_assets.dagster.runs.launch import RegionRequest, request_cancel, submit
from synthgrid_assets.dagster.runs.request import RegionChoice, checked_choice, region_request
from synthgrid_assets.errors import EngineError, SpecError
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.materialize.tile_state import CHOICES
from synthgrid_assets.settings import WORLDS_VARIABLE, data_root, worlds_folder
from synthgrid_assets.world.spec import WorldSpec

POLL_SECONDS = 1.0
JOB_NAME, OP_NAME = "materialize_region", "submit_region_run"
# Such a run holds a slot of the queue while another run works for it. `dagster.yaml` limits
# how many may: if they held all slots, each would wait for a run that can never start.
WAITING_TAG = "synthgrid/waits_for_a_run"
# on a run that this job submitted: the run of the job. (Dagster's own tag for parents would
# call it a re-execution, which it is not.)
SUBMITTED_BY_TAG = "synthgrid/submitted_by"


class RegionConfig(dg.Config):
    """What ``materialize_region`` materialises, in whatever world."""

    tiles: str | None = Field(
        default=None,
        description="Half-open range of tiles X0:X1,Y0:Y1, counted from the first tile, or a "
        "tile's key, or two keys as KEY...KEY; all tiles without tiles and bbox.",
    )
    bbox: list[float] | None = Field(
        default=None, description="Box xmin, ymin, xmax, ymax in CRS units, instead of tiles."
    )
    layers: list[str] | None = Field(default=None, description="Only these layers; all without.")
    assets: list[str] | None = Field(
        default=None, description="Only these products, as points, voronoi; all without."
    )
    workers: int = Field(default=0, ge=0, description="Worker processes; 0: one per core.")
    force: bool = Field(default=False, description="Make committed tiles again.")
    only: str | None = Field(
        default=None,
        description=f"Only tiles in some state: {' or '.join(CHOICES)}; all without.",
    )

    def choice(self) -> RegionChoice:
        """The choice that the config describes."""
        return RegionChoice(
            tiles=self.tiles,
            bbox=None if self.bbox is None else tuple(self.bbox),
            layers=None if self.layers is None else tuple(self.layers),
            assets=None if self.assets is None else tuple(self.assets),
            workers=self.workers,
            force=self.force,
            only=self.only,
        )


def region_job(worlds: Mapping[str, WorldSpec]) -> dg.JobDefinition:
    """The job over the given worlds, whose names its config enumerates."""

    class Region(RegionConfig):
        """What to materialise; a launch of what is not there is refused with the reason."""

        world: world_names(worlds) = Field(description="Name of the world, as riverton.")  # type: ignore[valid-type]

    @dg.op(
        name=OP_NAME,
        description="Submits one run over the chosen rectangle of tiles, follows it to its end "
        "and passes a cancel on.",
        config_schema=judged_region(Region, worlds),
    )
    def submit_region_run(context: dg.OpExecutionContext) -> None:
        config = Region(**context.op_config)
        spec = chosen_world(worlds, config.world)
        submit_and_follow(context, region_request(spec, config.choice(), data_root()))

    @dg.job(
        name=JOB_NAME,
        description="Materialise a region of a world in one run: give `tiles` or `bbox`, and "
        "optionally `layers` and `assets`.",
        executor_def=one_process,
        tags={WAITING_TAG: "true"},
    )
    def materialize_region() -> None:
        submit_region_run()

    return materialize_region


def world_names(worlds: Mapping[str, WorldSpec]) -> Any:
    """The type of a world's name: the launchpad lists them, and marks what is none."""
    names = sorted(worlds)
    # Dagster knows a type by its name alone: other worlds are another type
    kind = f"WorldName_{version_hash(names)[:8]}"
    return Enum(kind, {name: name for name in names}) if worlds else str


def chosen_world(worlds: Mapping[str, WorldSpec], name: object) -> WorldSpec:
    """The world of a config.

    Raises
    ------
    SpecError
        If there is none of this name, which only a definition without any world lets pass.
    """
    world = str(getattr(name, "value", name))
    if world not in worlds:
        known = ", ".join(sorted(worlds)) or "none"
        raise SpecError(
            f"no world {world!r}; valid worlds in {worlds_folder()}: {known}; "
            f"{WORLDS_VARIABLE} names another folder"
        )
    return worlds[world]


def judged_region(model: Any, worlds: Mapping[str, WorldSpec]) -> dg.Field:
    """Config of a job over a region, whose choice must mean something in its world."""
    texts = {name: spec.model_dump_json() for name, spec in worlds.items()}
    return judged(
        model,
        lambda config: checked_choice(chosen_world(worlds, config.world), config.choice()),
        version_hash(texts)[:8],
    )


def submit_and_follow(context: dg.OpExecutionContext, request: RegionRequest) -> None:
    """Queue a run in the name of this one, and end as it ends.

    Raises
    ------
    EngineError
        If the run did not succeed, or nothing could take it from the queue.
    """
    tagged = replace(request, tags={**request.tags, SUBMITTED_BY_TAG: context.run_id})
    run_id = submit(context.instance, context.repository_def, tagged, context.run)
    context.log.info(f"submitted run {run_id} over {len(request.tiles)} tiles")
    _follow(context, run_id)


def _follow(context: dg.OpExecutionContext, run_id: str) -> None:
    """Wait for the run's end; a cancel of this run cancels that one first."""
    try:
        while True:
            run = context.instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                break
            time.sleep(POLL_SECONDS)
    except Exception:  # as a storage that was busy too long: the run itself may well go on
        raise
    except BaseException:  # an interrupt arrives as any of several classes
        context.instance.run_coordinator.cancel_run(run_id)
        raise
    if run is not None and run.status is dg.DagsterRunStatus.CANCELED:
        request_cancel(context.instance, context.run, f"Run {run_id} was canceled.")
        raise DagsterExecutionInterruptedError(f"run {run_id} was canceled")
    if run is None or not run.is_success:
        state = "deleted" if run is None else run.status.value
        raise EngineError(f"run {run_id} ended as {state}; its own log says why")
