"""Points to zones: the cell index against shapely, geopandas, a process pool, DuckDB and others.

    python benchmarks/geofence.py [--write] [--quick]

Ten thousand star-shaped zones of some 350 vertices, overlapping, every third with a hole
(``--quick``: a thousand). A question is a batch of random points. Every peer answers the same
questions in the same run, and the sums of their answers must agree. The pool is the usual one
for asyncio: two worker processes that hold a tree of their own and are sent pickled lists of
points. The last table changes the zones' version ten times a second while questions come.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from geofence_peers import PEERS
from report import write_section

from synthgrid_assets.services.gateway.geofence.zone_index import ZoneIndex, compile_zones
from synthgrid_assets.services.gateway.geofence.zone_store import ZoneStore

BATCHES = (50, 200, 500)
_tree: Any = None


def star(r: np.random.Generator, hole: bool) -> shapely.Polygon:
    """A polygon of 175 to 525 vertices."""
    count = int(r.integers(175, 526))
    angle = np.sort(r.uniform(0, 2 * np.pi, count))
    around = np.column_stack([np.cos(angle), np.sin(angle)])
    centre, radius = r.uniform(-10, 10, 2), r.uniform(0.05, 0.4)
    shell = centre + (radius * r.uniform(0.6, 1.0, count))[:, None] * around
    return shapely.Polygon(shell, [centre + 0.3 * radius * around[::3]] if hole else [])


def make_zones(count: int) -> np.ndarray[Any, Any]:
    """Valid zones."""
    r = np.random.default_rng(1)
    shapes = np.array([star(r, k % 3 == 0) for k in range(count)])
    shapes = shapely.make_valid(shapes, method="structure", keep_collapsed=False)
    return shapes[np.isin(shapely.get_type_id(shapes), (3, 6))]


def timed(ask: Callable[[np.ndarray[Any, Any]], int], points: Any, size: int) -> tuple[str, int]:
    """Median and 95th percentile of a batch in milliseconds, and the sum of the answers."""
    ask(points[:size])
    times, pairs = [], 0
    began = time.perf_counter()
    for k in range(60):
        batch = points[k * size : (k + 1) * size]
        start = time.perf_counter()
        pairs += ask(batch)
        times.append(1e3 * (time.perf_counter() - start))
        if time.perf_counter() - began > 20 and k >= 9:
            return f"{statistics.median(times):.3f} / {np.percentile(times, 95):.3f}", -1
    return f"{statistics.median(times):.3f} / {np.percentile(times, 95):.3f}", pairs


def open_tree(path: str) -> None:
    """A worker's own tree, with prepared zones."""
    global _tree
    shapes = shapely.from_wkb(np.load(path, allow_pickle=True))
    shapely.prepare(shapes)
    _tree = shapely.STRtree(shapes)


def ask_tree(points: list[list[float]]) -> int:
    """What a worker does: one point after the other."""
    shapes = _tree.geometries
    found = 0
    for x, y in points:
        place = shapely.Point(x, y)
        found += sum(bool(shapes[zone].intersects(place)) for zone in _tree.query(place))
    return found


def askers(shapes: Any, folder: Path) -> dict[str, Callable[[Any], int] | str]:
    """Everyone who answers, by name."""
    import geopandas

    tree = shapely.STRtree(shapes)
    frame = geopandas.GeoDataFrame(geometry=list(shapes), crs=4326)
    frame.sindex  # noqa: B018 (built before the clock runs)
    compiled, plain = ZoneIndex(folder, compiled=True), ZoneIndex(folder)

    def joined(batch: Any) -> int:
        points = geopandas.GeoDataFrame(
            geometry=geopandas.points_from_xy(batch[:, 0], batch[:, 1]), crs=4326
        )
        return len(geopandas.sjoin(points, frame, predicate="intersects"))

    return {
        "cell index, compiled": lambda batch: int(compiled.query(batch).zones.size),
        "cell index, NumPy": lambda batch: int(plain.query(batch).zones.size),
        "shapely STRtree.query": lambda batch: int(
            tree.query(shapely.points(batch), predicate="intersects").shape[1]
        ),
        "geopandas.sjoin": joined,
        **{name: peer(shapes) for name, peer in PEERS.items()},
    }


