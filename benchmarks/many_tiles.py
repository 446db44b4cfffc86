"""What many tiles cost Dagster: the first run over a world, and the next one over the same.

    python benchmarks/many_tiles.py [--write] [--sides 16 32 64 100]

Prints, for worlds of side x side light tiles (points alone): seconds to the first tile,
milliseconds a tile, megabytes of event log, and the peak memory of the process that
orchestrates. Each world is a process of its own, so that peaks are its own.
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
    "| tiles | run | first tile | wall a tile | event log grows by | peak memory |",
    "| --- | --- | --- | --- | --- | --- |",
]


def log_bytes(home: Path) -> int:
    """Size of all databases of the event log."""
    return sum(file.stat().st_size for file in (home / ".synthgrid" / "dagster").rglob("*.db*"))


def measure(side: int) -> list[dict[str, float]]:
    """Two runs over a world: made, then kept."""
    found = []
    with workplace(side, 24, 0.5, rest="") as path:
        from synthgrid_assets.dagster.runs.follow import run_region
        from synthgrid_assets.dagster.runs.request import RegionChoice

        home = path.parent.parent
        before = 0
        for _ in range(2):
            begun, first = time.perf_counter(), []

            def progress(*told: object, begun: float = begun, first: list[float] = first) -> None:
                if str(told[2]).endswith("points") and not first:
                    first.append(time.perf_counter() - begun)

            summary = run_region(path, {}, RegionChoice(assets=("points",)), progress)
            assert summary.passed, summary
            seconds, size = time.perf_counter() - begun, log_bytes(home)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            found.append(
                {"first": first[0], "wall": seconds, "log": (size - before) / 1e6, "peak": peak}
            )
            before = size
    return found


def rows(side: int) -> list[str]:
    """The table's rows of a world, measured in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(side)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    runs = zip(("made", "kept"), json.loads(told.splitlines()[-1]), strict=True)
    return [
        f"| {side * side} | {name} | {run['first']:.1f} s | {run['wall'] / side**2 * 1e3:.1f} ms "
        f"| {run['log']:.1f} MB | {run['peak']:.0f} MB |"
        for name, run in runs
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table in RESULTS.md")
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 32, 64, 100])
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    table = "\n".join([*HEADER, *(row for side in arguments.sides for row in rows(side))])
    print(machine(), table, sep="\n\n")
    if arguments.write:
        write_section("many_tiles", table)


if __name__ == "__main__":
    main()
