"""Points a second of every point process on one core, beside pointpats and R spatstat.

    python benchmarks/processes.py [--write] [--quick]

Each process fills 64 x 64 cells in tiles of 16, at about 8 points a cell. The peers sample
one window (a smaller one where they would take minutes): pointpats, if it is installed,
its nearest law with a fixed number of points; spatstat, if `Rscript` is found, the same
law. A ratio compares points a second in one run.
"""

from __future__ import annotations

import argparse
import json
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
}
SLOW = {"matern_i": 32, "matern_ii": 16, "strauss": 16, "hard_core": 16}  # spatstat's windows


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
    script = [
        'if (!requireNamespace("spatstat.random", quietly = TRUE)) quit(status = 77)',
        "suppressMessages(library(spatstat.random)); set.seed(1)",
        RATE_IN_R,
        'cat("{")',
    ]
    for number, (name, call) in enumerate(SPATSTAT.items()):
        side = SLOW.get(name, SIDE)
        script += [
            f"W <- owin(c(0, {side}), c(0, {side})); rates <- c()",
            f"for (i in 0:{repeats}) {{ t <- system.time(X <- suppressWarnings({call}))",
            "rates <- c(rates, npoints(X) / max(t[['elapsed']], 1e-3)) }",
            f"cat(sprintf('{', ' if number else ''}\"{name}\": %f', median(rates[-1])))",
        ]
    done = subprocess.run(
        ["Rscript", "-e", "\n".join([*script, 'cat("}")'])],
        capture_output=True,
        text=True,
        check=False,
    )
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def table(repeats: int) -> str:
    """The results as a Markdown table."""
    ours = {name: rate(lambda p=p: tiled(p), repeats) for name, p in processes().items()}
    peers = {"pointpats": pointpats_rates(repeats), "spatstat": spatstat_rates(repeats)}
    lines = [
        f"Million points a second on one core, tiles of {TILE} x {TILE} cells; in brackets how "
        "many times the peer's rate that is.",
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
