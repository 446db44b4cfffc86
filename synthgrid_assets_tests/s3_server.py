"""A server that speaks S3 (moto's), as a thread or as a process, with one bucket."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

BUCKET = "tiles"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
}
PROCESS = """
import sys
from synthgrid_assets_tests.s3_server import list_folder_once
from moto.server import main
list_folder_once()
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""


def list_folder_once():
    """Have moto list its own folder once, and not for each request: half of a request's time."""
    from moto import backends

    names = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: names


def make_bucket(address):
    request = urllib.request.Request(f"{address}/{BUCKET}", method="PUT")
    urllib.request.urlopen(request, timeout=60).close()


@contextlib.contextmanager
def server_thread():
    """A server in this process; its address."""
    moto_server = pytest.importorskip("moto.server", reason="moto's server is not installed")
    list_folder_once()
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    make_bucket(address)
    yield address
    server.stop()


@contextlib.contextmanager
def server_process():
    """A server of its own process, for tests that fork and kill; its address."""
    pytest.importorskip("moto.server", reason="moto's server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(port)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                make_bucket(address)
                break
            time.sleep(0.1)
        else:
            pytest.fail("the server did not start")
        yield address
    finally:
        server.kill()
        server.wait(60)


def use_server(monkeypatch, address):
    """Have clients in this process, and those that it starts, ask a server."""
    for name, value in {"AWS_ENDPOINT_URL": address, **CREDENTIALS}.items():
        monkeypatch.setenv(name, value)
