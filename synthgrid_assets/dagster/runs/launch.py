"""One run over a region: created on the shared instance, executed or submitted.

Belongs here: run requests and their way to Dagster. Not here: which tiles a region has
(`world.tile_selection`) and what the assets do.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import create_execution_plan, execute_run_iterator
from dagster._core.execution.plan.objects import ErrorSource
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.snap import snapshot_from_execution_plan
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from synthgrid_assets.dagster.keys import ASSET_JOB
from synthgrid_assets.dagster.partitions import range_tags
from synthgrid_assets.dagster.runs.ended_elsewhere import EndWatch
from synthgrid_assets.errors import EngineError
from synthgrid_assets.lattice.tiling import Tile

LOCATION = "synthgrid_assets"
CTRL_C = "Interrupted (Ctrl-C); committed tiles are kept."
SILENT_CONSOLE = {"console": {"config": {"log_level": "CRITICAL"}}}


@dataclass(frozen=True)
class RegionRequest:
    """What one run over a region shall materialise.

    Parameters
    ----------
    assets : tuple of AssetKey
        Assets to materialise; their checks come along.
    tiles : tuple of Tile
        All tiles of a rectangle.
    products : mapping
        The chosen products by layer.
    run_config : mapping
        Configuration of the assets' ops and resources.
    tags : mapping
        More run tags.
    checks : tuple of AssetCheckKey
        Checks to evaluate on their own, where no asset is to be materialised.
    """

    assets: tuple[dg.AssetKey, ...]
    tiles: tuple[Tile, ...]
    products: Mapping[str, tuple[str, ...]]
    run_config: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[dg.AssetCheckKey, ...] = ()

    def __post_init__(self) -> None:
        range_tags(list(self.tiles))  # refuses an empty region before anything is launched

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags of the run: its range of partitions and the caller's."""
        return {**range_tags(list(self.tiles)), **self.tags}


def create_run(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    request: RegionRequest,
    origin: RemoteJobOrigin,
) -> tuple[dg.DagsterRun, dg.JobDefinition]:
    """A run of the implicit asset job for `request`, not yet started, and its job."""
    whole = repository.get_implicit_global_asset_job_def()
    if request.checks:
        return _create_checks_run(instance, whole, request, origin)
    job = whole.get_subset(asset_selection=set(request.assets))
    run = instance.create_run_for_job(
        job,
        run_config=request.run_config,
        tags=request.all_tags,
        asset_selection=set(request.assets),
        remote_job_origin=origin,
    )
    return run, job


def _create_checks_run(
    instance: dg.DagsterInstance,
    whole: dg.JobDefinition,
    request: RegionRequest,
    origin: RemoteJobOrigin,
) -> tuple[dg.DagsterRun, dg.JobDefinition]:
    """A run of checks alone, which Dagster's own `create_run_for_job` cannot make."""
    checks = frozenset(request.checks)
    job = whole.get_subset(asset_selection=set(), asset_check_selection=set(checks))
    plan = create_execution_plan(job, run_config=request.run_config, tags=request.all_tags)
    run = instance.create_run(
        job_name=job.name,
        run_id=None,
        run_config=request.run_config,
        status=None,
        tags=request.all_tags,
        root_run_id=None,
        parent_run_id=None,
        step_keys_to_execute=plan.step_keys_to_execute,
        execution_plan_snapshot=snapshot_from_execution_plan(plan, job.get_job_snapshot_id()),
        job_snapshot=job.get_job_snapshot(),
        parent_job_snapshot=job.get_parent_job_snapshot(),
        asset_selection=frozenset(),
        asset_check_selection=checks,
        resolved_op_selection=None,
        op_selection=None,
        remote_job_origin=origin,
        job_code_origin=None,
        asset_graph=job.asset_layer.asset_graph,
    )
    return run, job


def execute_here(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    request: RegionRequest,
    tags: Mapping[str, str] | None = None,
) -> tuple[dg.DagsterRun, Generator[dg.DagsterEvent, None, None]]:
    """Create the run and execute it in this process, event by event.

    The console stays silent: the caller tells what happens, the instance keeps the log.
    Whoever stops in the middle closes the events: that ends the run and its workers.

    Parameters
    ----------
    tags : mapping
        More run tags, as the `sign_of_life` of this process.
    """
    tagged = replace(
        request,
        tags={**request.tags, **(tags or {})},
        run_config={**request.run_config, "loggers": SILENT_CONSOLE},
    )
    run, job = create_run(instance, repository, tagged, ui_origin())
    return run, _events(instance, run, job)


def _events(
    instance: dg.DagsterInstance, run: dg.DagsterRun, job: dg.JobDefinition
) -> Generator[dg.DagsterEvent, None, None]:
    watch = EndWatch(instance, run.run_id)
    with watch.watching():
        for event in execute_run_iterator(InMemoryJob(job), run, instance):
            if is_interrupt(event):
                watch.stop()
                request_cancel(instance, run)
            yield event


def is_interrupt(event: dg.DagsterEvent) -> bool:
    """Whether an event says that its step was interrupted."""
    return event.is_step_failure and event.step_failure_data.error_source is ErrorSource.INTERRUPT


def request_cancel(instance: dg.DagsterInstance, run: dg.DagsterRun, why: str = CTRL_C) -> None:
    """Have a run of this process end as Canceled: who interrupts it means just that.

    Dagster calls a run failed whose interrupt nobody has asked for in the UI.
    """
    found = instance.get_run_by_id(run.run_id)
    if found is not None and found.status is dg.DagsterRunStatus.STARTED:
        instance.report_run_canceling(found, why)


def submit(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    request: RegionRequest,
    parent: dg.DagsterRun,
) -> str:
    """Queue a run for the daemon, where the parent's own definitions are served.

    Returns
    -------
    str
        The run's id.

    Raises
    ------
    EngineError
        If the parent was not launched from a served code location: then nothing would
        ever take the run from the queue.
    """
    served = parent.remote_job_origin
    if served is None:
        raise EngineError(
            "this job submits a run, so it must itself be launched from the UI or by a daemon; "
            "use `synthgrid materialize` or execute the assets directly"
        )
    origin = RemoteJobOrigin(served.repository_origin, ASSET_JOB)
    run, _ = create_run(instance, repository, request, origin)
    instance.report_dagster_event(dg.DagsterEvent.job_enqueue(run), run_id=run.run_id)
    return run.run_id


def ui_origin() -> RemoteJobOrigin:
    """Where the UI finds the asset job, so that it links such runs to their definitions."""
    target = LoadableTargetOrigin(
        executable_path=sys.executable, module_name="synthgrid_assets.definitions"
    )
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name=LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), ASSET_JOB)
