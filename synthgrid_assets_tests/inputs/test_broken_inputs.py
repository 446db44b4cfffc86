"""Broken inputs of every driver: one line each, in bounded time and memory, never a traceback."""

import resource
import subprocess
import sys
import time

import pytest

from synthgrid_assets.world.validation import check_world
from synthgrid_assets_tests.inputs.broken_inputs import broken_inputs, huge_inputs

pytestmark = pytest.mark.filterwarnings("ignore")
SECONDS, BYTES = 10.0, 1 << 30
COMMAND = "from synthgrid_assets.cli import main; main()"


def judged(name, path):
    """What is wrong with a world, where that is one line."""
    spec, problems = check_world(path, contents=True)
    lines = [str(problem) for problem in problems]
    assert len(lines) <= 1, (name, lines)
    assert all("\n" not in line and len(line) < 1500 for line in lines), (name, lines)
    assert spec is not None
    return lines


def test_a_sample_is_told_in_one_line_each(tmp_path):
    ways = ("sound", "half", "garbage", "elsewhere", "fifo")
    worlds = broken_inputs(tmp_path, ways)
    assert len(worlds) > 100
    for name, path in worlds.items():
        found, way = judged(name, path), name.rpartition("_")[2]
        if "_as_" in name or way in ("garbage", "elsewhere", "fifo"):
            assert found, name
        elif way == "sound" and not name.startswith("vector_csv"):  # which has no CRS
            assert not found, (name, found)


def test_huge_ones_are_told_without_reading_them(tmp_path):
    begun = time.monotonic()
    for name, path in huge_inputs(tmp_path / "huge").items():
        assert bool(judged(name, path)) == (name != "gpkg"), name
    assert time.monotonic() - begun < 60  # on a busy machine; idle it takes two seconds


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_command_line_tells_all_of_them(tmp_path):
    """All of a driver in one process, whose processor time the kernel limits."""
    worlds = {**broken_inputs(tmp_path), **huge_inputs(tmp_path / "huge")}
    assert len(worlds) > 350
    by_driver = {}
    for name, path in worlds.items():
        by_driver.setdefault(name.rpartition("_")[0], []).append(str(path))
    for driver, paths in by_driver.items():
        limit = int(SECONDS * (1 + len(paths)))
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, "world", "check", *paths],
            capture_output=True,
            text=True,
            preexec_fn=lambda limit=limit: resource.setrlimit(
                resource.RLIMIT_CPU, (limit, limit + 1)
            ),
            check=False,
        )
        assert done.returncode in (0, 1), (driver, done)
        assert "Traceback" not in done.stderr, (driver, done.stderr)
        lines = (done.stdout + done.stderr).splitlines()
        for path in paths:
            told = [line for line in lines if line.startswith(f"{path}: ")]
            assert len(told) == 1 or told[0].endswith(": valid"), (path, told)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < BYTES
