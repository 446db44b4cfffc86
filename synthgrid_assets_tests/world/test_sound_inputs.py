"""What an input's file was found to be is known again, until anything that decides it changes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synthgrid_assets.inputs.sources import remembered
from synthgrid_assets.world.validation import check_world

WORLDS = Path(__file__).parents[2] / "worlds"
STREETS = "riverton_streets.geojson"
LOOK = """
import sys
from pathlib import Path
from synthgrid_assets.world.validation import check_world
print(check_world(Path(sys.argv[1]))[1], *[name in sys.modules for name in ("pyogrio", "pandas")])
"""


@pytest.fixture
def riverton(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    for file in WORLDS.glob("riverton*"):
        shutil.copy(file, tmp_path)
    return tmp_path / "riverton.toml"


def forget():
    """As another process begins."""
    remembered._memories.clear()


def mistakes(world):
    return [problem.message for problem in check_world(world)[1]]


def test_a_sound_file_is_read_once_for_all_processes(riverton):
    first, second = (
        subprocess.run(
            [sys.executable, "-c", LOOK, str(riverton)], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    )
    assert first == ["[]", "True", "True"]
    assert second == ["[]", "False", "False"]


def test_a_file_that_is_spoilt_and_mended_is_told_each_time(riverton):
    file = riverton.with_name(STREETS)
    sound = file.read_text()
    assert mistakes(riverton) == []
    spoilt = json.loads(sound)
    spoilt["features"][0]["geometry"] = {"type": "Point", "coordinates": [15.0, 48.0]}
    file.write_text(json.dumps(spoilt))
    for _ in range(2):
        (told,) = mistakes(riverton)
        assert STREETS in told
        assert mistakes(riverton) == [told]  # within a process too
        forget()
    file.write_text(sound)
    assert mistakes(riverton) == []


def test_a_file_that_is_gone_is_told_whatever_was_remembered(riverton):
    assert mistakes(riverton) == []
    away = riverton.with_name(STREETS).rename(riverton.with_name("elsewhere.geojson"))
    for _ in range(2):
        assert any("no such vector file" in told for told in mistakes(riverton))
        forget()
    away.rename(riverton.with_name(STREETS))
    assert mistakes(riverton) == []


def test_another_place_of_the_world_is_another_question(riverton):
    """Streets out of the lattice's range are a mistake of the world, not of the file."""
    assert mistakes(riverton) == []
    text = riverton.read_text()
    assert "[500000.0, 5400000.0]" in text
    riverton.write_text(text.replace("[500000.0, 5400000.0]", "[500000.0, 5.4e12]"))
    assert any(STREETS in told for told in mistakes(riverton))
    riverton.write_text(text)
    assert mistakes(riverton) == []
