"""Definitions where no world file is found: it is said, with the folder that was looked in."""

import logging

import dagster as dg
import pytest

from synthgrid_assets.dagster.build import build_definitions
from synthgrid_assets.dagster.jobs import JOB_NAME, OP_NAME
from synthgrid_assets.dagster.upkeep import VERIFY_JOB, VERIFY_OP
from synthgrid_assets.errors import SpecError
from synthgrid_assets_tests.small_world import write_small_world


@pytest.fixture
def warned(tmp_path, monkeypatch):
    """Loads the worlds of a folder, and gives what is logged meanwhile with the definitions."""
    monkeypatch.setenv("SYNTHGRID_WORLDS", str(tmp_path / "worlds"))
    logged = []

    class Kept(logging.Handler):
        def emit(self, record):
            logged.append((record.levelno, record.getMessage()))

    handler = Kept()
    logger = dg.get_dagster_logger("synthgrid_assets")
    logger.addHandler(handler)
    yield lambda: (build_definitions(), logged)
    logger.removeHandler(handler)


def test_no_world_file_is_warned_of_and_one_is_not(warned, tmp_path):
    _, logged = warned()
    ((level, text),) = logged
    assert level == logging.WARNING
    assert f"no world file (*.toml) in {tmp_path / 'worlds'}" in text
    assert "SYNTHGRID_WORLDS" in text
    logged.clear()
    (tmp_path / "worlds").mkdir()
    write_small_world(tmp_path / "worlds")
    assert warned()[1] == []


@pytest.mark.parametrize(("job", "op"), [(JOB_NAME, OP_NAME), (VERIFY_JOB, VERIFY_OP)])
def test_a_launch_without_worlds_names_the_folder(warned, tmp_path, job, op):
    definitions, _ = warned()
    config = {"ops": {op: {"config": {"world": "riverton"}}}}
    with pytest.raises(SpecError) as caught:
        dg.validate_run_config(definitions.resolve_job_def(job), config)
    told = f"no world 'riverton'; valid worlds in {tmp_path / 'worlds'}: none; SYNTHGRID_WORLDS"
    assert told in str(caught.value)
