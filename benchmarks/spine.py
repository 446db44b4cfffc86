"""What a tile costs from seeds to green: one region run against Dagster's own ways.

    python benchmarks/spine.py [--write] [--quick]

Prints seconds per tile of one region run over the whole chain of assets, against one run
per partition (through the daemon, and in one process); Dagster's milliseconds per event
and its share of the wall time; the cost per tile from 16 to 4,096 tiles.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from report import machine, write_section

WORLD = """
[world]
name = "bench"
seed = "bench"
crs = "EPSG:32633"
cell = 64.0
extent = [0, 0, {extent}, {extent}]
tile = {tile}

[layers.cafes]
process = "thomas"
parents_per_km2 = {parents}
mean_offspring = 12.0
sigma = 90.0
{rest}
"""
CHAIN = """
[layers.cafes.tessellation]
[layers.cafes.release]
epsilon = 1.0
"""


@contextmanager
def workplace(side: int, tile: int, parents: float, rest: str = CHAIN) -> Iterator[Path]:
    """A world of side x side tiles, with a data root and an instance of its own."""
    with tempfile.TemporaryDirectory(prefix="synthgrid-bench-") as name:
        folder = Path(name)
        (folder / "worlds").mkdir()
        shutil.copy(Path(__file__).parent.parent / "dagster.yaml", folder)
        path = folder / "worlds" / "bench.toml"
        text = WORLD.format(extent=side * tile, tile=tile, parents=parents, rest=rest)
        path.write_text(text)
        os.environ |= {
            "SYNTHGRID_DATA": str(folder / "data"),
            "SYNTHGRID_WORLDS": str(folder / "worlds"),
            "DAGSTER_HOME": str(folder),
        }
        yield path


def region_seconds(path: Path, **choice: Any) -> tuple[float, int]:
    """Wall seconds and tile events of one region run, after the workers are warm."""
    from synthgrid_assets.dagster.runs.follow import run_region
    from synthgrid_assets.dagster.runs.request import RegionChoice

    summary = run_region(path, {}, RegionChoice(**choice), lambda *_: None)
    assert summary.passed, summary
    return summary.seconds, sum(tally.tiles for tally in summary.assets.values())


def one_region_run(side: int) -> float:
    """Seconds per tile of one run over side x side light tiles, all assets."""
    with workplace(side, 24, 4.0) as path:
        seconds, _ = region_seconds(path)
    return seconds / side**2


def run_per_tile_in_process(tiles: int) -> float:
    """Seconds per tile when each tile is a run of its own, executed in this process."""
    with workplace(8, 24, 4.0) as path:
        region_seconds(path, tiles="0:1,0:1")
        begun = time.perf_counter()
        for column in range(1, tiles + 1):
            region_seconds(path, tiles=f"{column}:{column + 1},0:1")
        return (time.perf_counter() - begun) / tiles


def run_per_tile_through_the_daemon(tiles: int) -> float:
    """Seconds per tile when Dagster's daemon launches one run per partition."""
    with workplace(8, 24, 4.0) as path, served(path.parent.parent) as ask:
        keys = [f"+{24 * column:07d}_24|+0000000_24" for column in range(tiles)]
        begun = time.perf_counter()
        launched = [ask(LAUNCH, {"e": _execution(key)})["launchRun"] for key in keys]
        assert all("run" in answer for answer in launched), launched
        ids = [answer["run"]["runId"] for answer in launched]
        while any(ask(STATUS, {"id": run})["runOrError"]["status"] not in DONE for run in ids):
            time.sleep(0.2)
        seconds = time.perf_counter() - begun
        assert all(ask(STATUS, {"id": run})["runOrError"]["status"] == "SUCCESS" for run in ids)
    return seconds / tiles


DONE = {"SUCCESS", "FAILURE", "CANCELED"}
LAUNCH = """mutation L($e: ExecutionParams!) { launchRun(executionParams: $e) {
  ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }"""
STATUS = "query S($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
NAMES = ("points", "density", "delaunay", "voronoi", "counts_release")