def pool_rows(shapes: Any, points: Any, folder: Path) -> list[str]:
    """The process pool, one question at a time."""
    path = folder / "zones.npy"
    np.save(path, shapely.to_wkb(shapes), allow_pickle=True)
    with ProcessPoolExecutor(2, get_context("spawn"), open_tree, (str(path),)) as pool:
        for start in range(0, 20_000, 500):  # zones are prepared as they are met
            list(pool.map(ask_tree, [points[start : start + 500].tolist()] * 2))
        cells = [
            timed(lambda batch: pool.submit(ask_tree, batch.tolist()).result(), points, size)[0]
            for size in BATCHES
        ]
    return [f"| process pool of two | {' | '.join(cells)} |"]


def changing_versions(shapes: Any, points: Any, folder: Path) -> str:
    """Questions of 100 points while the current version is swapped ten times a second."""
    versions = [
        compile_zones(part, [str(k) for k in range(len(part))], folder, crs="OGC:CRS84").version
        for part in (shapes, shapes[:-1])
    ]
    store = ZoneStore(folder, compiled=True)
    done = threading.Event()

    def swap() -> None:
        turn = 0
        while not done.wait(0.1):
            turn += 1
            draft = folder / ".swap"
            draft.write_text(versions[turn % 2])
            draft.replace(folder / "CURRENT")

    swapper = threading.Thread(target=swap)
    swapper.start()
    times, seen = [], set()
    began = time.perf_counter()
    while time.perf_counter() - began < 5.0:
        k = (len(times) * 100) % (len(points) - 100)
        start = time.perf_counter()
        index = store.current()
        index.query(points[k : k + 100])
        times.append(1e3 * (time.perf_counter() - start))
        seen.add(id(index))
    rate = 100 * len(times) / (time.perf_counter() - began)
    done.set()
    swapper.join()
    median, high = statistics.median(times), np.percentile(times, 95)
    return (
        f"While the version changed {len(seen) - 1} times or more in 5 s: {rate:,.0f} points/s in "
        f"batches of 100, p50 {median:.3f} ms, p95 {high:.3f} ms, worst {max(times):.1f} ms."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    shapes = make_zones(1_000 if options.quick else 10_000)
    points = np.random.default_rng(2).uniform(-10, 10, (40_000, 2))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        facts = compile_zones(shapes, [str(k) for k in range(len(shapes))], folder, crs="OGC:CRS84")
        compiling = time.perf_counter() - start
        lines = [f"| milliseconds, p50 / p95 | {' | '.join(f'{b} points' for b in BATCHES)} |"]
        lines.append("| --- |" + " --- |" * len(BATCHES))
        sums: dict[int, set[int]] = {size: set() for size in BATCHES}
        for peer, ask in askers(shapes, folder).items():
            cells = []
            for size in BATCHES:
                cell, pairs = (ask, -1) if isinstance(ask, str) else timed(ask, points, size)
                cells.append(cell)
                sums[size].update({pairs} - {-1})
            lines.append(f"| {peer} | {' | '.join(cells)} |")
        assert all(len(found) == 1 for found in sums.values()), sums
        lines += pool_rows(shapes, points, folder)
        size = sum(path.stat().st_size for path in folder.rglob("*.npy")) / 2**20
        text = (
            f"{facts.zones:,} zones, {facts.edges:,} vertices, {facts.cells:,} cells; compiled in "
            f"{compiling:.1f} s, {size:.0f} MiB of arrays. Load average "
            f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n\n" + "\n".join(lines)
        )
        text += "\n\n" + changing_versions(shapes, points, folder)
    print(text)
    if options.write:
        write_section("geofence", text)


if __name__ == "__main__":
    main()
