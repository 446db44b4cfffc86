"""Folders in use: a sweep of another process never takes one, and nothing of them is left."""

import fcntl
import os
from pathlib import Path

import pytest

from synthgrid_assets.records.locked_folder import locked_folder
from synthgrid_assets.storage.commit import sweep_partials


@pytest.mark.parametrize("instant", ["open", "flock"])
def test_a_folder_that_is_swept_before_its_lock_is_made_anew(tmp_path, monkeypatch, instant):
    """Between its making and its lock it looks abandoned to another run that begins."""
    module = {"open": os, "flock": fcntl}[instant]
    known, swept = getattr(module, instant), []

    def late(*arguments, **options):
        if not swept:
            swept.append("begun")
            swept.append(sweep_partials(tmp_path))
        return known(*arguments, **options)

    monkeypatch.setattr(module, instant, late)
    with locked_folder(tmp_path / ".record.partial") as folder:
        assert swept == ["begun", 1]
        Path(folder, "file").write_text("kept")
        assert sweep_partials(tmp_path) == 0
        assert Path(folder, "file").read_text() == "kept"
    assert not list(tmp_path.iterdir())


def test_what_fails_in_the_block_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), locked_folder(tmp_path / "made") as folder:
        Path(folder, "file").write_text(str(1 / 0))
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_taken_is_refused(tmp_path):
    (tmp_path / "made").mkdir()
    with pytest.raises(FileExistsError), locked_folder(tmp_path / "made"):
        pass
    assert (tmp_path / "made").is_dir()
