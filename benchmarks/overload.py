"""A gateway asked more than it can answer: what the accepted questions of 100 points take then.

The load comes from h2load (nghttp2; Debian's package nghttp2-client), which is cheap enough to
run beside the gateway: each connection asks again as soon as it was answered, whatever it was
told, so that ever more connections are ever more load. Latencies are the client's.

Usage: python benchmarks/overload.py [--write] [--seconds S]
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
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import shapely
from report import write_section
from webhook import free_port

from synthgrid_assets.services.gateway.geofence.sources import compile_layer
from synthgrid_assets.services.gateway.options import OPTIONS_VARIABLE, GatewayOptions

CONNECTIONS = (4, 20, 40, 200)
ZONES = 2000
POINTS = 100
PLACES = ((6.0, 43.0), (14.0, 50.0))


def zones(folder: Path, rng: np.random.Generator) -> None:
    """Discs of about 5 km, many of which overlap."""
    discs = shapely.buffer(shapely.points(rng.uniform(*PLACES, (ZONES, 2))), 0.05)
    names = [f"z{k}" for k in range(ZONES)]
    frame = geopandas.GeoDataFrame({"name": names}, geometry=discs, crs="OGC:CRS84")
    compile_layer(frame, folder, name="name")


def asked(port: int, connections: int, seconds: int, folder: Path) -> np.ndarray:
    """Status and milliseconds of each answer, shape (n, 2)."""
    log = folder / f"log-{connections}"
    command = ["h2load", "--h1", f"-c{connections}", f"-D{seconds}", "--warm-up-time=1"]
    command += ["-d", str(folder / "question.json"), "-H", "content-type: application/json"]
    command += [f"--log-file={log}", f"http://127.0.0.1:{port}/v1/geofence"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return np.loadtxt(log, usecols=(1, 2), ndmin=2) * (1.0, 1e-3)


def row(connections: int, answers: np.ndarray, seconds: int) -> str:
    """One line of the table."""
    taken = answers[answers[:, 0] == 200, 1]
    away = np.isin(answers[:, 0], (429, 503)).mean()
    middle, high, last = np.percentile(taken, (50, 95, 99))
    return (
        f"| {connections} | {len(taken) / seconds:,.0f} | {middle:.1f} ms | {high:.1f} ms "
        f"| {last:.1f} ms | {(answers[:, 0] == 202).mean():.1%} | {away:.1%} |"
    )


def started(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A gateway with one landing worker that answers."""
    options = GatewayOptions(data=f"file://{folder / 'data'}", port=free_port(), workers=1)
    options = replace(options, zones=folder / "zones")
    environment = {**os.environ, OPTIONS_VARIABLE: options.to_json()}
    command = [sys.executable, "-m", "synthgrid_assets.services.gateway"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{options.port}/readyz")
            return process, options.port
        except OSError:
            time.sleep(0.2)
    process.kill()
    raise SystemExit("the gateway did not start within a minute")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--seconds", type=int, default=10)
    chosen = parser.parse_args()
    if shutil.which("h2load") is None:
        raise SystemExit("h2load is missing: apt-get install nghttp2-client")
    rng = np.random.default_rng(1)
    lines = [
        "| connections | answers a second | p50 | p95 | p99 | deferred | sent away |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        zones(folder / "zones", rng)
        points = rng.uniform(*PLACES, (POINTS, 2)).round(6).tolist()
        (folder / "question.json").write_text(json.dumps({"points": points}))
        process, port = started(folder)
        try:
            for connections in CONNECTIONS:
                answers = asked(port, connections, chosen.seconds, folder)
                lines.append(row(connections, answers, chosen.seconds))
        finally:
            process.terminate()
            process.wait(60)
    lines += [
        "",
        f"Questions of {POINTS} points over {ZONES:,} zones; latencies are those of exact and box "
        "answers. Connections come back at once, also when told to wait.",
    ]
    text = "\n".join(lines)
    print(text)
    if chosen.write:
        write_section("overload", text)


if __name__ == "__main__":
    main()
