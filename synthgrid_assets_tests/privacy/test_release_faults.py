"""The record of draws under races and kills: one draw for each block, none unrecorded."""

import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from synthgrid_assets.privacy.budget import Budget
from synthgrid_assets.privacy.ledger import Ledger
from synthgrid_assets.privacy.release_record import ReleaseRecord
from synthgrid_assets_tests.privacy import release_worker
from synthgrid_assets_tests.privacy.release_worker import BLOCKS, counts, request


def start(mode: str, path: Path, argument: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, release_worker.__file__, mode, path, str(argument)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def start_together(mode: str, path: Path, seeds: range) -> list[subprocess.Popen[str]]:
    processes = [start(mode, path, seed) for seed in seeds]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(seeds)
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def recorded(path: Path) -> dict[str, int]:
    """Every block's noisy count in the record; asking draws what is missing."""
    released = ReleaseRecord(path).release(request(BLOCKS), lambda: counts(BLOCKS))
    return {b.name: n for b, n in zip(BLOCKS, released.noisy.tolist(), strict=True)}


@pytest.mark.timeout(120)
def test_eight_processes_that_race_for_the_same_blocks_draw_each_once(tmp_path):
    path = tmp_path / "releases.sqlite"  # they race for making the file, too
    processes = start_together("once", path, range(8))
    lines = [process.communicate(timeout=100)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    seen = defaultdict(set)
    for block, noisy, _ in (line.split() for part in lines for line in part):
        seen[block].add(int(noisy))
    assert sum(int(part[0].split()[2]) for part in lines) == len(seen)  # draws
    assert all(len(part) == 20 for part in lines)
    assert len(seen) < 8 * 20  # they did ask for the same blocks
    ReleaseRecord(path).verify()
    everything = recorded(path)
    assert all(seen[block] == {everything[block]} for block in seen)


@pytest.mark.timeout(120)
def test_eight_processes_spend_exactly_the_capacity_and_never_more(tmp_path):
    path = tmp_path / "releases.sqlite"
    Ledger(path).declare(Budget("world/cafes", "1.0"))  # 8 releases of each of four blocks
    processes = start_together("spend", path, range(8))
    lines = [line for p in processes for line in p.communicate(timeout=100)[0].splitlines()]
    assert [process.returncode for process in processes] == [0] * 8
    drawn = [line for line in lines if line.endswith(" 1")]
    assert len(lines) == 800
    assert len(drawn) == 4 * 8
    assert {"refused"} < set(lines)
    assert Ledger(path).verify().sequence == 1 + 4 * 8
    left = Ledger(path).remaining(request(BLOCKS[:5]))
    assert list(left.values()) == [0, 0, 0, 0, 10**12]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("point", ["count", "begin", "draw", "insert", "commit", "return"])
def test_a_release_killed_at_any_point_is_recorded_whole_or_not_drawn(tmp_path, point):
    path = tmp_path / "releases.sqlite"
    Ledger(path).declare(Budget("world/cafes", "0.1"))  # enough for each block once
    ReleaseRecord(path).release(request(BLOCKS[8:9]), lambda: counts(BLOCKS[8:9]))
    process = start("die", path, point)
    assert process.communicate(timeout=50)[0] == ""
    assert process.returncode == -9
    committed = point == "return"
    assert ReleaseRecord(path).verify().sequence == (10 if committed else 2)
    again = ReleaseRecord(path).release(request(BLOCKS[:8]), lambda: counts(BLOCKS[:8]))
    assert again.drawn == (0 if committed else 8)
    assert ReleaseRecord(path).verify().sequence == 10


@pytest.mark.timeout(120)
def test_a_storm_of_kills_leaves_nothing_published_that_is_not_recorded(tmp_path):
    path = tmp_path / "releases.sqlite"
    choice = random.Random(5)
    published = defaultdict(set)
    for round_ in range(6):
        processes = start_together("forever", path, range(2 * round_, 2 * round_ + 2))
        outputs = [process.stdout.readline() for process in processes]  # both are at work
        time.sleep(choice.uniform(0.0, 0.1))
        for process in processes:
            process.kill()
        for process, first in zip(processes, outputs, strict=True):
            # not `communicate`, which skips what `readline` has already buffered
            text = first + process.stdout.read()
            process.communicate()
            # a line that the kill cut off was handed to nobody
            for block, noisy, _ in (line.split() for line in text.split("\n")[:-1]):
                published[block].add(int(noisy))
        ReleaseRecord(path).verify()
    everything = recorded(path)
    assert len(published) >= 20
    assert all(published[block] == {everything[block]} for block in published)
    assert ReleaseRecord(path).verify().sequence == len(BLOCKS)
    assert np.ptp(list(everything.values())) > 0
