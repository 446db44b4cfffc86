"""Points a second of every point process on one core, beside pointpats and R spatstat.

    python benchmarks/processes.py [--write] [--quick]

Each process fills 64 x 64 cells in tiles of 16, at about 8 points a cell. The peers sample
one window: pointpats, if it is installed, its nearest law with a fixed number of points;
spatstat, if `Rscript` finds it, the same law, on one of our tiles where its time grows with
the square of the window's area. A ratio compares points a second in one run.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from report import machine, write_section

from synthgrid_assets.processes.grid import JitteredProcess, RegularProcess
from synthgrid_assets.processes.lgcp import LgcpProcess
from synthgrid_assets.processes.matern_cluster import MaternClusterProcess
from synthgrid_assets.processes.matern_hard_core import MaternIIProcess, MaternIProcess
from synthgrid_assets.processes.poisson import PoissonProcess
from synthgrid_assets.processes.protocol import Process
from synthgrid_assets.processes.strauss import StraussProcess
from synthgrid_assets.processes.thomas import ThomasProcess
from synthgrid_assets.world.lattice import CELL, Cells
from synthgrid_assets.world.seeding import stream_key

TILE, SIDE = 16, 64  # cells
KEY = stream_key("benchmark")
LABELS = {
    "poisson": "Poisson, 8 a cell",
    "thomas": "Thomas, 1 x 8, sigma 0.25",
    "matern_cluster": "Matern cluster, 1 x 8, R 0.6",
    "matern_i": "Matern I, beta 8, R 0.15",
    "matern_ii": "Matern II, beta 8, R 0.25",
    "lgcp": "LGCP, 8 a cell, two scales",
    "strauss": "Strauss, beta 8, gamma 0.5, R 0.15",
    "hard_core": "hard core, beta 4, R 0.25",
    "grid": "grid, 4 a cell",
    "jittered": "jittered grid, 4 a cell",
}
# spatstat's call for the same law in a window W of side L; perfect simulation where it has it
SPATSTAT = {
    "poisson": "rpoispp(8, win=W)",
    "thomas": "rThomas(1, 0.25, 8, win=W)",
    "matern_cluster": "rMatClust(1, 0.6, 8, win=W)",
    "matern_i": "rMaternI(8, 0.15, win=W)",
    "matern_ii": "rMaternII(8, 0.25, win=W)",
    "strauss": "rStrauss(8, 0.5, 0.15, W)",
    "hard_core": "rHardcore(4, 0.25, W)",
    "grid": "rsyst(W, nx=2 * L)",
    "jittered": "rstrat(W, nx=2 * L)",
}
QUADRATIC = frozenset({"matern_ii", "strauss", "hard_core"})  # in spatstat: on one tile only
NO_SPATSTAT = 77  # exit status of the script below without the package
# R's clock ticks in milliseconds: one rate is taken over at least a fifth of a second
SPATSTAT_RATE = f"""
if (!requireNamespace("spatstat.random", quietly = TRUE)) quit(status = {NO_SPATSTAT})
suppressMessages(library(spatstat.random))
set.seed(1)
rate <- function(name, L, sample, repeats) {{
  W <- owin(c(0, L), c(0, L))
  once <- function() {{
    n <- 0
    begin <- proc.time()[["elapsed"]]
    while ((spent <- proc.time()[["elapsed"]] - begin) < 0.2) n <- n + npoints(sample(W, L))
    n / spent
  }}
  once()
  cat(name, median(replicate(repeats, once())), "\\n")
}}
"""


def processes() -> dict[str, Process]:
    """One process of each family, in cell units."""
    eight, one = Fraction(8), Fraction(1)
    return {
        "poisson": PoissonProcess(KEY, eight),
        "thomas": ThomasProcess(KEY, one, eight, CELL // 4),
        "matern_cluster": MaternClusterProcess(KEY, one, eight, CELL * 6 // 10),
        "matern_i": MaternIProcess(KEY, eight, CELL * 15 // 100),
        "matern_ii": MaternIIProcess(KEY, eight, CELL // 4),
        "lgcp": LgcpProcess(KEY, eight, ((0.8, 9), (0.6, 3)), 3),
        "strauss": StraussProcess(KEY, eight, Fraction(1, 2), CELL * 15 // 100),
        "hard_core": StraussProcess(KEY, Fraction(4), Fraction(0), CELL // 4),
        "grid": RegularProcess(KEY, 4),
        "jittered": JitteredProcess(KEY, 4),
    }


def rate(sample: Callable[[], int], repeats: int) -> float:
    """Median points a second; the first call, which may compile, is not counted."""
    sample()
    rates = []
    for _ in range(repeats):
        begin = time.perf_counter()
        points = sample()
        rates.append(points / (time.perf_counter() - begin))
    return statistics.median(rates)


def tiled(process: Process) -> int:
    """Points of the whole window, tile by tile."""
    corners = range(0, SIDE, TILE)
    return sum(
        len(process.points(Cells(x, y, x + TILE, y + TILE))) for y in corners for x in corners
    )


def pointpats_rates(repeats: int) -> dict[str, float]:
    """Points a second of pointpats; empty where it is not installed."""
    try:
        from pointpats import random
    except ImportError:
        return {}
    window, n = np.array([0.0, 0.0, SIDE, SIDE]), 8 * SIDE**2
    seeds = n // 8

    def clusters() -> int:
        return len(random.cluster_poisson(window, size=n, n_seeds=seeds, cluster_radius=0.6))

    return {
        "poisson": rate(lambda: len(random.poisson(window, size=n)), repeats),
        "matern_cluster": rate(clusters, repeats),
    }


def spatstat_rates(repeats: int) -> dict[str, float]:
    """Points a second of R spatstat; empty where R or spatstat.random is not installed."""
    if shutil.which("Rscript") is None:
        return {}
    lines = [SPATSTAT_RATE]
    for name, call in SPATSTAT.items():
        side = TILE if name in QUADRATIC else SIDE
        lines.append(f'rate("{name}", {side}, function(W, L) {call}, {repeats})')
    done = subprocess.run(
        ["Rscript", "--vanilla", "-e", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == NO_SPATSTAT:
        return {}
    if done.returncode != 0:
        raise RuntimeError(f"spatstat's script failed: {done.stderr.strip()}")
    rows = (line.split() for line in done.stdout.splitlines())
    return {name: float(value) for name, value in rows}


def table(repeats: int) -> str:
    """The results as a Markdown table."""
    ours = {name: rate(lambda p=p: tiled(p), repeats) for name, p in processes().items()}
    peers = {"pointpats": pointpats_rates(repeats), "spatstat": spatstat_rates(repeats)}
    lines = [
        f"Million points a second on one core, tiles of {TILE} x {TILE} cells; in brackets how "
        "many times the peer's rate that is. spatstat samples one tile of "
        f"{', '.join(LABELS[name].split(',')[0] for name in LABELS if name in QUADRATIC)}: its "
        "time there grows with the square of the area; elsewhere the whole window at once.",
        "",
        "| process | synthgrid_assets | " + " | ".join(peers) + " |",
        "|---" * (2 + len(peers)) + "|",
    ]
    for name, mine in ours.items():
        cells = [LABELS[name], f"{mine / 1e6:.3g}"]
        for rates in peers.values():
            theirs = rates.get(name)
            cells.append("-" if theirs is None else f"{theirs / 1e6:.3g} ({mine / theirs:.3g})")
        lines.append("| " + " | ".join(cells) + " |")
    missing = [peer for peer, rates in peers.items() if not rates]
    if missing:
        lines += ["", f"Not installed where this ran: {', '.join(missing)}."]
    return "\n".join(lines)


def main() -> None:
    """Print the table, and put it in RESULTS.md on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table in RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="two repeats in place of seven")
    arguments = parser.parse_args()
    result = table(2 if arguments.quick else 7)
    print(machine(), result, sep="\n\n")
    if arguments.write:
        write_section("processes", result)


if __name__ == "__main__":
    main()
