"""Points a second of every point process on one core, beside pointpats and R spatstat.

    python benchmarks/processes.py [--write] [--quick]

All at about 8 points a cell, in CPU time, ours and the peers' runs taking turns. The peers
sample one window: pointpats, if it is installed, its nearest law with a fixed number of
points; spatstat, if `Rscript` finds it, the same law. A ratio compares points a second in
one run. Then what a tile costs by its size, and by the size of the region around it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from report import machine, write_section
from spatstat import CALLS, Spatstat

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.cluster.matern_cluster import MaternClusterProcess
from synthgrid_assets.processes.cluster.thomas import ThomasProcess
from synthgrid_assets.processes.gibbs.strauss import StraussProcess
from synthgrid_assets.processes.grid import JitteredProcess, RegularProcess
from synthgrid_assets.processes.lgcp import LgcpProcess
from synthgrid_assets.processes.matern_hard_core import MaternIIProcess, MaternIProcess
from synthgrid_assets.processes.poisson import PoissonProcess
from synthgrid_assets.processes.protocol import Process

TILE, SIDE = 32, 64  # cells: tiles of 8,000 points
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
QUADRATIC = ("matern_ii", "strauss", "hard_core")  # in spatstat, whose time grows so
WINDOWS = (16, 32)  # cells: where those are compared
TILES = (8, 16, 32, 64)
REGION_TILE, REGIONS = 4, (10, 32, 100)  # cells along a tile, tiles along a region
SECONDS = 0.2  # of CPU time for one rate


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


def rate(sample: Callable[[], int]) -> float:
    """Points in a second of CPU time, over at least SECONDS."""
    points, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < SECONDS:
        points += sample()
    return points / spent


def tiled(process: Process, side: int, tile: int) -> int:
    """Points of a square of cells, tile by tile."""
    corners = range(0, side, tile)
    return sum(
        len(process.points(Cells(x, y, x + tile, y + tile))) for y in corners for x in corners
    )


def pointpats() -> dict[str, Callable[[], int]]:
    """What samples each law that pointpats has; empty where it is not installed."""
    try:
        from pointpats import random
    except ImportError:
        return {}
    window, n = np.array([0.0, 0.0, SIDE, SIDE]), 8 * SIDE**2
    return {
        "poisson": lambda: len(random.poisson(window, size=n)),
        "matern_cluster": lambda: len(
            random.cluster_poisson(window, size=n, n_seeds=n // 8, cluster_radius=0.6)
        ),
    }


def turns(samplers: dict[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Median rate of each sampler; they take turns, after one turn that does not count."""
    rates: dict[str, list[float]] = {name: [] for name in samplers}
    for turn in range(repeats + 1):
        for name, sample in samplers.items():
            value = sample()
            if turn > 0:
                rates[name].append(value)
    return {name: statistics.median(values) for name, values in rates.items()}


def beside(mine: float, theirs: float | None) -> str:
    """A peer's rate, and in brackets how many times as fast we are."""
    return "-" if theirs is None else f"{theirs / 1e6:.3g} ({mine / theirs:.3g})"


def peers_table(spatstat: Spatstat, repeats: int) -> list[str]:
    """Rates of all processes and their peers."""
    peers = pointpats()
    lines = [
        f"Million points in a second of CPU time, {SIDE} x {SIDE} cells in tiles of {TILE} x "
        f"{TILE}; in brackets how many times the peer's rate that is. The peers sample "
        "the whole window at once.",
        "",
        "| process | synthgrid_assets | pointpats | spatstat |",
        "|---|---|---|---|",
    ]
    for name, process in processes().items():
        samplers = {"ours": lambda p=process: rate(lambda: tiled(p, SIDE, TILE))}
        if name in peers:
            samplers["pointpats"] = lambda n=name: rate(peers[n])
        if spatstat.installed and name in CALLS and name not in QUADRATIC:
            samplers["spatstat"] = lambda n=name: spatstat.rate(n, SIDE)
        rates = turns(samplers, repeats)
        mine = rates["ours"]
        cells = [beside(mine, rates.get(peer)) for peer in ("pointpats", "spatstat")]
        cells[1] = "below" if name in QUADRATIC and spatstat.installed else cells[1]
        lines.append(f"| {LABELS[name]} | {mine / 1e6:.3g} | {' | '.join(cells)} |")
    missing = ["pointpats"] * (not peers) + ["spatstat"] * (not spatstat.installed)
    return lines + ["", f"Not installed where this ran: {', '.join(missing)}."] * bool(missing)


