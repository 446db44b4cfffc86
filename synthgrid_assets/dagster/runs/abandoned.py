"""Runs whose process was killed: Dagster is told that they failed.

Belongs here: which runs are judged, and the sensor that does so while nothing else starts.
Not here: the sign of life of a process (`liveness`).
"""

import time
from collections.abc import Sequence

import dagster as dg
from dagster._core.storage.dagster_run import DagsterRunStatus, RunRecord, RunsFilter

from synthgrid_assets.dagster.runs.liveness import PROCESS_TAG, is_abandoned, sweep

# what a run on the command line may be found in after its process was killed
UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
UNQUEUED_SECONDS = 3600.0  # from a run's making to the queue, which takes milliseconds
SENSOR = "fail_killed_runs"
SECONDS = 30  # between two looks of the sensor


def fail_abandoned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs failed whose process has ended without a word, on this host or another.

    Returns
    -------
    list of str
        The ids of those runs.
    """
    open_runs = instance.get_run_records(RunsFilter(statuses=UNFINISHED))
    ended = [record.dagster_run.run_id for record in open_runs if _is_abandoned(record)]
    abandoned = _unfinished(instance, ended) if ended else []
    for run in abandoned:
        instance.report_run_failed(
            run, "The process of this run was killed. Committed tiles are kept: run it again."
        )
    sweep()
    return [run.run_id for run in abandoned]


def _unfinished(instance: dg.DagsterInstance, ended: list[str]) -> Sequence[dg.DagsterRun]:
    """Without those that told their end between the list of runs and the look at their process."""
    return instance.get_runs(RunsFilter(run_ids=ended, statuses=UNFINISHED))


def abandoned_sensor() -> dg.SensorDefinition:
    """The sensor that fails them every half minute; on by default, and starts no run."""

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Marks runs of the command line failed whose process was killed. Runs that "
        "live, here or on another host, are left alone.",
    )
    def fail_killed_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        failed = fail_abandoned_runs(context.instance)
        if failed:
            return dg.SkipReason(f"marked failed, as their processes were killed: {failed}")
        return dg.SkipReason("no process of an open run was killed")

    return fail_killed_runs


def _is_abandoned(record: RunRecord) -> bool:
    """Without a sign of life, a run that is not even queued yet is given an hour."""
    run, age = record.dagster_run, time.time() - record.create_timestamp.timestamp()
    own = run.parent_run_id is None  # a re-execution has its parent's tags
    if own and PROCESS_TAG in run.tags:
        return is_abandoned(run.tags)
    return run.status == DagsterRunStatus.NOT_STARTED and age > UNQUEUED_SECONDS
