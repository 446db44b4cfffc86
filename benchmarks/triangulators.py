"""Triangulators at 10^6 and 10^7 points and at 10^6 constraint edges, beside their peers.

    python benchmarks/triangulators.py [--write] [--peer PYTHON] [--quick]

Each works in a process of its own, on the same integer points; CPU seconds and the memory over
what it starts with. The peers kagen, startinpy and pythoncdt are looked for in PYTHON's
environment (`pip install kagen startinpy pythoncdt`); what is not installed is left out and
named. Constraints are 500 wavy roads of 2,000 segments that nowhere cross, among 10^6 points.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from report import machine, write_section

CHILD = Path(__file__).with_name("triangulator_peers.py")
SIDE = 2**28  # quanta along the square
ELSEWHERE = ("startinpy", "pythoncdt", "triangle", "kagen (CGAL), its own points")
FREE = ("synthgrid_assets", "scipy (Qhull)", "shapely (GEOS)", *ELSEWHERE)
FIXED = (
    "synthgrid_assets",
    "pythoncdt",
    "triangle",
    "shapely, strips between roads, no free points",
)
LIMIT = 900  # seconds for one triangulation


def scattered(n: int, rng: np.random.Generator) -> np.ndarray:
    """Distinct integer points, shape (n, 2)."""
    drawn = rng.integers(0, SIDE, (n + n // 100 + 10, 2))
    return np.unique(drawn, axis=0)[rng.permutation(n)]


def roads(count: int, segments: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Roads one above the other that never meet: points, and rows of the edges between them."""
    along = np.linspace(0, SIDE, segments + 1).astype(np.int64)
    room = SIDE // count
    rows = []
    for k in range(count):
        wave = 0.3 * np.sin(along / SIDE * 60 + k) + rng.uniform(-0.1, 0.1, along.size)
        rows.append(np.stack((along, ((k + 0.5 + wave) * room).astype(np.int64)), axis=1))
    tail = np.concatenate([np.arange(segments) + k * (segments + 1) for k in range(count)])
    return np.concatenate(rows), np.stack((tail, tail + 1), axis=1)


def measured(name: str, folder: Path, python: str, repeats: int) -> dict[str, float] | str:
    """Median CPU seconds and the most memory; why not, where it has not ended."""
    found = []
    for _ in range(repeats):
        where = python if name in ELSEWHERE else sys.executable
        command = [where, str(CHILD), name, str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return f"not within {LIMIT} s"
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
            return "not installed" if "ModuleNotFoundError" in last[0] else last[0][:60]
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return {
        "seconds": statistics.median(each["seconds"] for each in found),
        "mebibytes": max(each["mebibytes"] for each in found),
    }


def table(names: tuple[str, ...], folder: Path, python: str, repeats: int, of: str) -> list[str]:
    """A row for each; the first is ours. Rates count the rows of the file `of`."""
    n = len(np.load(folder / f"{of}.npy"))
    lines = [f"| | CPU s | {of} a CPU second | MiB | ours is faster by |", "|---|---|---|---|---|"]
    ours = 0.0
    for name in names:
        found = measured(name, folder, python, repeats)
        if isinstance(found, str):
            lines.append(f"| {name} | {found} | | | |")
            continue
        spent = found["seconds"]
        ours = ours or spent
        ratio = f"{spent / ours:.1f}" if spent != ours else ""
        lines.append(
            f"| {name} | {spent:.2f} | {n / spent / 1e3:,.0f} k | {found['mebibytes']:,.0f} "
            f"| {ratio} |"
        )
    return [*lines, ""]


def report(python: str, sizes: tuple[int, ...], count: int, repeats: int) -> list[str]:
    rng = np.random.default_rng(1)
    lines = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for n in sizes:
            np.save(folder / "points.npy", scattered(n, rng))
            lines += [f"**Delaunay** of {n:,} points", ""]
            lines += table(FREE, folder, python, repeats if n < 5_000_000 else 1, "points")
        points, edges = roads(count, 2_000, rng)
        free = scattered(len(edges), rng)
        free = free[~np.isin(free[:, 0], points[:, 0])]  # none lies on a road's vertex
        np.save(folder / "points.npy", np.concatenate((points, free)))
        np.save(folder / "edges.npy", edges)
        lines += [f"**{len(edges):,} constraint edges** among {len(free):,} points", ""]
        lines += table(FIXED, folder, python, repeats, "edges")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the points")
    parser.add_argument("--peer", default=sys.executable, help="Python that has the peers")
    options = parser.parse_args()
    if options.quick:
        lines = report(options.peer, (10_000, 100_000), 10, 1)
    else:
        lines = report(options.peer, (1_000_000, 10_000_000), 500, 3)
    body = "\n".join(lines).rstrip()
    if options.write:
        write_section("triangulators", body)
    print(machine() + "\n\n" + body)


if __name__ == "__main__":
    main()
