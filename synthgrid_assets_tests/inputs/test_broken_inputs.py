"""Broken inputs of every driver: one line each, in bounded time and memory, never a traceback."""

import os
import resource
import subprocess
import sys
import time

import pytest

from synthgrid_assets.world.validation import check_world
from synthgrid_assets_tests.inputs.broken_inputs import broken_inputs, huge_inputs

pytestmark = pytest.mark.filterwarnings("ignore")
SOUND = {"sound"}
# damage that leaves content of another kind, which no reader could tell from what was meant
MAY_PASS = {"flipped", "part", "half", "stub"}
SECONDS, BYTES = 10.0, 1 << 30


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
def test_the_command_line_tells_all_of_them(tmp_path):
    """Each in a process of its own that may take 10 s and 1 GB: the limit is the kernel's."""
    worlds = {**broken_inputs(tmp_path), **huge_inputs(tmp_path / "huge")}
    assert len(worlds) > 350
    for name, path in worlds.items():
        done = subprocess.run(
            [sys.executable, "-m", "synthgrid_assets.cli", "world", "check", str(path)],
            capture_output=True,
            text=True,
            timeout=SECONDS * 6,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), 11)),
            check=False,
        )
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        told = [line for line in lines if str(path) in line]
        assert done.returncode in (0, 1), (name, done)
        assert "Traceback" not in done.stderr, (name, done.stderr)
        assert told, (name, lines)
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < BYTES, name
