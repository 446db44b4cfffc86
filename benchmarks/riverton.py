"""Riverton's whole chain as its user runs it: this version beside an earlier one, in one run.

    python benchmarks/riverton.py [--write] [--rounds 3]

256 light tiles, two layers, nine products, all evidence. Prints wall and CPU time of
`synthgrid materialize` from nothing, over all tiles again, over one committed tile, and of a run
that only tells Dagster of committed tiles, on an instance that knows none of them: what a Dagster
event costs. Each command is a process of its own, on two workers, start-up included.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from cost_of_a_point import EARLIER, PROJECT, checkout, told
from report import machine, write_section

EVENTS = 2 * 9 * 256  # of tiles: a materialisation and a check of each product
ONE, NEXT = ("--tiles", "3:4,3:4"), ("--tiles", "4:5,3:4")

COMMAND = """
import contextlib, json, os, resource, sys, time
from synthgrid_assets.cli import main
home, data, *options = sys.argv[1:]
os.environ |= {"DAGSTER_HOME": home, "SYNTHGRID_DATA": data}
os.chdir(home)
sys.argv = ["synthgrid", "materialize", "riverton.toml", "--workers", "2", *options]
begun = time.perf_counter()
with contextlib.redirect_stdout(sys.stderr):
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
own, below = (u.ru_utime + u.ru_stime for u in used)
print(json.dumps({"wall": time.perf_counter() - begun, "own": own, "cpu": own + below}))
"""


def measured(tree: Path, folder: Path, *, first_alone: bool) -> dict[str, dict[str, float]]:
    """The commands by name, in an empty folder: wall and CPU seconds of each."""
    data = str(folder / "data")
    homes = [folder / name for name in ("first", "other")]
    for home in homes:
        home.mkdir(parents=True)
        for file in (tree / "dagster.yaml", *(tree / "worlds").glob("riverton*")):
            shutil.copy(file, home)
    first, other = map(str, homes)
    made = told(COMMAND, tree, (first, data))
    if first_alone:
        return {"made": made}
    return {
        "made": made,
        "again": told(COMMAND, tree, (first, data)),
        "one": told(COMMAND, tree, (first, data, *ONE)),
        "new instance": told(COMMAND, tree, (other, data, *ONE)),
        "next elsewhere": told(COMMAND, tree, (other, data, *NEXT)),
        "told": told(COMMAND, tree, (other, data)),
    }


def event_milliseconds(run: dict[str, dict[str, float]]) -> float:
    """Wall time of one event of a tile that is committed already, start-up left out."""
    return (run["told"]["wall"] - run["next elsewhere"]["wall"]) / EVENTS * 1e3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table in RESULTS.md")
    parser.add_argument("--rounds", type=int, default=3, help="in turns; medians are shown")
    arguments = parser.parse_args()
    runs: dict[str, list[dict[str, dict[str, float]]]] = {"now": [], "earlier": []}
    with tempfile.TemporaryDirectory() as name:
        trees = {"now": PROJECT, "earlier": checkout(EARLIER, Path(name, "tree"))}
        for number in range(-1, arguments.rounds):  # the first round compiles what is not compiled
            for key, tree in trees.items():
                folder = Path(name, f"{key}-{number}")
                found = measured(tree, folder, first_alone=number < 0)
                shutil.rmtree(folder)
                if number >= 0:
                    runs[key].append(found)
    table = "\n".join(rows(runs))
    print(machine(), table, sep="\n\n")
    if arguments.write:
        write_section("riverton", table)


def rows(runs: dict[str, list[dict[str, dict[str, float]]]]) -> list[str]:
    """The table: medians of both versions, and their ratios."""
    names = {
        "made": "256 tiles from nothing",
        "again": "all of them again",
        "one": "one committed tile of 256",
    }
    lines = [
        f"Medians of {len(runs['now'])} rounds in turns, in seconds of wall time; in brackets of "
        "CPU time of all processes",
        "",
        f"| `synthgrid materialize`, 2 workers | this version | commit {EARLIER} | faster by |",
        "| --- | --- | --- | --- |",
    ]
    for key, what in names.items():
        wall, cpu = ({k: _median(runs[k], key, of) for k in runs} for of in ("wall", "cpu"))
        shown = [f"{wall[k]:.1f} ({cpu[k]:.1f})" for k in runs]
        ratio = f"{wall['earlier'] / wall['now']:.2f} ({cpu['earlier'] / cpu['now']:.2f})"
        lines.append(f"| {what} | {shown[0]} | {shown[1]} | {ratio} |")
    event = [statistics.median(map(event_milliseconds, runs[k])) for k in runs]
    lines.append(
        f"| an event of a committed tile, ms | {event[0]:.2f} | {event[1]:.2f} "
        f"| {event[1] / event[0]:.2f} |"
    )
    return lines


def _median(found: list[dict[str, dict[str, float]]], command: str, what: str) -> float:
    return statistics.median(run[command][what] for run in found)


if __name__ == "__main__":
    main()
