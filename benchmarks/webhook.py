"""The webhook's acknowledgement and memory, against one that reads a body whole.

The peer is what a first version of such an endpoint does: ``await request.body()``, answer, parse
in a pool. It answers before anything is on disk; the gateway's answer is durable and verified.

Usage: python benchmarks/webhook.py [--write] [--large GB]
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from report import write_section

from synthgrid_assets.services.gateway.receiving.clients import make_key
from synthgrid_assets.services.gateway.receiving.signatures import secret_bytes, sign

SIZE = 50_000_000
PEER = """
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
async def hook(request):
    body = await request.body()
    return JSONResponse({"bytes": len(body)}, 202)
app = Starlette(routes=[Route("/collections/c/items", hook, methods=["POST"])])
uvicorn.run(app, port=PORT, log_level="error")
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def peak_megabytes(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) / 1024


def send(port: int, body: bytes, headers: dict[str, str], repeat: int = 1) -> float:
    """Seconds from the last byte sent to the answer."""
    head = "POST /collections/c/items HTTP/1.1\r\nhost: x\r\ncontent-type: application/geo+json\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head += f"content-length: {len(body) * repeat}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(head.encode())
        for _ in range(repeat):
            line.sendall(body)
        sent = time.perf_counter()
        answer = line.recv(4096)
        assert answer.startswith(b"HTTP/1.1 202"), answer[:200]
        return time.perf_counter() - sent


def started(command: list[str], port: int, **environment: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL
    )
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process
        except OSError:
            time.sleep(0.05)


def measure(port: int, body: bytes, headers: Callable[[], dict[str, str]], clients: int) -> list:
    times: list[float] = []

    def one() -> None:
        times.extend([send(port, body, headers()) for _ in range(4)])

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--write", action="store_true")
    options.add_argument("--large", type=float, default=2.0, help="gigabytes of one large body")
    asked = options.parse_args()
    lines = ["| | ack p50 | ack max | peak memory |", "| --- | --- | --- | --- |"]
    body = os.urandom(SIZE)
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder, "keys.json")
        made = make_key(keys, "bench")
        key = secret_bytes(made.secret)

        def signed() -> dict[str, str]:
            name, now = base64.b32encode(os.urandom(10)).decode(), int(time.time())
            return {
                "webhook-id": name,
                "webhook-timestamp": str(now),
                "webhook-signature": sign(key, name, now, body),
            }

        for name, clients in (("one", 1), ("four at once", 4)):
            port = free_port()
            program = "from synthgrid_assets.cli import main; main()"
            command = [sys.executable, "-c", program, "gateway", "serve", "--workers", "0"]
            command += ["--port", str(port), "--data", f"{folder}/{clients}"]
            process = started(command, port, SYNTHGRID_GATEWAY_KEYS=str(keys))
            idle = peak_megabytes(process.pid)
            times = measure(port, body, signed, clients)
            lines.append(line(f"gateway, 50 MB signed, {name}", times, process.pid, idle))
            if clients == 1 and asked.large:
                token = {"authorization": f"Bearer {made.token}"}
                repeat = int(asked.large * 1e9 / SIZE)
                times = [send(port, body, token, repeat)]
                lines.append(line(f"gateway, {asked.large:g} GB, one", times, process.pid, idle))
            process.send_signal(signal.SIGTERM)
            process.wait()
            port = free_port()
            process = started([sys.executable, "-c", PEER.replace("PORT", str(port))], port)
            idle = peak_megabytes(process.pid)
            times = measure(port, body, dict, clients)
            lines.append(line(f"body read whole, 50 MB, {name}", times, process.pid, idle))
            process.send_signal(signal.SIGTERM)
            process.wait()
    report = "\n".join(lines)
    print(report)
    if asked.write:
        write_section("webhook", report)


def line(name: str, times: list[float], pid: int, idle: float) -> str:
    p50, most = statistics.median(times) * 1e3, max(times) * 1e3
    peak = peak_megabytes(pid)
    return f"| {name} | {p50:.0f} ms | {most:.0f} ms | {peak:.0f} MB ({idle:.0f} idle) |"


if __name__ == "__main__":
    main()
