"""The Dagster instance that the command line shares with the UI.

Belongs here: finding and opening the instance. Not here: what a run does (`follow`), runs that
a killed process left open (`abandoned`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef

from synthgrid_assets.dagster.runs.configuration import read_sections, telling_mistakes
from synthgrid_assets.dagster.runs.opening import mend_revisions, opening, telling_faults
from synthgrid_assets.settings import HOME_VARIABLE, project_folder
from synthgrid_assets.storage.commit import commit_bytes

# the database of each section of `dagster.yaml` that has one
DATABASES = {"run_storage": "runs", "event_log_storage": "index", "schedule_storage": "schedules"}


def open_instance() -> dg.DagsterInstance:
    """The instance of the project folder, with its relative folders made absolute.

    Sets ``DAGSTER_HOME`` for this process and its children. A folder without a
    ``dagster.yaml`` gets one, so that a UI which is started there shows the same runs.
    Processes that start at once take turns, also where the file names Dagster's own
    storages, and what an earlier race has damaged is mended.

    Raises
    ------
    SpecError
        If ``DAGSTER_HOME`` is relative, or the file asks for what cannot be met.
    StorageError
        If the folder cannot be written or is full, a database is damaged and cannot be mended,
        or its server cannot be reached.
    """
    home = project_folder()
    file = home / "dagster.yaml"
    os.environ[HOME_VARIABLE] = str(home)
    with opening(home / ".synthgrid" / "dagster", "instance"), telling_faults():
        if not file.is_file():
            commit_bytes(file, yaml.safe_dump(_default_sections(home), sort_keys=False).encode())
        written = read_sections(file)
        sections = _absolute_sections(home, written)
        for name, database in DATABASES.items():
            if name in sections:
                mend_revisions(Path(sections[name]["config"]["base_dir"], f"{database}.db"))
        with telling_mistakes(file, written):
            return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=sections))


def _absolute_sections(home: Path, sections: Mapping[str, Any]) -> dict[str, Any]:
    absolute = {}
    for name, section in sections.items():
        config = section.get("config") if isinstance(section, dict) else None
        if isinstance(config, dict) and isinstance(config.get("base_dir"), str):
            base_dir = str(home / config["base_dir"])
            absolute[name] = {**section, "config": {**config, "base_dir": base_dir}}
    return absolute


def _default_sections(home: Path) -> dict[str, Any]:
    classes = {
        "run_storage": ("synthgrid_assets.dagster.runs.opening", "LockedRunStorage"),
        "event_log_storage": (
            "synthgrid_assets.dagster.events.event_log",
            "CachedSqliteEventLogStorage",
        ),
        "schedule_storage": ("synthgrid_assets.dagster.runs.opening", "LockedScheduleStorage"),
        "local_artifact_storage": ("dagster._core.storage.root", "LocalArtifactStorage"),
        "compute_logs": ("synthgrid_assets.dagster.runs.compute_logs", "ComputeLogs"),
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
