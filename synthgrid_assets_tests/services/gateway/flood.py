"""Load on a gateway, from a process of its own: questions and deliveries as fast as they go.

``python -m synthgrid_assets_tests.services.gateway.flood PORT SECONDS CONNECTIONS DELIVERING``
prints what came back as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

POINTS = 100


@dataclass
class Flood:
    """What came back."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of answers at once
    jobs: list[str] = field(default_factory=list)

    def take(self, status: int, content: dict, seconds: float) -> None:
        self.counts[f"{status} {content.get('tier', '')}".strip()] += 1
        if status == 200:
            self.seconds.append(seconds)
        elif status == 202:
            self.jobs.append(content["jobID"])


def question(rng: np.random.Generator) -> bytes:
    points = rng.uniform((6, 43), (14, 50), (POINTS, 2)).round(6).tolist()
    return json.dumps({"points": points}).encode()


def delivery(rng: np.random.Generator) -> bytes:
    spots = rng.uniform((6, 43), (14, 50), (50, 2)).tolist()
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": xy}}
        for xy in spots
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


async def ask(port: int, path: str, bodies: list[bytes], until: float, flood: Flood) -> None:
    """One connection that waits for each answer, and comes again where it was sent away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    at = 0
    while time.monotonic() < until:
        body, at = bodies[at % len(bodies)], at + 1
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/geo+json\r\n"
        began = time.perf_counter()
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        status, content = await answer(reader)
        flood.take(status, content, time.perf_counter() - began)
    writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    size = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
    return int(head.split()[1]), json.loads(await reader.readexactly(size))


async def run(port: int, seconds: float, connections: int, delivering: int) -> Flood:
    rng, flood = np.random.default_rng(1), Flood()
    questions = [question(rng) for _ in range(50)]
    deliveries = [delivery(rng) for _ in range(20)]
    until = time.monotonic() + seconds
    tasks = [ask(port, "/v1/geofence", questions, until, flood) for _ in range(connections)]
    tasks += [
        ask(port, "/collections/c/items", deliveries, until, flood) for _ in range(delivering)
    ]
    await asyncio.gather(*tasks)
    return flood


if __name__ == "__main__":
    port, seconds, connections, delivering = map(float, sys.argv[1:])
    found = asyncio.run(run(int(port), seconds, int(connections), int(delivering)))
    json.dump(vars(found), sys.stdout)
