"""What keeps a world as it is declared: verification by night, and runs over what became stale.

Belongs here: the job `verify_region` with its schedule, the sensor that materialises what is stale;
both are off until somebody switches them on. Not here: which tiles are stale (`reports.freshness`),
the job that makes them (`jobs`).
"""

import json
import os
from collections.abc import Iterator, Mapping, Set
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from pydantic import Field

from synthgrid_assets.dagster.jobs import (
    JOB_NAME,
    OP_NAME,
    WAITING_TAG,
    chosen_world,
    judged_region,
    submit_and_follow,
    world_names,
)
from synthgrid_assets.dagster.retelling import events_to_tell_again
from synthgrid_assets.dagster.runs.executor import one_process
from synthgrid_assets.dagster.runs.request import RegionChoice, verification_request
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.materialize.tile_state import ONLY_STALE
from synthgrid_assets.products.open_layer import open_layers
from synthgrid_assets.reports.freshness import freshness_of
from synthgrid_assets.settings import data_root
from synthgrid_assets.storage.journal import Journal, journal_stamp
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.spec import WorldSpec

VERIFY_JOB, VERIFY_OP = "verify_region", "submit_verification"
SCHEDULE, NIGHT = "verify_every_night", "30 2 * * *"
SENSOR, SECONDS = "materialize_what_is_stale", 60


class Verification(dg.Config):
    """What ``verify_region`` reads and judges."""

    tiles: str | None = Field(
        default=None,
        description="Tiles whose files are read, as for `materialize_region`; all without. Named "
        "checks are of all committed tiles in any case.",
    )
    layers: list[str] | None = Field(default=None, description="Only these layers; all without.")
    assets: list[str] | None = Field(default=None, description="Only these products; all without.")

    def choice(self) -> RegionChoice:
        """The choice that the config describes."""
        return RegionChoice(
            tiles=self.tiles,
            layers=None if self.layers is None else tuple(self.layers),
            assets=None if self.assets is None else tuple(self.assets),
        )


def verification_job(worlds: Mapping[str, WorldSpec]) -> dg.JobDefinition:
    """The job that evaluates every check of a region and makes nothing."""

    class Verified(Verification):
        """What to verify; a launch of what is not there is refused with the reason."""

        world: world_names(worlds) = Field(description="Name of the world, as riverton.")  # type: ignore[valid-type]

    @dg.op(
        name=VERIFY_OP,
        description="Submits one run of checks over the chosen tiles, follows it to its end and "
        "passes a cancel on.",
        config_schema=judged_region(Verified, worlds),
    )
    def submit_verification(context: dg.OpExecutionContext) -> None:
        config = Verified(**context.op_config)
        spec = chosen_world(worlds, config.world)
        submit_and_follow(context, verification_request(spec, config.choice()))

    @dg.job(
        name=VERIFY_JOB,
        description="Read and judge every committed file of a region again, and evaluate all "
        f"named checks; nothing is made. The schedule `{SCHEDULE}` does so for every world.",
        executor_def=one_process,
        tags={WAITING_TAG: "true"},
    )
    def verify_region() -> None:
        submit_verification()

    return verify_region


def nightly_schedule(worlds: Mapping[str, WorldSpec], job: dg.JobDefinition) -> Any:
    """The job for every world of which something is committed; off by default."""

    @dg.schedule(
        name=SCHEDULE,
        job=job,
        cron_schedule=NIGHT,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Evaluates every check of every world that has committed tiles, each night.",
    )
    def verify_every_night() -> Iterator[dg.RunRequest]:
        layout = Layout(data_root())
        if not layout.may_have_records:
            return
        with Journal(layout) as journal:
            made = {world for world, _, _ in journal.assets()}
        for world in sorted(made & worlds.keys()):
            yield dg.RunRequest(run_config=_config(VERIFY_OP, {"world": world}))

    return verify_every_night


def stale_sensor(worlds: Mapping[str, WorldSpec]) -> dg.SensorDefinition:
    """One run over the stale tiles of a world, once per version of it; off by default."""

    @dg.sensor(
        name=SENSOR,
        job_name=JOB_NAME,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Materialises what an edited world file or a changed input has made stale: one "
        "run a world, and one only for each version. An edit that is taken back is told again: its "
        "tiles are kept. Tiles that were never made stay missing.",
    )
    def materialize_stale(
        context: dg.SensorEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        layout = Layout(data_root())
        found: dict[str, str] = {}
        if layout.may_have_records:
            found = dict(_stale_worlds(worlds, layout))
            found |= _worlds_told_otherwise(context, worlds, layout, leaving_out=found.keys())
        for world, version in sorted(found.items()):
            config = {"world": world, "only": ONLY_STALE}
            yield dg.RunRequest(run_key=f"{world}-{version}", run_config=_config(OP_NAME, config))
        if not found:
            yield dg.SkipReason("no tile is stale")

    return materialize_stale


def _stale_worlds(worlds: Mapping[str, WorldSpec], layout: Layout) -> Iterator[tuple[str, str]]:
    """Worlds with stale tiles, and what tells this state of their declaration from others."""
    with Journal(layout) as journal:
        made = {world for world, _, _ in journal.assets()}
        for name in sorted(made & worlds.keys()):
            states = [
                freshness_of(journal, context, asset)
                for context in open_layers(worlds[name], layout.root)
                for asset in context.assets
            ]
            if any(state.superseded for state in states):
                yield name, version_hash([state.realisation for state in states])[:16]


def _worlds_told_otherwise(
    context: dg.SensorEvaluationContext,
    worlds: Mapping[str, WorldSpec],
    layout: Layout,
    leaving_out: Set[str],
) -> dict[str, str]:
    """Worlds that are made as declared, and of which Dagster's log was last told otherwise.

    With the newest such event: an edit may be made and taken back many times. The log is read
    only where it, the journal or the definitions have changed since, and not of a world that a
    run is at work on, whose tiles are about to be told.
    """
    instance, repository = context.instance, context.repository_def
    seen = json.dumps([os.getpid(), journal_stamp(layout), _newest_event(instance)])
    if repository is None or context.cursor == seen:
        return {}
    found, at_work = {}, False
    with Journal(layout) as journal:
        made = {(world, layer) for world, layer, _ in journal.assets()}
        for name in sorted({world for world, _ in made} & worlds.keys() - leaving_out):
            if _is_at_work(instance, name):
                at_work = True
                continue
            layers = [layer for layer in worlds[name].layers if (name, layer) in made]
            newest = max(
                (
                    event
                    for opened in open_layers(worlds[name], layout.root, layers)
                    for event in events_to_tell_again(instance, repository, journal, opened)
                ),
                default=None,
            )
            if newest is not None:
                found[name] = f"told-again-{newest}"
    if not at_work:
        context.update_cursor(seen)
    return found


def _newest_event(instance: dg.DagsterInstance) -> int | None:
    """Id of the log's newest event."""
    return instance.event_log_storage.get_maximum_record_id()


def _is_at_work(instance: dg.DagsterInstance, world: str) -> bool:
    """Whether a run over a region of a world has not ended yet."""
    unfinished = dg.RunsFilter(tags={"synthgrid/world": world}, statuses=NOT_FINISHED_STATUSES)
    return instance.get_runs_count(unfinished) > 0


def _config(op: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"ops": {op: {"config": values}}}