def windows_table(spatstat: Spatstat, repeats: int) -> list[str]:
    """Rates of the processes for which spatstat's time grows with the square of the area."""
    lines = [
        "One window at once, where spatstat's time grows with the square of the area:",
        "",
        "| process | window | synthgrid_assets | spatstat |",
        "|---|---|---|---|",
    ]
    built = processes()
    for name in QUADRATIC:
        for side in WINDOWS:
            samplers = {"ours": lambda p=built[name], s=side: rate(lambda: tiled(p, s, s))}
            if spatstat.installed:
                samplers["spatstat"] = lambda n=name, s=side: spatstat.rate(n, s)
            rates = turns(samplers, min(repeats, 3))
            cells = f"{rates['ours'] / 1e6:.3g} | {beside(rates['ours'], rates.get('spatstat'))}"
            lines.append(f"| {LABELS[name]} | {side} x {side} | {cells} |")
    return lines


def tiles_table(repeats: int) -> list[str]:
    """Rates by the size of a tile."""
    lines = [
        f"Million points in a second, by the size of the tiles of {SIDE} x {SIDE} cells: what "
        "lies around a tile and matters to it is drawn again.",
        "",
        "| process | " + " | ".join(f"{tile} x {tile}" for tile in TILES) + " |",
        "|---" * (len(TILES) + 1) + "|",
    ]
    for name, process in processes().items():
        samplers = {
            str(tile): lambda p=process, t=tile: rate(lambda: tiled(p, SIDE, t)) for tile in TILES
        }
        rates = turns(samplers, min(repeats, 3))
        lines.append(
            f"| {LABELS[name]} | " + " | ".join(f"{r / 1e6:.3g}" for r in rates.values()) + " |"
        )
    return lines


def region_table() -> list[str]:
    """Cost of a tile by the number of tiles in its region."""
    lines = [
        f"Microseconds of CPU time for a tile of {REGION_TILE} x {REGION_TILE} cells, by the "
        "number of tiles in the region (nanoseconds for a point):",
        "",
        "| process | " + " | ".join(f"{side**2:,} tiles" for side in REGIONS) + " |",
        "|---" * (len(REGIONS) + 1) + "|",
    ]
    for name in processes():
        cells = []
        tiled(processes()[name], 10 * REGION_TILE, REGION_TILE)
        for side in REGIONS:
            costs = []
            for _ in range(max(REGIONS[-1] // side**2, 1)):  # as many tiles for small regions
                process, begin = processes()[name], time.process_time()
                points = tiled(process, side * REGION_TILE, REGION_TILE)
                costs.append((time.process_time() - begin, points))
            spent, points = sorted(costs)[len(costs) // 2]
            cells.append(f"{spent / side**2 * 1e6:.3g} ({spent / points * 1e9:.3g})")
        lines.append(f"| {LABELS[name]} | {' | '.join(cells)} |")
    return lines


def report(repeats: int) -> str:
    """All tables in Markdown."""
    with Spatstat() as spatstat:
        tables = [peers_table(spatstat, repeats), windows_table(spatstat, repeats)]
    tables += [tiles_table(repeats), region_table()]
    return "\n\n".join("\n".join(lines) for lines in tables)


def main() -> None:
    """Print the tables, and put them in RESULTS.md on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables in RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="two repeats in place of seven")
    arguments = parser.parse_args()
    begin = time.perf_counter()
    result = report(2 if arguments.quick else 7)
    result += f"\n\n`python benchmarks/processes.py`: {time.perf_counter() - begin:.0f} s."
    print(machine(), result, sep="\n\n")
    if arguments.write:
        write_section("processes", result)


if __name__ == "__main__":
    main()
