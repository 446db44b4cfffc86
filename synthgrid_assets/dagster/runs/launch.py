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
from dagster._core.execution.api import execute_run_iterator
from dagster._core.execution.plan.objects import ErrorSource
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from synthgrid_assets.dagster.partitions import range_tags
from synthgrid_assets.errors import EngineError
from synthgrid_assets.lattice.tiling import Tile

ASSET_JOB = "__ASSET_JOB"
LOCATION = "synthgrid_assets"
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
    """

    assets: tuple[dg.AssetKey, ...]
    tiles: tuple[Tile, ...]
    products: Mapping[str, tuple[str, ...]]
    run_config: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

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
    job = whole.get_subset(asset_selection=set(request.assets))
    run = instance.create_run_for_job(
        job,
        run_config=request.run_config,
        tags=request.all_tags,
        asset_selection=set(request.assets),
        remote_job_origin=origin,
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
    for event in execute_run_iterator(InMemoryJob(job), run, instance):
        if event.is_step_failure and event.step_failure_data.error_source is ErrorSource.INTERRUPT:
            request_cancel(instance, run)
        yield event


def request_cancel(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Have a run of this process end as Canceled: who interrupts it means just that.

    Dagster calls a run failed whose interrupt nobody has asked for in the UI.
    """
    found = instance.get_run_by_id(run.run_id)
    if found is not None and found.status is dg.DagsterRunStatus.STARTED:
        instance.report_run_canceling(found, "Interrupted (Ctrl-C); committed tiles are kept.")


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
