"""Coverage of the intervals of `synthgrid fit`: how many worlds' true parameters lie in them.

    python benchmarks/fits.py [--worlds 200] [--simulations 99] [--processes thomas ...] [--write]

Each world is a pattern of known parameters in a window of 3 km2, fitted as by the command.
"""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from report import write_section
from scipy.stats import binom

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.bootstrap import simulate
from synthgrid_assets.fitting.fit import fit_process, flattened
from synthgrid_assets.fitting.intervals import RATE
from synthgrid_assets.fitting.k_estimate import Observed
from synthgrid_assets.fitting.windows import Window

ALPHA = 0.01  # of the band in which each parameter's count lies by chance
WINDOW = Window.rectangle(500000.0, 5400000.0, 502000.0, 5401500.0)
TRUE: dict[str, dict[str, object]] = {
    "thomas": {"parents_per_km2": 40.0, "mean_offspring": 8.0, "sigma": 25.0},
    "matern_cluster": {"parents_per_km2": 40.0, "mean_offspring": 8.0, "radius": 45.0},
    "lgcp": {"points_per_km2": 400.0, "scales": [{"sd": 1.0, "range": 80.0}]},
    "strauss": {"beta_per_km2": 400.0, "gamma": 0.4, "radius": 30.0},
}


def held(process: str, simulations: int, world: int) -> dict[str, bool] | None:
    """Which true parameters lie in their intervals; None if the world shows no structure."""
    radius = 30.0 if process == "strauss" else None
    true = flattened(TRUE[process])
    try:
        seen = Observed(simulate(process, TRUE[process], WINDOW, (15, world)), WINDOW)
        fit = fit_process(seen, process, radius=radius, simulations=simulations, seed=1000 + world)
    except SpecError:
        return None
    return {name: low <= true[name] <= high for name, (low, high) in fit.intervals.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--simulations", type=int, default=99)
    parser.add_argument("--processes", nargs="+", choices=[*TRUE], default=[*TRUE])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    lines = [
        f"Intervals at {RATE:.0%}, of {given.simulations} refits and as many refits of these.",
        "",
        f"| process | parameter | worlds | held the truth | band at {ALPHA:.0%} | within |",
        "|---|---|---|---|---|---|",
    ]
    with ProcessPoolExecutor(2) as pool:
        for process in given.processes:
            one = partial(held, process, given.simulations)
            found = [row for row in pool.map(one, range(given.worlds)) if row is not None]
            inside: Counter[str] = Counter()
            for row in found:
                inside.update(row)
            low, high = (int(binom.ppf(p, len(found), RATE)) for p in (ALPHA / 2, 1 - ALPHA / 2))
            for name, count in inside.items():
                lines.append(
                    f"| {process} | {name} | {len(found)} | {count} ({count / len(found):.1%}) "
                    f"| {low} to {high} | {'yes' if low <= count <= high else 'no'} |"
                )
                print(lines[-1], flush=True)
    print("\n".join(lines))
    if given.write:
        write_section("fits", "\n".join(lines))


if __name__ == "__main__":
    main()
