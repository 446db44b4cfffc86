"""What many tiles cost Dagster: the first run over a world, and the next one over the same.

    python benchmarks/many_tiles.py [--write] [--sides 16 32 64 100]

Prints, for worlds of side x side light tiles (points alone): seconds to the first tile,
milliseconds a tile and of CPU time, with all workers, megabytes of event log, and the peak
memory of the process that orchestrates. Each run is a process of its own, as on the command
line, so that peaks are its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from report import machine, write_section
from spine import workplace

HEADER = [
    "| tiles | run | first tile | wall a tile | CPU a tile | event log grows by | peak memory |",
    "| --- | --- | --- | --- | --- | --- | --- |",
]


def log_bytes(home: Path) -> int:
    """Size of all databases of the event log."""
    return sum(file.stat().st_size for file in (home / ".synthgrid" / "dagster").rglob("*.db*"))


def run(path: Path) -> dict[str, float]:
    """One run over all tiles of a world, in this process and its workers."""
    from synthgrid_assets.dagster.runs.follow import run_region
    from synthgrid_assets.dagster.runs.request import RegionChoice

    begun, first = time.perf_counter(), []

    def progress(*told: object) -> None:
        if str(told[2]).endswith("points") and not first:
            first.append(time.perf_counter() - begun)

    summary = run_region(path, {}, RegionChoice(assets=("points",)), progress)
    assert summary.passed, summary
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "first": first[0],
        "wall": time.perf_counter() - begun,
        "cpu": sum(one.ru_utime + one.ru_stime for one in usage),
        "peak": usage[0].ru_maxrss / 1e3,
    }


def rows(side: int) -> list[str]:
    """The table's rows of a world: made, then kept."""
    made = []
    with workplace(side, 24, 0.5, rest="") as path:
        home, before = path.parent.parent, 0
        for name in ("made", "kept"):
            command = [sys.executable, __file__, "--run", str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found, size = json.loads(done.stdout.splitlines()[-1]), log_bytes(home)
            made.append(
                f"| {side * side} | {name} | {found['first']:.1f} s "
                f"| {found['wall'] / side**2 * 1e3:.1f} ms | {found['cpu'] / side**2 * 1e3:.1f} ms "
                f"| {(size - before) / 1e6:.1f} MB | {found['peak']:.0f} MB |"
            )
            before = size
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table in RESULTS.md")
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 32, 64, 100])
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(run(arguments.run)))
        return
    table = "\n".join([*HEADER, *(row for side in arguments.sides for row in rows(side))])
    print(machine(), table, sep="\n\n")
    if arguments.write:
        write_section("many_tiles", table)


if __name__ == "__main__":
    main()