def _execution(key: str) -> dict[str, Any]:
    paths = [["bench", "tiles"], *(["bench", "cafes", name] for name in NAMES)]
    return {
        "selector": {
            "repositoryLocationName": "synthgrid_assets.definitions",
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": path} for path in paths],
        },
        "mode": "default",
        "runConfigData": {},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": key}]},
    }


@contextmanager
def served(home: Path) -> Iterator[Callable[[str, dict[str, Any]], Any]]:
    """`dagster dev` on a free port; yields a function that asks GraphQL."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "dev", "-m", "synthgrid_assets.definitions"]
    command += ["-h", "127.0.0.1", "-p", str(port)]
    with (home / "dev.log").open("w") as log:
        server = subprocess.Popen(command, cwd=home, stdout=log, stderr=log)

        def ask(query: str, variables: dict[str, Any]) -> Any:
            body = json.dumps({"query": query, "variables": variables}).encode()
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["data"]

        try:
            _wait_until(lambda: ask("{ version }", {}), 120)
            time.sleep(5)  # the daemon has its first round behind it
            yield ask
        finally:
            server.terminate()
            server.wait(60)


def _wait_until(ready: Callable[[], Any], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            ready()
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError("the server did not answer")


def milliseconds_per_event(side: int) -> float:
    """What an event costs: of committed tiles, told to an instance that knows none of them."""
    with workplace(side, 24, 4.0) as path:
        region_seconds(path)
        other = path.parent / "other"
        other.mkdir()
        shutil.copy(path.parent.parent / "dagster.yaml", other)
        os.environ["DAGSTER_HOME"] = str(other)
        region_seconds(path, tiles="0:1,0:1")  # makes the instance
        fixed, few = region_seconds(path, tiles="1:2,0:1")
        seconds, many = region_seconds(path)
    return (seconds - fixed) / (2 * (many - 2 * few)) * 1e3


def dagster_share(points: int) -> float:
    """Dagster's share of the wall time of the whole chain at `points` a tile."""
    from synthgrid_assets.world.validation import load_spec

    per_km2 = points / (24 * 0.064) ** 2 / 12.0
    with workplace(4, 24, per_km2) as path:
        begun = time.perf_counter()
        seconds, _ = region_seconds(path)
        seconds = time.perf_counter() - begun
        assert load_spec(path)
        fixed, few = region_seconds(path, tiles="0:1,0:1")
        again, many = region_seconds(path)
    events = (again - fixed) * many / (many - few)
    return events / seconds


def flat_cost(sides: tuple[int, ...]) -> dict[int, float]:
    """Seconds per tile of the whole chain with all evidence, by number of tiles."""
    return {side * side: one_region_run(side) for side in sides}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table in RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller regions")
    arguments = parser.parse_args()
    side = 8 if arguments.quick else 16
    region = one_region_run(side)
    alone = run_per_tile_in_process(4)
    daemon = run_per_tile_through_the_daemon(3 if arguments.quick else 6)
    event = milliseconds_per_event(side)
    share = dagster_share(100_000)
    flat = flat_cost((4, 16) if arguments.quick else (4, 16, 32, 64))
    lines = [
        f"| one region run, {side * side} tiles, whole chain | {region * 1e3:.1f} ms a tile | |",
        f"| a run per tile, in one process | {alone * 1e3:.0f} ms a tile | {alone / region:.1f}x |",
        f"| a run per tile, through the daemon | {daemon * 1e3:.0f} ms a tile | "
        f"{daemon / region:.0f}x |",
        f"| one Dagster event (embedded storage) | {event:.2f} ms | goal under 1.5 |",
        f"| Dagster's share at 100,000 points a tile | {share:.1%} | goal under 10 % |",
        *(f"| whole chain, {n} tiles | {s * 1e3:.1f} ms a tile | |" for n, s in flat.items()),
    ]
    table = "\n".join(["| what | measured | ratio |", "| --- | --- | --- |", *lines])
    print(machine(), table, sep="\n\n")
    if arguments.write:
        write_section("spine", table)


if __name__ == "__main__":
    main()
