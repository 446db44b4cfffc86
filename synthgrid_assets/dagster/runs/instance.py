"""The Dagster instance that the command line shares with the UI.

Belongs here: finding and opening the instance, and runs that a killed process left open.
Not here: what a run does (`runs`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.dagster_run import DagsterRunStatus, RunsFilter

from synthgrid_assets.settings import HOME_VARIABLE, project_folder
from synthgrid_assets.storage.commit import commit_bytes

PROCESS_TAG = "synthgrid/process"  # host and process id of a run on the command line


def open_instance() -> dg.DagsterInstance:
    """The instance of the project folder, with its relative folders made absolute.

    Sets ``DAGSTER_HOME`` for this process and its children. A folder without a
    ``dagster.yaml`` gets one, so that a UI which is started there shows the same runs.
    """
    home = project_folder()
    file = home / "dagster.yaml"
    if not file.is_file():
        commit_bytes(file, yaml.safe_dump(_default_sections(home), sort_keys=False).encode())
    os.environ[HOME_VARIABLE] = str(home)
    return dg.DagsterInstance.from_ref(
        InstanceRef.from_dir(str(home), overrides=_absolute_sections(home, file))
    )


def _absolute_sections(home: Path, file: Path) -> dict[str, Any]:
    sections = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    absolute = {}
    for name, section in sections.items():
        config = section.get("config") if isinstance(section, dict) else None
        if isinstance(config, dict) and isinstance(config.get("base_dir"), str):
            base_dir = str(home / config["base_dir"])
            absolute[name] = {**section, "config": {**config, "base_dir": base_dir}}
    return absolute


def _default_sections(home: Path) -> dict[str, Any]:
    classes = {
        "run_storage": ("dagster._core.storage.runs", "SqliteRunStorage"),
        "event_log_storage": (
            "synthgrid_assets.dagster.events.event_log",
            "CachedSqliteEventLogStorage",
        ),
        "schedule_storage": ("dagster._core.storage.schedules", "SqliteScheduleStorage"),
        "local_artifact_storage": ("dagster._core.storage.root", "LocalArtifactStorage"),
        "compute_logs": (
            "dagster._core.storage.local_compute_log_manager",
            "LocalComputeLogManager",
        ),
    }
    sections: dict[str, Any] = {
        name: {
            "module": module,
            "class": class_name,
            "config": {"base_dir": str(home / ".synthgrid" / "dagster" / name)},
        }
        for name, (module, class_name) in classes.items()
    }
    return {**sections, "telemetry": {"enabled": False}}


def process_tag() -> dict[str, str]:
    """The tag that tells which process executes a run of the command line."""
    return {PROCESS_TAG: f"{os.uname().nodename}:{os.getpid()}"}


def fail_abandoned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs failed whose process on this host has ended without a word.

    Returns
    -------
    list of str
        The ids of those runs.
    """
    started = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED]))
    abandoned = [run for run in started if _is_abandoned(run.tags.get(PROCESS_TAG))]
    for run in abandoned:
        instance.report_run_failed(
            run, "The process of this run was killed. Committed tiles are kept: run it again."
        )
    return [run.run_id for run in abandoned]


def _is_abandoned(tag: str | None) -> bool:
    host, _, pid = (tag or "").rpartition(":")
    return host == os.uname().nodename and pid.isdigit() and not _is_alive(int(pid))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # asks, sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
